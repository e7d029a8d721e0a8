# frozen_string_literal: true

# Rails: every controller has JWTKeeper::Controller, as with the gem, and a daemon that cannot answer is a 503 wherever
# the error comes up.
require 'action_controller/railtie'

module JWTKeeper
  class Railtie < ::Rails::Railtie
    config.action_dispatch.rescue_responses.merge!(
      [UnavailableError, UnreachableError, TimeoutError].to_h { |error| [error.name, :service_unavailable] }
    )

    initializer 'jwt_keeper.controller' do
      ActiveSupport.on_load(:action_controller_base) { include JWTKeeper::Controller }
    end
  end
end
