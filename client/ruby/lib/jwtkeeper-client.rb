# frozen_string_literal: true

# What Bundler requires for `gem 'jwtkeeper-client'`.
require 'jwt_keeper'
