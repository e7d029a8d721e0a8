# frozen_string_literal: true

# The controller methods by the gem's names, in an object that is like a controller as far as they need it.
# rails_test.rb has the real one.
require_relative 'helper'

class ControllerTest < Minitest::Test
  include Configured

  Message = Struct.new(:headers)

  class Jar < Hash
    attr_reader :deleted

    def signed
      self
    end

    def delete(name, **place)
      @deleted = [name, place]
      super(name)
    end
  end

  class Plain
    include JWTKeeper::Controller

    attr_reader :request, :response, :seen

    def initialize(headers = {})
      @request = Message.new(headers)
      @response = Message.new({})
    end

    def authenticated(token)
      @seen = token
    end
  end

  class Signed < Plain
    def cookies
      @cookies ||= Jar.new
    end

    def not_authenticated
      @seen = :nobody
    end

    def regenerate_claims(old_token)
      { uid: old_token.claims[:uid], renewed: true }
    end
  end

  def setup
    super
    use(realm: 'locked')
    @token = JWTKeeper::Token.create(uid: 7)
  end

  def signed(token = @token)
    Signed.new('Authorization' => "Bearer #{token.to_jwt}").tap do |controller|
      controller.cookies['jwt_keeper'] = token.cookie_secret
    end
  end

  def plain
    Plain.new('Authorization' => "Bearer #{@token.to_jwt}", 'Cookie' => "jwt_keeper=#{@token.cookie_secret}")
  end

  def test_a_valid_token_is_handed_over
    controller = signed
    controller.require_authentication
    assert_equal @token.claims, controller.seen.claims
    assert_same controller.seen, controller.read_authentication_token
    assert_empty controller.response.headers
  end

  def test_a_token_that_is_due_is_rotated
    JWTKeeper::Token.rotate(@token.id)
    controller = signed
    controller.require_authentication
    token = controller.seen
    assert_equal [7, true], token.claims.values_at(:uid, :renewed)
    assert_same token, controller.read_authentication_token
    assert_equal({ 'Authorization' => "Bearer #{token.to_jwt}", 'Cache-Control' => 'no-store' },
                 controller.response.headers)
    assert_equal token.to_cookie, controller.cookies['jwt_keeper']
    assert token.valid?
  end

  def test_a_revoked_token_takes_its_cookie_with_it
    @token.revoke
    controller = signed
    controller.require_authentication
    assert_equal :nobody, controller.seen
    assert_equal ['jwt_keeper', {}], controller.cookies.deleted
  end

  def test_no_token_leaves_the_cookie_alone
    controller = Signed.new
    controller.cookies['jwt_keeper'] = 'x'
    controller.require_authentication
    assert_equal [:nobody, nil], [controller.seen, controller.cookies.deleted]
    assert_equal 'Bearer', controller.response.headers['WWW-Authenticate']
  end

  def test_a_daemon_that_is_away_raises_and_clears_nothing
    controller = signed
    JWTKeeper.configure(JWTKeeper::Configuration.new(socket: "#{DAEMON.directory}/nobody", deadline: 0.05))
    assert_raises(JWTKeeper::UnavailableError) { controller.require_authentication }
    assert_nil controller.cookies.deleted
    assert_empty controller.response.headers
  end

  def test_login_and_logout
    controller = Signed.new
    controller.write_authentication_token(@token)
    assert_equal "Bearer #{@token.to_jwt}", controller.response.headers['Authorization']
    assert_equal @token.cookie_secret, controller.cookies['jwt_keeper'][:value]
    assert_same @token, controller.read_authentication_token
    controller.write_authentication_token(nil)
    assert_nil controller.response.headers['Authorization']
    assert_empty controller.cookies
    assert_nil controller.read_authentication_token
  end

  def test_without_cookies_the_lock_goes_through_headers
    JWTKeeper::Token.rotate(@token.id)
    controller = plain
    controller.require_authentication
    assert_equal controller.seen.cookie.set_cookie, controller.response.headers['Set-Cookie']
    controller.clear_authentication_token
    assert_raises(JWTKeeper::NotAuthenticatedError) { Plain.new.require_authentication }
  end

  # An app may find its token by itself.
  def test_a_token_read_elsewhere_is_rotated_too
    JWTKeeper::Token.rotate(@token.id)
    found = JWTKeeper::Token.find(@token.to_jwt, cookie_secret: @token.cookie_secret)
    controller = Signed.new
    controller.define_singleton_method(:read_authentication_token) { found }
    controller.require_authentication
    assert_equal true, controller.seen.claims[:renewed]
  end

  def test_logout_after_a_rotation_in_the_same_response
    JWTKeeper::Token.rotate(@token.id)
    controller = plain
    controller.require_authentication
    controller.clear_authentication_token
    assert_match(/\Ajwt_keeper=;/, controller.response.headers['Set-Cookie'])
  end
end
