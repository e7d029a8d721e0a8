# frozen_string_literal: true

# What a program may not do, or not twice: an error, or an answer, and never a crash.
require_relative 'helper'

class MisuseTest < Minitest::Test
  def client
    @client ||= DAEMON.client
  end

  def test_a_closed_client_raises
    minted = client.issue
    client.flag(minted.jti)
    session = client.session(minted.authorization)
    client.close
    client.close
    assert client.closed?
    calls = [
      -> { client.ping }, -> { client.validate('x') }, -> { client.issue }, -> { client.session('Bearer x') },
      -> { client.for_realm('locked') }, -> { client.find_cookie('a=1') }, -> { client.clear_cookie },
      -> { session.rotate }, -> { client.dup.ping }, -> { client.clone.validate('x') }
    ]
    calls.each { |call| assert_raises(JWTKeeper::ClosedError, &call) }
    assert_equal [client.inspect, session.inspect], [client.dup.inspect, session.inspect]
  end

  def test_closing_leaves_other_clients_alone
    other = client.for_realm('locked')
    client.close
    assert other.ping
    other.close
  end

  def test_copies_are_one_client
    token = client.issue.token
    copies = Array.new(100) { [client.dup, client.clone] }.flatten
    GC.start
    assert(copies.all? { |copy| copy.validate(token).valid? })
    copies.first.close
    assert client.closed?
  end

  # Calls of other threads end with an answer; those that begin later raise.
  def test_closing_while_threads_call
    20.times do
      shared = DAEMON.client
      token = shared.issue.token
      begun = Queue.new
      threads = Array.new(4) do
        Thread.new do
          loop { begun.push(shared.validate(token).valid?) }
        rescue JWTKeeper::ClosedError
          :closed
        end
      end
      4.times { assert begun.pop }
      shared.close
      assert_equal [:closed] * 4, threads.map(&:value)
    end
  end

  def test_a_session_is_not_copied
    minted = client.issue
    client.flag(minted.jti)
    session = client.session(minted.authorization)
    assert_raises(TypeError) { session.dup }
    assert_raises(TypeError) { session.clone }
    session.rotate
    successor = session.minted
    session.rotate
    assert_same successor, session.minted
  end

  def test_a_client_is_not_marshalled
    assert_raises(TypeError) { Marshal.dump(client) }
    assert_raises(JWTKeeper::ClosedError) { JWTKeeper::Client.allocate.ping }
  end

  def test_a_child_may_close_its_copy
    token = client.issue.token
    child = fork do
      client.close
      exit!(client.closed? ? 0 : 1)
    end
    assert_equal 0, Process.wait2(child).last.exitstatus
    assert client.validate(token).valid?
  end

  # A handler of a signal may not wait for a lock.
  def test_a_signal_handler_may_call
    answers = Queue.new
    kept = trap('USR1') { answers.push(client.ping) }
    Process.kill('USR1', Process.pid)
    assert answers.pop
  ensure
    trap('USR1', kept)
  end
end
