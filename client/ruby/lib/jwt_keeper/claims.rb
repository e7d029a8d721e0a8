# frozen_string_literal: true

# Claims as Ruby has them and as the daemon has them: a Hash, and the text of a JSON object.
require 'json'

module JWTKeeper
  # @api private
  module Claims
    # How deep they may nest is the daemon's to say.
    DEPTH = { max_nesting: 0 }.freeze

    module_function

    # The text to send: nil for nil, a String as it is, and a Hash with a Time in `exp` made a number.
    def text(claims)
      case claims
      when nil, String then claims
      else
        claims = claims.to_h
        %i[exp nbf iat].flat_map { |name| [name, name.to_s] }.each do |name|
          claims = claims.merge(name => claims[name].to_i) if claims[name].is_a?(Time)
        end
        JSON.generate(claims, DEPTH)
      end
    end

    # Integers of any size stay what they are; what a float cannot hold is in the text alone.
    def parse(text, symbolize: false)
      claims = JSON.parse(text, DEPTH)
      symbolize ? claims.transform_keys(&:to_sym) : claims
    end
  end
  private_constant :Claims
end
