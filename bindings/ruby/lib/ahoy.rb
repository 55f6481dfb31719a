# frozen_string_literal: true

# A resilient HTTP client for services on several hosts, by libahoy.
#
#   Ahoy::Client.open(["10.0.0.7:80", "10.0.0.8:80"], timeout: 2) do |client|
#     puts client.get("/orders").body
#   end
module Ahoy
end

require_relative "ahoy/version"
require_relative "ahoy/interrupts"
require_relative "ahoy/native"
require_relative "ahoy/errors"
require_relative "ahoy/event"
require_relative "ahoy/callbacks"
require_relative "ahoy/balancer"
require_relative "ahoy/request"
require_relative "ahoy/source"
require_relative "ahoy/response"
require_relative "ahoy/event_reader"
require_relative "ahoy/streamed_response"
require_relative "ahoy/waiter"
require_relative "ahoy/client"
