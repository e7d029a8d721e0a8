# frozen_string_literal: true

# What the daemon answers, in objects that do not change. Their inspect shows no token, no cookie secret and no claims.
module JWTKeeper
  # The claims of a token that is valid.
  module Claimed
    # The claims as they stand in the token, byte for byte: a JSON object. nil where the token is not valid.
    attr_reader :claims_json

    # The claims, with Strings for names.
    def claims
      @claims ||= claims_json && Claims.parse(claims_json)
    end
  end

  # Whether a token is valid, and if not, why.
  class Verdict
    include Claimed

    # Why it is not valid (:expired, :revoked ...), and why a valid one should be rotated now (:flagged, :stale_version
    # ...); nil where it is, or need not be.
    attr_reader :reason, :rotation

    # @api private
    def self.read(reply)
      claims = reply.text(:reply_claims)
      return new(claims_json: claims, rotation: reply.cause) if claims

      new(reason: reply.reason, meaning: reply.reason_meaning)
    end

    # @api private
    def initialize(claims_json: nil, reason: nil, meaning: nil, rotation: nil)
      @claims_json = claims_json
      @reason = reason
      @meaning = meaning
      @rotation = rotation
    end

    def valid?
      !claims_json.nil?
    end

    def invalid?
      !valid?
    end

    # Valid, and to be rotated now.
    def rotation_due?
      !rotation.nil?
    end

    # The error that says why it is not valid.
    def error
      InvalidTokenError.of(reason, @meaning) if invalid?
    end

    def inspect
      "#<#{self.class} #{valid? ? "valid rotation=#{rotation.inspect}" : "invalid reason=#{reason}"}>"
    end
  end

  # The lock cookie that belongs to a token just minted.
  class Cookie
    # The value is the cookie secret: it goes to the browser and nowhere else. set_cookie is a whole Set-Cookie header.
    attr_reader :name, :value, :expires_at, :domain, :path, :same_site, :set_cookie

    # @api private
    def self.read(reply)
      name = reply.text(:reply_cookie_name)
      new(reply, name) if name
    end

    # @api private
    def initialize(reply, name)
      @name = name
      @value = reply.text(:reply_cookie_value)
      @expires_at = Time.at(reply.number(:reply_cookie_expires_at))
      @domain = reply.text(:reply_cookie_domain)
      @path = reply.text(:reply_cookie_path)
      @same_site = reply.text(:reply_cookie_same_site)
      @secure = reply.number(:reply_cookie_secure) == 1
      @http_only = reply.number(:reply_cookie_http_only) == 1
      @set_cookie = reply.text(:reply_set_cookie)
      freeze
    end

    def secure?
      @secure
    end

    def http_only?
      @http_only
    end

    def inspect
      "#<#{self.class} name=#{name}>"
    end
  end

  # A token just issued, or the successor of one just rotated.
  class Minted
    include Claimed

    # token in compact serialization; authorization is the header that carries it; cookie is nil where it is not locked.
    attr_reader :token, :jti, :expires_at, :cookie

    # @api private
    def self.read(reply)
      new(reply)
    end

    # @api private
    def initialize(reply)
      @token = reply.text(:reply_token)
      @jti = reply.text(:reply_jti)
      @expires_at = Time.at(reply.number(:reply_expires_at))
      @claims_json = reply.text(:reply_claims)
      @cookie = Cookie.read(reply)
    end

    def authorization
      "Bearer #{token}"
    end

    # The headers of a response that carries it, such as a login's. No cache may keep them.
    def headers
      { 'Authorization' => authorization, 'Cache-Control' => 'no-store', 'Set-Cookie' => cookie&.set_cookie }.compact
    end

    def valid?
      true
    end

    def invalid?
      false
    end

    def inspect
      "#<#{self.class} jti=#{jti}>"
    end
  end

  # Whether there was something to revoke; else the reason for which the token is none of the realm's.
  Revocation = Struct.new(:reason) do
    def revoked?
      reason.nil?
    end
  end

  # What the denylist says of a jti: state is nil, :soft, :hard or :rotated; until a Time or nil.
  Standing = Struct.new(:state, :until)

  # How the daemon is; particulars is a Hash.
  Health = Struct.new(:ready, :generation, :particulars) do
    alias_method :ready?, :ready
  end

  # How many entries are known, and how many of them the shared store still lacks.
  Import = Struct.new(:entries, :pending)
end
