# frozen_string_literal: true

require_relative "support"
require "logger"
require "pathname"
require "socket"
require "stringio"
require "tempfile"
require "timeout"
require "tmpdir"

# The client as its user sees it.
class TestClient < Minitest::Test
  include Served

  # A block that the library holds must not hold what it was given to.
  def test_callbacks_go_with_what_had_them
    kept = -> { Ahoy::Native.instance_variable_get(:@kept).size }
    before = kept.call
    made = client
    200.times { made.post("/body", StringIO.new("a" * 100)) }
    list, first, logger = -> { HOSTS.first(1) }, ->(_) { 0 }, Logger.new(File::NULL)
    20.times { Ahoy::Client.new(list, balancer: first, logger: logger).get("/ok") }
    eventually { GC.start || kept.call < before + 20 }
  end

  def test_a_host_may_leave_out_its_port
    parsed = ["a", "a:", "https://a:/", "[::1]:", "a:81"].map { |text| Ahoy::Host.parse(text).then { |it| [it.address, it.port] } }
    assert_equal [["a", 80], ["a", 80], ["a", 443], ["::1", 80], ["a", 81]], parsed
    ["a:x", ":", ":80", "::"].each do |text|
      assert_match(/is not a host/, assert_raises(ArgumentError) { Ahoy::Client.new([text]) }.message)
    end
    ["me:hush@a:x", "https://me:hush@a", ["me:hush@a", 80]].each do |host|
      message = assert_raises(ArgumentError) { Ahoy::Client.new([host]) }.message
      assert_match(/holds credentials/, message)
      refute_match(/hush/, message)
    end
  end

  def test_a_unix_socket_is_a_host_by_its_path
    Dir.mktmpdir do |folder|
      path = "#{folder}/socket"
      server = UNIXServer.new(path)
      serving = Thread.new do
        while (peer = server.accept)
          peer.gets("\r\n\r\n")
          peer << "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
          peer.close
        end
      end
      [["unix:#{path}"], "unix:#{path}", "unix://#{path}", [["unix:#{path}", 80]], -> { ["unix:#{path}"] }].each do |given|
        response = client(given).get("/")
        assert_equal 204, response.status
        assert response.endpoint.end_with?(path)
      end
      serving.kill
    end
    assert_includes assert_raises(ArgumentError) { client(["unix:socket"]) }.message, "unix:socket"
  end

  def test_a_dead_host_costs_no_call
    made = client
    9.times { assert_equal "hello", made.get("/ok").body }
  end

  def test_open_closes
    kept = Ahoy::Client.open(hosts) { |c| c.get("/ok"); c }
    assert kept.closed?
    assert_raises(Ahoy::ClosedError) { kept.get("/ok") }
    kept.close
  end

  def test_a_request_arrives_as_it_was_written
    made = client(headers: { "x-client" => "c" })
    seen = made.post("/echo", json: { a: [1, "ü"] }, params: { q: "a b" }, headers: { "X-Call" => "v" }).json
    assert_equal ["POST", "/echo?q=a+b"], seen.values_at("method", "target")
    fields = seen["headers"].to_h.transform_keys(&:downcase)
    assert_equal %w[c v application/json], fields.values_at("x-client", "x-call", "content-type")
    assert_equal '{"a":[1,"ü"]}', seen["body"].encode("ISO-8859-1").force_encoding("UTF-8")
  end

  def test_bodies_of_every_kind
    made = client
    assert_equal "text", made.put("/body", "text").body
    assert_equal "a=1+2", made.post("/body", form: { a: "1 2" }).body
    assert_equal "ab", made.post("/body", %w[a b]).body
    assert_equal "x" * 200_000, made.patch("/body", StringIO.new("x" * 200_000)).body
    Tempfile.create do |file|
      file.write("y" * 300_000)
      file.rewind
      assert_equal "y" * 300_000, made.post("/body", file).body
    end
  end

  # The `read` of a path begins at the file's begin each time.
  def test_a_path_is_sent_as_its_file
    made = client(hosts[0])
    Tempfile.create do |file|
      bytes = Random.new(1).bytes(300_000)
      file.write(bytes)
      file.close
      path = Pathname.new(file.path)
      assert_equal bytes, made.post("/body", path).body
      made.stream(:post, "/body", body: path) { |streamed| assert_equal bytes, streamed.read }
      Tempfile.create do |short|
        short.write("short")
        short.close
        answer = made.put("/flaky?n=2&key=#{now}", Pathname.new(short.path))
        assert_equal ["at last", 3], [answer.body, answer.attempts.size]
      end
      open = Dir.glob("/proc/self/fd/*").filter_map { |descriptor| File.readlink(descriptor) rescue nil }
      refute_includes open, file.path
    end
    assert_raises(Errno::ENOENT) { made.post("/body", Pathname.new("/nowhere")) }
  end

  # From where it stands, also when it is sent again; a size of 0 says nothing of what can be read.
  def test_what_can_be_read_is_sent_from_where_it_stands
    made = client(hosts[0])
    io = StringIO.new("0123456789").tap { |opened| opened.read(4) }
    assert_equal "456789", made.post("/body", io).body
    io.pos = 4
    assert_equal ["at last", 2], made.put("/flaky?n=1&key=#{now}", io).then { |answer| [answer.body, answer.attempts.size] }
    Tempfile.create do |file|
      file.write("abcdef")
      file.pos = 2
      assert_equal "cdef", made.post("/body", file).body
    end
    Tempfile.create { |empty| assert_includes made.post("/echo", empty).json["headers"], %w[content-length 0] }
    File.open("/proc/version") { |file| assert_equal File.read("/proc/version"), made.post("/body", file).body }
  end

  # Also of what has a length and no size, such as a multipart body of Faraday's; what is said of it counts more.
  def test_the_length_of_what_is_read_is_sent
    made = client(hosts[0])
    reading = Class.new do
      define_method(:initialize) { |text| @io = StringIO.new(text) }
      define_method(:read) { |*given| @io.read(*given) }
    end
    sized = Class.new(reading) { define_method(:length) { 5 } }
    length = ->(body, **options) { made.post("/echo", body, **options).json.then { |it| [it["headers"].to_h.transform_keys(&:downcase)["content-length"], it["body"]] } }
    assert_equal [nil, "hello"], length.(reading.new("hello"))
    assert_equal %w[5 hello], length.(sized.new("hello"))
    assert_equal %w[5 hello], length.(reading.new("hello"), length: 5)
    assert_raises(Ahoy::BodySourceError) { length.(reading.new("hello"), length: 6) }
    [-1, "5", 5.0].each { |wrong| assert_match(/length is a number of bytes/, assert_raises(TypeError) { length.(reading.new(""), length: wrong) }.message) }
  end

  # The library's threads are few, and serve other calls.
  def test_a_body_that_stalls_has_the_calls_limit_and_holds_up_no_other
    made = client(hosts[0])
    pipes = Array.new(8) { IO.pipe }
    stalled = pipes.map do |reader, _|
      Thread.new { assert_raises(Ahoy::DeadlineError) { made.post("/body", reader, timeout: 0.4) } }
    end
    sleep 0.1
    begun = now
    assert_equal "hello", made.get("/ok").body
    assert_operator now - begun, :<, 0.25
    stalled.each(&:join)
    assert_operator now - begun, :<, 3
    reader, writer = IO.pipe
    Thread.new { 3.times { |i| sleep 0.01 and writer.write(i.to_s) } && writer.close }
    assert_equal "012", made.post("/body", reader).body
    pipes.flatten.each(&:close)
  end

  def test_what_comes_in_its_own_time_is_sent_in_it
    reader, writer = IO.pipe
    TCPServer.open("127.0.0.1", 0) do |server|
      seen = +""
      serving = Thread.new do
        peer = server.accept
        seen << peer.readpartial(4096) until seen.end_with?("\r\n0\r\n\r\n")
        peer << "HTTP/1.1 204 No Content\r\n\r\n"
        peer.close
      end
      made = client("127.0.0.1:#{server.addr[1]}")
      calling = Thread.new { made.post("/", reader).status }
      %w[first second].each { |text| (writer << text) && eventually { seen.include?(text) } }
      writer.close
      assert_equal 204, calling.value
      serving.join
    end
  end

  def test_what_may_wait_is_sent_again_and_goes_with_its_call
    made = client(hosts[0])
    waiting = Class.new do
      def rewind = @left = nil
      def read(_) = (sleep(0.001) && @left ||= ["a" * 100_000, "b" * 100_000, nil]).shift
    end
    answer = made.put("/flaky?n=2&key=#{now}", waiting.new)
    assert_equal ["at last", 3], [answer.body, answer.attempts.size]
    made.stream(:post, "/body", body: waiting.new) { |streamed| assert_equal 200_000, streamed.read.bytesize }
    kept = -> { Ahoy::Native.instance_variable_get(:@kept).size }
    before, threads = kept.call, Thread.list.size
    20.times { made.post("/body", waiting.new) }
    eventually { GC.start || kept.call < before + 5 && Thread.list.size <= threads + 1 }
  end

  def test_what_gives_more_than_it_is_asked_for_is_sent_whole
    generous = Object.new
    def generous.read(_) = (@left ||= ["é" * 70_000, "x" * 300_000, nil]).shift
    assert_equal 440_000, client.post("/body", generous).body.bytesize
    assert_equal "é\xFFa1".b, client.post("/body", ["é", "\xFF".b, [:a, 1]]).body
  end

  def test_what_other_clients_have
    made = client(headers: { "x-many" => %w[1 2] })
    assert_equal %w[1 2], made.get("/echo").json["headers"].filter_map { |name, value| value if name == "x-many" }
    missing = made.get("/status?c=404")
    assert_equal ["Not Found", "#{missing.endpoint}/status?c=404"], [missing.reason, missing.url]
    assert_equal missing["Content-Length"], missing.headers["content-length"]
    made.stream(:get, "/events") { |response| assert_equal "data: one", response.each_line.first }
    made.stream(:get, "/events") { |response| assert_equal 3, response.each_event.to_a.size }
    made.stream(:get, "/ok") { |response| assert_equal ["hello"], response.each_chunk.to_a }
  end

  def test_what_a_body_raises_is_the_cause_also_on_a_connection_that_rested
    made = client(hosts[0])
    made.get("/ok")
    failing = Object.new
    def failing.read(_) = @read ? nil : (@read = true) && raise(IOError, "gone")
    error = assert_raises(Ahoy::BodySourceError) { made.post("/body", failing) }
    assert_equal [IOError, "AHOY_E_BODY_SOURCE"], [error.cause.class, error.code]
  end

  def test_what_is_of_a_wrong_kind_is_named
    made = client
    {
      -> { Ahoy::Client.new(["127.0.0.1:99999"]) } => [ArgumentError, "127.0.0.1:99999"],
      -> { Ahoy::Client.new([8001]) } => [TypeError, "8001"],
      -> { Ahoy::Client.new([nil]) } => [TypeError, "nil"],
      -> { Ahoy::Client.new(hosts, timeout: "2") } => [TypeError, "seconds"],
      -> { Ahoy::Client.new(hosts, timeout: -2) } => [ArgumentError, "negative"],
      -> { Ahoy::Client.new(hosts, tries: "3") } => [TypeError, "tries"],
      -> { Ahoy::Client.new(hosts, logger: 1) } => [TypeError, "Logger"],
      -> { Ahoy::Client.new(hosts, attempt_timeout: "2") } => [TypeError, "attempt_timeout"],
      -> { Ahoy::Client.new(hosts, headers: 5) } => [TypeError, "headers"],
      -> { Ahoy::Client.new(hosts, options: 5) } => [TypeError, "options"],
      -> { Ahoy::Client.new(hosts, ca: 5) } => [TypeError, "ca"],
      -> { Ahoy::Client.new(hosts, cert: "x") } => [TypeError, "cert"],
      -> { Ahoy::Client.new(hosts, on_event: 5) } => [TypeError, "on_event"],
      -> { Ahoy::Client.new(base_url: 5) } => [TypeError, "base_url"],
      -> { Ahoy::Client.new(config: 5) } => [TypeError, "config"],
      -> { Ahoy::Client.new(config: { hosts: hosts }, balancer: :random) } => [ArgumentError, "balancer"],
      -> { Ahoy::Client.new(Ahoy::Balancer.new(hosts), balancer_options: {}) } => [ArgumentError, "balancer_options"],
      -> { Ahoy::Client.new(hosts, options: { retry_trys: 3 }) } => [Ahoy::UnknownOptionError, "retry_trys"],
      -> { Ahoy::Client.new([Ahoy::Host.new(address: "a", port: "80")]) } => [TypeError, "port of a host"],
      -> { Ahoy::Client.new([Ahoy::Host.new(address: "a", port: 80, weight: -1)]) } => [ArgumentError, "weight of a host"],
      -> { Ahoy::Client.new([Ahoy::Host.new(address: "a", port: 80, priority: 2**32)]) } => [ArgumentError, "priority of a host"],
      -> { Ahoy::Client.new([Ahoy::Host.new(address: "a", port: 80, scheme: :ftp)]) } => [ArgumentError, "scheme"],
      -> { made.get("/ok", headers: "a: b") } => [TypeError, "headers"],
      -> { made.get("/ok", params: 5) } => [TypeError, "params"],
      -> { made.get("/ok", idempotent: "no") } => [TypeError, "idempotent is true or false, and not \"no\""],
      -> { Ahoy::Client.new(hosts, resilient: "off") } => [TypeError, "resilient"],
      -> { Ahoy::Client.new(hosts, balancer: :prequal) } => [ArgumentError, "write prequal:/path"],
      -> { Ahoy::Client.new(hosts, balancer: "p2c:x") } => [ArgumentError, "no balancer is called \"p2c:x\""],
      -> { made.get("/ok", criticality: "a") } => [TypeError, "criticality"],
      -> { made.post("/ok", "a", json: {}) } => [ArgumentError, "one of body, json and form"],
      -> { made.get(nil) } => [TypeError, "path"],
      -> { made.get("/ok", timeout: "2") } => [TypeError, "seconds"],
      -> { made.get("/ok", timeout: Float::NAN) } => [ArgumentError, "timeout"],
      -> { Ahoy::Client.new(hosts, attempt_timeout: Float::NAN) } => [ArgumentError, "attempt_timeout"],
      -> { made.post("/body", { "a" => 1 }) } => [TypeError, "json:"],
      -> { made.post("/body", 5) } => [TypeError, "Integer"],
      -> { made.post("/body", File) } => [TypeError, "Class"],
      -> { made.get("/ok", headers: { "x-a" => "token".encode("UTF-16LE") }) } => [EncodingError, "UTF-16LE"],
      -> { made.get("/ok", headers: { "x-a".encode("UTF-32BE") => "a" }) } => [EncodingError, "UTF-32BE"],
      -> { made.get("/ok".encode("UTF-16LE")) } => [EncodingError, "UTF-16LE"],
      -> { made.request("GET".encode("UTF-16LE"), "/ok") } => [EncodingError, "UTF-16LE"],
      -> { made.get("/ok", group: "a".encode("UTF-16BE")) } => [EncodingError, "UTF-16BE"],
      -> { Ahoy::Client.new(base_url: "http://a".encode("UTF-16LE")) } => [EncodingError, "UTF-16LE"],
      -> { Ahoy::Client.new(hosts, headers: { "x-a" => "a".encode("UTF-16LE") }) } => [EncodingError, "UTF-16LE"],
      -> { Ahoy::Client.new(hosts, balancer_options: { "zone" => "a".encode("UTF-16LE") }) } => [EncodingError, "UTF-16LE"],
      -> { Ahoy::Client.new([Ahoy::Host.new(address: "a".encode("UTF-16LE"), port: 80)]) } => [EncodingError, "UTF-16LE"]
    }.each do |call, (error, words)|
      assert_includes assert_raises(error, &call).message, words
    end
  end

  def test_open_circuits_have_an_error_of_their_own
    [[hosts[1]], [hosts[1], "127.0.0.1:1"]].each do |dead|
      made = client(dead, tries: 1, options: { wait_for_ready: "0s" })
      dead.each { assert_raises(Ahoy::ConnectError) { made.get("/ok") } }
      assert_raises(Ahoy::CircuitOpenError) { made.get("/ok") }
    end
  end

  def test_a_close_beside_a_read
    made = client(hosts[0])
    20.times do
      response = made.stream(:get, "/drip?n=2000&ms=1")
      thread = Thread.new do
        response.read
      rescue Ahoy::ClosedError => e
        e
      end
      sleep 0.005
      response.close
      assert_kind_of Ahoy::Error, thread.value
    end
    response = made.stream(:get, "/drip?n=3&ms=1")
    response.close
    assert_raises(Ahoy::ClosedError) { response.read }
  end

  def test_a_call_in_a_trap
    lines = StringIO.new
    made = client(logger: Logger.new(lines, level: :debug))
    status = nil
    before = trap("USR2") { status = made.get("/ok").status }
    Process.kill(:USR2, Process.pid)
    eventually { status == 200 && lines.string.include?("/ok") }
  ensure
    trap("USR2", before)
  end

  def test_what_the_library_calls_back_is_made_in_a_trap_too
    statuses = nil
    before = trap("USR2") do
      made = client(on_event: ->(_) {})
      statuses = [made.post("/ok", StringIO.new("from memory")), made.get("/ok")].map(&:status)
    rescue ThreadError => e
      statuses = e
    end
    Process.kill(:USR2, Process.pid)
    eventually { statuses }
    assert_equal [200, 200], statuses
  ensure
    trap("USR2", before)
  end

  # Ruby's collector does not see what the library takes, and may come late.
  def test_descriptors_do_not_wait_for_the_collector
    made = client(hosts[0])
    made.get("/ok")
    open = -> { Dir.children("/proc/self/fd").size }
    GC.start
    GC.disable
    before = open.call
    40.times do
      assert_raises(Timeout::Error) { Timeout.timeout(0.001) { made.get("/slow?ms=5000") } }
      assert_raises(Ahoy::DeadlineError) { made.get("/slow?ms=5000", timeout: 0.001) }
      Ahoy::Client.open(hosts[0]) { |other| other.get("/ok") }
    end
    eventually { open.call < before + 20 }
  ensure
    GC.enable
  end

  # Timeout's exception may come while a handle is being freed.
  def test_a_handle_is_freed_once_whatever_comes_meanwhile
    freed = 0
    Ahoy::Native.define_singleton_method(:free_of_a_test) { |_| (freed += 1) && raise(Interrupt) }
    handle = Ahoy::Handle.of(FFI::Pointer.new(8), :free_of_a_test)
    assert_raises(Interrupt) { handle.free }
    handle.free
    assert_equal 1, freed
  end

  # The handle is freed by whoever leaves it last.
  def test_a_close_beside_calls
    10.times do
      made = Ahoy::Client.new(hosts[0])
      calls = Array.new(8) do
        Thread.new do
          loop { made.get("/ok") && made.metrics && made.settings }
        rescue Ahoy::ClosedError
          :closed
        end
      end
      sleep 0.005
      [Thread.new { made.close }, Thread.new { made.dup.close }].each(&:join)
      assert_equal [:closed], calls.map(&:value).uniq
    end
  end

  def test_errors
    error = assert_raises(Ahoy::ConnectError) { client([hosts[1]], options: { wait_for_ready: "0s" }).get("/ok") }
    assert_equal "AHOY_E_CONNECT", error.code
    assert error.retryable? && !error.ambiguous?
    assert_equal ["http://#{hosts[1]}"], error.attempts.map(&:url)
    assert_includes error.message, hosts[1]
    error = assert_raises(Ahoy::DeadlineError) { client(hosts[0]).get("/slow?ms=5000", timeout: 0.1) }
    assert_kind_of Ahoy::TimeoutError, error
    error = assert_raises(Ahoy::UnknownOptionError) { client(options: { max_in_fligt: 1 }) }
    assert_includes error.message, "max_in_flight"
    error = assert_raises(Ahoy::StatusError) { client(options: { fail_on_status: true }).get("/status?c=404") }
    assert_equal [404, "as asked"], [error.response.status, error.response.body]
    assert_raises(Ahoy::StatusError) { client.get("/status?c=404").raise_for_status }
  end

  def test_the_first_64_attempts_are_kept
    TCPServer.open("127.0.0.1", 0) do |server|
      asked = 0
      serving = Thread.new do
        while (peer = server.accept)
          while peer.gets("\r\n\r\n")
            asked += 1
            peer << "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
          end
          peer.close
        end
      end
      host = "127.0.0.1:#{server.addr[1]}"
      options = { retry_delay: "1ms", retry_max_delay: "1ms", retry_budget: "off" }
      # The server has one connection at a time, and this client closes its own.
      answer = Ahoy::Client.open([host], tries: 70, options: options) { |made| made.get("/") }
      assert_equal 70, asked
      made = client([host], tries: 70, options: { **options, fail_on_status: true })
      error = assert_raises(Ahoy::StatusError) { made.get("/") }
      [answer, error].each do |from|
        assert_equal [["http://#{host}", 503]] * 64, from.attempts.map { |attempt| [attempt.url, attempt.http_status] }
      end
    ensure
      serving.kill
    end
  end

  def test_a_circuit_that_is_open_can_be_rescued
    balancer = Ahoy::Balancer.new([hosts[0], hosts[2]], :round_robin)
    balancer.update
    balancer.endpoints.each(&:open_circuit)
    assert_raises(Ahoy::NoEndpointsError) { client(balancer).get("/ok") }
    balancer.endpoints.each(&:close_circuit)
    assert_equal 200, client(balancer).get("/ok").status
    assert_includes balancer.explain, hosts[0]
    assert_equal [[1, 0, nil]] * 2, balancer.endpoints.map { |it| [it.weight, it.priority, it.zone] }
  end

  def test_a_stream_comes_as_it_is_sent
    begun = now
    first = nil
    pieces = []
    client.stream(:get, "/drip?n=5&ms=60") do |response|
      response.each do |piece|
        first ||= now - begun
        pieces << piece
      end
    end
    assert_equal ".....", pieces.join
    assert_operator pieces.size, :>, 2
    assert_operator first, :<, now - begun
  end

  def test_break_cancels_at_the_server
    before = counts["broken_off"]
    client(hosts[0]).stream(:get, "/drip?n=500&ms=20") { |response| response.each { break } }
    eventually { counts["broken_off"] == before + 1 }
  end

  # A streamed answer whose body comes in these pieces, of which an exception's class is raised.
  def streamed(pieces)
    Ahoy::StreamedResponse.allocate.tap do |response|
      left = pieces.dup
      response.define_singleton_method(:draw) do
        piece = left.shift
        raise piece if piece.is_a?(Class)

        piece && (take_in(piece.b) || true)
      end
    end
  end

  def test_what_was_read_and_not_given_out_stays
    made = client(hosts[0])
    made.stream(:post, "/body", body: "a\nb\r\nc") do |response|
      assert_equal ["a", "b", "c", ""], [response.each_line.first, response.each_line.next, response.read, response.read]
    end
    made.stream(:get, "/events") do |response|
      assert_equal ["message", "one", nil], response.each_event.first
      assert_equal ["event: second"], response.each_line.first(1)
      assert_equal [["message", "two\nlines", "7"], ["message", "three", "7"]], response.each_event.to_a
    end
    assert_equal ["a", "\nb"], streamed(["a\r", "\n\nb"]).then { |response| [response.each_line.first, response.read] }
    assert_equal ["a", "b"], streamed(["a\r\n", "b"]).then { |response| [response.each_line.first, *response.each_chunk] }
  end

  # As where Timeout comes while the rest of a line is awaited.
  def test_what_was_read_when_a_read_was_left_stays
    %i[each_line each_event read].each do |reading|
      response = streamed(["data: a", IOError, "b\n\nc"])
      assert_raises(IOError) { response.public_send(reading).to_a }
      assert_equal "data: ab\n\nc", response.each_chunk.to_a.join
    end
  end

  def test_a_long_line_is_joined_once
    # What looks through it at each piece looks at 64 GiB for these 8 MiB.
    begun = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
    lines = streamed(["x" * 512] * (1 << 14) + ["\nlast"]).each_line.to_a
    assert_equal [1 << 23, 4], lines.map(&:size)
    assert_operator Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - begun, :<, 5
  end

  def test_a_cr_ends_a_line_also_at_the_end_of_a_piece
    pieces = ["a\r", "\nb\r", "\r", "", "c\r\n", "\n", "d"]
    assert_equal ["a", "b", "", "c", "", "d"], streamed(pieces).each_line.to_a
  end

  def test_server_sent_events
    events = []
    client.stream(:get, "/events") { |response| response.each_event { |*event| events << event } }
    assert_equal [["message", "one", nil], ["second", "two\nlines", "7"], ["message", "three", "7"]], events
  end

  def test_server_sent_events_as_the_standard_reads_them
    body = "\uFEFFdata: a\nid: 1\n\nevent:\ndata: b\nid: x\0\n\ndata: cut"
    client(hosts[0]).stream(:post, "/body", body: body) do |response|
      assert_equal [["message", "a", "1"], ["message", "b", "1"]], response.each_event.to_a
    end
  end

  def test_encodings
    assert_equal Encoding::BINARY, client.get("/ok").body.encoding
    assert_equal "hello", client.get("/gzip").body
    assert_equal 3_000_000, client.get("/big?n=3000000").body.bytesize
  end

  def test_an_answer_outlasts_its_stream_and_marshal
    left = client(hosts[0]).stream(:get, "/status?c=404", &:itself)
    assert_equal ["http://#{hosts[0]}/status?c=404", 1, "8"], [left.url, left.attempts.size, left["content-length"]]
    raised = assert_raises(Ahoy::StatusError) { client(hosts[0]).get("/status?c=404").raise_for_status }
    copy = Marshal.load(Marshal.dump(raised))
    assert_equal [raised.message, raised.code], [copy.message, copy.code]
    assert_equal [404, "as asked", raised.response.headers, raised.response.url],
                 [copy.response.status, copy.response.body, copy.response.headers, copy.response.url]
  end

  def test_a_charset_that_ruby_has_no_encoding_for
    TCPServer.open("127.0.0.1", 0) do |server|
      answering = Thread.new do
        connection = server.accept
        connection.readpartial(4096)
        connection.write("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=internal\r\ncontent-length: 1\r\n\r\na")
      end
      assert_equal Encoding::BINARY, client("127.0.0.1:#{server.addr[1]}").get("/").body.encoding
      answering.join
    end
  end

  def test_own_provider_and_own_balancer
    asked = 0
    made = client(-> { asked += 1; [hosts[0], hosts[2]] }, balancer: ->(count) { count - 1 })
    assert_equal ["http://#{hosts[2]}"], Array.new(4) { made.get("/ok").endpoint }.uniq
    assert_operator asked, :>, 0
  end

  # The library says no more than that they failed.
  def test_what_a_callable_raises_is_the_cause
    failing = true
    made = client(-> { failing ? raise(KeyError, "no registry") : hosts }, balancer: ->(_) { raise IOError, "no choice" })
    listed = assert_raises(Ahoy::DiscoveryError) { made.get("/ok", timeout: 0.2) }
    updated = assert_raises(Ahoy::DiscoveryError) { made.balancer.update }
    failing = false
    picked = assert_raises(Ahoy::NoEndpointsError) { made.balancer.tap(&:update).pick }
    called = assert_raises(Ahoy::NoEndpointsError) { made.get("/ok", timeout: 0.2) }
    assert_equal [KeyError, KeyError, IOError, IOError], [listed, updated, picked, called].map { |error| error.cause.class }
    made.balancer.endpoints.each(&:drain)
    assert_nil assert_raises(Ahoy::NoEndpointsError) { made.get("/ok", timeout: 0.2) }.cause
  end

  def test_metrics_of_several_clients
    payments, users, other = %w[payments users users].map { |name| client([hosts[0]], options: { name: name }) }
    metrics = payments.metrics(users)
    %w[payments users].each { |name| assert_includes metrics, %(ahoy_client_active_calls{client="#{name}"} 0) }
    assert_equal 1, metrics.scan("# TYPE ahoy_client_active_calls ").size
    assert_includes assert_raises(Ahoy::InvalidArgumentError) { users.metrics(other) }.message, '"users"'
    other.close
    assert_raises(Ahoy::ClosedError) { payments.metrics(other) }
  end

  def test_log_metrics_settings
    lines = StringIO.new
    made = client([hosts[1], hosts[0]], balancer: :round_robin, logger: Logger.new(lines))
    4.times { made.get("/ok") }
    eventually { lines.string.include?("opened") }
    assert_includes made.metrics, "# HELP"
    assert_equal "5s", made.settings["timeout"]
    made.reconfigure("timeout" => "6s")
    assert_equal ["6s", 200], [made.settings["timeout"], made.get("/ok").status]
    error = assert_raises(Ahoy::InvalidArgumentError) { made.reconfigure("timeuot" => "1s") }
    assert_includes error.message, "timeout"
  end

  def test_the_hosts_of_a_configuration_are_replaced
    made = client(nil, config: { hosts: [hosts[0]] })
    assert_equal "http://#{hosts[0]}", made.get("/ok").endpoint
    made.reconfigure("hosts" => [hosts[2]])
    assert_equal "http://#{hosts[2]}", made.get("/ok").endpoint
  end

  def test_the_balancer_of_a_client_is_the_present_one
    made = client(nil, config: { hosts: [hosts[0]] })
    assert_equal "hello", made.get("/ok").body
    before = made.balancer
    assert_includes before.explain, hosts[0]
    made.reconfigure("hosts" => [hosts[2]])
    assert_equal "http://#{hosts[2]}", made.get("/ok").endpoint
    assert_includes made.balancer.explain, hosts[2]
    assert_includes before.explain, hosts[0]
    made.balancer.endpoints.each(&:drain)
    assert_raises(Ahoy::NoEndpointsError) { made.get("/ok") }
    assert_nil client(nil).balancer
    assert_nil client(nil, base_url: "http://#{hosts[0]}").balancer
    own = Ahoy::Balancer.new(hosts)
    assert_same own, client(own).balancer
    made.close
    assert_raises(Ahoy::ClosedError) { made.balancer }
  end

  def test_events
    events = Queue.new
    made = client([hosts[1], hosts[0]], balancer: :round_robin, on_event: ->(event) { events << event && raise("not seen") })
    4.times { made.get("/ok") }
    seen = []
    eventually { seen << events.pop(true) until events.empty?; seen.any? { |event| event.text.include?("opened") } }
    opened = seen.find { |event| event.text.include?("opened") }
    assert_equal "http://#{hosts[1]}", opened.endpoint
    assert_in_delta Time.now.to_f, opened.time.to_f, 60
    assert_equal Ahoy::Native::AHOY_EVENT_CIRCUIT_OPENED, opened.kind
  end

  # What brings a call's end may be waiting for the very callback. In a process of its own, for one in which this fails ends no
  # call any more.
  def test_a_call_that_waits_inside_a_callback_is_refused
    out = program(<<~'RUBY', {}, 30)
      require "logger"
      require "stringio"
      $stdout.sync = true
      other = Ahoy::Client.new(hosts[0], timeout: 5)
      inside = lambda do |name, told|
        error = begin
          other.get("/ok")
          nil
        rescue Ahoy::Error => e
          e
        end
        told << [name, error.class, error&.code]
        # A thread of its own may call, and so may a fiber of it.
        Thread.new { told << [name, Fiber.new { other.get("/ok").body }.resume] }
      end
      told = Thread::Queue.new
      once = Hash.new { |seen, name| seen[name] = true; inside.(name, told) }
      logger = Logger.new(IO::NULL, level: :debug)
      logger.define_singleton_method(:debug) { |*| once["log"] }
      logger.define_singleton_method(:info) { |*| once["log"] }
      logger.define_singleton_method(:warn) { |*| once["log"] }
      reader = StringIO.new("x" * 10)
      reader.define_singleton_method(:read) { |*given| once["body"]; super(*given) }
      reader.define_singleton_method(:rewind) { |*given| once["rewind"]; super(*given) }
      events = Ahoy::Client.new([hosts[1], hosts[0]], balancer: :round_robin, timeout: 5, on_event: ->(_) { once["event"] })
      4.times { events.get("/ok") }
      logs = Ahoy::Client.new([hosts[1], hosts[0]], balancer: :round_robin, timeout: 5, logger: logger)
      4.times { logs.get("/ok") }
      chosen = Ahoy::Client.new([hosts[0]], timeout: 5, balancer: ->(_) { once["choice"]; 0 })
      p chosen.get("/ok").body
      p other.put("/flaky?n=1&key=#{Process.pid}", reader).body
      # On the thread that asks, which is inside the callback as long, and no longer.
      own = Ahoy::Balancer.new([hosts[0]], ->(_) { once["own"]; 0 })
      own.pick
      p other.get("/ok").body
      seen = Array.new(12) { told.pop }
      puts seen.map(&:inspect).sort
    RUBY
    names = %w[body choice event log own rewind]
    wanted = names.flat_map { |name| [[name, "hello"].inspect, "[#{name.inspect}, Ahoy::WouldDeadlockError, \"AHOY_E_WOULD_DEADLOCK\"]"] }
    assert_equal ["\"hello\"", "\"at last\"", "\"hello\""] + wanted.sort, out.lines.map(&:chomp)
  end

  # The function that gives the hosts holds nothing up, and may ask a registry; but not for its own end.
  def test_what_gives_the_hosts_may_call
    out = program(<<~'RUBY', {}, 30)
      $stdout.sync = true
      registry = Ahoy::Client.new(hosts[0], timeout: 5)
      made, told = nil, Thread::Queue.new
      list = lambda do
        told << registry.get("/ok").body
        [-> { made.balancer.update }, -> { made.reconfigure("timeout" => "6s") }].each do |change|
          change.call
        rescue Ahoy::Error => e
          told << e.class
        end
        hosts
      end
      made = Ahoy::Client.new(list, timeout: 5)
      p made.get("/ok").body
      made.balancer.update
      p Array.new(6) { told.pop }
    RUBY
    assert_equal ["\"hello\"", '["hello", Ahoy::WouldDeadlockError, Ahoy::WouldDeadlockError, ' \
                               '"hello", Ahoy::WouldDeadlockError, Ahoy::WouldDeadlockError]'], out.lines.map(&:chomp)
  end

  # It is another process, in which nothing waits for the callback.
  def test_a_child_that_is_forked_inside_a_callback_may_call
    out = program(<<~'RUBY')
      $stdout.sync = true
      other = Ahoy::Client.new(hosts[0], timeout: 5)
      other.get("/ok")
      chosen = Ahoy::Balancer.new([hosts[0]], lambda { |_|
        Process.wait(fork { puts other.get("/ok").body; exit!(0) })
        0
      })
      chosen.pick
    RUBY
    assert_equal "hello\n", out
  end

  def test_absolute_urls
    assert_equal "hello", client(nil).get("http://#{hosts[0]}/ok").body
  end

  def test_threads_share_a_client
    made = client
    answers = Array.new(100) { Thread.new { Array.new(20) { made.get("/ok").body } } }.flat_map(&:value)
    assert_equal ["hello"], answers.uniq
  end
end
