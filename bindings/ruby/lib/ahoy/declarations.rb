# frozen_string_literal: true

# Made from include/ahoy.json by bindings/generate.py.
module Ahoy
  module Native
    AHOY_FOREVER = 18446744073709551615
    AHOY_OK = 0
    AHOY_E_INVALID_ARGUMENT = 100
    AHOY_E_IN_USE = 101
    AHOY_E_UNKNOWN_OPTION = 102
    AHOY_E_WOULD_DEADLOCK = 103
    AHOY_E_CLOSED = 104
    AHOY_E_UNSUPPORTED = 105
    AHOY_E_DISCOVERY = 200
    AHOY_E_NO_ENDPOINTS = 201
    AHOY_E_RESOLVE = 202
    AHOY_E_CONNECT = 300
    AHOY_E_CONNECT_TIMEOUT = 301
    AHOY_E_TLS = 302
    AHOY_E_CONNECTION_LOST = 303
    AHOY_E_PROTOCOL = 304
    AHOY_E_TIMEOUT = 400
    AHOY_E_DEADLINE = 401
    AHOY_E_CANCELLED = 402
    AHOY_E_INTERRUPTED = 403
    AHOY_E_BODY_TOO_LARGE = 500
    AHOY_E_HTTP_STATUS = 501
    AHOY_E_OVERLOADED = 600
    AHOY_E_FORKED = 601
    AHOY_E_HOOK_REFUSED = 602
    AHOY_E_BODY_SOURCE = 603
    AHOY_E_INTERNAL = 900
    AHOY_SCHEME_HTTP = 1
    AHOY_SCHEME_HTTPS = 2
    AHOY_LIST_NONE = 0
    AHOY_LIST_CURRENT = 1
    AHOY_LIST_LAST = 2
    AHOY_LIST_STALE = 3
    AHOY_LIST_REFUSED = 4
    AHOY_CIRCUIT_CLOSED = 0
    AHOY_CIRCUIT_OPEN = 1
    AHOY_CIRCUIT_HALF_OPEN = 2
    AHOY_REASON_AVAILABLE = 0
    AHOY_REASON_CIRCUIT_OPEN = 1
    AHOY_REASON_CIRCUIT_HALF_OPEN = 2
    AHOY_REASON_OPENED_BY_HAND = 3
    AHOY_REASON_DRAINED = 4
    AHOY_REASON_EJECTED = 5
    AHOY_REASON_CHECK_FAILING = 6
    AHOY_REASON_WEIGHT_ZERO = 7
    AHOY_REASON_WARMING = 8
    AHOY_REASON_OTHER_LOCALITY = 9
    AHOY_REASON_FULL = 10
    AHOY_REASON_DEPARTED = 11
    AHOY_RETRY_ON_CONNECT = 1
    AHOY_RETRY_ON_CONNECT_TIMEOUT = 2
    AHOY_RETRY_ON_TIMEOUT = 4
    AHOY_RETRY_ON_LOST_UNSENT = 8
    AHOY_RETRY_ON_LOST_SENT = 16
    AHOY_RETRY_ON_STATUS = 32
    AHOY_RETRY_ON_REFUSED_STREAM = 64
    AHOY_RETRY_ON_ALL = 127
    AHOY_HTTP2_OFF = 0
    AHOY_HTTP2_ALPN = 1
    AHOY_HTTP2_PRIOR_KNOWLEDGE = 2
    AHOY_COMMIT_HEAD = 0
    AHOY_COMMIT_FIRST_BYTE = 1
    AHOY_RESOLVER_DNS = 0
    AHOY_RESOLVER_SYSTEM = 1
    AHOY_TRACE_OFF = 0
    AHOY_TRACE_PASS_ON = 1
    AHOY_TRACE_START = 2
    AHOY_TRACE_START_SAMPLED = 3
    AHOY_LOG_ERROR = 1
    AHOY_LOG_WARN = 2
    AHOY_LOG_INFO = 3
    AHOY_LOG_DEBUG = 4
    AHOY_CLASSIFY_DEFAULT = 0
    AHOY_CLASSIFY_SUCCESS = 1
    AHOY_CLASSIFY_RETRYABLE_FAILURE = 2
    AHOY_CLASSIFY_FINAL_FAILURE = 3
    AHOY_CLASSIFY_IGNORED = 4
    AHOY_WIRE_OPENED = 1
    AHOY_WIRE_HEAD_SENT = 2
    AHOY_WIRE_BODY_SENT = 3
    AHOY_WIRE_HEAD_RECEIVED = 4
    AHOY_WIRE_BODY_RECEIVED = 5
    AHOY_WIRE_FRAME_SENT = 6
    AHOY_WIRE_FRAME_RECEIVED = 7
    AHOY_CRITICAL_PLUS = 0
    AHOY_CRITICAL = 1
    AHOY_SHEDDABLE_PLUS = 2
    AHOY_SHEDDABLE = 3
    AHOY_BODY_END = 0
    AHOY_BODY_DATA = 1
    AHOY_BODY_NOT_READY = 2
    AHOY_BODY_FAILED = 3
    AHOY_UNKNOWN_LENGTH = 18446744073709551615
    AHOY_FAULT_DELAY = 1
    AHOY_FAULT_ABORT = 2
    AHOY_FAULT_RESET = 4
    AHOY_PHASE_WAIT = 0
    AHOY_PHASE_RESOLVE = 1
    AHOY_PHASE_CONNECT = 2
    AHOY_PHASE_TLS = 3
    AHOY_PHASE_FIRST_BYTE = 4
    AHOY_PHASE_BODY = 5
    AHOY_METRIC_COUNTER = 0
    AHOY_METRIC_GAUGE = 1
    AHOY_METRIC_HISTOGRAM = 2
    AHOY_FORMAT_OPENMETRICS = 0
    AHOY_FORMAT_PROMETHEUS = 1
    AHOY_EVENT_CIRCUIT_OPENED = 1
    AHOY_EVENT_CIRCUIT_HALF_OPENED = 2
    AHOY_EVENT_CIRCUIT_CLOSED = 3
    AHOY_EVENT_EJECTED = 4
    AHOY_EVENT_RETURNED = 5
    AHOY_EVENT_CHECK_FAILED = 6
    AHOY_EVENT_CHECK_PASSED = 7
    AHOY_EVENT_DRAINED = 8
    AHOY_EVENT_RESUMED = 9
    AHOY_EVENT_LIST_CHANGED = 10
    AHOY_EVENT_SOURCE_FAILING = 11
    AHOY_EVENT_SOURCE_WELL = 12
    AHOY_EVENT_BUDGET_EMPTY = 13
    AHOY_EVENT_BUDGET_FILLED = 14
    AHOY_EVENT_OVERLOAD_ENTERED = 15
    AHOY_EVENT_OVERLOAD_LEFT = 16
    AHOY_EVENT_PANIC_ENTERED = 17
    AHOY_EVENT_PANIC_LEFT = 18
    AHOY_EVENT_HOLDING_BACK = 19
    AHOY_EVENT_HOLDING_ENDED = 20
    AHOY_OPENED_UNREACHABLE = 1
    AHOY_OPENED_BY_ANSWERS = 2
    AHOY_OPENED_BY_HANG = 3
    AHOY_OPENED_BY_PROBE = 4
    AHOY_OPENED_BY_HAND = 5
    AHOY_EJECTED_BY_SUCCESS_RATE = 1
    AHOY_EJECTED_BY_FAILURE_SHARE = 2
    AHOY_EJECTED_BY_RUN = 3
    AHOY_FIELD_REASON = 1
    AHOY_FIELD_OLD_STATE = 2
    AHOY_FIELD_NEW_STATE = 3
    AHOY_FIELD_UNTIL_MS = 4
    AHOY_FIELD_KNOWN = 5
    AHOY_FIELD_JOINED = 6
    AHOY_FIELD_LEFT = 7
    AHOY_FIELD_AGE_MS = 8

    callback :ahoy_destroy_fn, [:pointer], :void
    callback :ahoy_provider_fn, [:pointer, :pointer], :int32
    callback :ahoy_random_fn, [:pointer, :uint64], :uint64
    callback :ahoy_balancer_fn, [:pointer, :size_t], :size_t
    callback :ahoy_request_fn, [:pointer, :pointer], :int32
    callback :ahoy_response_fn, [:pointer, :pointer], :void
    callback :ahoy_error_fn, [:pointer, :pointer], :void
    callback :ahoy_should_stop_fn, [:pointer], :bool
    callback :ahoy_log_fn, [:pointer, :int32, :string, :string], :void
    callback :ahoy_classify_fn, [:pointer, :pointer], :int32
    callback :ahoy_call_end_fn, [:pointer, :int32, :pointer, :pointer], :void
    callback :ahoy_key_log_fn, [:pointer, :string], :void
    callback :ahoy_wire_fn, [:pointer, :uint64, :int32, :pointer, :size_t], :void
    callback :ahoy_body_fn, [:pointer, :pointer, :size_t, :pointer], :int32
    callback :ahoy_body_rewind_fn, [:pointer], :bool
    callback :ahoy_readable_fn, [:pointer], :void
    callback :ahoy_done_fn, [:pointer, :int32, :pointer, :pointer], :void
    callback :ahoy_sample_fn, [:pointer, :pointer], :void
    callback :ahoy_event_fn, [:pointer, :pointer], :void

    lazily :ahoy_version, [], :string
    lazily :ahoy_version_number, [], :uint32
    lazily :ahoy_status_name, [:int32], :string
    lazily :ahoy_callbacks_stop, [:uint64, :pointer], :int32, blocking: true
    lazily :ahoy_error_status, [:pointer], :int32
    lazily :ahoy_error_message, [:pointer], :string
    lazily :ahoy_error_is_retryable, [:pointer], :bool
    lazily :ahoy_error_is_ambiguous, [:pointer], :bool
    lazily :ahoy_error_attempt_count, [:pointer], :size_t
    lazily :ahoy_error_user_data, [:pointer], :pointer
    lazily :ahoy_error_elapsed_us, [:pointer], :uint64
    lazily :ahoy_error_attempt_at, [:pointer, :size_t], :pointer
    lazily :ahoy_error_response, [:pointer], :pointer
    lazily :ahoy_error_free, [:pointer], :void
    lazily :ahoy_text_bytes, [:pointer, :pointer], :string
    lazily :ahoy_text_free, [:pointer], :void
    lazily :ahoy_host_new, [:string, :uint16], :pointer
    lazily :ahoy_host_set_weight, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_host_set_zone, [:pointer, :string, :pointer], :int32
    lazily :ahoy_host_set_priority, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_host_set_scheme, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_host_set_authority, [:pointer, :string, :pointer], :int32
    lazily :ahoy_host_set_server_name, [:pointer, :string, :pointer], :int32
    lazily :ahoy_host_free, [:pointer], :void
    lazily :ahoy_balancer_wait_ready, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_list_state, [:pointer], :int32, blocking: true
    lazily :ahoy_balancer_list_age_ms, [:pointer], :uint64, blocking: true
    lazily :ahoy_balancer_list_error, [:pointer], :pointer, blocking: true
    lazily :ahoy_provider_from_url, [:string, :pointer, :pointer], :int32
    lazily :ahoy_provider_set, [:pointer, :string, :string, :pointer], :int32, blocking: true
    lazily :ahoy_provider_first_new, [], :pointer
    lazily :ahoy_provider_merge_new, [], :pointer
    lazily :ahoy_provider_add_part, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_provider_describe, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_provider_list_new, [], :pointer
    lazily :ahoy_provider_list_add, [:pointer, :string, :uint16, :pointer], :int32, blocking: true
    lazily :ahoy_provider_list_add_host, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_provider_list_replace, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_hosts_new, [], :pointer
    lazily :ahoy_hosts_free, [:pointer], :void
    lazily :ahoy_provider_custom_new, [:pointer, :pointer, :pointer], :pointer
    lazily :ahoy_hosts_add, [:pointer, :string, :uint16, :pointer], :int32
    lazily :ahoy_hosts_add_host, [:pointer, :pointer, :pointer], :int32
    lazily :ahoy_provider_free, [:pointer], :void, blocking: true
    lazily :ahoy_balancer_round_robin_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_random_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_random_set_function, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_custom_new, [:pointer, :pointer, :pointer, :pointer], :pointer, blocking: true
    lazily :ahoy_balancer_set_breaker, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_pick, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_update, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_add_endpoint, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_remove_endpoint, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_endpoint_count, [:pointer], :size_t, blocking: true
    lazily :ahoy_balancer_endpoint_at, [:pointer, :size_t, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_free, [:pointer], :void, blocking: true
    lazily :ahoy_balancer_smooth_weighted_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_p2c_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_peak_ewma_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_least_request_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_set_choices, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_load_header, [:pointer, :string, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_ring_hash_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_maglev_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_rendezvous_new, [:pointer], :pointer, blocking: true
    lazily :ahoy_balancer_set_ring_size, [:pointer, :uint32, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_table_size, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_bounded_load, [:pointer, :double, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_hash_header, [:pointer, :string, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_hash_cookie, [:pointer, :string, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_slow_start, [:pointer, :uint64, :double, :double, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_panic_threshold, [:pointer, :double, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_zone, [:pointer, :string, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_subset, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_deterministic_subset, [:pointer, :uint32, :uint32, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_use_resilient_profile, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_metrics_endpoints, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_max_in_flight, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set, [:pointer, :string, :string, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_prequal_new, [:pointer, :string], :pointer, blocking: true
    lazily :ahoy_balancer_set_prequal, [:pointer, :uint32, :uint64, :double, :double, :double, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_prequal_probes, [:pointer, :uint64, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_outlier_detection, [:pointer, :bool, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_outlier_ejection, [:pointer, :uint64, :uint64, :uint64, :double, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_outlier_success_rate, [:pointer, :uint32, :uint32, :double, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_outlier_failure_share, [:pointer, :double, :uint32, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_health_check, [:pointer, :string, :uint64, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_health_thresholds, [:pointer, :uint32, :uint32, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_set_outage_recovery, [:pointer, :uint32, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_address, [:pointer], :string, blocking: true
    lazily :ahoy_endpoint_port, [:pointer], :uint16, blocking: true
    lazily :ahoy_endpoint_url, [:pointer], :string, blocking: true
    lazily :ahoy_endpoint_weight, [:pointer], :uint32, blocking: true
    lazily :ahoy_endpoint_priority, [:pointer], :uint32, blocking: true
    lazily :ahoy_endpoint_zone, [:pointer], :string, blocking: true
    lazily :ahoy_endpoint_state, [:pointer], :int32, blocking: true
    lazily :ahoy_endpoint_available, [:pointer], :bool, blocking: true
    lazily :ahoy_endpoint_open_circuit, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_close_circuit, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_disable_circuit, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_drain, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_resume, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_endpoint_free, [:pointer], :void, blocking: true
    lazily :ahoy_endpoint_reason, [:pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_explain, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_new, [], :pointer
    lazily :ahoy_breaker_set_consecutive_failures, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_disable_consecutive_failures, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_failure_ratio, [:pointer, :double, :uint64, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_failure_ratio_count, [:pointer, :double, :uint32, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_slow_calls, [:pointer, :uint64, :double, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_disable_failure_ratio, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_open_ms, [:pointer, :uint64, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_retry_after_max_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_connect_open_max_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_half_open_probes, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_probe_timeout_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_reset_after_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set_min_closed, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_set, [:pointer, :string, :string, :pointer], :int32, blocking: true
    lazily :ahoy_breaker_free, [:pointer], :void, blocking: true
    lazily :ahoy_retry_new, [], :pointer
    lazily :ahoy_retry_set_tries, [:pointer, :int32, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_delay_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_max_delay_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_backoff, [:pointer, :double, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_jitter_ms, [:pointer, :uint64, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_full_jitter, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_on, [:pointer, :uint32, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_statuses, [:pointer, :pointer, :size_t, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_any_method, [:pointer, :bool, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set_retry_after_max_ms, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_retry_set, [:pointer, :string, :string, :pointer], :int32, blocking: true
    lazily :ahoy_retry_free, [:pointer], :void, blocking: true
    lazily :ahoy_client_builder_new, [], :pointer
    lazily :ahoy_client_builder_set_balancer, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_builder_set_base_url, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_name, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_retry, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_builder_add_header, [:pointer, :string, :string, :pointer], :int32
    lazily :ahoy_client_builder_forward_header, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_forward_cookie, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_endpoint_updates, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_wait_for_ready_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_attempt_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_attempt_timeout_hard, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_set_commit, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_client_builder_set_connect_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_body_idle_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_idle_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_max_idle_per_endpoint, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_max_connections_per_endpoint, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_max_connection_age_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_warm_up, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_max_body_bytes, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_gzip, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_set_http2, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_client_builder_set_redirects, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_expect_continue, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_set_fail_on_status, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_add_ca_pem, [:pointer, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_client_builder_set_platform_roots, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_set_client_certificate_pem, [:pointer, :pointer, :size_t, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_client_builder_set, [:pointer, :string, :string, :pointer], :int32
    lazily :ahoy_client_builder_build, [:pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_free, [:pointer], :void
    lazily :ahoy_client_builder_set_ca_file, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_certificate_file, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_key_file, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_proxy, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_no_proxy, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_proxy_from_environment, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_set_resolver, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_client_builder_set_max_stale_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_local_address, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_interface, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_tcp_keepalive_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_tcp_user_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_resolve, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_retry_budget, [:pointer, :double, :uint32, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_retry_budget_stock, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_use_resilient_profile, [:pointer, :pointer], :int32
    lazily :ahoy_client_builder_disable_retry_budget, [:pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_hedge_delay_ms, [:pointer, :uint64, :double, :pointer], :int32
    lazily :ahoy_client_builder_set_hedge, [:pointer, :double, :pointer], :int32
    lazily :ahoy_client_builder_set_max_in_flight, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_adaptive_limit, [:pointer, :uint32, :uint32, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_wait_queue, [:pointer, :uint32, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_adaptive_throttle, [:pointer, :double, :uint64, :pointer], :int32
    lazily :ahoy_client_builder_set_deadline_header, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_attempt_header, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_pushback_header, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_trace, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_client_builder_on_request, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_on_response, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_on_error, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_should_stop, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_interruptible, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_client_builder_on_log, [:pointer, :int32, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_on_classify, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_failure_statuses, [:pointer, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_client_builder_on_call_end, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_fault_abort, [:pointer, :int32, :double, :pointer], :int32
    lazily :ahoy_client_builder_set_fault_delay, [:pointer, :uint64, :double, :pointer], :int32
    lazily :ahoy_client_builder_set_fault_reset, [:pointer, :double, :pointer], :int32
    lazily :ahoy_client_builder_set_fault_header, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_builder_set_fault_seed, [:pointer, :uint32, :pointer], :int32
    lazily :ahoy_client_builder_set_key_log, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_wire_trace, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_option_count, [], :size_t
    lazily :ahoy_client_option_key_at, [:size_t], :string
    lazily :ahoy_client_option_description_at, [:size_t], :string
    lazily :ahoy_retry_option_count, [], :size_t
    lazily :ahoy_retry_option_key_at, [:size_t], :string
    lazily :ahoy_retry_option_description_at, [:size_t], :string
    lazily :ahoy_balancer_option_count, [], :size_t
    lazily :ahoy_balancer_option_key_at, [:size_t], :string
    lazily :ahoy_balancer_option_description_at, [:size_t], :string
    lazily :ahoy_breaker_option_count, [], :size_t
    lazily :ahoy_breaker_option_key_at, [:size_t], :string
    lazily :ahoy_breaker_option_description_at, [:size_t], :string
    lazily :ahoy_provider_option_count, [], :size_t
    lazily :ahoy_provider_option_key_at, [:size_t], :string
    lazily :ahoy_provider_option_description_at, [:size_t], :string
    lazily :ahoy_client_from_config, [:string, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_set_config, [:pointer, :string, :pointer], :int32
    lazily :ahoy_client_config_text, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_reconfigure, [:pointer, :string, :pointer], :int32, blocking: true
    lazily :ahoy_client_balancer, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_get, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_options, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_head, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_delete, [:pointer, :string, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_post, [:pointer, :string, :string, :pointer, :size_t, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_put, [:pointer, :string, :string, :pointer, :size_t, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_patch, [:pointer, :string, :string, :pointer, :size_t, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_send, [:pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_start, [:pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_client_submit, [:pointer, :pointer, :pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_client_close, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_client_free, [:pointer], :void, blocking: true
    lazily :ahoy_request_new, [:string, :string, :pointer, :pointer], :int32
    lazily :ahoy_request_add_header, [:pointer, :string, :string, :pointer], :int32
    lazily :ahoy_request_set_header, [:pointer, :string, :string, :pointer], :int32
    lazily :ahoy_request_forward_headers, [:pointer, :pointer, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_request_set_body, [:pointer, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_request_set_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_request_set_attempt_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_request_set_attempt_timeout_hard, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_request_set_group, [:pointer, :string, :pointer], :int32
    lazily :ahoy_request_set_idempotent, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_request_set_criticality, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_request_set_hash_key, [:pointer, :pointer, :size_t, :pointer], :int32
    lazily :ahoy_request_set_hash, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_request_set_path, [:pointer, :string, :pointer], :int32
    lazily :ahoy_request_method, [:pointer], :string
    lazily :ahoy_request_path, [:pointer], :string
    lazily :ahoy_request_endpoint_url, [:pointer], :string
    lazily :ahoy_request_free, [:pointer], :void
    lazily :ahoy_request_set_tries, [:pointer, :int32, :pointer], :int32
    lazily :ahoy_request_set_retry, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_request_set_idempotency_key, [:pointer, :string, :string, :pointer], :int32
    lazily :ahoy_request_header, [:pointer, :string], :string
    lazily :ahoy_request_header_count, [:pointer], :size_t
    lazily :ahoy_request_header_name_at, [:pointer, :size_t], :string
    lazily :ahoy_request_header_value_at, [:pointer, :size_t], :string
    lazily :ahoy_request_body, [:pointer, :pointer], :pointer
    lazily :ahoy_request_authority, [:pointer], :string
    lazily :ahoy_request_attempt_number, [:pointer], :size_t
    lazily :ahoy_request_set_user_data, [:pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_request_user_data, [:pointer], :pointer
    lazily :ahoy_request_set_streamed, [:pointer, :bool, :pointer], :int32
    lazily :ahoy_request_set_idle_timeout_ms, [:pointer, :uint64, :pointer], :int32
    lazily :ahoy_request_set_body_source, [:pointer, :pointer, :pointer, :pointer, :pointer, :uint64, :pointer], :int32
    lazily :ahoy_request_body_ready, [:pointer, :pointer], :int32
    lazily :ahoy_response_status, [:pointer], :int32
    lazily :ahoy_response_header, [:pointer, :string], :string
    lazily :ahoy_response_header_count, [:pointer], :size_t
    lazily :ahoy_response_header_name_at, [:pointer, :size_t], :string
    lazily :ahoy_response_header_value_at, [:pointer, :size_t], :string
    lazily :ahoy_response_body, [:pointer, :pointer], :pointer
    lazily :ahoy_response_endpoint_url, [:pointer], :string
    lazily :ahoy_response_url, [:pointer], :string
    lazily :ahoy_response_elapsed_us, [:pointer], :uint64
    lazily :ahoy_response_user_data, [:pointer], :pointer
    lazily :ahoy_response_attempt_count, [:pointer], :size_t
    lazily :ahoy_response_stop_reason, [:pointer], :string
    lazily :ahoy_response_attempt_at, [:pointer, :size_t], :pointer
    lazily :ahoy_response_free, [:pointer], :void
    lazily :ahoy_response_read, [:pointer, :pointer, :size_t, :uint64, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_response_notify, [:pointer, :pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_response_on_readable, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_attempt_url, [:pointer], :string
    lazily :ahoy_attempt_status, [:pointer], :int32
    lazily :ahoy_attempt_http_status, [:pointer], :int32
    lazily :ahoy_attempt_detail, [:pointer], :string
    lazily :ahoy_attempt_elapsed_us, [:pointer], :uint64
    lazily :ahoy_attempt_is_ambiguous, [:pointer], :bool
    lazily :ahoy_attempt_opened_circuit, [:pointer], :bool
    lazily :ahoy_attempt_is_hedge, [:pointer], :bool
    lazily :ahoy_attempt_faults, [:pointer], :uint32
    lazily :ahoy_attempt_number, [:pointer], :size_t
    lazily :ahoy_attempt_wait_us, [:pointer], :uint64
    lazily :ahoy_attempt_phase_us, [:pointer, :int32], :uint64
    lazily :ahoy_attempt_is_reused, [:pointer], :bool
    lazily :ahoy_attempt_protocol, [:pointer], :string
    lazily :ahoy_attempt_local_address, [:pointer], :string
    lazily :ahoy_attempt_remote_address, [:pointer], :string
    lazily :ahoy_call_wait, [:pointer, :uint64, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_call_on_done, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_call_cancel, [:pointer, :pointer], :int32, blocking: true
    lazily :ahoy_call_free, [:pointer], :void, blocking: true
    lazily :ahoy_queue_new, [:pointer, :pointer], :int32
    lazily :ahoy_queue_fd, [:pointer], :long_long, blocking: true
    lazily :ahoy_queue_cancel, [:pointer, :uint64, :pointer], :int32, blocking: true
    lazily :ahoy_queue_next, [:pointer, :uint64, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_queue_next_batch, [:pointer, :uint64, :pointer, :size_t, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_queue_free, [:pointer], :void, blocking: true
    lazily :ahoy_completion_tag, [:pointer], :uint64
    lazily :ahoy_completion_status, [:pointer], :int32
    lazily :ahoy_completion_take_response, [:pointer], :pointer
    lazily :ahoy_completion_take_error, [:pointer], :pointer
    lazily :ahoy_completion_free, [:pointer], :void
    lazily :ahoy_sample_name, [:pointer], :string
    lazily :ahoy_sample_help, [:pointer], :string
    lazily :ahoy_sample_kind, [:pointer], :int32
    lazily :ahoy_sample_label_count, [:pointer], :size_t
    lazily :ahoy_sample_label_name_at, [:pointer, :size_t], :string
    lazily :ahoy_sample_label_value_at, [:pointer, :size_t], :string
    lazily :ahoy_sample_value, [:pointer], :double
    lazily :ahoy_sample_bucket_count, [:pointer], :size_t
    lazily :ahoy_sample_bucket_bound_at, [:pointer, :size_t], :double
    lazily :ahoy_sample_bucket_value_at, [:pointer, :size_t], :uint64
    lazily :ahoy_client_snapshot, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_snapshot_add_client, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_snapshot_each, [:pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_snapshot_text, [:pointer, :int32, :pointer, :pointer], :int32
    lazily :ahoy_snapshot_free, [:pointer], :void
    lazily :ahoy_event_kind, [:pointer], :int32
    lazily :ahoy_event_time_ms, [:pointer], :int64
    lazily :ahoy_event_endpoint_url, [:pointer], :string
    lazily :ahoy_event_text, [:pointer], :string
    lazily :ahoy_event_detail, [:pointer], :string
    lazily :ahoy_event_user_data, [:pointer], :pointer
    lazily :ahoy_event_number, [:pointer, :int32, :pointer], :bool
    lazily :ahoy_event_free, [:pointer], :void
    lazily :ahoy_client_builder_on_event, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32
    lazily :ahoy_client_builder_add_event_queue, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_on_event, [:pointer, :pointer, :pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_balancer_add_event_queue, [:pointer, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_queue_next_event, [:pointer, :uint64, :pointer, :pointer], :int32, blocking: true
    lazily :ahoy_queue_events_lost, [:pointer], :uint64, blocking: true
  end
end
