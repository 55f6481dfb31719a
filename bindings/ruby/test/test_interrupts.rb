# frozen_string_literal: true

require_relative "support"
require "stringio"
require "timeout"

# Exceptions of other threads, and Thread#kill: whatever they come into, the library and its handles stay whole. In processes
# of their own, for one in which this fails crashes, or can end no call and no client any more.
class TestInterrupts < Minitest::Test
  include Served

  def test_a_waiter_has_one_owner
    out = program(<<~'RUBY', {}, 30)
      made = Ahoy::Client.new(hosts[0], timeout: 5)
      made.get("/ok")
      idle = Ahoy::Waiter.instance_variable_get(:@idle)
      idle.define_singleton_method(:push) do |waiter|
        super(waiter)
        singleton_class.remove_method(:push)
        Thread.current.raise(IOError, "late")
      end
      begin
        made.get("/ok")
      rescue IOError => e
        puts e.message
      end
      puts Array.new(20) { made.get("/ok").body }.uniq
    RUBY
    assert_equal "late\nhello\n", out
  end

  # A callable that waits at a gate, and says when it does.
  GATE = <<~'RUBY'
    require "timeout"
    $stdout.sync = true
    entered, gate, shut = Thread::Queue.new, Thread::Queue.new, false
    wait = -> { (entered << true) && gate.pop if shut }
  RUBY

  # What is done by a callable on the caller's own thread is ended, and the next may begin.
  ENDED = <<~'RUBY'
    shut = true
    killed = Thread.new { act.call }
    entered.pop
    killed.kill.join
    entered.clear
    begin
      Timeout.timeout(0.1) { act.call }
    rescue Timeout::Error
      puts "in time"
    end
    entered.clear
    Thread.new { entered.pop && Process.kill(:INT, Process.pid) }
    begin
      act.call
    rescue Interrupt
      puts "interrupted"
    end
    shut = false
    act.call
    puts made.get("/ok").body
    made.close
    puts "closed"
  RUBY

  def test_what_gives_the_hosts_is_ended_with_its_update
    out = program(GATE + <<~'RUBY' + ENDED, {}, 30)
      made = Ahoy::Client.new(-> { wait.call; hosts.first(1) }, timeout: 5)
      made.get("/ok")
      act = -> { made.balancer.update }
    RUBY
    assert_equal %w[in\ time interrupted hello closed], out.lines.map(&:chomp)
  end

  def test_what_chooses_is_ended_with_its_pick
    out = program(GATE + <<~'RUBY' + ENDED, {}, 30)
      made = Ahoy::Client.new(hosts.first(1), balancer: ->(_) { wait.call; 0 }, timeout: 5)
      made.get("/ok")
      act = -> { made.balancer.pick }
    RUBY
    assert_equal %w[in\ time interrupted hello closed], out.lines.map(&:chomp)
  end

  # Nor does it hold up its caller, which may have a lock that it needs.
  def test_what_is_told_of_an_event_is_not_left
    out = program(GATE + <<~'RUBY', {}, 30)
      lock, told, started = Mutex.new, Thread::Queue.new, nil
      made = Ahoy::Client.new(hosts.first(1), timeout: 5, on_event: lambda { |_|
        started = Thread.new { sleep }
        wait.call
        lock.synchronize { told << true }
      })
      made.get("/ok")
      endpoint = made.balancer.endpoints[0]
      shut = true
      killed = Thread.new { endpoint.drain; puts "not killed" }
      entered.pop
      killed.kill.join
      shut = false
      gate << true
      told.pop
      lock.synchronize { endpoint.resume }
      told.pop
      started.kill.join
      puts made.get("/ok").body
      made.close
      puts "closed"
    RUBY
    assert_equal %w[hello closed], out.lines.map(&:chomp)
  end

  def test_nothing_jumps_out_of_a_callable
    out = program(<<~'RUBY', {}, 30)
      listing = -> { hosts.first(1) }
      made = Ahoy::Client.new(-> { listing.call }, balancer: ->(_) { throw :out }, on_event: ->(_) { throw :out }, timeout: 5)
      made.balancer.update
      catch(:out) do
        made.balancer.pick
      rescue Ahoy::NoEndpointsError => e
        puts e.cause.class
      end
      catch(:out) { made.balancer.endpoints[0].drain || puts("drained") }
      listing = -> { Thread.exit }
      begin
        made.balancer.update
      rescue Ahoy::DiscoveryError => e
        puts e.cause.class
      end
      listing = -> { hosts.first(1) }
      made.balancer.update
      made.close
      puts "closed"
    RUBY
    assert_equal %w[UncaughtThrowError drained Ahoy::Error closed], out.lines.map(&:chomp)
  end

  # What it asks may be slow.
  def test_timeout_works_inside_a_callable
    out = program(<<~'RUBY', {}, 30)
      require "timeout"
      made = Ahoy::Client.new(lambda {
        begin
          Timeout.timeout(0.05) { sleep }
        rescue Timeout::Error
          hosts.first(1)
        end
      })
      made.balancer.update
      puts made.balancer.endpoints.size
    RUBY
    assert_equal "1\n", out
  end

  # A file that waits at a gate at its second read.
  class Gated < StringIO
    attr_reader :entered, :gate, :reads

    def initialize(text)
      super
      @entered, @gate, @reads = Thread::Queue.new, Thread::Queue.new, 0
    end

    def read(*)
      (@entered << true) && @gate.pop if (@reads += 1) == 2
      super
    end
  end

  # A call whose body's second read runs when it is killed.
  def killed(made, io)
    Thread.new { made.post("/body", io) }.tap do |calling|
      io.entered.pop
      calling.kill
    end
  end

  def test_no_read_outlasts_its_call
    made = client(hosts[0])
    text = "x" * 1_000_000
    10.times do
      io = Gated.new(text)
      calling = killed(made, io)
      refute calling.join(0.05), "a read runs"
      io.gate << true
      calling.join
      assert_equal 2, io.reads
      io.rewind
      assert_equal text, made.post("/body", io).body
    end
  end

  # Where it lasts, it is the last one.
  def test_a_read_without_an_end_holds_its_call_for_a_second
    io = Gated.new("x" * 1_000_000)
    begun = now
    killed(made = client(hosts[0]), io).join
    assert_includes 0.9..5, now - begun
    io.gate << true
    eventually { io.pos == 131_072 }
    assert_equal "hello", made.get("/ok").body
    assert_equal 2, io.reads
  end

  def test_a_call_that_its_own_read_ends_does_not_wait_for_it
    source = ended = nil
    io = StringIO.new("abc")
    io.define_singleton_method(:read) { |*given| (ended = source.end) && super(*given) }
    source = Ahoy::Source.new(io)
    begun = now
    source.read(2)
    assert ended
    assert_operator now - begun, :<, 0.5
    assert_nil source.read(2)
  end

  def test_what_may_wait_is_read_by_nobody_after_its_call
    made = client(hosts[0])
    reader, writer = IO.pipe
    entered = Thread::Queue.new
    reader.define_singleton_method(:readpartial) { |*given| (entered << true) && super(*given) }
    writer << "first"
    calling = Thread.new { made.post("/body", reader) }
    2.times { entered.pop }
    calling.kill.join
    writer << "second"
    writer.close
    assert_equal "second", reader.read
  end
end
