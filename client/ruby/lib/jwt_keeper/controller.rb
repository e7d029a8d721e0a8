# frozen_string_literal: true

# The session flow for controllers, with the names of the gem's. In Rails it is in ActionController::Base already;
# another class includes it when it has `request` and `response` with headers. The lock cookie goes through
# `cookies.signed` where there is one, as with the gem, and otherwise through the headers.
module JWTKeeper
  module Controller
    # Rails: a token that cannot be judged now is answered 503. The app's own rescue_from goes before.
    def self.included(base)
      base.after_action(:keep_token_from_caches) if base.respond_to?(:after_action)
      return unless base.respond_to?(:rescue_from)
      return if base.rescue_handlers.any? { |name, _| name == UnavailableError.name }

      base.rescue_from UnavailableError, with: :authentication_unavailable
    end

    # For before_action: goes on with a valid token, which is rotated when that is due. Else it raises a
    # NotAuthenticatedError, or calls the app's not_authenticated. Raises an UnavailableError, and clears nothing, where the
    # token cannot be judged now.
    def require_authentication
      token = read_authentication_token
      return refuse_authentication if token.nil?

      if token.rotation
        session = session_to_rotate(token)
        session.rotate(regenerate_claims(token)) if session.authenticated?
        return refuse_authentication unless session.authenticated?

        write_authentication_token(token.send(:become, session.minted)) if session.minted
        JWTKeeper.client.note_rotation(session, authentication_logger)
      end
      echo_authentication_token(token)
      authenticated(token)
    end

    # The request's token, when it is valid; else nil.
    # @return [Token, nil]
    def read_authentication_token
      return @authentication_token if @authentication_token

      authorization = request.headers['Authorization']
      @authentication_session = JWTKeeper.client.session(authorization, authorization && presented_cookie)
      JWTKeeper.client.note_answered(authentication_logger)
      return unless @authentication_session.authenticated?

      @authentication_token = Token.from_session(@authentication_session, @authentication_session.cookie)
    end

    # Sends a token to the browser, with its lock cookie when it was just minted; nil clears both.
    # @return [Token, nil]
    def write_authentication_token(token)
      return clear_authentication_token if token.nil?

      send_authorization(token)
      write_lock_cookie(token) if token.cookie
      @authentication_session = nil
      @authentication_token = token
    end

    # Logs a user in: mints a token with these claims, and sends it.
    # @return [Token]
    def log_in(claims)
      write_authentication_token(Token.create(claims))
    end

    # Logs the user out: revokes the request's token with its session, and takes token and cookie from the browser. Raises
    # an UnavailableError, and clears nothing, where it cannot be revoked now.
    # @return [Boolean] whether there was something to revoke
    def log_out
      revoked = read_authentication_token&.revoke
      clear_authentication_token
      revoked == true
    end

    # Takes token and lock cookie from the browser. It revokes nothing: the token stays valid for whoever has it, so use
    # log_out for a logout.
    def clear_authentication_token
      response.headers.delete('Authorization')
      clear_lock_cookie
      @authentication_session = nil
      @authentication_token = nil
    end

    # Answers a request that is not authenticated; to be overridden, without a parameter or with one for the error. As with
    # the gem, the error is raised: for a rescue_from, a rescue block, or Rails's own 401.
    def not_authenticated(error = nil)
      raise error || NotAuthenticatedError
    end

    # Is given the token of an authenticated request; to be overridden.
    def authenticated(token); end

    # Gives the new private claims of a token that is rotated: a Hash, or nil to carry the old ones over; to be
    # overridden.
    def regenerate_claims(old_token); end

    # Answers a request whose token cannot be judged now; to be overridden.
    def authentication_unavailable(error)
      JWTKeeper.client.note_unavailable(error, authentication_logger)
      response.headers['Retry-After'] = '1'
      head :service_unavailable
    end

    private

    # The cookie goes only when no other token could still need it.
    def refuse_authentication
      session = @authentication_session
      response.headers.delete('Authorization')
      response.headers['WWW-Authenticate'] = session&.challenge || 'Bearer'
      clear_lock_cookie(session) if session&.clears_cookie?
      @authentication_token = nil
      deny(NotAuthenticatedError.new('not authenticated', reason: session&.reason))
    end

    # Raises, as the gem does, unless the app overrides not_authenticated and has no rescue_from for the error. An override
    # that renders nothing would let the action run: the error is raised then too.
    def deny(error)
      override = method(:not_authenticated)
      raise error if override.owner == Controller || rescues?(error)

      override.arity.zero? ? override.call : override.call(error)
      raise error if respond_to?(:performed?) && !performed?
    end

    def rescues?(error)
      handlers = self.class.respond_to?(:rescue_handlers) ? self.class.rescue_handlers : []
      handlers.any? { |name, _| name == error.class.name }
    end

    # That of read_authentication_token, or one for a token that the app read by itself.
    def session_to_rotate(token)
      @authentication_session ||= JWTKeeper.client.session("Bearer #{token.to_jwt}", token.cookie_secret)
    end

    def echo_authentication_token(token)
      return unless JWTKeeper.configuration.echo_authorization && response.headers['Authorization'].nil?

      send_authorization(token)
    end

    def send_authorization(token)
      response.headers['Authorization'] = "Bearer #{token.to_jwt}"
      @authentication_sent = true
      keep_token_from_caches
    end

    # No cache may keep a token, whatever the action says of its response.
    def keep_token_from_caches
      response.headers['Cache-Control'] = 'no-store' if @authentication_sent && response.headers['Authorization']
    end

    def authentication_logger
      logger if respond_to?(:logger, true)
    end

    def signed_cookies
      jar = cookies if respond_to?(:cookies, true)
      jar.signed if jar.respond_to?(:signed)
    end

    # The lock cookie's value, or the header that has it.
    def presented_cookie
      jar = signed_cookies
      jar ? jar[JWTKeeper.client.place[:name]] : request.headers['Cookie']
    end

    def write_lock_cookie(token)
      jar = signed_cookies
      return Headers.replace_cookie(response.headers, token.cookie.set_cookie) unless jar

      jar[token.cookie.name] = token.to_cookie
    end

    def clear_lock_cookie(session = nil)
      return delete_signed_cookie if signed_cookies

      Headers.replace_cookie(response.headers, session&.set_cookie || JWTKeeper.client.clear_cookie)
    end

    # With no option where Rails's defaults are right, as the gem does.
    def delete_signed_cookie
      place = JWTKeeper.client.place
      options = place.slice(:domain, :path).compact
      options == { path: '/' } ? cookies.delete(place[:name]) : cookies.delete(place[:name], **options)
    end
  end
end
