/**
 * @file ahoy.hpp
 * The C++ face of libahoy: an HTTP client for services that run on several hosts. Header-only, C++17.
 *
 * @code
 * ahoy::provider hosts;
 * hosts.add("10.0.0.7", 8080).add("10.0.0.8", 8080);
 * ahoy::client client = ahoy::client_builder()
 *     .set_balancer(ahoy::balancer(hosts))
 *     .set_timeout(std::chrono::seconds(2))
 *     .build();
 * ahoy::response answer = client.get("/orders");
 * std::cout << answer.status() << ' ' << answer.body();
 * @endcode
 *
 * **Handles.** Each class owns one handle of C, can be moved and not copied, and frees it when destroyed, in any order.
 * `get()` lends the handle to functions of ahoy.h, `release()` gives it away, and the constructor from a pointer takes one
 * over. Functions given a handle that was moved from fail with errc::invalid_argument. Classes that end in `_view` borrow:
 * they are valid as long as what they came from. An error can also be copied: copies share it.
 * A dispatcher can be neither copied nor moved.
 *
 * **Errors.** A function that can fail throws ahoy::exception. Its twin `try_...` returns an ahoy::result and throws
 * nothing but std::bad_alloc; a program built with -fno-exceptions has the twins alone. Define AHOY_HPP_EXCEPTIONS as 0 or 1
 * to choose by hand. Objects of the two kinds of program have types of different names, so mixing them fails to link.
 *
 * **Time.** Limits are std::chrono::milliseconds; ahoy::forever sets no limit, and below 0 counts as 0.
 *
 * **Text.** A text_ref is made from a literal, a std::string or a std::string_view; the last is copied, since C wants a NUL at
 * its end. A text that holds a NUL is errc::invalid_argument. A std::string_view that is returned is valid as long as the
 * object that it came from, and moves with it: `client.get("/").body()` ends with its expression, and before C++23 a loop
 * over `client.get("/").headers()` reads what is gone. Clang warns of both.
 *
 * **Callbacks.** Any callable will do, also one that can only be moved. The library keeps it, and destroys it on any thread.
 * An exception that leaves it goes no further: it becomes the status that its C function documents for a failure, and
 * ahoy::set_exception_handler may look at it. On which thread a callable runs is said where it is registered.
 *
 * **Threads.** As in ahoy.h: hosts, builders and requests belong to one thread at a time; clients, balancers, endpoints, calls
 * and queues to all.
 *
 * The parts between the marks of generation come from ahoy.h by tests/hpp.py. Changes made there are lost.
 */
#ifndef AHOY_HPP
#define AHOY_HPP

#include "ahoy.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#ifndef AHOY_HPP_EXCEPTIONS
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define AHOY_HPP_EXCEPTIONS 1
#else
#define AHOY_HPP_EXCEPTIONS 0
#endif
#endif

#if AHOY_HPP_EXCEPTIONS
#include <exception>
#include <stdexcept>
// The end of a thread (pthread_exit, pthread_cancel) unwinds like an exception, which glibc lets nobody stop.
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#define AHOY_HPP_PASS_FORCED_UNWIND                                                                                    \
    catch (const abi::__forced_unwind &) {                                                                             \
        throw;                                                                                                         \
    }
#else
#define AHOY_HPP_PASS_FORCED_UNWIND
#endif
#endif

#if defined(__has_include) && defined(__cpp_impl_coroutine)
#if __has_include(<coroutine>)
#include <coroutine>
#define AHOY_HPP_COROUTINES 1
#endif
#endif
#ifndef AHOY_HPP_COROUTINES
#define AHOY_HPP_COROUTINES 0
#endif

#if defined(__has_include) && __cplusplus >= 202002L
#if __has_include(<stop_token>)
#include <stop_token>
#endif
#endif
#if defined(__cpp_lib_jthread)
#define AHOY_HPP_STOP_TOKEN 1
#else
#define AHOY_HPP_STOP_TOKEN 0
#endif

// On members whose result borrows from an object that owns: clang warns where a temporary ends before that result.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::lifetimebound)
#define AHOY_HPP_LIFETIMEBOUND [[clang::lifetimebound]]
#endif
#endif
#ifndef AHOY_HPP_LIFETIMEBOUND
#define AHOY_HPP_LIFETIMEBOUND
#endif

// On functions with a static, of which shared objects built with -fvisibility=hidden would have one each.
#if defined(__GNUC__) && !defined(_WIN32)
#define AHOY_HPP_SHARED __attribute__((visibility("default")))
#else
#define AHOY_HPP_SHARED
#endif

namespace ahoy {

// Programs with and without exceptions differ in the bodies of functions, so their names must differ as well.
#if AHOY_HPP_EXCEPTIONS
inline namespace throwing {
#else
inline namespace plain {
#endif

/** No limit. */
inline constexpr std::chrono::milliseconds forever = (std::chrono::milliseconds::max)(); // which windows.h has a macro of
static_assert(AHOY_FOREVER == UINT64_MAX, "detail::to_c turns forever into this");

/** A body whose length is not known before its end; it is sent in chunks. */
inline constexpr std::uint64_t unknown_length = AHOY_UNKNOWN_LENGTH;

// generated: enumerations
/** What a function that failed says. */
enum class errc : ahoy_status {
    /** The function did what it says. */
    ok = AHOY_OK,
    /** A parameter is missing or out of range. */
    invalid_argument = AHOY_E_INVALID_ARGUMENT,
    /** The handle is in use and can no longer be changed, or is in that state already. */
    in_use = AHOY_E_IN_USE,
    /** No option has this name. */
    unknown_option = AHOY_E_UNKNOWN_OPTION,
    /** A blocking call inside a callback. */
    would_deadlock = AHOY_E_WOULD_DEADLOCK,
    /** The client is closed. */
    closed = AHOY_E_CLOSED,
    /**
     * This kind of handle, or this build of the library, cannot do that. Where a function does not
     * name it, a handle of another kind is errc::invalid_argument.
     */
    unsupported = AHOY_E_UNSUPPORTED,
    /** The provider failed and no earlier list is known. */
    discovery = AHOY_E_DISCOVERY,
    /** No endpoint is known, or no circuit admits. */
    no_endpoints = AHOY_E_NO_ENDPOINTS,
    /** The endpoint's name could not be resolved. */
    resolve = AHOY_E_RESOLVE,
    /** The endpoint could not be connected to. */
    connect = AHOY_E_CONNECT,
    /** Connecting took longer than its limit. */
    connect_timeout = AHOY_E_CONNECT_TIMEOUT,
    /** The TLS handshake failed. */
    tls = AHOY_E_TLS,
    /** The connection ended before the answer did. */
    connection_lost = AHOY_E_CONNECTION_LOST,
    /** The answer is not valid HTTP. */
    protocol = AHOY_E_PROTOCOL,
    /** The attempt took longer than its limit. */
    timeout = AHOY_E_TIMEOUT,
    /** The call took longer than its limit. */
    deadline = AHOY_E_DEADLINE,
    /** The call was cancelled. */
    cancelled = AHOY_E_CANCELLED,
    /** A signal ended the call. */
    interrupted = AHOY_E_INTERRUPTED,
    /** The answer's body is above the bound. */
    body_too_large = AHOY_E_BODY_TOO_LARGE,
    /** The answer's status is 4xx or 5xx and the client fails on those. */
    http_status = AHOY_E_HTTP_STATUS,
    /** A bound of this process was reached. */
    overloaded = AHOY_E_OVERLOADED,
    /** The handle belongs to the parent process. */
    forked = AHOY_E_FORKED,
    /** A hook refused the attempt. */
    hook_refused = AHOY_E_HOOK_REFUSED,
    /** The source of the request's body failed, or did not keep its length. */
    body_source = AHOY_E_BODY_SOURCE,
    /** A defect of this library. */
    internal = AHOY_E_INTERNAL,
};

/** How a host is spoken to. */
enum class scheme : std::int32_t {
    /** How a host is spoken to: plain HTTP. */
    http = AHOY_SCHEME_HTTP,
    /** How a host is spoken to: HTTP over TLS. */
    https = AHOY_SCHEME_HTTPS,
};

/** How a balancer's list is known. */
enum class list_state : std::int32_t {
    /** No list is known yet: the balancer was not used, or its provider did not answer so far. */
    none = AHOY_LIST_NONE,
    /** The list is what the provider told last. */
    current = AHOY_LIST_CURRENT,
    /** The last list serves: the provider fails, or has not answered since a start with a snapshot. */
    last = AHOY_LIST_LAST,
    /** The provider has failed for longer than its option max_stale: its last list serves no more. */
    stale = AHOY_LIST_STALE,
    /** No list is known, and the provider refuses what it is asked: a wrong token, path or option. */
    refused = AHOY_LIST_REFUSED,
};

/** The state of a circuit. */
enum class circuit : std::int32_t {
    /** Traffic flows. */
    closed = AHOY_CIRCUIT_CLOSED,
    /** No traffic; a probe is let through when it is due, unless the circuit was opened by hand. */
    open = AHOY_CIRCUIT_OPEN,
    /** A probe is under way. */
    half_open = AHOY_CIRCUIT_HALF_OPEN,
};

/** Why an endpoint is available or not. */
enum class reason : std::int32_t {
    /** The endpoint gets its share of the calls. */
    available = AHOY_REASON_AVAILABLE,
    /** Its circuit is open; a probe is let through when it is due. */
    circuit_open = AHOY_REASON_CIRCUIT_OPEN,
    /** Its circuit lets probes through, and nothing else. */
    circuit_half_open = AHOY_REASON_CIRCUIT_HALF_OPEN,
    /** Its circuit was opened by endpoint::open_circuit. */
    opened_by_hand = AHOY_REASON_OPENED_BY_HAND,
    /** It was drained by endpoint::drain. */
    drained = AHOY_REASON_DRAINED,
    /** Outlier detection took it out for a while. */
    ejected = AHOY_REASON_EJECTED,
    /** It fails its health checks. */
    check_failing = AHOY_REASON_CHECK_FAILING,
    /** It is listed with a weight of 0. */
    weight_zero = AHOY_REASON_WEIGHT_ZERO,
    /** It warms up (slow start): it gets a part of its share. */
    warming = AHOY_REASON_WARMING,
    /** It is well, and endpoints of a lower priority number get all calls. */
    other_locality = AHOY_REASON_OTHER_LOCALITY,
    /** It has as many attempts in flight as it may. */
    full = AHOY_REASON_FULL,
    /** It is no longer listed. */
    departed = AHOY_REASON_DEPARTED,
};

/** Kinds of failure that are tried again; combined with |. */
enum class retry_on : std::uint32_t {
    /** Try again when refused, unreachable or unresolved. */
    connect = AHOY_RETRY_ON_CONNECT,
    /** Try again when connecting took too long. */
    connect_timeout = AHOY_RETRY_ON_CONNECT_TIMEOUT,
    /** Try again when an attempt took too long. */
    timeout = AHOY_RETRY_ON_TIMEOUT,
    /** Try again when the connection was lost before the request's first byte was sent. */
    lost_unsent = AHOY_RETRY_ON_LOST_UNSENT,
    /** Try again when the connection was lost, or the answer was broken, after bytes were sent. */
    lost_sent = AHOY_RETRY_ON_LOST_SENT,
    /** Try again on certain statuses: see retry::set_statuses. */
    status = AHOY_RETRY_ON_STATUS,
    /** Try again when the server refused the stream unprocessed (HTTP/2). */
    refused_stream = AHOY_RETRY_ON_REFUSED_STREAM,
    /** All of these: the default. */
    all = AHOY_RETRY_ON_ALL,
};

/** Whether HTTP/2 is spoken. */
enum class http2 : std::int32_t {
    /** HTTP/1.1 only. */
    off = AHOY_HTTP2_OFF,
    /** HTTP/2 where TLS agrees on it (ALPN), and HTTP/1.1 otherwise. */
    alpn = AHOY_HTTP2_ALPN,
    /** HTTP/2 always, also without TLS: every host is known to speak it. */
    prior_knowledge = AHOY_HTTP2_PRIOR_KNOWLEDGE,
};

/** When a streamed answer is handed over. */
enum class commit : std::int32_t {
    /** A streamed answer is handed over with its head. */
    head = AHOY_COMMIT_HEAD,
    /** A streamed answer is handed over with the first byte of its body, or at its end. */
    first_byte = AHOY_COMMIT_FIRST_BYTE,
};

/** What is asked for the addresses of names. */
enum class resolver : std::int32_t {
    /** Names are looked up in the system's hosts file and asked of the servers in resolv.conf. */
    dns = AHOY_RESOLVER_DNS,
    /** Names are asked of the C library (getaddrinfo). */
    system = AHOY_RESOLVER_SYSTEM,
};

/** What is done with W3C traces. */
enum class trace : std::int32_t {
    /** Traces are not touched: a traceparent header of the request is sent as it is. */
    off = AHOY_TRACE_OFF,
    /** A trace of the inbound request is continued; each attempt is a span of its own. */
    pass_on = AHOY_TRACE_PASS_ON,
    /** As trace::pass_on; without an inbound trace, one is started that is not sampled. */
    start = AHOY_TRACE_START,
    /** As trace::pass_on; without an inbound trace, one is started that is sampled. */
    start_sampled = AHOY_TRACE_START_SAMPLED,
};

/** The severity of a message. */
enum class log_level : std::int32_t {
    /** Severity of a message: the library could not do its work. */
    error = AHOY_LOG_ERROR,
    /** Severity of a message: something is wrong with a peer or a provider. */
    warn = AHOY_LOG_WARN,
    /** Severity of a message: a state changed. */
    info = AHOY_LOG_INFO,
    /** Severity of a message: one attempt. */
    debug = AHOY_LOG_DEBUG,
};

/** What the host says of an answer. */
enum class classify : std::int32_t {
    /** Verdict on an answer: as the settings say. Any number without a name is taken for it. */
    default_ = AHOY_CLASSIFY_DEFAULT,
    /** Verdict on an answer: its endpoint works, and the answer is handed over. */
    success = AHOY_CLASSIFY_SUCCESS,
    /**
     * Verdict on an answer: its endpoint has failed, and another attempt may be made, as after a
     * status that is tried again.
     */
    retryable_failure = AHOY_CLASSIFY_RETRYABLE_FAILURE,
    /** Verdict on an answer: its endpoint has failed, and repeating cannot help. It is handed over. */
    final_failure = AHOY_CLASSIFY_FINAL_FAILURE,
    /** Verdict on an answer: it says nothing of its endpoint, and is handed over. */
    ignored = AHOY_CLASSIFY_IGNORED,
};

/** What a piece of a wire trace is. */
enum class wire : std::int32_t {
    /** Wire trace: a connection stands. Text such as "10.0.0.1:50123 to 10.0.0.7:80". */
    opened = AHOY_WIRE_OPENED,
    /** Wire trace: the head of a request, masked. */
    head_sent = AHOY_WIRE_HEAD_SENT,
    /** Wire trace: a piece of a request's body, as it is on the wire. */
    body_sent = AHOY_WIRE_BODY_SENT,
    /** Wire trace: the head of an answer, masked; interim ones too. */
    head_received = AHOY_WIRE_HEAD_RECEIVED,
    /** Wire trace: a piece of an answer's body, as it is on the wire: encoded, and with its chunks. */
    body_received = AHOY_WIRE_BODY_RECEIVED,
    /**
     * Wire trace: a frame of HTTP/2 was sent. Text such as "HEADERS stream 1 flags 0x05 length 40"; of
     * DATA the content follows as wire::body_sent.
     */
    frame_sent = AHOY_WIRE_FRAME_SENT,
    /** Wire trace: a frame of HTTP/2 came; see wire::frame_sent. */
    frame_received = AHOY_WIRE_FRAME_RECEIVED,
};

/** How important a request is. */
enum class criticality : std::int32_t {
    /** Class of a request: its failure does great harm. */
    critical_plus = AHOY_CRITICAL_PLUS,
    /** Class of a request: a person waits for it. The default. */
    critical = AHOY_CRITICAL,
    /** Class of a request: it can be repeated within minutes. May fill three quarters of a limit. */
    sheddable_plus = AHOY_SHEDDABLE_PLUS,
    /** Class of a request: it may fail for hours. May fill half of a limit. */
    sheddable = AHOY_SHEDDABLE,
};

/** What a body function did. */
enum class body_step : std::int32_t {
    /** Result of a body function: there is no more. */
    end = AHOY_BODY_END,
    /** Result of a body function: *length bytes are in the buffer. */
    data = AHOY_BODY_DATA,
    /** Result of a body function: nothing yet; request::body_ready asks again. */
    not_ready = AHOY_BODY_NOT_READY,
    /** Result of a body function: the body breaks off here. The call ends with errc::body_source. */
    failed = AHOY_BODY_FAILED,
};

/** See the constants AHOY_FAULT_ of ahoy.h. */
enum class fault : std::int32_t {
    /** Fault on demand: the attempt was sent later (client_builder::set_fault_delay). */
    delay = AHOY_FAULT_DELAY,
    /** Fault on demand: the attempt was answered and not sent (client_builder::set_fault_abort). */
    abort = AHOY_FAULT_ABORT,
    /** Fault on demand: the attempt seemed lost and was not sent (client_builder::set_fault_reset). */
    reset = AHOY_FAULT_RESET,
};

/** A part of an attempt's time. */
enum class phase : std::int32_t {
    /** Phase of an attempt: all connections to the endpoint that there may be were in use. */
    wait = AHOY_PHASE_WAIT,
    /** Phase of an attempt: the endpoint's name was resolved. */
    resolve = AHOY_PHASE_RESOLVE,
    /** Phase of an attempt: a connection was made. */
    connect = AHOY_PHASE_CONNECT,
    /** Phase of an attempt: TLS was agreed on. */
    tls = AHOY_PHASE_TLS,
    /** Phase of an attempt: from a connection that stands to the head of the answer. */
    first_byte = AHOY_PHASE_FIRST_BYTE,
    /**
     * Phase of an attempt: the rest of the answer's body. 0 where it came together with the head, and
     * where the answer is streamed, whose attempt ends with the head. Where a streamed body broke off,
     * the attempt of the error goes on up to there, and that time is here.
     */
    body = AHOY_PHASE_BODY,
};

/** How a metric behaves. */
enum class metric_kind : std::int32_t {
    /**
     * A count that only grows. It begins at 0 with its client or balancer, and anew in a forked child.
     */
    counter = AHOY_METRIC_COUNTER,
    /** A number that goes up and down. */
    gauge = AHOY_METRIC_GAUGE,
    /** How many took how long, by buckets of seconds. */
    histogram = AHOY_METRIC_HISTOGRAM,
};

/** The form of a snapshot's text. */
enum class text_format : std::int32_t {
    /**
     * OpenMetrics 1.0, which Prometheus prefers. Its content type is "application/openmetrics-text;
     * version=1.0.0; charset=utf-8".
     */
    openmetrics = AHOY_FORMAT_OPENMETRICS,
    /**
     * The text format 0.0.4 of Prometheus. Its content type is "text/plain; version=0.0.4;
     * charset=utf-8".
     */
    prometheus = AHOY_FORMAT_PROMETHEUS,
};

/** What happened. */
enum class event_kind : std::int32_t {
    /**
     * A circuit opened. Fields: reason, old and new state, until (not where it was opened by hand). Of
     * a circuit that answers open and close again and again, it is told once a second at most.
     */
    circuit_opened = AHOY_EVENT_CIRCUIT_OPENED,
    /** A circuit lets a probe through. Fields: old and new state. */
    circuit_half_opened = AHOY_EVENT_CIRCUIT_HALF_OPENED,
    /** A circuit closed whose opening was told. Fields: new state. */
    circuit_closed = AHOY_EVENT_CIRCUIT_CLOSED,
    /** Outlier detection took an endpoint out. Fields: reason, until. */
    ejected = AHOY_EVENT_EJECTED,
    /** An endpoint is back after an ejection. */
    returned = AHOY_EVENT_RETURNED,
    /** An endpoint fails its health checks, and is out. */
    check_failed = AHOY_EVENT_CHECK_FAILED,
    /** An endpoint passes its health checks, and is back. */
    check_passed = AHOY_EVENT_CHECK_PASSED,
    /** An endpoint was drained by hand. */
    drained = AHOY_EVENT_DRAINED,
    /** A drained endpoint gets attempts again. */
    resumed = AHOY_EVENT_RESUMED,
    /** Endpoints joined or left. Fields: known, joined, left, and age where there was a list before. */
    list_changed = AHOY_EVENT_LIST_CHANGED,
    /** The provider fails; told once. Fields: age of the list that stays. The detail says why. */
    source_failing = AHOY_EVENT_SOURCE_FAILING,
    /** The provider tells lists again. */
    source_well = AHOY_EVENT_SOURCE_WELL,
    /**
     * The retry budget refused a retry, after it had granted the one before. Told once a second at
     * most.
     */
    budget_empty = AHOY_EVENT_BUDGET_EMPTY,
    /** The retry budget grants retries again. Told once after each 13. */
    budget_filled = AHOY_EVENT_BUDGET_FILLED,
    /**
     * A call was turned away by a limit, after the one before was let in. The detail says by which.
     * Told once a second at most.
     */
    overload_entered = AHOY_EVENT_OVERLOAD_ENTERED,
    /** A call was let in again. Told once after each 15. */
    overload_left = AHOY_EVENT_OVERLOAD_LEFT,
    /** Too few endpoints of a priority are well, so that all of them serve. */
    panic_entered = AHOY_EVENT_PANIC_ENTERED,
    /** Enough endpoints are well again. */
    panic_left = AHOY_EVENT_PANIC_LEFT,
    /** Calls are held back while the service comes back from an outage of all its endpoints. */
    holding_back = AHOY_EVENT_HOLDING_BACK,
    /** Calls are no longer held back. */
    holding_ended = AHOY_EVENT_HOLDING_ENDED,
};

/** Why a circuit opened. */
enum class opened : std::int64_t {
    /** Why a circuit opened: its endpoint could not be connected to. */
    unreachable = AHOY_OPENED_UNREACHABLE,
    /** Why a circuit opened: its endpoint's answers, or that there were none. */
    by_answers = AHOY_OPENED_BY_ANSWERS,
    /** Why a circuit opened: attempts that passed their limit. */
    by_hang = AHOY_OPENED_BY_HANG,
    /** Why a circuit opened: a probe that failed. */
    by_probe = AHOY_OPENED_BY_PROBE,
    /** Why a circuit opened: endpoint::open_circuit. */
    by_hand = AHOY_OPENED_BY_HAND,
};

/** Why an endpoint was ejected. */
enum class ejected : std::int64_t {
    /** Why an endpoint was ejected: its success rate lies far below the mean. */
    by_success_rate = AHOY_EJECTED_BY_SUCCESS_RATE,
    /** Why an endpoint was ejected: its share of failures. */
    by_failure_share = AHOY_EJECTED_BY_FAILURE_SHARE,
    /** Why an endpoint was ejected: too many failures in a row. */
    by_run = AHOY_EJECTED_BY_RUN,
};

/** A number that an event tells. */
enum class event_field : std::int32_t {
    /** Why: an opened of an opened circuit, an ejected of an ejection. */
    reason = AHOY_FIELD_REASON,
    /** The circuit's state before: a circuit. */
    old_state = AHOY_FIELD_OLD_STATE,
    /** The circuit's state now: a circuit. */
    new_state = AHOY_FIELD_NEW_STATE,
    /** Until when, in milliseconds since 1970: the next probe, or the end of an ejection. */
    until_ms = AHOY_FIELD_UNTIL_MS,
    /** How many endpoints are known now. */
    known = AHOY_FIELD_KNOWN,
    /** How many endpoints joined. */
    joined = AHOY_FIELD_JOINED,
    /** How many endpoints left. */
    left = AHOY_FIELD_LEFT,
    /** How old the list of endpoints was, in milliseconds. */
    age_ms = AHOY_FIELD_AGE_MS,
};
// end of generated

/** Either kind of failure. */
constexpr retry_on operator|(retry_on one, retry_on other) noexcept {
    return static_cast<retry_on>(static_cast<std::uint32_t>(one) | static_cast<std::uint32_t>(other));
}

class error;
class response_view;
class host;
class host_list;
class provider;
class breaker;
class balancer;
class retry;
class client;
class queue;
class request;
class response;
class call;
template <class T>
class result;

/** The library's version, such as "0.1.0"; AHOY_VERSION_STRING is that of the header. Any thread. */
inline const char *version() noexcept { return ahoy_version(); }

/** The library's version as one number, to compare with AHOY_VERSION_NUM. Any thread. */
inline std::uint32_t version_number() noexcept { return ahoy_version_number(); }

/** The name of a status, such as "AHOY_E_DEADLINE". Static text. Any thread. */
inline const char *status_name(errc status) noexcept { return ahoy_status_name(static_cast<ahoy_status>(status)); }

/**
 * The category of std::error_code to which errc belongs.
 *
 * Its codes compare equal to the std::errc that says the same: std::errc::timed_out for errc::deadline, errc::timeout and
 * errc::connect_timeout; operation_canceled for errc::cancelled; interrupted for errc::interrupted; connection_reset for
 * errc::connection_lost; protocol_error for errc::protocol; invalid_argument for errc::invalid_argument; not_supported for
 * errc::unsupported; resource_deadlock_would_occur for errc::would_deadlock. The others equal none: errc::connect is a refused
 * connection as well as an unreachable host.
 */
AHOY_HPP_SHARED inline const std::error_category &category() noexcept {
    struct ahoy_category final : std::error_category {
        const char *name() const noexcept override { return "ahoy"; }
        std::string message(int status) const override { return ahoy_status_name(status); }
        std::error_condition default_error_condition(int status) const noexcept override {
            switch (status) {
            case AHOY_E_DEADLINE:
            case AHOY_E_TIMEOUT:
            case AHOY_E_CONNECT_TIMEOUT: return std::errc::timed_out;
            case AHOY_E_CANCELLED: return std::errc::operation_canceled;
            case AHOY_E_INTERRUPTED: return std::errc::interrupted;
            case AHOY_E_CONNECTION_LOST: return std::errc::connection_reset;
            case AHOY_E_PROTOCOL: return std::errc::protocol_error;
            case AHOY_E_INVALID_ARGUMENT: return std::errc::invalid_argument;
            case AHOY_E_UNSUPPORTED: return std::errc::not_supported;
            case AHOY_E_WOULD_DEADLOCK: return std::errc::resource_deadlock_would_occur;
            default: return {status, *this};
            }
        }
    };
    static const ahoy_category it;
    return it;
}

inline std::error_code make_error_code(errc status) noexcept { return {static_cast<int>(status), category()}; }

/** Text on its way to C: a literal, a std::string or a std::string_view. A parameter's type, and nothing to keep. */
class text_ref {
  public:
    text_ref(const char *text) noexcept : chars_(text) {}
    text_ref(const std::string &text) noexcept : chars_(text.c_str()), usable_(whole(text)) {}
    /** A string with an allocator of its own, such as std::pmr::string. */
    template <class Allocator>
    text_ref(const std::basic_string<char, std::char_traits<char>, Allocator> &text) noexcept
        : chars_(text.c_str()), usable_(whole(text)) {}
    text_ref(std::string_view text) : copy_(text), chars_(copy_.c_str()), usable_(whole(text)) {}
    text_ref(const text_ref &) = delete;
    text_ref &operator=(const text_ref &) = delete;

    const char *c_str() const noexcept { return chars_; }
    /** False for a text that holds a NUL: C would read a part of it. */
    bool usable() const noexcept { return usable_; }

  private:
    static bool whole(std::string_view text) noexcept { return text.find('\0') == std::string_view::npos; }

    std::string copy_{};
    const char *chars_;
    bool usable_ = true;
};

/**
 * Bytes on their way to C: a literal, or anything contiguous whose elements are one byte long. Borrows them. A literal or an
 * array of char ends at its NUL, if it has one; std::string_view(array, size) has all of it.
 */
class bytes {
  public:
    constexpr bytes() noexcept = default;
    bytes(std::nullptr_t) noexcept {}
    template <class Text, class = std::enable_if_t<std::is_same_v<Text, const char *> || std::is_same_v<Text, char *>>>
    bytes(const Text &text) noexcept : bytes(text, text ? std::strlen(text) : 0) {}
    template <std::size_t Size>
    bytes(const char (&text)[Size]) noexcept : bytes(text, length(text, Size)) {}
    template <class Byte, std::size_t Size,
              class = std::enable_if_t<sizeof(Byte) == 1 && !std::is_same_v<std::remove_cv_t<Byte>, char>>>
    bytes(const Byte (&data)[Size]) noexcept : bytes(data, Size) {}
    bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const std::uint8_t *>(data)), size_(size) {}
    template <class Container, class Element = std::remove_pointer_t<decltype(std::declval<const Container &>().data())>,
              class = std::enable_if_t<sizeof(Element) == 1>>
    bytes(const Container &container) noexcept : bytes(container.data(), container.size()) {}

    const std::uint8_t *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

  private:
    static std::size_t length(const char *text, std::size_t most) noexcept {
        const void *const end = std::memchr(text, 0, most);
        return end ? static_cast<std::size_t>(static_cast<const char *>(end) - text) : most;
    }

    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

/** Owns one handle of C. */
template <class C, void (*Free)(C *)>
class handle {
  public:
    using c_type = C;

    handle(handle &&other) noexcept : handle_(other.release()) {}
    handle &operator=(handle &&other) noexcept {
        C *const taken = other.release();
        Free(std::exchange(handle_, taken));
        return *this;
    }
    handle(const handle &) = delete;
    handle &operator=(const handle &) = delete;
    ~handle() { Free(handle_); }

    /** The handle, still owned by this object. */
    C *get() const noexcept { return handle_; }
    /** Gives the handle away, to be freed by C's function. */
    C *release() noexcept { return std::exchange(handle_, nullptr); }
    /** False for one that was moved from. */
    explicit operator bool() const noexcept { return handle_ != nullptr; }

  protected:
    explicit handle(C *owned) noexcept : handle_(owned) {}

  private:
    C *handle_;
};

inline std::string_view view(const char *text) noexcept { return text ? std::string_view(text) : std::string_view(); }

inline std::chrono::microseconds microseconds(std::uint64_t count) noexcept {
    return std::chrono::microseconds(static_cast<std::int64_t>(count));
}

inline std::chrono::milliseconds milliseconds(std::uint64_t count) noexcept {
    return count == AHOY_FOREVER ? forever : std::chrono::milliseconds(static_cast<std::int64_t>(count));
}

/** What C takes for an enumerator; below for text and durations. */
template <class T, std::enable_if_t<std::is_enum_v<T>, int> = 0>
constexpr std::underlying_type_t<T> to_c(T value) noexcept {
    return static_cast<std::underlying_type_t<T>>(value);
}

/** A range of what C hands out by count and index. */
template <class Source, class Item, Item (*At)(Source, std::size_t)>
class indexed {
  public:
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        class pointer {
          public:
            explicit pointer(Item item) noexcept : item_(std::move(item)) {}
            const Item *operator->() const noexcept { return &item_; }

          private:
            Item item_;
        };
        using reference = Item;

        iterator() noexcept = default; // as std::ranges::range asks for
        iterator(Source source, std::size_t index) noexcept : source_(source), index_(index) {}
        Item operator*() const noexcept { return At(source_, index_); }
        pointer operator->() const noexcept { return pointer(At(source_, index_)); }
        iterator &operator++() noexcept {
            ++index_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(source_, index_++); }
        bool operator==(const iterator &other) const noexcept { return index_ == other.index_; }
        bool operator!=(const iterator &other) const noexcept { return index_ != other.index_; }

      private:
        Source source_{};
        std::size_t index_ = 0;
    };

    indexed(Source source, std::size_t count) noexcept : source_(source), count_(count) {}
    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    Item operator[](std::size_t index) const noexcept { return At(source_, index); }
    iterator begin() const noexcept { return iterator(source_, 0); }
    iterator end() const noexcept { return iterator(source_, count_); }

  private:
    Source source_;
    std::size_t count_;
};

} // namespace detail

/** One attempt of a call. Valid as long as the response or error that it came from. */
class attempt_view {
  public:
    explicit attempt_view(const ahoy_attempt *attempt) noexcept : attempt_(attempt) {}
    const ahoy_attempt *get() const noexcept { return attempt_; }

