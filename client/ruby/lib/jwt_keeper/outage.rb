# frozen_string_literal: true

# Logs an outage twice: when it begins, with its cause, and when it ends, with the number of requests that met it. While a
# daemon is overloaded, failures and answers alternate: an outage is over once there was no failure for a second.
module JWTKeeper
  # @api private
  class Outage
    QUIET = 1.0

    def initialize(begun, ended, clock: -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) })
      @begun = begun
      @ended = ended
      @clock = clock
      @met = 0
      @last = 0.0
      @lock = Mutex.new
    end

    def met(cause, logger)
      first = @lock.synchronize do
        @last = @clock.call
        (@met += 1) == 1
      end
      logger&.error("JWTKeeper: #{@begun}: #{cause}") if first
    end

    def over(logger)
      return if @met.zero?

      met = @lock.synchronize do
        next 0 if @clock.call - @last < QUIET

        @met.tap { @met = 0 }
      end
      logger&.info("JWTKeeper: #{@ended} (#{met} requests)") if met.positive?
    end
  end
  private_constant :Outage
end
