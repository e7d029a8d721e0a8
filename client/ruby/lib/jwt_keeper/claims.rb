# frozen_string_literal: true

# Claims as Ruby has them and as the daemon has them: a Hash, and the text of a JSON object.
require 'json'

module JWTKeeper
  # @api private
  module Claims
    # How deep they may nest is the daemon's to say.
    DEPTH = { max_nesting: 0 }.freeze

    TIMES = %w[exp nbf iat].freeze

    module_function

    # The text to send: nil for nil, a String as it is, and a Hash with times made numbers.
    def text(claims)
      return claims if claims.nil? || claims.is_a?(String)

      JSON.generate(hash(claims), DEPTH)
    rescue JSON::GeneratorError, EncodingError
      # Without its cause, which shows the claims.
      raise ArgumentError, 'claims are no JSON: a String is not UTF-8, or a number is not finite', cause: nil
    end

    # A copy of claims that are no text, with times made numbers.
    def hash(claims)
      Options.refuse(:claims, 'a Hash, JSON text or nil') if claims.is_a?(Array) || !claims.respond_to?(:to_h)
      claims.to_h.to_h { |name, value| [name, TIMES.include?(name.to_s) ? seconds(value) : value] }
    end

    # A moment in seconds since 1970; a duration of ActiveSupport begins now.
    def seconds(value)
      return (Time.now + value).to_i if defined?(::ActiveSupport::Duration) && ::ActiveSupport::Duration === value

      value = value.to_time if !value.is_a?(String) && value.respond_to?(:to_time)
      value.is_a?(Time) || value.is_a?(Float) && value.finite? ? value.to_i : value
    end

    # Integers of any size stay what they are; what a float cannot hold is in the text alone.
    def parse(text, symbolize: false)
      claims = JSON.parse(text, DEPTH)
      symbolize ? claims.transform_keys(&:to_sym) : claims
    end
  end
  private_constant :Claims
end
