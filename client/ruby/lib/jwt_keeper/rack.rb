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
    # @param refuse [#call, nil] is given the environment and the Outcome of a request that is not let in (401, 503), and
    #   gives the response: a status, headers and a body, or nil for the plain one. Headers of the outcome are added.
    def initialize(app, client: nil, except: [], regenerate_claims: nil, refuse: nil)
      @app = app
      @client = client
      @open = except.respond_to?(:call) ? except : ->(env) { Array(except).any? { |path| path === env['PATH_INFO'] } }
      @regenerate_claims = regenerate_claims
      @refuse = refuse
    end

    def call(env)
      return @app.call(env) if @open.call(env)

      # Claims that the daemon refuses are the app's fault, and raise.
      regenerate = ->(token) { @regenerate_claims.call(token, env) } if @regenerate_claims
      outcome = (@client || JWTKeeper.client).authenticate(env, regenerate_claims: regenerate, log: Log.new(env))
      return refuse(env, outcome) unless outcome.authenticated?

      env[TOKEN] = outcome.token
      env[CLAIMS] = outcome.claims
      answer(outcome, *@app.call(env))
    end

    # Where lines go that no logger takes.
    # @api private
    Log = Struct.new(:env) do
      def error(line)
        logger = env['rack.logger']
        logger ? logger.error(line) : env['rack.errors']&.puts(line)
      end

      def info(line)
        logger = env['rack.logger']
        logger ? logger.info(line) : env['rack.errors']&.puts(line)
      end
    end
    private_constant :Log

    private

    # The app has the last word: where it wrote Authorization or the lock cookie itself, at a login or a logout, or
    # revoked the token, nothing is added. No cache may keep a token.
    def answer(outcome, status, headers, body)
      headers = headers.dup if headers.frozen?
      add(headers, outcome.headers) unless outcome.headers.empty? || outcome.token.ended? || written?(headers)
      headers[Headers.key(headers, 'Cache-Control')] = 'no-store' if headers[Headers.key(headers, 'Authorization')]
      [status, headers, body]
    end

    def written?(headers)
      Headers.written?(headers, (@client || JWTKeeper.client).place[:name])
    end

    def add(headers, given)
      given.each do |name, value|
        name == 'Set-Cookie' ? Headers.add_cookie(headers, value) : Headers.default(headers, name, value)
      end
    end

    def refuse(env, outcome)
      status, headers, body = @refuse&.call(env, outcome)
      return plain(env, outcome) unless status

      headers = headers.dup if headers.frozen?
      add(headers, outcome.headers)
      [status, headers, body]
    end

    def plain(env, outcome)
      headers = {}
      add(headers, outcome.headers)
      Headers.default(headers, 'Content-Type', 'text/plain')
      text = outcome.status == 401 ? "not authenticated\n" : "not available now\n"
      [outcome.status, headers, env['REQUEST_METHOD'] == 'HEAD' ? [] : [text]]
    end
  end
end
