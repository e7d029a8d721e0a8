# frozen_string_literal: true

module JWTKeeper
  # The project's own version, which the daemon and the library carry too.
  VERSION = '0.1.0'
end
