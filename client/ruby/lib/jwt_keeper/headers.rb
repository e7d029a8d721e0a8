# frozen_string_literal: true

# Response headers as Rack 2 and Rack 3 have them: names of any case; several cookies in one text of lines, or in an
# Array.
module JWTKeeper
  # @api private
  module Headers
    module_function

    # The name that a header has in these headers already, or is to have.
    def key(headers, name)
      headers.each_key { |key| return key if key.casecmp?(name) }
      lower_case? ? name.downcase : name
    end

    # Sets a header that is not there yet.
    def default(headers, name, value)
      key = key(headers, name)
      headers[key] = value if headers[key].nil?
    end

    # Adds a Set-Cookie header to the others, unless they set this cookie already.
    def add_cookie(headers, cookie)
      key = key(headers, 'Set-Cookie')
      others = Array(headers[key]).flat_map { |text| text.split("\n") }
      name = cookie[/\A[^=]*/]
      return if others.any? { |other| other[/\A[^=]*/].strip == name }

      headers[key] = headers[key].is_a?(String) ? [*others, cookie].join("\n") : joined([*others, cookie])
    end

    def joined(cookies)
      lower_case? ? cookies : cookies.join("\n")
    end

    # Rack 3 wants lower case.
    def lower_case?
      defined?(::Rack.release) && ::Rack.release.to_i >= 3
    end
  end
  private_constant :Headers
end
