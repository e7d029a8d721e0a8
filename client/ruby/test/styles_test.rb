# frozen_string_literal: true

# What Rails apps answer to a request that is not authenticated, in each style of an app on the gem.
require 'rails'
require 'action_controller/railtie'
require 'rack/mock'
require_relative 'helper'

class StylesApp < Rails::Application
  config.root = DAEMON.directory
  config.eager_load = false
  config.secret_key_base = 'k' * 64
  config.hosts.clear
  config.logger = Logger.new(IO::NULL)
  config.consider_all_requests_local = false
  config.action_dispatch.show_exceptions = true
end
StylesApp.initialize!
require_relative 'styles'
Styles.draw(StylesApp.routes)

class StylesTest < Minitest::Test
  include Configured

  def get(path, headers = {})
    Rack::MockRequest.new(StylesApp).get(path, headers)
  end

  def answer(style, headers = {})
    response = get("/#{style}", headers)
    [response.status, response['Location'] || response.body]
  end

  def test_apps_answer_strangers_as_with_the_gem
    assert_equal [401, 'rescued'], answer('rescued')
    assert_equal [401, '{"error":"JWTKeeper::NotAuthenticatedError"}'], answer('api')
    assert_equal [401, 'around'], answer('around')
    assert_equal [401, 'wrapped'], answer('wrapped')
    assert_equal [302, 'http://example.org/login?NotAuthenticatedError'], answer('redirect')
    assert_equal [401, 'override'], answer('override')
    assert_equal 401, answer('nothing').first
    assert_equal 401, get('/').status, 'the root leads to no loop'
  end

  def test_the_answer_names_the_scheme
    assert_equal 'Bearer', get('/rescued')['WWW-Authenticate']
    forged = get('/api', 'HTTP_AUTHORIZATION' => 'Bearer x')
    assert_equal 'Bearer error="invalid_token"', forged['WWW-Authenticate']
  end

  def test_all_of_them_let_a_valid_token_in
    token = JWTKeeper::Token.create(uid: 1)
    statuses = Styles::NAMES.map { |name| answer(name, 'HTTP_AUTHORIZATION' => "Bearer #{token}").first }
    assert_equal [200], statuses.uniq
    token.revoke
    assert_equal 401, answer('around', 'HTTP_AUTHORIZATION' => "Bearer #{token}").first
  end

  # An override that renders nothing would let the action run.
  class SilentController < Styles::OverrideController
    private

    def not_authenticated; end
  end

  def test_an_override_that_renders_nothing_lets_nobody_in
    environment = StylesApp.env_config.merge(Rack::MockRequest.env_for('/'))
    assert_raises(JWTKeeper::NotAuthenticatedError) { SilentController.action(:show).call(environment) }
  end
end
