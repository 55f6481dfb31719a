# frozen_string_literal: true

require "ffi"

module Ahoy
  # The functions of libahoy. None of them is called so that it waits: what takes time is awaited in Ruby, by a queue's
  # descriptor. Those that may meet a lock of the library run without Ruby's: its holder may be in a callback.
  module Native
    extend FFI::Library

    here = File.join(__dir__, "libahoy.so")
    ffi_lib ENV["AHOY_LIBRARY"] || (File.exist?(here) ? here : ["libahoy.so.0.1", "libahoy.dylib"])

    # Attaches a function when it is first called, so that a library that lacks one serves all the same.
    def self.lazily(name, arguments, result, **options)
      define_singleton_method(name) do |*values|
        singleton_class.alias_method(name, name) # or Ruby warns of the method that takes this one's place
        options[:blocking] ? attach_whole(name, arguments, result) : attach_function(name, arguments, result)
        public_send(name, *values)
      end
    end

    # Attaches a function that runs without Ruby's lock, and may call the program.
    def self.attach_whole(name, arguments, result)
      bare = :"bare_#{name}"
      attach_function(bare, name, arguments, result, blocking: true)
      define_singleton_method(name) { |*values| Interrupts.library { public_send(bare, *values) } }
    end
  end
end

require_relative "declarations"

