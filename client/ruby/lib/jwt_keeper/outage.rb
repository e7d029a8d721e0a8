# frozen_string_literal: true

# Logs an outage twice: when it begins, with its cause, and when it ends, with the number of requests that met it.
module JWTKeeper
  # @api private
  class Outage
    def initialize(begun, ended)
      @begun = begun
      @ended = ended
      @met = 0
      @lock = Mutex.new
    end

    def met(cause, logger)
      first = @lock.synchronize { (@met += 1) == 1 }
      logger&.error("JWTKeeper: #{@begun}: #{cause}") if first
    end

    def over(logger)
      return if @met.zero?

      met = @lock.synchronize { @met.tap { @met = 0 } }
      logger&.info("JWTKeeper: #{@ended} (#{met} requests)") if met.positive?
    end
  end
  private_constant :Outage
end
