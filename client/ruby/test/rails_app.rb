# frozen_string_literal: true

# A Rails app as one on the gem is: an initializer with the gem's options, controllers with its names, no mention of the
# daemon but `config.socket` and `config.realm`. The tests drive it over HTTP.
require 'tmpdir'
require 'rails'
require 'action_controller/railtie'
# As Bundler does for the Gemfile's line.
$LOAD_PATH.unshift File.expand_path('../lib', __dir__)
require 'jwtkeeper-client'
require 'puma'
require 'puma/server'

class App < Rails::Application
  config.root = Dir.mktmpdir
  config.eager_load = false
  config.secret_key_base = 'k' * 64
  config.hosts.clear
  config.logger = Logger.new($stderr)
  config.log_level = :fatal
  config.consider_all_requests_local = false
end

# config/initializers/jwt_keeper.rb
JWTKeeper.configure do |config|
  config.socket = ENV.fetch('JWTKEEPER_SOCKET')
  config.realm = ENV['REALM']
  config.deadline = Float(ENV.fetch('DEADLINE'))
  config.echo_authorization = ENV.key?('ECHO')
  config.secret = 'left over'
  config.expiry = 3600
  config.cookie_lock = true
end

App.initialize!

class ApplicationController < ActionController::Base
  rescue_from JWTKeeper::NotAuthenticatedError, with: :not_authenticated
  skip_before_action :verify_authenticity_token, raise: false
  before_action :require_authentication

  private

  def not_authenticated
    head :unauthorized
  end

  def authenticated(token)
    @uid = token.claims[:uid]
  end

  def regenerate_claims(old_token)
    { uid: old_token.claims[:uid], renewed: true }
  end
end

class SessionsController < ApplicationController
  skip_before_action :require_authentication, only: :create

  def create
    token = JWTKeeper::Token.create(uid: 7)
    write_authentication_token(token)
    render json: { jti: token.id }, status: :created
  end

  def update
    token = read_authentication_token
    return head :unauthorized unless token.rotate

    write_authentication_token(token)
    head :created
  end

  def destroy
    read_authentication_token.revoke
    clear_authentication_token
    head :no_content
  end
end

class LoginsController < ApplicationController
  skip_before_action :require_authentication, only: :create

  def create
    render json: { jti: log_in(uid: 8).id }, status: :created
  end

  def destroy
    render json: { revoked: log_out }
  end
end

class ProfilesController < ApplicationController
  def show
    response.headers['Cache-Control'] = 'public, max-age=60'
    render json: { uid: @uid, renewed: read_authentication_token.claims[:renewed], jti: read_authentication_token.id }
  end
end

# A controller that overrides nothing.
class PlainController < ActionController::Base
  before_action :require_authentication

  def show
    head :no_content
  end
end

App.routes.draw do
  root to: 'plain#show'
  resource :session, only: %i[create update destroy]
  resource :login, only: %i[create destroy]
  resource :profile, only: :show
end

server = Puma::Server.new(App)
port = server.add_tcp_listener('127.0.0.1', 0).addr[1]
running = server.run
$stdout.puts "listening #{port}"
$stdout.flush
running.join
