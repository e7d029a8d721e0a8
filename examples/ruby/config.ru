# frozen_string_literal: true

# A Rack app whose sessions jwtkeeperd keeps: log in, see a profile, log out. With `make run` in another terminal:
#
#   JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock JWTKEEPER_LIBRARY=target/release/libjwtkeeper.so \
#     puma -C examples/ruby/puma.rb
#
#   curl -i localhost:8080/login -d '{"user":"demo","password":"demo"}'     # shows Authorization: Bearer TOKEN
#   curl -i localhost:8080/profile -H 'Authorization: Bearer TOKEN'
#   curl -i -X POST localhost:8080/logout -H 'Authorization: Bearer TOKEN'
#
# `cargo build --release -p jwtkeeper-capi` makes libjwtkeeper.so. Where the realm locks its tokens, send the cookie
# back.
$LOAD_PATH.unshift File.expand_path('../../client/ruby/lib', __dir__)
require 'jwt_keeper'
require 'json'

# The session flow: every request but /login needs a token, and a rotation writes the user's claims anew.
require_token = { except: ['/login'], regenerate_claims: ->(old, _env) { { user: old.claims[:user] } } }
JWTKeeper.configure { |config| config.deadline = 2 }
use JWTKeeper::Rack, **require_token

def json(status, body, headers = {})
  [status, { 'Content-Type' => 'application/json', **headers }, [JSON.generate(body)]]
end

def log_in(env)
  given = JSON.parse(env['rack.input'].read)
  return json(401, { error: 'wrong user or password' }) unless given == { 'user' => 'demo', 'password' => 'demo' }

  minted = JWTKeeper.client.issue({ sub: 'demo', user: 'demo' })
  json(200, { user: 'demo' }, minted.headers)
rescue JSON::ParserError
  json(400, { error: 'not JSON' })
rescue JWTKeeper::UnavailableError
  json(503, { error: 'no logins now' }, { 'Retry-After' => '1' })
end

# Revokes the token in hand with its session, and takes the cookie.
def log_out(env)
  env['jwt_keeper.token'].revoke
  [204, { 'Set-Cookie' => JWTKeeper.client.clear_cookie }, []]
rescue JWTKeeper::UnavailableError
  json(503, { error: 'not logged out' }, { 'Retry-After' => '1' })
end

run(lambda do |env|
  case [env['REQUEST_METHOD'], env['PATH_INFO']]
  when %w[POST /login] then log_in(env)
  when %w[GET /profile] then json(200, { user: env['jwt_keeper.claims'][:user] })
  when %w[POST /logout] then log_out(env)
  else json(404, { error: 'not found' })
  end
end)
