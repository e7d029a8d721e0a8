# frozen_string_literal: true

# The Rack middleware: what the shared cases of tests/session_flow.json do not show.
require_relative 'helper'
require 'minitest/mock'
require 'logger'
require 'stringio'

class RackTest < Minitest::Test
  include Configured

  def setup
    super
    use(realm: 'locked')
    @minted = JWTKeeper.client.issue({ uid: 7 })
  end

  # Each call has headers of its own, as apps do.
  def app(headers = {}, status: 200, **options)
    inner = lambda do |env|
      @env = env
      [status, headers.dup, ['body']]
    end
    JWTKeeper::Rack.new(inner, **options)
  end

  def env(minted = @minted, path: '/')
    { 'PATH_INFO' => path, 'HTTP_AUTHORIZATION' => minted.authorization, 'rack.errors' => StringIO.new,
      'HTTP_COOKIE' => "a=1; jwt_keeper=#{minted.cookie.value}" }
  end

  def flag
    JWTKeeper.client.flag(@minted.jti)
  end

  def test_the_app_is_given_token_and_claims
    status, headers, = app({ 'X-Its' => 'own' }).call(env)
    assert_equal [200, { 'X-Its' => 'own' }], [status, headers]
    assert_equal 7, @env['jwt_keeper.claims'][:uid]
    token = @env['jwt_keeper.token']
    assert_equal [@minted.token, @minted.claims_json], [token.to_jwt, token.claims_json]
    assert token.valid?
  end

  def test_a_successor_goes_to_app_and_browser
    flag
    old = nil
    regenerate = ->(token, env) { (old = token) && { path: env['PATH_INFO'] } }
    _, headers, = app({ 'Set-Cookie' => "a=2\nb=3" }, regenerate_claims: regenerate).call(env(path: '/x'))
    token = @env['jwt_keeper.token']
    assert_equal "Bearer #{token.to_jwt}", headers['Authorization']
    assert_equal ['/x', nil], @env['jwt_keeper.claims'].values_at(:path, :uid)
    assert_equal ['a=2', 'b=3', token.cookie.set_cookie], headers['Set-Cookie'].split("\n")
    assert token.valid?
    refute_equal @minted.jti, token.id
    assert_same old, token
  end

  def test_headers_of_rack_3
    flag
    _, headers, = app({ 'set-cookie' => ['a=2'] }.freeze).call(env)
    assert_equal ['a=2', @env['jwt_keeper.token'].cookie.set_cookie], headers['set-cookie']
    refute headers.key?('Set-Cookie')
  end

  def test_rack_3_gets_lower_case
    flag
    JWTKeeper.const_get(:Headers).stub(:lower_case?, true) do
      _, headers, = app.call(env)
      token = @env['jwt_keeper.token']
      assert_equal({ 'authorization' => "Bearer #{token.to_jwt}", 'cache-control' => 'no-store',
                     'set-cookie' => [token.cookie.set_cookie] }, headers)
    end
  end

  def test_what_the_app_wrote_itself_stands
    flag
    own = { 'authorization' => 'Bearer its-own', 'Set-Cookie' => 'jwt_keeper=its-own; Path=/' }
    _, headers, = app(own).call(env)
    assert_equal own.merge('Cache-Control' => 'no-store'), headers
  end

  def test_no_cache_keeps_a_token
    assert_nil app.call(env)[1]['Cache-Control'], 'a response without a token'
    flag
    _, headers, = app({ 'cache-control' => 'public, max-age=60' }).call(env)
    assert headers['Authorization']
    assert_equal 'no-store', headers['cache-control']
    assert_equal 'no-store', @minted.headers['Cache-Control']
    assert_equal [@minted.authorization, @minted.cookie.set_cookie], @minted.headers.values_at('Authorization', 'Set-Cookie')
  end

  def test_the_app_may_answer_what_is_refused
    reasons = []
    refuse = lambda do |_env, outcome|
      reasons << [outcome.status, outcome.reason]
      [outcome.status, { 'Content-Type' => 'application/json' }.freeze, ['{}']] unless outcome.reason == :malformed
    end
    guarded = app(refuse: refuse)
    assert_equal [401, { 'Content-Type' => 'application/json', 'WWW-Authenticate' => 'Bearer' }, ['{}']],
                 guarded.call({ 'PATH_INFO' => '/' })
    assert_equal ["not authenticated\n"], guarded.call({ 'PATH_INFO' => '/', 'HTTP_AUTHORIZATION' => 'Bearer x' }).last
    JWTKeeper.client.revoke_jti(@minted.jti)
    _, headers, = guarded.call(env)
    assert_match(/\Ajwt_keeper=;/, headers['Set-Cookie'])
    assert_equal [[401, nil], [401, :malformed], [401, :revoked]], reasons
  end

  def test_authenticate_is_for_any_framework
    client = JWTKeeper.client
    headers = { 'authorization' => @minted.authorization, :Cookie => ["jwt_keeper=#{@minted.cookie.value}"] }
    outcome = client.authenticate(headers)
    assert_equal [200, 7, {}], [outcome.status, outcome.claims[:uid], outcome.headers]
    assert_same outcome.claims, outcome.claims
    flag
    outcome = client.authenticate(headers, regenerate_claims: ->(old) { { uid: old.claims[:uid] + 1 } })
    assert_equal [200, 8], [outcome.status, outcome.claims[:uid]]
    assert_equal %w[Authorization Cache-Control Set-Cookie], outcome.headers.keys
    assert_equal "Bearer #{outcome.token.to_jwt}", outcome.headers['Authorization']
    assert_equal [401, nil, nil], [client.authenticate({}).status, client.authenticate({}).reason, client.authenticate({}).claims]
    refute_includes outcome.inspect, outcome.token.to_jwt
  end

  def test_except
    free = ->(env) { env['PATH_INFO'] == '/free' }
    { ['/login'] => '/login', [%r{\A/assets/}] => '/assets/x', free => '/free' }.each do |except, path|
      assert_equal 200, app(except: except).call({ 'PATH_INFO' => path }).first
      assert_equal 401, app(except: except).call({ 'PATH_INFO' => "/x#{path}" }).first
      assert_equal 401, app(except: except).call({ 'PATH_INFO' => "#{path[0, 5]}/" }).first
    end
  end

  def test_a_daemon_that_is_away_is_503
    client = JWTKeeper::Client.new(socket: "#{DAEMON.directory}/nobody", deadline: 0.05)
    request = env
    status, headers, = app(client: client).call(request)
    assert_equal [503, '1', nil], [status, *headers.values_at('Retry-After', 'Set-Cookie')]
    assert_match(/JWTKeeper: /, request['rack.errors'].string)
    refute_includes request['rack.errors'].string, @minted.token
  end

  def test_an_outage_is_logged_once
    log = StringIO.new
    client = DAEMON.client(realm: 'locked', deadline: 0.1, logger: Logger.new(log))
    guarded = app(client: client)
    assert_equal 200, guarded.call(env).first
    DAEMON.stop
    3.times { assert_equal 503, guarded.call(env).first }
    assert_equal 1, log.string.lines.size, log.string
    assert_match(/ERROR -- : JWTKeeper: requests get 503: no jwtkeeperd answers/, log.string)
    DAEMON.start
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 60
    until log.string.lines.size > 1 || Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
      assert_equal 200, guarded.call(env).first
    end
    assert_equal 2, log.string.lines.size, log.string
    assert_match(/JWTKeeper: requests are answered again \(3 requests\)/, log.string)
    refute_includes log.string, @minted.token
  end

  def test_failures_that_alternate_with_answers_are_one_outage
    now = 0.0
    log = StringIO.new
    logger = Logger.new(log)
    outage = JWTKeeper.const_get(:Outage).new('begun', 'ended', clock: -> { now })
    50.times do
      outage.met('a cause', logger)
      now += 0.1
      outage.over(logger)
    end
    assert_equal 1, log.string.lines.size, log.string
    now += 1
    outage.over(logger)
    assert_match(/ended \(50 requests\)/, log.string)
  end

  def test_the_apps_own_fault_is_raised
    flag
    assert_raises(JWTKeeper::BadRequestError) { app(regenerate_claims: ->(*) { { jti: 'x' } }).call(env) }
    assert_equal 200, app.call(env).first
  end

  def test_the_token_is_what_the_library_found
    request = env.merge('HTTP_AUTHORIZATION' => "  bEARER \t#{@minted.token} \u00a0".b)
    assert_equal 200, app.call(request).first
    assert_equal @minted.token, @env['jwt_keeper.token'].to_jwt
  end

  def test_bytes_from_outside
    ["Bearer \xff\0", "Bearer  x ", 'Bearer', '', "Bearer #{'x' * 10_000}"].each do |header|
      cookie = "\xff=\0; jwt_keeper=\xff".b
      env = { 'PATH_INFO' => '/', 'HTTP_AUTHORIZATION' => header.b, 'HTTP_COOKIE' => cookie }
      assert_equal 401, app.call(env).first
    end
  end
end