    // generated: ahoy_attempt
    /** "scheme://address:port" of the endpoint. */
    std::string_view url() const noexcept { return detail::view(ahoy_attempt_url(this->get())); }

    /** errc::ok if an answer came, whatever its status; else why none came. */
    errc status() const noexcept { return static_cast<errc>(ahoy_attempt_status(this->get())); }

    /** The answer's status, such as 503; 0 where none came. */
    std::int32_t http_status() const noexcept { return ahoy_attempt_http_status(this->get()); }

    /** What happened in a few words, such as "connect refused"; empty where an answer came. */
    std::string_view detail() const noexcept { return detail::view(ahoy_attempt_detail(this->get())); }

    /** How long it took, in microseconds. */
    std::chrono::microseconds elapsed() const noexcept {
        return detail::microseconds(ahoy_attempt_elapsed_us(this->get()));
    }

    /** Whether the request may have been carried out although no answer came. */
    bool is_ambiguous() const noexcept { return ahoy_attempt_is_ambiguous(this->get()); }

    /** Whether it opened the endpoint's circuit. */
    bool opened_circuit() const noexcept { return ahoy_attempt_opened_circuit(this->get()); }

    /**
     * Whether it was a hedge: a copy sent beside another attempt that took long
     * (client_builder::set_hedge).
     */
    bool is_hedge() const noexcept { return ahoy_attempt_is_hedge(this->get()); }

    /**
     * The faults on demand that the attempt suffered: AHOY_FAULT_ numbers, combined with |; 0 for
     * none.
     */
    std::uint32_t faults() const noexcept { return ahoy_attempt_faults(this->get()); }

    /**
     * The attempt's number within its call, from 1, as request::attempt_number told it to the hook
     * before it. Attempts are listed in the order of their ends.
     */
    std::size_t number() const noexcept { return ahoy_attempt_number(this->get()); }

    /**
     * How long the call waited before this attempt, in microseconds: from the end of the one before,
     * or from its own beginning, which is the wait for room where calls are limited. 0 for one that
     * was sent beside another.
     */
    std::chrono::microseconds wait() const noexcept {
        return detail::microseconds(ahoy_attempt_wait_us(this->get()));
    }

    /**
     * How long the attempt spent on a phase, in microseconds. All phases together are what
     * attempt::elapsed tells; one that did not come that far spent the rest on its last. Where a
     * connection is shared (HTTP/2), the attempts that waited for it spent time on its phases. A call
     * through a proxy has but phase::first_byte. 0 for an unknown number.
     *
     * @param phase a phase
     */
    std::chrono::microseconds phase(ahoy::phase phase) const noexcept {
        return detail::microseconds(ahoy_attempt_phase_us(this->get(), detail::to_c(phase)));
    }

    /** Whether the attempt went over a connection that had carried another before. */
    bool is_reused() const noexcept { return ahoy_attempt_is_reused(this->get()); }

    /**
     * What was spoken over the attempt's connection: "HTTP/1.1" or "HTTP/2". Empty where none stood,
     * through a proxy.
     */
    std::string_view protocol() const noexcept {
        return detail::view(ahoy_attempt_protocol(this->get()));
    }

    /**
     * This host's end of the attempt's connection, such as "10.0.0.1:50123" or "[::1]:50123". Empty
     * where none stood, through a proxy.
     */
    std::string_view local_address() const noexcept {
        return detail::view(ahoy_attempt_local_address(this->get()));
    }

    /**
     * The peer's end of the attempt's connection, such as "10.0.0.7:80" or "[::1]:80". Empty where
     * none stood, through a proxy.
     */
    std::string_view remote_address() const noexcept {
        return detail::view(ahoy_attempt_remote_address(this->get()));
    }
    // end of generated

  private:
    const ahoy_attempt *attempt_;
};

namespace detail {

inline attempt_view response_attempt(const ahoy_response *response, std::size_t index) noexcept {
    return attempt_view(ahoy_response_attempt_at(response, index));
}

inline attempt_view error_attempt(const ahoy_error *error, std::size_t index) noexcept {
    return attempt_view(ahoy_error_attempt_at(error, index));
}

/** How many of the attempts were kept. */
template <class C, const ahoy_attempt *(*At)(const C *, std::size_t)>
std::size_t kept(const C *source, std::size_t made) noexcept {
    while (made > 0 && At(source, made - 1) == nullptr) --made;
    return made;
}

inline std::pair<std::string_view, std::string_view> header_at(const ahoy_response *response, std::size_t index) noexcept {
    return {view(ahoy_response_header_name_at(response, index)), view(ahoy_response_header_value_at(response, index))};
}

inline std::pair<std::string_view, std::string_view> request_header_at(const ahoy_request *request,
                                                                       std::size_t index) noexcept {
    return {view(ahoy_request_header_name_at(request, index)), view(ahoy_request_header_value_at(request, index))};
}

} // namespace detail

/** Why a function failed; for a call, with all its attempts. Valid as long as the error or hook that it came from. */
class error_view {
  public:
    using attempt_range = detail::indexed<const ahoy_error *, attempt_view, &detail::error_attempt>;

    explicit error_view(const ahoy_error *error) noexcept
        : view_(error), code_(error ? static_cast<errc>(ahoy_error_status(error)) : errc::ok) {}

    /** The error of C; nullptr where the failure was found in C++. */
    const ahoy_error *get() const noexcept { return view_; }
    /** What failed, as a number. */
    errc code() const noexcept { return code_; }
    /** One line, and for a failed call a further line for each attempt. Holds no header values, bodies or query strings. */
    std::string_view message() const noexcept { return view_ ? ahoy_error_message(view_) : note_; }
    /** How many attempts the call made; 0 for errors that are not of a call. */
    std::size_t attempt_count() const noexcept { return ahoy_error_attempt_count(view_); }
    /** The attempts, of which the first 64 are kept. */
    attempt_range attempts() const noexcept {
        return {view_, detail::kept<ahoy_error, &ahoy_error_attempt_at>(view_, attempt_count())};
    }
    /** For errc::http_status, the answer; else empty. */
    response_view response() const noexcept;

    // generated: ahoy_error
    /**
     * Whether the same call may succeed later and repeating it does no harm. Of errc::http_status: for
     * a 429, and for a 5xx but 501 of a request that may be carried out twice.
     */
    bool is_retryable() const noexcept { return ahoy_error_is_retryable(this->get()); }

    /** Whether the request may have been carried out although no answer came. */
    bool is_ambiguous() const noexcept { return ahoy_error_is_ambiguous(this->get()); }

    /** How long the call took, in microseconds; 0 for errors that are not of a call. */
    std::chrono::microseconds elapsed() const noexcept {
        return detail::microseconds(ahoy_error_elapsed_us(this->get()));
    }
    // end of generated

  protected:
    error_view(const ahoy_error *error, errc code, const char *note) noexcept : view_(error), code_(code), note_(note) {}

    const ahoy_error *view_;
    errc code_;
    const char *note_ = "";
};

/**
 * An error that owns what it tells, and whose code is errc::ok where there is none. Copies share what they tell, so that a
 * result keeps its error when its value() throws one.
 */
class [[nodiscard]] error : public error_view {
  public:
    error() noexcept : error_view(nullptr, errc::ok, "") {}
    /** Takes an error of C over. The status is that which the function returned, which counts if there is no error. */
    error(ahoy_error *owned, ahoy_status status)
        : error_view(owned, static_cast<errc>(status), ahoy_status_name(status)),
          shared_(owned ? share(owned) : nullptr) {}
    /** A failure that a program states itself, such as in a provider. The note is static text. */
    explicit error(errc code, const char *note = "") noexcept : error_view(nullptr, code, note) {}
    error(error &&other) noexcept : error_view(other), shared_(std::move(other.shared_)) { other.view_ = nullptr; }
    error &operator=(error &&other) noexcept {
        error taken(std::move(other));
        static_cast<error_view &>(*this) = taken;
        shared_.swap(taken.shared_);
        return *this;
    }
    error(const error &) noexcept = default;
    error &operator=(const error &) noexcept = default;
    ~error() = default;

    /** Gives the error of C away, to be freed by ahoy_error_free; nullptr where there is none, and where a copy shares it. */
    ahoy_error *release() noexcept {
        if (shared_.use_count() != 1) return nullptr;
        view_ = nullptr;
        return std::exchange(std::exchange(shared_, nullptr)->of, nullptr);
    }

    // As of a view, whose temporary may go: here it may be the error that goes.
    std::string_view message() const noexcept AHOY_HPP_LIFETIMEBOUND { return error_view::message(); }
    attempt_range attempts() const noexcept AHOY_HPP_LIFETIMEBOUND { return error_view::attempts(); }
    response_view response() const noexcept AHOY_HPP_LIFETIMEBOUND;

  private:
    // A std::shared_ptr of the error itself could not give it away.
    struct owner {
        explicit owner(ahoy_error *owned) noexcept : of(owned) {}
        owner(const owner &) = delete;
        owner &operator=(const owner &) = delete;
        ~owner() { ahoy_error_free(of); }

        ahoy_error *of;
    };

    static std::shared_ptr<owner> share(ahoy_error *owned) {
        // Its memory comes first: where there is none, the error is freed.
        owner held(owned);
        auto shared = std::make_shared<owner>(nullptr);
        shared->of = std::exchange(held.of, nullptr);
        return shared;
    }

    std::shared_ptr<owner> shared_{};
};

#if AHOY_HPP_EXCEPTIONS
/** What is thrown. Copies share the error. */
class exception : public std::runtime_error {
  public:
    explicit exception(ahoy::error failure)
        : std::runtime_error(std::string(failure.message())), error_(std::move(failure)) {}

    errc code() const noexcept { return error_.code(); }
    /** The error with its attempts; valid as long as this exception. A copy of it tells the same for longer. */
    const ahoy::error &error() const noexcept AHOY_HPP_LIFETIMEBOUND { return error_; }

  private:
    ahoy::error error_;
};
#endif

/** A value, or why there is none. */
template <class T>
class [[nodiscard]] result {
  public:
    result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    result(ahoy::error failure) noexcept : held_(std::in_place_index<1>, std::move(failure)) {}

    bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /** The value, which must be there. */
    T &operator*() & noexcept AHOY_HPP_LIFETIMEBOUND { return *std::get_if<0>(&held_); }
    const T &operator*() const & noexcept AHOY_HPP_LIFETIMEBOUND { return *std::get_if<0>(&held_); }
    T &&operator*() && noexcept AHOY_HPP_LIFETIMEBOUND { return std::move(*std::get_if<0>(&held_)); }
    T *operator->() noexcept AHOY_HPP_LIFETIMEBOUND { return std::get_if<0>(&held_); }
    const T *operator->() const noexcept AHOY_HPP_LIFETIMEBOUND { return std::get_if<0>(&held_); }

    /** errc::ok if there is a value. */
    errc code() const noexcept { return has_value() ? errc::ok : error().code(); }
    /** The error, which must be there. */
    ahoy::error &error() & noexcept AHOY_HPP_LIFETIMEBOUND { return *std::get_if<1>(&held_); }
    const ahoy::error &error() const & noexcept AHOY_HPP_LIFETIMEBOUND { return *std::get_if<1>(&held_); }
    ahoy::error &&error() && noexcept AHOY_HPP_LIFETIMEBOUND { return std::move(*std::get_if<1>(&held_)); }

#if AHOY_HPP_EXCEPTIONS
    /** The value; throws the error where there is none. The error stays here as well. */
    T &value() & AHOY_HPP_LIFETIMEBOUND {
        if (!has_value()) throw exception(error());
        return **this;
    }
    const T &value() const & AHOY_HPP_LIFETIMEBOUND {
        if (!has_value()) throw exception(error());
        return **this;
    }
    T value() && {
        if (!has_value()) throw exception(std::move(error()));
        return std::move(**this);
    }
#endif

  private:
    std::variant<T, ahoy::error> held_;
};

/** Nothing, or why it failed. */
template <>
class [[nodiscard]] result<void> {
  public:
    result() noexcept = default;
    result(ahoy::error failure) noexcept : error_(std::move(failure)) {}

    bool has_value() const noexcept { return error_.code() == errc::ok; }
    explicit operator bool() const noexcept { return has_value(); }
    errc code() const noexcept { return error_.code(); }
    ahoy::error &error() & noexcept AHOY_HPP_LIFETIMEBOUND { return error_; }
    const ahoy::error &error() const & noexcept AHOY_HPP_LIFETIMEBOUND { return error_; }
    ahoy::error &&error() && noexcept AHOY_HPP_LIFETIMEBOUND { return std::move(error_); }

#if AHOY_HPP_EXCEPTIONS
    /** Throws the error where there is one. It stays here as well. */
    void value() const {
        if (!has_value()) throw exception(error_);
    }
#endif

  private:
    ahoy::error error_{};
};

/**
 * Sets what is called when an exception left a callback, inside its catch block: std::current_exception says which. Any
 * thread may call it, several at once. Default: none, and nothing is told.
 *
 * @param handler gets the name of the callback, such as "provider"; nullptr for none
 */
inline void set_exception_handler(void (*handler)(const char *callback) noexcept) noexcept;

/**
 * Ends all callbacks of this process, for a program that takes down what they need: see ahoy_callbacks_stop. Futures and
 * coroutines that wait for a call then wait for ever.
 */
inline result<void> try_callbacks_stop(std::chrono::milliseconds timeout);

namespace detail {

AHOY_HPP_SHARED inline std::atomic<void (*)(const char *)> &exception_handler() noexcept {
    static std::atomic<void (*)(const char *)> handler{nullptr};
    return handler;
}

inline const char *to_c(const text_ref &text) noexcept { return text.c_str(); }

inline std::uint64_t to_c(std::chrono::milliseconds duration) noexcept {
    if (duration == forever) return AHOY_FOREVER;
    return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

template <class T, std::enable_if_t<std::is_arithmetic_v<T> || std::is_pointer_v<T>, int> = 0>
T to_c(T value) noexcept {
    return value;
}

template <class T>
bool usable(const T &argument) noexcept {
    if constexpr (std::is_same_v<T, text_ref>)
        return argument.usable();
    else
        return (void)argument, true;
}

inline ahoy::error unusable() noexcept { return ahoy::error(errc::invalid_argument, "a text holds a NUL byte"); }

/** Calls a function that can fail. */
template <class F, class... A>
result<void> invoke(F *function, const A &...arguments) {
    if (!(usable(arguments) && ...)) return unusable();
    ahoy_error *failure = nullptr;
    const ahoy_status status = function(to_c(arguments)..., &failure);
    if (status != AHOY_OK) return ahoy::error(failure, status);
    return {};
}

/** Calls a function that can fail and hands a handle out. */
template <class T, class F, class... A>
result<T> make(F *function, const A &...arguments) {
    if (!(usable(arguments) && ...)) return unusable();
    typename T::c_type *made = nullptr;
    ahoy_error *failure = nullptr;
    const ahoy_status status = function(to_c(arguments)..., &made, &failure);
    if (status != AHOY_OK) return ahoy::error(failure, status);
    return T(made);
}

/** Calls a function that hands out a text. */
template <class F, class... A>
result<std::string> make_text(F *function, const A &...arguments) {
    ahoy_text *made = nullptr;
    ahoy_error *failure = nullptr;
    const ahoy_status status = function(to_c(arguments)..., &made, &failure);
    if (status != AHOY_OK) return ahoy::error(failure, status);
    const std::unique_ptr<ahoy_text, void (*)(ahoy_text *)> owned(made, &ahoy_text_free);
    std::size_t length = 0;
    const char *const chars = ahoy_text_bytes(made, &length);
    return std::string(chars, length);
}

/** Calls a constructor, which returns NULL for an argument that is not valid. */
template <class T, class F, class... A>
result<T> construct(F *function, const A &...arguments) {
    if (!(usable(arguments) && ...)) return unusable();
    typename T::c_type *const made = function(to_c(arguments)...);
    if (!made) return ahoy::error(errc::invalid_argument, "an argument of the constructor is not valid");
    return T(made);
}

#if AHOY_HPP_EXCEPTIONS
template <class T>
T value(result<T> outcome) {
    if constexpr (std::is_void_v<T>)
        outcome.value();
    else
        return std::move(outcome).value();
}
#endif

/** Runs a callback's body, and turns an exception that leaves it into what C shall get. */
template <class R, class OfError, class Body>
R guard_as(const char *callback, R otherwise, OfError of_error, Body &&body) {
#if AHOY_HPP_EXCEPTIONS
    const auto report = [callback] {
        if (auto *const handler = exception_handler().load(std::memory_order_acquire)) handler(callback);
    };
    try {
        return body();
    }
    AHOY_HPP_PASS_FORCED_UNWIND
    catch (const exception &failure) {
        report();
        return of_error(failure.code());
    } catch (...) {
        report();
        return otherwise;
    }
#else
    (void)callback;
    (void)otherwise;
    (void)of_error;
    return body();
#endif
}

template <class R, class Body>
R guard(const char *callback, R otherwise, Body &&body) {
    return guard_as(callback, otherwise, [otherwise](errc) { return otherwise; }, std::forward<Body>(body));
}

template <class Body>
void guard(const char *callback, Body &&body) {
    guard(callback, false, [&body] {
        body();
        return false;
    });
}

/** For callbacks that return a status: an ahoy::exception keeps its own. */
template <class Body>
ahoy_status guard_status(const char *callback, errc otherwise, Body &&body) {
    return guard_as(
        callback, static_cast<ahoy_status>(otherwise),
        [otherwise](errc code) { return static_cast<ahoy_status>(code == errc::ok ? otherwise : code); },
        std::forward<Body>(body));
}

/** Calls a callable that says how it went by nothing, a status, or a result. */
template <class F, class... A>
ahoy_status ask(F &function, A &&...arguments) {
    using Said = decltype(function(std::forward<A>(arguments)...));
    if constexpr (std::is_void_v<Said>) {
        function(std::forward<A>(arguments)...);
        return AHOY_OK;
    } else if constexpr (std::is_same_v<Said, errc>) {
        return static_cast<ahoy_status>(function(std::forward<A>(arguments)...));
    } else {
        return static_cast<ahoy_status>(function(std::forward<A>(arguments)...).code());
    }
}

template <class F>
F &callable(void *user_data) noexcept {
    return *static_cast<F *>(user_data);
}

template <class F>
void destroy(void *user_data) {
    delete static_cast<F *>(user_data);
}

/** Copies or moves a callable to where C can keep it. C destroys it, also where it refuses it. */
template <class F>
std::decay_t<F> *keep(F &&function) {
    return new std::decay_t<F>(std::forward<F>(function));
}

} // namespace detail

inline void set_exception_handler(void (*handler)(const char *callback) noexcept) noexcept {
    detail::exception_handler().store(handler, std::memory_order_release);
}

inline result<void> try_callbacks_stop(std::chrono::milliseconds timeout) {
    return detail::invoke(&ahoy_callbacks_stop, timeout);
}

#if AHOY_HPP_EXCEPTIONS
/** As try_callbacks_stop; throws errc::deadline while a callback still runs. */
inline void callbacks_stop(std::chrono::milliseconds timeout) { detail::value(try_callbacks_stop(timeout)); }
#endif

/** What came of a read of a body. */
struct piece {
    /** How many bytes were read. */
    std::size_t length;
    /** Whether nothing comes after them. */
    bool ended;
};

/** An HTTP answer. Valid as long as the response, error or hook that it came from. */
class response_view {
  public:
    using attempt_range = detail::indexed<const ahoy_response *, attempt_view, &detail::response_attempt>;
    using header_range =
        detail::indexed<const ahoy_response *, std::pair<std::string_view, std::string_view>, &detail::header_at>;

    explicit response_view(const ahoy_response *response) noexcept : view_(response) {}
    const ahoy_response *get() const noexcept { return view_; }
    explicit operator bool() const noexcept { return view_ != nullptr; }

    /** The first value of a header, whose name may be in any case; none where there is no such header. */
    std::optional<std::string_view> header(const text_ref &name) const noexcept {
        const char *const value = name.usable() ? ahoy_response_header(view_, name.c_str()) : nullptr;
        return value ? std::optional<std::string_view>(value) : std::nullopt;
    }

    /** All headers as pairs of name and value, each value of a repeated name counted. */
    header_range headers() const noexcept { return {view_, ahoy_response_header_count(view_)}; }

    /** The whole body, decoded; empty for a streamed answer. */
    std::string_view body() const noexcept {
        std::size_t length = 0;
        const std::uint8_t *const body = ahoy_response_body(view_, &length);
        return {reinterpret_cast<const char *>(body), length};
    }

    /** How many attempts the call made. */
    std::size_t attempt_count() const noexcept { return ahoy_response_attempt_count(view_); }

    /** The attempts, of which the first 64 are kept. */
    attempt_range attempts() const noexcept {
        return {view_, detail::kept<ahoy_response, &ahoy_response_attempt_at>(view_, attempt_count())};
    }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Puts a completion on a queue when bytes of the body, or its end, can be read: one for each call of this function. Then
     * read with a timeout of 0 until no bytes come, and call it again. The completion has the tag and no response; its status
     * is errc::cancelled if the response was destroyed first.
     *
     * @exception exception errc::in_use if the response has a waiter already; errc::overloaded if the queue is full
     */
    void notify(const queue &queue, std::uint64_t tag) const;
#endif

    /** As notify, without exceptions. */
    result<void> try_notify(const queue &queue, std::uint64_t tag) const;

    // generated: ahoy_response
    /** The HTTP status, such as 200. */
    std::int32_t status() const noexcept { return ahoy_response_status(this->get()); }

    /** "scheme://address:port" of the endpoint that answered. */
    std::string_view endpoint_url() const noexcept {
        return detail::view(ahoy_response_endpoint_url(this->get()));
    }

    /**
     * The URL that brought the answer, "scheme://address:port" and the path with its query: after
     * redirects, and after what an on_request hook changed.
     */
    std::string_view url() const noexcept { return detail::view(ahoy_response_url(this->get())); }

    /**
     * How long the call took, in microseconds, with all its attempts and waits; of a streamed answer
     * until its head was there.
     */
    std::chrono::microseconds elapsed() const noexcept {
        return detail::microseconds(ahoy_response_elapsed_us(this->get()));
    }

    /**
     * Why the call ended with an answer after which another attempt might have followed, such as "the
     * client's retry budget is used up" or "not repeated, for the request is not idempotent". Empty if
     * no attempt would have followed, if all tries were made. For people and logs: the wording may
     * change.
     */
    std::string_view stop_reason() const noexcept {
        return detail::view(ahoy_response_stop_reason(this->get()));
    }
    // end of generated

#if AHOY_HPP_EXCEPTIONS
    /**
     * Reads the next bytes of the body, and waits for them if there are none. When the time is up first, none were read and
     * `ended` is false. For a streamed answer (request::set_streamed) this is the only way to the body.
     *
     * @param buffer room for capacity bytes
     * @param timeout 0 polls
     * @exception exception what broke the body off: each further read throws it again
     */
    piece read(void *buffer, std::size_t capacity, std::chrono::milliseconds timeout = forever) const;

    /**
     * Reads to the end of the body.
     *
     * @param sink called with each std::string_view of bytes as it comes, on this thread
     * @param idle the longest wait for one piece; then errc::timeout is thrown
     */
    template <class Sink>
    void read_all(Sink &&sink, std::chrono::milliseconds idle = forever) const;

    /**
     * Has a function called once when bytes of the body, or its end, can be read: on an I/O thread, which it must not block.
     *
     * @exception exception errc::in_use if the response has a waiter already
     */
    template <class F>
    void on_readable(F &&function) const;
#endif

    /** As read, without exceptions. */
    result<piece> try_read(void *buffer, std::size_t capacity, std::chrono::milliseconds timeout = forever) const;

    /** As read_all, without exceptions. */
    template <class Sink>
    result<void> try_read_all(Sink &&sink, std::chrono::milliseconds idle = forever) const;

    /** As on_readable, without exceptions. */
    template <class F>
    result<void> try_on_readable(F &&function) const;

  protected:
    const ahoy_response *view_;
};

/**
 * An HTTP answer with the attempts that led to it. Views of its headers and body stay valid when the response is moved, and
 * when its client is gone.
 */
class response : public response_view {
  public:
    using c_type = ahoy_response;

    explicit response(ahoy_response *owned = nullptr) noexcept : response_view(owned) {}
    response(response &&other) noexcept : response_view(other.release()) {}
    response &operator=(response &&other) noexcept {
        ahoy_response *const taken = other.release();
        ahoy_response_free(const_cast<ahoy_response *>(std::exchange(view_, taken)));
        return *this;
    }
    response(const response &) = delete;
    response &operator=(const response &) = delete;
    /** Cancels what was not read of a streamed body. Does not wait. */
    ~response() { ahoy_response_free(const_cast<ahoy_response *>(view_)); }

    ahoy_response *release() noexcept { return const_cast<ahoy_response *>(std::exchange(view_, nullptr)); }

    // As of a view, whose temporary may go: here it is the answer that goes.
    std::optional<std::string_view> header(const text_ref &name) const noexcept AHOY_HPP_LIFETIMEBOUND {
        return response_view::header(name);
    }
    header_range headers() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::headers(); }
    std::string_view body() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::body(); }
    attempt_range attempts() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::attempts(); }
    std::string_view endpoint_url() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::endpoint_url(); }
    std::string_view url() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::url(); }
    std::string_view stop_reason() const noexcept AHOY_HPP_LIFETIMEBOUND { return response_view::stop_reason(); }
};

inline response_view error_view::response() const noexcept { return response_view(ahoy_error_response(view_)); }
inline response_view error::response() const noexcept AHOY_HPP_LIFETIMEBOUND { return error_view::response(); }

/** One server of a service, with properties that address and port do not tell. Adding it to a list copies it. */
class host : public detail::handle<ahoy_host, &ahoy_host_free> {
  public:
    explicit host(ahoy_host *owned) noexcept : handle(owned) {}

#if AHOY_HPP_EXCEPTIONS
    /**
     * A host at a name or IP address and a port. Port 443 means https and any other http, unless set_scheme says otherwise.
     *
     * @exception exception errc::invalid_argument
     */
    host(const text_ref &address, std::uint16_t port) : host(detail::value(try_make(address, port))) {}
#endif

    /** As the constructor, without exceptions. */
    static result<host> try_make(const text_ref &address, std::uint16_t port) {
        return detail::construct<host>(&ahoy_host_new, address, port);
    }

    // generated: ahoy_host
#if AHOY_HPP_EXCEPTIONS
    /**
     * Sets the host's share of the traffic relative to the other hosts of its priority and zone.
     * Default 1.
     *
     * @param weight any number; 0 for no traffic, for a host that is to be drained, which then counts
     *        neither as available nor as failed
     */
    host &set_weight(std::uint32_t weight) { detail::value(try_set_weight(weight)); return *this; }

    /**
     * Sets the zone that the host stands in, for balancers that know their own (balancer::set_zone).
     * Default none.
     *
     * @param zone any text; copied
     */
    host &set_zone(const text_ref &zone) { detail::value(try_set_zone(zone)); return *this; }

    /**
     * Sets the host's priority; 0 comes first. The next priority takes a part of the traffic when less
     * than 72 % of a priority's endpoints are available, and all of it when none is. A call that has
     * failed at two endpoints of a priority goes on at another priority. A priority that was lost as a
     * whole is probed while the next one serves. Default 0.
     *
     * @param priority 0 to 127
     */
    host &set_priority(std::uint32_t priority) {
        detail::value(try_set_priority(priority));
        return *this;
    }

    /**
     * States the host's scheme, whatever its port.
     *
     * @param scheme scheme::http or scheme::https
     */
    host &set_scheme(scheme scheme) { detail::value(try_set_scheme(scheme)); return *this; }

    /**
     * Sets what the Host header carries, apart from the address that is dialled. Default: the address,
     * with the port where it is not the scheme's own.
     *
     * @param authority such as "api.example.com" or "api.example.com:8443"; copied
     */
    host &set_authority(const text_ref &authority) {
        detail::value(try_set_authority(authority));
        return *this;
    }

    /**
     * Sets the name that TLS asks for and verifies. Default: the authority's host.
     *
     * @param server_name a DNS name or an IP address; copied
     */
    host &set_server_name(const text_ref &server_name) {
        detail::value(try_set_server_name(server_name));
        return *this;
    }
#endif

    /** As set_weight, without exceptions. */
    result<void> try_set_weight(std::uint32_t weight) {
        return detail::invoke(&ahoy_host_set_weight, this->get(), weight);
    }

