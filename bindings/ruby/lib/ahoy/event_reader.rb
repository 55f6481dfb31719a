# frozen_string_literal: true

module Ahoy
  # Server-sent events out of their lines, as the HTML standard reads them.
  class EventReader
    def initialize
      @begun = false
      @id = nil
      reset
    end

    # Takes a line; the event that it ends as its name, data and id, or nil.
    def line(line)
      line = line.delete_prefix("\uFEFF") unless @begun
      @begun = true
      return finish if line.empty?

      field, _, value = line.partition(":")
      keep(field, value.delete_prefix(" "))
      nil
    end

    private

    def keep(field, value)
      case field
      when "data" then @data << value
      when "event" then @name = value
      when "id" then @id = value unless value.include?("\0")
      end
    end

    def finish
      event = [@name.empty? ? "message" : @name, @data.join("\n"), @id] unless @data.empty?
      reset
      event
    end

    def reset
      @name, @data = "", []
    end
  end
end
