# frozen_string_literal: true

# A real Rails app (railties, actionpack) whose only change from the gem is its Gemfile line and initializer: the lock
# cookie through cookies.signed, the flow, and 503.
require_relative 'helper'
require 'cgi'
require 'openssl'

class RailsTest < Minitest::Test
  def setup
    @apps = []
  end

  def teardown
    @apps.each(&:stop)
  end

  def app(realm: 'locked', deadline: PATIENCE, **environment)
    environment = { 'JWTKEEPER_SOCKET' => DAEMON.socket, 'RAILS_ENV' => 'production', 'REALM' => realm,
                    'DEADLINE' => deadline.to_s, **environment }
    App.new(File.expand_path('rails_app.rb', __dir__), environment).tap { |app| @apps << app }
  end

  # Rails sends secure cookies over https alone.
  def ask(app, method, path, authorization = nil, cookie = nil)
    headers = { 'X-Forwarded-Proto' => 'https', 'Authorization' => authorization, 'Cookie' => cookie }.compact
    app.request(method, path, headers)
  end

  def log_in(app)
    response = ask(app, :Post, '/session')
    assert_equal '201', response.code
    [response['Authorization'], App.cookie_pair(response), response]
  end

  def jti(authorization)
    JSON.parse(authorization.split('.')[1].tr('-_', '+/').unpack1('m'))['jti']
  end

  def client
    DAEMON.client(realm: 'locked')
  end

  def test_a_session_from_login_to_logout
    app = app()
    authorization, cookie, login = log_in(app)
    assert_match(%r{\Ajwt_keeper=.*; path=/; expires=.*; secure; HttpOnly; SameSite=Strict\z}i, App.lock_cookie(login))
    refute_match(/\Ajwt_keeper=\h{32}(;|\z)/, cookie, 'the cookie is signed')

    profile = ask(app, :Get, '/profile', authorization, cookie)
    assert_equal ['200', 7], [profile.code, JSON.parse(profile.body)['uid']]
    assert_nil profile['Authorization']
    assert_nil App.lock_cookie(profile)

    updated = ask(app, :Patch, '/session', authorization, cookie)
    assert_equal '201', updated.code
    successor, fresh = updated['Authorization'], App.cookie_pair(updated)
    refute_equal [authorization, cookie], [successor, fresh]
    assert_equal '200', ask(app, :Get, '/profile', successor, fresh).code

    logout = ask(app, :Delete, '/session', successor, fresh)
    assert_equal '204', logout.code
    assert_match(/\Ajwt_keeper=; path=\/; (max-age=0; )?expires=Thu, 01 Jan 1970/, App.lock_cookie(logout))
    assert_nil logout['Authorization']
    assert_equal '401', ask(app, :Get, '/profile', successor, fresh).code
  end

  def test_log_in_and_log_out
    app = app()
    login = ask(app, :Post, '/login')
    assert_equal ['201', 'no-store'], [login.code, login['Cache-Control']]
    session = [login['Authorization'], App.cookie_pair(login)]
    assert_equal ['200', 8], [ask(app, :Get, '/profile', *session).code,
                              JSON.parse(ask(app, :Get, '/profile', *session).body)['uid']]
    client.flag(jti(session.first))
    rotated = ask(app, :Get, '/profile', *session)
    assert_equal 'no-store', rotated['Cache-Control']
    session = [rotated['Authorization'], App.cookie_pair(rotated)]
    logout = ask(app, :Delete, '/login', *session)
    assert_equal({ 'revoked' => true }, JSON.parse(logout.body))
    assert_match(/\Ajwt_keeper=;/, App.lock_cookie(logout))
    assert_equal '401', ask(app, :Get, '/profile', *session).code, 'a logout ends the token, and not the cookie alone'
  end

  def test_a_flagged_token_is_rotated_with_new_claims
    app = app()
    authorization, cookie = log_in(app)
    client.flag(jti(authorization))
    answers = Array.new(8) { Thread.new { ask(app, :Get, '/profile', authorization, cookie) } }.map(&:value)
    assert_equal ['200'], answers.map(&:code).uniq
    assert_equal [[7, true]], answers.map { |answer| JSON.parse(answer.body).values_at('uid', 'renewed') }.uniq
    assert_equal ['no-store'], answers.map { |answer| answer['Cache-Control'] }.uniq, 'whatever the action says'
    successors = answers.map { |answer| jti(answer['Authorization']) }.uniq
    assert_equal 1, successors.size
    answers.each do |answer|
      assert_equal '200', ask(app, :Get, '/profile', answer['Authorization'], App.cookie_pair(answer)).code
    end
    # Another tab: the old token with the cookie that the rotation set.
    assert_equal '200', ask(app, :Get, '/profile', authorization, App.cookie_pair(answers.first)).code
  end

  def test_without_the_signed_cookie_nobody_is_let_in_and_nothing_is_cleared
    app = app()
    authorization, cookie = log_in(app)
    bare = client.issue
    unsigned = 'jwt_keeper=00112233445566778899aabbccddeeff'
    [[nil, nil], [authorization, nil], [authorization, "#{cookie}0"], [authorization, unsigned],
     [bare.authorization, "jwt_keeper=#{bare.cookie.value}"]].each do |token, presented|
      answer = ask(app, :Get, '/profile', token, presented)
      assert_equal ['401', token ? 'Bearer error="invalid_token"' : 'Bearer'], [answer.code, answer['WWW-Authenticate']]
      assert_nil App.lock_cookie(answer)
    end
    client.revoke_jti(jti(authorization))
    assert_match(/\Ajwt_keeper=;/, App.lock_cookie(ask(app, :Get, '/profile', authorization, cookie)))
  end

  # In a fleet that a gem is part of: its key is the secret and the cookie's value, which it has from cookies.signed.
  def test_a_gem_could_read_token_and_cookie
    authorization, cookie = log_in(app(realm: 'shared'))
    message = JSON.parse(CGI.unescape(cookie).delete_prefix('jwt_keeper=').split('--').first.unpack1('m'))
    value = message.dig('_rails', 'message').unpack1('m')[/\h{32}/]
    signed, _, signature = authorization.delete_prefix('Bearer ').rpartition('.')
    key = File.read("#{DAEMON.directory}/secret") + value
    mac = OpenSSL::HMAC.digest('SHA512', key, signed)
    assert_equal mac, signature.tr('-_', '+/').unpack1('m')
  end

  def test_a_daemon_that_is_away_is_503_and_clears_nothing
    app, hasty = app(), app(deadline: 0.1)
    authorization, cookie = log_in(app)
    DAEMON.stop
    [ask(hasty, :Get, '/profile', authorization, cookie), ask(hasty, :Post, '/session')].each do |answer|
      assert_equal ['503', '1'], [answer.code, answer['Retry-After']]
      assert_nil App.lock_cookie(answer)
    end
    DAEMON.start
    assert_equal '200', ask(app, :Get, '/profile', authorization, cookie).code
  end

  def test_without_an_override_rails_answers_the_error
    app = app()
    answer = ask(app, :Get, '/')
    assert_equal ['401', nil], [answer.code, answer['Location']]
    authorization, cookie = log_in(app)
    assert_equal '204', ask(app, :Get, '/', authorization, cookie).code
  end

  def test_a_realm_without_a_lock
    app = app(realm: 'default', 'ECHO' => '1')
    login = ask(app, :Post, '/session')
    authorization = login['Authorization']
    assert_nil App.lock_cookie(login)
    profile = ask(app, :Get, '/profile', authorization)
    assert_equal ['200', authorization], [profile.code, profile['Authorization']]
  end
end
