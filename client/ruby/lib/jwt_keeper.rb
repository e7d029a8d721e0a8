# frozen_string_literal: true

# The client of jwtkeeperd with the API of the gem jwt_keeper, which the daemon succeeds: an app changes its Gemfile
# line and its initializer. Keys, expiry, version and store are the daemon's; this asks it over libjwtkeeper.
require 'jwt_keeper/version'
require 'jwt_keeper/errors'
require 'jwt_keeper/library'
require 'jwt_keeper/reply'
require 'jwt_keeper/options'
require 'jwt_keeper/handle'
require 'jwt_keeper/claims'
require 'jwt_keeper/answers'
require 'jwt_keeper/session'
require 'jwt_keeper/outage'
require 'jwt_keeper/outcome'
require 'jwt_keeper/client'
require 'jwt_keeper/configuration'
require 'jwt_keeper/token'
require 'jwt_keeper/headers'
require 'jwt_keeper/controller'
require 'jwt_keeper/rack'

module JWTKeeper
  @lock = Mutex.new

  class << self
    # Yields a configuration to set, and puts it in effect, frozen. Calls that are under way end with the old one.
    def configure(new_configuration = Configuration.new)
      yield new_configuration if block_given?
      new_configuration.check
      new_configuration.explain
      @lock.synchronize do
        @client = nil
        @configuration = new_configuration.freeze
      end
    end

    # The configuration in effect: the defaults until `configure` is called.
    def configuration
      @configuration || @lock.synchronize { @configuration ||= Configuration.new.freeze }
    end

    # The client of the process, made when it is first asked for. It may be made before a fork.
    def client
      @client || begin
        settings = configuration
        @lock.synchronize { @client ||= settings.new_client }
      end
    end
  end

  require 'jwt_keeper/railtie' if defined?(::Rails::Railtie)
end
