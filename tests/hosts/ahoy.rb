# What the Ruby host programs need of libahoy, through the ffi gem.
require "ffi"

module Ahoy
  extend FFI::Library
  ffi_lib [ENV["AHOY_LIBRARY"], "libahoy.so.0.1", "libahoy.dylib"].compact

  attach_function :ahoy_provider_list_new, [], :pointer
  attach_function :ahoy_provider_list_add, [:pointer, :string, :uint16, :pointer], :int32
  attach_function :ahoy_balancer_round_robin_new, [:pointer], :pointer
  attach_function :ahoy_client_builder_new, [], :pointer
  attach_function :ahoy_client_builder_set_balancer, [:pointer, :pointer, :pointer], :int32
  attach_function :ahoy_client_builder_set_interruptible, [:pointer, :bool, :pointer], :int32
  attach_function :ahoy_client_builder_build, [:pointer, :pointer, :pointer], :int32
  attach_function :ahoy_request_new, [:string, :string, :pointer, :pointer], :int32
  attach_function :ahoy_client_start, [:pointer, :pointer, :pointer, :pointer], :int32
  attach_function :ahoy_call_free, [:pointer], :void
  attach_function :ahoy_client_free, [:pointer], :void
  attach_function :ahoy_response_status, [:pointer], :int32
  attach_function :ahoy_response_free, [:pointer], :void
  attach_function :ahoy_status_name, [:int32], :string
  # `blocking` gives up Ruby's lock, so that other threads run and Ruby's handlers can.
  attach_function :ahoy_client_get, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
  attach_function :ahoy_call_wait, [:pointer, :uint64, :pointer, :pointer], :int32, blocking: true

  def self.take(name, *arguments)
    out = FFI::MemoryPointer.new(:pointer)
    status = send(name, *arguments, out, nil)
    raise ahoy_status_name(status) unless status.zero?

    out.read_pointer
  end

  def self.client(port)
    provider = ahoy_provider_list_new
    ahoy_provider_list_add(provider, "127.0.0.1", port, nil)
    builder = ahoy_client_builder_new
    ahoy_client_builder_set_balancer(builder, ahoy_balancer_round_robin_new(provider), nil)
    ahoy_client_builder_set_interruptible(builder, true, nil)
    take(:ahoy_client_builder_build, builder)
  end

  # The HTTP status. An interrupt runs Ruby's handlers, as they may raise; the call itself is then repeated.
  def self.get(client, path)
    out = FFI::MemoryPointer.new(:pointer)
    loop do
      status = ahoy_client_get(client, path, out, nil)
      Thread.pass # Ruby's handlers run here
      next if ahoy_status_name(status) == "AHOY_E_INTERRUPTED"
      raise ahoy_status_name(status) unless status.zero?

      http = ahoy_response_status(out.read_pointer)
      ahoy_response_free(out.read_pointer)
      return http
    end
  end

  def self.start(client, path)
    take(:ahoy_client_start, client, take(:ahoy_request_new, "GET", path))
  end

  def self.wait(call)
    out = FFI::MemoryPointer.new(:pointer)
    status = ahoy_call_wait(call, 10_000, out, nil)
    return ahoy_status_name(status) unless status.zero?

    http = ahoy_response_status(out.read_pointer)
    ahoy_response_free(out.read_pointer)
    http
  end
end
