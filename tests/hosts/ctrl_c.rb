# Ctrl-C in the middle of a call that hangs: prints how many milliseconds it took to be noticed.
#
#     ctrl_c.rb get|wait OK_PORT HANG_PORT
require_relative "ahoy"

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_millisecond)
end

must = ->(condition, what) { condition or abort what }
client = Ahoy.client(Integer(ARGV[1]))
hanging = Ahoy.client(Integer(ARGV[2]))
must.call(Ahoy.get(client, "/") == 200, "warm")
sent = now + 275
killer = fork do
  sleep 0.275
  Process.kill(:INT, Process.ppid)
  exit! 0
end
begin
  if ARGV[0] == "get"
    Ahoy.get(hanging, "/")
  else
    status = Ahoy.wait(Ahoy.start(hanging, "/"))
    Thread.pass
    abort "ended with #{status} and no interrupt"
  end
  abort "answered?"
rescue Interrupt
  late = now - sent
end
Process.waitpid(killer)
must.call(late < 1500, "after #{late} ms")
must.call(Ahoy.get(client, "/") == 200, "the client works on")
warn "noticed after about #{late.round} ms" if ENV["AHOY_FIGURES"]
puts "well"