module Ahoy
  # Handles of libahoy as Ruby objects: freed once, at the latest with their object.
  class Handle < FFI::AutoPointer
    def self.of(pointer, function)
      raise Error, "libahoy gave no handle" if pointer.null?

      # What frees it may be left before AutoPointer#free has noted that, and then the collector would free once more.
      whole = [true]
      new(pointer, ->(freed) { Interrupts.hold { Native.public_send(function, freed) if whole.pop } })
    end
  end

  module Native
    # Text for C, which ends at the first byte of zero: UTF-16 and UTF-32 have those inside.
    def self.text_for_c(text)
      return text if text.encoding.ascii_compatible?

      raise Encoding::CompatibilityError, "text is to be in UTF-8, and not in #{text.encoding}"
    end

    # Calls a function that takes `err` last, and raises what it says.
    def self.check(name, *arguments)
      arguments.each { |argument| text_for_c(argument) if argument.is_a?(String) }
      Interrupts.hold do
        FFI::MemoryPointer.new(:pointer) do |err|
          Errors.raise_taken(err.read_pointer) unless public_send(name, *arguments, err).zero?
        end
      end
      nil
    end

    # Calls a function that gives a handle through its last argument but one.
    def self.take(name, free, *arguments)
      Interrupts.hold do
        out = FFI::MemoryPointer.new(:pointer)
        check(name, *arguments, out)
        Handle.of(out.read_pointer, free)
      end
    end

    # Calls a function that returns a handle.
    def self.make(name, free, *arguments)
      Interrupts.hold { Handle.of(public_send(name, *arguments), free) }
    end

    # The text of an ahoy_text.
    def self.text(name, *arguments)
      handle = take(name, :ahoy_text_free, *arguments)
      length = FFI::MemoryPointer.new(:size_t)
      ahoy_text_bytes(handle, length)&.force_encoding(Encoding::UTF_8)
    end

    # A function of Ruby that the library may call on threads of its own. There ffi hands it to a thread that a forked child
    # has not; from ffi 1.16 on, each function knows its own.
    class Function < FFI::Function
      def self.of(type, &block)
        # ffi 1.16 has another name for it.
        result = type.respond_to?(:return_type) ? type.return_type : type.result_type
        new(result, type.param_types, &block)
      end

      def initialize(result, parameters, &block)
        super
        @made = [result, parameters, block]
      end

      # Made once more, it has ffi's new thread. The library goes on with the old address: that leads to this object still,
      # and needs the old type, which ffi would free.
      def renew
        (@types ||= []) << type
        result, parameters, block = @made
        FFI::Function.instance_method(:initialize).bind_call(self, result, parameters, &block)
      end
    end

    # Functions of Ruby that the library holds by the address of each, until it says that it is done with them: as long, no
    # other has that address. A count would need a mutex, which must not be locked inside a signal's trap, where a call may be
    # made too.
    @kept = {}
    LET_GO = Function.new(:void, [:pointer]) { |token| @kept.delete(token.address) }

    # A block with its user data and the function that lets go of it, as arguments of a call.
    def self.keep(type, &block)
      function = Function.of(find_type(type), &block)
      @kept[function.address] = [function]
      [function, FFI::Pointer.new(function.address), LET_GO]
    end

    # Keeps a second function for as long as the first.
    def self.also_keep(token, function)
      @kept[token.address] << function
      function
    end

    # Lets the functions run in a forked child, each in the way of the ffi that is there.
    def self.after_fork
      Ending.after_fork
      if FFI.respond_to?(:_async_cb_dispatcher_atfork_child)
        # ffi 1.17.1 has done so itself, but for Process.daemon.
        dispatched = Thread.list.any? { |thread| thread.name == "FFI Callback Dispatcher" }
        FFI._async_cb_dispatcher_atfork_child unless dispatched
      elsif FFI::Function.private_method_defined?(:type)
        [LET_GO, *@kept.values.flatten].each(&:renew)
      else
        Function.new(:void, []) {} # ffi 1.15 starts its one thread with the next function
      end
    end

    # What the program gave, which is of a kind.
    def self.given(name, value, kind, what)
      raise TypeError, "#{name} is #{what}, and not #{value.inspect}" unless kind === value

      value
    end

    # A switch; nil where it is not given. Text such as "no" counts as true in Ruby.
    def self.flag(name, value)
      given(name, value, ->(one) { [true, false, nil].include?(one) }, "true or false")
    end

    # Milliseconds; less than one is rounded up, for 0 would mean: do not wait.
    def self.milliseconds(name, seconds)
      raise TypeError, "#{name} is a number of seconds, and not #{seconds.inspect}" unless seconds.respond_to?(:negative?)
      raise ArgumentError, "#{name} is not negative, and not #{seconds}" if seconds.negative?

      raise ArgumentError, "#{name} is a number, and not #{seconds}" if seconds.respond_to?(:nan?) && seconds.nan?

      # What is longer than any process lives is no limit.
      seconds >= 2**53 ? 2**64 - 1 : (seconds * 1000).ceil
    end
  end

  # The library's own end: no callback may be on its way into Ruby when Ruby ends, and no thread may be killed inside one. It
  # comes after all other at_exit handlers. Those that were there before run later, and may be all of the program's work:
  # minitest/autorun runs its tests in one, and Sinatra its server.
  module Ending
    module_function

    # What at_exit is given runs next, and nothing can be put behind the handlers that are left. So this waits until the last
    # of them returns, and then looks whether that has brought others.
    def await
      at_exit do
        @begun, depth = true, caller(0).size
        Native.ahoy_callbacks_stop(1000, nil) unless left.reverse.any? { |handler| after(handler, depth) { await } }
      end
    end

    # A child that was forked by a handler ends without the rest of that.
    def after_fork
      await if @begun
    end

    # The handlers that have not begun.
    def left
      require "objspace"
      ObjectSpace.reachable_objects_from_root.find { |root, _| root == "end_proc" }&.last.to_a.grep(Proc)
    rescue LoadError, NoMethodError # another Ruby
      []
    end

    # Calls a block when a handler returns: other blocks inside it return deeper in the stack.
    def after(handler, depth)
      trace = TracePoint.new(:b_return, :return) do
        next if caller_locations(depth + 1, 1)&.any? || Thread.current != Thread.main

        trace.disable
        yield
      end
      trace.enable(target: handler)
      true
    rescue ArgumentError # a handler that is not written in Ruby
      false
    end
  end

  Ending.await

  # The version of the loaded libahoy.
  def self.library_version
    Native.ahoy_version
  end
end
