# frozen_string_literal: true

# The conformance app in Ruby, through JWTKeeper::Controller in a real ActionController on Puma: see
# tests/session_flow.json. An API controller has no `cookies`, so the lock cookie goes through the headers;
# client/ruby/test shows `cookies.signed`.
$LOAD_PATH.unshift File.expand_path('../../../client/ruby/lib', __dir__)
require 'logger'
require 'action_controller'
require 'jwt_keeper'
require 'puma'
require 'puma/server'

JWTKeeper.configure do |config|
  config.realm = ENV['JWTKEEPER_TEST_REALM']
  config.deadline = ENV['JWTKEEPER_TEST_DEADLINE_MS'].to_i / 1000.0 if ENV['JWTKEEPER_TEST_DEADLINE_MS']
end

class Pages < ActionController::API
  include JWTKeeper::Controller

  before_action :require_authentication, only: :show

  def show
    render plain: @token.claims_json
  end

  def free
    render plain: 'open'
  end

  private

  def authenticated(token)
    @token = token
  end

  def not_authenticated
    head :unauthorized
  end

  def regenerate_claims(_old_token)
    request.headers['X-Regenerate']
  end
end

app = ->(env) { Pages.action(env['PATH_INFO'] == '/open' ? :free : :show).call(env) }
server = Puma::Server.new(app)
port = server.add_tcp_listener('127.0.0.1', 0).addr[1]
running = server.run
$stdout.puts "listening #{port}"
$stdout.flush
running.join
