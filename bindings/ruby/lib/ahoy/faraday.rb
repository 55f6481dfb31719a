# frozen_string_literal: true

require "ahoy"
require "faraday"
require "net/http/status"
require_relative "faraday/clients"

module Ahoy
  # An adapter for Faraday: its API, and libahoy below.
  #
  #   Faraday.new("http://orders") { |f| f.adapter :ahoy, hosts: ["10.0.0.7:80", "10.0.0.8:80"] }
  #
  # With hosts, the host of a URL is not dialled. Without them, URLs are dialled as they are, by the proxy that Faraday
  # names, and nothing is retried unless `tries` says so. Options are those of Ahoy::Client.
  class FaradayAdapter < Faraday::Adapter
    # The library's own; what it asks for, it decodes.
    OWN = %w[connection content-length transfer-encoding keep-alive upgrade te accept-encoding].freeze

    # Options come as keywords or, as Faraday's own adapters have them, as a hash.
    def initialize(app = nil, given = {}, **keywords, &block)
      super(app, &block)
      options = given.merge(keywords)
      hosts, client = options.delete(:hosts), options.delete(:client)
      options[:tries] ||= 1 if hosts.nil? && options[:config].nil?
      @hosts = hosts && (hosts.is_a?(Balancer) ? hosts : balancer(hosts, options))
      @options = options
      @clients = Clients.new { |settings| made(settings) }
      # What is wrong with the options is told here and not by the first call.
      client ? @client = client : @clients.use({}) {}
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
    rescue Error => e
      raise Faraday::Error, e
    end

    # Closes the clients that the adapter made, and the one that it was given.
    def close
      @client&.close
      @clients.close
    end

    private

    def balancer(hosts, options)
      Balancer.new(hosts, options.delete(:balancer) || :p2c, options: options.delete(:balancer_options) || {})
    end

    def perform(env)
      @client ? send_by(@client, env) : @clients.use(settings(env)) { |client| send_by(client, env) }
    end

    def send_by(client, env)
      options = { headers: headers(env), body: env[:body], length: length(env), timeout: limit(env) }
      sink = env[:request].respond_to?(:on_data) && env[:request].on_data
      return stream(client, env, sink, options) if sink

      save(env, client.request(env[:method], target(client, env), **options))
    end

    # The limit is that of the whole call here too.
    def stream(client, env, sink, options)
      limit = options[:timeout]
      deadline = limit && Process.clock_gettime(Process::CLOCK_MONOTONIC) + limit
      client.stream(env[:method], target(client, env), **options) do |response|
        response.deadline = deadline
        size = 0
        response.each do |piece|
          size += piece.bytesize
          sink.arity.abs == 3 ? sink.call(piece, size, env) : sink.call(piece, size)
        end
        sink.call(+"", 0) if size.zero?
        save(env, response, +"")
      end
    end

    # The reason is the status's own: what a server wrote beside it is not kept.
    def save(env, response, body = response.body)
      save_response(env, response.status, body, response.headers, Net::HTTP::STATUS_CODES[response.status])
    end

    def target(client, env)
      client.takes_paths? ? env[:url].request_uri : env[:url].to_s
    end

    def headers(env)
      env[:request_headers].reject { |name, _| OWN.include?(name.downcase) }
    end

    # What is said of a body that is read, for what reads it need not know.
    def length(env)
      given = env[:request_headers]["Content-Length"].to_s
      given.to_i if env[:body].respond_to?(:read) && given.match?(/\A\d+\z/)
    end

    def limit(env)
      env[:request][:timeout] || env[:request][:read_timeout]
    end

    # What Faraday says of connections is a client's to know.
    def made(settings)
      keys = settings.slice(:proxy, :ca_file)
      options = @options.merge(settings.reject { |key, _| keys.key?(key) })
      Client.new(@hosts, **options, options: (@options[:options] || {}).merge(keys))
    end

    def settings(env)
      ssl = env[:ssl] || {}
      pair = [ssl[:client_cert], ssl[:client_key]].map { |part| part.respond_to?(:to_pem) ? part.to_pem : part }
      {
        proxy: @hosts ? nil : proxy(env[:request][:proxy]), ca_file: ssl[:ca_file],
        connect_timeout: env[:request][:open_timeout], cert: pair.all? ? pair : nil
      }.compact
    end

    def proxy(given)
      return if given.nil?

      uri = given[:uri].dup
      if given[:user]
        uri.user, uri.password = [given[:user], given[:password].to_s].map { |part| URI.encode_www_form_component(part) }
      end
      "#{uri.scheme}://#{"#{uri.userinfo}@" if uri.userinfo}#{uri.host}:#{uri.port}"
    end
  end

  Faraday::Adapter.register_middleware(ahoy: FaradayAdapter)
end
