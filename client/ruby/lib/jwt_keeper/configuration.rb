# frozen_string_literal: true

# What an app's initializer sets. The gem's options are taken too, so that an initializer that has them still runs; what
# the daemon decides now is explained once and otherwise ignored.
module JWTKeeper
  class Configuration
    # Of the client: see Client#initialize.
    OPTIONS = %i[socket realm deadline connect_timeout server_uid max_idle name cookie logger].freeze

    # The gem's options, and where each is set now. Those of cookies are keys of [realms.NAME.cookie].
    MOVED = {
      secret: 'secret_file', algorithm: 'algorithm', expiry: 'expiry', issuer: 'issuer', audience: 'audience',
      version: 'version_file', redis_connection: '[store]', cookie_lock: 'cookie_lock',
      cookie_secure: 'cookie.secure', cookie_domain: 'cookie.domain', cookie_options: 'cookie'
    }.freeze

    attr_accessor(*OPTIONS)

    # true: Controller sends the Authorization header with every response, as the gem does, and not only when there is a
    # new token. For front ends that take it from each response unseen.
    attr_accessor :echo_authorization

    # The values are kept, for an app that reads its own settings back; but no secret is.
    MOVED.each_key do |option|
      define_method(option) { @moved[option] }
      define_method(:"#{option}=") { |value| @moved[option] = option == :secret ? nil : value }
    end

    def initialize(params = {})
      @moved = {}
      params.each { |option, value| public_send(:"#{option}=", value) }
    end

    def method_missing(name, *)
      raise ArgumentError, "there is no option #{name.to_s.chomp('=')}" if name.end_with?('=')

      super
    end

    def respond_to_missing?(*)
      super
    end

    # Raises where a value cannot be right.
    # @api private
    def check
      Options.check(OPTIONS.to_h { |option| [option, public_send(option)] })
    end

    # @api private
    def new_client
      Client.new(**OPTIONS.to_h { |option| [option, public_send(option)] }.compact)
    end

    # Warns, once in a process, of the options that are the daemon's now.
    def explain
      return if @moved.empty? || self.class.explained

      self.class.explained = true
      moved = @moved.keys.map { |option| "#{option} (#{MOVED[option]})" }.join(', ')
      warn "JWTKeeper: these options are jwtkeeperd's now, set in its configuration as named in brackets, and " \
           "ignored here: #{moved}"
    end

    def freeze
      @moved.freeze
      super
    end

    def inspect
      "#<#{self.class}>"
    end

    class << self
      # @api private
      attr_accessor :explained
    end
  end
end
