"""Made from include/ahoy.json by bindings/generate.py: not to be changed by hand."""

SONAME = "libahoy.so.0.1"

# name: result, arguments, whether Python's lock is given up meanwhile
FUNCTIONS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "ahoy_version": ("text", (), False),
    "ahoy_version_number": ("uint32_t", (), False),
    "ahoy_status_name": ("text", ("int32_t",), False),
    "ahoy_callbacks_stop": ("int32_t", ("uint64_t", "pointer*"), True),
    "ahoy_error_status": ("int32_t", ("pointer",), False),
    "ahoy_error_message": ("text", ("pointer",), False),
    "ahoy_error_is_retryable": ("bool", ("pointer",), False),
    "ahoy_error_is_ambiguous": ("bool", ("pointer",), False),
    "ahoy_error_attempt_count": ("size_t", ("pointer",), False),
    "ahoy_error_user_data": ("pointer", ("pointer",), False),
    "ahoy_error_elapsed_us": ("uint64_t", ("pointer",), False),
    "ahoy_error_attempt_at": ("pointer", ("pointer", "size_t"), False),
    "ahoy_error_response": ("pointer", ("pointer",), False),
    "ahoy_error_free": ("void", ("pointer",), False),
    "ahoy_text_bytes": ("text", ("pointer", "size_t*"), False),
    "ahoy_text_free": ("void", ("pointer",), False),
    "ahoy_host_new": ("pointer", ("text", "uint16_t"), False),
    "ahoy_host_set_weight": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_host_set_zone": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_host_set_priority": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_host_set_scheme": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_host_set_authority": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_host_set_server_name": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_host_free": ("void", ("pointer",), False),
    "ahoy_balancer_wait_ready": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_balancer_list_state": ("int32_t", ("pointer",), True),
    "ahoy_balancer_list_age_ms": ("uint64_t", ("pointer",), True),
    "ahoy_balancer_list_error": ("pointer", ("pointer",), True),
    "ahoy_provider_from_url": ("int32_t", ("text", "pointer*", "pointer*"), False),
    "ahoy_provider_set": ("int32_t", ("pointer", "text", "text", "pointer*"), True),
    "ahoy_provider_first_new": ("pointer", (), False),
    "ahoy_provider_merge_new": ("pointer", (), False),
    "ahoy_provider_add_part": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_provider_describe": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_provider_list_new": ("pointer", (), False),
    "ahoy_provider_list_add": ("int32_t", ("pointer", "text", "uint16_t", "pointer*"), True),
    "ahoy_provider_list_add_host": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_provider_list_replace": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_hosts_new": ("pointer", (), False),
    "ahoy_hosts_free": ("void", ("pointer",), False),
    "ahoy_provider_custom_new": ("pointer", ("fn ahoy_provider_fn", "pointer", "fn ahoy_destroy_fn"), False),
    "ahoy_hosts_add": ("int32_t", ("pointer", "text", "uint16_t", "pointer*"), False),
    "ahoy_hosts_add_host": ("int32_t", ("pointer", "pointer", "pointer*"), False),
    "ahoy_provider_free": ("void", ("pointer",), True),
    "ahoy_balancer_round_robin_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_random_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_random_set_function": ("int32_t", ("pointer", "fn ahoy_random_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), True),
    "ahoy_balancer_custom_new": ("pointer", ("pointer", "fn ahoy_balancer_fn", "pointer", "fn ahoy_destroy_fn"), True),
    "ahoy_balancer_set_breaker": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_balancer_pick": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_balancer_update": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_balancer_add_endpoint": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_balancer_remove_endpoint": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_balancer_endpoint_count": ("size_t", ("pointer",), True),
    "ahoy_balancer_endpoint_at": ("int32_t", ("pointer", "size_t", "pointer*", "pointer*"), True),
    "ahoy_balancer_free": ("void", ("pointer",), True),
    "ahoy_balancer_smooth_weighted_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_p2c_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_peak_ewma_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_least_request_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_set_choices": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_load_header": ("int32_t", ("pointer", "text", "pointer*"), True),
    "ahoy_balancer_ring_hash_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_maglev_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_rendezvous_new": ("pointer", ("pointer",), True),
    "ahoy_balancer_set_ring_size": ("int32_t", ("pointer", "uint32_t", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_table_size": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_bounded_load": ("int32_t", ("pointer", "double", "pointer*"), True),
    "ahoy_balancer_set_hash_header": ("int32_t", ("pointer", "text", "pointer*"), True),
    "ahoy_balancer_set_hash_cookie": ("int32_t", ("pointer", "text", "pointer*"), True),
    "ahoy_balancer_set_slow_start": ("int32_t", ("pointer", "uint64_t", "double", "double", "pointer*"), True),
    "ahoy_balancer_set_panic_threshold": ("int32_t", ("pointer", "double", "pointer*"), True),
    "ahoy_balancer_set_zone": ("int32_t", ("pointer", "text", "pointer*"), True),
    "ahoy_balancer_set_subset": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_deterministic_subset": ("int32_t", ("pointer", "uint32_t", "uint32_t", "uint32_t", "pointer*"), True),
    "ahoy_balancer_use_resilient_profile": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_balancer_set_metrics_endpoints": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_max_in_flight": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set": ("int32_t", ("pointer", "text", "text", "pointer*"), True),
    "ahoy_balancer_prequal_new": ("pointer", ("pointer", "text"), True),
    "ahoy_balancer_set_prequal": ("int32_t", ("pointer", "uint32_t", "uint64_t", "double", "double", "double", "pointer*"), True),
    "ahoy_balancer_set_prequal_probes": ("int32_t", ("pointer", "uint64_t", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_outlier_detection": ("int32_t", ("pointer", "bool", "pointer*"), True),
    "ahoy_balancer_set_outlier_ejection": ("int32_t", ("pointer", "uint64_t", "uint64_t", "uint64_t", "double", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_outlier_success_rate": ("int32_t", ("pointer", "uint32_t", "uint32_t", "double", "pointer*"), True),
    "ahoy_balancer_set_outlier_failure_share": ("int32_t", ("pointer", "double", "uint32_t", "uint32_t", "pointer*"), True),
    "ahoy_balancer_set_health_check": ("int32_t", ("pointer", "text", "uint64_t", "uint64_t", "pointer*"), True),
    "ahoy_balancer_set_health_thresholds": ("int32_t", ("pointer", "uint32_t", "uint32_t", "uint64_t", "pointer*"), True),
    "ahoy_balancer_set_outage_recovery": ("int32_t", ("pointer", "uint32_t", "uint64_t", "pointer*"), True),
    "ahoy_endpoint_address": ("text", ("pointer",), True),
    "ahoy_endpoint_port": ("uint16_t", ("pointer",), True),
    "ahoy_endpoint_url": ("text", ("pointer",), True),
    "ahoy_endpoint_weight": ("uint32_t", ("pointer",), True),
    "ahoy_endpoint_priority": ("uint32_t", ("pointer",), True),
    "ahoy_endpoint_zone": ("text", ("pointer",), True),
    "ahoy_endpoint_state": ("int32_t", ("pointer",), True),
    "ahoy_endpoint_available": ("bool", ("pointer",), True),
    "ahoy_endpoint_open_circuit": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_endpoint_close_circuit": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_endpoint_disable_circuit": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_endpoint_drain": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_endpoint_resume": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_endpoint_free": ("void", ("pointer",), True),
    "ahoy_endpoint_reason": ("int32_t", ("pointer", "int32_t*", "pointer*", "pointer*"), True),
    "ahoy_balancer_explain": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_breaker_new": ("pointer", (), False),
    "ahoy_breaker_set_consecutive_failures": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_breaker_disable_consecutive_failures": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_breaker_set_failure_ratio": ("int32_t", ("pointer", "double", "uint64_t", "uint32_t", "pointer*"), True),
    "ahoy_breaker_set_failure_ratio_count": ("int32_t", ("pointer", "double", "uint32_t", "uint32_t", "pointer*"), True),
    "ahoy_breaker_set_slow_calls": ("int32_t", ("pointer", "uint64_t", "double", "pointer*"), True),
    "ahoy_breaker_disable_failure_ratio": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_breaker_set_open_ms": ("int32_t", ("pointer", "uint64_t", "uint64_t", "pointer*"), True),
    "ahoy_breaker_set_retry_after_max_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_breaker_set_connect_open_max_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_breaker_set_half_open_probes": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_breaker_set_probe_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_breaker_set_reset_after_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_breaker_set_min_closed": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_breaker_set": ("int32_t", ("pointer", "text", "text", "pointer*"), True),
    "ahoy_breaker_free": ("void", ("pointer",), True),
    "ahoy_retry_new": ("pointer", (), False),
    "ahoy_retry_set_tries": ("int32_t", ("pointer", "int32_t", "pointer*"), True),
    "ahoy_retry_set_delay_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_retry_set_max_delay_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_retry_set_backoff": ("int32_t", ("pointer", "double", "pointer*"), True),
    "ahoy_retry_set_jitter_ms": ("int32_t", ("pointer", "uint64_t", "uint64_t", "pointer*"), True),
    "ahoy_retry_set_full_jitter": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_retry_set_on": ("int32_t", ("pointer", "uint32_t", "pointer*"), True),
    "ahoy_retry_set_statuses": ("int32_t", ("pointer", "pointer", "size_t", "pointer*"), True),
    "ahoy_retry_set_any_method": ("int32_t", ("pointer", "bool", "pointer*"), True),
    "ahoy_retry_set_retry_after_max_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_retry_set": ("int32_t", ("pointer", "text", "text", "pointer*"), True),
    "ahoy_retry_free": ("void", ("pointer",), True),
    "ahoy_client_builder_new": ("pointer", (), False),
    "ahoy_client_builder_set_balancer": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_client_builder_set_base_url": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_name": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_retry": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_client_builder_add_header": ("int32_t", ("pointer", "text", "text", "pointer*"), False),
    "ahoy_client_builder_forward_header": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_forward_cookie": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_endpoint_updates": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_wait_for_ready_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_attempt_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_attempt_timeout_hard": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_set_commit": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_client_builder_set_connect_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_body_idle_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_idle_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_max_idle_per_endpoint": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_max_connections_per_endpoint": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_max_connection_age_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_warm_up": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_max_body_bytes": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_gzip": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_set_http2": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_client_builder_set_redirects": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_expect_continue": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_set_fail_on_status": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_add_ca_pem": ("int32_t", ("pointer", "bytes", "size_t", "pointer*"), False),
    "ahoy_client_builder_set_platform_roots": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_set_client_certificate_pem": ("int32_t", ("pointer", "bytes", "size_t", "bytes", "size_t", "pointer*"), False),
    "ahoy_client_builder_set": ("int32_t", ("pointer", "text", "text", "pointer*"), False),
    "ahoy_client_builder_build": ("int32_t", ("pointer", "pointer*", "pointer*"), False),
    "ahoy_client_builder_free": ("void", ("pointer",), False),
    "ahoy_client_builder_set_ca_file": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_certificate_file": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_key_file": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_proxy": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_no_proxy": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_proxy_from_environment": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_set_resolver": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_client_builder_set_max_stale_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_local_address": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_interface": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_tcp_keepalive_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_tcp_user_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_resolve": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_retry_budget": ("int32_t", ("pointer", "double", "uint32_t", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_retry_budget_stock": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_use_resilient_profile": ("int32_t", ("pointer", "pointer*"), False),
    "ahoy_client_builder_disable_retry_budget": ("int32_t", ("pointer", "pointer*"), False),
    "ahoy_client_builder_set_hedge_delay_ms": ("int32_t", ("pointer", "uint64_t", "double", "pointer*"), False),
    "ahoy_client_builder_set_hedge": ("int32_t", ("pointer", "double", "pointer*"), False),
    "ahoy_client_builder_set_max_in_flight": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_adaptive_limit": ("int32_t", ("pointer", "uint32_t", "uint32_t", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_wait_queue": ("int32_t", ("pointer", "uint32_t", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_adaptive_throttle": ("int32_t", ("pointer", "double", "uint64_t", "pointer*"), False),
    "ahoy_client_builder_set_deadline_header": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_attempt_header": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_pushback_header": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_trace": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_client_builder_on_request": ("int32_t", ("pointer", "fn ahoy_request_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_on_response": ("int32_t", ("pointer", "fn ahoy_response_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_on_error": ("int32_t", ("pointer", "fn ahoy_error_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_set_should_stop": ("int32_t", ("pointer", "fn ahoy_should_stop_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_set_interruptible": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_client_builder_on_log": ("int32_t", ("pointer", "int32_t", "fn ahoy_log_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_on_classify": ("int32_t", ("pointer", "fn ahoy_classify_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_set_failure_statuses": ("int32_t", ("pointer", "pointer", "size_t", "pointer*"), False),
    "ahoy_client_builder_on_call_end": ("int32_t", ("pointer", "fn ahoy_call_end_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_set_fault_abort": ("int32_t", ("pointer", "int32_t", "double", "pointer*"), False),
    "ahoy_client_builder_set_fault_delay": ("int32_t", ("pointer", "uint64_t", "double", "pointer*"), False),
    "ahoy_client_builder_set_fault_reset": ("int32_t", ("pointer", "double", "pointer*"), False),
    "ahoy_client_builder_set_fault_header": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_builder_set_fault_seed": ("int32_t", ("pointer", "uint32_t", "pointer*"), False),
    "ahoy_client_builder_set_key_log": ("int32_t", ("pointer", "fn ahoy_key_log_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_set_wire_trace": ("int32_t", ("pointer", "fn ahoy_wire_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_option_count": ("size_t", (), False),
    "ahoy_client_option_key_at": ("text", ("size_t",), False),
    "ahoy_client_option_description_at": ("text", ("size_t",), False),
    "ahoy_retry_option_count": ("size_t", (), False),
    "ahoy_retry_option_key_at": ("text", ("size_t",), False),
    "ahoy_retry_option_description_at": ("text", ("size_t",), False),
    "ahoy_balancer_option_count": ("size_t", (), False),
    "ahoy_balancer_option_key_at": ("text", ("size_t",), False),
    "ahoy_balancer_option_description_at": ("text", ("size_t",), False),
    "ahoy_breaker_option_count": ("size_t", (), False),
    "ahoy_breaker_option_key_at": ("text", ("size_t",), False),
    "ahoy_breaker_option_description_at": ("text", ("size_t",), False),
    "ahoy_provider_option_count": ("size_t", (), False),
    "ahoy_provider_option_key_at": ("text", ("size_t",), False),
    "ahoy_provider_option_description_at": ("text", ("size_t",), False),
    "ahoy_client_from_config": ("int32_t", ("text", "pointer*", "pointer*"), False),
    "ahoy_client_builder_set_config": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_client_config_text": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_client_reconfigure": ("int32_t", ("pointer", "text", "pointer*"), True),
    "ahoy_client_balancer": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_client_get": ("int32_t", ("pointer", "text", "pointer*", "pointer*"), True),
    "ahoy_client_options": ("int32_t", ("pointer", "text", "pointer*", "pointer*"), True),
    "ahoy_client_head": ("int32_t", ("pointer", "text", "pointer*", "pointer*"), True),
    "ahoy_client_delete": ("int32_t", ("pointer", "text", "pointer*", "pointer*"), True),
    "ahoy_client_post": ("int32_t", ("pointer", "text", "text", "bytes", "size_t", "pointer*", "pointer*"), True),
    "ahoy_client_put": ("int32_t", ("pointer", "text", "text", "bytes", "size_t", "pointer*", "pointer*"), True),
    "ahoy_client_patch": ("int32_t", ("pointer", "text", "text", "bytes", "size_t", "pointer*", "pointer*"), True),
    "ahoy_client_send": ("int32_t", ("pointer", "pointer", "pointer*", "pointer*"), True),
    "ahoy_client_start": ("int32_t", ("pointer", "pointer", "pointer*", "pointer*"), True),
    "ahoy_client_submit": ("int32_t", ("pointer", "pointer", "pointer", "uint64_t", "pointer*"), True),
    "ahoy_client_close": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_client_free": ("void", ("pointer",), True),
    "ahoy_request_new": ("int32_t", ("text", "text", "pointer*", "pointer*"), False),
    "ahoy_request_add_header": ("int32_t", ("pointer", "text", "text", "pointer*"), False),
    "ahoy_request_set_header": ("int32_t", ("pointer", "text", "text", "pointer*"), False),
    "ahoy_request_forward_headers": ("int32_t", ("pointer", "pointer*", "pointer*", "size_t", "pointer*"), False),
    "ahoy_request_set_body": ("int32_t", ("pointer", "bytes", "size_t", "pointer*"), False),
    "ahoy_request_set_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_request_set_attempt_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_request_set_attempt_timeout_hard": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_request_set_group": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_request_set_idempotent": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_request_set_criticality": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_request_set_hash_key": ("int32_t", ("pointer", "bytes", "size_t", "pointer*"), False),
    "ahoy_request_set_hash": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_request_set_path": ("int32_t", ("pointer", "text", "pointer*"), False),
    "ahoy_request_method": ("text", ("pointer",), False),
    "ahoy_request_path": ("text", ("pointer",), False),
    "ahoy_request_endpoint_url": ("text", ("pointer",), False),
    "ahoy_request_free": ("void", ("pointer",), False),
    "ahoy_request_set_tries": ("int32_t", ("pointer", "int32_t", "pointer*"), False),
    "ahoy_request_set_retry": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_request_set_idempotency_key": ("int32_t", ("pointer", "text", "text", "pointer*"), False),
    "ahoy_request_header": ("text", ("pointer", "text"), False),
    "ahoy_request_header_count": ("size_t", ("pointer",), False),
    "ahoy_request_header_name_at": ("text", ("pointer", "size_t"), False),
    "ahoy_request_header_value_at": ("text", ("pointer", "size_t"), False),
    "ahoy_request_body": ("pointer", ("pointer", "size_t*"), False),
    "ahoy_request_authority": ("text", ("pointer",), False),
    "ahoy_request_attempt_number": ("size_t", ("pointer",), False),
    "ahoy_request_set_user_data": ("int32_t", ("pointer", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_request_user_data": ("pointer", ("pointer",), False),
    "ahoy_request_set_streamed": ("int32_t", ("pointer", "bool", "pointer*"), False),
    "ahoy_request_set_idle_timeout_ms": ("int32_t", ("pointer", "uint64_t", "pointer*"), False),
    "ahoy_request_set_body_source": ("int32_t", ("pointer", "fn ahoy_body_fn", "fn ahoy_body_rewind_fn", "pointer", "fn ahoy_destroy_fn", "uint64_t", "pointer*"), False),
    "ahoy_request_body_ready": ("int32_t", ("pointer", "pointer*"), False),
    "ahoy_response_status": ("int32_t", ("pointer",), False),
    "ahoy_response_header": ("text", ("pointer", "text"), False),
    "ahoy_response_header_count": ("size_t", ("pointer",), False),
    "ahoy_response_header_name_at": ("text", ("pointer", "size_t"), False),
    "ahoy_response_header_value_at": ("text", ("pointer", "size_t"), False),
    "ahoy_response_body": ("pointer", ("pointer", "size_t*"), False),
    "ahoy_response_endpoint_url": ("text", ("pointer",), False),
    "ahoy_response_url": ("text", ("pointer",), False),
    "ahoy_response_elapsed_us": ("uint64_t", ("pointer",), False),
    "ahoy_response_user_data": ("pointer", ("pointer",), False),
    "ahoy_response_attempt_count": ("size_t", ("pointer",), False),
    "ahoy_response_stop_reason": ("text", ("pointer",), False),
    "ahoy_response_attempt_at": ("pointer", ("pointer", "size_t"), False),
    "ahoy_response_free": ("void", ("pointer",), False),
    "ahoy_response_read": ("int32_t", ("pointer", "pointer", "size_t", "uint64_t", "size_t*", "bool*", "pointer*"), True),
    "ahoy_response_notify": ("int32_t", ("pointer", "pointer", "uint64_t", "pointer*"), True),
    "ahoy_response_on_readable": ("int32_t", ("pointer", "fn ahoy_readable_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_attempt_url": ("text", ("pointer",), False),
    "ahoy_attempt_status": ("int32_t", ("pointer",), False),
    "ahoy_attempt_http_status": ("int32_t", ("pointer",), False),
    "ahoy_attempt_detail": ("text", ("pointer",), False),
    "ahoy_attempt_elapsed_us": ("uint64_t", ("pointer",), False),
    "ahoy_attempt_is_ambiguous": ("bool", ("pointer",), False),
    "ahoy_attempt_opened_circuit": ("bool", ("pointer",), False),
    "ahoy_attempt_is_hedge": ("bool", ("pointer",), False),
    "ahoy_attempt_faults": ("uint32_t", ("pointer",), False),
    "ahoy_attempt_number": ("size_t", ("pointer",), False),
    "ahoy_attempt_wait_us": ("uint64_t", ("pointer",), False),
    "ahoy_attempt_phase_us": ("uint64_t", ("pointer", "int32_t"), False),
    "ahoy_attempt_is_reused": ("bool", ("pointer",), False),
    "ahoy_attempt_protocol": ("text", ("pointer",), False),
    "ahoy_attempt_local_address": ("text", ("pointer",), False),
    "ahoy_attempt_remote_address": ("text", ("pointer",), False),
    "ahoy_call_wait": ("int32_t", ("pointer", "uint64_t", "pointer*", "pointer*"), True),
    "ahoy_call_on_done": ("int32_t", ("pointer", "fn ahoy_done_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), True),
    "ahoy_call_cancel": ("int32_t", ("pointer", "pointer*"), True),
    "ahoy_call_free": ("void", ("pointer",), True),
    "ahoy_queue_new": ("int32_t", ("pointer*", "pointer*"), False),
    "ahoy_queue_fd": ("intptr_t", ("pointer",), True),
    "ahoy_queue_cancel": ("int32_t", ("pointer", "uint64_t", "pointer*"), True),
    "ahoy_queue_next": ("int32_t", ("pointer", "uint64_t", "pointer*", "pointer*"), True),
    "ahoy_queue_next_batch": ("int32_t", ("pointer", "uint64_t", "pointer*", "size_t", "size_t*", "pointer*"), True),
    "ahoy_queue_free": ("void", ("pointer",), True),
    "ahoy_completion_tag": ("uint64_t", ("pointer",), False),
    "ahoy_completion_status": ("int32_t", ("pointer",), False),
    "ahoy_completion_take_response": ("pointer", ("pointer",), False),
    "ahoy_completion_take_error": ("pointer", ("pointer",), False),
    "ahoy_completion_free": ("void", ("pointer",), False),
    "ahoy_sample_name": ("text", ("pointer",), False),
    "ahoy_sample_help": ("text", ("pointer",), False),
    "ahoy_sample_kind": ("int32_t", ("pointer",), False),
    "ahoy_sample_label_count": ("size_t", ("pointer",), False),
    "ahoy_sample_label_name_at": ("text", ("pointer", "size_t"), False),
    "ahoy_sample_label_value_at": ("text", ("pointer", "size_t"), False),
    "ahoy_sample_value": ("double", ("pointer",), False),
    "ahoy_sample_bucket_count": ("size_t", ("pointer",), False),
    "ahoy_sample_bucket_bound_at": ("double", ("pointer", "size_t"), False),
    "ahoy_sample_bucket_value_at": ("uint64_t", ("pointer", "size_t"), False),
    "ahoy_client_snapshot": ("int32_t", ("pointer", "pointer*", "pointer*"), True),
    "ahoy_snapshot_add_client": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_snapshot_each": ("int32_t", ("pointer", "fn ahoy_sample_fn", "pointer", "pointer*"), False),
    "ahoy_snapshot_text": ("int32_t", ("pointer", "int32_t", "pointer*", "pointer*"), False),
    "ahoy_snapshot_free": ("void", ("pointer",), False),
    "ahoy_event_kind": ("int32_t", ("pointer",), False),
    "ahoy_event_time_ms": ("int64_t", ("pointer",), False),
    "ahoy_event_endpoint_url": ("text", ("pointer",), False),
    "ahoy_event_text": ("text", ("pointer",), False),
    "ahoy_event_detail": ("text", ("pointer",), False),
    "ahoy_event_user_data": ("pointer", ("pointer",), False),
    "ahoy_event_number": ("bool", ("pointer", "int32_t", "int64_t*"), False),
    "ahoy_event_free": ("void", ("pointer",), False),
    "ahoy_client_builder_on_event": ("int32_t", ("pointer", "fn ahoy_event_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), False),
    "ahoy_client_builder_add_event_queue": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_balancer_on_event": ("int32_t", ("pointer", "fn ahoy_event_fn", "pointer", "fn ahoy_destroy_fn", "pointer*"), True),
    "ahoy_balancer_add_event_queue": ("int32_t", ("pointer", "pointer", "pointer*"), True),
    "ahoy_queue_next_event": ("int32_t", ("pointer", "uint64_t", "pointer*", "pointer*"), True),
    "ahoy_queue_events_lost": ("uint64_t", ("pointer",), True),
}

CALLBACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ahoy_destroy_fn": ("void", ("pointer",)),
    "ahoy_provider_fn": ("int32_t", ("pointer", "pointer")),
    "ahoy_random_fn": ("uint64_t", ("pointer", "uint64_t")),
    "ahoy_balancer_fn": ("size_t", ("pointer", "size_t")),
    "ahoy_request_fn": ("int32_t", ("pointer", "pointer")),
    "ahoy_response_fn": ("void", ("pointer", "pointer")),
    "ahoy_error_fn": ("void", ("pointer", "pointer")),
    "ahoy_should_stop_fn": ("bool", ("pointer",)),
    "ahoy_log_fn": ("void", ("pointer", "int32_t", "text", "text")),
    "ahoy_classify_fn": ("int32_t", ("pointer", "pointer")),
    "ahoy_call_end_fn": ("void", ("pointer", "int32_t", "pointer", "pointer")),
    "ahoy_key_log_fn": ("void", ("pointer", "text")),
    "ahoy_wire_fn": ("void", ("pointer", "uint64_t", "int32_t", "bytes", "size_t")),
    "ahoy_body_fn": ("int32_t", ("pointer", "pointer", "size_t", "size_t*")),
    "ahoy_body_rewind_fn": ("bool", ("pointer",)),
    "ahoy_readable_fn": ("void", ("pointer",)),
    "ahoy_done_fn": ("void", ("pointer", "int32_t", "pointer", "pointer")),
    "ahoy_sample_fn": ("void", ("pointer", "pointer")),
    "ahoy_event_fn": ("void", ("pointer", "pointer")),
}

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
