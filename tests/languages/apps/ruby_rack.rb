# frozen_string_literal: true

# The conformance app in Ruby, through the Rack middleware on Puma: see tests/session_flow.json.
$LOAD_PATH.unshift File.expand_path('../../../client/ruby/lib', __dir__)
require 'jwt_keeper'
require 'puma'
require 'puma/server'
require 'rack'

JWTKeeper.configure do |config|
  config.realm = ENV['JWTKEEPER_TEST_REALM']
  config.deadline = ENV['JWTKEEPER_TEST_DEADLINE_MS'].to_i / 1000.0 if ENV['JWTKEEPER_TEST_DEADLINE_MS']
end

hello = lambda do |env|
  open = env['PATH_INFO'] == '/open'
  [200, { 'Content-Type' => 'text/plain' }, [open ? 'open' : env['jwt_keeper.token'].claims_json]]
end
regenerate = ->(_old, env) { env['HTTP_X_REGENERATE'] }
app = JWTKeeper::Rack.new(hello, except: ['/open'], regenerate_claims: regenerate)

server = Puma::Server.new(app)
port = server.add_tcp_listener('127.0.0.1', 0).addr[1]
running = server.run
$stdout.puts "listening #{port}"
$stdout.flush
running.join
