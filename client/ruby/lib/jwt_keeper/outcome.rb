# frozen_string_literal: true

# The result of Client#authenticate: what to do with a request, and the headers to send with its response.
module JWTKeeper
  class Outcome
    # status: 200 goes on, 401 is not authenticated, 503 could not be judged now. token: the Token to go on with, the
    # successor after a rotation. reason: why the token is not valid, nil where there is none. headers: to be sent; after
    # a rotation they carry the new token. error: the UnavailableError of a 503. put_off: why a rotation that is due has
    # to wait.
    attr_reader :status, :token, :reason, :headers, :error, :put_off

    # @api private
    def self.of(session, token)
      return new(401, reason: session.reason, headers: refusal(session)) unless session.authenticated?

      new(200, token: token, headers: session.minted ? session.minted.headers : {}, put_off: session.put_off)
    end

    # @api private
    def self.unavailable(error)
      new(503, error: error, headers: { 'Retry-After' => '1' })
    end

    # @api private
    def self.refusal(session)
      { 'WWW-Authenticate' => session.challenge, 'Set-Cookie' => session.set_cookie }.compact
    end
    private_class_method :refusal

    # @api private
    def initialize(status, token: nil, reason: nil, headers: {}, error: nil, put_off: nil)
      @status = status
      @token = token
      @reason = reason
      @headers = headers.freeze
      @error = error
      @put_off = put_off
    end

    def authenticated?
      status == 200
    end

    # The claims, with Symbols for names; nil where the request is not authenticated.
    def claims
      token&.claims
    end

    def inspect
      "#<#{self.class} status=#{status} reason=#{reason.inspect}>"
    end
  end
end
