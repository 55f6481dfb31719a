/*
 * ahoy.ffi.h: what ahoy.h declares, without a preprocessor's line: for cffi, PHP's FFI, LuaJIT and
 * other readers of declarations, which take this file as it is. Not to be included in C.
 *
 * Generated from the Rust sources. Changes made here are lost. ahoy.h has the documentation, and
 * ahoy.json has it for programs, with ownership, blocking and threads.
 */

enum {
    AHOY_OK = 0,
    AHOY_E_INVALID_ARGUMENT = 100,
    AHOY_E_IN_USE = 101,
    AHOY_E_UNKNOWN_OPTION = 102,
    AHOY_E_WOULD_DEADLOCK = 103,
    AHOY_E_CLOSED = 104,
    AHOY_E_UNSUPPORTED = 105,
    AHOY_E_DISCOVERY = 200,
    AHOY_E_NO_ENDPOINTS = 201,
    AHOY_E_RESOLVE = 202,
    AHOY_E_CONNECT = 300,
    AHOY_E_CONNECT_TIMEOUT = 301,
    AHOY_E_TLS = 302,
    AHOY_E_CONNECTION_LOST = 303,
    AHOY_E_PROTOCOL = 304,
    AHOY_E_TIMEOUT = 400,
    AHOY_E_DEADLINE = 401,
    AHOY_E_CANCELLED = 402,
    AHOY_E_INTERRUPTED = 403,
    AHOY_E_BODY_TOO_LARGE = 500,
    AHOY_E_HTTP_STATUS = 501,
    AHOY_E_OVERLOADED = 600,
    AHOY_E_FORKED = 601,
    AHOY_E_HOOK_REFUSED = 602,
    AHOY_E_BODY_SOURCE = 603,
    AHOY_E_INTERNAL = 900,
    AHOY_SCHEME_HTTP = 1,
    AHOY_SCHEME_HTTPS = 2,
    AHOY_LIST_NONE = 0,
    AHOY_LIST_CURRENT = 1,
    AHOY_LIST_LAST = 2,
    AHOY_LIST_STALE = 3,
    AHOY_LIST_REFUSED = 4,
    AHOY_CIRCUIT_CLOSED = 0,
    AHOY_CIRCUIT_OPEN = 1,
    AHOY_CIRCUIT_HALF_OPEN = 2,
    AHOY_REASON_AVAILABLE = 0,
    AHOY_REASON_CIRCUIT_OPEN = 1,
    AHOY_REASON_CIRCUIT_HALF_OPEN = 2,
    AHOY_REASON_OPENED_BY_HAND = 3,
    AHOY_REASON_DRAINED = 4,
    AHOY_REASON_EJECTED = 5,
    AHOY_REASON_CHECK_FAILING = 6,
    AHOY_REASON_WEIGHT_ZERO = 7,
    AHOY_REASON_WARMING = 8,
    AHOY_REASON_OTHER_LOCALITY = 9,
    AHOY_REASON_FULL = 10,
    AHOY_REASON_DEPARTED = 11,
    AHOY_RETRY_ON_CONNECT = 1,
    AHOY_RETRY_ON_CONNECT_TIMEOUT = 2,
    AHOY_RETRY_ON_TIMEOUT = 4,
    AHOY_RETRY_ON_LOST_UNSENT = 8,
    AHOY_RETRY_ON_LOST_SENT = 16,
    AHOY_RETRY_ON_STATUS = 32,
    AHOY_RETRY_ON_REFUSED_STREAM = 64,
    AHOY_RETRY_ON_ALL = 127,
    AHOY_HTTP2_OFF = 0,
    AHOY_HTTP2_ALPN = 1,
    AHOY_HTTP2_PRIOR_KNOWLEDGE = 2,
    AHOY_COMMIT_HEAD = 0,
    AHOY_COMMIT_FIRST_BYTE = 1,
    AHOY_RESOLVER_DNS = 0,
    AHOY_RESOLVER_SYSTEM = 1,
    AHOY_TRACE_OFF = 0,
    AHOY_TRACE_PASS_ON = 1,
    AHOY_TRACE_START = 2,
    AHOY_TRACE_START_SAMPLED = 3,
    AHOY_LOG_ERROR = 1,
    AHOY_LOG_WARN = 2,
    AHOY_LOG_INFO = 3,
    AHOY_LOG_DEBUG = 4,
    AHOY_CLASSIFY_DEFAULT = 0,
    AHOY_CLASSIFY_SUCCESS = 1,
    AHOY_CLASSIFY_RETRYABLE_FAILURE = 2,
    AHOY_CLASSIFY_FINAL_FAILURE = 3,
    AHOY_CLASSIFY_IGNORED = 4,
    AHOY_WIRE_OPENED = 1,
    AHOY_WIRE_HEAD_SENT = 2,
    AHOY_WIRE_BODY_SENT = 3,
    AHOY_WIRE_HEAD_RECEIVED = 4,
    AHOY_WIRE_BODY_RECEIVED = 5,
    AHOY_WIRE_FRAME_SENT = 6,
    AHOY_WIRE_FRAME_RECEIVED = 7,
    AHOY_CRITICAL_PLUS = 0,
    AHOY_CRITICAL = 1,
    AHOY_SHEDDABLE_PLUS = 2,
    AHOY_SHEDDABLE = 3,
    AHOY_BODY_END = 0,
    AHOY_BODY_DATA = 1,
    AHOY_BODY_NOT_READY = 2,
    AHOY_BODY_FAILED = 3,
    AHOY_FAULT_DELAY = 1,
    AHOY_FAULT_ABORT = 2,
    AHOY_FAULT_RESET = 4,
    AHOY_PHASE_WAIT = 0,
    AHOY_PHASE_RESOLVE = 1,
    AHOY_PHASE_CONNECT = 2,
    AHOY_PHASE_TLS = 3,
    AHOY_PHASE_FIRST_BYTE = 4,
    AHOY_PHASE_BODY = 5,
    AHOY_METRIC_COUNTER = 0,
    AHOY_METRIC_GAUGE = 1,
    AHOY_METRIC_HISTOGRAM = 2,
    AHOY_FORMAT_OPENMETRICS = 0,
    AHOY_FORMAT_PROMETHEUS = 1,
    AHOY_EVENT_CIRCUIT_OPENED = 1,
    AHOY_EVENT_CIRCUIT_HALF_OPENED = 2,
    AHOY_EVENT_CIRCUIT_CLOSED = 3,
    AHOY_EVENT_EJECTED = 4,
    AHOY_EVENT_RETURNED = 5,
    AHOY_EVENT_CHECK_FAILED = 6,
    AHOY_EVENT_CHECK_PASSED = 7,
    AHOY_EVENT_DRAINED = 8,
    AHOY_EVENT_RESUMED = 9,
    AHOY_EVENT_LIST_CHANGED = 10,
    AHOY_EVENT_SOURCE_FAILING = 11,
    AHOY_EVENT_SOURCE_WELL = 12,
    AHOY_EVENT_BUDGET_EMPTY = 13,
    AHOY_EVENT_BUDGET_FILLED = 14,
    AHOY_EVENT_OVERLOAD_ENTERED = 15,
    AHOY_EVENT_OVERLOAD_LEFT = 16,
    AHOY_EVENT_PANIC_ENTERED = 17,
    AHOY_EVENT_PANIC_LEFT = 18,
    AHOY_EVENT_HOLDING_BACK = 19,
    AHOY_EVENT_HOLDING_ENDED = 20,
    AHOY_OPENED_UNREACHABLE = 1,
    AHOY_OPENED_BY_ANSWERS = 2,
    AHOY_OPENED_BY_HANG = 3,
    AHOY_OPENED_BY_PROBE = 4,
    AHOY_OPENED_BY_HAND = 5,
    AHOY_EJECTED_BY_SUCCESS_RATE = 1,
    AHOY_EJECTED_BY_FAILURE_SHARE = 2,
    AHOY_EJECTED_BY_RUN = 3,
    AHOY_FIELD_REASON = 1,
    AHOY_FIELD_OLD_STATE = 2,
    AHOY_FIELD_NEW_STATE = 3,
    AHOY_FIELD_UNTIL_MS = 4,
    AHOY_FIELD_KNOWN = 5,
    AHOY_FIELD_JOINED = 6,
    AHOY_FIELD_LEFT = 7,
    AHOY_FIELD_AGE_MS = 8
};

