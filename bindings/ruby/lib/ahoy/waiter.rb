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
        waiter = whole = nil
        forked if @process != Process.pid
        Interrupts.hold { waiter = take }
        result = yield waiter
        whole = true
        result
      ensure
        # The collector, which does not see what it takes, would leave its descriptors for long.
        Interrupts.hold { whole ? give_back(waiter) : waiter&.end }
      end

      private

      def take
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

    # Waits until bytes of a body can be read, of which the block has the queue told by a tag; at most until that time.
    def readable(until_time = nil)
      await(until_time) { |tag| yield @queue, tag }
    end

    # Cancels what is under way: the server sees the connection close.
    def end
      @queue.free
    end

    private

    def await(until_time = nil)
      Callbacks.refuse_call
      yield @tag += 1
      @io.wait_readable(left(until_time)) until (ended = next_end)
      ended.first
    end

    # How many seconds there are until a time; nil without one.
    def left(until_time)
      left = until_time && until_time - Process.clock_gettime(Process::CLOCK_MONOTONIC)
      raise Errors.late if left&.negative?

      left
    end

    # What came of the call that has ended, as an array, for that may be nil; nil where it goes on.
    def next_end
      Interrupts.hold do
        Native.check(:ahoy_queue_next, @queue, 0, @out)
        completion = @out.read_pointer
        [outcome(completion)] unless completion.null?
      end
    end

    # The response, where there is one to have.
    def outcome(completion)
      if Native.ahoy_completion_status(completion).zero?
        response = Native.ahoy_completion_take_response(completion)
        response.null? ? nil : Handle.of(response, :ahoy_response_free)
      else
        Errors.raise_taken(Native.ahoy_completion_take_error(completion))
      end
    ensure
      Native.ahoy_completion_free(completion)
    end
  end
end
