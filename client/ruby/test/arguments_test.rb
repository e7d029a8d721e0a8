# frozen_string_literal: true

# Values that are wrong: those of the program are an ArgumentError that names them, those from outside are answers.
require_relative 'helper'
require 'date'
require 'pathname'

class ArgumentsTest < Minitest::Test
  include Configured

  def client
    @client ||= DAEMON.client
  end

  def assert_refused(name, &call)
    error = assert_raises(ArgumentError, &call)
    assert_match(/\b#{name}\b/, error.message)
  end

  WRONG = {
    deadline: [0, -1, Float::NAN, Float::INFINITY, 2**70, '5', :soon, true],
    connect_timeout: [0, -0.5, Float::NAN, 1e300, [1]],
    server_uid: [-1, 2**32, (2**32) - 1, 1.5, '0', :any],
    max_idle: [-1, 2**64, 2.5, '16'],
    socket: ['', "a\0b", 5, "\xff\0", '/x' * 200],
    realm: ["\xff", "a\0b", 5, [], ''],
    name: ["\xff", 5, ''],
    cookie: [{ sekure: true }, 'jwt_keeper', { name: '' }, { name: nil }, { secure: 'no' }, { path: 5 }, { domain: "\xff" }],
    logger: [5, 'stderr']
  }.freeze

  def test_a_client_refuses_wrong_options
    WRONG.each do |option, values|
      values.each { |value| assert_refused(option) { DAEMON.client(**{ option => value }) } }
    end
    assert_refused(:sokcet) { JWTKeeper::Client.new(sokcet: '/run/x') }
  end

  # At once, and not at the first request.
  def test_an_initializer_refuses_them_too
    WRONG.each do |option, values|
      assert_refused(option) { JWTKeeper.configure { |config| config.public_send(:"#{option}=", values.first) } }
    end
    assert_refused(:sokcet) { JWTKeeper.configure { |config| config.sokcet = '/run/x' } }
    assert_refused(:sokcet) { JWTKeeper::Configuration.new(sokcet: '/run/x') }
    assert JWTKeeper.client.ping, 'the configuration before is kept'
  end

  def test_what_is_right_is_taken
    options = { deadline: 60r, connect_timeout: 0.5, server_uid: Process.uid, max_idle: 0, realm: :default,
                name: 'arguments', cookie: { name: 'x', domain: nil, path: nil, secure: false } }
    assert DAEMON.client(**options).ping
    assert JWTKeeper::Client.new(socket: Pathname(DAEMON.socket)).ping
  end

  def test_a_ttl_is_never_wrapped
    [(2**64) + 5, 2**63, 0, -1, -(2**64), 0.5, Float::NAN, Float::INFINITY, '60', :day].each do |ttl|
      assert_refused(:ttl) { client.issue(nil, ttl: ttl) }
    end
    { 60 => 60, 60.9 => 60 }.each do |ttl, seconds|
      minted = client.issue(nil, ttl: ttl)
      assert_equal seconds, minted.expires_at.to_i - minted.claims['iat']
    end
  end

  def test_a_moment_is_a_time
    ['yesterday', -1, Time.at(-1), Time.at(2**60), Float::NAN, 2**70, :now].each do |before|
      assert_refused(:before) { client.revoke_subject('nobody', before: before) }
    end
    [Time.at(1), 1, 1.5, DateTime.new(2001, 1, 1)].each { |before| client.revoke_subject('nobody', before: before) }
  end

  def test_claims_are_an_object
    [5, :x, [1], true, { a: "\xff" }, { a: Float::NAN }, { a: { "\xff" => 1 } }].each do |claims|
      assert_refused(:claims) { client.issue(claims) }
      assert_refused(:claims) { client.rotate(client.issue.token, claims: claims) }
      assert_refused(:claims) { JWTKeeper::Token.create(claims) }
    end
    error = assert_raises(ArgumentError) { client.issue({ a: "secret \xff" }) }
    refute_includes error.full_message, 'secret'
  end

  # A String cannot hold a lone surrogate, but its three bytes: they are no UTF-8.
  OUTSIDE = [42, 4.2, nil, :x, [], {}, "\xED\xA0\x80", "\xED\xA0\x80".b, "\xff", "\0", '', 'x'.encode('UTF-16'),
             "a.b.\xED\xA0\x80", 'x' * 1_000_000].freeze

  def test_a_token_that_is_none_is_malformed
    OUTSIDE.each do |token|
      assert_equal :malformed, client.validate(token).reason
      assert_equal :malformed, client.rotate(token).reason
      assert_equal :malformed, client.revoke(token).reason
      assert_nil JWTKeeper::Token.find(token)
      assert_equal :malformed, assert_raises(JWTKeeper::InvalidTokenError) { JWTKeeper::Token.find!(token) }.reason
    end
  end

  def test_a_cookie_that_is_none_is_no_error
    token = client.issue.token
    OUTSIDE.each { |cookie| assert client.validate(token, cookie: cookie).valid? }
    locked = client.for_realm('locked').issue.token
    OUTSIDE.each { |cookie| refute client.for_realm('locked').validate(locked, cookie: cookie).valid? }
  end

  def test_ids_are_text
    [nil, 5, [], "\xff"].each do |id|
      assert_refused(:jti) { client.flag(id) }
      assert_refused(:jti) { client.revoke_jti(id) }
      assert_refused(:jti) { client.status(id) }
      assert_refused(:session) { client.revoke_session(id) }
      assert_refused(:subject) { client.flag_subject(id) }
      assert_refused(:subject) { client.revoke_subject(id) }
      assert_refused(:realm) { client.for_realm(id) }
    end
    assert_equal 'bad_id', assert_raises(JWTKeeper::BadRequestError) { client.flag('') }.name
  end
end
