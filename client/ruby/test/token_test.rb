# frozen_string_literal: true

# Token and the configuration, by the gem's names.
require_relative 'helper'

class TokenTest < Minitest::Test
  include Configured

  Token = JWTKeeper::Token

  def test_create_and_find
    token = Token.create(uid: 1, note: 'zoë')
    assert_equal [1, 'zoë', 'api.example.com'], token.claims.values_at(:uid, :note, :iss)
    assert_equal token.id, token.claims[:jti]
    assert_equal token.to_jwt, token.to_s
    assert_nil token.cookie_secret
    assert_nil token.to_cookie
    found = Token.find(token.to_jwt)
    assert_equal token.claims, found.claims
    assert found.valid?
    refute found.invalid?
    refute found.revoked?
    refute found.pending?
    refute found.version_mismatch?
    assert_instance_of Token, Token.create({})
    assert_instance_of Token, Token.create('uid' => 2)
  end

  def test_exp_may_be_a_time
    moment = Time.now + 600
    assert_equal moment.to_i, Token.create(exp: moment).claims[:exp]
    assert_equal moment.to_i, Token.create('exp' => moment).claims[:exp]
    assert_equal moment.to_i, Token.create(exp: moment.to_i).claims[:exp]
  end

  def test_a_jti_is_asked_about_as_with_the_gem
    token = Token.create
    assert_equal [false, false], [Token.revoked?(token.id), Token.pending?(token.id)]
    Token.rotate(token.id)
    assert_equal [false, true], [Token.revoked?(token.id), Token.pending?(token.id)]
    old = token.id
    token.rotate
    assert_equal [true, false], [Token.revoked?(old), Token.pending?(old)]
    Token.revoke(token.id)
    assert_equal [true, false], [Token.revoked?(token.id), Token.pending?(token.id)]
    refute Token.revoked?('never seen')
  end

  def test_find_compares_the_issuer
    raw = Token.create.to_jwt
    assert_equal raw, Token.find(raw, iss: 'api.example.com').to_jwt
    assert_nil Token.find(raw, iss: 'other.example.com')
  end

  # The gem mints a token that nobody accepts; the daemon mints nothing that validate would refuse.
  def test_an_exp_in_the_past_is_refused
    error = assert_raises(JWTKeeper::BadRequestError) { Token.create(exp: Time.now - 3600) }
    assert_equal 'bad_claims', error.name
    assert_match(/exp/, error.message)
  end

  def test_find_gives_nil_for_what_is_not_valid
    assert_nil Token.find(nil)
    assert_nil Token.find('x')
    token = Token.create
    assert token.revoke
    assert_nil Token.find(token.to_jwt)
    refute Token.find(token.to_jwt, cookie_secret: false)
  end

  def test_find_bang_says_why
    token = Token.create
    Token.revoke(token.id)
    error = assert_raises(JWTKeeper::RevokedTokenError) { Token.find!(token.to_jwt) }
    assert_kind_of JWTKeeper::InvalidTokenError, error
    assert_equal :revoked, error.reason
    refute_includes error.message, token.to_jwt
    error = assert_raises(JWTKeeper::InvalidTokenError) { Token.find!('x') }
    assert_equal :malformed, error.reason
  end

  def test_the_errors_have_the_gems_names
    names = %w[NotAuthenticatedError InvalidTokenError ExpiredTokenError RevokedTokenError EarlyTokenError
               BadIssuerError LousyAudienceError]
    assert(names.all? { |name| JWTKeeper.const_get(name) < StandardError })
    assert(names[2..].all? { |name| JWTKeeper.const_get(name) < JWTKeeper::InvalidTokenError })
  end

  def test_rotate_by_jti_makes_it_pending
    token = Token.create(uid: 1)
    Token.rotate(token.id)
    assert token.pending?
    assert token.valid?
    refute token.revoked?
    refute token.version_mismatch?
    assert_equal :flagged, Token.find(token.to_jwt).rotation
  end

  def test_revoke_by_jti
    token = Token.create
    Token.revoke(token.id)
    assert token.revoked?
    assert token.invalid?
    refute token.pending?
    Token.rotate(token.id)
    assert token.revoked?, 'a flag must not bring it back'
  end

  def test_rotate_becomes_the_successor
    old = Token.create(uid: 1, role: 'reader')
    token = old.dup
    assert_same token, token.rotate
    refute_equal old.id, token.id
    assert_equal [1, 'reader'], token.claims.values_at(:uid, :role)
    assert_equal token.id, old.dup.rotate.id
    assert old.valid?, 'it serves on within the grace'
    token = Token.create(uid: 1).rotate(role: 'writer')
    assert_equal [nil, 'writer'], token.claims.values_at(:uid, :role)
    token.revoke
    assert_nil token.rotate
  end

  def test_a_new_version_is_a_mismatch
    token = Token.create
    DAEMON.version = 2
    assert token.version_mismatch?
    refute token.pending?
    refute token.rotate.version_mismatch?
  ensure
    DAEMON.version = 1
  end

  def test_a_locked_token
    use(realm: 'locked')
    token = Token.create(uid: 1)
    assert_match(/\A\h{32}\z/, token.cookie_secret)
    expires = Time.at(token.claims[:exp])
    place = { path: '/', secure: true, httponly: true, same_site: :strict }
    assert_equal({ value: token.cookie_secret, expires: expires, **place }, token.to_cookie)
    assert_nil Token.find(token.to_jwt)
    assert_nil Token.find(token.to_jwt, cookie_secret: '0' * 32)
    found = Token.find(token.to_jwt, cookie_secret: token.cookie_secret)
    assert_equal token.to_cookie.slice(:value, :expires, :secure), found.to_cookie.slice(:value, :expires, :secure)
    refute_equal token.cookie_secret, found.rotate.cookie_secret
    assert found.valid?
  end

  def test_keys_are_the_daemons
    assert_raises(ArgumentError) { Token.create(uid: 1, secret: 'x') }
    assert_raises(ArgumentError) { Token.find('x', secret: 'x') }
    refute Token.create(secret: nil, cookie_secret: nil).claims.key?(:secret)
  end

  def test_inspect_and_json_show_no_secret
    use(realm: 'locked')
    token = Token.create(note: 'secret-claim')
    shown = [token.inspect, token.as_json.to_s, JSON.generate([token.as_json])].join
    [token.to_jwt, token.cookie_secret, 'secret-claim'].each { |secret| refute_includes shown, secret }
  end

  def test_the_gems_options_are_explained_once
    JWTKeeper::Configuration.explained = nil
    configure = lambda do
      JWTKeeper.configure do |config|
        config.socket = DAEMON.socket
        config.secret = 'hidden-secret'
        config.expiry = 3600
        config.cookie_lock = true
        config.redis_connection = Object.new
      end
    end
    _, warning = capture_io(&configure)
    assert_match(/secret \(secret_file\), expiry \(expiry\), cookie_lock \(cookie_lock\), redis_connection/, warning)
    refute_includes warning, 'hidden'
    assert_silent(&configure)
    assert_nil JWTKeeper.configuration.secret
    assert_equal 3600, JWTKeeper.configuration.expiry
    assert JWTKeeper.configuration.frozen?
    assert Token.create.valid?
  ensure
    JWTKeeper::Configuration.explained = true
  end

  def test_configure_puts_a_new_client_in_force
    first = JWTKeeper.client
    assert_same first, JWTKeeper.client
    use(realm: 'locked')
    refute_same first, JWTKeeper.client
    assert Token.create.cookie
  end
end
