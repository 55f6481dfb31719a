# frozen_string_literal: true

module Ahoy
  # Sends requests. Any number of threads and fibers may use it at once; it survives a fork.
  class Client
    # Of Ruby's Logger: debug is 0, error is 3.
    SEVERITIES = { 0 => 4, 1 => 3, 2 => 2, 3 => 1 }.freeze

    # Makes a client, gives it to the block, and closes it.
    def self.open(*arguments, **options)
      client = new(*arguments, **options)
      return client unless block_given?

      begin
        yield client
      ensure
        client.close
      end
    end

    # hosts: hosts such as "10.0.0.7:80", a callable that gives them, a registry's URL, or a Balancer; without it,
    # requests have absolute URLs. Times are in seconds. tries: attempts that a call may make, 1 for no retries.
    # options: any further setting by key, see docs/options.md. ca: PEM text to trust; cert: certificate and key.
    # on_event: called with an Event where circuits, endpoints or the list change, on any thread. What it raises goes nowhere;
    # calls that it or the logger makes are refused.
    #
    # config: everything as one hash or JSON text, see docs/configuration.md; what is passed beside it counts more.
    def initialize(hosts = nil, config: nil, base_url: nil, balancer: nil, timeout: nil, attempt_timeout: nil,
                   connect_timeout: nil, tries: nil, headers: {}, ca: nil, cert: nil, resilient: false, options: {},
                   balancer_options: nil, logger: nil, on_event: nil)
      builder = Native.make(:ahoy_client_builder_new, :ahoy_client_builder_free)
      text = config.is_a?(Hash) ? JSON.generate(config) : config && Native.given("config", config, String, "a hash or JSON text")
      Native.check(:ahoy_client_builder_set_config, builder, text) if text
      Native.flag("resilient", resilient)
      balance(builder, hosts, balancer, balancer_options, resilient)
      Native.check(:ahoy_client_builder_set_base_url, builder, Native.given("base_url", base_url.to_s, /\A[a-z]+:/i, "a URL")) if base_url
      Native.check(:ahoy_client_builder_use_resilient_profile, builder) if resilient
      Request.fields(headers).each { |field| Native.check(:ahoy_client_builder_add_header, builder, *field) }
      limits = { timeout: timeout, attempt_timeout: attempt_timeout, connect_timeout: connect_timeout }.compact
      Settings.apply(:ahoy_client_builder_set, builder, limits.to_h { |name, span| [name, Settings.seconds(name, span)] })
      Settings.apply(:ahoy_client_builder_set, builder, retry_tries: Settings.tries(tries)) if tries
      Settings.apply(:ahoy_client_builder_set, builder, options)
      trust(builder, ca, cert)
      log(builder, logger) if logger
      raise TypeError, "on_event is a callable, and not #{on_event.inspect}" unless on_event.nil? || on_event.respond_to?(:call)

      Native.check(:ahoy_client_builder_on_event, builder, *Callbacks.events(on_event)) if on_event
      @live, @ended, @users = [Native.take(:ahoy_client_builder_build, :ahoy_client_free, builder)], [], {}.compare_by_identity
      @takes_paths = !(@balancer || base_url || (text && settings.slice("hosts", "provider", "base_url").first)).nil?
    ensure
      # It holds the balancer of `config` as well, which reconfigure may not replace then: the collector would come too late.
      builder&.free
    end

    # The balancer, or nil for a client of absolute URLs or a base URL; of `config` or a change the present one.
    def balancer
      @balancer || use { |handle| Balancer.of_client(handle) }
    rescue UnsupportedError
      nil
    end

    # Whether requests have paths; absolute URLs else.
    def takes_paths?
      @takes_paths
    end

    %i[get head options delete].each do |method|
      define_method(method) { |path, **options| request(method, path, **options) }
    end
    %i[post put patch].each do |method|
      define_method(method) { |path, body = nil, **options| request(method, path, body: body, **options) }
    end

    # Sends a request and waits for its answer, whatever its status. Options: params, headers, body, json, form,
    # timeout, attempt_timeout, idempotent, criticality, group, hash_key; length: how many bytes a body that is read brings.
    def request(method, path, **options)
      request = Request.new(method, path, **options)
      Response.new(send_request(request), request.path)
    end

    # Sends a request and yields the answer when its head came; the body is read as it comes. Leaving the block ends
    # the exchange.
    def stream(method, path, **options)
      request = Request.new(method, path, streamed: true, **options)
      response = StreamedResponse.new(send_request(request), request.path, request)
      return given = response unless block_given?

      yield response
    ensure
      response ? response.close : request&.done unless given
    end

    # The configuration in effect, in the form that reconfigure takes; secrets are masked.
    def settings
      JSON.parse(use { |handle| Native.text(:ahoy_client_config_text, handle) })
    end

    # Replaces the configuration by a hash or JSON text (docs/configuration.md), all of it or, with any fault, nothing.
    # Calls under way keep theirs. Hosts and balancer can be replaced where `config` made the client: else the balancer's
    # own handle has it as well.
    def reconfigure(config)
      Callbacks.refuse_change
      text = config.is_a?(String) ? config : JSON.generate(config)
      use { |handle| Native.check(:ahoy_client_reconfigure, handle, text) }
    end

    # Everything that the client counts, as text for Prometheus; docs/statistics.md has the names. The text has what `others`
    # count as well: the option `name` tells the series of clients apart.
    def metrics(*others)
      snapshot = use { |handle| Native.take(:ahoy_client_snapshot, :ahoy_snapshot_free, handle) }
      others.each { |other| other.add_to(snapshot) }
      Native.text(:ahoy_snapshot_text, snapshot, Native::AHOY_FORMAT_OPENMETRICS)
    end

    # Refuses new calls and ends those under way, and the connections.
    def close
      hold do
        Interrupts.hold do
          handle = @live.pop or next
          @ended << handle
          Native.check(:ahoy_client_close, handle, 0)
        end
      end
      nil
    end

    def closed?
      @live.empty?
    end

    protected

    def add_to(snapshot)
      use { |handle| Native.check(:ahoy_snapshot_add_client, snapshot, handle) }
    end

    private

    # Gives the handle to a block.
    def use
      hold do
        yield @live.first || raise(ClosedError.new("the client is closed").tap { |error| error.code = "AHOY_E_CLOSED" })
      end
    end

    # Keeps the handle of a client that is closed until the last such block is left, and then frees it: Ruby does not see what
    # it takes, and would leave its connections to the collector. A mutex may not be locked inside a signal's trap, where this
    # may be; each step is one of Array's, or of a Hash that calls no method of its keys, which no other thread comes into.
    def hold
      @users[user = Object.new] = true
      yield
    ensure
      Interrupts.hold do
        @users.delete(user)
        @ended.pop&.free if @users.empty?
      end
    end

    def send_request(request)
      answered = -> { request.lent { use { |handle| Waiter.use { |waiter| waiter.response(handle, request) } } } }
      @balancer ? @balancer.blame(&answered) : answered.call
    rescue BodySourceError => e
      raise e, cause: request.raised.first
    end

    def balance(builder, hosts, algorithm, options, resilient)
      if (hosts.nil? || hosts.is_a?(Balancer)) && (algorithm || options)
        raise ArgumentError, "balancer and balancer_options are for hosts; a Balancer and a config have their own"
      end
      return if hosts.nil?

      @balancer = hosts.is_a?(Balancer) ? hosts : Balancer.new(hosts, algorithm || :p2c, options: options || {})
      Native.check(:ahoy_balancer_use_resilient_profile, @balancer.handle) if resilient
      Native.check(:ahoy_client_builder_set_balancer, builder, @balancer.handle)
    end

    def trust(builder, authority, cert)
      Native.given("ca", authority, String, "PEM text") if authority
      Native.check(:ahoy_client_builder_add_ca_pem, builder, authority, authority.bytesize) if authority
      return unless cert

      chain, key = Native.given("cert", cert, ->(pair) { pair.is_a?(Array) && pair.size == 2 && pair.all?(String) },
                                "a pair of PEM texts: certificate and key")
      Native.check(:ahoy_client_builder_set_client_certificate_pem, builder, chain, chain.bytesize, key, key.bytesize)
    end

    def log(builder, logger)
      raise TypeError, "a logger is a Logger, and not #{logger.inspect}" unless logger.respond_to?(:level)

      level = SEVERITIES.fetch(logger.level, 1)
      Native.check(:ahoy_client_builder_on_log, builder, level, *Callbacks.log(logger))
    end
  end
end
