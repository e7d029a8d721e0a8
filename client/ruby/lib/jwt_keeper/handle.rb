# frozen_string_literal: true

# The handle of a client of the library, which any number of copies and threads share. It is freed once: when it is closed
# and the last call has ended, or when nobody can reach it any more.
module JWTKeeper
  # @api private
  class Handle
    # A handle that was never opened.
    NONE = Object.new
    def NONE.use
      raise ClosedError, 'the client is closed'
    end
    def NONE.close; end
    def NONE.closed?
      true
    end

    def initialize(free, address)
      # No lock, for a handler of a signal may call too: Array#push and #pop are not interrupted by other threads.
      @calls = []
      @free = Freeing.new(free, address)
      ObjectSpace.define_finalizer(self, @free)
    end

    # Yields the address, which is good until the block ends.
    def use
      @calls.push(true)
      begin
        raise ClosedError, 'the client is closed' if @closed

        yield @free.address
      ensure
        @calls.pop
        free_unused if @closed
      end
    end

    def close
      @closed = true
      free_unused
    end

    def closed?
      @closed == true
    end

    private

    def free_unused
      @free.call if @calls.empty?
    end

    # Frees an address, once. A child of fork leaves its parent's clients alone.
    class Freeing
      attr_reader :address

      def initialize(free, address)
        @free = free
        @address = address
        @once = [address]
        @pid = Process.pid
      end

      def call(_object_id = nil)
        address = @once.pop
        @free.call(address) if address && Process.pid == @pid
      end
    end
    private_constant :Freeing
  end
  private_constant :Handle
end
