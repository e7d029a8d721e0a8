# frozen_string_literal: true

# libjwtkeeper through Fiddle: its functions, and the replies that wait to be used again. It is opened when it is first
# needed, from JWTKEEPER_LIBRARY or as the loader finds it. Functions that ask the daemon let other Ruby threads run.
require 'fiddle'

module JWTKeeper
  # @api private
  class Library
    NAME = 'libjwtkeeper.so.0'
    # A handle is its address, as an Integer: a Fiddle::Pointer costs an allocation each call.
    HANDLE = Fiddle::TYPE_UINTPTR_T
    # Strings are pointer and length. What is shown is read up to its NUL: no token, JSON text or header holds one.
    STRING = [Fiddle::TYPE_VOIDP, Fiddle::TYPE_SIZE_T].freeze
    INT = Fiddle::TYPE_INT
    LONG = Fiddle::TYPE_LONG_LONG
    SIZE = Fiddle::TYPE_SIZE_T

    # These wait for the daemon.
    CALLS = {
      ping: [], issue: [*STRING, LONG], validate: STRING * 2, rotate: STRING * 3, flag_jti: STRING,
      flag_subject: [*STRING, LONG], revoke_token: STRING * 2, revoke_jti: STRING, revoke_session: STRING,
      revoke_subject: [*STRING, LONG], revoke_issued_before: [LONG], status: STRING, jwks: [], health: [], reload: [],
      import: [], session_authenticate: STRING * 2, session_rotate: STRING, cookie_clear: [], cookie_settings: []
    }.transform_values { |arguments| [[HANDLE, *arguments, HANDLE], INT] }.freeze

    SETTERS = {
      socket: STRING, realm: STRING, name: STRING, deadline_ms: [LONG], connect_timeout_ms: [LONG], server_uid: [-INT],
      max_idle: [SIZE], cookie: [*STRING, *STRING, *STRING, INT]
    }.to_h { |name, arguments| [:"config_set_#{name}", [[HANDLE, *arguments], INT]] }.freeze

    SHOWN = {
      INT => %i[code valid reason cause cookie_secure cookie_http_only state ready status clears_cookie],
      LONG => %i[expires_at cookie_expires_at until generation entries pending]
    }.flat_map { |type, names| names.map { |name| [:"reply_#{name}", [[HANDLE], type]] } }.to_h.freeze

    TEXTS = %i[
      message token authorization jti claims set_cookie cookie_name cookie_value cookie_domain cookie_path
      cookie_same_site document challenge presented presented_cookie
    ].to_h { |name| [:"reply_#{name}", [[HANDLE, HANDLE], HANDLE]] }.freeze

    QUICK = {
      config_new: [[], HANDLE], config_free: [[HANDLE], Fiddle::TYPE_VOID],
      client_new: [[HANDLE, Fiddle::TYPE_VOIDP], INT], client_free: [[HANDLE], Fiddle::TYPE_VOID],
      client_for_realm: [[HANDLE, *STRING, Fiddle::TYPE_VOIDP], INT],
      reply_new: [[], HANDLE], reply_free: [[HANDLE], Fiddle::TYPE_VOID],
      cookie_find: [[HANDLE, *STRING, Fiddle::TYPE_VOIDP], HANDLE],
      code_name: [[INT], HANDLE], code_meaning: [[INT], HANDLE], reason_name: [[INT], HANDLE],
      reason_meaning: [[INT], HANDLE], cause_name: [[INT], HANDLE], state_name: [[INT], HANDLE], version: [[], HANDLE]
    }.merge(SETTERS, SHOWN, TEXTS).freeze

    attr_reader(*CALLS.keys, *QUICK.keys)

    @lock = Mutex.new

    # The library of the process.
    def self.instance
      @instance || @lock.synchronize { @instance ||= new }
    end

    # The text at an address, copied; nil at NULL.
    def self.text(address)
      Fiddle::Pointer.new(address).to_s.force_encoding(Encoding::UTF_8) unless address.zero?
    end

    def initialize
      library = Fiddle.dlopen(ENV['JWTKEEPER_LIBRARY'] || NAME)
      CALLS.each { |name, form| bind(library, name, form) }
      QUICK.each { |name, form| bind(library, name, form, **self.class.holding) }
      @idle = []
      @names = {}
    rescue Fiddle::DLError => e
      raise LibraryError, "cannot use libjwtkeeper (JWTKEEPER_LIBRARY, or else #{NAME}): #{e.message}"
    end

    # Lends a reply that nobody else uses. Each thread, and each call within a call, has its own.
    def with_reply
      reply = take
      yield reply
    ensure
      give_back(reply) if reply
    end

    # Array#pop and #push are not interrupted by other threads.
    def take
      @idle.pop || Reply.new(self)
    end

    def give_back(reply)
      @idle.push(reply)
    end

    # The symbol that a number stands for; nil for 0, :"other(n)" for one that this version does not know.
    def symbol(table, number)
      return if number.zero?

      @names[[table, number]] ||= begin
        name = self.class.text(public_send(table).call(number))
        (name == 'other' ? "other(#{number})" : name).to_sym
      end
    end

    def error(code, message)
      name = self.class.text(code_name.call(code))
      message = self.class.text(code_meaning.call(code)) if message.nil? || message.empty?
      Error.of(code, name, message)
    end

    def inspect
      "#<#{self.class}>"
    end

    # A function that never waits need not let go of the lock of the interpreter, where this Fiddle can keep it.
    def self.holding
      @holding ||= Gem::Version.new(Fiddle::VERSION) >= Gem::Version.new('1.0.1') ? { need_gvl: true } : {}
    end

    private

    def bind(library, name, form, **how)
      function = Fiddle::Function.new(library["jwtkeeper_#{name}"], *form, Fiddle::Function::DEFAULT, **how)
      instance_variable_set(:"@#{name}", function)
    end
  end
  private_constant :Library
end
