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

    # What was tried until this answer came: the first 64 are kept.
    def attempts
      @attempts ||= Errors.attempts(:ahoy_response_attempt_at, @handle)
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
end
