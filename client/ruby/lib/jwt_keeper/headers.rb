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

    # A header of a request: of a Rack environment, or of headers with names of any case.
    def given(headers, name)
      from_rack = headers["HTTP_#{name.upcase}"]
      return from_rack if from_rack

      value = headers.each_pair.find { |key, _| key.to_s.casecmp?(name) }&.last
      return value unless value.is_a?(Array)

      name == 'Cookie' ? value.join('; ') : value.first
    end

    # Sets a header that is not there yet.
    def default(headers, name, value)
      key = key(headers, name)
      headers[key] = value if headers[key].nil?
    end

    # Whether a response has a token or this cookie already.
    def written?(headers, cookie)
      !headers[key(headers, 'Authorization')].nil? || cookies(headers).any? { |other| same?(other, "#{cookie}=") }
    end

    # Adds a cookie to the others, unless the response sets it already.
    def add_cookie(headers, cookie)
      replace_cookie(headers, cookie) if cookies(headers).none? { |other| same?(other, cookie) }
    end

    # Adds a cookie to the others, in the place of one of its name.
    def replace_cookie(headers, cookie)
      all = cookies(headers).reject { |other| same?(other, cookie) } << cookie
      key = key(headers, 'Set-Cookie')
      array = headers[key].nil? ? lower_case? : headers[key].is_a?(Array)
      headers[key] = array ? all : all.join("\n")
    end

    def cookies(headers)
      Array(headers[key(headers, 'Set-Cookie')]).flat_map { |text| text.split("\n") }
    end

    def same?(cookie, other)
      cookie[/\A[^=]*/].strip == other[/\A[^=]*/].strip
    end

    # Rack 3 wants lower case.
    def lower_case?
      defined?(::Rack.release) && ::Rack.release.to_i >= 3
    end
  end
  private_constant :Headers
end
