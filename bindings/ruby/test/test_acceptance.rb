# frozen_string_literal: true

require_relative "support"
require "timeout"

# What Ruby's users expect of a client: one test for each check, see docs/languages/ruby.md. AHOY_FIGURES=1 prints
# what was measured.
class TestAcceptance < Minitest::Test
  include Served

  def test_01_require_is_quick
    took = Array.new(3) do
      program("", "RUBYOPT" => nil)
      out, = Open3.capture2(RbConfig.ruby, "-I", File.expand_path("../lib", __dir__), "-e",
                            "require 'ffi'; require 'json'; require 'uri'; b = Process.clock_gettime(1); " \
                            "require 'ahoy'; print Process.clock_gettime(1) - b")
      out.to_f
    end.min
    figure "01 require: #{(took * 1000).round} ms beyond ffi, json and uri"
    assert_operator took, :<, 1
  end

  def test_01_nothing_warns
    program = 'require "ahoy/faraday"; Ahoy::Client.open(ARGV) { |client| client.get("/ok").body }'
    out, status = Open3.capture2e(RbConfig.ruby, "-w", "-I", File.expand_path("../lib", __dir__), "-e", program, *hosts)
    assert_equal [true, []], [status.success?, out.lines.grep(/ahoy/)]
  end

  def test_02_forks
    out = program(<<~RUBY)
      client = Ahoy::Client.new(hosts)
      client.get("/ok")
      begun = Process.clock_gettime(1)
      children = 4.times.map do
        fork { 100.times { client.get("/ok").status == 200 or exit!(1) }; client.close }
      end
      puts children.map { |child| Process.wait2(child)[1].exitstatus }.inspect
      puts client.get("/ok").status
      #{full(40, 200)}.times { Process.wait(fork { client.get("/ok") }) ; $?.success? or abort("a child failed") }
      warn "slow" if Process.clock_gettime(1) - begun > 60
    RUBY
    assert_equal "[0, 0, 0, 0]\n200\n", out
  end

  def test_02_daemon
    program(<<~RUBY)
      client = Ahoy::Client.new(hosts)
      client.get("/ok")
      reader, writer = IO.pipe
      unless fork
        Process.daemon(false, true)
        writer.write(client.get("/ok").body)
        exit!
      end
      writer.close
      reader.read == "hello" or abort("the daemon got nothing")
    RUBY
  end

  # Each kind of callback comes on a thread of the library's.
  CALLED_BACK = {
    "provider" => "Ahoy::Client.new(-> { told << 1; hosts[..0] }, timeout: 5)",
    "balancer" => "Ahoy::Client.new(hosts[..0], timeout: 5, balancer: ->(_) { told << 1; 0 })",
    "logger" => "Ahoy::Client.new(hosts[..0], timeout: 5, logger: Logger.new(log, level: :debug))",
    "on_event" => "Ahoy::Client.new(hosts, timeout: 5, balancer: :round_robin, on_event: ->(_) { told << 1 })"
  }.freeze

  CALLED_BACK.each do |kind, made|
    { "fork" => "", "daemon" => "Process.daemon(false, true)" }.each do |way, forked|
      define_method("test_02_#{way}_with_#{kind}") do
        out = program(<<~RUBY)
          require "logger"
          told = Queue.new
          log = Object.new
          log.define_singleton_method(:write) { |_| told << 1 }
          log.define_singleton_method(:close) {}
          client = #{made}
          3.times { client.get("/ok") }
          reader, writer = IO.pipe
          unless (pid = fork)
            #{forked}
            Thread.new { sleep 10 and exit!(1) }
            [-> { client }, -> { #{made} }].each do |one|
              told.clear
              one = one.call
              6.times { one.get("/ok").status == 200 or exit!(1) }
              sleep 0.01 while told.empty?
            end
            writer.write("called back")
            exit!
          end
          writer.close
          Process.wait(pid)
          print reader.read
        RUBY
        assert_equal "called back", out
      end
    end
  end

  # ffi calls it result_type up to 1.15.
  def test_02_a_function_of_any_ffi
    types = %i[result_type return_type].map { |name| Struct.new(name, :param_types).new(FFI::Type::INT, [FFI::Type::INT]) }
    assert_equal [3, 3], types.map { |type| Ahoy::Native::Function.of(type) { |number| number + 1 }.call(2) }
  end

  def test_03_timeout_kill_and_interrupt_end_a_call
    made = client(hosts[0])
    took = { "Timeout" => ->(go) { assert_raises(Timeout::Error) { Timeout.timeout(0.2) { go.call } } } }
           .transform_values { |way| begun = now; way.call(-> { made.get("/slow?ms=8000") }); now - begun - 0.2 }
    thread = Thread.new { made.get("/slow?ms=8000") }
    sleep 0.2
    begun = now
    thread.kill.join
    took["kill"] = now - begun
    took["Interrupt"] = program(<<~RUBY).to_f
      client = Ahoy::Client.new(hosts[0])
      sent = nil
      Thread.new { sleep 0.2; sent = Process.clock_gettime(1); Process.kill(:INT, Process.pid) }
      begin
        client.get("/slow?ms=8000")
      rescue Interrupt
        print Process.clock_gettime(1) - sent
      end
    RUBY
    figure "03 #{took.map { |way, span| "#{way} #{(span * 1000).round} ms" }.join(', ')}"
    took.each { |way, span| assert_operator span, :<, 1, way }
    before = counts["broken_off"]
    eventually { counts["broken_off"] >= 2 || before >= 2 }
  end

  def test_04_ruby_goes_on_meanwhile
    made = client(hosts[0])
    ticks = 0
    ticker = Thread.new { loop { ticks += 1; sleep 0.001 } }
    sleep 0.2
    alone, ticks = ticks, 0
    begun = now
    made.get("/slow?ms=200") while now - begun < 0.2
    share = ticks.to_f / alone
    ticker.kill
    figure "04 a ticker keeps #{(share * 100).round} %"
    assert_operator share, :>, 0.3
  end

  # The least scheduler that Ruby's own waits need.
  class Scheduler
    def initialize
      @readable, @timers, @ready, @lock = {}, {}, [], Thread::Mutex.new
    end

    def io_wait(io, _events, _timeout)
      @readable[io] = Fiber.current
      Fiber.yield
      @readable.delete(io)
      IO::READABLE
    end

    def kernel_sleep(span = nil)
      block(:sleep, span)
    end

    def block(_blocker, timeout = nil)
      @timers[Fiber.current] = Process.clock_gettime(1) + timeout if timeout
      Fiber.yield
    end

    def unblock(_blocker, fiber)
      @lock.synchronize { @ready << fiber }
    end

    def fiber(&block)
      made = Fiber.new(blocking: false, &block)
      made.resume
      made
    end

    def close
      run
    end

    def run
      until @readable.empty? && @timers.empty? && @ready.empty?
        found, = IO.select(@readable.keys, nil, nil, @ready.empty? ? 0.05 : 0)
        woken = @lock.synchronize { @ready.slice!(0..) }
        woken += @readable.values_at(*found)
        woken += @timers.select { |_, at| at <= Process.clock_gettime(1) }.keys
        woken.uniq.each { |fiber| @timers.delete(fiber); fiber.resume if fiber.alive? }
      end
    end
  end

  def test_05_fibers_wait_at_once
    made = client(hosts[0])
    made.get("/ok")
    calls = full(300, 1000)
    done = 0
    begun = now
    Thread.new do
      Fiber.set_scheduler(Scheduler.new)
      calls.times { Fiber.schedule { done += 1 if made.get("/slow?ms=200").body == "late" } }
    end.join
    took = now - begun
    figure "05 #{calls} fibers, calls of 200 ms: #{took.round(2)} s on one thread"
    assert_equal calls, done
    assert_operator took, :<, full(20, 1)
  end

  def test_06_memory_stays_flat_under_gc
    made = client
    some = lambda do |count|
      count.times do |i|
        made.get("/ok").body
        made.post("/body", StringIO.new("a")) if (i % 50).zero?
        next unless (i % 25).zero?

        assert_raises(Ahoy::InvalidArgumentError) { made.get("nothing") }
        # A probe of the dead host may come first, and nothing is begun anew for the rest of 2 ms.
        assert_raises(Ahoy::DeadlineError, Ahoy::ConnectError) { made.get("/slow?ms=1000", timeout: 0.002) }
      end
      GC.start
    end
    # What Ruby and malloc take until they have what they need is no growth.
    some.call(full(300, 5000))
    before = resident
    calls = full(1000, 100_000)
    some.call(calls)
    grown = resident - before
    figure "06 #{grown >> 10} KiB more after #{calls} calls, #{(100.0 * grown / before).round(1)} %"
    assert_operator grown, :<, full(16 << 20, before / 20)
    GC.stress = true
    made.get("/ok").body
    GC.stress = false
    GC.compact
    assert_equal "hello", made.get("/ok").body
  end

  def resident
    File.read("/proc/self/statm").split[1].to_i * 4096
  end

  def test_10_exits_with_calls_under_way
    ["", "exit!", "Process.kill(:TERM, Process.pid); sleep", "raise 'an end'"].cycle(full(1, 13)) do |ending|
      begun = now
      _, err, status = Open3.capture3(RbConfig.ruby, "-I", File.expand_path("../lib", __dir__), "-e", <<~RUBY, *hosts)
        require "ahoy"; require "logger"
        client = Ahoy::Client.new(ARGV, logger: Logger.new(File::NULL))
        8.times { Thread.new { Thread.current.report_on_exception = false; client.get("/slow?ms=20000") } }
        sleep 0.1
        #{ending}
      RUBY
      refute_includes err, "[BUG]"
      assert_operator now - begun, :<, 8, ending
      refute_equal 11, status.termsig
    end
  end

  # Runs a program in which this comes before the binding.
  def program_after(before, text)
    out, err, status = Open3.capture3(RbConfig.ruby, "-I", File.expand_path("../lib", __dir__), "-e",
                                      "#{before}\nrequire 'ahoy'; require 'stringio'; require 'logger'\n#{text}", *hosts)
    assert_equal ["", true], [err, status.success?], out
    out
  end

  # minitest/autorun and Sinatra do all of a program's work there.
  def test_10_callbacks_run_in_handlers_that_were_there_before
    work = <<~RUBY
      at_exit do
        Ahoy::Client.open(-> { ARGV }, timeout: 5) { |client| puts client.post("/body", StringIO.new("from memory")).body }
        at_exit { puts Ahoy::Client.open(ARGV, balancer: ->(_) { 0 }) { |client| client.get("/ok").body } }
        [1].each { |one| one }
        exit
      end
    RUBY
    assert_equal "from memory\nhello\n", program_after(work, "")
    out = program_after('require "minitest/autorun"', <<~RUBY)
      class TestOfAProgram < Minitest::Test
        def test_io
          Ahoy::Client.open(-> { HOSTS }) { |client| assert_equal "a", client.post("/body", StringIO.new("a")).body }
        end
      end
      HOSTS = ARGV.slice!(0..)
      Minitest.after_run { puts Ahoy::Client.open(-> { HOSTS }) { |client| client.get("/ok").body } }
    RUBY
    assert_match(/1 runs, 1 assertions, 0 failures, 0 errors.*hello/m, out)
  end

  # The last that runs is the library's, in a child that a handler forks too.
  def test_10_the_library_ends_after_all_handlers
    before = <<~RUBY
      def handler = puts("method")
      at_exit(&method(:puts)) # which no trace can be set on
      at_exit { puts "oldest"; 2.times { at_exit { puts "inner" } }; exit }
      at_exit(&method(:handler))
      at_exit(&-> { puts "lambda" })
    RUBY
    text = <<~RUBY
      $stdout.sync = true
      Ahoy::Native.define_singleton_method(:ahoy_callbacks_stop) { |*_| puts "stop" }
      at_exit { puts "newest" }
    RUBY
    assert_equal %w[newest lambda method oldest inner inner stop], program_after(before, text).split
    before = "at_exit { Process.wait(fork { Ahoy::Client.open(ARGV) { |client| puts client.get('/ok').body } }) }"
    assert_equal %w[hello stop stop], program_after(before, text.lines[0..1].join).split
  end

  # Bodies, events, messages and choices are under way, and none of them crashes or holds up the end.
  def test_10_exits_with_callbacks_under_way
    ["", "at_exit { print Ahoy::Client.open(ARGV) { |client| client.post('/body', StringIO.new('late')).body } }"].each do |before|
      full(4, 200).times do
        begun = now
        out = program_after(before, <<~RUBY)
          logger = Logger.new(File::NULL, level: :debug)
          client = Ahoy::Client.new(-> { ARGV }, balancer: ->(n) { rand(n) }, logger: logger, on_event: ->(_) { sleep 0.001 })
          slow = Object.new
          def slow.read(_) = sleep(0.002) && "x" * 1000
          work = [-> { client.post("/body", StringIO.new("a" * 200_000)) }, -> { client.get("/ok") },
                  -> { client.post("/body", slow, timeout: 0.05) },
                  -> { client.balancer.update },
                  -> { Ahoy::Client.open(ARGV, balancer: ->(_) { 0 }, logger: logger) { |other| other.get("/ok") } }]
          (work * 2).each { |one| Thread.new { loop { one.call rescue nil } } }
          sleep 0.05 + rand * 0.1
        RUBY
        assert_equal before.empty? ? "" : "late", out
        assert_operator now - begun, :<, 8
      end
    end
  end
end
