# frozen_string_literal: true

module Ahoy
  # Something that befell a client's service: a circuit that opened, an endpoint that left. kind is a number for ever, see
  # docs/events.md; text says all of it in one sentence; endpoint is nil where it concerns none.
  Event = Struct.new(:kind, :time, :endpoint, :text, keyword_init: true) do
    # What an ahoy_event says, which goes with the call that brought it.
    def self.read(pointer)
      endpoint = Native.ahoy_event_endpoint_url(pointer)
      new(kind: Native.ahoy_event_kind(pointer), time: Time.at(0, Native.ahoy_event_time_ms(pointer), :millisecond),
          endpoint: endpoint.to_s.empty? ? nil : endpoint, text: Native.ahoy_event_text(pointer))
    end
  end
end