    /** As set_zone, without exceptions. */
    result<void> try_set_zone(const text_ref &zone) {
        return detail::invoke(&ahoy_host_set_zone, this->get(), zone);
    }

    /** As set_priority, without exceptions. */
    result<void> try_set_priority(std::uint32_t priority) {
        return detail::invoke(&ahoy_host_set_priority, this->get(), priority);
    }

    /** As set_scheme, without exceptions. */
    result<void> try_set_scheme(scheme scheme) {
        return detail::invoke(&ahoy_host_set_scheme, this->get(), detail::to_c(scheme));
    }

    /** As set_authority, without exceptions. */
    result<void> try_set_authority(const text_ref &authority) {
        return detail::invoke(&ahoy_host_set_authority, this->get(), authority);
    }

    /** As set_server_name, without exceptions. */
    result<void> try_set_server_name(const text_ref &server_name) {
        return detail::invoke(&ahoy_host_set_server_name, this->get(), server_name);
    }
    // end of generated
};

/** A list of hosts: what a custom provider fills, or what provider::replace takes. */
class host_list {
  public:
    /** An empty list for provider::replace. */
    host_list() noexcept : list_(ahoy_hosts_new()), owned_(true) {}
    /** The list of a callback, which stays the library's. */
    static host_list lent(ahoy_hosts *list) noexcept { return host_list(list, false); }
    host_list(host_list &&other) noexcept : list_(std::exchange(other.list_, nullptr)), owned_(other.owned_) {}
    host_list &operator=(host_list &&other) noexcept {
        std::swap(list_, other.list_);
        std::swap(owned_, other.owned_);
        return *this;
    }
    host_list(const host_list &) = delete;
    host_list &operator=(const host_list &) = delete;
    ~host_list() {
        if (owned_) ahoy_hosts_free(list_);
    }

    ahoy_hosts *get() const noexcept { return list_; }

    // generated: ahoy_hosts
#if AHOY_HPP_EXCEPTIONS
    /**
     * Adds a server to the list that a custom provider fills.
     *
     * @param address host name or IP address; copied
     * @param port TCP port, 1 to 65535; 443 means https
     */
    host_list &add(const text_ref &address, std::uint16_t port) {
        detail::value(try_add(address, port));
        return *this;
    }

    /**
     * Adds a host with its properties to the list that a custom provider fills.
     *
     * @param host copied
     */
    host_list &add_host(const host &host) { detail::value(try_add_host(host)); return *this; }
#endif

    /** As add, without exceptions. */
    result<void> try_add(const text_ref &address, std::uint16_t port) {
        return detail::invoke(&ahoy_hosts_add, this->get(), address, port);
    }

    /** As add_host, without exceptions. */
    result<void> try_add_host(const host &host) {
        return detail::invoke(&ahoy_hosts_add_host, this->get(), host.get());
    }
    // end of generated

  private:
    host_list(ahoy_hosts *list, bool owned) noexcept : list_(list), owned_(owned) {}

    ahoy_hosts *list_;
    bool owned_;
};

/** A source of endpoints. A balancer that is made from it freezes it and keeps what it needs. */
class provider : public detail::handle<ahoy_provider, &ahoy_provider_free> {
  public:
    explicit provider(ahoy_provider *owned) noexcept : handle(owned) {}

    /** An empty list, to be filled by add. */
    provider() noexcept : handle(ahoy_provider_list_new()) {}

    /**
     * A provider whose list a callable fills: `function(ahoy::host_list &)`. It returns nothing, an errc or a result<void>; a
     * failure or an exception (errc::discovery unless it says otherwise) means that there is no list now, and the last good
     * one stays in use. Called by one thread at a time, the one that asks, which it may block.
     */
    template <class F>
    static provider custom(F &&function) {
        using Held = std::decay_t<F>;
        return provider(ahoy_provider_custom_new(
            [](void *user_data, ahoy_hosts *out) {
                return detail::guard_status("provider", errc::discovery, [&] {
                    host_list list = host_list::lent(out);
                    return detail::ask(detail::callable<Held>(user_data), list);
                });
            },
            detail::keep(std::forward<F>(function)), &detail::destroy<Held>));
    }

    // generated: ahoy_provider
#if AHOY_HPP_EXCEPTIONS
    /**
     * The endpoints that a URL names, as they are and as they change. docs/discovery.md has the forms,
     * such as "dns://api.example.com:80?empty_hold=10s", and docs/options.md the options of each. The
     * registry is not asked before a balancer of the provider is used.
     *
     * @param url the source, its servers or name, and its options; credentials in it are shown nowhere
     * @exception exception errc::invalid_argument for a URL or a value that is refused,
     *        errc::unknown_option for an option that the source has not
     */
    static provider from_url(const text_ref &url) { return detail::value(try_from_url(url)); }

    /**
     * Sets an option by name, as a parameter of its URL does; ahoy_provider_option_key_at lists them.
     *
     * @param key such as "empty_hold"
     * @param value such as "10s"; a duration needs a unit. A value that is refused changes nothing
     * @exception exception errc::unknown_option for a key that the provider's source has not; the
     *        error names the nearest. errc::in_use after its first use
     */
    provider &set(const text_ref &key, const text_ref &value) {
        detail::value(try_set(key, value));
        return *this;
    }

    /**
     * A provider of the first list that has endpoints, among those of the providers that
     * provider::add_part adds. An earlier provider is waited for until it answers or fails; a later
     * one serves while the earlier ones have no endpoint, and never while its own list is not ready.
     */
    static provider first() { return detail::value(try_first()); }

    /**
     * A provider of all endpoints of the providers that provider::add_part adds; of an endpoint that
     * two of them have, the one added first says weight, zone and priority. One that fails is left out
     * as long as it has no list.
     */
    static provider merge() { return detail::value(try_merge()); }

    /**
     * Adds a provider to one made by provider::first or provider::merge, behind those that were added
     * before.
     *
     * @param part frozen from here on
     * @exception exception errc::unsupported if part is a custom provider, which is asked and tells
     *        nothing by itself; errc::invalid_argument if provider is none that takes others;
     *        errc::in_use after its first use
     */
    provider &add_part(const provider &part) { detail::value(try_add_part(part)); return *this; }

    /**
     * What the provider watches, for people: its source, what is watched there and how many endpoints
     * it told last. Never a token, a password or an option that holds one.
     */
    std::string describe() const { return detail::value(try_describe()); }

    /**
     * Adds a server to a list. A server that is in the list already (same address, port and scheme)
     * counts once.
     *
     * @param address host name, IP address or "unix:/path", as for ahoy_host_new; copied
     * @param port TCP port, 1 to 65535; 443 means https
     * @exception exception errc::invalid_argument also for a provider that is no list; errc::in_use
     *        after its first use
     */
    provider &add(const text_ref &address, std::uint16_t port) {
        detail::value(try_add(address, port));
        return *this;
    }

    /**
     * Adds a host with its properties to a list.
     *
     * @param host copied
     */
    provider &add_host(const host &host) { detail::value(try_add_host(host)); return *this; }

    /**
     * Puts another list in place of that of a provider made by provider, for a host that watches a
     * registry of its own. May be called at any time, also after the first use: balancers made from
     * the provider take the list before this returns, or soon after it where another thread is at it.
     * Endpoints that stay keep their circuits, statistics and connections. An empty list counts at
     * once. Any thread; safe inside a callback.
     *
     * @param hosts the whole list, from host_list; copied, and still the caller's to free
     * @exception exception errc::unsupported for a provider that is no list
     */
    void replace(const host_list &hosts) const { detail::value(try_replace(hosts)); }
#endif

    /** As from_url, without exceptions. */
    static result<provider> try_from_url(const text_ref &url) {
        return detail::make<provider>(&ahoy_provider_from_url, url);
    }

    /** As set, without exceptions. */
    result<void> try_set(const text_ref &key, const text_ref &value) {
        return detail::invoke(&ahoy_provider_set, this->get(), key, value);
    }

    /** As first, without exceptions. */
    static result<provider> try_first() {
        return detail::construct<provider>(&ahoy_provider_first_new);
    }

    /** As merge, without exceptions. */
    static result<provider> try_merge() {
        return detail::construct<provider>(&ahoy_provider_merge_new);
    }

    /** As add_part, without exceptions. */
    result<void> try_add_part(const provider &part) {
        return detail::invoke(&ahoy_provider_add_part, this->get(), part.get());
    }

    /** As describe, without exceptions. */
    result<std::string> try_describe() const {
        return detail::make_text(&ahoy_provider_describe, this->get());
    }

    /** As add, without exceptions. */
    result<void> try_add(const text_ref &address, std::uint16_t port) {
        return detail::invoke(&ahoy_provider_list_add, this->get(), address, port);
    }

    /** As add_host, without exceptions. */
    result<void> try_add_host(const host &host) {
        return detail::invoke(&ahoy_provider_list_add_host, this->get(), host.get());
    }

    /** As replace, without exceptions. */
    result<void> try_replace(const host_list &hosts) const {
        return detail::invoke(&ahoy_provider_list_replace, this->get(), hosts.get());
    }
    // end of generated
};

/** The rules by which the circuits of a balancer open and close: see ahoy_breaker. Balancers copy it. */
class breaker : public detail::handle<ahoy_breaker, &ahoy_breaker_free> {
  public:
    explicit breaker(ahoy_breaker *owned) noexcept : handle(owned) {}

    /** The default rules. */
    breaker() noexcept : handle(ahoy_breaker_new()) {}

    // generated: ahoy_breaker
#if AHOY_HPP_EXCEPTIONS
    /**
     * Sets how many failures in a row open a circuit. Default 5.
     *
     * @param failures at least 1
     */
    breaker &set_consecutive_failures(std::uint32_t failures) {
        detail::value(try_set_consecutive_failures(failures));
        return *this;
    }

    /** Failures in a row no longer open a circuit. */
    breaker &disable_consecutive_failures() {
        detail::value(try_disable_consecutive_failures());
        return *this;
    }

    /**
     * Sets the share of failed calls that opens a circuit, counted over an exact window of time.
     * Default 0.5 of at least 10 calls in 10,000 ms.
     *
     * @param ratio above 0, up to 1; reached counts
     * @param window at least 10
     * @param min_calls calls in the window below which the rule does not act; at least 1
     */
    breaker &set_failure_ratio(double ratio, std::chrono::milliseconds window, std::uint32_t min_calls)
        {
        detail::value(try_set_failure_ratio(ratio, window, min_calls));
        return *this;
    }

    /**
     * Sets the share of failed calls that opens a circuit, counted over the last calls instead of a
     * window of time: for endpoints that are asked seldom. The last of the two setters counts.
     *
     * @param ratio above 0, up to 1; reached counts
     * @param last_calls how many calls are remembered, two bytes each for every endpoint; 1 to 65,535
     * @param min_calls calls below which the rule does not act; at least 1; a number above last_calls
     *        counts as last_calls
     */
    breaker &set_failure_ratio_count(double ratio, std::uint32_t last_calls, std::uint32_t min_calls) {
        detail::value(try_set_failure_ratio_count(ratio, last_calls, min_calls));
        return *this;
    }

    /**
     * Sets the share of slow calls that opens a circuit, whether they failed or not. It is counted
     * over the same window and with the same min_calls as the failure ratio, also where that is
     * disabled. Default: off.
     *
     * @param duration from this time on a call is slow; at least 1
     * @param ratio above 0, up to 1; reached counts
     */
    breaker &set_slow_calls(std::chrono::milliseconds duration, double ratio) {
        detail::value(try_set_slow_calls(duration, ratio));
        return *this;
    }

    /** The share of failed calls no longer opens a circuit. */
    breaker &disable_failure_ratio() { detail::value(try_disable_failure_ratio()); return *this; }

    /**
     * Sets how long a circuit stays open: base at first, doubled with each further trip up to max,
     * each time give or take a quarter. After the time of breaker::set_reset_after closed it starts
     * from base again. Default 500 and 2,400 ms.
     *
     * @param base at least 1
     * @param max at least base
     */
    breaker &set_open(std::chrono::milliseconds base, std::chrono::milliseconds max) {
        detail::value(try_set_open(base, max));
        return *this;
    }

    /**
     * Sets the longest open time of a circuit that an answer opened which asked for a time itself
     * (Retry-After), to which up to a quarter is added at random. Default 30,000 ms.
     *
     * @param max at least 1
     */
    breaker &set_retry_after_max(std::chrono::milliseconds max) {
        detail::value(try_set_retry_after_max(max));
        return *this;
    }

    /**
     * Sets the longest open time of a circuit whose endpoint could not be connected to, give or take a
     * quarter. Default 1,000 ms: such a probe costs its caller nothing.
     *
     * While no endpoint takes calls, such endpoints are probed sooner, one at a time. The wait after
     * such a probe is a twentieth of the first open time (breaker::set_open), 25 ms by default, or a
     * quarter of the time that the outage has lasted, whichever is longer. So a service that was away
     * for 1 s is used again within another 250 ms.
     *
     * @param max at least 1
     */
    breaker &set_connect_open_max(std::chrono::milliseconds max) {
        detail::value(try_set_connect_open_max(max));
        return *this;
    }

    /**
     * Sets how many probes a half-open circuit lets through at once, all of which must succeed to
     * close it. Default 1.
     *
     * @param probes at least 1
     */
    breaker &set_half_open_probes(std::uint32_t probes) {
        detail::value(try_set_half_open_probes(probes));
        return *this;
    }

    /**
     * Sets how long a probe may take; after that one more is let through, so that a circuit never
     * sticks. Default 3,000 ms.
     *
     * @param timeout at least 1
     */
    breaker &set_probe_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_probe_timeout(timeout));
        return *this;
    }

    /**
     * Sets how long a circuit must be closed until its earlier trips are forgotten: one that opens
     * again before that stays open for longer. Default 60,000 ms.
     *
     * @param reset_after at least 1
     */
    breaker &set_reset_after(std::chrono::milliseconds reset_after) {
        detail::value(try_set_reset_after(reset_after));
        return *this;
    }

    /**
     * Sets how many circuits stay closed whatever their endpoints answer, so that a service that
     * answers 5xx everywhere is still asked. Failed connects open these as well. A connect that timed
     * out within less than 1,250 ms by the default limit counts as a failed answer, since the call had
     * little time. Endpoints outside of a subset (balancer::set_subset) count as closed: they stand in
     * for it. Default 1.
     *
     * While these fail as well, all endpoints serve that are out by their answers, ejection or a
     * check: until half are available, or until breaker::set_open's max_ms and a quarter, at most 10
     * s, have passed since the last such failure.
     *
     * @param endpoints from 0; 0 lets answers open all
     */
    breaker &set_min_closed(std::uint32_t endpoints) {
        detail::value(try_set_min_closed(endpoints));
        return *this;
    }

    /**
     * Sets an option by name, the same as its function does; ahoy_breaker_option_key_at lists them.
     *
     * @param key such as "open_max"
     * @param value such as "1.5s" or "off"; a duration needs a unit. A value that is refused changes
     *        nothing
     * @exception exception errc::unknown_option for a key that does not exist; the error names the
     *        nearest
     */
    breaker &set(const text_ref &key, const text_ref &value) {
        detail::value(try_set(key, value));
        return *this;
    }
#endif

    /** As set_consecutive_failures, without exceptions. */
    result<void> try_set_consecutive_failures(std::uint32_t failures) {
        return detail::invoke(&ahoy_breaker_set_consecutive_failures, this->get(), failures);
    }

    /** As disable_consecutive_failures, without exceptions. */
    result<void> try_disable_consecutive_failures() {
        return detail::invoke(&ahoy_breaker_disable_consecutive_failures, this->get());
    }

    /** As set_failure_ratio, without exceptions. */
    result<void> try_set_failure_ratio(double ratio, std::chrono::milliseconds window, std::uint32_t
        min_calls) {
        return detail::invoke(&ahoy_breaker_set_failure_ratio, this->get(), ratio, window,
            min_calls);
    }

    /** As set_failure_ratio_count, without exceptions. */
    result<void> try_set_failure_ratio_count(double ratio, std::uint32_t last_calls, std::uint32_t
        min_calls) {
        return detail::invoke(&ahoy_breaker_set_failure_ratio_count, this->get(), ratio, last_calls,
            min_calls);
    }

    /** As set_slow_calls, without exceptions. */
    result<void> try_set_slow_calls(std::chrono::milliseconds duration, double ratio) {
        return detail::invoke(&ahoy_breaker_set_slow_calls, this->get(), duration, ratio);
    }

    /** As disable_failure_ratio, without exceptions. */
    result<void> try_disable_failure_ratio() {
        return detail::invoke(&ahoy_breaker_disable_failure_ratio, this->get());
    }

    /** As set_open, without exceptions. */
    result<void> try_set_open(std::chrono::milliseconds base, std::chrono::milliseconds max) {
        return detail::invoke(&ahoy_breaker_set_open_ms, this->get(), base, max);
    }

    /** As set_retry_after_max, without exceptions. */
    result<void> try_set_retry_after_max(std::chrono::milliseconds max) {
        return detail::invoke(&ahoy_breaker_set_retry_after_max_ms, this->get(), max);
    }

    /** As set_connect_open_max, without exceptions. */
    result<void> try_set_connect_open_max(std::chrono::milliseconds max) {
        return detail::invoke(&ahoy_breaker_set_connect_open_max_ms, this->get(), max);
    }

    /** As set_half_open_probes, without exceptions. */
    result<void> try_set_half_open_probes(std::uint32_t probes) {
        return detail::invoke(&ahoy_breaker_set_half_open_probes, this->get(), probes);
    }

    /** As set_probe_timeout, without exceptions. */
    result<void> try_set_probe_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_breaker_set_probe_timeout_ms, this->get(), timeout);
    }

    /** As set_reset_after, without exceptions. */
    result<void> try_set_reset_after(std::chrono::milliseconds reset_after) {
        return detail::invoke(&ahoy_breaker_set_reset_after_ms, this->get(), reset_after);
    }

    /** As set_min_closed, without exceptions. */
    result<void> try_set_min_closed(std::uint32_t endpoints) {
        return detail::invoke(&ahoy_breaker_set_min_closed, this->get(), endpoints);
    }

    /** As set, without exceptions. */
    result<void> try_set(const text_ref &key, const text_ref &value) {
        return detail::invoke(&ahoy_breaker_set, this->get(), key, value);
    }
    // end of generated
};

/** Which failures are tried again, how often and after which wait: see ahoy_retry. Builders copy it. */
class retry : public detail::handle<ahoy_retry, &ahoy_retry_free> {
  public:
    explicit retry(ahoy_retry *owned) noexcept : handle(owned) {}

    /** The default rules. */
    retry() noexcept : handle(ahoy_retry_new()) {}

#if AHOY_HPP_EXCEPTIONS
    /** Sets the statuses that retry_on::status means. Default 429 and every 5xx but 501. */
    retry &set_statuses(const std::vector<std::int32_t> &statuses) {
        detail::value(try_set_statuses(statuses));
        return *this;
    }
#endif

    /** As set_statuses, without exceptions. */
    result<void> try_set_statuses(const std::vector<std::int32_t> &statuses) {
        return detail::invoke(&ahoy_retry_set_statuses, get(), statuses.data(), statuses.size());
    }

    // generated: ahoy_retry
#if AHOY_HPP_EXCEPTIONS
    /**
     * Sets how many attempts a call may make, the first included. Default 3.
     *
     * An attempt that sent nothing, as where connecting is refused, is free while another endpoint
     * stands by: it costs no try. With 1 none is free, and such a failure ends the call.
     *
     * @param tries at least 1; -1 for no limit but the deadline
     */
    retry &set_tries(std::int32_t tries) { detail::value(try_set_tries(tries)); return *this; }

    /**
     * Sets the wait before the first retry, with full jitter its upper bound. Default 25 ms.
     *
     * @param delay from 0
     */
    retry &set_delay(std::chrono::milliseconds delay) {
        detail::value(try_set_delay(delay));
        return *this;
    }

    /**
     * Sets the longest wait before a retry. Default 1,000 ms.
     *
     * @param max_delay from 0
     */
    retry &set_max_delay(std::chrono::milliseconds max_delay) {
        detail::value(try_set_max_delay(max_delay));
        return *this;
    }

    /**
     * Sets the factor by which the wait grows from one retry to the next. Default 2.
     *
     * @param backoff a finite number, at least 0; 1 keeps the wait
     */
    retry &set_backoff(double backoff) { detail::value(try_set_backoff(backoff)); return *this; }

    /**
     * Adds a random time between min and max to each wait, instead of full jitter: the first wait is
     * the delay plus such a time, each further one the wait before it times the backoff plus such a
     * time.
     *
     * @param min the least that is added
     * @param max at least min; the same adds a fixed time
     */
    retry &set_jitter(std::chrono::milliseconds min, std::chrono::milliseconds max) {
        detail::value(try_set_jitter(min, max));
        return *this;
    }

    /**
     * Draws each wait between 0 and the delay that has grown so far, which spreads callers that failed
     * together. The default.
     */
    retry &set_full_jitter() { detail::value(try_set_full_jitter()); return *this; }

    /**
     * Sets the kinds of failure that are tried again. Default retry_on::all.
     *
     * @param mask retry_on numbers, combined with |; 0 for none
     */
    retry &set_on(retry_on mask) { detail::value(try_set_on(mask)); return *this; }

    /**
     * Repeats requests of any method, also those that may have been carried out. Default false: only
     * idempotent ones (by method, or by request::set_idempotent), or those that certainly were not
     * processed.
     *
     * @param any_method whether requests of any method are repeated
     */
    retry &set_any_method(bool any_method) {
        detail::value(try_set_any_method(any_method));
        return *this;
    }

    /**
     * Sets the longest Retry-After of a 429 or 503 that is waited for, never beyond the deadline; a
     * longer one ends the call with that answer. Default 300,000 ms.
     *
     * @param max from 0
     */
    retry &set_retry_after_max(std::chrono::milliseconds max) {
        detail::value(try_set_retry_after_max(max));
        return *this;
    }

    /**
     * Sets an option by name, the same as its function does; ahoy_retry_option_key_at lists them.
     *
     * @param key such as "max_delay"
     * @param value such as "1.5s" or "full"; a duration needs a unit. A value that is refused changes
     *        nothing
     * @exception exception errc::unknown_option for a key that does not exist; the error names the
     *        nearest
     */
    retry &set(const text_ref &key, const text_ref &value) {
        detail::value(try_set(key, value));
        return *this;
    }
#endif

    /** As set_tries, without exceptions. */
    result<void> try_set_tries(std::int32_t tries) {
        return detail::invoke(&ahoy_retry_set_tries, this->get(), tries);
    }

    /** As set_delay, without exceptions. */
    result<void> try_set_delay(std::chrono::milliseconds delay) {
        return detail::invoke(&ahoy_retry_set_delay_ms, this->get(), delay);
    }

    /** As set_max_delay, without exceptions. */
    result<void> try_set_max_delay(std::chrono::milliseconds max_delay) {
        return detail::invoke(&ahoy_retry_set_max_delay_ms, this->get(), max_delay);
    }

    /** As set_backoff, without exceptions. */
    result<void> try_set_backoff(double backoff) {
        return detail::invoke(&ahoy_retry_set_backoff, this->get(), backoff);
    }

    /** As set_jitter, without exceptions. */
    result<void> try_set_jitter(std::chrono::milliseconds min, std::chrono::milliseconds max) {
        return detail::invoke(&ahoy_retry_set_jitter_ms, this->get(), min, max);
    }

    /** As set_full_jitter, without exceptions. */
    result<void> try_set_full_jitter() {
        return detail::invoke(&ahoy_retry_set_full_jitter, this->get());
    }

    /** As set_on, without exceptions. */
    result<void> try_set_on(retry_on mask) {
        return detail::invoke(&ahoy_retry_set_on, this->get(), detail::to_c(mask));
    }

    /** As set_any_method, without exceptions. */
    result<void> try_set_any_method(bool any_method) {
        return detail::invoke(&ahoy_retry_set_any_method, this->get(), any_method);
    }

    /** As set_retry_after_max, without exceptions. */
    result<void> try_set_retry_after_max(std::chrono::milliseconds max) {
        return detail::invoke(&ahoy_retry_set_retry_after_max_ms, this->get(), max);
    }

    /** As set, without exceptions. */
    result<void> try_set(const text_ref &key, const text_ref &value) {
        return detail::invoke(&ahoy_retry_set, this->get(), key, value);
    }
    // end of generated
};

/** Why an endpoint is available or not. */
struct availability {
    /** The first reason that holds. */
    ahoy::reason reason;
    /** The same as one sentence with times and the last failure. */
    std::string text;
};

/** One endpoint of a balancer, with its live circuit. */
class endpoint : public detail::handle<ahoy_endpoint, &ahoy_endpoint_free> {
  public:
    explicit endpoint(ahoy_endpoint *owned) noexcept : handle(owned) {}

#if AHOY_HPP_EXCEPTIONS
    /** Why the endpoint is available now or not. */
    availability reason() const { return detail::value(try_reason()); }
#endif

    /** As reason, without exceptions. */
    result<availability> try_reason() const {
        std::int32_t reason = 0;
        auto text = detail::make_text(+[](const ahoy_endpoint *of, std::int32_t *number, ahoy_text **made,
                                         ahoy_error **failure) { return ahoy_endpoint_reason(of, number, made, failure); },
                                      get(), &reason);
        if (!text) return std::move(text).error();
        return availability{static_cast<ahoy::reason>(reason), *std::move(text)};
    }

    // generated: ahoy_endpoint
    /** The name or IP address, without brackets.  */
    std::string_view address() const noexcept AHOY_HPP_LIFETIMEBOUND {
        return detail::view(ahoy_endpoint_address(this->get()));
    }

    /** The TCP port. */
    std::uint16_t port() const noexcept { return ahoy_endpoint_port(this->get()); }

    /** "scheme://address:port".  */
    std::string_view url() const noexcept AHOY_HPP_LIFETIMEBOUND {
        return detail::view(ahoy_endpoint_url(this->get()));
    }

    /**
     * Its share of the traffic relative to the others, as the provider tells it now: 1 by default, 0
     * for none; 0 in a forked child.
     */
    std::uint32_t weight() const noexcept { return ahoy_endpoint_weight(this->get()); }

    /** Its priority, as the provider tells it now: 0 is the first; 0 in a forked child. */
    std::uint32_t priority() const noexcept { return ahoy_endpoint_priority(this->get()); }

    /**
     * The zone that it stood in when the handle was made. Valid until the endpoint is freed; empty
     * where it has none.
     */
    std::string_view zone() const noexcept AHOY_HPP_LIFETIMEBOUND {
        return detail::view(ahoy_endpoint_zone(this->get()));
    }

    /** The circuit's state now: one of a circuit. */
    circuit state() const noexcept { return static_cast<circuit>(ahoy_endpoint_state(this->get())); }

    /** Whether the circuit would let a request through now. */
    bool available() const noexcept { return ahoy_endpoint_available(this->get()); }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Opens the circuit by hand: no traffic and no probe until endpoint::close_circuit.
     *
     * @exception exception errc::in_use where it is open already
     */
    void open_circuit() const { detail::value(try_open_circuit()); }

    /**
     * Closes the circuit by hand: traffic flows at once, and what was counted before is forgotten.
     *
     * @exception exception errc::in_use where it is closed already
     */
    void close_circuit() const { detail::value(try_close_circuit()); }

    /**
     * Disables the circuit until endpoint::open_circuit or endpoint::close_circuit: every attempt is
     * let through and none counts. For an endpoint that must be asked whatever it answers.
     *
     * @exception exception errc::in_use if it is disabled already
     */
    endpoint &disable_circuit() { detail::value(try_disable_circuit()); return *this; }

    /**
     * Drains the endpoint: sends it no new attempts until endpoint::resume, while those under way go
     * on. Its circuit shows open meanwhile. Opening, closing or disabling the circuit by hand ends the
     * drain as well.
     */
    void drain() const { detail::value(try_drain()); }

    /** Ends endpoint::drain: the endpoint gets attempts again. */
    void resume() const { detail::value(try_resume()); }
#endif

    /** As open_circuit, without exceptions. */
    result<void> try_open_circuit() const {
        return detail::invoke(&ahoy_endpoint_open_circuit, this->get());
    }

    /** As close_circuit, without exceptions. */
    result<void> try_close_circuit() const {
        return detail::invoke(&ahoy_endpoint_close_circuit, this->get());
    }

    /** As disable_circuit, without exceptions. */
    result<void> try_disable_circuit() {
        return detail::invoke(&ahoy_endpoint_disable_circuit, this->get());
    }

    /** As drain, without exceptions. */
    result<void> try_drain() const { return detail::invoke(&ahoy_endpoint_drain, this->get()); }

    /** As resume, without exceptions. */
    result<void> try_resume() const { return detail::invoke(&ahoy_endpoint_resume, this->get()); }
    // end of generated
};

/** Something that changed: a circuit, an endpoint, the list, a limit. Valid inside the callable that gets it. */
class event_view {
  public:
    explicit event_view(const ahoy_event *event) noexcept : view_(event) {}
    const ahoy_event *get() const noexcept { return view_; }
    explicit operator bool() const noexcept { return view_ != nullptr; }

    /** When it happened. */
    std::chrono::system_clock::time_point time() const noexcept {
        return std::chrono::system_clock::time_point(std::chrono::milliseconds(ahoy_event_time_ms(view_)));
    }

    /** A number that the event tells; none where it has no such field. */
    std::optional<std::int64_t> number(event_field field) const noexcept {
        std::int64_t number = 0;
        return ahoy_event_number(view_, static_cast<std::int32_t>(field), &number) ? std::optional<std::int64_t>(number)
                                                                                  : std::nullopt;
    }

    // generated: ahoy_event
    /** What happened: an event_kind. Numbers never change their meaning. */
    event_kind kind() const noexcept { return static_cast<event_kind>(ahoy_event_kind(this->get())); }

    /**
     * The URL of the endpoint that it happened to. Valid as long as the event; empty where it happened
     * to none.
     */
    std::string_view endpoint_url() const noexcept {
        return detail::view(ahoy_event_endpoint_url(this->get()));
    }

    /** All of it in one sentence for people, which changes between versions.  */
    std::string_view text() const noexcept { return detail::view(ahoy_event_text(this->get())); }

    /** Why, in a few words; empty where there is no more to say than the kind does.  */
    std::string_view detail() const noexcept { return detail::view(ahoy_event_detail(this->get())); }
    // end of generated

  protected:
    const ahoy_event *view_;
};

