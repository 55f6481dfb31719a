# frozen_string_literal: true

module Ahoy
  # A server of the service. What is nil has the library's default.
  Host = Struct.new(:address, :port, :weight, :zone, :priority, :scheme, :authority, :server_name,
                    keyword_init: true) do
    # A host from "name:port", "[::1]:port", "https://name", "unix:/path", a pair, or a host as it is.
    def self.parse(value)
      return value if value.is_a?(Host)
      return new(address: value[0].to_s, port: Integer(value[1])) if value.is_a?(Array) && value.size == 2
      unless value.is_a?(String)
        raise TypeError, "a host is text such as \"10.0.0.7:80\", a pair or a Host, and not #{value.inspect}"
      end

      return new(address: value, port: 80) if value.start_with?("unix:") # the port says http, and nothing else

      scheme, _, rest = value.rpartition("://")
      address, _, port = rest.chomp("/").rpartition(":")
      if address.empty? || port.include?("]")
        address = rest.chomp("/")
        port = ""
      end
      # A port that is left out may leave its colon behind (RFC 3986, section 3.2.3).
      port = scheme == "https" ? "443" : "80" if port.empty?
      raise no_host(value, "#{value.inspect} is not a host: write name:port") unless port.match?(/\A\d+\z/)

      new(address: address.delete("[]"), port: port.to_i, scheme: scheme.empty? ? nil : scheme)
    end

    # What is wrong with a host. Credentials that it was given with are not to reach a log by the error.
    def self.no_host(given, problem)
      ArgumentError.new(given.to_s.include?("@") ? "a host holds credentials; send them as a header" : problem)
    end

    # The library's host.
    def handle
      # C would take what is above for another port.
      Native.given("port of a host", port, Integer, "a number")
      Native.text_for_c(address) if address.is_a?(String)
      made = Interrupts.hold do
        pointer = Native.ahoy_host_new(address, port) if port.between?(0, 65_535)
        raise self.class.no_host(address, "#{address}:#{port} is not a host") if pointer.nil? || pointer.null?

        Handle.of(pointer, :ahoy_host_free)
      end
      %i[zone authority server_name weight priority].each do |name|
        Native.check(:"ahoy_host_set_#{name}", made, fitting(name, self[name])) unless self[name].nil?
      end
      Native.check(:ahoy_host_set_scheme, made, number_of(scheme)) if scheme
      made
    end

    private

    # C would take what is below for a large number.
    def fitting(name, value)
      return value if !value.is_a?(Numeric) || value.between?(0, 2**32 - 1)

      raise ArgumentError, "#{name} of a host is from 0 to 4294967295, and not #{value}"
    end

    def number_of(scheme)
      { "http" => 1, "https" => 2 }.fetch(scheme.to_s) do
        raise ArgumentError, "scheme of a host is http or https, and not #{scheme.inspect}"
      end
    end
  end

  # A server as a balancer knows it, with its circuit.
  class Endpoint
    STATES = { 0 => :closed, 1 => :open, 2 => :half_open }.freeze

    def initialize(handle)
      @handle = handle
    end

    def url
      Native.ahoy_endpoint_url(@handle)
    end

    # Its share of the traffic relative to the others, as the provider tells it now.
    def weight
      Native.ahoy_endpoint_weight(@handle)
    end

    # Its priority, as the provider tells it now: 0 is the first.
    def priority
      Native.ahoy_endpoint_priority(@handle)
    end

    # The zone that it stood in when this was made, or nil.
    def zone
      Native.ahoy_endpoint_zone(@handle)
    end

    # The circuit: :closed, :open or :half_open.
    def state
      STATES[Native.ahoy_endpoint_state(@handle)]
    end

    def available?
      Native.ahoy_endpoint_available(@handle)
    end

    # Sends nothing more to it until close_circuit.
    def open_circuit
      Native.check(:ahoy_endpoint_open_circuit, @handle)
    end

    def close_circuit
      Native.check(:ahoy_endpoint_close_circuit, @handle)
    end

    # Sends no further request to it; those under way end.
    def drain
      Native.check(:ahoy_endpoint_drain, @handle)
    end

    def resume
      Native.check(:ahoy_endpoint_resume, @handle)
    end
  end

  # Chooses an endpoint for each attempt. Clients that share one share its circuits.
  class Balancer
    ALGORITHMS = %w[
      p2c round_robin random least_request maglev ring_hash rendezvous smooth_weighted peak_ewma
    ].freeze

    attr_reader :handle

    # The present one of a client that a configuration made.
    def self.of_client(client)
      balancer = allocate
      balancer.send(:take, client)
      balancer
    end

    # hosts: hosts, a block or callable that gives them, or a registry's URL such as "etcd://127.0.0.1:2379/web".
    # algorithm: :p2c, :round_robin, :random, :least_request, :maglev, :ring_hash, :rendezvous, :smooth_weighted,
    # :peak_ewma, "prequal:/path", or a callable from the number of candidates to an index.
    def initialize(hosts, algorithm = :p2c, options: {}, provider_options: {})
      @unlisted, @unpicked = [], []
      @provider = provider(hosts, provider_options)
      @handle = made(algorithm)
      Settings.apply(:ahoy_balancer_set, @handle, options)
    end

    # The endpoint that the next request would go to.
    def pick
      Endpoint.new(blame { Native.take(:ahoy_balancer_pick, :ahoy_endpoint_free, @handle) })
    end

    # Asks for the list of hosts again.
    def update
      Callbacks.refuse_change
      blame { Native.check(:ahoy_balancer_update, @handle) }
    end

    def endpoints
      (0...Native.ahoy_balancer_endpoint_count(@handle)).map do |index|
        Endpoint.new(Native.take(:ahoy_balancer_endpoint_at, :ahoy_endpoint_free, @handle, index))
      end
    end

    def add(host)
      Native.check(:ahoy_balancer_add_endpoint, @handle, Host.parse(host).handle)
    end

    def remove(host)
      Native.check(:ahoy_balancer_remove_endpoint, @handle, Host.parse(host).handle)
    end

    # A line for each endpoint: its state, the reason, its load.
    def explain
      Native.text(:ahoy_balancer_explain, @handle)
    end

    # Runs a block, and gives an error in it the cause that a callable of the program's raised. The one that gives the hosts
    # may have done so before; the one that chooses has done so meanwhile, or is not to blame.
    def blame
      before = @unpicked.first
      yield
    rescue NoEndpointsError => e
      cause = e.is_a?(DiscoveryError) ? @unlisted.first : @unpicked.first
      raise e, cause: cause.nil? || cause.equal?(before) ? e.cause : cause
    end

    private

    def take(client)
      @unlisted, @unpicked = [], []
      @handle = Native.take(:ahoy_client_balancer, :ahoy_balancer_free, client)
    end

    def provider(hosts, options)
      if hosts.respond_to?(:call)
        return Native.make(:ahoy_provider_custom_new, :ahoy_provider_free, *Callbacks.hosts(hosts, @unlisted))
      end

      if hosts.is_a?(String) && hosts.include?("://") && !hosts.match?(%r{\A(https?://|unix:)})
        made = Native.take(:ahoy_provider_from_url, :ahoy_provider_free, hosts)
        Settings.apply(:ahoy_provider_set, made, options)
        return made
      end
      made = Native.make(:ahoy_provider_list_new, :ahoy_provider_free)
      Array(hosts).each { |host| Native.check(:ahoy_provider_list_add_host, made, Host.parse(host).handle) }
      made
    end

    def made(algorithm)
      if algorithm.respond_to?(:call)
        return Native.make(:ahoy_balancer_custom_new, :ahoy_balancer_free, @provider, *Callbacks.choice(algorithm, @unpicked))
      end

      name, path = algorithm.to_s.split(":", 2)
      return prequal(algorithm, path.to_s) if name == "prequal"
      raise ArgumentError, "no balancer is called #{algorithm.inspect}" unless ALGORITHMS.include?(algorithm.to_s)

      Native.make(:"ahoy_balancer_#{name}_new", :ahoy_balancer_free, @provider)
    end

    def prequal(algorithm, path)
      Interrupts.hold do
        made = Native.ahoy_balancer_prequal_new(@provider, Native.text_for_c(path))
        raise ArgumentError, "#{algorithm.inspect} is not a balancer: write prequal:/path" if made.null?

        Handle.of(made, :ahoy_balancer_free)
      end
    end
  end

  # Settings by key, passed to the library unchecked, so that a newer one brings its settings.
  module Settings
    module_function

    def apply(function, handle, settings)
      Native.given("options", settings, Hash, "settings by key")
      settings.each { |key, value| Native.check(function, handle, key.to_s, written(value)) }
    end

    def written(value)
      value.nil? ? "off" : value.to_s
    end

    # How many attempts, as text.
    def tries(value)
      raise TypeError, "tries is a whole number, and not #{value.inspect}" unless value.is_a?(Integer)

      value.negative? ? "unlimited" : value
    end

    # A time span in seconds as text.
    def seconds(name, value)
      milliseconds = Native.milliseconds(name, value)
      milliseconds == 2**64 - 1 ? "forever" : "#{milliseconds}ms"
    end
  end
end
