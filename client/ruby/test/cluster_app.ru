# frozen_string_literal: true

# A protected Rack app for Puma in cluster mode. The client is used here, before Puma forks its workers.
$LOAD_PATH.unshift File.expand_path('../lib', __dir__)
require 'jwt_keeper'

JWTKeeper.configure do |config|
  config.realm = ENV['REALM']
  config.deadline = Float(ENV.fetch('DEADLINE'))
end
JWTKeeper.client.ping

use JWTKeeper::Rack, regenerate_claims: ->(old, _env) { { uid: old.claims[:uid], renewed: true } }
run ->(env) { [200, { 'Content-Type' => 'text/plain' }, ["#{Process.pid} #{env['jwt_keeper.token'].id}"]] }
