# frozen_string_literal: true

# Puma in cluster mode, its client used before the fork: many requests at once with one flagged token, again and again.
# None is rejected, and each token has exactly one successor.
require_relative 'helper'

class ClusterTest < Minitest::Test
  CLIENTS = 8
  ROUNDS = 50

  def setup
    environment = { 'JWTKEEPER_SOCKET' => DAEMON.socket, 'REALM' => realm, 'DEADLINE' => PATIENCE.to_s }
    puma = ['-S', 'puma', '-C', File.expand_path('cluster_puma.rb', __dir__)]
    @app = App.new(*puma, environment, ready: /Listening on .*:(\d+)$/)
    @client = DAEMON.client(realm: realm)
  end

  def teardown
    @app&.stop
  end

  def assert_one_successor
    workers = []
    ROUNDS.times do |round|
      old = @client.issue({ uid: round })
      @client.flag(old.jti)
      answers = at_once { ask(old.authorization, old.cookie) }
      assert_equal [['200', 'OK']], answers.map { |answer| [answer.code, answer.message] }.uniq
      seen = answers.map { |answer| answer.body.split }
      assert_equal 1, seen.map(&:last).uniq.size, 'the app saw one successor'
      refute_equal old.jti, seen.first.last
      successors = answers.map { |answer| check(answer, round) }
      assert_equal [seen.first.last], successors.uniq
      workers |= seen.map(&:first)
    end
    assert_equal 2, workers.size, 'both workers took part'
  end

  # What a browser was sent is valid: token and cookie belong together.
  def check(answer, round)
    token = answer['Authorization'].delete_prefix('Bearer ')
    cookie = App.lock_cookie(answer) && App.cookie_pair(answer).delete_prefix('jwt_keeper=')
    assert_equal locked?, !cookie.nil?
    verdict = @client.validate(token, cookie: cookie)
    assert_equal [true, nil], [verdict.valid?, verdict.rotation]
    assert_equal [round, true], verdict.claims.values_at('uid', 'renewed')
    verdict.claims['jti']
  end

  # Requests that start together.
  def at_once(&request)
    gate = Queue.new
    threads = Array.new(CLIENTS) { Thread.new { gate.pop && request.call } }
    CLIENTS.times { gate.push(true) }
    threads.map(&:value)
  end

  def ask(authorization, cookie)
    headers = { 'Authorization' => authorization, 'Cookie' => cookie && "jwt_keeper=#{cookie.value}" }
    @app.request(:Get, '/', headers.compact)
  end
end

class UnlockedClusterTest < ClusterTest
  def realm
    'default'
  end

  def locked?
    false
  end

  def test_one_successor
    assert_one_successor
  end
end

class LockedClusterTest < ClusterTest
  def realm
    'locked'
  end

  def locked?
    true
  end

  def test_one_successor_with_the_lock
    assert_one_successor
  end
end