/* No enumerator holds these: */
/* (uint64_t)AHOY_FOREVER is 0xffffffffffffffff */
/* (uint64_t)AHOY_UNKNOWN_LENGTH is 0xffffffffffffffff */

typedef struct ahoy_error ahoy_error;
typedef struct ahoy_text ahoy_text;
typedef struct ahoy_host ahoy_host;
typedef struct ahoy_provider ahoy_provider;
typedef struct ahoy_hosts ahoy_hosts;
typedef struct ahoy_balancer ahoy_balancer;
typedef struct ahoy_endpoint ahoy_endpoint;
typedef struct ahoy_breaker ahoy_breaker;
typedef struct ahoy_retry ahoy_retry;
typedef struct ahoy_client_builder ahoy_client_builder;
typedef struct ahoy_client ahoy_client;
typedef struct ahoy_request ahoy_request;
typedef struct ahoy_response ahoy_response;
typedef struct ahoy_attempt ahoy_attempt;
typedef struct ahoy_call ahoy_call;
typedef struct ahoy_queue ahoy_queue;
typedef struct ahoy_completion ahoy_completion;
typedef struct ahoy_sample ahoy_sample;
typedef struct ahoy_snapshot ahoy_snapshot;
typedef struct ahoy_event ahoy_event;
typedef int32_t ahoy_status;

typedef void (*ahoy_destroy_fn)(void *user_data);
typedef ahoy_status (*ahoy_provider_fn)(void *user_data, ahoy_hosts *out);
typedef uint64_t (*ahoy_random_fn)(void *user_data, uint64_t below);
typedef size_t (*ahoy_balancer_fn)(void *user_data, size_t count);
typedef ahoy_status (*ahoy_request_fn)(void *user_data, ahoy_request *request);
typedef void (*ahoy_response_fn)(void *user_data, const ahoy_response *response);
typedef void (*ahoy_error_fn)(void *user_data, const ahoy_error *error);
typedef bool (*ahoy_should_stop_fn)(void *user_data);
typedef void (*ahoy_log_fn)(void *user_data, int32_t level, const char *part, const char *message);
typedef int32_t (*ahoy_classify_fn)(void *user_data, const ahoy_response *response);
typedef void (*ahoy_call_end_fn)(void *user_data, ahoy_status status, const ahoy_response *response, const ahoy_error *error);
typedef void (*ahoy_key_log_fn)(void *user_data, const char *line);
typedef void (*ahoy_wire_fn)(void *user_data, uint64_t connection, int32_t kind, const uint8_t *bytes, size_t length);
typedef int32_t (*ahoy_body_fn)(void *user_data, uint8_t *buffer, size_t capacity, size_t *length);
typedef bool (*ahoy_body_rewind_fn)(void *user_data);
typedef void (*ahoy_readable_fn)(void *user_data);
typedef void (*ahoy_done_fn)(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *error);
typedef void (*ahoy_sample_fn)(void *user_data, const ahoy_sample *sample);
typedef void (*ahoy_event_fn)(void *user_data, const ahoy_event *event);

