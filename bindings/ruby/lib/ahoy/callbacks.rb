# frozen_string_literal: true

module Ahoy
  # The blocks that the library calls, each made where nothing but what it needs is in scope: a block that held the request
  # or client that it is given to would keep it alive, and be kept by it, for ever. Nothing may pass through C.
  module Callbacks
    LEVELS = { 1 => :error, 2 => :warn, 3 => :info, 4 => :debug }.freeze

    # Of a thread, whatever fiber runs on it: how many callbacks of each kind it is inside.
    DEPTHS = :ahoy_callbacks

    module_function

    # Runs a block that the library has called on this thread. Often a thread of the library waits for its end that brings the
    # ends of calls, also of other clients; for the function that gives the hosts no such thread ever does.
    def inside(kind = :any)
      thread = Thread.current
      depths = thread.thread_variable_get(DEPTHS) || Hash.new(0).tap { |made| thread.thread_variable_set(DEPTHS, made) }
      depths[kind] += 1
      begin
        yield
      ensure
        depths[kind] -= 1
      end
    end

    # Refuses a call that would wait for its end, inside a callback that holds up what brings that.
    def refuse_call
      refuse if within?(:any)
    end

    # Refuses what waits for changes under way, whose callback this may be.
    def refuse_change
      refuse if within?(:any) || within?(:hosts)
    end

    # A child that was forked inside a callback is in none of its own library's.
    def forked
      Thread.current.thread_variable_set(DEPTHS, nil)
    end

    def within?(kind)
      depths = Thread.current.thread_variable_get(DEPTHS)
      !depths.nil? && depths[kind].positive?
    end

    def refuse
      message = "a call that waits inside a callback would deadlock; a thread that the callback starts may make it"
      raise WouldDeadlockError.new(message).tap { |error| error.code = "AHOY_E_WOULD_DEADLOCK" }
    end

    # Draws a body from a Source; what that raises goes into an array.
    def body(source, raised)
      Native.keep(:ahoy_body_fn) do |_, buffer, capacity, length|
        piece = inside { source.read([capacity, 65_536].min) }
        next Native::AHOY_BODY_NOT_READY if piece == :later
        next Native::AHOY_BODY_END if piece.nil? || piece.empty?

        buffer.put_bytes(0, piece)
        length.put(:size_t, 0, piece.bytesize)
        Native::AHOY_BODY_DATA
      rescue Exception => e # rubocop:disable Lint/RescueException
        raised << e
        Native::AHOY_BODY_FAILED
      end
    end

    # Goes back to a body's begin; for as long as the function of the token.
    def rewind(source, token)
      again = Native::Function.new(:bool, [:pointer]) do
        inside { source.rewind }
        true
      rescue Exception # rubocop:disable Lint/RescueException
        false
      end
      Native.also_keep(token, again)
    end

    # Lists hosts by a callable of the program's; the last that it raised is in an array.
    def hosts(callable, raised)
      Native.keep(:ahoy_provider_fn) do |_, out|
        # One that is ended must not add to what the library has taken back.
        hosts = Interrupts.apart { inside(:hosts) { handles(callable.call) } }
        hosts.each { |host| Native.check(:ahoy_hosts_add_host, out, host) }
        0
      rescue Exception => e # rubocop:disable Lint/RescueException
        raised[0] = e
        Native::AHOY_E_DISCOVERY # the last list stays in use
      end
    end

    def handles(hosts)
      [].tap { |made| hosts.each { |host| made << Host.parse(host).handle } }
    end

    # Chooses an endpoint by a callable of the program's; the last that it raised is in an array.
    def choice(callable, raised)
      Native.keep(:ahoy_balancer_fn) do |_, count|
        Interrupts.apart { inside { callable.call(count) } } % 2**64
      rescue Exception => e # rubocop:disable Lint/RescueException
        raised[0] = e
        2**64 - 1 # out of range: no endpoint
      end
    end

    # Tells a callable of events.
    def events(callable)
      Native.keep(:ahoy_event_fn) do |_, event|
        told = Event.read(event)
        Interrupts.beside { quietly { callable.call(told) } }
      end
    end

    # Hands messages to a Logger.
    def log(logger)
      Native.keep(:ahoy_log_fn) do |_, severity, part, message|
        text = "#{part}: #{message}"
        Interrupts.beside { quietly { logger.public_send(LEVELS.fetch(severity, :info), text) } }
      end
    end

    # What the program is told goes on whatever it raises.
    def quietly(&block)
      inside(&block)
    rescue Exception # rubocop:disable Lint/RescueException
      nil
    end
  end
end