/** An event that came from a queue. */
class event : public event_view {
  public:
    using c_type = ahoy_event;

    explicit event(ahoy_event *owned = nullptr) noexcept : event_view(owned) {}
    event(event &&other) noexcept : event_view(other.release()) {}
    event &operator=(event &&other) noexcept {
        ahoy_event *const taken = other.release();
        ahoy_event_free(const_cast<ahoy_event *>(std::exchange(view_, taken)));
        return *this;
    }
    event(const event &) = delete;
    event &operator=(const event &) = delete;
    ~event() { ahoy_event_free(const_cast<ahoy_event *>(view_)); }

    ahoy_event *release() noexcept { return const_cast<ahoy_event *>(std::exchange(view_, nullptr)); }

    // As of a view, whose temporary may go: here it is the event that goes.
    std::string_view endpoint_url() const noexcept AHOY_HPP_LIFETIMEBOUND { return event_view::endpoint_url(); }
    std::string_view text() const noexcept AHOY_HPP_LIFETIMEBOUND { return event_view::text(); }
    std::string_view detail() const noexcept AHOY_HPP_LIFETIMEBOUND { return event_view::detail(); }
};

/** The end of a call, with its tag; or the notice that a body can be read. Empty where the time was up first. */
class completion : public detail::handle<ahoy_completion, &ahoy_completion_free> {
  public:
    explicit completion(ahoy_completion *owned = nullptr) noexcept : handle(owned) {}

    /** How the call ended: errc::ok if there is a response, or a body to read. */
    errc status() const noexcept { return static_cast<errc>(ahoy_completion_status(get())); }

    /** Takes the response; empty where the call failed or it was taken before, and for a notice. */
    response take_response() noexcept { return response(ahoy_completion_take_response(get())); }

    /** Takes the error; that of no failure where the call succeeded or it was taken before. */
    error take_error() { return error(ahoy_completion_take_error(get()), ahoy_completion_status(get())); }

    /** Takes how the call ended. */
    result<response> take() {
        if (status() == errc::ok) return take_response();
        return take_error();
    }

    // generated: ahoy_completion
    /** The tag that the call was submitted with, or that was given to response::notify. */
    std::uint64_t tag() const noexcept { return ahoy_completion_tag(this->get()); }
    // end of generated
};

/** A queue of ended calls and events, with a descriptor that is readable while it holds any. */
class queue : public detail::handle<ahoy_queue, &ahoy_queue_free> {
  public:
    explicit queue(ahoy_queue *owned) noexcept : handle(owned) {}

#if AHOY_HPP_EXCEPTIONS
    /** @exception exception errc::overloaded where the process is out of descriptors */
    queue() : queue(detail::value(try_make())) {}
#endif

    /** As the constructor, without exceptions. */
    static result<queue> try_make() { return detail::make<queue>(&ahoy_queue_new); }

#if AHOY_HPP_EXCEPTIONS
    /** Takes up to most completions at once, and up to 1024, which is cheaper than one by one; waits for the first. */
    std::vector<completion> next_batch(std::chrono::milliseconds timeout, std::size_t most) const {
        return detail::value(try_next_batch(timeout, most));
    }
#endif

    /** As next_batch, without exceptions. */
    result<std::vector<completion>> try_next_batch(std::chrono::milliseconds timeout, std::size_t most) const {
        // Room for all that one may ask for would be more than there is memory.
        std::vector<ahoy_completion *> taken(most < 1024 ? most : 1024);
        std::vector<completion> completions;
        std::size_t count = 0;
        auto outcome = detail::invoke(&ahoy_queue_next_batch, get(), timeout, taken.data(), taken.size(), &count);
        completions.reserve(count);
        if (!outcome) return std::move(outcome).error();
        for (std::size_t i = 0; i < count; ++i) completions.emplace_back(taken[i]);
        return completions;
    }

    // generated: ahoy_queue
    /**
     * The descriptor to poll for reading: readable while a completion waits to be read; on Windows a
     * SOCKET. It belongs to the queue: never read from it and never close it. When it is readable,
     * take completions until there are none.
     *
     * @return -1 in a forked child
     */
    std::intptr_t fd() const noexcept { return ahoy_queue_fd(this->get()); }

    /**
     * How many events of a queue were lost because 1,024 were waiting to be read; 0 in a forked child.
     */
    std::uint64_t events_lost() const noexcept { return ahoy_queue_events_lost(this->get()); }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Cancels every unfinished call with a tag: each ends with errc::cancelled, exactly once, or with
     * its own result if that came first. Does not wait.
     *
     * @param tag as given to client::submit
     * @note It succeeds also if no call has that tag.
     */
    void cancel(std::uint64_t tag) const { detail::value(try_cancel(tag)); }

    /**
     * Takes the next completion, waiting for it if there is none. When the time is up first, returns
     * an empty object; so it does when an event waits to be read, see queue::next_event. Blocks up to
     * timeout.
     *
     * @param timeout 0 polls; forever for no limit
     */
    completion next(std::chrono::milliseconds timeout) const {
        return detail::value(try_next(timeout));
    }

    /**
     * Takes the oldest event of a queue, waiting for it if there is none. When the time is up, or a
     * completion waits to be read first, returns an empty object. Blocks up to timeout.
     *
     * The queue's descriptor is readable while an event waits as well. At most 1,024 wait; beyond that
     * each new one takes the place of the oldest, and queue::events_lost counts it.
     *
     * @param timeout 0 polls; forever for no limit
     */
    event next_event(std::chrono::milliseconds timeout) const {
        return detail::value(try_next_event(timeout));
    }
#endif

    /** As cancel, without exceptions. */
    result<void> try_cancel(std::uint64_t tag) const {
        return detail::invoke(&ahoy_queue_cancel, this->get(), tag);
    }

    /** As next, without exceptions. */
    result<completion> try_next(std::chrono::milliseconds timeout) const {
        return detail::make<completion>(&ahoy_queue_next, this->get(), timeout);
    }

    /** As next_event, without exceptions. */
    result<event> try_next_event(std::chrono::milliseconds timeout) const {
        return detail::make<event>(&ahoy_queue_next_event, this->get(), timeout);
    }
    // end of generated
};

/** Picks the endpoint of each attempt and keeps a circuit for each. Clients that share a balancer share its circuits. */
class balancer : public detail::handle<ahoy_balancer, &ahoy_balancer_free> {
  public:
    explicit balancer(ahoy_balancer *owned) noexcept : handle(owned) {}

    /** The recommended balancer (p2c). Empty where the provider is. */
    explicit balancer(const provider &hosts) noexcept : handle(ahoy_balancer_new(hosts.get())) {}

    /**
     * A balancer whose picks a callable makes: `std::size_t function(std::size_t count)`, from 0 to count - 1; any other
     * number, and an exception, mean no endpoint. Called from any thread that makes a call, several at once.
     */
    template <class F>
    static balancer custom(const provider &hosts, F &&function) {
        using Held = std::decay_t<F>;
        return balancer(ahoy_balancer_custom_new(
            hosts.get(),
            [](void *user_data, std::size_t count) {
                return detail::guard("balancer", SIZE_MAX, [&]() -> std::size_t {
                    return detail::callable<Held>(user_data)(count);
                });
            },
            detail::keep(std::forward<F>(function)), &detail::destroy<Held>));
    }

    /** Why the provider fails now, without secrets; empty where it does not. Any thread. */
    std::string list_error() const {
        const std::unique_ptr<ahoy_text, void (*)(ahoy_text *)> text(ahoy_balancer_list_error(get()), &ahoy_text_free);
        std::size_t length = 0;
        const char *const chars = ahoy_text_bytes(text.get(), &length);
        return chars ? std::string(chars, length) : std::string();
    }

#if AHOY_HPP_EXCEPTIONS
    /** Replaces the random function of a random balancer: `std::uint64_t function(std::uint64_t below)`. */
    template <class F>
    balancer &random_set_function(F &&function) {
        detail::value(try_random_set_function(std::forward<F>(function)));
        return *this;
    }

    /** Adds a callable that is told of the balancer's events: `function(ahoy::event_view)`. It must not block. */
    template <class F>
    balancer &on_event(F &&function) {
        detail::value(try_on_event(std::forward<F>(function)));
        return *this;
    }
#endif

    /** As random_set_function, without exceptions. */
    template <class F>
    result<void> try_random_set_function(F &&function);

    /** As on_event, without exceptions. */
    template <class F>
    result<void> try_on_event(F &&function);

    // generated: ahoy_balancer
    /**
     * How the balancer's list is known: a list_state. list_state::none for empty and before the first
     * use. Any thread.
     */
    ahoy::list_state list_state() const noexcept {
        return static_cast<ahoy::list_state>(ahoy_balancer_list_state(this->get()));
    }

    /**
     * How many milliseconds ago the provider last said that its list holds: with a list, by a change
     * or by a sign of life. forever where it never did. Any thread.
     */
    std::chrono::milliseconds list_age() const noexcept {
        return detail::milliseconds(ahoy_balancer_list_age_ms(this->get()));
    }

    /** The number of endpoints that the balancer knows: 0 before its first use. Any thread. */
    std::size_t endpoint_count() const noexcept { return ahoy_balancer_endpoint_count(this->get()); }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Waits until the balancer knows a list of endpoints, be it an empty one, as a program does before
     * it says that it is ready. It is a first use: it freezes the balancer and begins to watch its
     * provider. Calls need not wait for it: each waits for the list within its own limit. Blocks up to
     * timeout.
     *
     * @param timeout how long at most; 0 only looks, forever waits without end
     * @exception exception errc::discovery if the provider fails or refuses and the time is up or no
     *        wait would help; errc::deadline if it was silent; errc::would_deadlock inside a callback
     */
    void wait_ready(std::chrono::milliseconds timeout) const { detail::value(try_wait_ready(timeout)); }

    /**
     * Round robin: endpoints one after the other in the provider's order, from a random start.
     * Endpoints whose circuit does not admit are skipped, and their share is spread evenly.
     *
     * @param provider frozen from here on
     */
    static balancer round_robin(const provider &provider) {
        return detail::value(try_round_robin(provider));
    }

    /**
     * Random: any endpoint whose circuit admits, all with the same chance.
     *
     * @param provider frozen from here on
     */
    static balancer random(const provider &provider) { return detail::value(try_random(provider)); }

    /**
     * Sets the rules of the balancer's circuit breakers, in place of those set before, also by name.
     * Default: those of breaker.
     *
     * @param breaker frozen from here on
     * @exception exception errc::invalid_argument also if the breaker's settings do not go together
     */
    balancer &set_breaker(const breaker &breaker) {
        detail::value(try_set_breaker(breaker));
        return *this;
    }

    /**
     * Picks an endpoint that would be used now, and takes no probe's permit: an open circuit whose
     * probe is due is shown but not probed. Blocks while the provider is asked, at first use; the
     * first list of one that tells its list by itself is not waited for: see balancer::wait_ready.
     *
     * @exception exception errc::no_endpoints if none is known or no circuit admits; errc::discovery
     *        if the provider failed at first use; errc::invalid_argument if the balancer's settings do
     *        not go together
     */
    endpoint pick() const { return detail::value(try_pick()); }

    /**
     * Asks the provider for its list again. Endpoints that stay (same address, port and scheme) keep
     * their circuits: an endpoint that is down stays down. An empty list counts once the provider has
     * told no other for the time of its option empty_hold, 30 s by default.
     *
     * Blocks until the provider returns. One that tells its list by itself is asked to look again, and
     * not waited for.
     *
     * @exception exception errc::discovery if the provider failed; the last good list stays in use.
     *        errc::would_deadlock inside a callback
     */
    void update() const { detail::value(try_update()); }

    /**
     * Adds an endpoint to those that the provider listed, at once and without asking the provider: for
     * hosts that are told of changes, such as by a watch. The next update follows the provider's list
     * alone again. The cost does not grow with the number of endpoints, except for balancers that go
     * by weight or key, which build their tables anew.
     *
     * A known endpoint (same address, port and scheme) gets the properties of host and keeps its
     * circuit. Blocks while the provider is asked, at first use. The first list of a provider that
     * tells its list by itself is an update too: add after balancer::wait_ready.
     *
     * @param host copied
     * @exception exception errc::discovery if the provider failed at first use; errc::would_deadlock
     *        inside a callback while an update is under way
     */
    balancer &add_endpoint(const host &host) { detail::value(try_add_endpoint(host)); return *this; }

    /**
     * Removes an endpoint, at once and without asking the provider. Attempts under way end as they
     * would; its connections close after them. Blocks while the provider is asked, at first use.
     *
     * @param host says by address, port and scheme which one
     * @exception exception errc::invalid_argument if it is not known; else as for
     *        balancer::add_endpoint
     */
    void remove_endpoint(const host &host) const { detail::value(try_remove_endpoint(host)); }

    /**
     * The endpoint at an index, whatever its circuit says. Endpoints are ordered by priority, and
     * within a priority as in the provider's first list; one that joins later takes a place that
     * became free, or the last.
     *
     * @param index 0 to balancer::endpoint_count - 1; the list may change between two calls
     * @exception exception errc::invalid_argument if there is no such index
     */
    endpoint endpoint_at(std::size_t index) const { return detail::value(try_endpoint_at(index)); }

    /**
     * Smooth weighted round robin, as in nginx: endpoints one after the other by their weights, each
     * spread as evenly as possible. Weights of 5, 1 and 1 give a a b a c a a. Each pick looks at every
     * endpoint, so this is for small sets; balancer::round_robin honours weights as well, in constant
     * time.
     *
     * @param provider frozen from here on
     */
    static balancer smooth_weighted(const provider &provider) {
        return detail::value(try_smooth_weighted(provider));
    }

    /**
     * Power of two choices, the recommended balancer; choose another for a reason below. Of two
     * endpoints drawn at random (three of more than 8) it picks the one that costs less: its average
     * latency, or the age of its attempts in flight where that says more, times the attempts in
     * flight, divided by the square of its success rate. So slow, hanging and failing endpoints lose
     * traffic before a limit or a circuit acts.
     *
     * @param provider frozen from here on
     */
    static balancer p2c(const provider &provider) { return detail::value(try_p2c(provider)); }

    /**
     * Peak EWMA, as in Finagle: like balancer::p2c, with another cost: a peak-sensitive average of
     * latency over 10 s, times the attempts in flight. Failures count as slow answers.
     *
     * @param provider frozen from here on
     */
    static balancer peak_ewma(const provider &provider) {
        return detail::value(try_peak_ewma(provider));
    }

    /**
     * Least request: the endpoint with the fewest attempts in flight, of all up to 8, and of two drawn
     * at random among more. Where weights differ, a draw in proportion to weight over attempts in
     * flight (as in Envoy).
     *
     * @param provider frozen from here on
     */
    static balancer least_request(const provider &provider) {
        return detail::value(try_least_request(provider));
    }

    /**
     * Sets how many endpoints a p2c or peak EWMA balancer compares. Default 2 of up to 8 endpoints, 3
     * of more.
     *
     * @param choices 1 to 8; 1 is a plain draw
     */
    balancer &set_choices(std::uint32_t choices) {
        detail::value(try_set_choices(choices));
        return *this;
    }

    /**
     * Lets endpoints tell their load in a header of their answers: `util=0.4` or `cpu=0.31`, the share
     * of their capacity in use, as the application sees it or of the processors; of both, util counts.
     * Other items between commas are skipped, so the text form of ORCA will do (endpoint-load-metrics,
     * with application_utilization and cpu_utilization). The cost of an endpoint is divided by the
     * share that is free, at least a tenth, and what it told fades within 3 s. So this client learns
     * of the load that other clients cause. A value longer than 1 KiB, or broken anywhere, is ignored.
     * Only for balancers that go by cost: p2c, peak EWMA, and prequal while it acts like p2c. Default:
     * off.
     *
     * @param name a header name, such as ahoy-load
     */
    balancer &set_load_header(const text_ref &name) {
        detail::value(try_set_load_header(name));
        return *this;
    }

    /**
     * Ring hash: endpoints by the key of a call (request::set_hash_key), on a ring of hashes (ketama
     * style, with xxHash64). When an endpoint leaves, only its own keys move. A call without a key
     * goes to any endpoint.
     *
     * @param provider frozen from here on
     */
    static balancer ring_hash(const provider &provider) {
        return detail::value(try_ring_hash(provider));
    }

    /**
     * Maglev: endpoints by the key of a call, in a lookup table. Faster and more even than a ring, but
     * a few more keys move when an endpoint leaves. A call without a key goes to any endpoint.
     *
     * @param provider frozen from here on
     */
    static balancer maglev(const provider &provider) { return detail::value(try_maglev(provider)); }

    /**
     * Rendezvous hashing: endpoints by the key of a call, the one with the highest hash of key and
     * endpoint. Needs no table but looks at every endpoint, so this is for small sets. A call without
     * a key goes to any endpoint.
     *
     * @param provider frozen from here on
     */
    static balancer rendezvous(const provider &provider) {
        return detail::value(try_rendezvous(provider));
    }

    /**
     * Sets the fewest and the most points of a ring, each of which takes 12 bytes. Each priority, and
     * each zone where the balancer goes by zones, has a ring of its own. Unless set, a ring has 100
     * points for each endpoint, at least 1,024 and at most 8,388,608. A minimum that is set takes the
     * place of both 100 and 1,024: with 1024 the ring is Envoy's. Only for ring hash.
     *
     * @param min at least 1
     * @param max min to 8388608
     */
    balancer &set_ring_size(std::uint32_t min, std::uint32_t max) {
        detail::value(try_set_ring_size(min, max));
        return *this;
    }

    /**
     * Sets how many slots the table of a maglev balancer has. Default 65,537, which spreads up to 650
     * endpoints within 1 %.
     *
     * @param size a prime number up to 5000011
     */
    balancer &set_table_size(std::uint32_t size) {
        detail::value(try_set_table_size(size));
        return *this;
    }

    /**
     * Bounds the attempts in flight at an endpoint of a ring hash or maglev balancer to a multiple of
     * its share, so that a popular key does not overload it: above the bound the key's calls go
     * elsewhere (bounded loads). Default: not bounded.
     *
     * @param factor at least 1; 1.25 is a good start
     */
    balancer &set_bounded_load(double factor) {
        detail::value(try_set_bounded_load(factor));
        return *this;
    }

    /**
     * Takes the key of a call from one of its headers, where its request states none: the value's
     * bytes are hashed. Replaces balancer::set_hash_cookie. Only for balancers that go by key.
     *
     * @param name a header name
     */
    balancer &set_hash_header(const text_ref &name) {
        detail::value(try_set_hash_header(name));
        return *this;
    }

    /**
     * Takes the key of a call from one of its cookies, where its request states none. Replaces
     * balancer::set_hash_header. Only for balancers that go by key.
     *
     * @param name the cookie's name; case matters
     */
    balancer &set_hash_cookie(const text_ref &name) {
        detail::value(try_set_hash_cookie(name));
        return *this;
    }

    /**
     * Slow start: lets an endpoint that joins, or whose circuit closes again, grow to its full share.
     * At a given time it takes the part (time / window) ^ (1 / aggression) of its turns, at least
     * min_ratio. Works with every balancer. Default: off.
     *
     * @param window how long it takes, at least 1; up to 1000 has no effect, as the first second
     *        counts whole
     * @param min_ratio the share to begin with, 0 to 1; 0.1 is a good start
     * @param aggression the bend, above 0; 1 for a straight line, above 1 for faster at first
     */
    balancer &set_slow_start(std::chrono::milliseconds window, double min_ratio, double aggression) {
        detail::value(try_set_slow_start(window, min_ratio, aggression));
        return *this;
    }

    /**
     * Sets the share of available endpoints below which those are used too that failed answers,
     * ejection or a check took out: with few left, overloading them does more harm than asking the
     * others (panic threshold, as in Envoy). Such calls do not count for a circuit that would not have
     * admitted them. Endpoints that hang, cannot be connected to, or were opened by hand, are still
     * left alone. Default: off. Then calls fail while no circuit admits, after the wait of
     * client_builder::set_wait_for_ready.
     *
     * @param ratio 0 to 1; 0.5 is a good start
     */
    balancer &set_panic_threshold(double ratio) {
        detail::value(try_set_panic_threshold(ratio));
        return *this;
    }

    /**
     * Sets the zone of this process. Endpoints of the same zone (host::set_zone) get all its calls
     * while the zone's part of the endpoints is as large as its part of the callers, taken to be even;
     * otherwise the excess goes to the zones that have room. With fewer than 6 endpoints in rotation,
     * zones do not matter. Balancers that go by key ignore zones. Default: zones do not matter.
     *
     * @param zone the zone's name; copied
     */
    balancer &set_zone(const text_ref &zone) { detail::value(try_set_zone(zone)); return *this; }

    /**
     * Uses this many healthy endpoints of a large set, drawn at random for this process; when one
     * comes or goes, one connection changes at most (rendezvous subsetting, gRFC A68). The number
     * holds for each priority by itself. Where more than half of them are late or out, as many others
     * are added as are late, until it is clear whether the whole service is slow. Replaces
     * balancer::set_deterministic_subset. Default: all are used.
     *
     * @param size at least 1
     */
    balancer &set_subset(std::uint32_t size) { detail::value(try_set_subset(size)); return *this; }

    /**
     * Uses at least this many endpoints of a large set, chosen so that all clients together load every
     * endpoint alike (deterministic aperture, as in Finagle). The number holds for each priority by
     * itself. All clients must see the endpoints in the same order. Where fewer of them take calls,
     * the next ones in that order stand in. Replaces balancer::set_subset. Default: all are used.
     *
     * @param size at least 1; 12 is a good start
     * @param client the number of this client, from 0
     * @param clients how many clients there are; above client
     */
    balancer &set_deterministic_subset(std::uint32_t size, std::uint32_t client, std::uint32_t clients)
        {
        detail::value(try_set_deterministic_subset(size, client, clients));
        return *this;
    }

    /**
     * Switches on slow start over 2 s, outlier detection and health checks by connect. What is on
     * already stays as it is. None of it is a default: outlier detection needs a handful of endpoints
     * to compare, health checks open connections of their own, and slow start sends less to an
     * endpoint that has just come back. The client's part is client_builder::use_resilient_profile.
     */
    balancer &use_resilient_profile() { detail::value(try_use_resilient_profile()); return *this; }

    /**
     * Sets how many endpoints statistics show one by one: the busiest, by the attempts between two
     * snapshots. The others are shown as one, whose address is "other". Each costs 160 bytes. Default
     * 100.
     *
     * @param endpoints 0 to 10,000
     */
    balancer &set_metrics_endpoints(std::uint32_t endpoints) {
        detail::value(try_set_metrics_endpoints(endpoints));
        return *this;
    }

    /**
     * Limits the attempts in flight at each endpoint; above it, others are picked. Where all are full,
     * the call has no endpoint. One whose answer is streamed is in flight until the end of the body.
     * Default: no limit.
     *
     * @param attempts at least 1
     */
    balancer &set_max_in_flight(std::uint32_t attempts) {
        detail::value(try_set_max_in_flight(attempts));
        return *this;
    }

    /**
     * Sets an option by name, the same as its function does; ahoy_balancer_option_key_at lists them.
     * The rules of circuits are options of the balancer as well, as in "breaker_open_max".
     *
     * @param key such as "slow_start_window"
     * @param value such as "1.5s", "0.5" or "off"; a duration needs a unit. A value that is refused
     *        changes nothing
     * @exception exception errc::unknown_option for a key that does not exist; the error names the
     *        nearest
     */
    balancer &set(const text_ref &key, const text_ref &value) {
        detail::value(try_set(key, value));
        return *this;
    }

    /**
     * Prequal, as in the paper of NSDI'24: picks by the load that endpoints report in answers to load
     * probes. These are small requests to random endpoints, sent on a library thread beside the calls;
     * no call waits for one. The last answers are kept. Of the endpoints with no more in flight than
     * most, the one with the lowest latency is picked, or else the one with the fewest in flight. That
     * reflects the load of all clients, where p2c sees only its own, and costs three load probes for
     * each call.
     *
     * A load probe is a GET of probe_path over HTTP/1.1, on connections of its own. The server answers
     * with status 200 and a header `ahoy-load: in_flight=3, latency_ms=4.2`: the requests that it
     * works on, and how long such requests took lately at about that load. What the header lacks, or
     * all of it if any part is broken, is replaced by what this client knows: its own attempts in
     * flight, and the time that the load probe took. A load probe fails with any other status, and
     * after 3 ms (balancer::set_prequal_probes). Load probes do not count for circuits.
     *
     * While the answers say too little, the balancer acts like that of balancer::p2c: with fewer than
     * 4 endpoints in rotation, where all clients would follow the same one; at first; and while load
     * probes fail. Weights count only then. Load probes begin with the first call of a client, share
     * its TLS settings, and are sent only while there are calls.
     *
     * @param provider frozen from here on
     * @param probe_path begins with /; its answers should cost next to nothing
     */
    static balancer prequal(const provider &provider, const text_ref &probe_path) {
        return detail::value(try_prequal(provider, probe_path));
    }

    /**
     * Sets how many load probes a prequal balancer sends, and what it makes of their answers. The
     * defaults are the paper's.
     *
     * @param pool answers kept, 2 to 256, at most half of the endpoints if there are few; default 16
     * @param max_age how long an answer is kept, at least 1; default 1000
     * @param probes_per_call parts of one by chance, above removals_per_call, up to 100; default 3
     * @param removals_per_call answers removed by each call beside those used up, in turn the oldest
     *        and the worst, 0 to 100; default 1
     * @param hot an endpoint is hot if it has more in flight than this share of the answers told, 0 to
     *        1; default 0.84
     */
    balancer &set_prequal(std::uint32_t pool, std::chrono::milliseconds max_age, double probes_per_call,
        double removals_per_call, double hot) {
        detail::value(try_set_prequal(pool, max_age, probes_per_call, removals_per_call, hot));
        return *this;
    }

    /**
     * Sets how the load probes of a prequal balancer are sent.
     *
     * @param timeout how long an answer is waited for, at least 1; default 3. Over a wide network it
     *        must be longer
     * @param at_once how many may be under way at the same time, and one for each endpoint; further
     *        ones are not sent; 1 to 1024; default 64
     */
    balancer &set_prequal_probes(std::chrono::milliseconds timeout, std::uint32_t at_once) {
        detail::value(try_set_prequal_probes(timeout, at_once));
        return *this;
    }

    /**
     * Outlier detection: ejects endpoints that fare worse than their neighbours. Every 10 s it looks
     * for
     *
     * - endpoints with at least 100 attempts whose success rate is more than 1.9 standard deviations
     *   below the mean of at least 5 endpoints;
     * - endpoints with at least 50 attempts, 85 % of which failed.
     *
     * They are out of rotation for 30 s, and longer each time up to 300 s; at most half of all, and
     * never the last one (as in Envoy, whose cap lets one more go). The other functions of this kind
     * change the numbers. Default: off.
     *
     * @param enabled whether outlier detection is on
     */
    balancer &set_outlier_detection(bool enabled) {
        detail::value(try_set_outlier_detection(enabled));
        return *this;
    }

    /**
     * Sets for outlier detection how often outliers are looked for, how long they are ejected, and how
     * many may be out. Up to a tenth of base, at most 3 s, is added at random to each time. Switches
     * outlier detection on.
     *
     * @param interval between two looks, at least 1; default 10000
     * @param base of the first ejection, and added with each further one, at least 1; default 30000
     * @param max of any ejection, at least base; default 300000
     * @param max_share of all endpoints that may be out, 0 to 1; default 0.5
     * @param min_healthy endpoints that stay in any case; default 1
     */
    balancer &set_outlier_ejection(std::chrono::milliseconds interval, std::chrono::milliseconds base,
        std::chrono::milliseconds max, double max_share, std::uint32_t min_healthy) {
        detail::value(try_set_outlier_ejection(interval, base, max, max_share, min_healthy));
        return *this;
    }

    /**
     * Sets the rule of outlier detection on success rates. Switches outlier detection on.
     *
     * @param min_endpoints with enough attempts, below which a mean says nothing; default 5
     * @param min_calls of an endpoint between two looks; default 100
     * @param factor how many standard deviations below the mean make an outlier, from 0; default 1.9
     */
    balancer &set_outlier_success_rate(std::uint32_t min_endpoints, std::uint32_t min_calls, double
        factor) {
        detail::value(try_set_outlier_success_rate(min_endpoints, min_calls, factor));
        return *this;
    }

    /**
     * Sets the rule of outlier detection on the share of failures. Switches outlier detection on.
     *
     * @param share of failed attempts from which an endpoint is an outlier, 0 to 1; default 0.85
     * @param min_endpoints with enough attempts; default 5
     * @param min_calls of an endpoint between two looks; default 50
     */
    balancer &set_outlier_failure_share(double share, std::uint32_t min_endpoints, std::uint32_t
        min_calls) {
        detail::value(try_set_outlier_failure_share(share, min_endpoints, min_calls));
        return *this;
    }

    /**
     * Health checks: a library thread asks endpoints of which calls have told nothing for a while. An
     * endpoint in rotation is checked every interval, give or take a fifth, and one that is out every
     * second; while no call is made at all, each is checked once a minute.
     *
     * - Three checks in a row without an answer take an endpoint out of rotation, a wrong answer at
     *   once.
     * - Two checks in a row that pass bring it back.
     * - One that passes lets an open circuit try again, and ends an ejection by outlier detection. A
     *   mere connect does so only where connecting had failed: it tells nothing of answers.
     *
     * The checks begin with the first call of a client and share its TLS settings. Default: off.
     *
     * @param path to GET, whose answer must be 200; nullptr for a mere connect
     * @param interval at least 1; 3000 is a good start
     * @param timeout of one check, at least 1; 1000 is a good start
     */
    balancer &set_health_check(const text_ref &path, std::chrono::milliseconds interval,
        std::chrono::milliseconds timeout) {
        detail::value(try_set_health_check(path, interval, timeout));
        return *this;
    }

    /**
     * Sets what checks must show; after balancer::set_health_check.
     *
     * @param unhealthy checks in a row without an answer that take an endpoint out, 1 to 255; default
     *        3
     * @param healthy checks in a row that an endpoint must pass to come back, 1 to 255; default 2
     * @param out_interval between two checks of one that is out, at least 1; default 1000
     * @exception exception errc::invalid_argument also for a balancer without health checks
     */
    balancer &set_health_thresholds(std::uint32_t unhealthy, std::uint32_t healthy,
        std::chrono::milliseconds out_interval) {
        detail::value(try_set_health_thresholds(unhealthy, healthy, out_interval));
        return *this;
    }

