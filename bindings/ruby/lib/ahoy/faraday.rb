# frozen_string_literal: true

require "ahoy"
require "faraday"

module Ahoy
  # An adapter for Faraday: its API, and libahoy below.
  #
  #   Faraday.new("http://orders") { |f| f.adapter :ahoy, hosts: ["10.0.0.7:80", "10.0.0.8:80"] }
  #
  # With hosts, the host of a URL is not dialled. Without them, URLs are dialled as they are, and nothing is retried
  # unless `tries` says so. Options are those of Ahoy::Client.
  class FaradayAdapter < Faraday::Adapter
    # The library's own; what it asks for, it decodes.
    OWN = %w[connection content-length transfer-encoding keep-alive upgrade te accept-encoding].freeze

    def initialize(app = nil, hosts: nil, client: nil, **options, &block)
      super(app, &block)
      options[:tries] ||= 1 if hosts.nil?
      @client = client || Client.new(hosts, **options)
    end

    def call(env)
      super
      perform(env)
      @app.call(env)
    rescue TimeoutError => e
      raise Faraday::TimeoutError, e
    rescue TLSError => e
      raise Faraday::SSLError, e
    rescue ConnectError, NoEndpointsError, ConnectionLostError, ProtocolError => e
      raise Faraday::ConnectionFailed, e
    end

    def close
      @client.close
    end

    private

    def perform(env)
      options = { headers: headers(env), body: env[:body], timeout: limit(env) }
      sink = env[:request].respond_to?(:on_data) && env[:request].on_data
      return stream(env, sink, options) if sink

      response = @client.request(env[:method], target(env), **options)
      save_response(env, response.status, response.body, response.headers)
    end

    def stream(env, sink, options)
      @client.stream(env[:method], target(env), **options) do |response|
        size = 0
        response.each do |piece|
          size += piece.bytesize
          sink.arity.abs == 3 ? sink.call(piece, size, env) : sink.call(piece, size)
        end
        sink.call(+"", 0) if size.zero?
        save_response(env, response.status, +"", response.headers)
      end
    end

    def target(env)
      @client.balancer ? env[:url].request_uri : env[:url].to_s
    end

    def headers(env)
      env[:request_headers].reject { |name, _| OWN.include?(name.downcase) }
    end

    def limit(env)
      request = env[:request]
      request[:timeout] || request[:read_timeout] || request[:open_timeout]
    end
  end

  Faraday::Adapter.register_middleware(ahoy: FaradayAdapter)
end
