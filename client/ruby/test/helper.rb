# frozen_string_literal: true

# What the tests share: a daemon of their own in a temporary directory, from JWTKEEPERD (else target/debug), with the
# realms `default` (no lock), `locked` and `shared` (locked the gem's way); and apps as processes. JWTKEEPER_LIBRARY
# names libjwtkeeper.so, or else it is found beside the daemon.
$LOAD_PATH.unshift File.expand_path('../lib', __dir__)
ROOT = File.expand_path('../../..', __dir__)
JWTKEEPERD = ENV['JWTKEEPERD'] || "#{ROOT}/target/debug/jwtkeeperd"
# The kernel kills what we start if we are killed.
UNTIL_WE_END = %w[setpriv --pdeathsig KILL].freeze
# Seconds in which an answer comes on any machine.
PATIENCE = 60
ENV['JWTKEEPER_LIBRARY'] ||= "#{File.dirname(JWTKEEPERD)}/libjwtkeeper.so"

require 'jwt_keeper'
require 'minitest/autorun'
require 'fileutils'
require 'net/http'
require 'rbconfig'
require 'securerandom'
require 'tmpdir'

# A real daemon, which ends with the tests.
class Daemon
  attr_reader :directory, :socket

  def initialize
    @directory = Dir.mktmpdir('jwtkeeper')
    @socket = "#{directory}/socket"
    write('version', "1\n")
    write('secret', SecureRandom.hex(64))
    write('locked-secret', SecureRandom.hex(64))
    write('config.toml', config)
    system(JWTKEEPERD, '--config', "#{directory}/config.toml", '--init', exception: true, %i[out err] => log)
    start
    Minitest.after_run do
      stop
      FileUtils.rm_rf(directory)
    end
  end

  def start
    # A start that fails must be seen; the log of one that does not is nobody's.
    command = [*UNTIL_WE_END, JWTKEEPERD, '--config', "#{directory}/config.toml"]
    @pid = Process.spawn(*command, in: File::NULL, %i[out err] => [log, 'a'])
    client.ping
  rescue JWTKeeper::Error
    abort File.read(log)
  end

  def stop
    return unless @pid

    Process.kill(:TERM, @pid)
    Process.wait(@pid)
    @pid = nil
  end

  def client(**options)
    JWTKeeper::Client.new(socket: socket, deadline: PATIENCE, **options)
  end

  def version=(version)
    write('version', "#{version}\n")
    client.reload
  end

  private

  def log
    "#{directory}/log"
  end

  def config
    <<~TOML
      socket = "#{socket}"
      state_dir = "#{directory}/state"
      [realms.default]
      algorithm = "HS512"
      secret_file = "#{directory}/secret"
      version_file = "#{directory}/version"
      issuer = "api.example.com"
      audience = ["example.com"]
      [realms.locked]
      algorithm = "HS512"
      secret_file = "#{directory}/locked-secret"
      cookie_lock = "required"
      [realms.locked.cookie]
      same_site = "strict"
      [realms.shared]
      algorithm = "HS512"
      secret_file = "#{directory}/secret"
      cookie_lock = "required"
      lock_key = "concat"
      store_prefix = "shared:"
    TOML
  end

  # By rename, so that the daemon never reads half a file.
  def write(name, text)
    File.write("#{directory}/#{name}.new", text, perm: 0o600)
    File.rename("#{directory}/#{name}.new", "#{directory}/#{name}")
  end
end

# A program that serves HTTP, prints a line that names its port, and is ended with all that it started.
class App
  attr_reader :port

  def initialize(*command, environment, ready: /^listening (\d+)$/)
    @output, output = IO.pipe
    log = "#{DAEMON.directory}/app.log"
    streams = { in: File::NULL, out: output, err: [log, 'a'] }
    @pid = Process.spawn(environment, *UNTIL_WE_END, RbConfig.ruby, *command, **streams, pgroup: true)
    output.close
    line = @output.each_line.find { |text| text.match?(ready) }
    raise "#{command.join(' ')} did not listen:\n#{File.read(log)}" unless line

    @port = Integer(line[ready, 1])
    # What it says later must not fill the pipe.
    Thread.new { IO.copy_stream(@output, File::NULL) }
  end

  def stop
    Process.kill(:TERM, -@pid)
    Process.wait(@pid)
  end

  def request(method, path, headers = {})
    Net::HTTP.start('127.0.0.1', port, read_timeout: 60) do |http|
      http.request(Net::HTTP.const_get(method).new(path, headers))
    end
  end

  # The Set-Cookie header of the lock cookie.
  def self.lock_cookie(response)
    response.get_fields('Set-Cookie')&.find { |cookie| cookie.start_with?('jwt_keeper=') }
  end

  def self.cookie_pair(response)
    lock_cookie(response)[/\A[^;]*/]
  end
end

# One daemon for all tests of a process.
DAEMON = Daemon.new

# Configures the process as an initializer does, before each test.
module Configured
  def setup
    super
    use
  end

  def use(**options)
    JWTKeeper.configure(JWTKeeper::Configuration.new(socket: DAEMON.socket, deadline: PATIENCE, **options))
  end
end
