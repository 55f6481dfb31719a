# frozen_string_literal: true

require "timeout"

module Ahoy
  # One request to one endpoint.
  Attempt = Struct.new(:url, :code, :http_status, :elapsed, :detail, :opened_circuit, :hedge, :ambiguous,
                       keyword_init: true) do
    def to_s
      "#{url}  #{detail.empty? ? http_status : detail}  #{(elapsed * 1000).round(1)} ms"
    end
  end

  # A call failed, or an argument was wrong. The message lists every attempt.
  class Error < StandardError
    # The status by name, such as AHOY_E_DEADLINE.
    attr_accessor :code
    # What was tried, in order: the first 64 are kept.
    attr_writer :attempts
    # The answer, where fail_on_status made an error of it.
    attr_accessor :response
    attr_writer :retryable, :ambiguous

    def attempts
      @attempts || []
    end

    # Whether the same call may well succeed later.
    def retryable?
      @retryable || false
    end

    # Whether the request may have been carried out.
    def ambiguous?
      @ambiguous || false
    end
  end

  class InvalidArgumentError < Error; end
  class UnknownOptionError < InvalidArgumentError; end
  class InUseError < Error; end
  class WouldDeadlockError < Error; end
  class ClosedError < Error; end
  class ForkedError < Error; end
  class UnsupportedError < Error; end
  class NoEndpointsError < Error; end
  class CircuitOpenError < NoEndpointsError; end
  class DiscoveryError < NoEndpointsError; end
  class ConnectError < Error; end
  class ResolveError < ConnectError; end
  class TLSError < ConnectError; end
  class ConnectionLostError < Error; end
  class ProtocolError < Error; end
  class TimeoutError < Error; end
  class ConnectTimeoutError < TimeoutError; end
  class DeadlineError < TimeoutError; end
  class CancelledError < Error; end
  class BodyTooLargeError < Error; end
  class StatusError < Error; end
  class OverloadedError < Error; end
  class BodySourceError < Error; end

  # Makes exceptions of the library's errors.
  module Errors
    CLASSES = {
      "AHOY_E_INVALID_ARGUMENT" => InvalidArgumentError, "AHOY_E_UNKNOWN_OPTION" => UnknownOptionError,
      "AHOY_E_IN_USE" => InUseError, "AHOY_E_WOULD_DEADLOCK" => WouldDeadlockError,
      "AHOY_E_CLOSED" => ClosedError, "AHOY_E_FORKED" => ForkedError,
      "AHOY_E_UNSUPPORTED" => UnsupportedError, "AHOY_E_DISCOVERY" => DiscoveryError,
      "AHOY_E_NO_ENDPOINTS" => NoEndpointsError, "AHOY_E_RESOLVE" => ResolveError, "AHOY_E_CONNECT" => ConnectError,
      "AHOY_E_CONNECT_TIMEOUT" => ConnectTimeoutError, "AHOY_E_TLS" => TLSError,
      "AHOY_E_CONNECTION_LOST" => ConnectionLostError, "AHOY_E_PROTOCOL" => ProtocolError,
      "AHOY_E_TIMEOUT" => TimeoutError, "AHOY_E_DEADLINE" => DeadlineError, "AHOY_E_CANCELLED" => CancelledError,
      "AHOY_E_BODY_TOO_LARGE" => BodyTooLargeError, "AHOY_E_HTTP_STATUS" => StatusError,
      "AHOY_E_OVERLOADED" => OverloadedError, "AHOY_E_BODY_SOURCE" => BodySourceError
    }.freeze

    module_function

    def raise_taken(pointer)
      raise take(pointer)
    end

    # That a call's limit passed here, and not in the library.
    def late
      DeadlineError.new("the call's time is over, and its body has not come whole").tap { |error| error.code = "AHOY_E_DEADLINE" }
    end

    # An ahoy_error as an exception; the handle is freed.
    def take(pointer)
      return Error.new("libahoy gave no reason") if pointer.null?

      read(pointer)
    ensure
      Native.ahoy_error_free(pointer)
    end

    def read(pointer)
      code = Native.ahoy_status_name(Native.ahoy_error_status(pointer))
      message = Native.ahoy_error_message(pointer).force_encoding(Encoding::UTF_8)
      error = class_of(code, message).new(message)
      error.code = code
      error.retryable = Native.ahoy_error_is_retryable(pointer)
      error.ambiguous = Native.ahoy_error_is_ambiguous(pointer)
      error.attempts = attempts(:ahoy_error_attempt_at, pointer)
      answer = Native.ahoy_error_response(pointer)
      error.response = Response.copied(answer) unless answer.null?
      error
    end

    def class_of(code, message)
      open = message.match?(/circuits are open|circuit of the one endpoint is open/)
      return CircuitOpenError if code == "AHOY_E_NO_ENDPOINTS" && open

      CLASSES.fetch(code, Error)
    end

    # Those that an ahoy_response or ahoy_error has kept, which may be fewer than it counts.
    def attempts(attempt_at, owner)
      (0..).each_with_object([]) do |index, found|
        pointer = Native.public_send(attempt_at, owner, index)
        break found if pointer.null?

        found << attempt(pointer)
      end
    end

    def attempt(pointer)
      Attempt.new(
        url: Native.ahoy_attempt_url(pointer),
        code: Native.ahoy_status_name(Native.ahoy_attempt_status(pointer)),
        http_status: Native.ahoy_attempt_http_status(pointer),
        elapsed: Native.ahoy_attempt_elapsed_us(pointer) / 1e6,
        detail: Native.ahoy_attempt_detail(pointer),
        opened_circuit: Native.ahoy_attempt_opened_circuit(pointer),
        hedge: Native.ahoy_attempt_is_hedge(pointer),
        ambiguous: Native.ahoy_attempt_is_ambiguous(pointer)
      )
    end
  end
end