const char *ahoy_version(void);
uint32_t ahoy_version_number(void);
const char *ahoy_status_name(ahoy_status status);
ahoy_status ahoy_callbacks_stop(uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_error_status(const ahoy_error *error);
const char *ahoy_error_message(const ahoy_error *error);
bool ahoy_error_is_retryable(const ahoy_error *error);
bool ahoy_error_is_ambiguous(const ahoy_error *error);
size_t ahoy_error_attempt_count(const ahoy_error *error);
void *ahoy_error_user_data(const ahoy_error *error);
uint64_t ahoy_error_elapsed_us(const ahoy_error *error);
const ahoy_attempt *ahoy_error_attempt_at(const ahoy_error *error, size_t index);
const ahoy_response *ahoy_error_response(const ahoy_error *error);
void ahoy_error_free(ahoy_error *error);
const char *ahoy_text_bytes(const ahoy_text *text, size_t *length);
void ahoy_text_free(ahoy_text *text);
ahoy_host *ahoy_host_new(const char *address, uint16_t port);
ahoy_status ahoy_host_set_weight(ahoy_host *host, uint32_t weight, ahoy_error **err);
ahoy_status ahoy_host_set_zone(ahoy_host *host, const char *zone, ahoy_error **err);
ahoy_status ahoy_host_set_priority(ahoy_host *host, uint32_t priority, ahoy_error **err);
ahoy_status ahoy_host_set_scheme(ahoy_host *host, int32_t scheme, ahoy_error **err);
ahoy_status ahoy_host_set_authority(ahoy_host *host, const char *authority, ahoy_error **err);
ahoy_status ahoy_host_set_server_name(ahoy_host *host, const char *server_name, ahoy_error **err);
void ahoy_host_free(ahoy_host *host);
ahoy_status ahoy_balancer_wait_ready(const ahoy_balancer *balancer, uint64_t timeout_ms, ahoy_error **err);
int32_t ahoy_balancer_list_state(const ahoy_balancer *balancer);
uint64_t ahoy_balancer_list_age_ms(const ahoy_balancer *balancer);
ahoy_text *ahoy_balancer_list_error(const ahoy_balancer *balancer);
ahoy_status ahoy_provider_from_url(const char *url, ahoy_provider **provider, ahoy_error **err);
ahoy_status ahoy_provider_set(const ahoy_provider *provider, const char *key, const char *value, ahoy_error **err);
ahoy_provider *ahoy_provider_first_new(void);
ahoy_provider *ahoy_provider_merge_new(void);
ahoy_status ahoy_provider_add_part(const ahoy_provider *provider, const ahoy_provider *part, ahoy_error **err);
ahoy_status ahoy_provider_describe(const ahoy_provider *provider, ahoy_text **text, ahoy_error **err);
ahoy_provider *ahoy_provider_list_new(void);
ahoy_status ahoy_provider_list_add(const ahoy_provider *provider, const char *address, uint16_t port, ahoy_error **err);
ahoy_status ahoy_provider_list_add_host(const ahoy_provider *provider, const ahoy_host *host, ahoy_error **err);
ahoy_status ahoy_provider_list_replace(const ahoy_provider *provider, const ahoy_hosts *hosts, ahoy_error **err);
ahoy_hosts *ahoy_hosts_new(void);
void ahoy_hosts_free(ahoy_hosts *hosts);
ahoy_provider *ahoy_provider_custom_new(ahoy_provider_fn fn, void *user_data, ahoy_destroy_fn destroy);
ahoy_status ahoy_hosts_add(ahoy_hosts *out, const char *address, uint16_t port, ahoy_error **err);
ahoy_status ahoy_hosts_add_host(ahoy_hosts *out, const ahoy_host *host, ahoy_error **err);
void ahoy_provider_free(ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_round_robin_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_random_new(const ahoy_provider *provider);
ahoy_status ahoy_balancer_random_set_function(const ahoy_balancer *balancer, ahoy_random_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_balancer *ahoy_balancer_custom_new(const ahoy_provider *provider, ahoy_balancer_fn fn, void *user_data, ahoy_destroy_fn destroy);
ahoy_status ahoy_balancer_set_breaker(const ahoy_balancer *balancer, const ahoy_breaker *breaker, ahoy_error **err);
ahoy_status ahoy_balancer_pick(const ahoy_balancer *balancer, ahoy_endpoint **endpoint, ahoy_error **err);
ahoy_status ahoy_balancer_update(const ahoy_balancer *balancer, ahoy_error **err);
ahoy_status ahoy_balancer_add_endpoint(const ahoy_balancer *balancer, const ahoy_host *host, ahoy_error **err);
ahoy_status ahoy_balancer_remove_endpoint(const ahoy_balancer *balancer, const ahoy_host *host, ahoy_error **err);
size_t ahoy_balancer_endpoint_count(const ahoy_balancer *balancer);
ahoy_status ahoy_balancer_endpoint_at(const ahoy_balancer *balancer, size_t index, ahoy_endpoint **endpoint, ahoy_error **err);
void ahoy_balancer_free(ahoy_balancer *balancer);
ahoy_balancer *ahoy_balancer_smooth_weighted_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_p2c_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_peak_ewma_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_least_request_new(const ahoy_provider *provider);
ahoy_status ahoy_balancer_set_choices(const ahoy_balancer *balancer, uint32_t choices, ahoy_error **err);
ahoy_status ahoy_balancer_set_load_header(const ahoy_balancer *balancer, const char *name, ahoy_error **err);
ahoy_balancer *ahoy_balancer_ring_hash_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_maglev_new(const ahoy_provider *provider);
ahoy_balancer *ahoy_balancer_rendezvous_new(const ahoy_provider *provider);
ahoy_status ahoy_balancer_set_ring_size(const ahoy_balancer *balancer, uint32_t min, uint32_t max, ahoy_error **err);
ahoy_status ahoy_balancer_set_table_size(const ahoy_balancer *balancer, uint32_t size, ahoy_error **err);
ahoy_status ahoy_balancer_set_bounded_load(const ahoy_balancer *balancer, double factor, ahoy_error **err);
ahoy_status ahoy_balancer_set_hash_header(const ahoy_balancer *balancer, const char *name, ahoy_error **err);
ahoy_status ahoy_balancer_set_hash_cookie(const ahoy_balancer *balancer, const char *name, ahoy_error **err);
ahoy_status ahoy_balancer_set_slow_start(const ahoy_balancer *balancer, uint64_t window_ms, double min_ratio, double aggression, ahoy_error **err);
ahoy_status ahoy_balancer_set_panic_threshold(const ahoy_balancer *balancer, double ratio, ahoy_error **err);
ahoy_status ahoy_balancer_set_zone(const ahoy_balancer *balancer, const char *zone, ahoy_error **err);
ahoy_status ahoy_balancer_set_subset(const ahoy_balancer *balancer, uint32_t size, ahoy_error **err);
ahoy_status ahoy_balancer_set_deterministic_subset(const ahoy_balancer *balancer, uint32_t size, uint32_t client, uint32_t clients, ahoy_error **err);
ahoy_status ahoy_balancer_use_resilient_profile(const ahoy_balancer *balancer, ahoy_error **err);
ahoy_status ahoy_balancer_set_metrics_endpoints(const ahoy_balancer *balancer, uint32_t endpoints, ahoy_error **err);
ahoy_status ahoy_balancer_set_max_in_flight(const ahoy_balancer *balancer, uint32_t attempts, ahoy_error **err);
ahoy_status ahoy_balancer_set(const ahoy_balancer *balancer, const char *key, const char *value, ahoy_error **err);
ahoy_balancer *ahoy_balancer_prequal_new(const ahoy_provider *provider, const char *probe_path);
ahoy_status ahoy_balancer_set_prequal(const ahoy_balancer *balancer, uint32_t pool, uint64_t max_age_ms, double probes_per_call, double removals_per_call, double hot, ahoy_error **err);
ahoy_status ahoy_balancer_set_prequal_probes(const ahoy_balancer *balancer, uint64_t timeout_ms, uint32_t at_once, ahoy_error **err);
ahoy_status ahoy_balancer_set_outlier_detection(const ahoy_balancer *balancer, bool enabled, ahoy_error **err);
ahoy_status ahoy_balancer_set_outlier_ejection(const ahoy_balancer *balancer, uint64_t interval_ms, uint64_t base_ms, uint64_t max_ms, double max_share, uint32_t min_healthy, ahoy_error **err);
ahoy_status ahoy_balancer_set_outlier_success_rate(const ahoy_balancer *balancer, uint32_t min_endpoints, uint32_t min_calls, double factor, ahoy_error **err);
ahoy_status ahoy_balancer_set_outlier_failure_share(const ahoy_balancer *balancer, double share, uint32_t min_endpoints, uint32_t min_calls, ahoy_error **err);
ahoy_status ahoy_balancer_set_health_check(const ahoy_balancer *balancer, const char *path, uint64_t interval_ms, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_balancer_set_health_thresholds(const ahoy_balancer *balancer, uint32_t unhealthy, uint32_t healthy, uint64_t out_interval_ms, ahoy_error **err);
ahoy_status ahoy_balancer_set_outage_recovery(const ahoy_balancer *balancer, uint32_t min_working, uint64_t hold_ms, ahoy_error **err);
const char *ahoy_endpoint_address(const ahoy_endpoint *endpoint);
uint16_t ahoy_endpoint_port(const ahoy_endpoint *endpoint);
const char *ahoy_endpoint_url(const ahoy_endpoint *endpoint);
uint32_t ahoy_endpoint_weight(const ahoy_endpoint *endpoint);
uint32_t ahoy_endpoint_priority(const ahoy_endpoint *endpoint);
const char *ahoy_endpoint_zone(const ahoy_endpoint *endpoint);
int32_t ahoy_endpoint_state(const ahoy_endpoint *endpoint);
bool ahoy_endpoint_available(const ahoy_endpoint *endpoint);
ahoy_status ahoy_endpoint_open_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);
ahoy_status ahoy_endpoint_close_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);
ahoy_status ahoy_endpoint_disable_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);
ahoy_status ahoy_endpoint_drain(const ahoy_endpoint *endpoint, ahoy_error **err);
ahoy_status ahoy_endpoint_resume(const ahoy_endpoint *endpoint, ahoy_error **err);
void ahoy_endpoint_free(ahoy_endpoint *endpoint);
ahoy_status ahoy_endpoint_reason(const ahoy_endpoint *endpoint, int32_t *reason, ahoy_text **text, ahoy_error **err);
ahoy_status ahoy_balancer_explain(const ahoy_balancer *balancer, ahoy_text **text, ahoy_error **err);
ahoy_breaker *ahoy_breaker_new(void);
ahoy_status ahoy_breaker_set_consecutive_failures(const ahoy_breaker *breaker, uint32_t failures, ahoy_error **err);
ahoy_status ahoy_breaker_disable_consecutive_failures(const ahoy_breaker *breaker, ahoy_error **err);
ahoy_status ahoy_breaker_set_failure_ratio(const ahoy_breaker *breaker, double ratio, uint64_t window_ms, uint32_t min_calls, ahoy_error **err);
ahoy_status ahoy_breaker_set_failure_ratio_count(const ahoy_breaker *breaker, double ratio, uint32_t last_calls, uint32_t min_calls, ahoy_error **err);
ahoy_status ahoy_breaker_set_slow_calls(const ahoy_breaker *breaker, uint64_t duration_ms, double ratio, ahoy_error **err);
ahoy_status ahoy_breaker_disable_failure_ratio(const ahoy_breaker *breaker, ahoy_error **err);
ahoy_status ahoy_breaker_set_open_ms(const ahoy_breaker *breaker, uint64_t base_ms, uint64_t max_ms, ahoy_error **err);
ahoy_status ahoy_breaker_set_retry_after_max_ms(const ahoy_breaker *breaker, uint64_t max_ms, ahoy_error **err);
ahoy_status ahoy_breaker_set_connect_open_max_ms(const ahoy_breaker *breaker, uint64_t max_ms, ahoy_error **err);
ahoy_status ahoy_breaker_set_half_open_probes(const ahoy_breaker *breaker, uint32_t probes, ahoy_error **err);
ahoy_status ahoy_breaker_set_probe_timeout_ms(const ahoy_breaker *breaker, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_breaker_set_reset_after_ms(const ahoy_breaker *breaker, uint64_t reset_after_ms, ahoy_error **err);
ahoy_status ahoy_breaker_set_min_closed(const ahoy_breaker *breaker, uint32_t endpoints, ahoy_error **err);
ahoy_status ahoy_breaker_set(const ahoy_breaker *breaker, const char *key, const char *value, ahoy_error **err);
void ahoy_breaker_free(ahoy_breaker *breaker);
ahoy_retry *ahoy_retry_new(void);
ahoy_status ahoy_retry_set_tries(const ahoy_retry *retry, int32_t tries, ahoy_error **err);
ahoy_status ahoy_retry_set_delay_ms(const ahoy_retry *retry, uint64_t delay_ms, ahoy_error **err);
ahoy_status ahoy_retry_set_max_delay_ms(const ahoy_retry *retry, uint64_t max_delay_ms, ahoy_error **err);
ahoy_status ahoy_retry_set_backoff(const ahoy_retry *retry, double backoff, ahoy_error **err);
ahoy_status ahoy_retry_set_jitter_ms(const ahoy_retry *retry, uint64_t min_ms, uint64_t max_ms, ahoy_error **err);
ahoy_status ahoy_retry_set_full_jitter(const ahoy_retry *retry, ahoy_error **err);
ahoy_status ahoy_retry_set_on(const ahoy_retry *retry, uint32_t mask, ahoy_error **err);
ahoy_status ahoy_retry_set_statuses(const ahoy_retry *retry, const int32_t *statuses, size_t count, ahoy_error **err);
ahoy_status ahoy_retry_set_any_method(const ahoy_retry *retry, bool any_method, ahoy_error **err);
ahoy_status ahoy_retry_set_retry_after_max_ms(const ahoy_retry *retry, uint64_t max_ms, ahoy_error **err);
ahoy_status ahoy_retry_set(const ahoy_retry *retry, const char *key, const char *value, ahoy_error **err);
void ahoy_retry_free(ahoy_retry *retry);
ahoy_client_builder *ahoy_client_builder_new(void);
ahoy_status ahoy_client_builder_set_balancer(ahoy_client_builder *builder, const ahoy_balancer *balancer, ahoy_error **err);
ahoy_status ahoy_client_builder_set_base_url(ahoy_client_builder *builder, const char *base_url, ahoy_error **err);
ahoy_status ahoy_client_builder_set_name(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_retry(ahoy_client_builder *builder, const ahoy_retry *retry, ahoy_error **err);
ahoy_status ahoy_client_builder_add_header(ahoy_client_builder *builder, const char *name, const char *value, ahoy_error **err);
ahoy_status ahoy_client_builder_forward_header(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_forward_cookie(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_endpoint_updates(ahoy_client_builder *builder, uint32_t updates, ahoy_error **err);
ahoy_status ahoy_client_builder_set_wait_for_ready_ms(ahoy_client_builder *builder, uint64_t wait_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_attempt_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_attempt_timeout_hard(ahoy_client_builder *builder, bool hard, ahoy_error **err);
ahoy_status ahoy_client_builder_set_commit(ahoy_client_builder *builder, int32_t commit, ahoy_error **err);
ahoy_status ahoy_client_builder_set_connect_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_body_idle_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_idle_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_idle_per_endpoint(ahoy_client_builder *builder, uint32_t connections, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_connections_per_endpoint(ahoy_client_builder *builder, uint32_t connections, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_connection_age_ms(ahoy_client_builder *builder, uint64_t age_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_warm_up(ahoy_client_builder *builder, uint32_t connections, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_body_bytes(ahoy_client_builder *builder, uint64_t bytes, ahoy_error **err);
ahoy_status ahoy_client_builder_set_gzip(ahoy_client_builder *builder, bool gzip, ahoy_error **err);
ahoy_status ahoy_client_builder_set_http2(ahoy_client_builder *builder, int32_t mode, ahoy_error **err);
ahoy_status ahoy_client_builder_set_redirects(ahoy_client_builder *builder, uint32_t redirects, ahoy_error **err);
ahoy_status ahoy_client_builder_set_expect_continue(ahoy_client_builder *builder, bool expect_continue, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fail_on_status(ahoy_client_builder *builder, bool fail, ahoy_error **err);
ahoy_status ahoy_client_builder_add_ca_pem(ahoy_client_builder *builder, const uint8_t *pem, size_t length, ahoy_error **err);
ahoy_status ahoy_client_builder_set_platform_roots(ahoy_client_builder *builder, bool trust, ahoy_error **err);
ahoy_status ahoy_client_builder_set_client_certificate_pem(ahoy_client_builder *builder, const uint8_t *certificate_pem, size_t certificate_length, const uint8_t *key_pem, size_t key_length, ahoy_error **err);
ahoy_status ahoy_client_builder_set(ahoy_client_builder *builder, const char *key, const char *value, ahoy_error **err);
ahoy_status ahoy_client_builder_build(const ahoy_client_builder *builder, ahoy_client **client, ahoy_error **err);
void ahoy_client_builder_free(ahoy_client_builder *builder);
ahoy_status ahoy_client_builder_set_ca_file(ahoy_client_builder *builder, const char *path, ahoy_error **err);
ahoy_status ahoy_client_builder_set_certificate_file(ahoy_client_builder *builder, const char *path, ahoy_error **err);
ahoy_status ahoy_client_builder_set_key_file(ahoy_client_builder *builder, const char *path, ahoy_error **err);
ahoy_status ahoy_client_builder_set_proxy(ahoy_client_builder *builder, const char *proxy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_no_proxy(ahoy_client_builder *builder, const char *no_proxy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_proxy_from_environment(ahoy_client_builder *builder, bool from_environment, ahoy_error **err);
ahoy_status ahoy_client_builder_set_resolver(ahoy_client_builder *builder, int32_t resolver, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_stale_ms(ahoy_client_builder *builder, uint64_t max_stale_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_local_address(ahoy_client_builder *builder, const char *address, ahoy_error **err);
ahoy_status ahoy_client_builder_set_interface(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_tcp_keepalive_ms(ahoy_client_builder *builder, uint64_t after_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_tcp_user_timeout_ms(ahoy_client_builder *builder, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_resolve(ahoy_client_builder *builder, const char *entries, ahoy_error **err);
ahoy_status ahoy_client_builder_set_retry_budget(ahoy_client_builder *builder, double share, uint32_t floor_per_second, uint64_t window_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_retry_budget_stock(ahoy_client_builder *builder, uint32_t attempts, ahoy_error **err);
ahoy_status ahoy_client_builder_use_resilient_profile(ahoy_client_builder *builder, ahoy_error **err);
ahoy_status ahoy_client_builder_disable_retry_budget(ahoy_client_builder *builder, ahoy_error **err);
ahoy_status ahoy_client_builder_set_hedge_delay_ms(ahoy_client_builder *builder, uint64_t delay_ms, double max_extra, ahoy_error **err);
ahoy_status ahoy_client_builder_set_hedge(ahoy_client_builder *builder, double max_extra, ahoy_error **err);
ahoy_status ahoy_client_builder_set_max_in_flight(ahoy_client_builder *builder, uint32_t calls, ahoy_error **err);
ahoy_status ahoy_client_builder_set_adaptive_limit(ahoy_client_builder *builder, uint32_t start, uint32_t floor, uint32_t ceiling, ahoy_error **err);
ahoy_status ahoy_client_builder_set_wait_queue(ahoy_client_builder *builder, uint32_t length, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_adaptive_throttle(ahoy_client_builder *builder, double k, uint64_t window_ms, ahoy_error **err);
ahoy_status ahoy_client_builder_set_deadline_header(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_attempt_header(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_pushback_header(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_trace(ahoy_client_builder *builder, int32_t mode, ahoy_error **err);
ahoy_status ahoy_client_builder_on_request(ahoy_client_builder *builder, ahoy_request_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_on_response(ahoy_client_builder *builder, ahoy_response_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_on_error(ahoy_client_builder *builder, ahoy_error_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_should_stop(ahoy_client_builder *builder, ahoy_should_stop_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_interruptible(ahoy_client_builder *builder, bool interruptible, ahoy_error **err);
ahoy_status ahoy_client_builder_on_log(ahoy_client_builder *builder, int32_t level, ahoy_log_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_on_classify(ahoy_client_builder *builder, ahoy_classify_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_failure_statuses(ahoy_client_builder *builder, const int32_t *statuses, size_t count, ahoy_error **err);
ahoy_status ahoy_client_builder_on_call_end(ahoy_client_builder *builder, ahoy_call_end_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fault_abort(ahoy_client_builder *builder, int32_t status, double share, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fault_delay(ahoy_client_builder *builder, uint64_t delay_ms, double share, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fault_reset(ahoy_client_builder *builder, double share, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fault_header(ahoy_client_builder *builder, const char *name, ahoy_error **err);
ahoy_status ahoy_client_builder_set_fault_seed(ahoy_client_builder *builder, uint32_t seed, ahoy_error **err);
ahoy_status ahoy_client_builder_set_key_log(ahoy_client_builder *builder, ahoy_key_log_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_set_wire_trace(ahoy_client_builder *builder, ahoy_wire_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
size_t ahoy_client_option_count(void);
const char *ahoy_client_option_key_at(size_t index);
const char *ahoy_client_option_description_at(size_t index);
size_t ahoy_retry_option_count(void);
const char *ahoy_retry_option_key_at(size_t index);
const char *ahoy_retry_option_description_at(size_t index);
size_t ahoy_balancer_option_count(void);
const char *ahoy_balancer_option_key_at(size_t index);
const char *ahoy_balancer_option_description_at(size_t index);
size_t ahoy_breaker_option_count(void);
const char *ahoy_breaker_option_key_at(size_t index);
const char *ahoy_breaker_option_description_at(size_t index);
size_t ahoy_provider_option_count(void);
const char *ahoy_provider_option_key_at(size_t index);
const char *ahoy_provider_option_description_at(size_t index);
ahoy_status ahoy_client_from_config(const char *json, ahoy_client **client, ahoy_error **err);
ahoy_status ahoy_client_builder_set_config(ahoy_client_builder *builder, const char *json, ahoy_error **err);
ahoy_status ahoy_client_config_text(const ahoy_client *client, ahoy_text **text, ahoy_error **err);
ahoy_status ahoy_client_reconfigure(const ahoy_client *client, const char *json, ahoy_error **err);
ahoy_status ahoy_client_balancer(const ahoy_client *client, ahoy_balancer **balancer, ahoy_error **err);
ahoy_status ahoy_client_get(const ahoy_client *client, const char *path, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_options(const ahoy_client *client, const char *path, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_head(const ahoy_client *client, const char *path, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_delete(const ahoy_client *client, const char *path, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_post(const ahoy_client *client, const char *path, const char *content_type, const uint8_t *body, size_t length, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_put(const ahoy_client *client, const char *path, const char *content_type, const uint8_t *body, size_t length, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_patch(const ahoy_client *client, const char *path, const char *content_type, const uint8_t *body, size_t length, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_send(const ahoy_client *client, const ahoy_request *request, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_client_start(const ahoy_client *client, const ahoy_request *request, ahoy_call **call, ahoy_error **err);
ahoy_status ahoy_client_submit(const ahoy_client *client, const ahoy_request *request, const ahoy_queue *queue, uint64_t tag, ahoy_error **err);
ahoy_status ahoy_client_close(const ahoy_client *client, uint64_t timeout_ms, ahoy_error **err);
void ahoy_client_free(ahoy_client *client);
ahoy_status ahoy_request_new(const char *method, const char *path, ahoy_request **request, ahoy_error **err);
ahoy_status ahoy_request_add_header(ahoy_request *request, const char *name, const char *value, ahoy_error **err);
ahoy_status ahoy_request_set_header(ahoy_request *request, const char *name, const char *value, ahoy_error **err);
ahoy_status ahoy_request_forward_headers(ahoy_request *request, const char *const *names, const char *const *values, size_t count, ahoy_error **err);
ahoy_status ahoy_request_set_body(ahoy_request *request, const uint8_t *bytes, size_t length, ahoy_error **err);
ahoy_status ahoy_request_set_timeout_ms(ahoy_request *request, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_request_set_attempt_timeout_ms(ahoy_request *request, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_request_set_attempt_timeout_hard(ahoy_request *request, bool hard, ahoy_error **err);
ahoy_status ahoy_request_set_group(ahoy_request *request, const char *group, ahoy_error **err);
ahoy_status ahoy_request_set_idempotent(ahoy_request *request, bool idempotent, ahoy_error **err);
ahoy_status ahoy_request_set_criticality(ahoy_request *request, int32_t criticality, ahoy_error **err);
ahoy_status ahoy_request_set_hash_key(ahoy_request *request, const uint8_t *key, size_t length, ahoy_error **err);
ahoy_status ahoy_request_set_hash(ahoy_request *request, uint64_t hash, ahoy_error **err);
ahoy_status ahoy_request_set_path(ahoy_request *request, const char *path, ahoy_error **err);
const char *ahoy_request_method(const ahoy_request *request);
const char *ahoy_request_path(const ahoy_request *request);
const char *ahoy_request_endpoint_url(const ahoy_request *request);
void ahoy_request_free(ahoy_request *request);
ahoy_status ahoy_request_set_tries(ahoy_request *request, int32_t tries, ahoy_error **err);
ahoy_status ahoy_request_set_retry(ahoy_request *request, const ahoy_retry *retry, ahoy_error **err);
ahoy_status ahoy_request_set_idempotency_key(ahoy_request *request, const char *header, const char *value, ahoy_error **err);
const char *ahoy_request_header(const ahoy_request *request, const char *name);
size_t ahoy_request_header_count(const ahoy_request *request);
const char *ahoy_request_header_name_at(const ahoy_request *request, size_t index);
const char *ahoy_request_header_value_at(const ahoy_request *request, size_t index);
const uint8_t *ahoy_request_body(const ahoy_request *request, size_t *length);
const char *ahoy_request_authority(const ahoy_request *request);
size_t ahoy_request_attempt_number(const ahoy_request *request);
ahoy_status ahoy_request_set_user_data(ahoy_request *request, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
void *ahoy_request_user_data(const ahoy_request *request);
ahoy_status ahoy_request_set_streamed(ahoy_request *request, bool streamed, ahoy_error **err);
ahoy_status ahoy_request_set_idle_timeout_ms(ahoy_request *request, uint64_t timeout_ms, ahoy_error **err);
ahoy_status ahoy_request_set_body_source(ahoy_request *request, ahoy_body_fn fn, ahoy_body_rewind_fn rewind, void *user_data, ahoy_destroy_fn destroy, uint64_t length, ahoy_error **err);
ahoy_status ahoy_request_body_ready(const ahoy_request *request, ahoy_error **err);
int32_t ahoy_response_status(const ahoy_response *response);
const char *ahoy_response_header(const ahoy_response *response, const char *name);
size_t ahoy_response_header_count(const ahoy_response *response);
const char *ahoy_response_header_name_at(const ahoy_response *response, size_t index);
const char *ahoy_response_header_value_at(const ahoy_response *response, size_t index);
const uint8_t *ahoy_response_body(const ahoy_response *response, size_t *length);
const char *ahoy_response_endpoint_url(const ahoy_response *response);
const char *ahoy_response_url(const ahoy_response *response);
uint64_t ahoy_response_elapsed_us(const ahoy_response *response);
void *ahoy_response_user_data(const ahoy_response *response);
size_t ahoy_response_attempt_count(const ahoy_response *response);
const char *ahoy_response_stop_reason(const ahoy_response *response);
const ahoy_attempt *ahoy_response_attempt_at(const ahoy_response *response, size_t index);
void ahoy_response_free(ahoy_response *response);
ahoy_status ahoy_response_read(const ahoy_response *response, uint8_t *buffer, size_t capacity, uint64_t timeout_ms, size_t *length, bool *ended, ahoy_error **err);
ahoy_status ahoy_response_notify(const ahoy_response *response, const ahoy_queue *queue, uint64_t tag, ahoy_error **err);
ahoy_status ahoy_response_on_readable(const ahoy_response *response, ahoy_readable_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
const char *ahoy_attempt_url(const ahoy_attempt *attempt);
ahoy_status ahoy_attempt_status(const ahoy_attempt *attempt);
int32_t ahoy_attempt_http_status(const ahoy_attempt *attempt);
const char *ahoy_attempt_detail(const ahoy_attempt *attempt);
uint64_t ahoy_attempt_elapsed_us(const ahoy_attempt *attempt);
bool ahoy_attempt_is_ambiguous(const ahoy_attempt *attempt);
bool ahoy_attempt_opened_circuit(const ahoy_attempt *attempt);
bool ahoy_attempt_is_hedge(const ahoy_attempt *attempt);
uint32_t ahoy_attempt_faults(const ahoy_attempt *attempt);
size_t ahoy_attempt_number(const ahoy_attempt *attempt);
uint64_t ahoy_attempt_wait_us(const ahoy_attempt *attempt);
uint64_t ahoy_attempt_phase_us(const ahoy_attempt *attempt, int32_t phase);
bool ahoy_attempt_is_reused(const ahoy_attempt *attempt);
const char *ahoy_attempt_protocol(const ahoy_attempt *attempt);
const char *ahoy_attempt_local_address(const ahoy_attempt *attempt);
const char *ahoy_attempt_remote_address(const ahoy_attempt *attempt);
ahoy_status ahoy_call_wait(const ahoy_call *call, uint64_t timeout_ms, ahoy_response **response, ahoy_error **err);
ahoy_status ahoy_call_on_done(const ahoy_call *call, ahoy_done_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_call_cancel(const ahoy_call *call, ahoy_error **err);
void ahoy_call_free(ahoy_call *call);
ahoy_status ahoy_queue_new(ahoy_queue **queue, ahoy_error **err);
intptr_t ahoy_queue_fd(const ahoy_queue *queue);
ahoy_status ahoy_queue_cancel(const ahoy_queue *queue, uint64_t tag, ahoy_error **err);
ahoy_status ahoy_queue_next(const ahoy_queue *queue, uint64_t timeout_ms, ahoy_completion **completion, ahoy_error **err);
ahoy_status ahoy_queue_next_batch(const ahoy_queue *queue, uint64_t timeout_ms, ahoy_completion **completions, size_t capacity, size_t *count, ahoy_error **err);
void ahoy_queue_free(ahoy_queue *queue);
uint64_t ahoy_completion_tag(const ahoy_completion *completion);
ahoy_status ahoy_completion_status(const ahoy_completion *completion);
ahoy_response *ahoy_completion_take_response(const ahoy_completion *completion);
ahoy_error *ahoy_completion_take_error(const ahoy_completion *completion);
void ahoy_completion_free(ahoy_completion *completion);
const char *ahoy_sample_name(const ahoy_sample *sample);
const char *ahoy_sample_help(const ahoy_sample *sample);
int32_t ahoy_sample_kind(const ahoy_sample *sample);
size_t ahoy_sample_label_count(const ahoy_sample *sample);
const char *ahoy_sample_label_name_at(const ahoy_sample *sample, size_t index);
const char *ahoy_sample_label_value_at(const ahoy_sample *sample, size_t index);
double ahoy_sample_value(const ahoy_sample *sample);
size_t ahoy_sample_bucket_count(const ahoy_sample *sample);
double ahoy_sample_bucket_bound_at(const ahoy_sample *sample, size_t index);
uint64_t ahoy_sample_bucket_value_at(const ahoy_sample *sample, size_t index);
ahoy_status ahoy_client_snapshot(const ahoy_client *client, ahoy_snapshot **snapshot, ahoy_error **err);
ahoy_status ahoy_snapshot_add_client(const ahoy_snapshot *snapshot, const ahoy_client *client, ahoy_error **err);
ahoy_status ahoy_snapshot_each(const ahoy_snapshot *snapshot, ahoy_sample_fn fn, void *user_data, ahoy_error **err);
ahoy_status ahoy_snapshot_text(const ahoy_snapshot *snapshot, int32_t format, ahoy_text **text, ahoy_error **err);
void ahoy_snapshot_free(ahoy_snapshot *snapshot);
int32_t ahoy_event_kind(const ahoy_event *event);
int64_t ahoy_event_time_ms(const ahoy_event *event);
const char *ahoy_event_endpoint_url(const ahoy_event *event);
const char *ahoy_event_text(const ahoy_event *event);
const char *ahoy_event_detail(const ahoy_event *event);
void *ahoy_event_user_data(const ahoy_event *event);
bool ahoy_event_number(const ahoy_event *event, int32_t field, int64_t *number);
void ahoy_event_free(ahoy_event *event);
ahoy_status ahoy_client_builder_on_event(ahoy_client_builder *builder, ahoy_event_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_client_builder_add_event_queue(ahoy_client_builder *builder, const ahoy_queue *queue, ahoy_error **err);
ahoy_status ahoy_balancer_on_event(const ahoy_balancer *balancer, ahoy_event_fn fn, void *user_data, ahoy_destroy_fn destroy, ahoy_error **err);
ahoy_status ahoy_balancer_add_event_queue(const ahoy_balancer *balancer, const ahoy_queue *queue, ahoy_error **err);
ahoy_status ahoy_queue_next_event(const ahoy_queue *queue, uint64_t timeout_ms, ahoy_event **event, ahoy_error **err);
uint64_t ahoy_queue_events_lost(const ahoy_queue *queue);
