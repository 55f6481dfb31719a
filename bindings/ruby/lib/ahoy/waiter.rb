# frozen_string_literal: true

require "io/wait"

module Ahoy
  # A queue that one call waits by, and then the next. The wait is Ruby's own on a descriptor: Ctrl-C, Timeout and
  # Thread#kill end it at once, and under a Fiber.scheduler other fibers run meanwhile.
  class Waiter
    # A queue of Ruby's, for a mutex must not be locked inside a signal's trap, where a call may be made too.
    @idle = Thread::Queue.new
    @process = Process.pid

    class << self
      # Gives a waiter to a block. One whose block was left by an exception is not used again.
      def use
        waiter = take
        result = yield waiter
        give_back(waiter)
        waiter = nil
        result
      ensure
        # The collector, which does not see what it takes, would leave its descriptors for long.
        waiter&.end
      end

      private

      def take
        forked if @process != Process.pid
        @idle.empty? ? new : @idle.pop(true)
      rescue ThreadError # another thread took the last one meanwhile
        new
      end

      # Queues of the process that this one was forked from are of no use here. This is looked at where a call begins, for
      # neither Process.daemon nor Ruby 3.0 would tell.
      def forked
        Native.after_fork
        Callbacks.forked
        @idle, @process = Thread::Queue.new, Process.pid
      end

      def give_back(waiter)
        @idle.size < 64 && @process == Process.pid ? @idle.push(waiter) : waiter.end
      end
    end

    def initialize
      @queue = Native.take(:ahoy_queue_new, :ahoy_queue_free)
      @io = IO.for_fd(Native.ahoy_queue_fd(@queue), autoclose: false)
      @tag = 0
      @out = FFI::MemoryPointer.new(:pointer)
    end

    # Sends a request and waits for its end: the response's handle.
    def response(client, request)
      await { |tag| Native.check(:ahoy_client_submit, client, request.handle, @queue, tag) }
    end

    # Waits until bytes of a body can be read, of which the block has the queue told by a tag.
    def readable
      await { |tag| yield @queue, tag }
    end

    # Cancels what is under way: the server sees the connection close.
    def end
      @queue.free
    end

    private

    def await
      Callbacks.refuse_call
      yield @tag += 1
      completion = nil
      @io.wait_readable until (completion = next_completion)
      outcome(completion)
    end

    def next_completion
      Native.check(:ahoy_queue_next, @queue, 0, @out)
      pointer = @out.read_pointer
      pointer.null? ? nil : pointer
    end

    def outcome(completion)
      if Native.ahoy_completion_status(completion).zero?
        Native.ahoy_completion_take_response(completion)
      else
        Errors.raise_taken(Native.ahoy_completion_take_error(completion))
      end
    ensure
      Native.ahoy_completion_free(completion)
    end
  end
end
