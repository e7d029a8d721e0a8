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
    # @param cookie [Hash, nil] where the lock cookie lies, if it is not to be where the daemon says: :name
    #   (`jwt_keeper`), :domain (none), :path (`/`), :secure (true)
    def initialize(socket: nil, realm: nil, deadline: nil, connect_timeout: nil, server_uid: nil, max_idle: nil,
                   name: nil, cookie: nil)
      @library = Library.instance
      @place = PLACE.merge(cookie) if cookie
      raise ArgumentError, 'cookie takes :name, :domain, :path and :secure' if @place && @place.size != PLACE.size

      config = @library.config_new.call
      begin
        set(config, :socket, *text(socket)) if socket
        set(config, :realm, *text(realm)) if realm
        set(config, :name, *text(name || "ruby #{VERSION}"))
        set(config, :deadline_ms, milliseconds(deadline)) if deadline
        set(config, :connect_timeout_ms, milliseconds(connect_timeout)) if connect_timeout
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
      other = dup
      other.send(:own) { |out| @library.client_for_realm.call(@handle, *text(realm), out) }
      other
    end

    # true when the daemon answers.
    def ping
      ask(:ping) { true }
    end

    # Mints a token. Claims are a Hash to merge in, JSON text, or nil; ttl is in seconds: the realm's expiry unless
    # given.
    # @return [Minted]
    def issue(claims = nil, ttl: nil)
      raise ArgumentError, 'a ttl is 0 or more seconds' if ttl&.negative?

      ask(:issue, *text(Claims.text(claims)), ttl ? Integer(ttl) : REALM_EXPIRY) { |reply| Minted.read(reply) }
    end

    # Is a token valid now? Token and cookie may be any bytes from outside; cookie is the value of the lock cookie.
    # @return [Verdict]
    def validate(token, cookie: nil)
      ask(:validate, *text(token), *text(cookie)) { |reply| Verdict.read(reply) }
    end

    # Replaces a valid token by its one successor. Claims are new private claims; nil carries the old ones over.
    # @return [Minted, Verdict] the successor, or why the token is not valid: ask `valid?`
    def rotate(token, cookie: nil, claims: nil)
      ask(:rotate, *text(token), *text(cookie), *text(Claims.text(claims))) do |reply|
        reply.number(:reply_valid) == 1 ? Minted.read(reply) : Verdict.read(reply)
      end
    end

    # Flags a token by its jti: it stays valid, and is to be rotated on next sight. Returns once that is stored durably,
    # as all that flags or revokes does.
    def flag(jti)
      ask(:flag_jti, *text(jti)) { nil }
    end

    # Flags every token of a subject that was born by a time; nil is now.
    def flag_subject(subject, before: nil)
      ask(:flag_subject, *text(subject), moment(before)) { nil }
    end

    # Revokes a token and its session: a logout.
    # @return [Revocation]
    def revoke(token, cookie: nil)
      ask(:revoke_token, *text(token), *text(cookie)) { |reply| Revocation.new(reply.reason).freeze }
    end

    # Revokes a token by its jti, the session that it began, and its successor.
    def revoke_jti(jti)
      ask(:revoke_jti, *text(jti)) { nil }
    end

    # Revokes all tokens of a session, named by the `jti` of its first token: `jwtkeeper.sid` in its successors.
    def revoke_session(session)
      ask(:revoke_session, *text(session)) { nil }
    end

    # Revokes every login of a subject that was begun by a time, not in the future; nil is now.
    def revoke_subject(subject, before: nil)
      ask(:revoke_subject, *text(subject), moment(before)) { nil }
    end

    # Revokes every login of the realm that was begun by a time, not in the future; nil is now.
    def revoke_issued_before(time = nil)
      ask(:revoke_issued_before, moment(time)) { nil }
    end

    # What the denylist says of a jti.
    # @return [Standing]
    def status(jti)
      ask(:status, *text(jti)) do |reply|
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
    # @return [Integer] the generation then in force
    def reload
      ask(:reload) { |reply| reply.number(:reply_generation) }
    end

    # Has the daemon bring its own store and the shared one level.
    # @return [Import]
    def import
      ask(:import) { |reply| Import.new(reply.number(:reply_entries), reply.number(:reply_pending)).freeze }
    end

    # Begins the session flow of a request: its Authorization header, and the value of its lock cookie.
    # @return [Session]
    def session(authorization, cookie = nil)
      Session.new(self, @library, @handle, authorization&.to_s.dup, cookie&.to_s.dup)
    end

    # The value of the lock cookie in a Cookie header; nil when it is not there.
    def find_cookie(header)
      return if header.nil?

      header = Fiddle::Pointer[header.dup]
      length = Fiddle::Pointer.malloc(Fiddle::SIZEOF_SIZE_T, Fiddle::RUBY_FREE)
      address = @library.cookie_find.call(@handle, header, header.size, length)
      address.zero? ? nil : Fiddle::Pointer.new(address)[0, length[0, length.size].unpack1('J')]
    end

    # The Set-Cookie header that takes the lock cookie from the browser.
    def clear_cookie
      ask(:cookie_clear) { |reply| reply.text(:reply_set_cookie) }
    end

    def inspect
      "#<#{self.class}>"
    end

    PLACE = { name: 'jwt_keeper', domain: nil, path: '/', secure: true }.freeze
    NOW = -1
    REALM_EXPIRY = -1
    private_constant :PLACE, :NOW, :REALM_EXPIRY

    # What frees a handle once, however often its client is copied. A child of fork leaves its parent's clients alone.
    # @api private
    class Keeper
      def initialize(free, handle)
        ObjectSpace.define_finalizer(self, self.class.freeing(free, handle, Process.pid))
      end

      def self.freeing(free, handle, pid)
        ->(_) { free.call(handle) if Process.pid == pid }
      end
    end
    private_constant :Keeper

    private

    def set_place(config)
      where = @place.values_at(:name, :domain, :path).flat_map { |value| text(value) }
      set(config, :cookie, *where, @place[:secure] ? 1 : 0)
    end

    # One call with a reply of its own: raises unless it was answered, else gives what the block reads from the reply.
    def ask(operation, *arguments)
      @library.with_reply do |reply|
        reply.check(@library.public_send(operation).call(@handle, *arguments, reply.address))
        yield reply
      end
    end

    # A string and its length. A copy, for another thread could change the string while the call reads it.
    def text(string)
      return nil, 0 if string.nil?

      string = string.to_s.dup
      [string, string.bytesize]
    end

    def milliseconds(seconds)
      raise ArgumentError, 'a time limit is more than 0 seconds' unless seconds.positive?

      (seconds.to_r * 1000).ceil
    end

    def moment(time)
      return NOW if time.nil?

      time = time.to_time if time.respond_to?(:to_time)
      (time.to_r * 1000).floor
    end

    def set(config, option, *values)
      raise_fault(@library.public_send(:"config_set_#{option}").call(config, *values), option)
    end

    def own
      out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
      raise_fault(yield(out), 'the client')
      @handle = out[0, out.size].unpack1('J')
      @keeper = Keeper.new(@library.client_free, @handle)
    end

    def raise_fault(code, what)
      return if code.zero?

      raise @library.error(code, "#{what}: #{Library.text(@library.code_meaning.call(code))}")
    end
  end
end
