# frozen_string_literal: true

# The client's operations and errors, and what inspect shows.
require_relative 'helper'

class ClientTest < Minitest::Test
  def client
    @client ||= DAEMON.client
  end

  def locked
    @locked ||= client.for_realm('locked')
  end

  def test_a_token_is_issued_and_valid
    minted = client.issue({ sub: '42', big: 2**80, note: 'zoë ☃' }, ttl: 60)
    assert_equal minted.jti, minted.claims['jti']
    assert_equal minted.expires_at.to_i, minted.claims['exp']
    assert_nil minted.cookie
    verdict = client.validate(minted.token)
    assert verdict.valid?
    refute verdict.rotation_due?
    assert_equal minted.claims_json, verdict.claims_json
    assert_equal [2**80, 'zoë ☃'], verdict.claims.values_at('big', 'note')
    assert_nil verdict.error
  end

  def test_claims_may_be_text
    text = '{"a":1.10,"b":{"c":[1e2]}}'
    assert_includes client.issue(text).claims_json, text[1..-2]
  end

  def test_what_is_not_valid_says_why
    verdict = client.validate("\xff\0not-a-token".b)
    assert verdict.invalid?
    assert_equal :malformed, verdict.reason
    assert_nil verdict.claims
    assert_instance_of JWTKeeper::InvalidTokenError, verdict.error
  end

  def test_a_locked_token_needs_its_cookie
    minted = locked.issue
    assert_match(/\A\h{32}\z/, minted.cookie.value)
    assert_equal ['jwt_keeper', '/', 'strict', nil],
                 [minted.cookie.name, minted.cookie.path, minted.cookie.same_site, minted.cookie.domain]
    assert minted.cookie.secure? && minted.cookie.http_only?
    assert_equal minted.expires_at, minted.cookie.expires_at
    assert locked.validate(minted.token, cookie: minted.cookie.value).valid?
    assert_equal :bad_signature, locked.validate(minted.token).reason
  end

  def test_a_flagged_token_has_one_successor
    old = client.issue({ sub: '42' })
    client.flag(old.jti)
    assert_equal :soft, client.status(old.jti).state
    assert_equal :flagged, client.validate(old.token).rotation
    successor = client.rotate(old.token, claims: { role: 'writer' })
    assert_equal %w[42 writer], successor.claims.values_at('sub', 'role')
    assert_equal successor.token, client.rotate(old.token).token
    assert_equal :rotated, client.status(old.jti).state
  end

  def test_a_revoked_token_is_revoked_with_its_session
    old = client.issue
    successor = client.rotate(old.token)
    assert client.revoke(successor.token).revoked?
    assert_equal :revoked, client.validate(old.token).reason
    refute client.rotate(old.token).valid?
    assert_equal :malformed, client.revoke('x').reason
  end

  def test_revoking_by_id_session_and_subject
    subject = SecureRandom.uuid
    tokens = Array.new(4) { client.issue({ sub: subject }) }
    client.revoke_jti(tokens[0].jti)
    client.revoke_session(tokens[1].jti)
    assert_equal [false, false, true, true], (tokens.map { |minted| client.validate(minted.token).valid? })
    client.flag_subject(subject)
    assert_equal :flagged, client.validate(tokens[2].token).rotation
    client.revoke_subject(subject, before: Time.now - 3600)
    assert client.validate(tokens[2].token).valid?
    client.revoke_subject(subject)
    assert_equal [:revoked] * 2, (tokens[2..].map { |minted| client.validate(minted.token).reason })
  end

  def test_a_cutoff_of_a_realm_lies_in_the_past
    kept = client.issue
    client.revoke_issued_before(Time.at(1))
    assert client.validate(kept.token).valid?
    error = assert_raises(JWTKeeper::BadRequestError) { client.revoke_issued_before(Time.now + 3600) }
    assert_equal [207, 'cutoff_in_future'], [error.code, error.name]
  end

  def test_the_daemon_tells_of_itself
    assert client.ping
    assert client.health.ready?
    assert_kind_of Integer, client.health.generation
    assert_kind_of Integer, client.reload
    assert_equal({ 'keys' => [] }, client.jwks)
  end

  def test_what_cannot_be_answered_raises_by_code
    error = assert_raises(JWTKeeper::BadRequestError) { client.for_realm('nowhere').issue }
    assert_equal [200, 'unknown_realm'], [error.code, error.name]
    error = assert_raises(JWTKeeper::BadRequestError) { client.issue({ jti: 'x' }) }
    assert_equal 'reserved_claim', error.name
    nobody = JWTKeeper::Client.new(socket: "#{DAEMON.directory}/nobody", deadline: 0.05)
    error = assert_raises(JWTKeeper::UnreachableError) { nobody.ping }
    assert_kind_of JWTKeeper::UnavailableError, error
    assert_equal 300, error.code
    assert_raises(ArgumentError) { client.issue(ttl: -1) }
    assert_raises(ArgumentError) { JWTKeeper::Client.new(deadline: 0) }
    assert_raises(ArgumentError) { JWTKeeper::Client.new(cookie: { sekure: true }) }
  end

  def test_a_peer_of_another_uid_is_not_spoken_to
    stranger = DAEMON.client(server_uid: Process.uid + 1)
    assert_equal 302, assert_raises(JWTKeeper::Error) { stranger.ping }.code
    assert DAEMON.client(server_uid: Process.uid).ping
  end

  def test_a_restart_of_the_daemon_costs_time_alone
    minted = client.issue
    DAEMON.stop
    validating = Thread.new { client.validate(minted.token) }
    DAEMON.start
    assert validating.value.valid?
  end

  def test_the_lock_cookie_is_found_and_cleared
    client = DAEMON.client(cookie: { name: 'lock', domain: 'example.com', secure: false })
    assert_equal 'x.y', client.find_cookie('a=1; lock="x.y"; jwt_keeper=z')
    assert_nil client.find_cookie('a=1')
    assert_nil client.find_cookie(nil)
    assert_match(%r{\Alock=; HttpOnly; Path=/; Domain=example.com; Max-Age=0}, client.clear_cookie)
  end

  def test_a_session_knows_its_own_cookie_from_the_first_request_on
    minted = locked.issue
    header = "a=1; #{minted.cookie.name}=#{minted.cookie.value}"
    [header, ['a=1', header.split('; ').last]].each do |cookies|
      fresh = DAEMON.client(realm: 'locked')
      outcome = fresh.authenticate({ 'Authorization' => "Bearer #{minted.token}", 'Cookie' => cookies })
      assert_equal minted.cookie.value, outcome.token.cookie_secret
    end
    assert_equal minted.cookie.value, DAEMON.client(realm: 'locked').find_cookie(header)
  end

  def test_a_request_without_a_token_does_not_need_the_daemon
    nobody = JWTKeeper::Client.new(socket: "#{DAEMON.directory}/nobody", deadline: 0.05)
    assert_equal 401, nobody.authenticate({ 'Cookie' => 'jwt_keeper=x' }).status
    assert_nil nobody.find_cookie('jwt_keeper=x')
  end

  def test_inspect_shows_no_secret
    minted = locked.issue({ note: 'secret-claim' })
    verdict = locked.validate(minted.token, cookie: minted.cookie.value)
    use = JWTKeeper::Configuration.new(secret: 'secret-key', socket: DAEMON.socket)
    session = locked.session(minted.authorization, minted.cookie.value)
    objects = [minted, verdict, minted.cookie, use, session, locked]
    shown = objects.map { |object| [object.inspect, object.to_s].join }.join
    [minted.token, minted.cookie.value, 'secret-claim', 'secret-key'].each { |secret| refute_includes shown, secret }
  end

  def test_a_copy_of_a_client_may_outlive_it
    copy = DAEMON.client.dup
    GC.start
    assert copy.ping
  end

  def test_clients_and_replies_are_freed
    50.times do
      other = client.for_realm('locked')
      # Rotation is due and never had: the reply goes with the session.
      minted = other.issue
      client.for_realm('locked').flag(minted.jti)
      assert other.dup.session(minted.authorization, minted.cookie.value).rotation
    end
    GC.start
    assert client.ping
  end
end
