# libahoy's own client.

require "ahoy"

class Orders
  def initialize(hosts)
    @client = Ahoy::Client.new(hosts, timeout: 2)
  end

  def orders
    @client.get("/orders").raise_for_status.json
  end

  def close
    @client.close
  end
end
