# The quickstart and a provider of one's own through the ffi gem.
#
#     quickstart.rb PORT PORT PORT        (on 127.0.0.1; AHOY_LIBRARY: a path where the loader does not find it)
require "ffi"

module Ahoy
  extend FFI::Library
  ffi_lib [ENV["AHOY_LIBRARY"], "libahoy.so.0.1", "libahoy.dylib"].compact

  callback :provider_fn, [:pointer, :pointer], :int32
  callback :destroy_fn, [:pointer], :void
  attach_function :ahoy_provider_list_new, [], :pointer
  attach_function :ahoy_provider_list_add, [:pointer, :string, :uint16, :pointer], :int32
  attach_function :ahoy_provider_custom_new, [:provider_fn, :pointer, :destroy_fn], :pointer
  attach_function :ahoy_hosts_add, [:pointer, :string, :uint16, :pointer], :int32
  attach_function :ahoy_balancer_round_robin_new, [:pointer], :pointer
  attach_function :ahoy_client_builder_new, [], :pointer
  attach_function :ahoy_client_builder_set_balancer, [:pointer, :pointer, :pointer], :int32
  attach_function :ahoy_client_builder_set_interruptible, [:pointer, :bool, :pointer], :int32
  attach_function :ahoy_client_builder_build, [:pointer, :pointer, :pointer], :int32
  attach_function :ahoy_response_status, [:pointer], :int32
  attach_function :ahoy_response_body, [:pointer, :pointer], :pointer
  attach_function :ahoy_error_message, [:pointer], :string
  %i[provider balancer client_builder client response error].each do |noun|
    attach_function :"ahoy_#{noun}_free", [:pointer], :void
  end
  # `blocking` gives up Ruby's lock, so that other threads run while this one waits. Callbacks run on the
  # waiting thread, where ffi takes the lock again by itself.
  attach_function :ahoy_client_get, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
  attach_function :ahoy_callbacks_stop, [:uint64, :pointer], :int32, blocking: true

  # Before Ruby is taken down: a callback that comes later would find no interpreter.
  at_exit { ahoy_callbacks_stop(1000, nil) }

  # Calls a function that ends in `err`, and raises what went wrong.
  def self.call(name, *arguments)
    err = FFI::MemoryPointer.new(:pointer)
    return if send(name, *arguments, err).zero?

    message = ahoy_error_message(err.read_pointer).dup
    ahoy_error_free(err.read_pointer)
    raise message
  end

  # The same for one that hands out a handle before it.
  def self.take(name, *arguments)
    out = FFI::MemoryPointer.new(:pointer)
    call(name, *arguments, out)
    out.read_pointer
  end
end

def get(provider)
  balancer = Ahoy.ahoy_balancer_round_robin_new(provider)
  builder = Ahoy.ahoy_client_builder_new
  Ahoy.call(:ahoy_client_builder_set_balancer, builder, balancer)
  # Ctrl-C and Timeout end a call only so.
  Ahoy.call(:ahoy_client_builder_set_interruptible, builder, true)
  client = Ahoy.take(:ahoy_client_builder_build, builder)
  Ahoy.ahoy_client_builder_free(builder)
  Ahoy.ahoy_balancer_free(balancer)
  Ahoy.ahoy_provider_free(provider)
  3.times do
    response = Ahoy.take(:ahoy_client_get, client, "/")
    body = Ahoy.ahoy_response_body(response, nil).read_string
    puts "#{Ahoy.ahoy_response_status(response)} #{body}"
    Ahoy.ahoy_response_free(response)
  end
  Ahoy.ahoy_client_free(client)
end

ports = ARGV.map { |text| Integer(text) }
puts "a list:"
list = Ahoy.ahoy_provider_list_new
ports.each { |port| Ahoy.call(:ahoy_provider_list_add, list, "127.0.0.1", port) }
get(list)

puts "a provider in Ruby:"
# A block is alive as long as something in Ruby refers to it: this constant does, so no destroy is needed. An
# exception must not leave it, and ffi would make it 0, which is success: say failure (100 is a bad argument).
LIST_HOSTS = lambda do |_user_data, out|
  ports.map { |port| Ahoy.ahoy_hosts_add(out, "127.0.0.1", port, nil) }.find { |status| status != 0 } || 0
rescue StandardError
  100
end
get(Ahoy.ahoy_provider_custom_new(LIST_HOSTS, nil, nil))
