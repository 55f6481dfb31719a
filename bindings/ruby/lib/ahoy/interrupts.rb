# frozen_string_literal: true

module Ahoy
  # What ends a thread's work from outside: an exception of another thread, such as Timeout's, and Thread#kill. It may come
  # between any two steps: what is handed over would then have two owners or none. And it must not leave a function of the
  # library that calls the program back: Ruby would jump over all that the library has to undo there, such as a lock.
  module Interrupts
    # Of a thread: how many functions of the library it is inside.
    DEPTH = :ahoy_library

    # Of whatever class; a kill has that of a number.
    HELD = { Object => :never }.freeze
    AT_ONCE = { Object => :immediate }.freeze

    module_function

    # Runs a block to its end; what comes meanwhile comes then. It must not wait, for a scheduler's other fibers would be held
    # with it, and must start no thread, for that would be held for good.
    def hold(&block)
      Thread.handle_interrupt(HELD, &block)
    end

    # Runs a function of the library to its end.
    def library
      hold do
        thread = Thread.current
        depth = thread.thread_variable_get(DEPTH).to_i
        thread.thread_variable_set(DEPTH, depth + 1)
        begin
          yield
        ensure
          thread.thread_variable_set(DEPTH, depth)
        end
      end
    end

    # Runs a block of the program's whose result the library waits for. On a thread of the program's it gets a thread of its
    # own, out of which nothing jumps, and in which Timeout works: what comes for the one that waits ends it.
    def apart
      return yield if !inside? || trapped?

      result, error = nil, Error.new("it was ended before it said anything")
      worker = start do
        result, error = yield, nil
      rescue Exception => e # rubocop:disable Lint/RescueException
        error = e
      end
      wait(worker)
      blocking { worker.kill.join }
      error ? raise(error) : result
    end

    # Runs one whose result nobody waits for, and which raises nothing. It has a second before it is waited for no more: it may
    # need a lock that this thread holds.
    def beside(&block)
      return yield unless inside?

      worker = start(&block)
      wait(worker, 100) unless trapped?
    end

    # Whether the library has called on a thread of the program's.
    def inside?
      Thread.current.thread_variable_get(DEPTH).to_i.positive?
    end

    # A thread that is not held, as it would be else where this one is.
    def start
      Thread.new { Thread.handle_interrupt(AT_ONCE) { yield } }
    end

    # Waits for a thread, until something has come for this one: Ruby tells of that those alone that look.
    def wait(worker, looks = Float::INFINITY)
      blocking { looks -= 1 until worker.join(0.01) || Thread.pending_interrupt? || looks <= 1 }
    rescue Exception => e # rubocop:disable Lint/RescueException
      Thread.current.raise(e) # Ctrl-C, which Ruby does not hold: here it is
    end

    # Runs a block that waits where no other fiber of a scheduler's may run meanwhile, as if it were inside the library.
    def blocking(&block)
      Fiber.new(blocking: true, &block).resume
    end

    # Whether this is inside a signal's trap, where a mutex must not be locked, a Logger's included. The thread that the trap
    # interrupted may hold that, so nothing may wait for it.
    def trapped?
      Mutex.new.synchronize { false }
    rescue ThreadError
      true
    end
  end
end
