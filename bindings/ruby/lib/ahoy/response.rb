# frozen_string_literal: true

require "json"

module Ahoy
  # An answer with its whole body. It stays valid when its client is closed.
  class Response
    attr_reader :status

    # The answer that an error holds, which ends with the error: a copy.
    def self.copied(pointer)
      response = allocate
      response.send(:copy, pointer)
      response
    end

    def initialize(handle, path)
      @handle = handle
      @path = path
      @status = Native.ahoy_response_status(handle)
    end

    def ok?
      status < 400
    end

    # What the status is called, such as "Not Found".
    def reason
      require "net/http/status" # which loads all of net/http
      Net::HTTP::STATUS_CODES.fetch(status, "")
    end

    # A field by its name, whose case does not count: what headers has.
    def [](name)
      headers[name.to_s.downcase]
    end

    # The fields by lower-case name; of repeated ones the values joined by ", ".
    def headers
      @headers ||= fields.each_with_object({}) do |(name, value), found|
        name = name.downcase
        found[name] = found.key?(name) ? "#{found[name]}, #{value}" : value
      end
    end

    # The fields as they came.
    def fields
      @fields ||= (0...Native.ahoy_response_header_count(@handle)).map do |index|
        [Native.ahoy_response_header_name_at(@handle, index), Native.ahoy_response_header_value_at(@handle, index)]
      end
    end

    # The body, in the charset that content-type names, or as bytes.
    def body
      @body ||= begin
        length = FFI::MemoryPointer.new(:size_t)
        bytes = Native.ahoy_response_body(@handle, length)
        bytes.read_bytes(length.read(:size_t)).force_encoding(encoding)
      end
    end
    alias to_s body

    def json(**options)
      JSON.parse(body.dup.force_encoding(Encoding::UTF_8), **options)
    end

    # The endpoint that answered.
    def endpoint
      @endpoint ||= Native.ahoy_response_endpoint_url(@handle)
    end

    # The URL that was asked for, at the endpoint that answered; nil for the answer that an error holds.
    def url
      @path&.start_with?("/") ? endpoint + @path : @path
    end

    # What was tried until this answer came.
    def attempts
      @attempts ||= (0...Native.ahoy_response_attempt_count(@handle)).map do |index|
        Errors.attempt(Native.ahoy_response_attempt_at(@handle, index))
      end
    end

    # Raises StatusError for a status of 400 or above.
    def raise_for_status
      return self if ok?

      error = StatusError.new("#{endpoint} answered #{status} #{reason}".rstrip)
      error.code = "AHOY_E_HTTP_STATUS"
      error.response = self
      raise error
    end

    def inspect
      "#<Ahoy::Response #{status}>"
    end

    # For Marshal, which goes through the errors that raise_for_status raises; the handle stays here.
    def marshal_dump
      [status, fields, body, endpoint, attempts, @path]
    end

    def marshal_load(parts)
      @status, @fields, @body, @endpoint, @attempts, @path = parts
    end

    private

    def encoding
      name = headers.fetch("content-type", "")[/charset="?([\w-]+)/i, 1]
      name && Encoding.find(name) || Encoding::BINARY # "internal" is found as nil
    rescue ArgumentError
      Encoding::BINARY
    end

    def copy(pointer)
      @handle = pointer
      @status = Native.ahoy_response_status(pointer)
      body
      endpoint
      @attempts = []
      @handle = nil
    end
  end

  # An answer whose body is read while it comes.
  class StreamedResponse < Response
    include Enumerable

    PIECE = 65_536

    def initialize(handle, path, sent)
      super(handle, path)
      @sent = sent
    end

    # Yields the pieces of the body as they come.
    def each
      return to_enum unless block_given?

      buffer = FFI::MemoryPointer.new(:uint8, PIECE)
      length = FFI::MemoryPointer.new(:size_t)
      ended = FFI::MemoryPointer.new(:bool)
      loop do
        reading { |handle| Native.check(:ahoy_response_read, handle, buffer, PIECE, 0, length, ended) }
        count = length.read(:size_t)
        yield buffer.read_bytes(count) if count.positive?
        break if ended.read(:bool)

        wait if count.zero?
      end
    end

    alias each_chunk each

    # Yields the lines of the body as they come, without their ends.
    def each_line(&block)
      return to_enum(:each_line) unless block

      each_line_of_body(&block)
    end

    # Yields server-sent events, as the HTML standard reads them: their name, data and id.
    def each_event
      return to_enum(:each_event) unless block_given?

      name, data, id, first = "", [], nil, true
      each_line_of_body do |line|
        line = line.delete_prefix("\uFEFF") if first
        first = false
        if line.empty?
          yield name.empty? ? "message" : name, data.join("\n"), id unless data.empty?
          name, data = "", []
          next
        end
        field, _, value = line.partition(":")
        value = value.delete_prefix(" ")
        case field
        when "data" then data << value
        when "event" then name = value
        when "id" then id = value unless value.include?("\0")
        end
      end
    end

    # What is left of the body.
    def read
      to_a.join
    end
    alias body read
    alias to_s read

    # Ends the exchange; the server sees the connection close if the body is not whole.
    def close
      headers
      endpoint
      attempts
      handle, @handle = @handle, nil
      handle&.free unless @reading
      @sent.done
    end

    private

    # Waits until there is something to read.
    def wait
      Waiter.use do |waiter|
        waiter.readable do |queue, tag|
          reading { |handle| Native.check(:ahoy_response_notify, handle, queue, tag) }
        end
      end
    rescue Error => e
      raise @handle ? e : closed
    end

    def closed
      ClosedError.new("the response is closed").tap { |error| error.code = "AHOY_E_CLOSED" }
    end

    # Gives the handle to a call of the library, which runs without Ruby's lock: a close in another thread leaves it to be
    # freed here.
    def reading
      @reading = true
      handle = @handle or raise closed
      yield handle
    ensure
      @reading = false
      handle.free if handle && @handle.nil?
    end

    def each_line_of_body
      begun, after_cr = [], false
      each do |piece|
        # A CR at the end of a piece ends its line, also where the LF of a CR LF follows.
        piece = piece.byteslice(1..) if after_cr && piece.start_with?("\n")
        after_cr = piece.end_with?("\r")
        first, *others = piece.split(/\r\n|\n|\r/, -1)
        # The pieces of a line are joined once, at its end: a long one has many.
        begun << first if first
        others.each do |other|
          line, begun = begun.join, [other]
          yield line.force_encoding(Encoding::UTF_8)
        end
      end
      rest = begun.join
      yield rest.force_encoding(Encoding::UTF_8) unless rest.empty?
    end
  end
end