    /**
     * After an outage of all endpoints, admits available / min_working of the calls until the number
     * of available endpoints is stable for hold, so that the first endpoints that come back are not
     * overwhelmed (as in brpc). Of the other calls, one for each endpoint whose probe is due asks that
     * one; the rest are errc::overloaded. Default: off.
     *
     * @param min_working how many endpoints can just bear all traffic, at least 1
     * @param hold from 0; 10000 is a good start
     */
    balancer &set_outage_recovery(std::uint32_t min_working, std::chrono::milliseconds hold) {
        detail::value(try_set_outage_recovery(min_working, hold));
        return *this;
    }

    /**
     * The state of all endpoints as text: one line for each, with its URL, why it is available or not,
     * its last failure, and where the balancer goes by load, its attempts in flight and their cost.
     * The text is for people, and changes between versions.
     */
    std::string explain() const { return detail::value(try_explain()); }

    /**
     * Puts the balancer's events on a queue, whichever client causes them; see
     * client_builder::add_event_queue.
     *
     * @param queue still the caller's to free: then its events are discarded
     */
    balancer &add_event_queue(const queue &queue) {
        detail::value(try_add_event_queue(queue));
        return *this;
    }
#endif

    /** As wait_ready, without exceptions. */
    result<void> try_wait_ready(std::chrono::milliseconds timeout) const {
        return detail::invoke(&ahoy_balancer_wait_ready, this->get(), timeout);
    }

    /** As round_robin, without exceptions. */
    static result<balancer> try_round_robin(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_round_robin_new, provider.get());
    }

    /** As random, without exceptions. */
    static result<balancer> try_random(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_random_new, provider.get());
    }

    /** As set_breaker, without exceptions. */
    result<void> try_set_breaker(const breaker &breaker) {
        return detail::invoke(&ahoy_balancer_set_breaker, this->get(), breaker.get());
    }

    /** As pick, without exceptions. */
    result<endpoint> try_pick() const {
        return detail::make<endpoint>(&ahoy_balancer_pick, this->get());
    }

    /** As update, without exceptions. */
    result<void> try_update() const { return detail::invoke(&ahoy_balancer_update, this->get()); }

    /** As add_endpoint, without exceptions. */
    result<void> try_add_endpoint(const host &host) {
        return detail::invoke(&ahoy_balancer_add_endpoint, this->get(), host.get());
    }

    /** As remove_endpoint, without exceptions. */
    result<void> try_remove_endpoint(const host &host) const {
        return detail::invoke(&ahoy_balancer_remove_endpoint, this->get(), host.get());
    }

    /** As endpoint_at, without exceptions. */
    result<endpoint> try_endpoint_at(std::size_t index) const {
        return detail::make<endpoint>(&ahoy_balancer_endpoint_at, this->get(), index);
    }

    /** As smooth_weighted, without exceptions. */
    static result<balancer> try_smooth_weighted(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_smooth_weighted_new, provider.get());
    }

    /** As p2c, without exceptions. */
    static result<balancer> try_p2c(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_p2c_new, provider.get());
    }

    /** As peak_ewma, without exceptions. */
    static result<balancer> try_peak_ewma(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_peak_ewma_new, provider.get());
    }

    /** As least_request, without exceptions. */
    static result<balancer> try_least_request(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_least_request_new, provider.get());
    }

    /** As set_choices, without exceptions. */
    result<void> try_set_choices(std::uint32_t choices) {
        return detail::invoke(&ahoy_balancer_set_choices, this->get(), choices);
    }

    /** As set_load_header, without exceptions. */
    result<void> try_set_load_header(const text_ref &name) {
        return detail::invoke(&ahoy_balancer_set_load_header, this->get(), name);
    }

    /** As ring_hash, without exceptions. */
    static result<balancer> try_ring_hash(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_ring_hash_new, provider.get());
    }

    /** As maglev, without exceptions. */
    static result<balancer> try_maglev(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_maglev_new, provider.get());
    }

    /** As rendezvous, without exceptions. */
    static result<balancer> try_rendezvous(const provider &provider) {
        return detail::construct<balancer>(&ahoy_balancer_rendezvous_new, provider.get());
    }

    /** As set_ring_size, without exceptions. */
    result<void> try_set_ring_size(std::uint32_t min, std::uint32_t max) {
        return detail::invoke(&ahoy_balancer_set_ring_size, this->get(), min, max);
    }

    /** As set_table_size, without exceptions. */
    result<void> try_set_table_size(std::uint32_t size) {
        return detail::invoke(&ahoy_balancer_set_table_size, this->get(), size);
    }

    /** As set_bounded_load, without exceptions. */
    result<void> try_set_bounded_load(double factor) {
        return detail::invoke(&ahoy_balancer_set_bounded_load, this->get(), factor);
    }

    /** As set_hash_header, without exceptions. */
    result<void> try_set_hash_header(const text_ref &name) {
        return detail::invoke(&ahoy_balancer_set_hash_header, this->get(), name);
    }

    /** As set_hash_cookie, without exceptions. */
    result<void> try_set_hash_cookie(const text_ref &name) {
        return detail::invoke(&ahoy_balancer_set_hash_cookie, this->get(), name);
    }

    /** As set_slow_start, without exceptions. */
    result<void> try_set_slow_start(std::chrono::milliseconds window, double min_ratio, double
        aggression) {
        return detail::invoke(&ahoy_balancer_set_slow_start, this->get(), window, min_ratio,
            aggression);
    }

    /** As set_panic_threshold, without exceptions. */
    result<void> try_set_panic_threshold(double ratio) {
        return detail::invoke(&ahoy_balancer_set_panic_threshold, this->get(), ratio);
    }

    /** As set_zone, without exceptions. */
    result<void> try_set_zone(const text_ref &zone) {
        return detail::invoke(&ahoy_balancer_set_zone, this->get(), zone);
    }

    /** As set_subset, without exceptions. */
    result<void> try_set_subset(std::uint32_t size) {
        return detail::invoke(&ahoy_balancer_set_subset, this->get(), size);
    }

    /** As set_deterministic_subset, without exceptions. */
    result<void> try_set_deterministic_subset(std::uint32_t size, std::uint32_t client, std::uint32_t
        clients) {
        return detail::invoke(&ahoy_balancer_set_deterministic_subset, this->get(), size, client,
            clients);
    }

    /** As use_resilient_profile, without exceptions. */
    result<void> try_use_resilient_profile() {
        return detail::invoke(&ahoy_balancer_use_resilient_profile, this->get());
    }

    /** As set_metrics_endpoints, without exceptions. */
    result<void> try_set_metrics_endpoints(std::uint32_t endpoints) {
        return detail::invoke(&ahoy_balancer_set_metrics_endpoints, this->get(), endpoints);
    }

    /** As set_max_in_flight, without exceptions. */
    result<void> try_set_max_in_flight(std::uint32_t attempts) {
        return detail::invoke(&ahoy_balancer_set_max_in_flight, this->get(), attempts);
    }

    /** As set, without exceptions. */
    result<void> try_set(const text_ref &key, const text_ref &value) {
        return detail::invoke(&ahoy_balancer_set, this->get(), key, value);
    }

    /** As prequal, without exceptions. */
    static result<balancer> try_prequal(const provider &provider, const text_ref &probe_path) {
        return detail::construct<balancer>(&ahoy_balancer_prequal_new, provider.get(), probe_path);
    }

    /** As set_prequal, without exceptions. */
    result<void> try_set_prequal(std::uint32_t pool, std::chrono::milliseconds max_age, double
        probes_per_call, double removals_per_call, double hot) {
        return detail::invoke(&ahoy_balancer_set_prequal, this->get(), pool, max_age,
            probes_per_call, removals_per_call, hot);
    }

    /** As set_prequal_probes, without exceptions. */
    result<void> try_set_prequal_probes(std::chrono::milliseconds timeout, std::uint32_t at_once) {
        return detail::invoke(&ahoy_balancer_set_prequal_probes, this->get(), timeout, at_once);
    }

    /** As set_outlier_detection, without exceptions. */
    result<void> try_set_outlier_detection(bool enabled) {
        return detail::invoke(&ahoy_balancer_set_outlier_detection, this->get(), enabled);
    }

    /** As set_outlier_ejection, without exceptions. */
    result<void> try_set_outlier_ejection(std::chrono::milliseconds interval, std::chrono::milliseconds
        base, std::chrono::milliseconds max, double max_share, std::uint32_t min_healthy) {
        return detail::invoke(&ahoy_balancer_set_outlier_ejection, this->get(), interval, base, max,
            max_share, min_healthy);
    }

    /** As set_outlier_success_rate, without exceptions. */
    result<void> try_set_outlier_success_rate(std::uint32_t min_endpoints, std::uint32_t min_calls,
        double factor) {
        return detail::invoke(&ahoy_balancer_set_outlier_success_rate, this->get(), min_endpoints,
            min_calls, factor);
    }

    /** As set_outlier_failure_share, without exceptions. */
    result<void> try_set_outlier_failure_share(double share, std::uint32_t min_endpoints, std::uint32_t
        min_calls) {
        return detail::invoke(&ahoy_balancer_set_outlier_failure_share, this->get(), share,
            min_endpoints, min_calls);
    }

    /** As set_health_check, without exceptions. */
    result<void> try_set_health_check(const text_ref &path, std::chrono::milliseconds interval,
        std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_balancer_set_health_check, this->get(), path, interval,
            timeout);
    }

    /** As set_health_thresholds, without exceptions. */
    result<void> try_set_health_thresholds(std::uint32_t unhealthy, std::uint32_t healthy,
        std::chrono::milliseconds out_interval) {
        return detail::invoke(&ahoy_balancer_set_health_thresholds, this->get(), unhealthy, healthy,
            out_interval);
    }

    /** As set_outage_recovery, without exceptions. */
    result<void> try_set_outage_recovery(std::uint32_t min_working, std::chrono::milliseconds hold) {
        return detail::invoke(&ahoy_balancer_set_outage_recovery, this->get(), min_working, hold);
    }

    /** As explain, without exceptions. */
    result<std::string> try_explain() const {
        return detail::make_text(&ahoy_balancer_explain, this->get());
    }

    /** As add_event_queue, without exceptions. */
    result<void> try_add_event_queue(const queue &queue) {
        return detail::invoke(&ahoy_balancer_add_event_queue, this->get(), queue.get());
    }
    // end of generated
};

/** What a body function put into its buffer. */
class filled {
  public:
    /** That many bytes, from 1 to the capacity. */
    static filled data(std::size_t length) noexcept { return {body_step::data, length}; }
    /** There is no more. */
    static filled end() noexcept { return {body_step::end, 0}; }
    /** Nothing yet; request::body_ready asks again. */
    static filled not_ready() noexcept { return {body_step::not_ready, 0}; }
    /** The body breaks off here. */
    static filled failed() noexcept { return {body_step::failed, 0}; }

    body_step step() const noexcept { return step_; }
    std::size_t length() const noexcept { return length_; }

  private:
    filled(body_step step, std::size_t length) noexcept : step_(step), length_(length) {}

    body_step step_;
    std::size_t length_;
};

/** What a request and the one that a hook gets have in common. */
template <class Self>
class request_fields {
  public:
    using header_range =
        detail::indexed<const ahoy_request *, std::pair<std::string_view, std::string_view>, &detail::request_header_at>;

    /** All headers as pairs of name and value, each value of a repeated name counted. Valid until a header is changed. */
    header_range headers() const noexcept {
        const ahoy_request *const fields = static_cast<const Self &>(*this).get();
        return {fields, ahoy_request_header_count(fields)};
    }

    /** The body; empty where there is none, or it is drawn from a source. Valid until it is set anew. */
    std::string_view body() const noexcept {
        std::size_t length = 0;
        const std::uint8_t *const body = ahoy_request_body(static_cast<const Self &>(*this).get(), &length);
        return {reinterpret_cast<const char *>(body), length};
    }

#if AHOY_HPP_EXCEPTIONS
    /** Takes the headers of an inbound request, pairs of name and value: see client_builder::forward_header. */
    Self &forward_headers(const std::vector<std::pair<std::string, std::string>> &headers) {
        detail::value(try_forward_headers(headers));
        return static_cast<Self &>(*this);
    }

    /**
     * Lets a callable produce the body while it is sent: `ahoy::filled function(std::uint8_t *buffer, std::size_t capacity)`.
     * On which thread it runs: see ahoy_body_fn. An exception counts as filled::failed.
     *
     * @param length number of bytes; unknown_length for a body that is sent in chunks
     */
    template <class F>
    Self &set_body_source(F &&function, std::uint64_t length) {
        detail::value(try_set_body_source(std::forward<F>(function), length));
        return static_cast<Self &>(*this);
    }

    /**
     * The same for a body that can be sent again: `bool rewind()` goes back to its first byte. Both callables are used by one
     * thread at a time.
     */
    template <class F, class R>
    Self &set_body_source(F &&function, R &&rewind, std::uint64_t length) {
        detail::value(try_set_body_source(std::forward<F>(function), std::forward<R>(rewind), length));
        return static_cast<Self &>(*this);
    }
#endif

    /** As forward_headers, without exceptions. */
    result<void> try_forward_headers(const std::vector<std::pair<std::string, std::string>> &headers) {
        std::vector<const char *> names, values;
        for (const auto &[name, value] : headers) {
            if (!text_ref(name).usable() || !text_ref(value).usable()) return detail::unusable();
            names.push_back(name.c_str());
            values.push_back(value.c_str());
        }
        return detail::invoke(&ahoy_request_forward_headers, fields(), names.data(), values.data(), names.size());
    }

    /** As set_body_source, without exceptions. */
    template <class F>
    result<void> try_set_body_source(F &&function, std::uint64_t length) {
        using Held = std::decay_t<F>;
        return detail::invoke(&ahoy_request_set_body_source, fields(), &fill<Held, &detail::callable<Held>>,
                              ahoy_body_rewind_fn(nullptr), static_cast<void *>(detail::keep(std::forward<F>(function))),
                              &detail::destroy<Held>, length);
    }

    /** As set_body_source, without exceptions. */
    template <class F, class R>
    result<void> try_set_body_source(F &&function, R &&rewind, std::uint64_t length) {
        using Held = std::pair<std::decay_t<F>, std::decay_t<R>>;
        const ahoy_body_rewind_fn back = [](void *user_data) {
            return detail::guard("body rewind", false, [&]() -> bool { return static_cast<Held *>(user_data)->second(); });
        };
        return detail::invoke(&ahoy_request_set_body_source, fields(), &fill<std::decay_t<F>, &first<Held>>, back,
                              static_cast<void *>(new Held(std::forward<F>(function), std::forward<R>(rewind))),
                              &detail::destroy<Held>, length);
    }

    // generated: ahoy_request<Self>
    /** The method.  */
    std::string_view method() const noexcept {
        return detail::view(ahoy_request_method(static_cast<const Self &>(*this).get()));
    }

    /** The path, or absolute URL. Valid until it is changed or the request is freed. */
    std::string_view path() const noexcept {
        return detail::view(ahoy_request_path(static_cast<const Self &>(*this).get()));
    }

    /** Inside an on_request hook "scheme://address:port" of the attempt's endpoint; elsewhere empty. */
    std::string_view endpoint_url() const noexcept {
        return detail::view(ahoy_request_endpoint_url(static_cast<const Self &>(*this).get()));
    }

    /**
     * The first value of a header, NUL-terminated; empty where there is none. It need not be UTF-8.
     * Inside an on_request hook the client's headers and those of this attempt are among them; Host,
     * Content-Length and Accept-Encoding are added later where they were not set. Valid until a header
     * is changed or the request is freed.
     *
     * @param name in any case
     */
    std::string_view header(const text_ref &name) const noexcept {
        return detail::view(ahoy_request_header(static_cast<const Self &>(*this).get(),
            name.usable() ? name.c_str() : nullptr));
    }

    /** How many headers there are, each value of a repeated name counted. */
    std::size_t header_count() const noexcept {
        return ahoy_request_header_count(static_cast<const Self &>(*this).get());
    }

    /**
     * Inside an on_request hook the authority that the attempt's Host names, "host" or "host:port";
     * elsewhere empty. Valid until a header is changed, inside the hook only.
     */
    std::string_view authority() const noexcept {
        return detail::view(ahoy_request_authority(static_cast<const Self &>(*this).get()));
    }

    /** Inside an on_request hook the attempt's number within its call, from 1; elsewhere 0. */
    std::size_t attempt_number() const noexcept {
        return ahoy_request_attempt_number(static_cast<const Self &>(*this).get());
    }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Adds a header; the same name may be added more than once, but Host, which must be a host with an
     * optional port. It replaces the client's default of that name.
     *
     * @param name a header name; framing headers such as Content-Length are refused
     * @param value without CR, LF and other control characters; copied without blanks around it
     */
    Self &add_header(const text_ref &name, const text_ref &value) {
        detail::value(try_add_header(name, value));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets a header in place of all others of its name.
     *
     * @param name a header name; framing headers such as Content-Length are refused
     * @param value without CR, LF and other control characters; copied without blanks around it
     */
    Self &set_header(const text_ref &name, const text_ref &value) {
        detail::value(try_set_header(name, value));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets the body, in place of an earlier one or its source.
     *
     * @param bytes copied; (nullptr, 0) for none
     */
    Self &set_body(bytes bytes) {
        detail::value(try_set_body(bytes));
        return static_cast<Self &>(*this);
    }

    /**
     * Limits this call, its attempts, waits and connects included. Default: the client's limit.
     *
     * @param timeout 0 ends it at once; forever for no limit
     */
    Self &set_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_timeout(timeout));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets how long an attempt of this call may take before the call looks elsewhere: see
     * client_builder::set_attempt_timeout. Default: the client's limit.
     *
     * @param timeout at least 1; forever for never
     */
    Self &set_attempt_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_attempt_timeout(timeout));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets whether an attempt of this call that passes its limit is cut: see
     * client_builder::set_attempt_timeout_hard. Default: as the client has it.
     *
     * @param hard whether it is cut, instead of going on beside another
     */
    Self &set_attempt_timeout_hard(bool hard) {
        detail::value(try_set_attempt_timeout_hard(hard));
        return static_cast<Self &>(*this);
    }

    /**
     * Names the group of calls that this one belongs to. Calls of a group take about the same time:
     * each group has its own 99th percentile, and from it its own attempt limit and hedge delay.
     * Without groups, a few slow reports make the limits of all calls long. A client keeps the first
     * 16 names; calls of further groups count with those that name none. Default: none.
     *
     * @param group 1 to 64 bytes, such as "reports"; copied
     */
    Self &set_group(const text_ref &group) {
        detail::value(try_set_group(group));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets whether the request may be carried out twice. Default: by its method (GET, HEAD, OPTIONS,
     * TRACE, PUT and DELETE may).
     *
     * @param idempotent whether it may
     */
    Self &set_idempotent(bool idempotent) {
        detail::value(try_set_idempotent(idempotent));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets how important the request is when a limit on calls in flight cannot admit all (the classes
     * are those of Google's SRE book). Default criticality::critical.
     *
     * @param criticality criticality::critical_plus, criticality::critical,
     *        criticality::sheddable_plus or criticality::sheddable
     */
    Self &set_criticality(criticality criticality) {
        detail::value(try_set_criticality(criticality));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets the key by which ring hash, maglev and rendezvous balancers pick: the same key goes to the
     * same endpoint. It is hashed by xxHash64. Without it, the key comes from the balancer's source
     * (balancer::set_hash_header), and a call without any key goes to any endpoint.
     *
     * @param key any bytes; not kept
     */
    Self &set_hash_key(bytes key) {
        detail::value(try_set_hash_key(key));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets the hash of the key, for hosts that have one already.
     *
     * @param hash any number; replaces the key. All 64 bits count: spread a smaller hash or an id over
     *        them, or a ring has all keys at one endpoint
     */
    Self &set_hash(std::uint64_t hash) {
        detail::value(try_set_hash(hash));
        return static_cast<Self &>(*this);
    }

    /**
     * Changes the path, also inside an on_request hook.
     *
     * @param path as for request; copied
     */
    Self &set_path(const text_ref &path) {
        detail::value(try_set_path(path));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets how many attempts this call may make, the first included, whichever retry rules hold.
     * Default: as the rules of the request or its client say.
     *
     * An attempt that sent nothing, as where connecting is refused, is free while another endpoint
     * stands by: it costs no try. With 1 none is free, and such a failure ends the call.
     *
     * @param tries at least 1; -1 for no limit but the deadline
     */
    Self &set_tries(std::int32_t tries) {
        detail::value(try_set_tries(tries));
        return static_cast<Self &>(*this);
    }

    /**
     * Sets the retry rules of this call, in place of the client's. The budget is the client's.
     *
     * @param retry frozen from here on
     */
    Self &set_retry(const retry &retry) {
        detail::value(try_set_retry(retry));
        return static_cast<Self &>(*this);
    }

    /**
     * Sends a header whose value is the same on every attempt of a call, so that a server that knows
     * it does the work once. The request may then be repeated, whatever its method, unless
     * request::set_idempotent says otherwise. Default: none.
     *
     * @param header its name; nullptr for "Idempotency-Key"
     * @param value its value, copied, not empty; nullptr for a random UUID, another for each call
     */
    Self &set_idempotency_key(const text_ref &header, const text_ref &value) {
        detail::value(try_set_idempotency_key(header, value));
        return static_cast<Self &>(*this);
    }

    /**
     * Streams the body of the answer: the call completes when the head of the answer came, and
     * response::read returns the body while it arrives. Default false: the body is held whole.
     *
     * The limits on the call and on each attempt then end with the head; from there on each piece has
     * its own (request::set_idle_timeout), and the whole body may take any time. The bound max_body
     * does not apply. The endpoint's circuit counts the attempt at the end of the body.
     *
     * An answer whose status may be retried, or that fail_on_status makes an error, is held whole all
     * the same, within the usual bounds; response::read reads that too. In an on_response hook a
     * streamed body is empty.
     *
     * All hooks of such a call run on an I/O thread, also if client::send made it.
     *
     * @param streamed whether the answer's body is streamed
     */
    Self &set_streamed(bool streamed) {
        detail::value(try_set_streamed(streamed));
        return static_cast<Self &>(*this);
    }

    /**
     * Limits the wait for the next piece of a streamed answer, while its reader has room for it; then
     * the body ends with errc::timeout. Default: the client's limit of
     * client_builder::set_body_idle_timeout, or else that of client_builder::set_attempt_timeout,
     * which is not for text/event-stream. Where neither is set it is 60 s, or no limit where the
     * call's own limit is forever.
     *
     * @param timeout at least 1; forever for no limit
     */
    Self &set_idle_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_idle_timeout(timeout));
        return static_cast<Self &>(*this);
    }

    /**
     * Calls a body function again that returned body_step::not_ready. It may come before that result,
     * and more than once. Keep the request until the call has ended. Does not wait and calls nothing
     * itself.
     *
     * Thread: any, also while the request is being sent, and inside callbacks.
     */
    void body_ready() const { detail::value(try_body_ready()); }
#endif

    /** As add_header, without exceptions. */
    result<void> try_add_header(const text_ref &name, const text_ref &value) {
        return detail::invoke(&ahoy_request_add_header, static_cast<const Self &>(*this).get(),
            name, value);
    }

    /** As set_header, without exceptions. */
    result<void> try_set_header(const text_ref &name, const text_ref &value) {
        return detail::invoke(&ahoy_request_set_header, static_cast<const Self &>(*this).get(),
            name, value);
    }

    /** As set_body, without exceptions. */
    result<void> try_set_body(bytes bytes) {
        return detail::invoke(&ahoy_request_set_body, static_cast<const Self &>(*this).get(),
            bytes.data(), bytes.size());
    }

    /** As set_timeout, without exceptions. */
    result<void> try_set_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_request_set_timeout_ms, static_cast<const Self &>(*this).get(),
            timeout);
    }

    /** As set_attempt_timeout, without exceptions. */
    result<void> try_set_attempt_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_request_set_attempt_timeout_ms, static_cast<const Self
            &>(*this).get(), timeout);
    }

    /** As set_attempt_timeout_hard, without exceptions. */
    result<void> try_set_attempt_timeout_hard(bool hard) {
        return detail::invoke(&ahoy_request_set_attempt_timeout_hard, static_cast<const Self
            &>(*this).get(), hard);
    }

    /** As set_group, without exceptions. */
    result<void> try_set_group(const text_ref &group) {
        return detail::invoke(&ahoy_request_set_group, static_cast<const Self &>(*this).get(),
            group);
    }

    /** As set_idempotent, without exceptions. */
    result<void> try_set_idempotent(bool idempotent) {
        return detail::invoke(&ahoy_request_set_idempotent, static_cast<const Self &>(*this).get(),
            idempotent);
    }

    /** As set_criticality, without exceptions. */
    result<void> try_set_criticality(criticality criticality) {
        return detail::invoke(&ahoy_request_set_criticality, static_cast<const Self &>(*this).get(),
            detail::to_c(criticality));
    }

    /** As set_hash_key, without exceptions. */
    result<void> try_set_hash_key(bytes key) {
        return detail::invoke(&ahoy_request_set_hash_key, static_cast<const Self &>(*this).get(),
            key.data(), key.size());
    }

    /** As set_hash, without exceptions. */
    result<void> try_set_hash(std::uint64_t hash) {
        return detail::invoke(&ahoy_request_set_hash, static_cast<const Self &>(*this).get(), hash);
    }

    /** As set_path, without exceptions. */
    result<void> try_set_path(const text_ref &path) {
        return detail::invoke(&ahoy_request_set_path, static_cast<const Self &>(*this).get(), path);
    }

    /** As set_tries, without exceptions. */
    result<void> try_set_tries(std::int32_t tries) {
        return detail::invoke(&ahoy_request_set_tries, static_cast<const Self &>(*this).get(),
            tries);
    }

    /** As set_retry, without exceptions. */
    result<void> try_set_retry(const retry &retry) {
        return detail::invoke(&ahoy_request_set_retry, static_cast<const Self &>(*this).get(),
            retry.get());
    }

    /** As set_idempotency_key, without exceptions. */
    result<void> try_set_idempotency_key(const text_ref &header, const text_ref &value) {
        return detail::invoke(&ahoy_request_set_idempotency_key, static_cast<const Self
            &>(*this).get(), header, value);
    }

    /** As set_streamed, without exceptions. */
    result<void> try_set_streamed(bool streamed) {
        return detail::invoke(&ahoy_request_set_streamed, static_cast<const Self &>(*this).get(),
            streamed);
    }

    /** As set_idle_timeout, without exceptions. */
    result<void> try_set_idle_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_request_set_idle_timeout_ms, static_cast<const Self
            &>(*this).get(), timeout);
    }

    /** As body_ready, without exceptions. */
    result<void> try_body_ready() const {
        return detail::invoke(&ahoy_request_body_ready, static_cast<const Self &>(*this).get());
    }
    // end of generated

  private:
    ahoy_request *fields() const noexcept { return static_cast<const Self &>(*this).get(); }

    template <class Pair>
    static typename Pair::first_type &first(void *user_data) noexcept {
        return static_cast<Pair *>(user_data)->first;
    }

    template <class F, F &(*Function)(void *)>
    static std::int32_t fill(void *user_data, std::uint8_t *buffer, std::size_t capacity, std::size_t *length) {
        return detail::guard("body", static_cast<std::int32_t>(AHOY_BODY_FAILED), [&] {
            const filled step = Function(user_data)(buffer, capacity);
            *length = step.length();
            return static_cast<std::int32_t>(step.step());
        });
    }
};

/** The request of one attempt, as an on_request hook gets it. Valid inside the hook only. */
class request_view : public request_fields<request_view> {
  public:
    explicit request_view(ahoy_request *request) noexcept : view_(request) {}
    ahoy_request *get() const noexcept { return view_; }

  private:
    ahoy_request *view_;
};

/** One request, independent of where it will go. Sending it copies it, so it may be sent again. */
class request : public detail::handle<ahoy_request, &ahoy_request_free>, public request_fields<request> {
  public:
    explicit request(ahoy_request *owned) noexcept : handle(owned) {}
    using detail::handle<ahoy_request, &ahoy_request_free>::get;

#if AHOY_HPP_EXCEPTIONS
    /**
     * @param method such as "GET" or "PURGE"; case matters
     * @param path path and query, starting with "/", or an absolute URL for a client without a balancer
     * @exception exception errc::invalid_argument: see ahoy_request_new
     */
    request(const text_ref &method, const text_ref &path) : request(detail::value(try_make(method, path))) {}
#endif

    /** As the constructor, without exceptions. */
    static result<request> try_make(const text_ref &method, const text_ref &path) {
        return detail::make<request>(&ahoy_request_new, method, path);
    }
};

/** A call under way or ended. Its result is handed out once. Destroying it cancels the call, unless on_done was used. */
class call : public detail::handle<ahoy_call, &ahoy_call_free> {
  public:
    explicit call(ahoy_call *owned = nullptr) noexcept : handle(owned) {}
    call(call &&other) noexcept = default;
    call &operator=(call &&other) noexcept {
        auto stop = std::move(other.stop_); // before the next line, for an assignment to itself
        stop_.reset();                      // it cancels the old call, so it goes before that
        handle::operator=(std::move(other));
        stop_ = std::move(stop);
        return *this;
    }

    /** Gives the handle away, to be freed by C's function. A stop token no longer cancels the call. */
    ahoy_call *release() noexcept {
        stop_.reset();
        return handle::release();
    }

#if AHOY_HPP_EXCEPTIONS
    /** Waits for the call to end and takes the answer. */
    response wait() { return detail::value(try_wait()); }

    /**
     * Passes the result to a callable when the call ends: `function(ahoy::result<ahoy::response>)`, on the I/O thread that
     * finished the call, which it must not block. The call then goes on when this object is destroyed.
     *
     * @exception exception errc::in_use if the result was taken before or goes to another callback
     */
    template <class F>
    void on_done(F &&function) {
        detail::value(try_on_done(std::forward<F>(function)));
    }
#endif

    /** As wait, without exceptions. */
    result<response> try_wait() { return try_wait(forever); }

    /** As on_done, without exceptions. */
    template <class F>
    result<void> try_on_done(F &&function);

