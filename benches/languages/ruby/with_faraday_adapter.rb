# Faraday on libahoy's adapter.

require "ahoy/faraday"
require "json"

class Orders
  def initialize(hosts)
    @faraday = Faraday.new("http://orders", request: { timeout: 2 }) do |f|
      f.response :raise_error
      f.adapter :ahoy, hosts: hosts
    end
  end

  def orders
    JSON.parse(@faraday.get("/orders").body)
  end

  def close
    @faraday.close
  end
end
