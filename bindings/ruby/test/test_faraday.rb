# frozen_string_literal: true

require_relative "support"
require "ahoy/faraday"
require "stringio"

# Faraday over libahoy: what the shared examples for its adapters ask, against a server that runs.
class TestFaraday < Minitest::Test
  include Served

  def connection(given = hosts, **options, &block)
    Faraday.new("http://orders") do |faraday|
      block&.call(faraday)
      faraday.adapter :ahoy, hosts: given, **options
    end
  end

  %i[get head options delete trace].each do |method|
    define_method("test_#{method}") do
      response = connection.run_request(method, "/echo?a=b%20c", nil, "X-A" => "1")
      assert_equal 200, response.status
      next if method == :head

      seen = JSON.parse(response.body)
      assert_equal [method.to_s.upcase, "/echo?a=b+c"], seen.values_at("method", "target")
      assert_equal "1", seen["headers"].to_h.transform_keys(&:downcase)["x-a"]
    end
  end

  %i[post put patch].each do |method|
    define_method("test_#{method}") do
      assert_equal "body", connection.public_send(method, "/body", "body").body
      faraday = connection { |f| f.request :url_encoded }
      seen = JSON.parse(faraday.public_send(method, "/echo", { a: "1 2" }).body)
      assert_equal "a=1+2", seen["body"]
      assert_equal "application/x-www-form-urlencoded", seen["headers"].to_h.transform_keys(&:downcase)["content-type"]
    end
  end

  def test_params_and_user_agent
    seen = JSON.parse(connection.get("/echo", q: %w[1 2]).body)
    assert_equal "/echo?q%5B%5D=1&q%5B%5D=2", seen["target"]
    assert_match(/Faraday/, seen["headers"].to_h.transform_keys(&:downcase)["user-agent"])
  end

  def test_headers_have_no_case
    response = connection.get("/echo")
    assert_equal "application/json", response.headers["Content-Type"]
    assert_equal response.headers["content-type"], response.headers["CONTENT-TYPE"]
  end

  def test_a_body_that_is_read
    assert_equal "x" * 100_000, connection.post("/body", StringIO.new("x" * 100_000)).body
  end

  def test_a_body_that_is_read_has_the_length_that_is_given
    faraday = connection(hosts[0]) { |f| f.request :multipart }
    seen = lambda do |body, headers|
      JSON.parse(faraday.post("/echo", body, headers).body).then { |it| [it["headers"].to_h.transform_keys(&:downcase), it["body"]] }
    end
    file = Faraday::UploadIO.new(StringIO.new("hello"), "text/plain", "x.txt")
    fields, body = seen.({ f: file }, {})
    assert_equal [body.bytesize.to_s, nil], fields.values_at("content-length", "transfer-encoding")
    assert_includes body, "hello"
    reading = Object.new
    text = StringIO.new("hello")
    reading.define_singleton_method(:read) { |*given| text.read(*given) }
    fields, body = seen.(reading, "Content-Length" => "5")
    assert_equal ["5", nil, "hello"], [*fields.values_at("content-length", "transfer-encoding"), body]
  end

  def test_gzip
    assert_equal "hello", connection.get("/gzip").body
  end

  def test_streaming
    pieces = []
    connection.get("/big?n=200000") { |request| request.options.on_data = ->(piece, size) { pieces << [piece, size] } }
    assert_equal 200_000, pieces.sum { |piece, _| piece.bytesize }
    assert_equal 200_000, pieces.last[1]
  end

  def test_exceptions
    assert_raises(Faraday::ConnectionFailed) { connection([hosts[1]]).get("/ok") }
    assert_raises(Faraday::TimeoutError) do
      connection([hosts[0]]).get("/slow?ms=3000") { |request| request.options.timeout = 0.1 }
    end
    faraday = connection { |f| f.response :raise_error }
    assert_raises(Faraday::ResourceNotFound) { faraday.get("/status?c=404") }
    assert_raises(Faraday::ServerError) { faraday.get("/status?c=500") }
  end

  # Programs rescue Faraday::Error.
  def test_all_exceptions_are_faradays
    reading = Object.new
    def reading.read(_) = raise(IOError, "gone")
    busy = connection(hosts[0], options: { max_in_flight: 1, max_body: 1000 })
    held = Thread.new { busy.get("/slow?ms=500") }
    sleep 0.1
    gone = connection(hosts[0]).tap(&:close)
    {
      -> { busy.get("/ok") } => Ahoy::OverloadedError,
      -> { held.join && busy.get("/big?n=5000") } => Ahoy::BodyTooLargeError,
      -> { busy.post("/body", reading) } => Ahoy::BodySourceError,
      -> { busy.get("/ok", nil, "x a" => "b") } => Ahoy::InvalidArgumentError,
      -> { gone.get("/ok") } => Ahoy::ClosedError
    }.each do |call, wanted|
      error = assert_raises(Faraday::Error, &call)
      assert_equal [wanted, wanted], [error.cause.class, error.wrapped_exception.class]
    end
  end

  def test_the_limit_on_connecting_is_not_that_on_the_answer
    response = connection([hosts[0]]).get("/slow?ms=300") { |request| request.options.open_timeout = 0.2 }
    assert_equal [200, "OK"], [response.status, response.reason_phrase]
  end

  def test_the_limit_is_that_of_the_whole_call_also_of_one_that_streams
    begun = now
    pieces = []
    assert_raises(Faraday::TimeoutError) do
      connection([hosts[0]]).get("/drip?n=500&ms=10") do |request|
        request.options.timeout = 0.3
        request.options.on_data = ->(piece, _) { pieces << piece }
      end
    end
    assert_includes 0.25..2, now - begun
    refute_empty pieces
  end

  # As where a program gives what is left of its own limit.
  def test_limits_on_connecting_that_are_each_another_keep_few_clients
    clients = -> { ObjectSpace.each_object(Ahoy::Client).reject(&:closed?) }
    before = clients.call
    faraday = connection([hosts[0]])
    get = ->(path, limit) { faraday.get(path) { |request| request.options.open_timeout = limit }.status }
    in_use = Thread.new { get.("/slow?ms=400", 9) }
    eventually { (clients.call - before).size == 2 }
    assert_equal [200], Array.new(30) { |index| get.("/ok", 1 + index / 100.0) }.uniq
    assert_equal 200, in_use.value
    assert_operator (clients.call - before).size, :<=, 8
    assert_equal 200, get.("/ok", 9)
    faraday.close
    assert_empty clients.call - before
  end

  def test_options_as_a_hash
    faraday = Faraday.new("http://orders") { |f| f.adapter Ahoy::FaradayAdapter, { hosts: [hosts[0]] } }
    assert_equal "hello", faraday.get("/ok").body
  end

  def test_a_configuration_names_the_hosts
    faraday = Faraday.new("http://orders") { |f| f.adapter :ahoy, config: { "hosts" => hosts } }
    assert_equal "hello", faraday.get("/ok").body
  end

  def test_a_proxy
    faraday = Faraday.new(proxy: "http://#{hosts[0]}") { |f| f.adapter :ahoy }
    assert_equal "http://nowhere.invalid/echo", JSON.parse(faraday.get("http://nowhere.invalid/echo").body)["target"]
  end

  def test_whole_urls
    faraday = Faraday.new { |f| f.adapter :ahoy }
    assert_equal "hello", faraday.get("http://#{hosts[0]}/ok").body
  end

  def test_a_call_in_a_trap
    faraday = connection
    faraday.get("/ok")
    told = nil
    before = trap("USR2") do
      told = faraday.get("/ok").body
    rescue ThreadError => e
      told = e
    end
    Process.kill(:USR2, Process.pid)
    eventually { told }
    assert_equal "hello", told
  ensure
    trap("USR2", before)
  end

  def test_parallel_threads
    faraday = connection
    assert_equal ["hello"], Array.new(20) { Thread.new { faraday.get("/ok").body } }.map(&:value).uniq
  end
end
