# frozen_string_literal: true

# The session flow of one request: whether it is authenticated, and the successor when rotation is due. The rules are
# libjwtkeeper's; Rack and Controller carry what this says to the response.
module JWTKeeper
  class Session
    # The claims to go on with, as JSON text; nil when the request is not authenticated. token and cookie: the ones
    # that came, when the token is valid; the cookie is its value alone. reason: why it is not. rotation: why it is to be rotated. challenge: the WWW-Authenticate header of an
    # answer 401. set_cookie: the Set-Cookie header to send. minted: the successor, after `rotate`. put_off: why there is
    # none now.
    attr_reader :claims_json, :token, :cookie, :reason, :rotation, :challenge, :set_cookie, :minted, :put_off

    # Raises an UnavailableError where the token cannot be judged now: answer 503, and clear nothing.
    def initialize(library, handle, authorization, cookie)
      @library = library
      @handle = handle
      reply = library.take
      begin
        reply.check(handle.use do |client|
          library.session_authenticate.call(client, authorization, authorization.to_s.bytesize,
                                            cookie, cookie.to_s.bytesize, reply.address)
        end)
        read(reply)
        @token = reply.text(:reply_presented)
        @cookie = reply.text(:reply_presented_cookie)
        # The library keeps the token to rotate in the reply: no other call may have it until then.
        @reply = reply if rotation
      ensure
        library.give_back(reply) unless @reply
      end
    end

    def authenticated?
      !claims_json.nil?
    end

    # Whether the browser is to lose its lock cookie: only when its token is expired or revoked.
    def clears_cookie?
      !authenticated? && !set_cookie.nil?
    end

    # Rotates a token whose rotation is due; new claims are a Hash, JSON text or nil, which carries the old ones over.
    # Then `minted` is the successor, or `put_off` says why there is none now and the old token serves on, or the
    # request is no longer authenticated. Claims that are at fault raise, and may be followed by others.
    def rotate(claims = nil)
      claims = Claims.text(claims)
      # Taken out first: of two threads one has it.
      reply, @reply = @reply, nil
      return unless reply

      begin
        rotated(reply, claims)
      rescue Error
        @reply = reply
        raise
      end
      @rotation = nil
      @library.give_back(reply)
    end

    def inspect
      "#<#{self.class} #{authenticated? ? 'authenticated' : "not authenticated reason=#{reason.inspect}"}>"
    end

    private

    # Two would share one reply.
    def initialize_copy(_other)
      raise TypeError, 'a session cannot be copied'
    end

    def rotated(reply, claims)
      reply.check(@handle.use do |client|
        @library.session_rotate.call(client, claims, claims.to_s.bytesize, reply.address)
      end)
      read(reply)
      if reply.text(:reply_jti)
        @minted = Minted.read(reply)
        @set_cookie = minted.cookie&.set_cookie
      elsif authenticated?
        @put_off = reply.text(:reply_message)
      end
    end

    def read(reply)
      @claims_json = reply.text(:reply_claims)
      return @rotation = reply.cause if authenticated?

      @reason = reply.reason
      @challenge = reply.text(:reply_challenge)
      @set_cookie = reply.text(:reply_set_cookie)
    end
  end
end
