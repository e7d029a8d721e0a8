# frozen_string_literal: true

# A jwtkeeper_reply, which holds what one call came to until the next call. It belongs to whoever took it from the
# library, and everything that is read from it is a copy.
module JWTKeeper
  # @api private
  class Reply
    attr_reader :address

    def initialize(library)
      @library = library
      @address = library.reply_new.call
      raise NoMemoryError, 'jwtkeeper_reply_new' if @address.zero?

      ObjectSpace.define_finalizer(self, self.class.freeing(library.reply_free, @address, Process.pid))
    end

    # A child of fork leaves its parent's replies alone: one may have been in the middle of a call.
    def self.freeing(free, address, pid)
      ->(_) { free.call(address) if Process.pid == pid }
    end

    def text(name)
      Library.text(@library.public_send(name).call(@address, 0))
    end

    def number(name)
      @library.public_send(name).call(@address)
    end

    # Raises what a call's result says, unless it was answered.
    def check(code)
      raise @library.error(code, text(:reply_message)) unless code.zero?
    end

    def cause
      @library.symbol(:cause_name, number(:reply_cause))
    end

    def reason
      @library.symbol(:reason_name, number(:reply_reason))
    end

    def state
      @library.symbol(:state_name, number(:reply_state))
    end

    def reason_meaning
      Library.text(@library.reason_meaning.call(number(:reply_reason)))
    end

    def inspect
      "#<#{self.class}>"
    end
  end
  private_constant :Reply
end
