# frozen_string_literal: true

# A token, with the names of the gem's: made by `create`, found by `find`. What it says of itself it asks the daemon
# anew each time.
module JWTKeeper
  class Token
    # The cookie secret that came with the token, or that its browser is to get; nil without a lock. claims_json: the
    # claims, byte for byte. rotation: why it was to be rotated when it was found (:flagged, :stale_version ...), or
    # nil.
    attr_reader :cookie_secret, :claims_json, :rotation

    class << self
      # Mints a token. An `exp` may be a Time or a number, up to the realm's max_lifetime.
      # @param private_claims [Hash]
      # @return [Token]
      def create(private_claims = {})
        claims = Claims.hash(private_claims)
        refuse_keys(claims[:secret])
        claims = claims.reject { |name, _| %i[secret cookie_secret].include?(name) }
        allocate.send(:become, JWTKeeper.client.issue(claims))
      end

      # The token, when it is valid; else nil.
      # @param raw_token [String]
      # @param cookie_secret [String, nil] the value of the lock cookie
      # @param iss [String, nil] the issuer that it must have, one of the realm's
      # @return [Token, nil]
      def find(raw_token, secret: nil, cookie_secret: nil, iss: nil)
        refuse_keys(secret)
        verdict = validate(raw_token, cookie_secret)
        return if verdict.invalid? || iss && verdict.claims['iss'] != iss

        new(raw_token, verdict.claims_json, cookie_secret || nil, verdict.rotation)
      end

      # The token, when it is valid; else raises the InvalidTokenError that says why.
      def find!(raw_token, cookie_secret: nil)
        verdict = validate(raw_token, cookie_secret)
        raise verdict.error if verdict.invalid?

        new(raw_token, verdict.claims_json, cookie_secret || nil, verdict.rotation)
      end

      # Flags a token: it stays valid, and is rotated on next sight.
      # @param token_jti [String]
      def rotate(token_jti)
        JWTKeeper.client.flag(token_jti)
      end

      # Revokes a token, the session that it began, and its successor.
      # @param token_jti [String]
      def revoke(token_jti)
        JWTKeeper.client.revoke_jti(token_jti)
      end

      # Was a token revoked? As with the gem, one that was rotated counts too.
      # @param token_jti [String]
      def revoked?(token_jti)
        %i[hard rotated].include?(JWTKeeper.client.status(token_jti).state)
      end

      # Was a token flagged?
      # @param token_jti [String]
      def pending?(token_jti)
        JWTKeeper.client.status(token_jti).state == :soft
      end

      # @api private
      def from_session(session, cookie_secret)
        new(session.token, session.claims_json, cookie_secret || nil, session.rotation)
      end

      private :new

      private

      def validate(raw_token, cookie_secret)
        JWTKeeper.client.validate(raw_token.to_s, cookie: cookie_secret || nil)
      end

      # Another key than the realm's cannot be had here, and leaving it out would change what was asked.
      def refuse_keys(secret)
        raise ArgumentError, 'keys are the daemon\'s: give the other secret a realm of its own' unless secret.nil?
      end
    end

    def initialize(raw_token, claims_json, cookie_secret, rotation)
      @raw_token = raw_token.dup.freeze
      @claims_json = claims_json
      @cookie_secret = cookie_secret
      @rotation = rotation
    end

    # The claims, with Symbols for names.
    # @return [Hash]
    def claims
      @claims ||= Claims.parse(claims_json, symbolize: true)
    end

    # Its jti.
    def id
      claims[:jti]
    end

    # Becomes its one successor, which everyone gets who rotates it within the grace. nil carries the claims over.
    # @return [Token, nil] itself; nil when it is not valid any more. A foreign issuer's token stays as it is.
    def rotate(new_claims = nil)
      answer = JWTKeeper.client.rotate(@raw_token, cookie: cookie_secret, claims: new_claims)
      become(answer) if answer.valid?
    rescue BadRequestError => e
      raise unless e.name == 'foreign_token'

      self
    end

    # Revokes it and its session.
    # @return [Boolean] whether there was something to revoke
    def revoke
      revoked = JWTKeeper.client.revoke(@raw_token, cookie: cookie_secret).revoked?
      @ended = true
      revoked
    end

    # Was it revoked by this object? Nothing of it is to go to the browser any more.
    # @api private
    def ended?
      @ended == true
    end

    # Is rotation due because it was flagged?
    def pending?
      verdict.rotation == :flagged
    end

    # Is rotation due because its version is not the realm's?
    def version_mismatch?
      verdict.rotation == :stale_version
    end

    # Is rotation due, for whatever cause?
    def rotation_due?
      verdict.rotation_due?
    end

    def revoked?
      verdict.reason == :revoked
    end

    def valid?
      verdict.valid?
    end

    def invalid?
      !valid?
    end

    # @return [String] compact serialization
    def to_jwt
      @raw_token
    end
    alias to_s to_jwt

    # What `cookies.signed[name] =` takes for the lock cookie; nil where there is none.
    # @return [Hash, nil]
    def to_cookie
      return if cookie_secret.nil?

      { value: cookie_secret, httponly: true }.merge(@cookie ? place_of(@cookie) : known_place).compact
    end

    # The lock cookie that the daemon gave with the token; nil for one that came from a browser.
    # @return [Cookie, nil]
    attr_reader :cookie

    def inspect
      "#<#{self.class} jti=#{id}>"
    end

    # Without its own, Rails would write all of the object.
    def as_json(*)
      { 'jti' => id }
    end

    private

    def verdict
      JWTKeeper.client.validate(@raw_token, cookie: cookie_secret)
    end

    def become(minted)
      @raw_token = minted.token.freeze
      @claims_json = minted.claims_json
      @claims = nil
      @cookie = minted.cookie
      @cookie_secret = minted.cookie&.value
      @rotation = nil
      self
    end

    def place_of(cookie)
      { expires: cookie.expires_at, domain: cookie.domain, path: cookie.path, secure: cookie.secure?,
        httponly: cookie.http_only?, same_site: cookie.same_site&.to_sym }
    end

    def known_place
      place = JWTKeeper.client.place
      { expires: Time.at(claims[:exp]), domain: place[:domain], path: place[:path], secure: place[:secure] }
    end
  end
end