    // generated: ahoy_call
#if AHOY_HPP_EXCEPTIONS
    /**
     * Waits for a call to end and returns its result. When the time is up first, returns an empty
     * object, and the call goes on; so it does after errc::interrupted, and may be waited for again.
     * Blocks up to timeout.
     *
     * @param timeout 0 polls; forever for no limit
     * @exception exception errc::in_use if the result was taken before or goes to a callback;
     *        errc::interrupted if a signal ended the wait of an interruptible client; else how the
     *        call ended
     */
    response wait(std::chrono::milliseconds timeout) const { return detail::value(try_wait(timeout)); }

    /**
     * Cancels a call: it ends with errc::cancelled, exactly once, or with its own result if that came
     * first. The exchange is dropped, so the server sees the connection close. Does not wait.
     *
     * @note It succeeds also for a call that has ended.
     */
    void cancel() const { detail::value(try_cancel()); }
#endif

    /** As wait, without exceptions. */
    result<response> try_wait(std::chrono::milliseconds timeout) const {
        return detail::make<response>(&ahoy_call_wait, this->get(), timeout);
    }

    /** As cancel, without exceptions. */
    result<void> try_cancel() const { return detail::invoke(&ahoy_call_cancel, this->get()); }
    // end of generated

#if AHOY_HPP_STOP_TOKEN
    /** Cancels the call when a stop is requested of the token. */
    void cancel_on(std::stop_token token) {
        struct canceller {
            ahoy_call *of;
            void operator()() const noexcept { (void)ahoy_call_cancel(of, nullptr); }
        };
        if (token.stop_possible())
            stop_ = std::make_shared<std::stop_callback<canceller>>(std::move(token), canceller{get()});
    }
#endif

  private:
    // Of any type, so that this class has the same form in C++17. Destroyed before the handle, which is the base.
    std::shared_ptr<void> stop_{};
};

/** A bucket of a histogram. */
struct bucket {
    /** Its upper bound in seconds, which belongs to it; infinity for the last. */
    double bound;
    /** How many lie at or below the bound. */
    std::uint64_t count;
};

namespace detail {

inline std::pair<std::string_view, std::string_view> label_at(const ahoy_sample *sample, std::size_t index) noexcept {
    return {view(ahoy_sample_label_name_at(sample, index)), view(ahoy_sample_label_value_at(sample, index))};
}

inline bucket bucket_at(const ahoy_sample *sample, std::size_t index) noexcept {
    return {ahoy_sample_bucket_bound_at(sample, index), ahoy_sample_bucket_value_at(sample, index)};
}

} // namespace detail

/** One series of a snapshot: a metric's name, labels and a value. Valid inside the callable that gets it. */
class sample_view {
  public:
    using label_range =
        detail::indexed<const ahoy_sample *, std::pair<std::string_view, std::string_view>, &detail::label_at>;
    using bucket_range = detail::indexed<const ahoy_sample *, bucket, &detail::bucket_at>;

    explicit sample_view(const ahoy_sample *sample) noexcept : view_(sample) {}
    const ahoy_sample *get() const noexcept { return view_; }

    /** The labels as pairs of name and value, not escaped. */
    label_range labels() const noexcept { return {view_, ahoy_sample_label_count(view_)}; }
    /** The buckets of a histogram; none of other metrics. */
    bucket_range buckets() const noexcept { return {view_, ahoy_sample_bucket_count(view_)}; }

    // generated: ahoy_sample
    /** The metric's name, such as "ahoy_client_attempts_total".  */
    std::string_view name() const noexcept { return detail::view(ahoy_sample_name(this->get())); }

    /** What the metric tells, in one sentence.  */
    std::string_view help() const noexcept { return detail::view(ahoy_sample_help(this->get())); }

    /** How the metric behaves: a metric_kind. */
    metric_kind kind() const noexcept {
        return static_cast<metric_kind>(ahoy_sample_kind(this->get()));
    }

    /** The value of a counter or a gauge; of a histogram the sum of what it holds, in seconds. */
    double value() const noexcept { return ahoy_sample_value(this->get()); }
    // end of generated

  private:
    const ahoy_sample *view_;
};

/** What a client and its balancer counted, at one time. Others may be added; what is there does not change. Any thread. */
class snapshot : public detail::handle<ahoy_snapshot, &ahoy_snapshot_free> {
  public:
    explicit snapshot(ahoy_snapshot *owned) noexcept : handle(owned) {}

#if AHOY_HPP_EXCEPTIONS
    /** Calls `function(ahoy::sample_view)` for each series, on this thread. An exception ends it, and leaves this function. */
    template <class F>
    void each(F &&function) const {
        struct state {
            F &function;
            std::exception_ptr thrown;
        } held{function, nullptr};
        detail::value(detail::invoke(
            &ahoy_snapshot_each, get(),
            ahoy_sample_fn([](void *user_data, const ahoy_sample *sample) {
                auto &it = *static_cast<state *>(user_data);
                if (it.thrown) return;
                try {
                    it.function(sample_view(sample));
                }
                AHOY_HPP_PASS_FORCED_UNWIND
                catch (...) {
                    it.thrown = std::current_exception();
                }
            }),
            static_cast<void *>(&held)));
        if (held.thrown) std::rethrow_exception(held.thrown);
    }
#endif

    /** As each, without exceptions. */
    template <class F>
    result<void> try_each(F &&function) const {
        struct state {
            F &function;
        } held{function};
        return detail::invoke(&ahoy_snapshot_each, get(),
                              ahoy_sample_fn([](void *user_data, const ahoy_sample *sample) {
                                  detail::guard("sample", [&] { static_cast<state *>(user_data)->function(sample_view(sample)); });
                              }),
                              static_cast<void *>(&held));
    }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Adds what another client counts at this time, so that one text has both: Prometheus takes each metric once. Their
     * names tell their series apart (client_builder::set_name).
     *
     * @exception exception errc::invalid_argument where a client of that name, or another without a name, is there already;
     *        nothing was added
     */
    snapshot &add_client(const client &client);
#endif

    /** As add_client, without exceptions. */
    result<void> try_add_client(const client &client);

    // generated: ahoy_snapshot
#if AHOY_HPP_EXCEPTIONS
    /**
     * A snapshot as text, to be served to Prometheus.
     *
     * @param format a text_format
     */
    std::string text(text_format format) const { return detail::value(try_text(format)); }
#endif

    /** As text, without exceptions. */
    result<std::string> try_text(text_format format) const {
        return detail::make_text(&ahoy_snapshot_text, this->get(), detail::to_c(format));
    }
    // end of generated
};

/** A client that sends requests to the endpoints of a balancer, or to URLs. Any thread, also several at once. */
class client : public detail::handle<ahoy_client, &ahoy_client_free> {
  public:
    explicit client(ahoy_client *owned) noexcept : handle(owned) {}

    /** The handle, still owned by this object. */
    using handle::get;

#if AHOY_HPP_EXCEPTIONS
    /** Starts a request on an I/O thread and returns at once; see ahoy::call. */
    call start(const request &request) const { return detail::value(try_start(request)); }

    /** Starts a request and passes its result to `function(ahoy::result<ahoy::response>)`: see call::on_done. */
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, result<response>>>>
    call start(const request &request, F &&function) const {
        return detail::value(try_start(request, std::forward<F>(function)));
    }

    /**
     * Starts a request and returns a future of its answer, which throws what the call failed with. The future never blocks
     * when it is destroyed; the call goes on.
     */
    std::future<response> async(const request &request) const;
#endif

    /** As start, without exceptions. */
    result<call> try_start(const request &request) const {
        return detail::make<call>(&ahoy_client_start, get(), request.get());
    }

    /** As start, without exceptions. */
    template <class F, class = std::enable_if_t<std::is_invocable_v<F &, result<response>>>>
    result<call> try_start(const request &request, F &&function) const {
        auto started = try_start(request);
        if (!started) return started;
        if (auto registered = started->try_on_done(std::forward<F>(function)); !registered)
            return std::move(registered).error();
        return started;
    }

    /** As async, without exceptions. */
    std::future<result<response>> try_async(const request &request) const;

#if AHOY_HPP_STOP_TOKEN
#if AHOY_HPP_EXCEPTIONS
    /** Starts a request that is cancelled when a stop is requested. */
    call start(const request &request, std::stop_token token) const {
        return detail::value(try_start(request, std::move(token)));
    }

    /** Sends a request and waits for the answer; throws errc::cancelled when a stop is requested. */
    response send(const request &request, std::stop_token token) const {
        return detail::value(try_send(request, std::move(token)));
    }
#endif

    /** As start, without exceptions. */
    result<call> try_start(const request &request, std::stop_token token) const {
        auto started = try_start(request);
        if (started) started->cancel_on(std::move(token));
        return started;
    }

    /** As send, without exceptions. */
    result<response> try_send(const request &request, std::stop_token token) const {
        auto started = try_start(request, std::move(token));
        if (!started) return std::move(started).error();
        return started->try_wait();
    }
#endif

    // generated: ahoy_client
#if AHOY_HPP_EXCEPTIONS
    /**
     * Makes a client from one text in JSON, which can hold all that a builder can be told but
     * functions: hosts, the URL of a provider or a base URL, balancer, circuits, retries, headers,
     * files of certificates, and every option by its key.
     *
     * { "hosts": ["10.0.0.7:8080"], "timeout": "2s", "retry": { "tries": 2 } }
     *
     * What the text does not name has its default. docs/configuration.md tells all keys, and
     * docs/ahoy.schema.json is a JSON schema for it. Files are read now, each up to 1 MiB; nothing is
     * contacted, as by client_builder::build.
     *
     * @param json not kept
     * @exception exception errc::invalid_argument, or errc::unknown_option where nothing is wrong but
     *        unknown keys. The error names every fault, a line each, with its path in the text, such
     *        as "balancer.subset: is 0; the least is 1"; it quotes no header and no credential
     */
    static client from_config(const text_ref &json) { return detail::value(try_from_config(json)); }

    /**
     * The configuration of a client as a text in JSON, as client::from_config reads it: every option
     * that is in effect, hosts, balancer, circuits, retries, headers and files.
     *
     * "****" stands for what the text does not show:
     *
     * - the values of headers, but for a few such as Accept and User-Agent;
     * - the user and password of a proxy; user, password, token and query of a registry;
     * - certificates and keys that were given as bytes;
     * - a provider or balancer that is a function of the host, and a provider of other providers.
     *
     * Where nothing is masked, the text makes a client of the same configuration. With a mask in it,
     * reading it fails and names the mask.
     */
    std::string config_text() const { return detail::value(try_config_text()); }

    /**
     * Replaces the configuration of a client by that of a text (client::from_config), all of it or
     * nothing. What the text does not name has its default, as for a new client. Calls under way go by
     * the configuration that they began with; hooks, log and events stay.
     *
     * Endpoints that the text still has keep their circuits, statistics and connections. Connections
     * are made anew where a setting of connections is another: those of TLS, proxy, HTTP/2, sockets,
     * resolver, max_stale, redirects, warm_up, connect_timeout, idle_timeout, max_connection_age and
     * the limits on connections.
     *
     * A text without hosts, provider and base_url leaves the hosts as they are; with neither balancer
     * nor breaker in it, the balancer as well. "****" stands for what the client has at present, so
     * the text of client::config_text can be changed and given back. In a list it stands for what the
     * client has at the same place, so the list has as many entries as the client's.
     *
     * Where the balancer or its circuits change, a provider that is a function of the host is asked
     * for its list, and one that a new URL names takes over with the first list that it tells. A
     * balancer can be changed only while this client alone has it: always one that a text made, and
     * any other once all other clients, builders and the handle that have it are freed. Retry rules
     * and circuit rules were copied from their handles.
     *
     * Blocks for as long as a provider takes to answer.
     *
     * @param json not kept
     * @exception exception as client::from_config; errc::in_use if the balancer would change and is
     *        not this client's alone; errc::discovery if the provider failed; errc::closed;
     *        errc::would_deadlock inside a callback. On failure nothing is changed
     */
    void reconfigure(const text_ref &json) const { detail::value(try_reconfigure(json)); }

    /**
     * Gives the balancer of a client: to explain it, or to drain an endpoint, also where a text made
     * the client and the balancer with it.
     *
     * It is the client's present one. Once client::reconfigure has changed the balancer, the handle
     * shows what the former one was: ask again. The handle does not stand in the way of such a change.
     *
     * @exception exception errc::unsupported for a client without one: it has a base URL, or neither
     *        that nor hosts
     */
    ahoy::balancer balancer() const { return detail::value(try_balancer()); }

    /**
     * Sends GET and waits for the answer. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     */
    response get(const text_ref &path) const { return detail::value(try_get(path)); }

    /**
     * Sends OPTIONS and waits for the answer. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     */
    response options(const text_ref &path) const { return detail::value(try_options(path)); }

    /**
     * Sends HEAD and waits for the answer, which has no body. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     */
    response head(const text_ref &path) const { return detail::value(try_head(path)); }

    /**
     * Sends DELETE and waits for the answer. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     */
    response del(const text_ref &path) const { return detail::value(try_del(path)); }

    /**
     * Sends POST with a body and waits for the answer. Not repeated once it may have been carried out.
     * Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     * @param content_type the body's media type; nullptr for none
     * @param body not kept; (nullptr, 0) for an empty body
     */
    response post(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::value(try_post(path, content_type, body));
    }

    /**
     * Sends PUT with a body and waits for the answer. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     * @param content_type the body's media type; nullptr for none
     * @param body not kept; (nullptr, 0) for an empty body
     */
    response put(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::value(try_put(path, content_type, body));
    }

    /**
     * Sends PATCH with a body and waits for the answer. Not repeated once it may have been carried
     * out. Blocks up to the call's limit.
     *
     * @param path path and query, starting with "/"; or an absolute URL for a client without a
     *        balancer
     * @param content_type the body's media type; nullptr for none
     * @param body not kept; (nullptr, 0) for an empty body
     */
    response patch(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::value(try_patch(path, content_type, body));
    }

    /**
     * Sends a request and waits for the answer. Blocks up to the call's limit.
     *
     * @param request not changed; may be sent again
     */
    response send(const request &request) const { return detail::value(try_send(request)); }

    /**
     * Starts a request on an I/O thread and returns at once; its completion comes on a queue. Blocks
     * while the provider is asked on this thread: only where its option "callbacks" is "caller", and
     * at the first use of the balancer.
     *
     * @param request not changed; may be sent again
     * @param queue where the completion comes, exactly one
     * @param tag any number; the completion carries it
     * @exception exception errc::overloaded where the queue is full; then and with any other failure
     *        no completion comes
     */
    void submit(const request &request, const queue &queue, std::uint64_t tag) const {
        detail::value(try_submit(request, queue, tag));
    }

    /**
     * Closes a client: refuses new calls, waits for those under way, and ends the rest with
     * errc::closed when the time is up; blocked callers wake. The handle is still to be freed. Blocks
     * up to timeout, and 1 s more where calls are ended.
     *
     * After errc::ok no callback of this client runs or will run: no completion, hook, log, event,
     * should_stop, body or readable function, and no provider or balancer function on behalf of its
     * calls; nor do its queues get events. A balancer that other clients share goes on for them, and
     * destroy functions run when their handles are freed.
     *
     * @param timeout 0 ends all calls at once; forever waits for the last. Calls that were ended get 1
     *        s more to say so
     * @note It succeeds also where calls had to be ended, and for a client that is closed already.
     * @exception exception errc::deadline where a callback outlasts the limit: the client is closed,
     *        and this function may be called again; errc::would_deadlock inside a callback
     */
    void close(std::chrono::milliseconds timeout) const { detail::value(try_close(timeout)); }

    /**
     * Takes a snapshot of all that a client counts, and its balancer with it. The counts of a balancer
     * are those of all clients that share it. docs/statistics.md has every metric.
     *
     * Takes no lock that a call waits for longer than a few instructions, and does no I/O. The time
     * grows with the number of endpoints: about 1 ms for 10,000.
     */
    ahoy::snapshot snapshot() const { return detail::value(try_snapshot()); }
#endif

    /** As from_config, without exceptions. */
    static result<client> try_from_config(const text_ref &json) {
        return detail::make<client>(&ahoy_client_from_config, json);
    }

    /** As config_text, without exceptions. */
    result<std::string> try_config_text() const {
        return detail::make_text(&ahoy_client_config_text, this->get());
    }

    /** As reconfigure, without exceptions. */
    result<void> try_reconfigure(const text_ref &json) const {
        return detail::invoke(&ahoy_client_reconfigure, this->get(), json);
    }

    /** As balancer, without exceptions. */
    result<ahoy::balancer> try_balancer() const {
        return detail::make<ahoy::balancer>(&ahoy_client_balancer, this->get());
    }

    /** As get, without exceptions. */
    result<response> try_get(const text_ref &path) const {
        return detail::make<response>(&ahoy_client_get, this->get(), path);
    }

    /** As options, without exceptions. */
    result<response> try_options(const text_ref &path) const {
        return detail::make<response>(&ahoy_client_options, this->get(), path);
    }

    /** As head, without exceptions. */
    result<response> try_head(const text_ref &path) const {
        return detail::make<response>(&ahoy_client_head, this->get(), path);
    }

    /** As del, without exceptions. */
    result<response> try_del(const text_ref &path) const {
        return detail::make<response>(&ahoy_client_delete, this->get(), path);
    }

    /** As post, without exceptions. */
    result<response> try_post(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::make<response>(&ahoy_client_post, this->get(), path, content_type,
            body.data(), body.size());
    }

    /** As put, without exceptions. */
    result<response> try_put(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::make<response>(&ahoy_client_put, this->get(), path, content_type,
            body.data(), body.size());
    }

    /** As patch, without exceptions. */
    result<response> try_patch(const text_ref &path, const text_ref &content_type, bytes body) const {
        return detail::make<response>(&ahoy_client_patch, this->get(), path, content_type,
            body.data(), body.size());
    }

    /** As send, without exceptions. */
    result<response> try_send(const request &request) const {
        return detail::make<response>(&ahoy_client_send, this->get(), request.get());
    }

    /** As submit, without exceptions. */
    result<void> try_submit(const request &request, const queue &queue, std::uint64_t tag) const {
        return detail::invoke(&ahoy_client_submit, this->get(), request.get(), queue.get(), tag);
    }

    /** As close, without exceptions. */
    result<void> try_close(std::chrono::milliseconds timeout) const {
        return detail::invoke(&ahoy_client_close, this->get(), timeout);
    }

    /** As snapshot, without exceptions. */
    result<ahoy::snapshot> try_snapshot() const {
        return detail::make<ahoy::snapshot>(&ahoy_client_snapshot, this->get());
    }
    // end of generated
};

#if AHOY_HPP_EXCEPTIONS
inline snapshot &snapshot::add_client(const client &client) {
    detail::value(try_add_client(client));
    return *this;
}
#endif

inline result<void> snapshot::try_add_client(const client &client) {
    return detail::invoke(&ahoy_snapshot_add_client, get(), client.get());
}

namespace detail {

/** A promise that is kept in any case: where its callback is dropped, by errc::closed. */
template <class T>
class kept_promise {
  public:
    kept_promise() = default;
    kept_promise(kept_promise &&) noexcept = default;
    kept_promise(const kept_promise &) = delete;
    ~kept_promise() {
        if (promise_) keep(ahoy::error(errc::closed, "the call's callback was dropped"));
    }

    std::future<T> future() { return promise_->get_future(); }

    void keep(result<response> outcome) {
        // The caller may destroy the future at once, so the promise goes first.
        const std::unique_ptr<std::promise<T>> promise = std::move(promise_);
        if constexpr (std::is_same_v<T, result<response>>) {
            promise->set_value(std::move(outcome));
        } else {
#if AHOY_HPP_EXCEPTIONS
            if (outcome)
                promise->set_value(*std::move(outcome));
            else
                promise->set_exception(std::make_exception_ptr(exception(std::move(outcome).error())));
#endif
        }
    }

  private:
    std::unique_ptr<std::promise<T>> promise_ = std::make_unique<std::promise<T>>();
};

/** Starts a call for a future. */
template <class T>
std::future<T> start_for_future(const client &client, const request &request) {
    kept_promise<T> promise;
    std::future<T> future = promise.future();
    auto started = client.try_start(request);
    if (!started) {
        promise.keep(std::move(started).error());
        return future;
    }
    // Where C refuses it, the promise is destroyed and so kept.
    (void)started->try_on_done(
        [promise = std::move(promise)](result<response> outcome) mutable { promise.keep(std::move(outcome)); });
    return future;
}

} // namespace detail

inline std::future<result<response>> client::try_async(const request &request) const {
    return detail::start_for_future<result<response>>(*this, request);
}

#if AHOY_HPP_EXCEPTIONS
inline std::future<response> client::async(const request &request) const {
    return detail::start_for_future<response>(*this, request);
}
#endif

/** The settings of clients to be built. Building copies them, so one builder can make several clients. */
class client_builder : public detail::handle<ahoy_client_builder, &ahoy_client_builder_free> {
  public:
    explicit client_builder(ahoy_client_builder *owned) noexcept : handle(owned) {}

    /** The defaults. Without a balancer and a base URL the client takes absolute URLs. */
    client_builder() noexcept : handle(ahoy_client_builder_new()) {}

#if AHOY_HPP_EXCEPTIONS
    /**
     * Sets the hook before each attempt, in place of an earlier one: `function(ahoy::request_view)`, on the thread that drives
     * the call. It may change path and headers of this attempt. It returns nothing, an errc or a result<void>; a failure or an
     * exception ends the call with errc::hook_refused.
     */
    template <class F>
    client_builder &on_request(F &&function) {
        detail::value(try_on_request(std::forward<F>(function)));
        return *this;
    }

    /** Sets the hook after each answer: `function(ahoy::response_view)`, on the thread that drives the call. */
    template <class F>
    client_builder &on_response(F &&function) {
        detail::value(try_on_response(std::forward<F>(function)));
        return *this;
    }

    /** Sets the hook after each failed attempt: `function(ahoy::error_view)`, on the thread that drives the call. */
    template <class F>
    client_builder &on_error(F &&function) {
        detail::value(try_on_error(std::forward<F>(function)));
        return *this;
    }

    /**
     * Sets the host's own verdict on answers: `ahoy::classify function(ahoy::response_view)`, on the thread that drives the
     * call. An exception leaves the verdict to the status. See ahoy_classify_fn.
     */
    template <class F>
    client_builder &on_classify(F &&function) {
        detail::value(try_on_classify(std::forward<F>(function)));
        return *this;
    }

    /**
     * Sets the hook after each call: `function(ahoy::errc, ahoy::response_view, ahoy::error_view)`, on the thread that drives
     * the call. Where it has a response, the error's get() is nullptr, and the other way round. It runs before the call's
     * result is handed over.
     */
    template <class F>
    client_builder &on_call_end(F &&function) {
        detail::value(try_on_call_end(std::forward<F>(function)));
        return *this;
    }

    /** Sets the statuses of answers by which an endpoint has failed. Default: every 5xx but 501. */
    client_builder &set_failure_statuses(const std::vector<std::int32_t> &statuses) {
        detail::value(try_set_failure_statuses(statuses));
        return *this;
    }

    /**
     * Lets signals end blocking calls: `bool function()` is asked on the calling thread after each signal and at least every
     * 50 ms. Where it returns true, or throws, the call ends with errc::interrupted. It must not block.
     */
    template <class F>
    client_builder &set_should_stop(F &&function) {
        detail::value(try_set_should_stop(std::forward<F>(function)));
        return *this;
    }

    /**
     * Sets where the client's messages go: `function(ahoy::log_level, std::string_view part, std::string_view message)`, on any
     * thread that works for the client, several at once.
     *
     * @param level the lowest severity that is passed on
     */
    template <class F>
    client_builder &on_log(log_level level, F &&function) {
        detail::value(try_on_log(level, std::forward<F>(function)));
        return *this;
    }

    /**
     * Adds a callable that is told of the client's events and of those of its balancer: `function(ahoy::event_view)`, on the
     * thread where it happened. It must not block.
     */
    template <class F>
    client_builder &on_event(F &&function) {
        detail::value(try_on_event(std::forward<F>(function)));
        return *this;
    }

    /**
     * Hands out the secrets of TLS sessions, so that captures of one's own traffic can be read: `function(std::string_view
     * line)` in the format of NSS key logs, on any thread, several at once.
     */
    template <class F>
    client_builder &set_key_log(F &&function) {
        detail::value(try_set_key_log(std::forward<F>(function)));
        return *this;
    }

    /**
     * Tells what goes over the client's connections, above TLS, with credentials masked: `function(std::uint64_t connection,
     * ahoy::wire kind, std::string_view bytes)`, on any thread, several at once. It must not block.
     */
    template <class F>
    client_builder &set_wire_trace(F &&function) {
        detail::value(try_set_wire_trace(std::forward<F>(function)));
        return *this;
    }
#endif

    /** As set_key_log, without exceptions. */
    template <class F>
    result<void> try_set_key_log(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_set_key_log, ahoy_key_log_fn([](void *user_data, const char *line) {
                       detail::guard("set_key_log",
                                     [&] { detail::callable<Held>(user_data)(detail::view(line)); });
                   }),
                   std::forward<F>(function));
    }

    /** As set_wire_trace, without exceptions. */
    template <class F>
    result<void> try_set_wire_trace(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_set_wire_trace,
                   ahoy_wire_fn([](void *user_data, std::uint64_t connection, std::int32_t kind,
                                   const std::uint8_t *bytes, std::size_t length) {
                       detail::guard("set_wire_trace", [&] {
                           detail::callable<Held>(user_data)(connection, static_cast<wire>(kind),
                                                             std::string_view(reinterpret_cast<const char *>(bytes), length));
                       });
                   }),
                   std::forward<F>(function));
    }

    /** As on_request, without exceptions. */
    template <class F>
    result<void> try_on_request(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_request, ahoy_request_fn([](void *user_data, ahoy_request *request) {
                       return detail::guard_status("on_request", errc::hook_refused, [&] {
                           return detail::ask(detail::callable<Held>(user_data), request_view(request));
                       });
                   }),
                   std::forward<F>(function));
    }

    /** As on_response, without exceptions. */
    template <class F>
    result<void> try_on_response(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_response, ahoy_response_fn([](void *user_data, const ahoy_response *response) {
                       detail::guard("on_response",
                                     [&] { detail::callable<Held>(user_data)(response_view(response)); });
                   }),
                   std::forward<F>(function));
    }

    /** As on_error, without exceptions. */
    template <class F>
    result<void> try_on_error(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_error, ahoy_error_fn([](void *user_data, const ahoy_error *error) {
                       detail::guard("on_error", [&] { detail::callable<Held>(user_data)(error_view(error)); });
                   }),
                   std::forward<F>(function));
    }

    /** As on_classify, without exceptions. */
    template <class F>
    result<void> try_on_classify(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_classify, ahoy_classify_fn([](void *user_data, const ahoy_response *response) {
                       return detail::to_c(detail::guard("on_classify", classify::default_, [&]() -> classify {
                           return detail::callable<Held>(user_data)(response_view(response));
                       }));
                   }),
                   std::forward<F>(function));
    }

    /** As on_call_end, without exceptions. */
    template <class F>
    result<void> try_on_call_end(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_call_end,
                   ahoy_call_end_fn([](void *user_data, ahoy_status status, const ahoy_response *response,
                                       const ahoy_error *error) {
                       detail::guard("on_call_end", [&] {
                           detail::callable<Held>(user_data)(static_cast<errc>(status), response_view(response),
                                                             error_view(error));
                       });
                   }),
                   std::forward<F>(function));
    }

    /** As set_failure_statuses, without exceptions. */
    result<void> try_set_failure_statuses(const std::vector<std::int32_t> &statuses) {
        return detail::invoke(&ahoy_client_builder_set_failure_statuses, get(), statuses.data(), statuses.size());
    }

    /** As set_should_stop, without exceptions. */
    template <class F>
    result<void> try_set_should_stop(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_set_should_stop, ahoy_should_stop_fn([](void *user_data) {
                       return detail::guard("should_stop", true,
                                            [&]() -> bool { return detail::callable<Held>(user_data)(); });
                   }),
                   std::forward<F>(function));
    }

    /** As on_log, without exceptions. */
    template <class F>
    result<void> try_on_log(log_level level, F &&function) {
        using Held = std::decay_t<F>;
        return detail::invoke(
            &ahoy_client_builder_on_log, get(), level,
            ahoy_log_fn([](void *user_data, std::int32_t of, const char *part, const char *message) {
                detail::guard("on_log", [&] {
                    detail::callable<Held>(user_data)(static_cast<log_level>(of), detail::view(part), detail::view(message));
                });
            }),
            static_cast<void *>(detail::keep(std::forward<F>(function))), &detail::destroy<Held>);
    }

    /** As on_event, without exceptions. */
    template <class F>
    result<void> try_on_event(F &&function) {
        using Held = std::decay_t<F>;
        return add(&ahoy_client_builder_on_event, ahoy_event_fn([](void *user_data, const ahoy_event *event) {
                       detail::guard("on_event", [&] { detail::callable<Held>(user_data)(event_view(event)); });
                   }),
                   std::forward<F>(function));
    }

    // generated: ahoy_client_builder
