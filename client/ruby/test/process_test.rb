# frozen_string_literal: true

# Threads and processes: a waiting call lets other threads run, many threads share one client, and a client outlives
# fork.
require_relative 'helper'
require 'socket'

class ProcessTest < Minitest::Test
  # Stands between client and daemon, in a thread of this very process: a call through it is answered only when that
  # thread may run while the call waits.
  def between
    path = "#{DAEMON.directory}/between-#{SecureRandom.hex(4)}"
    server = UNIXServer.new(path)
    thread = Thread.new { carry(server.accept, UNIXSocket.new(DAEMON.socket)) }
    yield path
  ensure
    thread&.kill
    server&.close
  end

  def carry(client, daemon)
    loop do
      IO.select([client, daemon]).first.each do |from|
        (from == client ? daemon : client).write(from.readpartial(65_536))
      end
    end
  rescue EOFError
    nil
  end

  def test_other_threads_run_while_a_call_waits
    between { |path| assert JWTKeeper::Client.new(socket: path, deadline: 30).ping }
  end

  # That the test above could fail: the same call with the lock of the interpreter held.
  def test_they_would_not_if_it_held_the_lock
    library = JWTKeeper.const_get(:Library)
    skip 'this Fiddle cannot hold it' if library.holding.empty?
    ping = Fiddle::Function.new(Fiddle.dlopen(ENV.fetch('JWTKEEPER_LIBRARY'))['jwtkeeper_ping'],
                                *library::CALLS[:ping], need_gvl: true)
    between do |path|
      client = JWTKeeper::Client.new(socket: path, deadline: 0.3)
      library.instance.with_reply do |reply|
        code = client.send(:handle).use { |address| ping.call(address, reply.address) }
        assert_equal 301, code
      end
    end
  end

  def test_threads_share_a_client
    client = DAEMON.client
    minted = Array.new(8) { |number| client.issue({ number: number }) }
    threads = minted.each_with_index.map do |token, number|
      Thread.new { Array.new(200) { client.validate(token.token).claims['number'] }.uniq == [number] }
    end
    assert threads.all?(&:value)
  end

  def test_a_call_within_a_call_has_a_reply_of_its_own
    client = DAEMON.client
    old = client.issue({ sub: '42' })
    client.flag(old.jti)
    session = client.session(old.authorization)
    assert client.validate(client.issue.token).valid?
    session.rotate({ role: 'writer' })
    assert_equal 'writer', session.minted.claims['role']
  end

  def test_a_client_is_kept_across_fork
    client = DAEMON.client
    token = client.issue.token
    busy = true
    beside = Thread.new { client.validate(token) while busy }
    children = Array.new(4) do
      fork do
        answers = Array.new(50) { client.validate(token).valid? && client.issue.valid? }
        GC.start
        exit!(answers.all? ? 0 : 1)
      end
    end
    statuses = children.map { |pid| Process.wait2(pid).last.exitstatus }
    busy = false
    beside.join
    assert_equal [0] * 4, statuses
    assert client.validate(token).valid?
  end
end
