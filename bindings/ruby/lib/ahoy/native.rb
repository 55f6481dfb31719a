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
        attach_function(name, arguments, result, **options)
        public_send(name, *values)
      end
    end
  end
end

require_relative "declarations"

module Ahoy
  # Handles of libahoy as Ruby objects: freed once, at the latest with their object.
  class Handle < FFI::AutoPointer
    def self.of(pointer, function)
      raise Error, "libahoy gave no handle" if pointer.null?

      # An exception of another thread, such as Timeout's, may leave AutoPointer#free before that has noted what it did, and
      # then the collector would free once more.
      whole = [true]
      new(pointer, ->(freed) { Native.public_send(function, freed) if whole.pop })
    end
  end

  module Native
    # Calls a function that takes `err` last, and raises what it says.
    def self.check(name, *arguments)
      FFI::MemoryPointer.new(:pointer) do |err|
        Errors.raise_taken(err.read_pointer) unless public_send(name, *arguments, err).zero?
      end
      nil
    end

    # Calls a function that gives a handle through its last argument but one.
    def self.take(name, free, *arguments)
      out = FFI::MemoryPointer.new(:pointer)
      check(name, *arguments, out)
      Handle.of(out.read_pointer, free)
    end

    # The text of an ahoy_text.
    def self.text(name, *arguments)
      handle = take(name, :ahoy_text_free, *arguments)
      length = FFI::MemoryPointer.new(:size_t)
      ahoy_text_bytes(handle, length)&.force_encoding(Encoding::UTF_8)
    end

    # Functions of Ruby that the library holds by the address of each, until it says that it is done with them: as long, no
    # other has that address. A count would need a mutex, which must not be locked inside a signal's trap, where a call may be
    # made too.
    @kept = {}
    LET_GO = FFI::Function.new(:void, [:pointer]) { |token| @kept.delete(token.address) }

    # A block with its user data and the function that lets go of it, as arguments of a call.
    def self.keep(type, &block)
      function = FFI::Function.new(find_type(type).result_type, find_type(type).param_types, &block)
      @kept[function.address] = function
      [function, FFI::Pointer.new(function.address), LET_GO]
    end

    # Keeps a second function for as long as the first.
    def self.also_keep(token, function)
      @kept[token.address] = [@kept[token.address], function]
      function
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

  # The library's own end: no callback may be on its way into Ruby when Ruby ends.
  at_exit { Native.ahoy_callbacks_stop(1000, nil) }

  # The version of the loaded libahoy.
  def self.library_version
    Native.ahoy_version
  end
end
