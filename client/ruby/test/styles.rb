# frozen_string_literal: true

# The ways in which Rails apps on the gem answer a request that is not authenticated, a controller for each. Nothing here
# knows which of the two libraries is loaded.
module Styles
  # What all of them do for somebody who is logged in.
  module Page
    def show
      head :ok
    end
  end

  # The gem's README: the error is rescued by the overridden method.
  class RescuedController < ActionController::Base
    include Page
    before_action :require_authentication
    rescue_from JWTKeeper::NotAuthenticatedError, with: :not_authenticated

    private

    def not_authenticated
      render plain: 'rescued', status: :unauthorized
    end
  end

  class ApiController < ActionController::API
    include JWTKeeper::Controller
    include Page
    before_action :require_authentication
    rescue_from(JWTKeeper::NotAuthenticatedError) { |error| render json: { error: error.class.name }, status: 401 }
  end

  # A block around each action.
  class AroundController < ActionController::Base
    include Page
    around_action :answer_strangers
    before_action :require_authentication

    private

    def answer_strangers
      yield
    rescue JWTKeeper::NotAuthenticatedError
      render plain: 'around', status: :unauthorized
    end
  end

  # The call itself is wrapped.
  class WrappedController < ActionController::Base
    include Page
    before_action :log_in_first

    private

    def log_in_first
      require_authentication
    rescue JWTKeeper::NotAuthenticatedError
      render plain: 'wrapped', status: :unauthorized
    end
  end

  class RedirectController < ActionController::Base
    include Page
    before_action :require_authentication
    rescue_from JWTKeeper::NotAuthenticatedError, with: :not_authenticated

    private

    # A handler of rescue_from may take the error.
    def not_authenticated(error)
      redirect_to "/login?#{error.class.name.demodulize}"
    end
  end

  # An override that no rescue_from knows of, as with version 5 of the gem.
  class OverrideController < ActionController::Base
    include Page
    before_action :require_authentication

    private

    def not_authenticated
      render plain: 'override', status: :unauthorized
    end
  end

  class NothingController < ActionController::Base
    include Page
    before_action :require_authentication
  end

  NAMES = %w[rescued api around wrapped redirect override nothing].freeze

  def self.draw(routes)
    routes.draw do
      NAMES.each { |name| get name, controller: "styles/#{name}", action: 'show' }
      root controller: 'styles/nothing', action: 'show'
    end
  end
end