#if AHOY_HPP_EXCEPTIONS
    /**
     * Sends the client's requests to the endpoints of a balancer, in place of an earlier balancer or
     * base URL.
     *
     * @param balancer frozen from here on
     */
    client_builder &set_balancer(const balancer &balancer) {
        detail::value(try_set_balancer(balancer));
        return *this;
    }

    /**
     * Sends the client's requests to one URL, in place of an earlier balancer or base URL.
     *
     * @param base_url "http://host/path" or https; its path comes before each request's. An absolute
     *        URL of a request must be below it, so that no default header, Authorization for example,
     *        goes elsewhere
     */
    client_builder &set_base_url(const text_ref &base_url) {
        detail::value(try_set_base_url(base_url));
        return *this;
    }

    /**
     * Names the client in its statistics: each of its series has the label `client` with this name, by
     * which those of several clients of one process are told apart. Default: no such label.
     *
     * @param name such as "payments", without blanks around it or control characters; "off" for none
     */
    client_builder &set_name(const text_ref &name) { detail::value(try_set_name(name)); return *this; }

    /**
     * Sets the retry rules, in place of those set before, also by name. Default: those of retry.
     *
     * @param retry frozen from here on
     */
    client_builder &set_retry(const retry &retry) { detail::value(try_set_retry(retry)); return *this; }

    /**
     * Adds a header to every request, unless the request has one of the same name. User-Agent, by
     * default "ahoy/VERSION", is replaced. A client that takes absolute URLs sends it to each of them:
     * credentials belong to a client with a base URL.
     *
     * @param name a header name; framing headers such as Content-Length are refused
     * @param value without CR, LF and other control characters; copied without blanks around it
     */
    client_builder &add_header(const text_ref &name, const text_ref &value) {
        detail::value(try_add_header(name, value));
        return *this;
    }

    /**
     * Passes on a header of the inbound request (request::forward_headers) with each attempt, in place
     * of the client's default of that name. A header of the request itself replaces both.
     *
     * @param name a header name; "Cookie" passes all cookies
     */
    client_builder &forward_header(const text_ref &name) {
        detail::value(try_forward_header(name));
        return *this;
    }

    /**
     * Passes on one cookie of the inbound request (request::forward_headers) with each attempt. All
     * cookies stand in one header.
     *
     * @param name the cookie's name; case matters
     */
    client_builder &forward_cookie(const text_ref &name) {
        detail::value(try_forward_cookie(name));
        return *this;
    }

    /**
     * Sets how often a call asks the provider for a new list when no endpoint is left. Default 1.
     *
     * @param updates from 0; 0 never asks again
     */
    client_builder &set_endpoint_updates(std::uint32_t updates) {
        detail::value(try_set_endpoint_updates(updates));
        return *this;
    }

    /**
     * Sets how long a call waits for an endpoint while none takes calls: while the only one restarts,
     * all circuits are open, or the provider lists none. The time counts from the beginning of that
     * outage. Once it has passed, calls no longer wait but fail at once, with errc::no_endpoints where
     * they made no attempt. The limit on the whole call ends a wait as well.
     *
     * Default: 250 ms, and at most half of the time that the call has left, for a process that is
     * replaced on its port. By default a call waits only where a probe will show whether an endpoint
     * is back: not where the provider lists none, and not where all circuits were opened by hand.
     * 3,000 ms, as in linkerd2's proxy, outlast most restarts. Only for a client with a balancer.
     *
     * @param wait from 0; 0 fails calls at once; forever lets them wait as long as they may take, as
     *        gRPC's wait for ready
     */
    client_builder &set_wait_for_ready(std::chrono::milliseconds wait) {
        detail::value(try_set_wait_for_ready(wait));
        return *this;
    }

    /**
     * Limits a whole call: its attempts, waits and connects. Default 30,000 ms.
     *
     * @param timeout 0 ends each call at once; forever for no limit
     */
    client_builder &set_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_timeout(timeout));
        return *this;
    }

    /**
     * Sets how long an attempt may take before its call looks elsewhere. The limit is soft: an attempt
     * that passes it goes on, and where the request may be repeated, another starts at another
     * endpoint (with no other, on a new connection). The first good answer wins. A request that may
     * not be repeated waits for its answer until the call's limit. The time counts anew with each 16
     * KiB sent or received.
     *
     * Default: the limit follows the service. It is five times the 99th percentile of the client's
     * answers and at least 500 ms, or 1,000 ms before there are any. It is no more than the attempt's
     * share of the time left, such as 66 ms of a call's 200 ms and three tries, unless that is less
     * than twice the percentile.
     *
     * @param timeout at least 1; forever for never
     */
    client_builder &set_attempt_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_attempt_timeout(timeout));
        return *this;
    }

    /**
     * Sets whether an attempt that passes its limit is cut and counts as failed, instead of going on
     * beside another. For servers that must not see a request twice at once. An answer that was on its
     * way is lost then: a service that becomes slower than the limit answers no call at all. Where no
     * limit is set, it is then 10,000 ms, or the attempt's share of the time left if that is less.
     * Default false.
     *
     * @param hard whether it is cut
     */
    client_builder &set_attempt_timeout_hard(bool hard) {
        detail::value(try_set_attempt_timeout_hard(hard));
        return *this;
    }

    /**
     * Sets when a streamed answer is handed over, after which no other attempt is made: with its head,
     * or with the first byte of its body. With the byte, a server that sends a head and then hangs
     * costs no call; a stream whose first event comes late is handed over late. Default commit::head.
     *
     * @param commit commit::head or commit::first_byte
     */
    client_builder &set_commit(commit commit) { detail::value(try_set_commit(commit)); return *this; }

    /**
     * Limits name resolution, TCP connect and TLS handshake together. Default: the attempt's share of
     * the time left, and at most 3,000 ms. The share is at least 1,250 ms where twice that is left,
     * because a lost SYN is sent again after 1 s. With less left, it is at least 250 ms for TLS, or
     * all that is left.
     *
     * @param timeout at least 1; forever for no limit but the attempt's
     */
    client_builder &set_connect_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_connect_timeout(timeout));
        return *this;
    }

    /**
     * Limits the pauses of an answer's body, held whole or streamed: when no byte has come for this
     * long, its attempt ends with errc::timeout. For a streamed body the request's own limit
     * (request::set_idle_timeout) comes first. Default: off. A body that is held whole then has only
     * the limits of its attempt and its call; a streamed one has the default of
     * request::set_idle_timeout, which is 60 s where nothing is set.
     *
     * @param timeout at least 1; forever for no limit
     */
    client_builder &set_body_idle_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_body_idle_timeout(timeout));
        return *this;
    }

    /**
     * Sets how long an unused connection is kept. Default 60,000 ms. Where its server says that it
     * keeps it for less (Keep-Alive: timeout=5), it is kept for a second less than that.
     *
     * @param timeout 0 keeps none; forever until the server closes it
     */
    client_builder &set_idle_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_idle_timeout(timeout));
        return *this;
    }

    /**
     * Sets how many unused connections to one endpoint each I/O thread, and each blocking caller,
     * keeps. Not over HTTP/2, where there are at most 4. Default 256.
     *
     * @param connections from 0; 0 keeps none
     */
    client_builder &set_max_idle_per_endpoint(std::uint32_t connections) {
        detail::value(try_set_max_idle_per_endpoint(connections));
        return *this;
    }

    /**
     * Limits the connections of each I/O thread to one endpoint, used and unused. A call that finds
     * none free waits for one, up to its own limit; while another endpoint could take it, it waits no
     * longer than the limit on connecting. A blocking call has one connection at a time; over HTTP/2
     * there are at most 4, and a call waits in the same way for a stream of one. Only for a client
     * with a balancer. Default 256.
     *
     * Where the process may have fewer descriptors (`ulimit -n`), calls wait in the same way before
     * they are used up: an I/O thread with many connections leaves the last eighth of them to the
     * host. Unused connections are closed first. Not behind a proxy.
     *
     * @param connections at least 1; the key max_connections_per_endpoint takes "off" as well
     */
    client_builder &set_max_connections_per_endpoint(std::uint32_t connections) {
        detail::value(try_set_max_connections_per_endpoint(connections));
        return *this;
    }

    /**
     * Limits how long a connection is used, give or take a tenth, so that load follows changes of the
     * endpoints. Only for a client with a balancer. Default 600,000 ms.
     *
     * @param age at least 1; forever for no limit
     */
    client_builder &set_max_connection_age(std::chrono::milliseconds age) {
        detail::value(try_set_max_connection_age(age));
        return *this;
    }

    /**
     * Opens connections to each endpoint before a call needs them: in the background, when the client
     * is built and when an endpoint joins, at most 256 at a time. A connect that fails is not repeated
     * and counts for no circuit; calls then connect themselves. Only for a client with a balancer.
     * Default 0.
     *
     * @param connections 0 to 64 for each endpoint and I/O thread; HTTP/2 opens one for any number
     */
    client_builder &set_warm_up(std::uint32_t connections) {
        detail::value(try_set_warm_up(connections));
        return *this;
    }

    /**
     * Bounds the decoded body of an answer; a larger one is errc::body_too_large. Default 64 MiB.
     *
     * The head of an answer is bounded by 262,144 bytes, with the interim answers before it, and by
     * 24,000 headers; a larger one is errc::protocol. That is no setting.
     *
     * @param bytes from 0
     */
    client_builder &set_max_body_bytes(std::uint64_t bytes) {
        detail::value(try_set_max_body_bytes(bytes));
        return *this;
    }

    /**
     * Asks for compressed answers and decodes them: gzip, brotli (br) and zstd, of which a build may
     * leave out the last two. Default true.
     *
     * @param gzip whether compressed answers are asked for
     */
    client_builder &set_gzip(bool gzip) { detail::value(try_set_gzip(gzip)); return *this; }

    /**
     * Speaks HTTP/2: few connections to an endpoint, each shared by many calls. Only for a client with
     * a balancer. Default http2::off.
     *
     * The connections live on I/O threads, so a blocking call is handed to one of them and hooks run
     * there.
     *
     * @param mode http2::off, http2::alpn or http2::prior_knowledge
     */
    client_builder &set_http2(http2 mode) { detail::value(try_set_http2(mode)); return *this; }

    /**
     * Follows redirects (301, 302, 303, 307, 308), within one attempt and its limits; only for a
     * client without a balancer. Default 0, which hands each over as an answer.
     *
     * POST becomes GET on 301 and 302, any method but HEAD on 303, without the body. 307 and 308 keep
     * method and body, and are handed over where the body comes from a source that cannot rewind.
     * Another origin (scheme, host or port) gets none of the headers that you set but Accept,
     * Accept-Charset, Accept-Encoding, Accept-Language, Cache-Control, If-*, Pragma, Range, User-Agent
     * and those that describe the body: also where https is left for http, which is followed as curl
     * does. A redirect that cannot be followed, such as ftp: or a url with credentials, is handed
     * over. One redirect too many is errc::protocol and not tried again.
     *
     * @param redirects 0 to 50
     */
    client_builder &set_redirects(std::uint32_t redirects) {
        detail::value(try_set_redirects(redirects));
        return *this;
    }

    /**
     * Holds each request's body back until the server has asked for it (Expect: 100-continue), for at
     * most 1 s, and sends none where the server answers first. Not with a proxy. Default false; a
     * request with a header Expect of that value does so in any case.
     *
     * @param expect_continue whether bodies are held back
     */
    client_builder &set_expect_continue(bool expect_continue) {
        detail::value(try_set_expect_continue(expect_continue));
        return *this;
    }

    /**
     * Makes an answer of 4xx or 5xx errc::http_status, whose error keeps the answer. Default false.
     *
     * @param fail whether such an answer is an error
     */
    client_builder &set_fail_on_status(bool fail) {
        detail::value(try_set_fail_on_status(fail));
        return *this;
    }

    /**
     * Trusts further certificates for https, beside the platform's.
     *
     * @param pem one or more certificates in PEM; copied, and checked when the client is built
     */
    client_builder &add_ca(bytes pem) { detail::value(try_add_ca(pem)); return *this; }

    /**
     * Trusts the platform's certificates for https. Default true. With false nothing is trusted but
     * what client_builder::add_ca and client_builder::set_ca_file name; without either the client
     * cannot be built.
     *
     * @param trust whether the platform's certificates are trusted
     */
    client_builder &set_platform_roots(bool trust) {
        detail::value(try_set_platform_roots(trust));
        return *this;
    }

    /**
     * Sets the certificate that the client presents to servers that ask for one (mutual TLS). Default:
     * none.
     *
     * Keys are RSA (2048 to 4096 bits), P-256, P-384 or Ed25519. Those of servers are as well, and of
     * the authorities behind them, whose RSA may have up to 8192 bits. P-521 is not among them.
     *
     * @param certificate the chain in PEM, own certificate first; copied, and checked when the client
     *        is built
     * @param key the private key in PEM; copied
     */
    client_builder &set_client_certificate(bytes certificate, bytes key) {
        detail::value(try_set_client_certificate(certificate, key));
        return *this;
    }

    /**
     * Sets an option by name, the same as its function does; ahoy_client_option_key_at lists them. The
     * rules of retries are options of the client as well, as in "retry_tries".
     *
     * @param key such as "attempt_timeout"
     * @param value such as "1.5s", "64KiB" or "off"; a duration needs a unit. A value that is refused
     *        changes nothing
     * @exception exception errc::unknown_option for a key that does not exist; the error names the
     *        nearest
     */
    client_builder &set(const text_ref &key, const text_ref &value) {
        detail::value(try_set(key, value));
        return *this;
    }

    /**
     * Builds a client. Nothing is contacted, except by client_builder::set_warm_up: the provider is
     * asked and connections are made by the first call.
     *
     * @exception exception errc::invalid_argument if settings do not go together, and the error names
     *        all of them; also if a certificate or key is unusable
     */
    client build() const { return detail::value(try_build()); }

    /**
     * Trusts further certificates for https, beside the platform's and those of
     * client_builder::add_ca, as long as they stand in a file. Default: off.
     *
     * The file is read when the client is built, and again when it was replaced or written to: it is
     * looked at when a connection is made, at most once a second. A file that cannot be read or used
     * changes nothing, and connections that stand go on. To change authorities, let the file hold the
     * old and the new one until every server has its new certificate. The log is told (target "tls"):
     * renewals at log_level::info; at log_level::warn a file that cannot be used, and a certificate
     * with less than a tenth of its time left. Calls through a proxy keep what their first connection
     * found.
     *
     * @param path of one or more certificates in PEM, up to 4 MiB; or "off"; copied
     */
    client_builder &set_ca_file(const text_ref &path) {
        detail::value(try_set_ca_file(path));
        return *this;
    }

    /**
     * Sets the file of the certificate that the client presents to servers that ask for one (mutual
     * TLS), in place of that of client_builder::set_client_certificate. Needs
     * client_builder::set_key_file. Default: off.
     *
     * Both files are read again when they change, as client_builder::set_ca_file says. Where the
     * certificate was replaced and its key not yet, the pair before stays in use.
     *
     * @param path of the chain in PEM, own certificate first; or "off"; copied
     */
    client_builder &set_certificate_file(const text_ref &path) {
        detail::value(try_set_certificate_file(path));
        return *this;
    }

    /**
     * Sets the file of the private key for client_builder::set_certificate_file. Default: off.
     *
     * @param path of the key in PEM; or "off"; copied
     */
    client_builder &set_key_file(const text_ref &path) {
        detail::value(try_set_key_file(path));
        return *this;
    }

    /**
     * Sends all calls through a proxy; only for a client without a balancer. Default: no proxy.
     *
     * A target that cannot go through it byte for byte is errc::invalid_argument. Every failure but
     * that of connecting counts as sent. The url is never logged or quoted.
     *
     * @param proxy "http://host:port", which carries https by CONNECT, "https://..." or
     *        "socks5h://..."; a user and a password as in "http://user:password@host:port",
     *        percent-encoded; or "off"; copied
     */
    client_builder &set_proxy(const text_ref &proxy) {
        detail::value(try_set_proxy(proxy));
        return *this;
    }

    /**
     * Sets which hosts are reached without the proxy. Default: none.
     *
     * @param no_proxy names, addresses and networks, separated by commas or blanks: "example.com" (and
     *        all below it), "10.0.0.0/8", "::1", or "*" for all; copied. One with a port, or that is
     *        none of these, is refused, since its host would be reached through the proxy.
     */
    client_builder &set_no_proxy(const text_ref &no_proxy) {
        detail::value(try_set_no_proxy(no_proxy));
        return *this;
    }

    /**
     * Takes proxies from the environment where none is set: http_proxy, https_proxy, HTTPS_PROXY,
     * all_proxy, ALL_PROXY, and no_proxy, NO_PROXY. It is read once, by client_builder::build on the
     * calling thread, which must not race with setenv. Default false: the environment is never read.
     *
     * @param from_environment whether the environment is read
     */
    client_builder &set_proxy_from_environment(bool from_environment) {
        detail::value(try_set_proxy_from_environment(from_environment));
        return *this;
    }

    /**
     * Chooses where the addresses of names come from. Default resolver::dns.
     *
     * resolver::dns reads the hosts file and resolv.conf, again when they change. It asks the name
     * servers in their order, for IPv6 and IPv4 at once, and keeps answers by their time to live,
     * negative ones for at most 5 seconds. It needs no thread. Choose it unless a name is known to the
     * system only.
     *
     * resolver::system knows all that the system is set up for: nsswitch.conf, mDNS (.local), LDAP,
     * the split DNS of a VPN. It costs up to 8 library threads while names are resolved, and a silent
     * name service can hold each for 30 s. Answers are kept for 5 s, since the C library tells no time
     * to live, and the C library reads environment variables such as RES_OPTIONS.
     *
     * A name service that fails or is silent opens no circuit, and neither does a name that exists and
     * has no address at present. A name that does not exist does.
     *
     * @param resolver one of a resolver
     */
    client_builder &set_resolver(resolver resolver) {
        detail::value(try_set_resolver(resolver));
        return *this;
    }

    /**
     * Sets for how long the last known addresses of a name go on serving beyond their time to live,
     * while the name service is silent or fails (RFC 8767). Kept connections go on in any case.
     * Default 86,400,000 ms, one day.
     *
     * @param max_stale 0 for never; forever for ever
     */
    client_builder &set_max_stale(std::chrono::milliseconds max_stale) {
        detail::value(try_set_max_stale(max_stale));
        return *this;
    }

    /**
     * Sets the address of this host that connections come from. Endpoints of the other address family
     * cannot be reached then; unix sockets are not affected. Default: off, the system chooses.
     *
     * @param address an IP address; or "off"; copied
     */
    client_builder &set_local_address(const text_ref &address) {
        detail::value(try_set_local_address(address));
        return *this;
    }

    /**
     * Sets the network interface that connections leave by (SO_BINDTODEVICE). Only on Linux: elsewhere
     * each connection fails. Default: off, the system chooses.
     *
     * @param name of the interface, such as "eth0", 1 to 15 bytes; or "off"; copied
     */
    client_builder &set_interface(const text_ref &name) {
        detail::value(try_set_interface(name));
        return *this;
    }

    /**
     * Switches on TCP keepalive: the system asks whether the peer is still there after this time
     * without traffic, and as often from then on. Default: off; a pool closes idle connections, and
     * attempts have limits.
     *
     * @param after 1000 to 32767000, of which whole seconds count
     */
    client_builder &set_tcp_keepalive(std::chrono::milliseconds after) {
        detail::value(try_set_tcp_keepalive(after));
        return *this;
    }

    /**
     * Limits how long sent bytes may stay unacknowledged before the system gives a connection up
     * (TCP_USER_TIMEOUT). Only on Linux: elsewhere each connection fails. Default: off.
     *
     * @param timeout 1000 to 32767000
     */
    client_builder &set_tcp_user_timeout(std::chrono::milliseconds timeout) {
        detail::value(try_set_tcp_user_timeout(timeout));
        return *this;
    }

    /**
     * States addresses of names, for which no name service is asked then, as curl's --resolve does.
     * TLS and the Host header still have the name. Not with a proxy. Default: off.
     *
     * @param entries "name:port:address" or "name:port:address,address", separated by spaces; or
     *        "off"; copied
     */
    client_builder &set_resolve(const text_ref &entries) {
        detail::value(try_set_resolve(entries));
        return *this;
    }

    /**
     * Limits the extra attempts that retries and hedges of all calls together make: to a share of the
     * calls, plus a number a second for clients with few calls. When the budget is used up, a failed
     * attempt ends its call, so that a service in trouble does not get several times its load.
     *
     * Two kinds of extra attempt are not charged: those that follow an attempt that sent nothing, and
     * those that repeat what was in flight to an endpoint that hangs or whose circuit opens, as long
     * as most other endpoints are well, or those that are well have failed nothing for 10 s.
     *
     * Default 0.1 and 1 over 10,000 ms: 10 extra attempts at once, then one for each ten calls; and
     * the stock of client_builder::set_retry_budget_stock. Without limit on the tries
     * (retry::set_tries) there is no budget by default.
     *
     * @param share extra attempts for each call, from 0; 0.2 is Finagle's, 0.1 keeps the load of a
     *        chain of services low
     * @param floor_per_second extra attempts that are allowed in any case; 0 is better in a fleet of
     *        more than 1,000 clients
     * @param window the time over which calls are counted, 1000 to 60000
     */
    client_builder &set_retry_budget(double share, std::uint32_t floor_per_second,
        std::chrono::milliseconds window) {
        detail::value(try_set_retry_budget(share, floor_per_second, window));
        return *this;
    }

    /**
     * Sets a stock of extra attempts that are granted when the retry budget has none left, as in a
     * burst of calls on a new client. A call draws on it at most twice, once for a failed attempt and
     * once for a late one. Ten successful calls put one back; a forked child begins with 10 at most.
     * Default 100, or 0 once client_builder::set_retry_budget was called. Switches on a budget that
     * was off.
     *
     * @param attempts 0 for none
     */
    client_builder &set_retry_budget_stock(std::uint32_t attempts) {
        detail::value(try_set_retry_budget_stock(attempts));
        return *this;
    }

    /**
     * Switches on two protections that have a price: hedges for the slowest twentieth of calls that
     * may be carried out twice, and a limit of 1,024 calls in flight. With the limit comes a queue:
     * 1,024 more calls wait for room, each for up to 1 s. What is on already stays as it is. Neither
     * is a default: hedges send up to 5 % more requests, and calls for which no room comes are refused
     * with errc::overloaded. Take it for services whose requests are cheap to repeat, together with
     * balancer::use_resilient_profile. README compares it with the defaults by measurement.
     */
    client_builder &use_resilient_profile() {
        detail::value(try_use_resilient_profile());
        return *this;
    }

    /** Limits retries and hedges by their other rules only. */
    client_builder &disable_retry_budget() { detail::value(try_disable_retry_budget()); return *this; }

    /**
     * Hedges: sends a copy of an attempt to another endpoint when no answer came within this time. The
     * first good answer wins, and the losing attempt is cancelled. Only requests that may be carried
     * out twice are hedged, within the budget and max_extra, and none while the limit on calls in
     * flight is reached or has refused or delayed calls in the last 3 s. Default: off.
     *
     * @param delay at least 1
     * @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
     */
    client_builder &set_hedge_delay(std::chrono::milliseconds delay, double max_extra) {
        detail::value(try_set_hedge_delay(delay, max_extra));
        return *this;
    }

    /**
     * Hedges like client_builder::set_hedge_delay, after the time in which all but max_extra of the
     * last answers came: 0.05 hedges the slowest twentieth. The answers are those of the last 3 s, or
     * of the last minute where 3 s had fewer than 50. Before there are 20, an attempt is hedged when
     * it passes its limit. Default: off.
     *
     * @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
     */
    client_builder &set_hedge(double max_extra) {
        detail::value(try_set_hedge(max_extra));
        return *this;
    }

    /**
     * Limits the calls in flight. A further call is errc::overloaded, unless it may wait
     * (client_builder::set_wait_queue). A streamed call counts until the end of its body. Replaces an
     * adaptive limit. Default: no limit.
     *
     * @param calls at least 1
     */
    client_builder &set_max_in_flight(std::uint32_t calls) {
        detail::value(try_set_max_in_flight(calls));
        return *this;
    }

    /**
     * Limits the calls in flight to what the service answers in good time (Gradient2, as in Netflix's
     * concurrency-limits): the limit falls while answers take longer than they used to, and grows
     * while they do not. Replaces a fixed limit. Default: no limit.
     *
     * @param start the limit before the first answer, from floor to ceiling; 20 is a good start
     * @param floor the least limit, at least 1; 20 is a good start
     * @param ceiling the greatest limit, at least floor; 200 is a good start
     */
    client_builder &set_adaptive_limit(std::uint32_t start, std::uint32_t floor, std::uint32_t ceiling)
        {
        detail::value(try_set_adaptive_limit(start, floor, ceiling));
        return *this;
    }

    /**
     * Lets calls above the limit wait for room. The most important goes first
     * (request::set_criticality), and of equal ones the oldest. In a full queue a more important call
     * takes the place of the least important. A call for which no room came in time is
     * errc::overloaded, also if its deadline ended the wait. Default: no call may wait.
     *
     * @param length how many calls may wait; 0 for none
     * @param timeout how long a call waits at most, within its deadline; 100 is a good start
     */
    client_builder &set_wait_queue(std::uint32_t length, std::chrono::milliseconds timeout) {
        detail::value(try_set_wait_queue(length, timeout));
        return *this;
    }

    /**
     * Refuses calls in the client (errc::overloaded) while the service refuses most of them by 429 or
     * 503 or does not answer: about k calls are sent for each that is accepted (client-side
     * throttling, as in Google's SRE book). One call a second is sent in any case, and calls of which
     * nothing was sent do not count. Default: off.
     *
     * @param k at least 1; 2 is a good start
     * @param window the time over which calls are counted, at least 1; 120000 is a good start
     */
    client_builder &set_adaptive_throttle(double k, std::chrono::milliseconds window) {
        detail::value(try_set_adaptive_throttle(k, window));
        return *this;
    }

    /**
     * Tells the service how long each attempt may take, in whole milliseconds, or in gRPC's form for
     * grpc-timeout. A header of this name of the inbound request (request::forward_headers) shortens
     * the call's own limit: the time left shrinks from hop to hop. Default: off.
     *
     * @param name a header name, such as X-Request-Timeout-Ms
     */
    client_builder &set_deadline_header(const text_ref &name) {
        detail::value(try_set_deadline_header(name));
        return *this;
    }

    /**
     * Tells the service an attempt's number, from 1. Default: off.
     *
     * @param name a header name, such as X-Attempt
     */
    client_builder &set_attempt_header(const text_ref &name) {
        detail::value(try_set_attempt_header(name));
        return *this;
    }

    /**
     * Lets an answer say by a header when its call may be repeated: after that many milliseconds, or
     * never where the value is negative or no number. A service that is refused itself passes -1 on to
     * spare the one behind it. Default: off.
     *
     * @param name a header name, such as grpc-retry-pushback-ms
     */
    client_builder &set_pushback_header(const text_ref &name) {
        detail::value(try_set_pushback_header(name));
        return *this;
    }

    /**
     * Says what is done with W3C traces: the traceparent header of the request, or else of the inbound
     * request (request::forward_headers), whose tracestate goes along. Default trace::off.
     *
     * @param mode one of a trace
     */
    client_builder &set_trace(trace mode) { detail::value(try_set_trace(mode)); return *this; }

    /**
     * Ends a blocking call with errc::interrupted when a signal is caught on its thread, unless the
     * function of client_builder::set_should_stop says otherwise. A signal that comes in the moment
     * when the thread does not wait leaves no trace; with client_builder::set_should_stop none is
     * missed. Linux ends a wait also where the process is stopped and goes on, by job control or a
     * debugger: that counts as a caught signal. Default false.
     *
     * @param interruptible whether a caught signal ends a blocking call
     */
    client_builder &set_interruptible(bool interruptible) {
        detail::value(try_set_interruptible(interruptible));
        return *this;
    }

    /**
     * Answers a share of the attempts with a status, for tests of what then happens. They are not
     * sent; circuits, retries and hooks take them for answers of their endpoints. Attempts and
     * statistics tell them (attempt::faults). Default: off.
     *
     * @param status 200 to 599
     * @param share from 0 to 1 of the attempts
     */
    client_builder &set_fault_abort(std::int32_t status, double share) {
        detail::value(try_set_fault_abort(status, share));
        return *this;
    }

    /**
     * Sends a share of the attempts later, for tests of what then happens. The time counts for their
     * limits. Default: off.
     *
     * @param delay from 0
     * @param share from 0 to 1 of the attempts
     */
    client_builder &set_fault_delay(std::chrono::milliseconds delay, double share) {
        detail::value(try_set_fault_delay(delay, share));
        return *this;
    }

    /**
     * Lets a share of the attempts fail as if their connection was reset after the request was sent,
     * for tests of what then happens. They are not sent. Default: off.
     *
     * @param share from 0 to 1 of the attempts
     */
    client_builder &set_fault_reset(double share) {
        detail::value(try_set_fault_reset(share));
        return *this;
    }

    /**
     * Spares requests that do not have this header, whatever its value, from faults on demand. It goes
     * to the service as any other does. Default: all may suffer them.
     *
     * @param name a header name, such as X-Fault
     */
    client_builder &set_fault_header(const text_ref &name) {
        detail::value(try_set_fault_header(name));
        return *this;
    }

    /**
     * Sets what faults on demand are drawn from: the attempts of a client with the same number suffer
     * the same ones in the same order. Default: others each time.
     *
     * @param seed any number
     */
    client_builder &set_fault_seed(std::uint32_t seed) {
        detail::value(try_set_fault_seed(seed));
        return *this;
    }

    /**
     * Sets everything that a text in JSON can hold (client::from_config), in place of all that was set
     * before; hooks, log and events stay.
     *
     * @param json not kept
     * @exception exception as client::from_config; on failure nothing is changed
     */
    client_builder &set_config(const text_ref &json) {
        detail::value(try_set_config(json));
        return *this;
    }

    /**
     * Puts the client's events and those of its balancer on a queue, for hosts that bear no call on a
     * foreign thread; queue::next_event takes them. A forked child puts none on its parent's queue.
     *
     * @param queue still the caller's to free: then its events are discarded
     */
    client_builder &add_event_queue(const queue &queue) {
        detail::value(try_add_event_queue(queue));
        return *this;
    }
