# frozen_string_literal: true

require "json"
require "uri"

module Ahoy
  # A request made ready for the library.
  class Request
    attr_reader :handle, :method, :path
    # What the body raised while it was drawn.
    attr_reader :raised

    # Headers as pairs of texts; several values of a name may be an array.
    def self.fields(headers)
      headers ||= {}
      raise TypeError, "headers are a hash or pairs, and not #{headers.inspect}" unless headers.respond_to?(:flat_map)

      headers.flat_map { |name, values| Array(values).map { |value| [name.to_s, value.to_s] } }
    end

    def initialize(method, path, params: nil, headers: nil, body: nil, json: nil, form: nil, timeout: nil,
                   attempt_timeout: nil, idempotent: nil, criticality: nil, group: nil, hash_key: nil, length: nil, streamed: false)
      if [body, json, form].compact.size > 1
        raise ArgumentError, "a request has one of body, json and form"
      end

      @method, @streamed = method.to_s.upcase, streamed
      @raised = []
      @path = with_params(path, params)
      @handle = Native.take(:ahoy_request_new, :ahoy_request_free, @method, @path)
      add_headers(headers, json, form)
      set(:timeout_ms, timeout && Native.milliseconds("timeout", timeout))
      set(:attempt_timeout_ms, attempt_timeout && Native.milliseconds("attempt_timeout", attempt_timeout))
      set(:idempotent, Native.flag("idempotent", idempotent))
      set(:criticality, criticality && Native.given("criticality", criticality, Integer, "a number from 0 to 3"))
      set(:group, group&.to_s)
      set(:streamed, true) if streamed
      hash_key = hash_key&.to_s&.b # bytes, and no text
      Native.check(:ahoy_request_set_hash_key, @handle, hash_key, hash_key.bytesize) if hash_key
      @length = length && Native.given("length", length, ->(one) { one.is_a?(Integer) && one.between?(0, 2**64 - 2) }, "a number of bytes")
      # Last, for it may open a file.
      self.body = json.nil? ? (form ? URI.encode_www_form(form) : body) : JSON.generate(json)
    end

    # Sends it in a block. The body of one whose answer is streamed may still be sent afterwards, until it is done.
    def lent
      @source&.begin(@handle)
      answered = yield
    ensure
      done unless answered && @streamed
    end

    # Lets go of what it has, which Ruby does not see, and may leave to its next collection for long. A read that lasts may
    # still tell it of what came.
    def done
      quiet = @source.nil? || @source.end
    ensure
      @handle.free if quiet
      @opened&.close
    end

    private

    def set(name, value)
      Native.check(:"ahoy_request_set_#{name}", @handle, value) unless value.nil?
    end

    def with_params(path, params)
      path = path.to_s if path.is_a?(URI::Generic)
      raise TypeError, "a path is text, and not #{path.inspect}" unless path.is_a?(String)

      path = path.sub(/#.*\z/m, "").gsub(/[^!$%&'()*+,\-.\/0-9:;=?@A-Z\[\]_a-z~]/) do |char|
        char.bytes.map { |byte| format("%%%02X", byte) }.join
      end
      return path if params.nil?
      raise TypeError, "params are a hash, pairs or text, and not #{params.inspect}" unless params.respond_to?(:empty?)
      return path if params.empty?

      query = params.is_a?(String) ? params : URI.encode_www_form(params)
      "#{path}#{path.include?('?') ? '&' : '?'}#{query}"
    end

    def add_headers(headers, json, form)
      fields = Request.fields(headers)
      type = "application/json" unless json.nil?
      type ||= "application/x-www-form-urlencoded" if form
      fields << ["content-type", type] if type && fields.none? { |name, _| name.casecmp?("content-type") }
      fields.each { |name, value| Native.check(:ahoy_request_add_header, @handle, name, value) }
    end

    # A string; what can be read is drawn while it is sent, and so is the file of a path; any other collection of strings is
    # joined.
    def body=(body)
      return if body.nil?

      # What has a `read` may be no stream: that of a Pathname, or of File itself, reads from the begin each time.
      stream = body.respond_to?(:eof?) || !body.respond_to?(:open)
      return attach(@opened = File.open(body, "rb")) if !stream && body.respond_to?(:to_path)
      return attach(body) if stream && body.respond_to?(:read)

      if body.is_a?(Hash) || !body.respond_to?(:each) && !body.is_a?(String)
        raise TypeError, "a body is text, an IO or texts, and not #{body.class}; json: and form: send values"
      end

      # Bytes and text may be mixed.
      bytes = body.is_a?(String) ? body : body.to_enum.to_a.flatten.map { |piece| piece.to_s.b }.join
      FFI::MemoryPointer.new(:uint8, [bytes.bytesize, 1].max) do |memory|
        memory.put_bytes(0, bytes.b)
        Native.check(:ahoy_request_set_body, @handle, memory, bytes.bytesize)
      end
    end

    def attach(io)
      source = @source = Source.waits?(io) ? SourceAhead.new(io) : Source.new(io)
      function, token, let_go = Callbacks.body(source, @raised)
      again = source.again? ? Callbacks.rewind(source, token) : nil
      Native.check(:ahoy_request_set_body_source, @handle, function, again, token, let_go,
                   @length || source.length || 2**64 - 1)
    end
  end
end
