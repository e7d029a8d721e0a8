# frozen_string_literal: true

# The options of a client. A value that cannot be right is an ArgumentError that names the option; nothing is wrapped,
# rounded to zero or ignored.
module JWTKeeper
  # @api private
  module Options
    PLACE = { name: 'jwt_keeper', domain: nil, path: '/', secure: true }.freeze
    # More is a mistake, such as milliseconds for seconds.
    LONGEST = 2**31
    # What sockaddr_un holds, but for its NUL.
    LONGEST_PATH = 107

    module_function

    # Raises unless all of these can be right; nil is an option that is not set.
    def check(options)
      options.each { |name, value| public_send(name, value) unless value.nil? }
    end

    def socket(value)
      value = value.to_path if value.respond_to?(:to_path)
      fits = value.is_a?(String) && value.bytesize.between?(1, LONGEST_PATH) && !value.b.include?("\0")
      value if fits or refuse(:socket, "a path of 1 to #{LONGEST_PATH} bytes")
    end

    def realm(value)
      text(:realm, value.is_a?(Symbol) ? value.to_s : value)
    end

    def name(value)
      text(:name, value)
    end

    def deadline(value)
      milliseconds(:deadline, value)
    end

    def connect_timeout(value)
      milliseconds(:connect_timeout, value)
    end

    # The highest uid stands for no user.
    def server_uid(value)
      value if (value.is_a?(Integer) && value.between?(0, 2**32 - 2)) or refuse(:server_uid, 'a uid, 0 to 4294967294')
    end

    def max_idle(value)
      value if (value.is_a?(Integer) && value.between?(0, LONGEST)) or refuse(:max_idle, "an Integer, 0 to #{LONGEST}")
    end

    # The whole place of the lock cookie.
    def cookie(value)
      place = value.is_a?(Hash) ? PLACE.merge(value) : {}
      fits = place.size == PLACE.size && text?(place[:name]) && [true, false].include?(place[:secure]) &&
             place.values_at(:domain, :path).all? { |part| part.nil? || text?(part) }
      place if fits or refuse(:cookie, 'a Hash of :name, :domain, :path (Strings) and :secure (true or false)')
    end

    def logger(value)
      value if value.respond_to?(:error) or refuse(:logger, 'a Logger')
    end

    # Seconds as milliseconds, rounded up.
    def milliseconds(option, value)
      fits = number?(value) && value.positive? && value <= LONGEST
      (value.to_r * 1000).ceil if fits or refuse(option, "a number of seconds above 0, up to #{LONGEST}")
    end

    # A lifetime in whole seconds.
    def ttl(value)
      fits = number?(value) && value >= 1 && value < 2**63
      value.to_i if fits or refuse(:ttl, 'a number of seconds, at least 1 and below 2**63')
    end

    # A Time, anything that has one, or seconds since 1970, as milliseconds.
    def moment(value)
      value = value.to_time if !value.is_a?(String) && value.respond_to?(:to_time)
      fits = value.is_a?(Time) || number?(value)
      milliseconds = (value.to_r * 1000).floor if fits
      fits &&= milliseconds.between?(0, 2**63 - 1)
      milliseconds if fits or refuse(:before, 'a Time from 1970 on, or seconds since then')
    end

    def text(option, value)
      value if text?(value) or refuse(option, 'a String of UTF-8, not empty, without NUL')
    end

    def text?(value)
      value.is_a?(String) && !value.empty? && utf8?(value) && !value.b.include?("\0")
    end

    # Text that the daemon judges: an id that is empty or too long is its own error.
    def id(option, value)
      value if (value.is_a?(String) && utf8?(value)) or refuse(option, 'a String of UTF-8')
    end

    # Bytes count, whatever the String says of them.
    def utf8?(string)
      string.dup.force_encoding(Encoding::UTF_8).valid_encoding?
    end

    # ActiveSupport's durations say that they are numbers.
    def number?(value)
      value.is_a?(Numeric) && value.real? && value.to_f.finite?
    end

    # Without the value, which could be a secret in the wrong place.
    def refuse(option, wanted)
      raise ArgumentError, "#{option} is #{wanted}"
    end
  end
  private_constant :Options
end
