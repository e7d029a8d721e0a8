# frozen_string_literal: true

# A client of one daemon, in one realm: every operation. Any number of threads may use one at once, and it may be kept
# across fork. Every call ends by its deadline; what cannot be answered raises an Error.
module JWTKeeper
  class Client
    # @param socket [String, nil] the daemon's socket: JWTKEEPER_SOCKET or /run/jwtkeeper/jwtkeeper.sock unless given
    # @param realm [String, nil] the realm of all calls: `default` unless given
    # @param deadline [Numeric, nil] how many seconds a call may take in all: 5 unless given
    # @param connect_timeout [Numeric, nil] how many seconds one attempt to connect may take: 2 unless given
    # @param server_uid [Integer, nil] the uid that the daemon must run as: JWTKEEPER_SERVER_UID, or root's, this process's
    #   or that of the owner of the socket's directory unless given
    # @param max_idle [Integer, nil] how many unused connections are kept: 16 unless given
    # @param name [String, nil] what the client calls itself in the daemon's log
    # @param logger [Logger, nil] takes the lines about outages; Rack and Rails have one of their own
    # @param cookie [Hash, nil] where the lock cookie lies, if it is not to be where the daemon says: :name
    #   (`jwt_keeper`), :domain (none), :path (`/`), :secure (true)
    def initialize(socket: nil, realm: nil, deadline: nil, connect_timeout: nil, server_uid: nil, max_idle: nil,
                   name: nil, cookie: nil, logger: nil)
      Options.check(socket: socket, realm: realm, deadline: deadline, connect_timeout: connect_timeout, name: name,
                    server_uid: server_uid, max_idle: max_idle, cookie: cookie, logger: logger)
      @logger = logger
      @outages = { judging: Outage.new('requests get 503', 'requests are answered again'),
                   rotation: Outage.new('rotation is put off', 'tokens are rotated again') }.freeze
      @library = Library.instance
      @place = Options.cookie(cookie) if cookie
      config = @library.config_new.call
      begin
        set(config, :socket, *text(Options.socket(socket))) if socket
        set(config, :realm, *text(realm)) if realm
        set(config, :name, *text(name || "ruby #{VERSION}"))
        set(config, :deadline_ms, Options.deadline(deadline)) if deadline
        set(config, :connect_timeout_ms, Options.connect_timeout(connect_timeout)) if connect_timeout
        set(config, :server_uid, server_uid) if server_uid
        set(config, :max_idle, max_idle) if max_idle
        set_place(config) if @place
        own { |out| @library.client_new.call(config, out) }
      ensure
        @library.config_free.call(config)
      end
    end

    # Where the lock cookie lies: :name, :domain, :path, :secure. The daemon says it, unless the client was told; it is
    # asked only by a client that has not yet connected.
    def place
      @place || ask(:cookie_settings) do |reply|
        { name: reply.text(:reply_cookie_name), domain: reply.text(:reply_cookie_domain),
          path: reply.text(:reply_cookie_path), secure: reply.number(:reply_cookie_secure) == 1 }
      end
    end

    # Another client, of another realm of the same daemon, over the same connections.
    def for_realm(realm)
      realm = Options.realm(realm)
      other = dup
      handle.use { |address| other.send(:own) { |out| @library.client_for_realm.call(address, *text(realm), out) } }
      other
    end

    # Closes the connections of this client and of its copies; those that `for_realm` gave stay open. Calls that are under
    # way end with an answer, later ones raise a ClosedError. Nobody need close a client: one that is out of reach is
    # closed by itself.
    def close
      handle.close
    end

    def closed?
      handle.closed?
    end

    # true when the daemon answers.
    def ping
      ask(:ping) { true }
    end

    # Mints a token. Claims are a Hash to merge in, JSON text, or nil; ttl is in seconds: the realm's expiry unless
    # given.
    # @return [Minted]
    def issue(claims = nil, ttl: nil)
      ttl = ttl.nil? ? REALM_EXPIRY : Options.ttl(ttl)
      ask(:issue, *text(Claims.text(claims)), ttl) { |reply| Minted.read(reply) }
    end

    # Is a token valid now? Token and cookie may be anything from outside; what is no token is `malformed`. cookie is the
    # value of the lock cookie.
    # @return [Verdict]
    def validate(token, cookie: nil)
      ask(:validate, *text(token.to_s), *text(cookie)) { |reply| Verdict.read(reply) }
    end

    # Replaces a valid token by its one successor. Claims are new private claims; nil carries the old ones over.
    # @return [Minted, Verdict] the successor, or why the token is not valid: ask `valid?`
    def rotate(token, cookie: nil, claims: nil)
      ask(:rotate, *text(token.to_s), *text(cookie), *text(Claims.text(claims))) do |reply|
        reply.number(:reply_valid) == 1 ? Minted.read(reply) : Verdict.read(reply)
      end
    end

    # Flags a token by its jti: it stays valid, and is to be rotated on next sight. Returns once that is stored durably,
    # as all that flags or revokes does.
    def flag(jti)
      ask(:flag_jti, *text(Options.id(:jti, jti))) { nil }
    end

    # Flags every token of a subject that was born by a time; nil is now.
    def flag_subject(subject, before: nil)
      ask(:flag_subject, *text(Options.id(:subject, subject)), moment(before)) { nil }
    end

    # Revokes a token and its session: a logout.
    # @return [Revocation]
    def revoke(token, cookie: nil)
      ask(:revoke_token, *text(token.to_s), *text(cookie)) { |reply| Revocation.new(reply.reason).freeze }
    end

    # Revokes a token by its jti, the session that it began, and its successor.
    def revoke_jti(jti)
      ask(:revoke_jti, *text(Options.id(:jti, jti))) { nil }
    end

    # Revokes all tokens of a session, named by the `jti` of its first token: `jwtkeeper.sid` in its successors.
    def revoke_session(session)
      ask(:revoke_session, *text(Options.id(:session, session))) { nil }
    end

    # Revokes every login of a subject that was begun by a time, not in the future; nil is now.
    def revoke_subject(subject, before: nil)
      ask(:revoke_subject, *text(Options.id(:subject, subject)), moment(before)) { nil }
    end

    # Revokes every login of the realm that was begun by a time, not in the future; nil is now.
    def revoke_issued_before(time = nil)
      ask(:revoke_issued_before, moment(time)) { nil }
    end

    # What the denylist says of a jti.
    # @return [Standing]
    def status(jti)
      ask(:status, *text(Options.id(:jti, jti))) do |reply|
        seconds = reply.number(:reply_until)
        Standing.new(reply.state, seconds.zero? ? nil : Time.at(seconds)).freeze
      end
    end

    # The realm's public keys, a JWK Set.
    # @return [Hash]
    def jwks
      ask(:jwks) { |reply| Claims.parse(reply.text(:reply_document)) }
    end

    # How the daemon is.
    # @return [Health]
    def health
      ask(:health) do |reply|
        Health.new(reply.number(:reply_ready) == 1, reply.number(:reply_generation),
                   Claims.parse(reply.text(:reply_document))).freeze
      end
    end

    # Has the daemon read its files again. Where they are not right an Error says so, a line for each fault.
    # @return [Integer] the generation then in effect
    def reload
      ask(:reload) { |reply| reply.number(:reply_generation) }
    end

    # Has the daemon bring its own store and the shared one level.
    # @return [Import]
    def import
      ask(:import) { |reply| Import.new(reply.number(:reply_entries), reply.number(:reply_pending)).freeze }
    end

    # The whole session flow of a request: is it authenticated, and the successor where rotation is due. For frameworks
    # that have no middleware here; Rack stands on it.
    # @param headers [Hash] the request's headers, or a Rack environment
    # @param regenerate_claims [#call, nil] is given the old Token, and gives new private claims or nil
    # @param log [#error, nil] takes the lines about outages where the client has no logger
    # @return [Outcome]
    def authenticate(headers, regenerate_claims: nil, log: nil)
      authorization, cookies = %w[Authorization Cookie].map { |name| Headers.given(headers, name) }
      session = session(authorization, cookies)
      token = Token.from_session(session, session.cookie) if session.authenticated?
      if session.rotation
        session.rotate(regenerate_claims&.call(token))
        token.send(:become, session.minted) if session.minted
        note_rotation(session, log)
      end
      note_answered(log)
      Outcome.of(session, token)
    rescue UnavailableError => e
      note_unavailable(e, log)
      Outcome.unavailable(e)
    end

    # Logs an outage once.
    # @api private
    def note_unavailable(error, log)
      @outages[:judging].met(error.message, @logger || log)
    end

    # @api private
    def note_answered(log)
      @outages[:judging].over(@logger || log)
    end

    # @api private
    def note_rotation(session, log)
      @outages[:rotation].met(session.put_off, @logger || log) if session.put_off
      @outages[:rotation].over(@logger || log) if session.minted
    end

    # Begins the session flow of a request: its Authorization header, and its Cookie header or the value of its lock
    # cookie.
    # @return [Session]
    def session(authorization, cookie = nil)
      Session.new(@library, handle, authorization&.to_s.dup, cookie&.to_s.dup)
    end

    # The value of the lock cookie in a Cookie header; nil when it is not there. The daemon is asked what the cookie is
    # called where that is not known yet: nil too when it does not answer.
    def find_cookie(header)
      return if header.nil?

      header = Fiddle::Pointer[header.dup]
      length = Fiddle::Pointer.malloc(Fiddle::SIZEOF_SIZE_T, Fiddle::RUBY_FREE)
      address = handle.use { |client| @library.cookie_find.call(client, header, header.size, length) }
      address.zero? ? nil : Fiddle::Pointer.new(address)[0, length[0, length.size].unpack1('J')]
    end

    # The Set-Cookie header that takes the lock cookie from the browser.
    def clear_cookie
      ask(:cookie_clear) { |reply| reply.text(:reply_set_cookie) }
    end

    def inspect
      "#<#{self.class}>"
    end

    NOW = -1
    REALM_EXPIRY = -1
    private_constant :NOW, :REALM_EXPIRY

    private

    def set_place(config)
      where = @place.values_at(:name, :domain, :path).flat_map { |value| text(value) }
      set(config, :cookie, *where, @place[:secure] ? 1 : 0)
    end

    # One call with a reply of its own: raises unless it was answered, else gives what the block reads from the reply.
    def ask(operation, *arguments)
      handle.use do |client|
        @library.with_reply do |reply|
          reply.check(@library.public_send(operation).call(client, *arguments, reply.address))
          yield reply
        end
      end
    end

    # A string and its length. A copy, for another thread could change the string while the call reads it.
    def text(string)
      return nil, 0 if string.nil?

      string = string.to_s.dup
      [string, string.bytesize]
    end

    def moment(time)
      time.nil? ? NOW : Options.moment(time)
    end

    def set(config, option, *values)
      raise_fault(@library.public_send(:"config_set_#{option}").call(config, *values), option)
    end

    def own
      out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
      raise_fault(yield(out), 'the client')
      @handle = Handle.new(@library.client_free, out[0, out.size].unpack1('J'))
    end

    def handle
      @handle || Handle::NONE
    end

    def raise_fault(code, what)
      return if code.zero?

      raise @library.error(code, "#{what}: #{Library.text(@library.code_meaning.call(code))}")
    end
  end
end
