# frozen_string_literal: true

# The session flow as Rack middleware, for any Rack 2 or 3 app. All requests that come to it are protected, but those of
# `except`; put it inside a `map` to protect a part.
module JWTKeeper
  class Rack
    # The Token of a protected request, and its claims, in the environment.
    TOKEN = 'jwt_keeper.token'
    CLAIMS = 'jwt_keeper.claims'

    # @param client [Client, nil] the process's unless given
    # @param except [Array<String, Regexp>, #call] whole paths, patterns of them, or a question of the environment:
    #   requests that need no token
    # @param regenerate_claims [#call, nil] is given the old Token and the environment when rotation is due, and gives
    #   the new private claims: a Hash, JSON text, or nil to carry the old ones over
    def initialize(app, client: nil, except: [], regenerate_claims: nil)
      @app = app
      @client = client
      @open = except.respond_to?(:call) ? except : ->(env) { Array(except).any? { |path| path === env['PATH_INFO'] } }
      @regenerate_claims = regenerate_claims
    end

    def call(env)
      return @app.call(env) if @open.call(env)

      client = @client || JWTKeeper.client
      cookie = client.find_cookie(env['HTTP_COOKIE'])
      begin
        session = client.session(env['HTTP_AUTHORIZATION'], cookie)
      rescue UnavailableError => e
        return unavailable(env, e)
      end
      return refuse(env, session) unless session.authenticated?

      token = Token.from_session(session, cookie)
      if session.rotation
        rotate(session, token, env)
        return refuse(env, session) unless session.authenticated?
      end

      env[TOKEN] = token
      env[CLAIMS] = token.claims
      answer(session, token, *@app.call(env))
    end

    private

    # Claims that the daemon refuses are the app's fault, and raise.
    def rotate(session, token, env)
      session.rotate(@regenerate_claims&.call(token, env))
      token.send(:become, session.minted) if session.minted
      log(env, "rotation is put off: #{session.put_off}") if session.put_off
    end

    # The app has the last word: where it wrote Authorization or the lock cookie itself, at a login or a logout, or
    # revoked the token, nothing is added.
    def answer(session, token, status, headers, body)
      return [status, headers, body] if session.minted.nil? || token.ended?
      return [status, headers, body] if Headers.written?(headers, (@client || JWTKeeper.client).place[:name])

      headers = headers.dup if headers.frozen?
      Headers.default(headers, 'Authorization', session.minted.authorization)
      Headers.add_cookie(headers, session.set_cookie) if session.set_cookie
      [status, headers, body]
    end

    def refuse(env, session)
      headers = {}
      Headers.default(headers, 'WWW-Authenticate', session.challenge)
      Headers.add_cookie(headers, session.set_cookie) if session.set_cookie
      plain(env, 401, headers, "not authenticated\n")
    end

    def unavailable(env, error)
      log(env, error.message)
      headers = {}
      Headers.default(headers, 'Retry-After', '1')
      plain(env, 503, headers, "not available now\n")
    end

    def plain(env, status, headers, text)
      Headers.default(headers, 'Content-Type', 'text/plain')
      [status, headers, env['REQUEST_METHOD'] == 'HEAD' ? [] : [text]]
    end

    def log(env, message)
      env['rack.errors']&.puts("JWTKeeper: #{message}")
    end
  end
end
