# frozen_string_literal: true

# Faraday's own shared examples for its adapters, through Ahoy::FaradayAdapter. faraday.sh says where they are.

require "faraday"
require "json"
require "#{ENV.fetch('FARADAY_SPECS')}/external_adapters/faraday_specs_setup"
require "ahoy/faraday"
require_relative "stub_server"

SERVER = StubServer.new
ENV["SSL_FILE"] = SERVER.authority.path

# The proxy that the examples name is the server as well.
module Nearby
  def proxy(given)
    super && SERVER.url
  end
end

# Where the examples want a connection that cannot be made, none is: a listener whose queue is full. Its server cannot
# note the request, so this does.
module Unreachable
  LISTENER = Socket.new(:INET, :STREAM).tap do |socket|
    socket.bind(Addrinfo.tcp("127.0.0.1", 0))
    socket.listen(0)
  end
  FILL = Array.new(4) { Socket.new(:INET, :STREAM).tap { |s| s.connect_nonblock(LISTENER.local_address, exception: false) } }

  def call(env)
    return super unless env[:request][:open_timeout]

    WebMock::RequestRegistry.instance.requested_signatures.put(WebMock::RequestSignature.new(env[:method], env[:url].to_s))
    env[:url] = URI("#{env[:url].scheme}://127.0.0.1:#{LISTENER.local_address.ip_port}/")
    super
  end
end

Ahoy::FaradayAdapter.prepend(Nearby, Unreachable)

DIFFERENT = {
  /handles deflate compression/ => "libahoy asks for gzip, brotli and zstd, and not for deflate",
  /#head .* big data handles streaming/ => "the answer to HEAD has no body; WebMock's stub has one"
}.freeze

RSpec.configure do |config|
  config.before do |example|
    _, reason = DIFFERENT.find { |name, _| example.full_description.match?(name) }
    pending(reason) if reason
  end
end

RSpec.describe Ahoy::FaradayAdapter do
  features :request_body_on_query_methods, :reason_phrase_parse, :compression, :streaming, :trace_method,
           :skip_response_body_on_head

  it_behaves_like "an adapter", adapter_options: {
    options: { proxy: SERVER.url, no_proxy: "localhost,127.0.0.1" }, timeout: 10
  }
end
