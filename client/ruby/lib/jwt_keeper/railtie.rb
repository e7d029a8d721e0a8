# frozen_string_literal: true

# Rails: every controller has JWTKeeper::Controller, as with the gem. Wherever the errors come up, a daemon that cannot
# answer is a 503, and a request that is not authenticated a 401.
require 'action_controller/railtie'

module JWTKeeper
  class Railtie < ::Rails::Railtie
    config.action_dispatch.rescue_responses.merge!(
      [UnavailableError, UnreachableError, TimeoutError].to_h { |error| [error.name, :service_unavailable] }
                                                        .merge(NotAuthenticatedError.name => :unauthorized)
    )

    initializer 'jwt_keeper.controller' do
      ActiveSupport.on_load(:action_controller_base) { include JWTKeeper::Controller }
    end
  end
end
