# The gem is not called jwt_keeper: a Gemfile line that loses its path or git source must not fetch the gem that this
# one succeeds. `gem 'jwtkeeper-client'` requires lib/jwtkeeper-client.rb, which is `require 'jwt_keeper'`.
require_relative 'lib/jwt_keeper/version'

Gem::Specification.new do |spec|
  spec.name = 'jwtkeeper-client'
  spec.version = JWTKeeper::VERSION
  spec.summary = 'Client of jwtkeeperd, with the API of the gem jwt_keeper'
  spec.description = 'Issues, validates, rotates and revokes JSON Web Tokens by asking jwtkeeperd, which alone holds the ' \
                     'keys. Tokens, controllers and errors have the names of the gem jwt_keeper.'
  spec.authors = ['the jwtkeeper authors']
  spec.licenses = %w[MIT Apache-2.0]
  spec.required_ruby_version = '>= 2.7'
  # No default gem of Ruby from 3.5 on.
  spec.add_dependency 'fiddle', '>= 1.0'
  spec.files = Dir.chdir(__dir__) { Dir['lib/**/*.rb', 'README.md'] }
end
