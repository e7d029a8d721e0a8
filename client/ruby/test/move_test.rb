# frozen_string_literal: true

# What docs/operations.md tells a fleet that leaves the gem, tried; and what the gemspec declares.
require_relative 'helper'
require 'openssl'
require 'open3'

class MoveTest < Minitest::Test
  SECTION = File.read("#{ROOT}/docs/operations.md")[/^## Moving a Rails fleet.*?(?=^## )/m]
  FOUND = { 'symbol' => 'Token.create(sid: 1)', 'text' => "{ 'born' => 2 }", 'rocket' => '{ :lck => 3 }',
            'read' => 'claims[:jwtkeeper]', 'json' => '{"sid": 4}' }.freeze
  OTHERS = { 'longer' => 'Token.create(user_sid: 1, sidekiq: 2)', 'word' => '# was born in a lck' }.freeze

  def test_the_command_finds_the_names
    command = SECTION[/^ *(grep .*)$/, 1]
    Dir.mktmpdir do |app|
      %w[app config lib].each { |directory| Dir.mkdir("#{app}/#{directory}") }
      FOUND.merge(OTHERS).each { |name, line| File.write("#{app}/lib/#{name}.rb", line) }
      found, status = Open3.capture2(command, chdir: app)
      assert status.success?
      assert_equal FOUND.keys.sort, found.scan(%r{^lib/(\w+)\.rb:}).flatten.sort
    end
  end

  # The initializer is for the gem; its Token.find is called in the same way here.
  def test_the_initializer_logs_names_alone
    use_initializer
    client = DAEMON.client
    JWTKeeper.configure { |config| config.socket = DAEMON.socket }
    JWTKeeper::Token.find(client.issue({ uid: 1 }).token)
    assert_empty Rails.logger.lines
    token = client.issue({ sid: 'secret-value', lck: 2 }).token
    JWTKeeper::Token.find(token, cookie_secret: false)
    assert_equal ['private claims named sid, lck'], Rails.logger.lines
  end

  # What the table says of such claims.
  def test_the_daemon_carries_and_reserves_them
    client = DAEMON.client
    old = signed(sid: 5, born: 'x', lck: true)
    assert client.validate(old).valid?
    assert_equal [5, 'x', true], client.rotate(old).claims.values_at('sid', 'born', 'lck')
    assert_equal :malformed, client.validate(signed(jwtkeeper: 'x')).reason
    assert_equal 'reserved_claim', assert_raises(JWTKeeper::BadRequestError) { client.issue({ jwtkeeper: 1 }) }.name
  end

  def test_the_gemspec_declares_fiddle
    spec = Gem::Specification.load("#{ROOT}/client/ruby/jwtkeeper-client.gemspec")
    fiddle = spec.runtime_dependencies.find { |dependency| dependency.name == 'fiddle' }
    assert fiddle&.requirement&.satisfied_by?(Gem::Version.new(Fiddle::VERSION))
  end

  private

  def use_initializer
    code = SECTION[/# config.initializers.claim_names.rb.*?(?=```)/m]
    Object.const_set(:Rails, Module.new) unless defined?(Rails)
    Rails.define_singleton_method(:logger) { @logger ||= Log.new }
    eval(code) # rubocop:disable Security/Eval
  end

  # A token as the gem signs it.
  def signed(claims)
    now = Time.now.to_i
    own = { iss: 'api.example.com', aud: 'example.com', nbf: now, iat: now, exp: now + 600, jti: SecureRandom.uuid, ver: 1 }
    parts = [{ alg: 'HS512' }, own.merge(claims)].map { |part| base64url(part.to_json) }
    mac = OpenSSL::HMAC.digest('SHA512', File.read("#{DAEMON.directory}/secret"), parts.join('.'))
    [*parts, base64url(mac)].join('.')
  end

  def base64url(bytes)
    [bytes].pack('m0').tr('+/', '-_').delete('=')
  end

  class Log
    def lines
      @lines ||= []
    end

    def warn(line)
      lines << line
    end
  end
end
