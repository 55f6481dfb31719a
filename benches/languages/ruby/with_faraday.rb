# Faraday with the adapter that comes with it, Net::HTTP, and what has to be written around it.

require "faraday"
require "json"

class Orders
  def initialize(hosts)
    @hosts = hosts
    @turn = -1
    @out_until = {}
    @lock = Mutex.new
    @connections = hosts.to_h { |host| [host, Faraday.new("http://#{host}") { |f| f.response :raise_error; f.adapter :net_http }] }
  end

  def choose(tried)
    @lock.synchronize do
      left = @hosts - tried
      left = @hosts if left.empty?
      well = left.select { |host| @out_until.fetch(host, 0) <= now }
      well = left if well.empty?
      well[(@turn += 1) % well.size]
    end
  end

  def orders
    deadline = now + 2
    tried = []
    failure = nil
    while tried.size < 3 && (left = deadline - now).positive?
      tried << (host = choose(tried))
      begin
        return JSON.parse(@connections[host].get("/orders") { |request| request.options.timeout = left }.body)
      rescue Faraday::ServerError, Faraday::ConnectionFailed, Faraday::TimeoutError => e
        failure = e
        @lock.synchronize { @out_until[host] = now + 1 }
      end
    end
    raise failure || Faraday::TimeoutError
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def close
    @connections.each_value(&:close)
  end
end
