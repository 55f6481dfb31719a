# frozen_string_literal: true

require_relative "support"

# The behaviour suite of all bindings: bindings/suite/scenarios.json.
class TestSuite < Minitest::Test
  include Served

  SCENARIOS = JSON.parse(File.read(File.expand_path("../../suite/scenarios.json", __dir__)))

  SCENARIOS.each do |scenario|
    next if scenario.fetch("skip", {}).key?("ruby")

    define_method("test_#{scenario['name'].tr(' ', '_')}") { play(scenario, Served.start(scenario["servers"])) }
  end

  def play(scenario, hosts)
    config = { "hosts" => hosts, "timeout" => "5s" }.merge(scenario.fetch("config", {}))
    unless scenario["calls"]
      error = assert_raises(Ahoy::Error) { Ahoy::Client.new(config: config) }
      return assert_equal scenario["expect"]["code"], error.code
    end
    Ahoy::Client.open(config: config) do |client|
      scenario["calls"].each do |call|
        call.fetch("repeat", 1).times do
          got = made(client, call)
          assert_equal call["expect"], got.slice(*call["expect"].keys), got
        end
      end
    end
  end

  def made(client, call)
    path = call["path"].sub("$unique", rand(2**60).to_s)
    limit = call["timeout_ms"]&./(1000.0)
    response = client.request(call.fetch("method", "GET"), path, body: call["body"], timeout: limit)
    { "status" => response.status, "body" => response.body.force_encoding("UTF-8"), "attempts" => response.attempts.size }
  rescue Ahoy::Error => e
    { "code" => e.code, "ambiguous" => e.ambiguous?, "attempts" => e.attempts.size }
  end
end
