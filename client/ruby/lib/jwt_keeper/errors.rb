# frozen_string_literal: true

# The errors. A token that is not valid is an answer and raises nothing, but where a method says so; an error that has a
# code says why there is no answer. No message holds a token, a cookie secret or claims.
module JWTKeeper
  # All errors of this library.
  class Error < StandardError
    # The number and the name of the code, as docs/protocol.md lists them; nil where no call was made.
    attr_reader :code, :name

    def initialize(message = nil, code: nil, name: nil)
      super(message)
      @code = code
      @name = name
    end

    # The error of a result code.
    def self.of(code, name, message)
      kind(code).new(message, code: code, name: name)
    end

    def self.kind(code)
      case code
      when 300 then UnreachableError
      when 301 then TimeoutError
      when 500, 501, 502, 504 then UnavailableError
      when 304, 400 then NotPermittedError
      when 200..299, 303 then BadRequestError
      else Error
      end
    end
    private_class_method :kind
  end

  # Nothing can be said of the token now; another try may be answered. A web request ends in 503, and nothing is
  # cleared.
  class UnavailableError < Error; end

  # No daemon answers at the socket.
  class UnreachableError < UnavailableError; end

  # The deadline passed; whether the daemon did what was asked is not known.
  class TimeoutError < UnavailableError; end

  # This process may not do this in this realm, or may not open the socket.
  class NotPermittedError < Error; end

  # The request is at fault: unknown realm, bad or reserved claims, too large.
  class BadRequestError < Error; end

  # The client was closed.
  class ClosedError < Error; end

  # libjwtkeeper is missing, or too old for this gem.
  class LibraryError < Error; end

  # The request is not authenticated. Raised by require_authentication.
  class NotAuthenticatedError < Error
    # Why its token is not valid, as a symbol (:expired, :revoked ...); nil where it has none.
    attr_reader :reason

    def initialize(message = 'not authenticated', reason: nil)
      super(message)
      @reason = reason
    end
  end

  # The token is not valid. Raised by Token.find! alone.
  class InvalidTokenError < Error
    # Why, as a symbol: :malformed, :bad_signature, :expired, :revoked ...
    attr_reader :reason

    def initialize(message = nil, reason: nil)
      super(message)
      @reason = reason
    end

    # The error of a reason; one that is not known here is an InvalidTokenError like any other.
    def self.of(reason, meaning)
      KINDS.fetch(reason, InvalidTokenError).new(meaning, reason: reason)
    end
  end

  # Its exp, or its session's whole lifetime, has passed.
  class ExpiredTokenError < InvalidTokenError; end

  # It, its session, its subject's logins or its realm's logins were revoked, or it was rotated and the grace is over.
  class RevokedTokenError < InvalidTokenError; end

  # Its nbf, its iat or its birth lies in the future.
  class EarlyTokenError < InvalidTokenError; end

  # Its iss is not the realm's.
  class BadIssuerError < InvalidTokenError; end

  # None of its aud is the realm's.
  class LousyAudienceError < InvalidTokenError; end

  class InvalidTokenError
    KINDS = {
      expired: ExpiredTokenError,
      revoked: RevokedTokenError,
      not_yet_valid: EarlyTokenError,
      wrong_issuer: BadIssuerError,
      wrong_audience: LousyAudienceError
    }.freeze
    private_constant :KINDS
  end
end