#endif

    /** As set_balancer, without exceptions. */
    result<void> try_set_balancer(const balancer &balancer) {
        return detail::invoke(&ahoy_client_builder_set_balancer, this->get(), balancer.get());
    }

    /** As set_base_url, without exceptions. */
    result<void> try_set_base_url(const text_ref &base_url) {
        return detail::invoke(&ahoy_client_builder_set_base_url, this->get(), base_url);
    }

    /** As set_name, without exceptions. */
    result<void> try_set_name(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_name, this->get(), name);
    }

    /** As set_retry, without exceptions. */
    result<void> try_set_retry(const retry &retry) {
        return detail::invoke(&ahoy_client_builder_set_retry, this->get(), retry.get());
    }

    /** As add_header, without exceptions. */
    result<void> try_add_header(const text_ref &name, const text_ref &value) {
        return detail::invoke(&ahoy_client_builder_add_header, this->get(), name, value);
    }

    /** As forward_header, without exceptions. */
    result<void> try_forward_header(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_forward_header, this->get(), name);
    }

    /** As forward_cookie, without exceptions. */
    result<void> try_forward_cookie(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_forward_cookie, this->get(), name);
    }

    /** As set_endpoint_updates, without exceptions. */
    result<void> try_set_endpoint_updates(std::uint32_t updates) {
        return detail::invoke(&ahoy_client_builder_set_endpoint_updates, this->get(), updates);
    }

    /** As set_wait_for_ready, without exceptions. */
    result<void> try_set_wait_for_ready(std::chrono::milliseconds wait) {
        return detail::invoke(&ahoy_client_builder_set_wait_for_ready_ms, this->get(), wait);
    }

    /** As set_timeout, without exceptions. */
    result<void> try_set_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_timeout_ms, this->get(), timeout);
    }

    /** As set_attempt_timeout, without exceptions. */
    result<void> try_set_attempt_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_attempt_timeout_ms, this->get(), timeout);
    }

    /** As set_attempt_timeout_hard, without exceptions. */
    result<void> try_set_attempt_timeout_hard(bool hard) {
        return detail::invoke(&ahoy_client_builder_set_attempt_timeout_hard, this->get(), hard);
    }

    /** As set_commit, without exceptions. */
    result<void> try_set_commit(commit commit) {
        return detail::invoke(&ahoy_client_builder_set_commit, this->get(), detail::to_c(commit));
    }

    /** As set_connect_timeout, without exceptions. */
    result<void> try_set_connect_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_connect_timeout_ms, this->get(), timeout);
    }

    /** As set_body_idle_timeout, without exceptions. */
    result<void> try_set_body_idle_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_body_idle_timeout_ms, this->get(), timeout);
    }

    /** As set_idle_timeout, without exceptions. */
    result<void> try_set_idle_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_idle_timeout_ms, this->get(), timeout);
    }

    /** As set_max_idle_per_endpoint, without exceptions. */
    result<void> try_set_max_idle_per_endpoint(std::uint32_t connections) {
        return detail::invoke(&ahoy_client_builder_set_max_idle_per_endpoint, this->get(),
            connections);
    }

    /** As set_max_connections_per_endpoint, without exceptions. */
    result<void> try_set_max_connections_per_endpoint(std::uint32_t connections) {
        return detail::invoke(&ahoy_client_builder_set_max_connections_per_endpoint, this->get(),
            connections);
    }

    /** As set_max_connection_age, without exceptions. */
    result<void> try_set_max_connection_age(std::chrono::milliseconds age) {
        return detail::invoke(&ahoy_client_builder_set_max_connection_age_ms, this->get(), age);
    }

    /** As set_warm_up, without exceptions. */
    result<void> try_set_warm_up(std::uint32_t connections) {
        return detail::invoke(&ahoy_client_builder_set_warm_up, this->get(), connections);
    }

    /** As set_max_body_bytes, without exceptions. */
    result<void> try_set_max_body_bytes(std::uint64_t bytes) {
        return detail::invoke(&ahoy_client_builder_set_max_body_bytes, this->get(), bytes);
    }

    /** As set_gzip, without exceptions. */
    result<void> try_set_gzip(bool gzip) {
        return detail::invoke(&ahoy_client_builder_set_gzip, this->get(), gzip);
    }

    /** As set_http2, without exceptions. */
    result<void> try_set_http2(http2 mode) {
        return detail::invoke(&ahoy_client_builder_set_http2, this->get(), detail::to_c(mode));
    }

    /** As set_redirects, without exceptions. */
    result<void> try_set_redirects(std::uint32_t redirects) {
        return detail::invoke(&ahoy_client_builder_set_redirects, this->get(), redirects);
    }

    /** As set_expect_continue, without exceptions. */
    result<void> try_set_expect_continue(bool expect_continue) {
        return detail::invoke(&ahoy_client_builder_set_expect_continue, this->get(),
            expect_continue);
    }

    /** As set_fail_on_status, without exceptions. */
    result<void> try_set_fail_on_status(bool fail) {
        return detail::invoke(&ahoy_client_builder_set_fail_on_status, this->get(), fail);
    }

    /** As add_ca, without exceptions. */
    result<void> try_add_ca(bytes pem) {
        return detail::invoke(&ahoy_client_builder_add_ca_pem, this->get(), pem.data(), pem.size());
    }

    /** As set_platform_roots, without exceptions. */
    result<void> try_set_platform_roots(bool trust) {
        return detail::invoke(&ahoy_client_builder_set_platform_roots, this->get(), trust);
    }

    /** As set_client_certificate, without exceptions. */
    result<void> try_set_client_certificate(bytes certificate, bytes key) {
        return detail::invoke(&ahoy_client_builder_set_client_certificate_pem, this->get(),
            certificate.data(), certificate.size(), key.data(), key.size());
    }

    /** As set, without exceptions. */
    result<void> try_set(const text_ref &key, const text_ref &value) {
        return detail::invoke(&ahoy_client_builder_set, this->get(), key, value);
    }

    /** As build, without exceptions. */
    result<client> try_build() const {
        return detail::make<client>(&ahoy_client_builder_build, this->get());
    }

    /** As set_ca_file, without exceptions. */
    result<void> try_set_ca_file(const text_ref &path) {
        return detail::invoke(&ahoy_client_builder_set_ca_file, this->get(), path);
    }

    /** As set_certificate_file, without exceptions. */
    result<void> try_set_certificate_file(const text_ref &path) {
        return detail::invoke(&ahoy_client_builder_set_certificate_file, this->get(), path);
    }

    /** As set_key_file, without exceptions. */
    result<void> try_set_key_file(const text_ref &path) {
        return detail::invoke(&ahoy_client_builder_set_key_file, this->get(), path);
    }

    /** As set_proxy, without exceptions. */
    result<void> try_set_proxy(const text_ref &proxy) {
        return detail::invoke(&ahoy_client_builder_set_proxy, this->get(), proxy);
    }

    /** As set_no_proxy, without exceptions. */
    result<void> try_set_no_proxy(const text_ref &no_proxy) {
        return detail::invoke(&ahoy_client_builder_set_no_proxy, this->get(), no_proxy);
    }

    /** As set_proxy_from_environment, without exceptions. */
    result<void> try_set_proxy_from_environment(bool from_environment) {
        return detail::invoke(&ahoy_client_builder_set_proxy_from_environment, this->get(),
            from_environment);
    }

    /** As set_resolver, without exceptions. */
    result<void> try_set_resolver(resolver resolver) {
        return detail::invoke(&ahoy_client_builder_set_resolver, this->get(),
            detail::to_c(resolver));
    }

    /** As set_max_stale, without exceptions. */
    result<void> try_set_max_stale(std::chrono::milliseconds max_stale) {
        return detail::invoke(&ahoy_client_builder_set_max_stale_ms, this->get(), max_stale);
    }

    /** As set_local_address, without exceptions. */
    result<void> try_set_local_address(const text_ref &address) {
        return detail::invoke(&ahoy_client_builder_set_local_address, this->get(), address);
    }

    /** As set_interface, without exceptions. */
    result<void> try_set_interface(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_interface, this->get(), name);
    }

    /** As set_tcp_keepalive, without exceptions. */
    result<void> try_set_tcp_keepalive(std::chrono::milliseconds after) {
        return detail::invoke(&ahoy_client_builder_set_tcp_keepalive_ms, this->get(), after);
    }

    /** As set_tcp_user_timeout, without exceptions. */
    result<void> try_set_tcp_user_timeout(std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_tcp_user_timeout_ms, this->get(), timeout);
    }

    /** As set_resolve, without exceptions. */
    result<void> try_set_resolve(const text_ref &entries) {
        return detail::invoke(&ahoy_client_builder_set_resolve, this->get(), entries);
    }

    /** As set_retry_budget, without exceptions. */
    result<void> try_set_retry_budget(double share, std::uint32_t floor_per_second,
        std::chrono::milliseconds window) {
        return detail::invoke(&ahoy_client_builder_set_retry_budget, this->get(), share,
            floor_per_second, window);
    }

    /** As set_retry_budget_stock, without exceptions. */
    result<void> try_set_retry_budget_stock(std::uint32_t attempts) {
        return detail::invoke(&ahoy_client_builder_set_retry_budget_stock, this->get(), attempts);
    }

    /** As use_resilient_profile, without exceptions. */
    result<void> try_use_resilient_profile() {
        return detail::invoke(&ahoy_client_builder_use_resilient_profile, this->get());
    }

    /** As disable_retry_budget, without exceptions. */
    result<void> try_disable_retry_budget() {
        return detail::invoke(&ahoy_client_builder_disable_retry_budget, this->get());
    }

    /** As set_hedge_delay, without exceptions. */
    result<void> try_set_hedge_delay(std::chrono::milliseconds delay, double max_extra) {
        return detail::invoke(&ahoy_client_builder_set_hedge_delay_ms, this->get(), delay,
            max_extra);
    }

    /** As set_hedge, without exceptions. */
    result<void> try_set_hedge(double max_extra) {
        return detail::invoke(&ahoy_client_builder_set_hedge, this->get(), max_extra);
    }

    /** As set_max_in_flight, without exceptions. */
    result<void> try_set_max_in_flight(std::uint32_t calls) {
        return detail::invoke(&ahoy_client_builder_set_max_in_flight, this->get(), calls);
    }

    /** As set_adaptive_limit, without exceptions. */
    result<void> try_set_adaptive_limit(std::uint32_t start, std::uint32_t floor, std::uint32_t ceiling)
        {
        return detail::invoke(&ahoy_client_builder_set_adaptive_limit, this->get(), start, floor,
            ceiling);
    }

    /** As set_wait_queue, without exceptions. */
    result<void> try_set_wait_queue(std::uint32_t length, std::chrono::milliseconds timeout) {
        return detail::invoke(&ahoy_client_builder_set_wait_queue, this->get(), length, timeout);
    }

    /** As set_adaptive_throttle, without exceptions. */
    result<void> try_set_adaptive_throttle(double k, std::chrono::milliseconds window) {
        return detail::invoke(&ahoy_client_builder_set_adaptive_throttle, this->get(), k, window);
    }

    /** As set_deadline_header, without exceptions. */
    result<void> try_set_deadline_header(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_deadline_header, this->get(), name);
    }

    /** As set_attempt_header, without exceptions. */
    result<void> try_set_attempt_header(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_attempt_header, this->get(), name);
    }

    /** As set_pushback_header, without exceptions. */
    result<void> try_set_pushback_header(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_pushback_header, this->get(), name);
    }

    /** As set_trace, without exceptions. */
    result<void> try_set_trace(trace mode) {
        return detail::invoke(&ahoy_client_builder_set_trace, this->get(), detail::to_c(mode));
    }

    /** As set_interruptible, without exceptions. */
    result<void> try_set_interruptible(bool interruptible) {
        return detail::invoke(&ahoy_client_builder_set_interruptible, this->get(), interruptible);
    }

    /** As set_fault_abort, without exceptions. */
    result<void> try_set_fault_abort(std::int32_t status, double share) {
        return detail::invoke(&ahoy_client_builder_set_fault_abort, this->get(), status, share);
    }

    /** As set_fault_delay, without exceptions. */
    result<void> try_set_fault_delay(std::chrono::milliseconds delay, double share) {
        return detail::invoke(&ahoy_client_builder_set_fault_delay, this->get(), delay, share);
    }

    /** As set_fault_reset, without exceptions. */
    result<void> try_set_fault_reset(double share) {
        return detail::invoke(&ahoy_client_builder_set_fault_reset, this->get(), share);
    }

    /** As set_fault_header, without exceptions. */
    result<void> try_set_fault_header(const text_ref &name) {
        return detail::invoke(&ahoy_client_builder_set_fault_header, this->get(), name);
    }

    /** As set_fault_seed, without exceptions. */
    result<void> try_set_fault_seed(std::uint32_t seed) {
        return detail::invoke(&ahoy_client_builder_set_fault_seed, this->get(), seed);
    }

    /** As set_config, without exceptions. */
    result<void> try_set_config(const text_ref &json) {
        return detail::invoke(&ahoy_client_builder_set_config, this->get(), json);
    }

    /** As add_event_queue, without exceptions. */
    result<void> try_add_event_queue(const queue &queue) {
        return detail::invoke(&ahoy_client_builder_add_event_queue, this->get(), queue.get());
    }
    // end of generated

  private:
    template <class Register, class Run, class F>
    result<void> add(Register *function, Run run, F &&held) {
        return detail::invoke(function, get(), run, static_cast<void *>(detail::keep(std::forward<F>(held))),
                              &detail::destroy<std::decay_t<F>>);
    }
};

template <class F>
result<void> balancer::try_random_set_function(F &&function) {
    using Held = std::decay_t<F>;
    return detail::invoke(&ahoy_balancer_random_set_function, get(),
                          ahoy_random_fn([](void *user_data, std::uint64_t below) {
                              return detail::guard("random", UINT64_MAX, [&]() -> std::uint64_t {
                                  return detail::callable<Held>(user_data)(below);
                              });
                          }),
                          static_cast<void *>(detail::keep(std::forward<F>(function))), &detail::destroy<Held>);
}

template <class F>
result<void> balancer::try_on_event(F &&function) {
    using Held = std::decay_t<F>;
    return detail::invoke(&ahoy_balancer_on_event, get(), ahoy_event_fn([](void *user_data, const ahoy_event *event) {
                              detail::guard("on_event", [&] { detail::callable<Held>(user_data)(event_view(event)); });
                          }),
                          static_cast<void *>(detail::keep(std::forward<F>(function))), &detail::destroy<Held>);
}

template <class F>
result<void> call::try_on_done(F &&function) {
    using Held = std::decay_t<F>;
    return detail::invoke(&ahoy_call_on_done, get(),
                          ahoy_done_fn([](void *user_data, ahoy_status status, ahoy_response *answer, ahoy_error *failure) {
                              detail::guard("on_done", [&] {
                                  result<ahoy::response> outcome =
                                      status == AHOY_OK ? result<ahoy::response>(ahoy::response(answer))
                                                        : result<ahoy::response>(ahoy::error(failure, status));
                                  detail::callable<Held>(user_data)(std::move(outcome));
                              });
                          }),
                          static_cast<void *>(detail::keep(std::forward<F>(function))), &detail::destroy<Held>);
}

inline result<piece> response_view::try_read(void *buffer, std::size_t capacity,
                                             std::chrono::milliseconds timeout) const {
    piece read{0, false};
    auto outcome = detail::invoke(&ahoy_response_read, get(), static_cast<std::uint8_t *>(buffer), capacity, timeout,
                                  &read.length, &read.ended);
    if (!outcome) return std::move(outcome).error();
    return read;
}

template <class Sink>
result<void> response_view::try_read_all(Sink &&sink, std::chrono::milliseconds idle) const {
    std::vector<char> buffer(64 * 1024);
    for (;;) {
        auto read = try_read(buffer.data(), buffer.size(), idle);
        if (!read) return std::move(read).error();
        if (read->length > 0) sink(std::string_view(buffer.data(), read->length));
        if (read->ended) return {};
        if (read->length == 0) return ahoy::error(errc::timeout, "no bytes of the body came in time");
    }
}

template <class F>
result<void> response_view::try_on_readable(F &&function) const {
    using Held = std::decay_t<F>;
    return detail::invoke(&ahoy_response_on_readable, get(), ahoy_readable_fn([](void *user_data) {
                              detail::guard("on_readable", [&] { detail::callable<Held>(user_data)(); });
                          }),
                          static_cast<void *>(detail::keep(std::forward<F>(function))), &detail::destroy<Held>);
}

inline result<void> response_view::try_notify(const queue &queue, std::uint64_t tag) const {
    return detail::invoke(&ahoy_response_notify, get(), queue.get(), tag);
}

#if AHOY_HPP_EXCEPTIONS
inline void response_view::notify(const queue &queue, std::uint64_t tag) const {
    detail::value(try_notify(queue, tag));
}

inline piece response_view::read(void *buffer, std::size_t capacity, std::chrono::milliseconds timeout) const {
    return detail::value(try_read(buffer, capacity, timeout));
}

template <class Sink>
void response_view::read_all(Sink &&sink, std::chrono::milliseconds idle) const {
    detail::value(try_read_all(std::forward<Sink>(sink), idle));
}

template <class F>
void response_view::on_readable(F &&function) const {
    detail::value(try_on_readable(std::forward<F>(function)));
}
#endif

/** An option of a `set(key, value)`. Static text. */
struct option {
    std::string_view key;
    /** Its purpose, form, default and cost. */
    std::string_view description;
};

namespace detail {

template <const char *(*Key)(std::size_t), const char *(*Description)(std::size_t)>
option option_at(int, std::size_t index) noexcept {
    return {view(Key(index)), view(Description(index))};
}

} // namespace detail

#define AHOY_HPP_OPTIONS(noun)                                                                                         \
    inline auto noun##_options() noexcept {                                                                            \
        return detail::indexed<                                                                                        \
            int, option, &detail::option_at<&ahoy_##noun##_option_key_at, &ahoy_##noun##_option_description_at>>(      \
            0, ahoy_##noun##_option_count());                                                                          \
    }
/** The options of client_builder::set, in the order of keys. */
AHOY_HPP_OPTIONS(client)
/** The options of retry::set, in the order of keys. */
AHOY_HPP_OPTIONS(retry)
/** The options of balancer::set, in the order of keys. */
AHOY_HPP_OPTIONS(balancer)
/** The options of breaker::set, in the order of keys. */
AHOY_HPP_OPTIONS(breaker)
/** The options of provider::set, in the order of keys. */
AHOY_HPP_OPTIONS(provider)
#undef AHOY_HPP_OPTIONS

/**
 * Calls from an event loop: a queue whose results go to callables on the loop's own thread. Watch fd() for reading, and call
 * run_ready() when it is readable, level-triggered or edge-triggered. Belongs to one thread.
 *
 * @code
 * ahoy::dispatcher calls;
 * calls.send(client, request, [](ahoy::result<ahoy::response> answer) { ... });
 * // epoll: add calls.fd() for EPOLLIN, and when it is ready: calls.run_ready();
 * @endcode
 *
 * Destroying it cancels its calls; their callables are destroyed without being called. One of its own callables may do so.
 * It cannot be moved, since coroutines that wait on it refer to it: a std::unique_ptr of one can.
 */
class dispatcher {
    struct state;

  public:
    /** Takes a queue over, to which nothing else may submit. */
    explicit dispatcher(queue &&owned) : state_(std::make_shared<state>(std::move(owned))) {}

#if AHOY_HPP_EXCEPTIONS
    /** @exception exception errc::overloaded where the process is out of descriptors */
    dispatcher() : dispatcher(detail::value(queue::try_make())) {}
#endif

    dispatcher(const dispatcher &) = delete;
    dispatcher &operator=(const dispatcher &) = delete;
    ~dispatcher() { state_->end(); }

    /** The queue, for client_builder::add_event_queue and balancer::add_event_queue. */
    const queue &events() const noexcept { return state_->calls; }

    /** The descriptor to poll for reading. It belongs to this object: never read from it, and never close it. */
    std::intptr_t fd() const noexcept { return state_->calls.fd(); }

    /** How many calls and notices have not run their callable yet. */
    std::size_t pending() const noexcept { return state_->waiting.size(); }

    /** Sets what gets the events of the queue: `function(ahoy::event &)`. Without it they are discarded. */
    template <class F>
    void on_event(F &&function) {
        state_->on_event = std::make_shared<event_held<std::decay_t<F>>>(std::forward<F>(function));
    }

#if AHOY_HPP_EXCEPTIONS
    /**
     * Starts a request whose result goes to `function(ahoy::result<ahoy::response>)`, inside run_ready.
     *
     * @return a number for cancel
     * @exception exception errc::overloaded where the queue is full; the callable is destroyed
     */
    template <class F>
    std::uint64_t send(const client &client, const request &request, F &&function) {
        return detail::value(try_send(client, request, std::forward<F>(function)));
    }

    /**
     * Has `function(ahoy::errc)` called once, inside run_ready, when bytes of a streamed body or its end can be read; with
     * errc::cancelled if the response was destroyed first.
     */
    template <class F>
    std::uint64_t notify(const response_view &response, F &&function) {
        return detail::value(try_notify(response, std::forward<F>(function)));
    }

    /**
     * Runs the callables of all that is ready, without waiting. An exception of theirs leaves this function; what is still
     * ready then stays so.
     *
     * @return how many ran
     */
    std::size_t run_ready() { return detail::value(try_run(std::chrono::milliseconds(0))); }

    /** Waits for the first to be ready, and runs the callables of all that is: for programs without a loop. */
    std::size_t run_for(std::chrono::milliseconds timeout) { return detail::value(try_run(timeout)); }
#endif

    /** As send, without exceptions. */
    template <class F>
    result<std::uint64_t> try_send(const client &client, const request &request, F &&function) {
        return state_->send(client, request, std::forward<F>(function));
    }

    /** As notify, without exceptions. */
    template <class F>
    result<std::uint64_t> try_notify(const response_view &response, F &&function) {
        struct held final : handler {
            std::decay_t<F> function;
            explicit held(F &&of) : function(std::forward<F>(of)) {}
            void run(completion &ended) override { function(ended.status()); }
        };
        const std::uint64_t tag = state_->wait(std::make_unique<held>(std::forward<F>(function)));
        return state_->submitted(tag, response.try_notify(state_->calls, tag));
    }

    /** Cancels a call: its callable still runs, with errc::cancelled unless the result came first. */
    void cancel(std::uint64_t number) noexcept { state_->cancel(number); }

    /** As run_ready for a timeout of 0, else as run_for. Throws what a callable throws, and nothing else. */
    result<std::size_t> try_run(std::chrono::milliseconds timeout) {
        // A callable may destroy this object, and then the queue is gone.
        const std::shared_ptr<state> held = state_;
        std::size_t ran = 0;
        while (ran == 0 || held->calls) {
            auto next = held->calls.try_next(ran > 0 ? std::chrono::milliseconds(0) : timeout);
            if (!next) return std::move(next).error();
            if (*next) {
                const std::unique_ptr<handler> owned = held->taken(next->tag());
                if (!owned) continue;
                ++ran;
                owned->run(*next);
                continue;
            }
            auto told = held->calls.try_next_event(std::chrono::milliseconds(0));
            if (!told) return std::move(told).error();
            if (!*told) return ran;
            ++ran;
            // One that sets another in its place stays until it has returned.
            if (const auto on_event = held->on_event) on_event->run(*told);
        }
        return ran;
    }

#if AHOY_HPP_COROUTINES
    /**
     * What co_await takes: the coroutine goes on inside run_ready. Destroying one that waits cancels its call, and is safe at
     * any time on the thread of this dispatcher.
     */
    class awaitable {
      public:
        awaitable(const dispatcher &by, const client &client, const request &request) noexcept
            : by_(by.state_), client_(client), request_(request) {}
        awaitable(awaitable &&other) = default;
        awaitable(const awaitable &) = delete;
        awaitable &operator=(const awaitable &) = delete;
        ~awaitable() {
            if (!link_) return;
            link_->of = nullptr;
            by_->cancel(number_);
        }

        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<> waiting) {
            auto made = std::make_unique<link>(this, waiting);
            link_ = made.get();
            auto sent = by_->send(client_, request_, [made = std::move(made)](result<response> ended) {
                awaitable *const of = std::exchange(made->of, nullptr);
                if (!of) return;
                of->link_ = nullptr;
                of->outcome_.emplace(std::move(ended));
                made->waiting.resume();
            });
            if (sent) {
                number_ = *sent;
                return true;
            }
            outcome_.emplace(std::move(sent).error());
            return false;
        }
        result<response> await_resume() { return *std::move(outcome_); }

      private:
        // Between the callable and the coroutine, of which either may be destroyed first.
        struct link {
            link(awaitable *by, std::coroutine_handle<> handle) noexcept : of(by), waiting(handle) {}
            link(const link &) = delete;
            link &operator=(const link &) = delete;
            ~link() {
                if (of) of->link_ = nullptr;
            }

            awaitable *of;
            std::coroutine_handle<> waiting;
        };

        std::shared_ptr<state> by_;
        const client &client_;
        const request &request_;
        std::optional<result<response>> outcome_{};
        link *link_ = nullptr;
        std::uint64_t number_ = 0;
    };

    /** Starts a request; `co_await` gives an ahoy::result<ahoy::response>. Client and request must live until then. */
    awaitable send(const client &client, const request &request) noexcept { return {*this, client, request}; }
#endif

  private:
    struct handler {
        handler() = default;
        handler(const handler &) = delete;
        handler &operator=(const handler &) = delete;
        virtual ~handler() = default;
        virtual void run(completion &ended) = 0;
    };

    struct event_handler {
        event_handler() = default;
        event_handler(const event_handler &) = delete;
        event_handler &operator=(const event_handler &) = delete;
        virtual ~event_handler() = default;
        virtual void run(event &told) = 0;
    };

    template <class F>
    struct event_held final : event_handler {
        F function;
        template <class G>
        explicit event_held(G &&of) : function(std::forward<G>(of)) {}
        void run(event &told) override { function(told); }
    };

    // Of the dispatcher, and of a run of it and the coroutines that wait on it, which may all outlast it.
    struct state {
        explicit state(queue &&owned) noexcept : calls(std::move(owned)) {}

        template <class F>
        result<std::uint64_t> send(const client &client, const request &request, F &&function) {
            struct held final : handler {
                std::decay_t<F> function;
                explicit held(F &&of) : function(std::forward<F>(of)) {}
                void run(completion &ended) override { function(ended.take()); }
            };
            const std::uint64_t tag = wait(std::make_unique<held>(std::forward<F>(function)));
            return submitted(tag, client.try_submit(request, calls, tag));
        }

        std::uint64_t wait(std::unique_ptr<handler> owned) {
            const std::uint64_t tag = ++last_tag;
            waiting.emplace(tag, std::move(owned));
            return tag;
        }

        result<std::uint64_t> submitted(std::uint64_t tag, result<void> outcome) {
            if (outcome) return tag;
            (void)taken(tag);
            return std::move(outcome).error();
        }

        std::unique_ptr<handler> taken(std::uint64_t tag) {
            const auto found = waiting.find(tag);
            if (found == waiting.end()) return nullptr;
            auto owned = std::move(found->second);
            waiting.erase(found);
            return owned;
        }

        void cancel(std::uint64_t tag) noexcept { (void)ahoy_queue_cancel(calls.get(), tag, nullptr); }

        // The queue goes first: no callable is destroyed while its call can still end, and none of them finds the queue then.
        void end() noexcept {
            { const queue gone = std::move(calls); }
            decltype(waiting) unrun;
            unrun.swap(waiting);
            on_event.reset();
        }

        queue calls;
        std::unordered_map<std::uint64_t, std::unique_ptr<handler>> waiting{};
        std::shared_ptr<event_handler> on_event{};
        std::uint64_t last_tag = 0;
    };

    std::shared_ptr<state> state_;
};

#if AHOY_HPP_COROUTINES
/**
 * What `co_await as_result(client.start(request))` waits with. The coroutine goes on at the I/O thread that finished the
 * call, which it must not block; ahoy::dispatcher goes on at an event loop instead.
 *
 * Destroying a coroutine that waits cancels its call. It is safe only while the call cannot end at the same moment, since
 * nothing can take a coroutine back from an I/O thread that resumes it. So destroy one inside itself, after it has told that
 * it is done, or after client::close returned errc::ok. To give one up earlier, cancel its call by a std::stop_token and let
 * it end, or wait with ahoy::dispatcher: its coroutines may be destroyed at any time on the thread that runs it.
 */
class call_awaiter {
  public:
    explicit call_awaiter(call &&started) noexcept : call_(std::move(started)) {}
    call_awaiter(const call_awaiter &) = delete;
    call_awaiter &operator=(const call_awaiter &) = delete;
    ~call_awaiter() {
        if (state_ && state_->at.exchange(step::gone, std::memory_order_acq_rel) == step::waiting) (void)call_.try_cancel();
    }

    bool await_ready() const noexcept { return false; }

    bool await_suspend(std::coroutine_handle<> waiting) {
        const auto held = state_ = std::make_shared<state>();
        held->handle = waiting;
        auto registered = detail::invoke(&ahoy_call_on_done, call_.get(), ahoy_done_fn(&done),
                                         static_cast<void *>(detail::keep(held)), &detail::destroy<std::shared_ptr<state>>);
        if (!registered) {
            held->outcome.emplace(std::move(registered).error());
            return false;
        }
        // The call may have ended already, and its handle may not be freed before ahoy_call_on_done has returned. So
        // whichever of the two comes second goes on with the coroutine.
        step before = step::begun;
        return held->at.compare_exchange_strong(before, step::waiting, std::memory_order_acq_rel);
    }

    result<response> await_resume() { return *std::move(state_->outcome); }

  private:
    enum class step { begun, waiting, ended, gone };

    // Of the coroutine and of the call, of which either may end first.
    struct state {
        std::coroutine_handle<> handle{};
        std::optional<result<response>> outcome{};
        std::atomic<step> at{step::begun};
    };

    static void done(void *user_data, ahoy_status status, ahoy_response *answer, ahoy_error *failure) {
        detail::guard("co_await", [&] {
            state &held = *detail::callable<std::shared_ptr<state>>(user_data);
            if (status == AHOY_OK)
                held.outcome.emplace(response(answer));
            else
                held.outcome.emplace(error(failure, status));
            if (held.at.exchange(step::ended, std::memory_order_acq_rel) == step::waiting) held.handle.resume();
        });
    }

    call call_;
    std::shared_ptr<state> state_{};
};

/** `co_await as_result(client.start(request))` gives an ahoy::result<ahoy::response>. */
inline call_awaiter as_result(call &&started) noexcept { return call_awaiter(std::move(started)); }

#if AHOY_HPP_EXCEPTIONS
/** What `co_await client.start(request)` waits with: it gives the response, or throws. */
class throwing_call_awaiter : public call_awaiter {
  public:
    using call_awaiter::call_awaiter;
    response await_resume() { return detail::value(call_awaiter::await_resume()); }
};

inline throwing_call_awaiter operator co_await(call &&started) noexcept { return throwing_call_awaiter(std::move(started)); }
#endif
#endif

#if AHOY_HPP_EXCEPTIONS
#undef AHOY_HPP_PASS_FORCED_UNWIND
} // namespace throwing
#else
} // namespace plain
#endif
} // namespace ahoy

#undef AHOY_HPP_LIFETIMEBOUND
#undef AHOY_HPP_SHARED

template <>
struct std::is_error_code_enum<ahoy::errc> : std::true_type {};

#if defined(__cpp_lib_ranges)
template <class Source, class Item, Item (*At)(Source, std::size_t)>
inline constexpr bool std::ranges::enable_borrowed_range<ahoy::detail::indexed<Source, Item, At>> = true;
#endif

#endif
