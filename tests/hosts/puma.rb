# A server that preloads its application, as Puma does with `preload_app!`: the client is made and used, then
# workers are forked that use it on several threads, are replaced, and are told to end.
#
#     puma.rb OK_PORT HANG_PORT
require "io/wait"
require_relative "ahoy"

WORKERS = 4
THREADS = 3
CALLS = 20

def must(what, got, wanted)
  return if got == wanted

  warn "#{what}: #{got.inspect}, not #{wanted.inspect}"
  exit! 1
end

def ends_well(pid)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 15
  until Process.waitpid(pid, Process::WNOHANG)
    if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
      Process.kill(:KILL, pid)
      abort "a worker hangs"
    end
    sleep 0.005
  end
  must("a worker's end", $?.success?, true)
end

client = Ahoy.client(Integer(ARGV[0]))
hanging = Ahoy.client(Integer(ARGV[1]))
must("preload", Ahoy.get(client, "/preload"), 200)
in_flight = Ahoy.start(hanging, "/in-flight")
busy = Thread.new { Ahoy.wait(Ahoy.start(hanging, "/busy")) }

work = lambda do
  must("the parent's call", Ahoy.wait(in_flight), "AHOY_E_FORKED")
  threads = THREADS.times.map do
    Thread.new { CALLS.times { must("a call", Ahoy.get(client, "/work"), 200) } }
  end
  threads.each(&:join)
  must("a started call", Ahoy.wait(Ahoy.start(client, "/work")), 200)
end

# Workers that leave in the orderly way, finalizers and all.
2.times do
  workers = WORKERS.times.map { fork { work.call } }
  must("the parent meanwhile", Ahoy.get(client, "/parent"), 200)
  workers.each { |pid| ends_well(pid) }
end

# A worker that is told to end in the middle of a call, by the handler that Puma's workers have.
reader, writer = IO.pipe
pid = fork do
  Signal.trap(:TERM) { exit 0 }
  work.call
  writer.write "r"
  Ahoy.get(hanging, "/hang")
end
reader.wait(15) or abort "the worker is not ready"
sleep 0.05
Process.kill(:TERM, pid)
ends_well(pid)

# A worker that forks again, as with `fork_worker`.
pid = fork do
  work.call
  ends_well(fork { work.call })
  must("the first worker goes on", Ahoy.get(client, "/work"), 200)
end
ends_well(pid)

must("the parent in the end", Ahoy.get(client, "/parent"), 200)
Ahoy.ahoy_call_free(in_flight)
busy.kill
puts "well"
