# A service in Sinatra that calls another service, over whose hosts it balances:
#
#     ORDERS=10.0.0.7:80,10.0.0.8:80 ruby -Ibindings/ruby/lib examples-ruby/orders_sinatra.rb -p 4567
#
# In Puma with preload_app! the client is made before the fork: each worker makes connections of its own.
require "ahoy"
require "sinatra"

ORDERS = Ahoy::Client.new(ENV.fetch("ORDERS").split(","), timeout: 2)

get "/customers/:number" do |number|
  # The inbound request's limit, if it has one, is that of the call as well.
  limit = Float(request.env.fetch("HTTP_X_TIMEOUT", 2))
  answer = ORDERS.get("/orders", params: { customer: number }, timeout: limit).raise_for_status
  content_type :json
  JSON.generate({ customer: Integer(number) }.merge(answer.json))
end

get "/metrics" do
  content_type "application/openmetrics-text; version=1.0.0; charset=utf-8"
  ORDERS.metrics
end

set :show_exceptions, false

error Ahoy::Error do |failure|
  logger.warn(failure.message)
  content_type :json
  halt failure.is_a?(Ahoy::TimeoutError) ? 504 : 502, JSON.generate(error: failure.code)
end
