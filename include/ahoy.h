/*
 * ahoy.h: an HTTP client for services that run on several hosts.
 *
 * Generated from the Rust sources by cbindgen. Changes made here are lost.
 *
 * The order is that of use: hosts, a provider of hosts, a balancer, a client, its calls. README.md
 * has a whole program, and docs/options.md a table of all settings.
 *
 * Defaults. A client with a balancer and nothing set has verified TLS, a limit of 30 s on each
 *   call, a circuit breaker for each endpoint (ahoy_breaker), up to 3 tries of what may be repeated
 *   (ahoy_retry) within a budget (ahoy_client_builder_set_retry_budget), a second attempt beside
 *   one that is late (ahoy_client_builder_set_attempt_timeout_ms), and a wait of up to 250 ms while
 *   no endpoint takes calls (ahoy_client_builder_set_wait_for_ready_ms). Hedges, limits on calls in
 *   flight, outlier detection, health checks, redirects and HTTP/2 are off.
 *
 * These conventions hold for every declaration below:
 *
 * Errors. A function that can fail returns an `ahoy_status`, AHOY_OK (0) or a positive AHOY_E_
 *   number whose meaning never changes, and takes `ahoy_error **err` last. `err` may be NULL. On
 *   success `*err` is set to NULL; on failure it is a new error, to be freed by the caller, and
 *   every other output is NULL or 0. An earlier `*err` is overwritten, not freed. A constructor
 *   that returns its handle returns NULL for a bad argument. An HTTP answer is a response,
 *   whatever its status.
 *
 * Ownership. No function consumes an argument. Each handle has one `_free` function, which accepts
 *   NULL, does not block and cannot fail. Handles may be freed in any order, each when its owner
 *   no longer needs it. Pointers that an accessor returns as `const` are borrowed: they are valid
 *   until the handle that they came from is freed.
 *
 * Threads. Hosts, builders and requests belong to one thread at a time. Providers, balancers,
 *   retries and breakers are configured from one thread; attaching one to another handle freezes
 *   it (setters return AHOY_E_IN_USE), and from then on all threads may share it, like clients,
 *   endpoints, queues and calls. No handle may be freed while another thread is inside a call on
 *   it. The library keeps nothing for each thread of the host. Calls work until the process ends,
 *   in atexit functions and destructors of static objects and of pthread keys too: a library thread
 *   carries a blocking call there, and neither signals nor should_stop end it. A blocking call
 *   takes up to 100 KiB of its thread's stack, beside what its callbacks take.
 *
 * Text. Strings passed in are UTF-8 and end with NUL; bytes are a pointer and a length, and
 *   (NULL, 0) is empty. Returned strings end with NUL too, and come with a length where they may
 *   contain NUL. NULL is AHOY_E_INVALID_ARGUMENT except where a parameter is documented as
 *   optional, and so are bad UTF-8, an unknown number and a value out of range; the error names
 *   the parameter. The value of a header may be any bytes that a header can carry.
 *
 * Durations. `uint64_t` milliseconds in names that end in `_ms`. AHOY_FOREVER sets no limit, and a
 *   wait of 0 polls. Ratios are `double` from 0 to 1. Zero is a value and never means 'unset'.
 *
 * Callbacks. A function comes with `user_data` and `destroy`. `destroy` (may be NULL) is called
 *   exactly once, on any thread, when the library no longer needs `user_data`; also if the
 *   registration fails. Any accessor may be used inside a callback. A blocking call there returns
 *   AHOY_E_WOULD_DEADLOCK. longjmp must not leave a callback, and a C++ exception that does ends
 *   the process by SIGABRT. A thread that is ended inside a callback (pthread_exit, pthread_cancel)
 *   stays there until the process ends: joining it waits for ever. Its own call never returns; the
 *   library replaces up to 16 such threads of its own, whose other calls end with AHOY_E_CLOSED. A
 *   pthread_cancel during a call waits until the call has returned.
 *
 * Bindings. Ruby, Python and other hosts that act on signals in their own code only should build
 *   clients with ahoy_client_builder_set_interruptible or ahoy_client_builder_set_should_stop:
 *   without it Ctrl-C and Ruby's Timeout do not end a blocking call before the call's own limit
 *   does. They should release the host's lock during blocking calls, ahoy_client_close and
 *   ahoy_callbacks_stop included, and call ahoy_callbacks_stop from what runs before the host is
 *   taken down (atexit, at_exit): a callback that comes afterwards finds no host.
 */

#ifndef AHOY_H
#define AHOY_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
/** The version of this header, from the crate's manifest. */
#define AHOY_VERSION_MAJOR 0
#define AHOY_VERSION_MINOR 1
#define AHOY_VERSION_PATCH 0
/** The same as one number, major * 10000 + minor * 100 + patch, to compare with
    ahoy_version_number(). */
#define AHOY_VERSION_NUM 100
#define AHOY_VERSION_STRING "0.1.0"

/** True if this header is version major.minor.patch or newer. */
#define AHOY_CHECK_VERSION(major, minor, patch) \
    (AHOY_VERSION_NUM >= (major) * 10000 + (minor) * 100 + (patch))

/* Define AHOY_STATIC before including this file when linking the static library on Windows. */
#if defined(_WIN32) && !defined(AHOY_STATIC)
#define AHOY_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define AHOY_API __attribute__((visibility("default")))
#else
#define AHOY_API
#endif

/* The result of such a function must be freed; the compiler warns where it is dropped. */
#if defined(__GNUC__)
#define AHOY_MUST_USE __attribute__((warn_unused_result))
#else
#define AHOY_MUST_USE
#endif

#if defined(__GNUC__)
#define AHOY_DEPRECATED __attribute__((deprecated))
#define AHOY_DEPRECATED_NOTE(note) __attribute__((deprecated(note)))
#elif defined(_MSC_VER)
#define AHOY_DEPRECATED __declspec(deprecated)
#define AHOY_DEPRECATED_NOTE(note) __declspec(deprecated(note))
#else
#define AHOY_DEPRECATED
#define AHOY_DEPRECATED_NOTE(note)
#endif

/**
 * A wait or limit without end, for every parameter in milliseconds.
 */
#define AHOY_FOREVER UINT64_MAX

/**
 * The function did what it says.
 */
#define AHOY_OK 0

/**
 * A parameter is missing or out of range.
 */
#define AHOY_E_INVALID_ARGUMENT 100

/**
 * The handle is in use and can no longer be changed, or is in that state already.
 */
#define AHOY_E_IN_USE 101

/**
 * No option has this name.
 */
#define AHOY_E_UNKNOWN_OPTION 102

/**
 * A blocking call inside a callback.
 */
#define AHOY_E_WOULD_DEADLOCK 103

/**
 * The client is closed.
 */
#define AHOY_E_CLOSED 104

/**
 * This kind of handle, or this build of the library, cannot do that. Where a function does not name
 * it, a handle of another kind is AHOY_E_INVALID_ARGUMENT.
 */
#define AHOY_E_UNSUPPORTED 105

/**
 * The provider failed and no earlier list is known.
 */
#define AHOY_E_DISCOVERY 200

/**
 * No endpoint is known, or no circuit admits.
 */
#define AHOY_E_NO_ENDPOINTS 201

/**
 * The endpoint's name could not be resolved.
 */
#define AHOY_E_RESOLVE 202

/**
 * The endpoint could not be connected to.
 */
#define AHOY_E_CONNECT 300

/**
 * Connecting took longer than its limit.
 */
#define AHOY_E_CONNECT_TIMEOUT 301

/**
 * The TLS handshake failed.
 */
#define AHOY_E_TLS 302

/**
 * The connection ended before the answer did.
 */
#define AHOY_E_CONNECTION_LOST 303

/**
 * The answer is not valid HTTP.
 */
#define AHOY_E_PROTOCOL 304

/**
 * The attempt took longer than its limit.
 */
#define AHOY_E_TIMEOUT 400

/**
 * The call took longer than its limit.
 */
#define AHOY_E_DEADLINE 401

/**
 * The call was cancelled.
 */
#define AHOY_E_CANCELLED 402

/**
 * A signal ended the call.
 */
#define AHOY_E_INTERRUPTED 403

/**
 * The answer's body is above the bound.
 */
#define AHOY_E_BODY_TOO_LARGE 500

/**
 * The answer's status is 4xx or 5xx and the client fails on those.
 */
#define AHOY_E_HTTP_STATUS 501

/**
 * A bound of this process was reached.
 */
#define AHOY_E_OVERLOADED 600

/**
 * The handle belongs to the parent process.
 */
#define AHOY_E_FORKED 601

/**
 * A hook refused the attempt.
 */
#define AHOY_E_HOOK_REFUSED 602

/**
 * The source of the request's body failed, or did not keep its length.
 */
#define AHOY_E_BODY_SOURCE 603

/**
 * A defect of this library.
 */
#define AHOY_E_INTERNAL 900

/**
 * How a host is spoken to: plain HTTP.
 */
#define AHOY_SCHEME_HTTP 1

/**
 * How a host is spoken to: HTTP over TLS.
 */
#define AHOY_SCHEME_HTTPS 2

/**
 * No list is known yet: the balancer was not used, or its provider did not answer so far.
 */
#define AHOY_LIST_NONE 0

/**
 * The list is what the provider told last.
 */
#define AHOY_LIST_CURRENT 1

/**
 * The last list serves: the provider fails, or has not answered since a start with a snapshot.
 */
#define AHOY_LIST_LAST 2

/**
 * The provider has failed for longer than its option max_stale: its last list serves no more.
 */
#define AHOY_LIST_STALE 3

/**
 * No list is known, and the provider refuses what it is asked: a wrong token, path or option.
 */
#define AHOY_LIST_REFUSED 4

/**
 * Traffic flows.
 */
#define AHOY_CIRCUIT_CLOSED 0

/**
 * No traffic; a probe is let through when it is due, unless the circuit was opened by hand.
 */
#define AHOY_CIRCUIT_OPEN 1

/**
 * A probe is under way.
 */
#define AHOY_CIRCUIT_HALF_OPEN 2

/**
 * The endpoint gets its share of the calls.
 */
#define AHOY_REASON_AVAILABLE 0

/**
 * Its circuit is open; a probe is let through when it is due.
 */
#define AHOY_REASON_CIRCUIT_OPEN 1

/**
 * Its circuit lets probes through, and nothing else.
 */
#define AHOY_REASON_CIRCUIT_HALF_OPEN 2

/**
 * Its circuit was opened by ahoy_endpoint_open_circuit.
 */
#define AHOY_REASON_OPENED_BY_HAND 3

/**
 * It was drained by ahoy_endpoint_drain.
 */
#define AHOY_REASON_DRAINED 4

/**
 * Outlier detection took it out for a while.
 */
#define AHOY_REASON_EJECTED 5

/**
 * It fails its health checks.
 */
#define AHOY_REASON_CHECK_FAILING 6

/**
 * It is listed with a weight of 0.
 */
#define AHOY_REASON_WEIGHT_ZERO 7

/**
 * It warms up (slow start): it gets a part of its share.
 */
#define AHOY_REASON_WARMING 8

/**
 * It is well, and endpoints of a lower priority number get all calls.
 */
#define AHOY_REASON_OTHER_LOCALITY 9

/**
 * It has as many attempts in flight as it may.
 */
#define AHOY_REASON_FULL 10

/**
 * It is no longer listed.
 */
#define AHOY_REASON_DEPARTED 11

/**
 * Try again when refused, unreachable or unresolved.
 */
#define AHOY_RETRY_ON_CONNECT 1

/**
 * Try again when connecting took too long.
 */
#define AHOY_RETRY_ON_CONNECT_TIMEOUT 2

/**
 * Try again when an attempt took too long.
 */
#define AHOY_RETRY_ON_TIMEOUT 4

/**
 * Try again when the connection was lost before the request's first byte was sent.
 */
#define AHOY_RETRY_ON_LOST_UNSENT 8

/**
 * Try again when the connection was lost, or the answer was broken, after bytes were sent.
 */
#define AHOY_RETRY_ON_LOST_SENT 16

/**
 * Try again on certain statuses: see ahoy_retry_set_statuses.
 */
#define AHOY_RETRY_ON_STATUS 32

/**
 * Try again when the server refused the stream unprocessed (HTTP/2).
 */
#define AHOY_RETRY_ON_REFUSED_STREAM 64

/**
 * All of these: the default.
 */
#define AHOY_RETRY_ON_ALL 127

/**
 * HTTP/1.1 only.
 */
#define AHOY_HTTP2_OFF 0

/**
 * HTTP/2 where TLS agrees on it (ALPN), and HTTP/1.1 otherwise.
 */
#define AHOY_HTTP2_ALPN 1

/**
 * HTTP/2 always, also without TLS: every host is known to speak it.
 */
#define AHOY_HTTP2_PRIOR_KNOWLEDGE 2

/**
 * A streamed answer is handed over with its head.
 */
#define AHOY_COMMIT_HEAD 0

/**
 * A streamed answer is handed over with the first byte of its body, or at its end.
 */
#define AHOY_COMMIT_FIRST_BYTE 1

/**
 * Names are looked up in the system's hosts file and asked of the servers in resolv.conf.
 */
#define AHOY_RESOLVER_DNS 0

/**
 * Names are asked of the C library (getaddrinfo).
 */
#define AHOY_RESOLVER_SYSTEM 1

/**
 * Traces are not touched: a traceparent header of the request is sent as it is.
 */
#define AHOY_TRACE_OFF 0

/**
 * A trace of the inbound request is continued; each attempt is a span of its own.
 */
#define AHOY_TRACE_PASS_ON 1

/**
 * As AHOY_TRACE_PASS_ON; without an inbound trace, one is started that is not sampled.
 */
#define AHOY_TRACE_START 2

/**
 * As AHOY_TRACE_PASS_ON; without an inbound trace, one is started that is sampled.
 */
#define AHOY_TRACE_START_SAMPLED 3

/**
 * Severity of a message: the library could not do its work.
 */
#define AHOY_LOG_ERROR 1

/**
 * Severity of a message: something is wrong with a peer or a provider.
 */
#define AHOY_LOG_WARN 2

/**
 * Severity of a message: a state changed.
 */
#define AHOY_LOG_INFO 3

/**
 * Severity of a message: one attempt.
 */
#define AHOY_LOG_DEBUG 4

/**
 * Verdict on an answer: as the settings say. Any number without a name is taken for it.
 */
#define AHOY_CLASSIFY_DEFAULT 0

/**
 * Verdict on an answer: its endpoint works, and the answer is handed over.
 */
#define AHOY_CLASSIFY_SUCCESS 1

/**
 * Verdict on an answer: its endpoint has failed, and another attempt may be made, as after a status
 * that is tried again.
 */
#define AHOY_CLASSIFY_RETRYABLE_FAILURE 2

/**
 * Verdict on an answer: its endpoint has failed, and repeating cannot help. It is handed over.
 */
#define AHOY_CLASSIFY_FINAL_FAILURE 3

/**
 * Verdict on an answer: it says nothing of its endpoint, and is handed over.
 */
#define AHOY_CLASSIFY_IGNORED 4

/**
 * Wire trace: a connection stands. Text such as "10.0.0.1:50123 to 10.0.0.7:80".
 */
#define AHOY_WIRE_OPENED 1

/**
 * Wire trace: the head of a request, masked.
 */
#define AHOY_WIRE_HEAD_SENT 2

/**
 * Wire trace: a piece of a request's body, as it is on the wire.
 */
#define AHOY_WIRE_BODY_SENT 3

/**
 * Wire trace: the head of an answer, masked; interim ones too.
 */
#define AHOY_WIRE_HEAD_RECEIVED 4

/**
 * Wire trace: a piece of an answer's body, as it is on the wire: encoded, and with its chunks.
 */
#define AHOY_WIRE_BODY_RECEIVED 5

/**
 * Wire trace: a frame of HTTP/2 was sent. Text such as "HEADERS stream 1 flags 0x05 length 40"; of
 * DATA the content follows as AHOY_WIRE_BODY_SENT.
 */
#define AHOY_WIRE_FRAME_SENT 6

/**
 * Wire trace: a frame of HTTP/2 came; see AHOY_WIRE_FRAME_SENT.
 */
#define AHOY_WIRE_FRAME_RECEIVED 7

/**
 * Class of a request: its failure does great harm.
 */
#define AHOY_CRITICAL_PLUS 0

/**
 * Class of a request: a person waits for it. The default.
 */
#define AHOY_CRITICAL 1

/**
 * Class of a request: it can be repeated within minutes. May fill three quarters of a limit.
 */
#define AHOY_SHEDDABLE_PLUS 2

/**
 * Class of a request: it may fail for hours. May fill half of a limit.
 */
#define AHOY_SHEDDABLE 3

/**
 * Result of a body function: there is no more.
 */
#define AHOY_BODY_END 0

/**
 * Result of a body function: *length bytes are in the buffer.
 */
#define AHOY_BODY_DATA 1

/**
 * Result of a body function: nothing yet; ahoy_request_body_ready asks again.
 */
#define AHOY_BODY_NOT_READY 2

/**
 * Result of a body function: the body breaks off here. The call ends with AHOY_E_BODY_SOURCE.
 */
#define AHOY_BODY_FAILED 3

/**
 * A body whose length is not known before its end; it is sent in chunks.
 */
#define AHOY_UNKNOWN_LENGTH UINT64_MAX

/**
 * Fault on demand: the attempt was sent later (ahoy_client_builder_set_fault_delay).
 */
#define AHOY_FAULT_DELAY 1

/**
 * Fault on demand: the attempt was answered and not sent (ahoy_client_builder_set_fault_abort).
 */
#define AHOY_FAULT_ABORT 2

/**
 * Fault on demand: the attempt seemed lost and was not sent (ahoy_client_builder_set_fault_reset).
 */
#define AHOY_FAULT_RESET 4

/**
 * Phase of an attempt: all connections to the endpoint that there may be were in use.
 */
#define AHOY_PHASE_WAIT 0

/**
 * Phase of an attempt: the endpoint's name was resolved.
 */
#define AHOY_PHASE_RESOLVE 1

/**
 * Phase of an attempt: a connection was made.
 */
#define AHOY_PHASE_CONNECT 2

/**
 * Phase of an attempt: TLS was agreed on.
 */
#define AHOY_PHASE_TLS 3

/**
 * Phase of an attempt: from a connection that stands to the head of the answer.
 */
#define AHOY_PHASE_FIRST_BYTE 4

/**
 * Phase of an attempt: the rest of the answer's body. 0 where it came together with the head, and
 * where the answer is streamed, whose attempt ends with the head. Where a streamed body broke off,
 * the attempt of the error goes on up to there, and that time is here.
 */
#define AHOY_PHASE_BODY 5

/**
 * A count that only grows. It begins at 0 with its client or balancer, and anew in a forked child.
 */
#define AHOY_METRIC_COUNTER 0

/**
 * A number that goes up and down.
 */
#define AHOY_METRIC_GAUGE 1

/**
 * How many took how long, by buckets of seconds.
 */
#define AHOY_METRIC_HISTOGRAM 2

/**
 * OpenMetrics 1.0, which Prometheus prefers. Its content type is
 * "application/openmetrics-text; version=1.0.0; charset=utf-8".
 */
#define AHOY_FORMAT_OPENMETRICS 0

/**
 * The text format 0.0.4 of Prometheus. Its content type is
 * "text/plain; version=0.0.4; charset=utf-8".
 */
#define AHOY_FORMAT_PROMETHEUS 1

/**
 * A circuit opened. Fields: reason, old and new state, until (not where it was opened by hand). Of
 * a circuit that answers open and close again and again, it is told once a second at most.
 */
#define AHOY_EVENT_CIRCUIT_OPENED 1

/**
 * A circuit lets a probe through. Fields: old and new state.
 */
#define AHOY_EVENT_CIRCUIT_HALF_OPENED 2

/**
 * A circuit closed whose opening was told. Fields: new state.
 */
#define AHOY_EVENT_CIRCUIT_CLOSED 3

/**
 * Outlier detection took an endpoint out. Fields: reason, until.
 */
#define AHOY_EVENT_EJECTED 4

/**
 * An endpoint is back after an ejection.
 */
#define AHOY_EVENT_RETURNED 5

/**
 * An endpoint fails its health checks, and is out.
 */
#define AHOY_EVENT_CHECK_FAILED 6

/**
 * An endpoint passes its health checks, and is back.
 */
#define AHOY_EVENT_CHECK_PASSED 7

/**
 * An endpoint was drained by hand.
 */
#define AHOY_EVENT_DRAINED 8

/**
 * A drained endpoint gets attempts again.
 */
#define AHOY_EVENT_RESUMED 9

/**
 * Endpoints joined or left. Fields: known, joined, left, and age where there was a list before.
 */
#define AHOY_EVENT_LIST_CHANGED 10

/**
 * The provider fails; told once. Fields: age of the list that stays. The detail says why.
 */
#define AHOY_EVENT_SOURCE_FAILING 11

/**
 * The provider tells lists again.
 */
#define AHOY_EVENT_SOURCE_WELL 12

/**
 * The retry budget refused a retry, after it had granted the one before. Told once a second at
 * most.
 */
#define AHOY_EVENT_BUDGET_EMPTY 13

/**
 * The retry budget grants retries again. Told once after each 13.
 */
#define AHOY_EVENT_BUDGET_FILLED 14

/**
 * A call was turned away by a limit, after the one before was let in. The detail says by which.
 * Told once a second at most.
 */
#define AHOY_EVENT_OVERLOAD_ENTERED 15

/**
 * A call was let in again. Told once after each 15.
 */
#define AHOY_EVENT_OVERLOAD_LEFT 16

/**
 * Too few endpoints of a priority are well, so that all of them serve.
 */
#define AHOY_EVENT_PANIC_ENTERED 17

/**
 * Enough endpoints are well again.
 */
#define AHOY_EVENT_PANIC_LEFT 18

/**
 * Calls are held back while the service comes back from an outage of all its endpoints.
 */
#define AHOY_EVENT_HOLDING_BACK 19

/**
 * Calls are no longer held back.
 */
#define AHOY_EVENT_HOLDING_ENDED 20

/**
 * Why a circuit opened: its endpoint could not be connected to.
 */
#define AHOY_OPENED_UNREACHABLE 1

/**
 * Why a circuit opened: its endpoint's answers, or that there were none.
 */
#define AHOY_OPENED_BY_ANSWERS 2

/**
 * Why a circuit opened: attempts that passed their limit.
 */
#define AHOY_OPENED_BY_HANG 3

/**
 * Why a circuit opened: a probe that failed.
 */
#define AHOY_OPENED_BY_PROBE 4

/**
 * Why a circuit opened: ahoy_endpoint_open_circuit.
 */
#define AHOY_OPENED_BY_HAND 5

/**
 * Why an endpoint was ejected: its success rate lies far below the mean.
 */
#define AHOY_EJECTED_BY_SUCCESS_RATE 1

/**
 * Why an endpoint was ejected: its share of failures.
 */
#define AHOY_EJECTED_BY_FAILURE_SHARE 2

/**
 * Why an endpoint was ejected: too many failures in a row.
 */
#define AHOY_EJECTED_BY_RUN 3

/**
 * Why: an AHOY_OPENED_ number of an opened circuit, an AHOY_EJECTED_ number of an ejection.
 */
#define AHOY_FIELD_REASON 1

/**
 * The circuit's state before: an AHOY_CIRCUIT_ number.
 */
#define AHOY_FIELD_OLD_STATE 2

/**
 * The circuit's state now: an AHOY_CIRCUIT_ number.
 */
#define AHOY_FIELD_NEW_STATE 3

/**
 * Until when, in milliseconds since 1970: the next probe, or the end of an ejection.
 */
#define AHOY_FIELD_UNTIL_MS 4

/**
 * How many endpoints are known now.
 */
#define AHOY_FIELD_KNOWN 5

/**
 * How many endpoints joined.
 */
#define AHOY_FIELD_JOINED 6

/**
 * How many endpoints left.
 */
#define AHOY_FIELD_LEFT 7

/**
 * How old the list of endpoints was, in milliseconds.
 */
#define AHOY_FIELD_AGE_MS 8

/**
 * One attempt of a call. Borrowed from its response or error and valid until that is freed.
 * Thread: any.
 */
typedef struct ahoy_attempt ahoy_attempt;

/**
 * Picks the endpoint of each attempt and keeps a circuit breaker for each. Clients that share a
 * balancer share its circuits.
 *
 * Ownership: freed with ahoy_balancer_free at any time; clients keep what they need. Thread:
 * configured from one, and frozen by its first use (a client builder, a pick or an update); then
 * any.
 */
typedef struct ahoy_balancer ahoy_balancer;

/**
 * The rules by which the circuits of a balancer open and close. A circuit opens
 *
 * - after 5 failures in a row;
 * - when half of at least 10 calls within 10 s failed;
 * - at once when the endpoint cannot be connected to, and has answered no other call meanwhile;
 *   nothing was sent then.
 *
 * Failures are answers of 5xx but 501, timeouts and lost connections; 429 counts for the ratio
 * only.
 *
 * An open circuit lets a probe through after 500 ms. Each further trip doubles that time, up to
 * 2.4 s, or up to 1 s where connecting failed; each time varies at random by a quarter. Where the
 * 429 or 503 that opened it asked for a time (Retry-After), that holds instead, up to 30 s, with
 * up to a quarter added.
 *
 * - While other endpoints take calls, a client sends an endpoint no more probes than a tenth of
 *   its share of the calls, but always one in 30 s.
 * - While no endpoint takes calls, one that could not be connected to is probed sooner: see
 *   ahoy_breaker_set_connect_open_max_ms.
 *
 * A probe is an ordinary attempt of a call. At an endpoint that hung it has a short limit, past
 * which its call goes on elsewhere: 1.5 times the 99th percentile of the answers and at least 50
 * ms, or 250 ms before there are answers. Hedges make probes first. A first attempt leaves a probe
 * to them for 200 ms, and a retry makes one only where its call has no other endpoint left.
 *
 * An endpoint with all its places taken refuses the rest at once, and answers later what it took.
 * So attempts that were under way when the circuit opened may close it again, unless the endpoint
 * hangs: by one good answer that took at least four times as long as the failure that opened it,
 * or by 5 good ones in a row.
 *
 * Ownership: freed with ahoy_breaker_free; balancers copy it. Thread: configured from one, and
 * frozen when a balancer takes it; then any.
 */
typedef struct ahoy_breaker ahoy_breaker;

/**
 * A call under way or ended. Its result is handed out once.
 *
 * Ownership: freed with ahoy_call_free; it holds its client. Thread: any. In a forked child it
 * stays AHOY_E_FORKED for ever.
 */
typedef struct ahoy_call ahoy_call;

/**
 * A resilient HTTP client. A blocking call does its work on the calling thread; calls by
 * ahoy_client_start and ahoy_client_submit go on in the background.
 *
 * A forked child may use its parent's client: it makes connections of its own, and all circuits
 * start closed.
 *
 * Ownership: freed with ahoy_client_free. Thread: any, also several at once.
 */
typedef struct ahoy_client ahoy_client;

/**
 * The settings of clients to be built. Building copies them, so one builder can make several
 * clients.
 *
 * Ownership: freed with ahoy_client_builder_free at any time. Thread: one at a time.
 */
typedef struct ahoy_client_builder ahoy_client_builder;

/**
 * The end of a call, with the tag that it was submitted with; or the notice that a body can be
 * read, with the tag given to ahoy_response_notify.
 *
 * Ownership: freed with ahoy_completion_free, with all that was not taken from it. Thread: one at
 * a time.
 */
typedef struct ahoy_completion ahoy_completion;

/**
 * One endpoint of a balancer. It shows the live circuit, also after the endpoint has left the
 * list. One that comes back, or gets another priority or zone, is the same endpoint.
 *
 * Ownership: freed with ahoy_endpoint_free. Thread: any. In a forked child its circuit is not
 * accessible: the state is -1, and opening and closing are AHOY_E_FORKED.
 */
typedef struct ahoy_endpoint ahoy_endpoint;

/**
 * Why a function failed; for a call, with all its attempts.
 *
 * Ownership: freed with ahoy_error_free. Thread: any.
 */
typedef struct ahoy_error ahoy_error;

/**
 * Something that changed: a circuit, an endpoint, the list, a limit. docs/events.md has every kind
 * with its fields. A new version of the library may have more kinds.
 *
 * Ownership: one from a queue is freed with ahoy_event_free; one that a function gets belongs to
 * the library and is valid inside the function only. Thread: one at a time.
 */
typedef struct ahoy_event ahoy_event;

/**
 * One server of a service, with properties that address and port do not tell.
 *
 * Ownership: freed with ahoy_host_free; adding it to a list copies it. Thread: one at a time.
 */
typedef struct ahoy_host ahoy_host;

/**
 * A list of hosts: what a custom provider fills, or what ahoy_provider_list_replace takes.
 *
 * Ownership: inside a provider's callback it is the library's; one of ahoy_hosts_new is freed with
 * ahoy_hosts_free. Thread: one at a time.
 */
typedef struct ahoy_hosts ahoy_hosts;

/**
 * A source of endpoints: a list, a callback that fills one, or what a URL names.
 *
 * Ownership: freed with ahoy_provider_free at any time; a balancer keeps what it needs. Thread:
 * configured from one, and frozen when a balancer is made from it; then any.
 */
typedef struct ahoy_provider ahoy_provider;

/**
 * A queue of ended calls, in the order in which they ended, with a descriptor that is readable
 * while it holds any.
 *
 * Calls in flight plus completions not yet read are bounded by 65,536.
 *
 * Ownership: freed with ahoy_queue_free. Thread: any, also several at once. In a forked child it
 * stays AHOY_E_FORKED for ever.
 */
typedef struct ahoy_queue ahoy_queue;

/**
 * One request, independent of where it will go.
 *
 * Ownership: freed with ahoy_request_free; sending it copies it, so it may be sent again. Inside
 * an on_request hook it is the library's and stands for one attempt: path and headers may be
 * changed, and what its call goes by is refused with AHOY_E_INVALID_ARGUMENT. Callbacks of a
 * blocking call can neither change the request that it sends, which is AHOY_E_IN_USE, nor free it.
 * Thread: one at a time.
 */
typedef struct ahoy_request ahoy_request;

/**
 * An HTTP answer with the attempts that led to it, and its whole body; or, if the request was
 * streamed (ahoy_request_set_streamed), a body to be read by ahoy_response_read.
 *
 * Ownership: freed with ahoy_response_free; all that its accessors return is borrowed and valid
 * until then. Thread: any. In a forked child the body of a streamed one stays AHOY_E_FORKED for
 * ever.
 */
typedef struct ahoy_response ahoy_response;

/**
 * Which failures are tried again, how often and after which wait.
 *
 * - A call makes up to 3 tries, at endpoints that it has not tried yet while there are any.
 * - Only idempotent requests are repeated, and those that certainly were not processed.
 * - An attempt that sent nothing (refused, unreachable, unresolved, connect timed out) costs no
 *   try and no wait while an untried endpoint is left.
 * - Waits are random up to 25 ms, doubled with each retry up to 1 s (full jitter).
 *
 * Ownership: freed with ahoy_retry_free; builders copy it. Thread: configured from one, and frozen
 * when a builder takes it; then any.
 */
typedef struct ahoy_retry ahoy_retry;

/**
 * One series of a snapshot: a metric's name, labels and a value.
 *
 * Ownership: it belongs to the library and is valid inside the function that gets it only. Thread:
 * that of the function.
 */
typedef struct ahoy_sample ahoy_sample;

/**
 * What a client and its balancer counted, at one time. Others may be added; what is there does not
 * change.
 *
 * Ownership: freed with ahoy_snapshot_free. Thread: any.
 */
typedef struct ahoy_snapshot ahoy_snapshot;

/**
 * Text that the library made, such as a configuration.
 *
 * Ownership: freed with ahoy_text_free. Thread: any.
 */
typedef struct ahoy_text ahoy_text;

/**
 * What a function that can fail returns: AHOY_OK or one of the AHOY_E_ numbers.
 */
typedef int32_t ahoy_status;

/**
 * Fills `out` with the hosts that serve now, in a stable order, and returns AHOY_OK. Any other
 * status means that there is no list now, and the last good one stays in use. The function is
 * asked at first use, on update and when no endpoint is left.
 *
 * By default it runs on the thread of a blocking call. For calls that were started it runs on a
 * thread "ahoy-provider" of its own, where it delays only the calls that need its list, and these
 * keep their limits; the option "callbacks" of ahoy_provider_set says otherwise. A blocking call
 * that it delays on its own thread ends when it returns, with AHOY_E_DEADLINE where the call's
 * limit has passed. It never runs on an I/O thread.
 *
 * Thread: any.
 */
typedef ahoy_status (*ahoy_provider_fn)(void *user_data, ahoy_hosts *out);

/**
 * Called once when the library no longer needs the user data of a callback. May be NULL.
 *
 * Thread: any, several at once.
 */
typedef void (*ahoy_destroy_fn)(void *user_data);

/**
 * Returns a number from 0 to below - 1. Called once for each pick that has candidates.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef uint64_t (*ahoy_random_fn)(void *user_data, uint64_t below);

/**
 * Returns the index of the endpoint to use, from 0 to count - 1.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef size_t (*ahoy_balancer_fn)(void *user_data, size_t count);

/**
 * Runs before each attempt. It may read the attempt's method, path, headers, body and endpoint. It
 * may change its path and headers and nothing else, so that each attempt can be signed for itself.
 * Any status but AHOY_OK refuses the call, which then ends with AHOY_E_HOOK_REFUSED.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef ahoy_status (*ahoy_request_fn)(void *user_data, ahoy_request *request);

/**
 * Runs after each attempt that got an answer, whatever its status. The response belongs to the
 * library and is valid inside the hook only.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef void (*ahoy_response_fn)(void *user_data, const ahoy_response *response);

/**
 * Runs after each attempt that got no answer. The error belongs to the library and is valid inside
 * the hook only.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef void (*ahoy_error_fn)(void *user_data, const ahoy_error *error);

/**
 * Returns true if a blocking call should end now. It must not block.
 *
 * Thread: the caller's, several at once.
 */
typedef bool (*ahoy_should_stop_fn)(void *user_data);

/**
 * Gets a message: its severity (an AHOY_LOG_ number), its target (the part of the library) and its
 * text, both valid inside the callback only.
 *
 * Thread: any, several at once.
 */
typedef void (*ahoy_log_fn)(void *user_data, int32_t level, const char *part, const char *message);

/**
 * Returns the host's own verdict on an answer, an AHOY_CLASSIFY_ number: for answers whose failure
 * stands in a header or in the body. The response belongs to the library and is valid inside the
 * hook only. Its body is empty where the answer is streamed: then a failure has the rest read
 * whole before anything else is done.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef int32_t (*ahoy_classify_fn)(void *user_data, const ahoy_response *response);

/**
 * Runs once when a call has ended, with its response or its error, the other being NULL; both tell
 * the call's duration and attempts. A streamed call ends with the head of its answer. The handles
 * belong to the library and are valid inside the hook only.
 *
 * Thread: the one that drives the call, several at once.
 */
typedef void (*ahoy_call_end_fn)(void *user_data,
                                 ahoy_status status,
                                 const ahoy_response *response,
                                 const ahoy_error *error);

/**
 * Gets the secret of a TLS session: a line in the format of NSS key logs, without its end, valid
 * inside the callback only. It must not block.
 *
 * Thread: any, several at once.
 */
typedef void (*ahoy_key_log_fn)(void *user_data, const char *line);

/**
 * Gets what went over a connection, in order for each: the connection's number, an AHOY_WIRE_
 * number, and the text or bytes, without a NUL at their end and valid inside the callback only. It
 * must not block.
 *
 * Thread: any, several at once.
 */
typedef void (*ahoy_wire_fn)(void *user_data,
                             uint64_t connection,
                             int32_t kind,
                             const uint8_t *bytes,
                             size_t length);

/**
 * Puts the next bytes of a request's body into a buffer and returns an AHOY_BODY_ number; with
 * AHOY_BODY_DATA, length gets their number, from 1 to capacity, which is at least 65,536. Less than
 * half of the capacity is sent before the function is called again.
 *
 * Thread: the one that drives the call. That is the caller's for a blocking call, where it may
 * wait: the call's limit is looked at between two pieces. Otherwise, and also for streamed answers
 * and HTTP/2, it is an I/O thread, which it must not block.
 */
typedef int32_t (*ahoy_body_fn)(void *user_data, uint8_t *buffer, size_t capacity, size_t *length);

/**
 * Goes back to the first byte of a request's body, for another attempt or call. Where it returns
 * false, the call ends with the answer of an earlier attempt, such as a 503, or else with
 * AHOY_E_BODY_SOURCE. Where the body function must not block, neither may this one.
 *
 * Thread: the one that drives the call.
 */
typedef bool (*ahoy_body_rewind_fn)(void *user_data);

/**
 * Called once when bytes can be read; must not block. ahoy_response_read with a timeout of 0 works
 * inside, and so does ahoy_response_on_readable.
 *
 * Thread: an I/O thread, several at once.
 */
typedef void (*ahoy_readable_fn)(void *user_data);

/**
 * Gets the outcome of a call and owns both handles: the response if status is AHOY_OK, else the
 * error; the other is NULL. It must not block.
 *
 * Thread: an I/O thread, several at once.
 */
typedef void (*ahoy_done_fn)(void *user_data,
                             ahoy_status status,
                             ahoy_response *response,
                             ahoy_error *error);

/**
 * Gets one series of a snapshot, which is valid inside the function only.
 *
 * Thread: the caller's.
 */
typedef void (*ahoy_sample_fn)(void *user_data, const ahoy_sample *sample);

/**
 * Gets an event, which is valid inside the function only. It must not block.
 *
 * Thread: any, several at once. It is the one where the event happened.
 */
typedef void (*ahoy_event_fn)(void *user_data, const ahoy_event *event);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, such as "0.1.0".
 *
 * Returns static text. Any thread.
 */
AHOY_API const char *ahoy_version(void);

/**
 * The library's version as one number: major * 10000 + minor * 100 + patch, as in
 * `AHOY_VERSION_NUM`.
 *
 * Any thread.
 */
AHOY_API uint32_t ahoy_version_number(void);

/**
 * The name of a status, such as "AHOY_E_DEADLINE".
 *
 * Returns static text, never NULL: "AHOY_E_UNKNOWN" for a number that is no status. Any thread.
 */
AHOY_API const char *ahoy_status_name(ahoy_status status);

/**
 * Ends all callbacks of this process, for a host that is about to end. Call it from what runs
 * before the host's runtime is taken down, such as Python's atexit or Ruby's at_exit, and release
 * the runtime's lock meanwhile if it has one.
 *
 * After AHOY_OK no function that was registered with this library runs or will run, destroy
 * functions included. From the beginning of this call none begins any more: results that were to
 * go to a callback are freed, and calls that need a hook or a provider fail with AHOY_E_CLOSED,
 * those that need a body function with AHOY_E_BODY_SOURCE. Messages for a log are dropped. All
 * else goes on, and there is no way back. A forked child has callbacks of its own.
 *
 * Blocks until the callbacks under way have returned. A callback whose thread was ended inside it
 * counts as returned.
 *
 * @param timeout_ms the longest wait; 0 only looks, AHOY_FOREVER has no limit
 * @return AHOY_E_DEADLINE if a callback still runs: the function may be called again;
 *         AHOY_E_WOULD_DEADLOCK inside a callback, and nothing was done
 */
AHOY_API ahoy_status ahoy_callbacks_stop(uint64_t timeout_ms, ahoy_error **err);

/**
 * The status that the function returned. AHOY_E_INVALID_ARGUMENT for NULL.
 */
AHOY_API ahoy_status ahoy_error_status(const ahoy_error *error);

/**
 * A description of the failure: one line, and for a failed call a further line for each attempt;
 * an error about several settings has a line for each. It holds no header values, bodies or query
 * strings. Valid until the error is freed; empty for NULL.
 */
AHOY_API const char *ahoy_error_message(const ahoy_error *error);

/**
 * Whether the same call may succeed later and repeating it does no harm. Of AHOY_E_HTTP_STATUS: for
 * a 429, and for a 5xx but 501 of a request that may be carried out twice.
 */
AHOY_API bool ahoy_error_is_retryable(const ahoy_error *error);

/**
 * Whether the request may have been carried out although no answer came.
 */
AHOY_API bool ahoy_error_is_ambiguous(const ahoy_error *error);

/**
 * How many attempts the call made; 0 for errors that are not of a call.
 */
AHOY_API size_t ahoy_error_attempt_count(const ahoy_error *error);

/**
 * What ahoy_request_set_user_data gave the call; NULL where nothing did, and for errors that are
 * not of a call.
 */
AHOY_API void *ahoy_error_user_data(const ahoy_error *error);

/**
 * How long the call took, in microseconds; 0 for errors that are not of a call.
 */
AHOY_API uint64_t ahoy_error_elapsed_us(const ahoy_error *error);

/**
 * One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are
 * kept.
 */
AHOY_API const ahoy_attempt *ahoy_error_attempt_at(const ahoy_error *error, size_t index);

/**
 * For AHOY_E_HTTP_STATUS, the answer with its status, headers and body; else NULL. Borrowed.
 */
AHOY_API const ahoy_response *ahoy_error_response(const ahoy_error *error);

/**
 * Frees an error; NULL is fine.
 */
AHOY_API void ahoy_error_free(ahoy_error *error);

/**
 * The text: UTF-8 that ends with NUL. Valid until its handle is freed.
 *
 * @param length gets the number of bytes without the NUL; may be NULL
 * @return NULL for NULL, with a length of 0
 */
AHOY_API const char *ahoy_text_bytes(const ahoy_text *text, size_t *length);

/**
 * Frees a text; NULL is fine.
 */
AHOY_API void ahoy_text_free(ahoy_text *text);

/**
 * A host at a name or IP address and a port.
 *
 * Port 443 means https and any other http, unless ahoy_host_set_scheme says otherwise.
 *
 * A name is one endpoint, however many addresses it has: connections go to the first that can be
 * reached, and a retry goes to another one. To make an endpoint of each address, use
 * ahoy_provider_from_url with "dns://name:port".
 *
 * A unix socket is "unix:/path", wherever a host's address is asked for: balanced, checked and
 * retried like any other. Its port says http or https alone, its authority is "localhost" by
 * default, and its URL is its address.
 *
 * @param address host name, whose case does not matter, or IP address (IPv6 with or without
 *        brackets, an address of a link with its zone as in fe80::1%eth0), or "unix:" and a path of
 *        up to 103 bytes; copied
 * @param port TCP port, 1 to 65535
 * @return the host, or NULL where an argument is not valid
 */
AHOY_API AHOY_MUST_USE ahoy_host *ahoy_host_new(const char *address, uint16_t port);

/**
 * Sets the host's share of the traffic relative to the other hosts of its priority and zone.
 * Default 1.
 *
 * @param weight any number; 0 for no traffic, for a host that is to be drained, which then counts
 *        neither as available nor as failed
 */
AHOY_API ahoy_status ahoy_host_set_weight(ahoy_host *host, uint32_t weight, ahoy_error **err);

/**
 * Sets the zone that the host stands in, for balancers that know their own
 * (ahoy_balancer_set_zone). Default none.
 *
 * @param zone any text; copied
 */
AHOY_API ahoy_status ahoy_host_set_zone(ahoy_host *host, const char *zone, ahoy_error **err);

/**
 * Sets the host's priority; 0 comes first. The next priority takes a part of the traffic when less
 * than 72 % of a priority's endpoints are available, and all of it when none is. A call that has
 * failed at two endpoints of a priority goes on at another priority. A priority that was lost as a
 * whole is probed while the next one serves. Default 0.
 *
 * @param priority 0 to 127
 */
AHOY_API ahoy_status ahoy_host_set_priority(ahoy_host *host, uint32_t priority, ahoy_error **err);

/**
 * States the host's scheme, whatever its port.
 *
 * @param scheme AHOY_SCHEME_HTTP or AHOY_SCHEME_HTTPS
 */
AHOY_API ahoy_status ahoy_host_set_scheme(ahoy_host *host, int32_t scheme, ahoy_error **err);

/**
 * Sets what the Host header carries, apart from the address that is dialled. Default: the address,
 * with the port where it is not the scheme's own.
 *
 * @param authority such as "api.example.com" or "api.example.com:8443"; copied
 */
AHOY_API
ahoy_status ahoy_host_set_authority(ahoy_host *host,
                                    const char *authority,
                                    ahoy_error **err);

/**
 * Sets the name that TLS asks for and verifies. Default: the authority's host.
 *
 * @param server_name a DNS name or an IP address; copied
 */
AHOY_API
ahoy_status ahoy_host_set_server_name(ahoy_host *host,
                                      const char *server_name,
                                      ahoy_error **err);

/**
 * Frees a host; NULL is fine.
 */
AHOY_API void ahoy_host_free(ahoy_host *host);

/**
 * Waits until the balancer knows a list of endpoints, be it an empty one, as a program does before
 * it says that it is ready. It is a first use: it freezes the balancer and begins to watch its
 * provider. Calls need not wait for it: each waits for the list within its own limit. Blocks up to
 * timeout_ms.
 *
 * @param timeout_ms how long at most; 0 only looks, AHOY_FOREVER waits without end
 * @return AHOY_E_DISCOVERY if the provider fails or refuses and the time is up or no wait would
 *        help; AHOY_E_DEADLINE if it was silent; AHOY_E_WOULD_DEADLOCK inside a callback
 */
AHOY_API
ahoy_status ahoy_balancer_wait_ready(const ahoy_balancer *balancer,
                                     uint64_t timeout_ms,
                                     ahoy_error **err);

/**
 * How the balancer's list is known: an AHOY_LIST_ number. AHOY_LIST_NONE for NULL and before the
 * first use. Any thread.
 */
AHOY_API int32_t ahoy_balancer_list_state(const ahoy_balancer *balancer);

/**
 * How many milliseconds ago the provider last said that its list holds: with a list, by a change
 * or by a sign of life. AHOY_FOREVER where it never did, and for NULL. Any thread.
 */
AHOY_API uint64_t ahoy_balancer_list_age_ms(const ahoy_balancer *balancer);

/**
 * Why the provider fails now, without secrets; where it does not fail, why its list is empty, if
 * its answer says so, such as "web.example: no such name". Any thread.
 *
 * @return the text, to be freed with ahoy_text_free; NULL where there is none, and for NULL
 */
AHOY_API AHOY_MUST_USE ahoy_text *ahoy_balancer_list_error(const ahoy_balancer *balancer);

/**
 * The endpoints that a URL names, as they are and as they change. docs/discovery.md has the forms,
 * such as "dns://api.example.com:80?empty_hold=10s", and docs/options.md the options of each. The
 * registry is not asked before a balancer of the provider is used.
 *
 * @param url the source, its servers or name, and its options; credentials in it are shown nowhere
 * @param provider gets the provider, to be freed with ahoy_provider_free; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT for a URL or a value that is refused, AHOY_E_UNKNOWN_OPTION for
 *        an option that the source has not
 */
AHOY_API
ahoy_status ahoy_provider_from_url(const char *url,
                                   ahoy_provider **provider,
                                   ahoy_error **err);

/**
 * Sets an option by name, as a parameter of its URL does; ahoy_provider_option_key_at lists them.
 *
 * @param key such as "empty_hold"
 * @param value such as "10s"; a duration needs a unit. A value that is refused changes nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that the provider's source has not; the error names the
 *        nearest. AHOY_E_IN_USE after its first use
 */
AHOY_API
ahoy_status ahoy_provider_set(const ahoy_provider *provider,
                              const char *key,
                              const char *value,
                              ahoy_error **err);

/**
 * A provider of the first list that has endpoints, among those of the providers that
 * ahoy_provider_add_part adds. An earlier provider is waited for until it answers or fails; a later
 * one serves while the earlier ones have no endpoint, and never while its own list is not ready.
 *
 * @return the provider, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_provider *ahoy_provider_first_new(void);

/**
 * A provider of all endpoints of the providers that ahoy_provider_add_part adds; of an endpoint
 * that two of them have, the one added first says weight, zone and priority. One that fails is
 * left out as long as it has no list.
 *
 * @return the provider, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_provider *ahoy_provider_merge_new(void);

/**
 * Adds a provider to one made by ahoy_provider_first_new or ahoy_provider_merge_new, behind those
 * that were added before.
 *
 * @param part frozen from here on; still the caller's to free
 * @return AHOY_E_UNSUPPORTED if part is a custom provider, which is asked and tells nothing by
 *        itself; AHOY_E_INVALID_ARGUMENT if provider is none that takes others; AHOY_E_IN_USE after
 *        its first use
 */
AHOY_API
ahoy_status ahoy_provider_add_part(const ahoy_provider *provider,
                                   const ahoy_provider *part,
                                   ahoy_error **err);

/**
 * What the provider watches, for people: its source, what is watched there and how many endpoints
 * it told last. Never a token, a password or an option that holds one.
 *
 * @param text gets the text, to be freed with ahoy_text_free; NULL on failure
 */
AHOY_API
ahoy_status ahoy_provider_describe(const ahoy_provider *provider,
                                   ahoy_text **text,
                                   ahoy_error **err);

/**
 * An empty list that ahoy_provider_list_add fills.
 *
 * @return the provider, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_provider *ahoy_provider_list_new(void);

/**
 * Adds a server to a list. A server that is in the list already (same address, port and scheme)
 * counts once.
 *
 * @param address host name, IP address or "unix:/path", as for ahoy_host_new; copied
 * @param port TCP port, 1 to 65535; 443 means https
 * @return AHOY_E_INVALID_ARGUMENT also for a provider that is no list; AHOY_E_IN_USE after its
 *        first use
 */
AHOY_API
ahoy_status ahoy_provider_list_add(const ahoy_provider *provider,
                                   const char *address,
                                   uint16_t port,
                                   ahoy_error **err);

/**
 * Adds a host with its properties to a list.
 *
 * @param host copied; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_provider_list_add_host(const ahoy_provider *provider,
                                        const ahoy_host *host,
                                        ahoy_error **err);

/**
 * Puts another list in place of that of a provider made by ahoy_provider_list_new, for a host that
 * watches a registry of its own. May be called at any time, also after the first use: balancers
 * made from the provider take the list before this returns, or soon after it where another thread
 * is at it. Endpoints that stay keep their circuits, statistics and connections. An empty list
 * counts at once. Any thread; safe inside a callback.
 *
 * @param hosts the whole list, from ahoy_hosts_new; copied, and still the caller's to free
 * @return AHOY_E_UNSUPPORTED for a provider that is no list
 */
AHOY_API
ahoy_status ahoy_provider_list_replace(const ahoy_provider *provider,
                                       const ahoy_hosts *hosts,
                                       ahoy_error **err);

/**
 * An empty list of hosts for ahoy_provider_list_replace; ahoy_hosts_add fills it.
 *
 * @return the list, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_hosts *ahoy_hosts_new(void);

/**
 * Frees a list of ahoy_hosts_new; NULL is fine. Not for the one that a callback fills.
 */
AHOY_API void ahoy_hosts_free(ahoy_hosts *hosts);

/**
 * A provider whose list a function of the host fills.
 *
 * @param fn fills the list; called by one thread at a time for each balancer that has the provider
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @return the provider, or NULL where fn is NULL
 */
AHOY_API
AHOY_MUST_USE
ahoy_provider *ahoy_provider_custom_new(ahoy_provider_fn fn,
                                        void *user_data,
                                        ahoy_destroy_fn destroy);

/**
 * Adds a server to the list that a custom provider fills.
 *
 * @param address host name or IP address; copied
 * @param port TCP port, 1 to 65535; 443 means https
 */
AHOY_API
ahoy_status ahoy_hosts_add(ahoy_hosts *out,
                           const char *address,
                           uint16_t port,
                           ahoy_error **err);

/**
 * Adds a host with its properties to the list that a custom provider fills.
 *
 * @param host copied; still the caller's to free
 */
AHOY_API ahoy_status ahoy_hosts_add_host(ahoy_hosts *out, const ahoy_host *host, ahoy_error **err);

/**
 * Frees a provider; NULL is fine. Balancers made from it go on.
 */
AHOY_API void ahoy_provider_free(ahoy_provider *provider);

/**
 * Round robin: endpoints one after the other in the provider's order, from a random start.
 * Endpoints whose circuit does not admit are skipped, and their share is spread evenly.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_round_robin_new(const ahoy_provider *provider);

/**
 * Random: any endpoint whose circuit admits, all with the same chance.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_random_new(const ahoy_provider *provider);

/**
 * Replaces the random function of a random balancer. If it returns a number out of range, no
 * endpoint is picked.
 *
 * @param fn gets the number of candidates (endpoints whose circuit admits, in a stable order)
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @return AHOY_E_INVALID_ARGUMENT also for a balancer that is not random
 */
AHOY_API
ahoy_status ahoy_balancer_random_set_function(const ahoy_balancer *balancer,
                                              ahoy_random_fn fn,
                                              void *user_data,
                                              ahoy_destroy_fn destroy,
                                              ahoy_error **err);

/**
 * A balancer whose picks a function of the host makes.
 *
 * @param provider frozen from here on; still the caller's to free
 * @param fn gets the number of candidates (endpoints whose circuit admits and that this call has
 *        not tried, in the provider's order); an index out of range means none
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @return the balancer, or NULL where provider or fn is NULL
 */
AHOY_API
AHOY_MUST_USE
ahoy_balancer *ahoy_balancer_custom_new(const ahoy_provider *provider,
                                        ahoy_balancer_fn fn,
                                        void *user_data,
                                        ahoy_destroy_fn destroy);

/**
 * Sets the rules of the balancer's circuit breakers, in place of those set before, also by name.
 * Default: those of ahoy_breaker_new.
 *
 * @param breaker frozen from here on; still the caller's to free
 * @return AHOY_E_INVALID_ARGUMENT also if the breaker's settings do not go together
 */
AHOY_API
ahoy_status ahoy_balancer_set_breaker(const ahoy_balancer *balancer,
                                      const ahoy_breaker *breaker,
                                      ahoy_error **err);

/**
 * Picks an endpoint that would be used now, and takes no probe's permit: an open circuit whose
 * probe is due is shown but not probed. Blocks while the provider is asked, at first use; the first
 * list of one that tells its list by itself is not waited for: see ahoy_balancer_wait_ready.
 *
 * @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
 * @return AHOY_E_NO_ENDPOINTS if none is known or no circuit admits; AHOY_E_DISCOVERY if the
 *        provider failed at first use; AHOY_E_INVALID_ARGUMENT if the balancer's settings do not
 *        go together
 */
AHOY_API
ahoy_status ahoy_balancer_pick(const ahoy_balancer *balancer,
                               ahoy_endpoint **endpoint,
                               ahoy_error **err);

/**
 * Asks the provider for its list again. Endpoints that stay (same address, port and scheme) keep
 * their circuits: an endpoint that is down stays down. An empty list counts once the provider has
 * told no other for the time of its option empty_hold, 30 s by default.
 *
 * Blocks until the provider returns. One that tells its list by itself is asked to look again, and
 * not waited for.
 *
 * @return AHOY_E_DISCOVERY if the provider failed; the last good list stays in use.
 *        AHOY_E_WOULD_DEADLOCK inside a callback
 */
AHOY_API ahoy_status ahoy_balancer_update(const ahoy_balancer *balancer, ahoy_error **err);

/**
 * Adds an endpoint to those that the provider listed, at once and without asking the provider: for
 * hosts that are told of changes, such as by a watch. The next update follows the provider's list
 * alone again. The cost does not grow with the number of endpoints, except for balancers that go
 * by weight or key, which build their tables anew.
 *
 * A known endpoint (same address, port and scheme) gets the properties of host and keeps its
 * circuit. Blocks while the provider is asked, at first use. The first list of a provider that
 * tells its list by itself is an update too: add after ahoy_balancer_wait_ready.
 *
 * @param host copied; still the caller's to free
 * @return AHOY_E_DISCOVERY if the provider failed at first use; AHOY_E_WOULD_DEADLOCK inside a
 *        callback while an update is under way
 */
AHOY_API
ahoy_status ahoy_balancer_add_endpoint(const ahoy_balancer *balancer,
                                       const ahoy_host *host,
                                       ahoy_error **err);

/**
 * Removes an endpoint, at once and without asking the provider. Attempts under way end as they
 * would; its connections close after them. Blocks while the provider is asked, at first use.
 *
 * @param host says by address, port and scheme which one; still the caller's to free
 * @return AHOY_E_INVALID_ARGUMENT if it is not known; else as for ahoy_balancer_add_endpoint
 */
AHOY_API
ahoy_status ahoy_balancer_remove_endpoint(const ahoy_balancer *balancer,
                                          const ahoy_host *host,
                                          ahoy_error **err);

/**
 * The number of endpoints that the balancer knows: 0 before its first use, and for NULL. Any
 * thread.
 */
AHOY_API size_t ahoy_balancer_endpoint_count(const ahoy_balancer *balancer);

/**
 * The endpoint at an index, whatever its circuit says. Endpoints are ordered by priority, and
 * within a priority as in the provider's first list; one that joins later takes a place that
 * became free, or the last.
 *
 * @param index 0 to ahoy_balancer_endpoint_count - 1; the list may change between two calls
 * @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT if there is no such index
 */
AHOY_API
ahoy_status ahoy_balancer_endpoint_at(const ahoy_balancer *balancer,
                                      size_t index,
                                      ahoy_endpoint **endpoint,
                                      ahoy_error **err);

/**
 * Frees a balancer; NULL is fine. Clients and endpoints made from it go on.
 */
AHOY_API void ahoy_balancer_free(ahoy_balancer *balancer);

/**
 * Smooth weighted round robin, as in nginx: endpoints one after the other by their weights, each
 * spread as evenly as possible. Weights of 5, 1 and 1 give a a b a c a a. Each pick looks at every
 * endpoint, so this is for small sets; ahoy_balancer_round_robin_new honours weights as well, in
 * constant time.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
AHOY_MUST_USE
ahoy_balancer *ahoy_balancer_smooth_weighted_new(const ahoy_provider *provider);

/**
 * The recommended balancer: ahoy_balancer_p2c_new.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_new(const ahoy_provider *provider);

/**
 * Power of two choices, the recommended balancer; choose another for a reason below. Of two
 * endpoints drawn at random (three of more than 8) it picks the one that costs less: its average
 * latency, or the age of its attempts in flight where that says more, times the attempts in
 * flight, divided by the square of its success rate. So slow, hanging and failing endpoints lose
 * traffic before a limit or a circuit acts.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_p2c_new(const ahoy_provider *provider);

/**
 * Peak EWMA, as in Finagle: like ahoy_balancer_p2c_new, with another cost: a peak-sensitive
 * average of latency over 10 s, times the attempts in flight. Failures count as slow answers.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_peak_ewma_new(const ahoy_provider *provider);

/**
 * Least request: the endpoint with the fewest attempts in flight, of all up to 8, and of two drawn
 * at random among more. Where weights differ, a draw in proportion to weight over attempts in
 * flight (as in Envoy).
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
AHOY_MUST_USE
ahoy_balancer *ahoy_balancer_least_request_new(const ahoy_provider *provider);

/**
 * Sets how many endpoints a p2c or peak EWMA balancer compares. Default 2 of up to 8 endpoints, 3
 * of more.
 *
 * @param choices 1 to 8; 1 is a plain draw
 */
AHOY_API
ahoy_status ahoy_balancer_set_choices(const ahoy_balancer *balancer,
                                      uint32_t choices,
                                      ahoy_error **err);

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
AHOY_API
ahoy_status ahoy_balancer_set_load_header(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Ring hash: endpoints by the key of a call (ahoy_request_set_hash_key), on a ring of hashes
 * (ketama style, with xxHash64). When an endpoint leaves, only its own keys move. A call without a
 * key goes to any endpoint.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_ring_hash_new(const ahoy_provider *provider);

/**
 * Maglev: endpoints by the key of a call, in a lookup table. Faster and more even than a ring, but
 * a few more keys move when an endpoint leaves. A call without a key goes to any endpoint.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_maglev_new(const ahoy_provider *provider);

/**
 * Rendezvous hashing: endpoints by the key of a call, the one with the highest hash of key and
 * endpoint. Needs no table but looks at every endpoint, so this is for small sets. A call without
 * a key goes to any endpoint.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API AHOY_MUST_USE ahoy_balancer *ahoy_balancer_rendezvous_new(const ahoy_provider *provider);

/**
 * Sets the fewest and the most points of a ring, each of which takes 12 bytes. Each priority, and
 * each zone where the balancer goes by zones, has a ring of its own. Unless set, a ring has 100
 * points for each endpoint, at least 1,024 and at most 8,388,608. A minimum that is set takes the
 * place of both 100 and 1,024: with 1024 the ring is Envoy's. Only for ring hash.
 *
 * @param min at least 1
 * @param max min to 8388608
 */
AHOY_API
ahoy_status ahoy_balancer_set_ring_size(const ahoy_balancer *balancer,
                                        uint32_t min,
                                        uint32_t max,
                                        ahoy_error **err);

/**
 * Sets how many slots the table of a maglev balancer has. Default 65,537, which spreads up to 650
 * endpoints within 1 %.
 *
 * @param size a prime number up to 5000011
 */
AHOY_API
ahoy_status ahoy_balancer_set_table_size(const ahoy_balancer *balancer,
                                         uint32_t size,
                                         ahoy_error **err);

/**
 * Bounds the attempts in flight at an endpoint of a ring hash or maglev balancer to a multiple of
 * its share, so that a popular key does not overload it: above the bound the key's calls go
 * elsewhere (bounded loads). Default: not bounded.
 *
 * @param factor at least 1; 1.25 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_bounded_load(const ahoy_balancer *balancer,
                                           double factor,
                                           ahoy_error **err);

/**
 * Takes the key of a call from one of its headers, where its request states none: the value's
 * bytes are hashed. Replaces ahoy_balancer_set_hash_cookie. Only for balancers that go by key.
 *
 * @param name a header name
 */
AHOY_API
ahoy_status ahoy_balancer_set_hash_header(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Takes the key of a call from one of its cookies, where its request states none. Replaces
 * ahoy_balancer_set_hash_header. Only for balancers that go by key.
 *
 * @param name the cookie's name; case matters
 */
AHOY_API
ahoy_status ahoy_balancer_set_hash_cookie(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Slow start: lets an endpoint that joins, or whose circuit closes again, grow to its full share.
 * At a given time it takes the part (time / window) ^ (1 / aggression) of its turns, at least
 * min_ratio. Works with every balancer. Default: off.
 *
 * @param window_ms how long it takes, at least 1; up to 1000 has no effect, as the first second
 *        counts whole
 * @param min_ratio the share to begin with, 0 to 1; 0.1 is a good start
 * @param aggression the bend, above 0; 1 for a straight line, above 1 for faster at first
 */
AHOY_API
ahoy_status ahoy_balancer_set_slow_start(const ahoy_balancer *balancer,
                                         uint64_t window_ms,
                                         double min_ratio,
                                         double aggression,
                                         ahoy_error **err);

/**
 * Sets the share of available endpoints below which those are used too that failed answers,
 * ejection or a check took out: with few left, overloading them does more harm than asking the
 * others (panic threshold, as in Envoy). Such calls do not count for a circuit that would not have
 * admitted them. Endpoints that hang, cannot be connected to, or were opened by hand, are still
 * left alone. Default: off. Then calls fail while no circuit admits, after the wait of
 * ahoy_client_builder_set_wait_for_ready_ms.
 *
 * @param ratio 0 to 1; 0.5 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_panic_threshold(const ahoy_balancer *balancer,
                                              double ratio,
                                              ahoy_error **err);

/**
 * Sets the zone of this process. Endpoints of the same zone (ahoy_host_set_zone) get all its calls
 * while the zone's part of the endpoints is as large as its part of the callers, taken to be even;
 * otherwise the excess goes to the zones that have room. With fewer than 6 endpoints in rotation,
 * zones do not matter. Balancers that go by key ignore zones. Default: zones do not matter.
 *
 * @param zone the zone's name; copied
 */
AHOY_API
ahoy_status ahoy_balancer_set_zone(const ahoy_balancer *balancer,
                                   const char *zone,
                                   ahoy_error **err);

/**
 * Uses this many healthy endpoints of a large set, drawn at random for this process; when one
 * comes or goes, one connection changes at most (rendezvous subsetting, gRFC A68). The number
 * holds for each priority by itself. Where more than half of them are late or out, as many others
 * are added as are late, until it is clear whether the whole service is slow. Replaces
 * ahoy_balancer_set_deterministic_subset. Default: all are used.
 *
 * @param size at least 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_subset(const ahoy_balancer *balancer,
                                     uint32_t size,
                                     ahoy_error **err);

/**
 * Uses at least this many endpoints of a large set, chosen so that all clients together load every
 * endpoint alike (deterministic aperture, as in Finagle). The number holds for each priority by
 * itself. All clients must see the endpoints in the same order. Where fewer of them take calls,
 * the next ones in that order stand in. Replaces ahoy_balancer_set_subset. Default: all are used.
 *
 * @param size at least 1; 12 is a good start
 * @param client the number of this client, from 0
 * @param clients how many clients there are; above client
 */
AHOY_API
ahoy_status ahoy_balancer_set_deterministic_subset(const ahoy_balancer *balancer,
                                                   uint32_t size,
                                                   uint32_t client,
                                                   uint32_t clients,
                                                   ahoy_error **err);

/**
 * Switches on slow start over 2 s, outlier detection and health checks by connect. What is on
 * already stays as it is. None of it is a default: outlier detection needs a handful of endpoints
 * to compare, health checks open connections of their own, and slow start sends less to an
 * endpoint that has just come back. The client's part is
 * ahoy_client_builder_use_resilient_profile.
 */
AHOY_API
ahoy_status ahoy_balancer_use_resilient_profile(const ahoy_balancer *balancer,
                                                ahoy_error **err);

/**
 * Sets how many endpoints statistics show one by one: the busiest, by the attempts between two
 * snapshots. The others are shown as one, whose address is "other". Each costs 160 bytes. Default
 * 100.
 *
 * @param endpoints 0 to 10,000
 */
AHOY_API
ahoy_status ahoy_balancer_set_metrics_endpoints(const ahoy_balancer *balancer,
                                                uint32_t endpoints,
                                                ahoy_error **err);

/**
 * Limits the attempts in flight at each endpoint; above it, others are picked. Where all are full,
 * the call has no endpoint. One whose answer is streamed is in flight until the end of the body.
 * Default: no limit.
 *
 * @param attempts at least 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_max_in_flight(const ahoy_balancer *balancer,
                                            uint32_t attempts,
                                            ahoy_error **err);

/**
 * Sets an option by name, the same as its function does; ahoy_balancer_option_key_at lists them.
 * The rules of circuits are options of the balancer as well, as in "breaker_open_max".
 *
 * @param key such as "slow_start_window"
 * @param value such as "1.5s", "0.5" or "off"; a duration needs a unit. A value that is refused
 *        changes nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_balancer_set(const ahoy_balancer *balancer,
                              const char *key,
                              const char *value,
                              ahoy_error **err);

/**
 * Prequal, as in the paper of NSDI'24: picks by the load that endpoints report in answers to load
 * probes. These are small requests to random endpoints, sent on a library thread beside the calls;
 * no call waits for one. The last answers are kept. Of the endpoints with no more in flight than
 * most, the one with the lowest latency is picked, or else the one with the fewest in flight. That
 * reflects the load of all clients, where p2c sees only its own, and costs three load probes for
 * each call.
 *
 * A load probe is a GET of probe_path over HTTP/1.1, on connections of its own. The server answers
 * with status 200 and a header `ahoy-load: in_flight=3, latency_ms=4.2`: the requests that it works
 * on, and how long such requests took lately at about that load. What the header lacks, or all of
 * it if any part is broken, is replaced by what this client knows: its own attempts in flight, and
 * the time that the load probe took. A load probe fails with any other status, and after 3 ms
 * (ahoy_balancer_set_prequal_probes). Load probes do not count for circuits.
 *
 * While the answers say too little, the balancer acts like that of ahoy_balancer_p2c_new: with
 * fewer than 4 endpoints in rotation, where all clients would follow the same one; at first; and
 * while load probes fail. Weights count only then. Load probes begin with the first call of a
 * client, share its TLS settings, and are sent only while there are calls.
 *
 * @param provider frozen from here on; still the caller's to free
 * @param probe_path begins with /; its answers should cost next to nothing
 * @return the balancer, or NULL where provider is NULL or probe_path is not such a path
 */
AHOY_API
AHOY_MUST_USE
ahoy_balancer *ahoy_balancer_prequal_new(const ahoy_provider *provider,
                                         const char *probe_path);

/**
 * Sets how many load probes a prequal balancer sends, and what it makes of their answers. The
 * defaults are the paper's.
 *
 * @param pool answers kept, 2 to 256, at most half of the endpoints if there are few; default 16
 * @param max_age_ms how long an answer is kept, at least 1; default 1000
 * @param probes_per_call parts of one by chance, above removals_per_call, up to 100; default 3
 * @param removals_per_call answers removed by each call beside those used up, in turn the oldest
 *        and the worst, 0 to 100; default 1
 * @param hot an endpoint is hot if it has more in flight than this share of the answers told, 0 to
 *        1; default 0.84
 */
AHOY_API
ahoy_status ahoy_balancer_set_prequal(const ahoy_balancer *balancer,
                                      uint32_t pool,
                                      uint64_t max_age_ms,
                                      double probes_per_call,
                                      double removals_per_call,
                                      double hot,
                                      ahoy_error **err);

/**
 * Sets how the load probes of a prequal balancer are sent.
 *
 * @param timeout_ms how long an answer is waited for, at least 1; default 3. Over a wide network
 *        it must be longer
 * @param at_once how many may be under way at the same time, and one for each endpoint; further
 *        ones are not sent; 1 to 1024; default 64
 */
AHOY_API
ahoy_status ahoy_balancer_set_prequal_probes(const ahoy_balancer *balancer,
                                             uint64_t timeout_ms,
                                             uint32_t at_once,
                                             ahoy_error **err);

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
AHOY_API
ahoy_status ahoy_balancer_set_outlier_detection(const ahoy_balancer *balancer,
                                                bool enabled,
                                                ahoy_error **err);

/**
 * Sets for outlier detection how often outliers are looked for, how long they are ejected, and how
 * many may be out. Up to a tenth of base_ms, at most 3 s, is added at random to each time.
 * Switches outlier detection on.
 *
 * @param interval_ms between two looks, at least 1; default 10000
 * @param base_ms of the first ejection, and added with each further one, at least 1; default 30000
 * @param max_ms of any ejection, at least base_ms; default 300000
 * @param max_share of all endpoints that may be out, 0 to 1; default 0.5
 * @param min_healthy endpoints that stay in any case; default 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_outlier_ejection(const ahoy_balancer *balancer,
                                               uint64_t interval_ms,
                                               uint64_t base_ms,
                                               uint64_t max_ms,
                                               double max_share,
                                               uint32_t min_healthy,
                                               ahoy_error **err);

/**
 * Sets the rule of outlier detection on success rates. Switches outlier detection on.
 *
 * @param min_endpoints with enough attempts, below which a mean says nothing; default 5
 * @param min_calls of an endpoint between two looks; default 100
 * @param factor how many standard deviations below the mean make an outlier, from 0; default 1.9
 */
AHOY_API
ahoy_status ahoy_balancer_set_outlier_success_rate(const ahoy_balancer *balancer,
                                                   uint32_t min_endpoints,
                                                   uint32_t min_calls,
                                                   double factor,
                                                   ahoy_error **err);

/**
 * Sets the rule of outlier detection on the share of failures. Switches outlier detection on.
 *
 * @param share of failed attempts from which an endpoint is an outlier, 0 to 1; default 0.85
 * @param min_endpoints with enough attempts; default 5
 * @param min_calls of an endpoint between two looks; default 50
 */
AHOY_API
ahoy_status ahoy_balancer_set_outlier_failure_share(const ahoy_balancer *balancer,
                                                    double share,
                                                    uint32_t min_endpoints,
                                                    uint32_t min_calls,
                                                    ahoy_error **err);

/**
 * Health checks: a library thread asks endpoints of which calls have told nothing for a while. An
 * endpoint in rotation is checked every interval_ms, give or take a fifth, and one that is out
 * every second; while no call is made at all, each is checked once a minute.
 *
 * - Three checks in a row without an answer take an endpoint out of rotation, a wrong answer at
 *   once.
 * - Two checks in a row that pass bring it back.
 * - One that passes lets an open circuit try again, and ends an ejection by outlier detection. A
 *   mere connect does so only where connecting had failed: it tells nothing of answers.
 *
 * The checks begin with the first call of a client and share its TLS settings. Default: off.
 *
 * @param path to GET, whose answer must be 200; NULL for a mere connect
 * @param interval_ms at least 1; 3000 is a good start
 * @param timeout_ms of one check, at least 1; 1000 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_health_check(const ahoy_balancer *balancer,
                                           const char *path,
                                           uint64_t interval_ms,
                                           uint64_t timeout_ms,
                                           ahoy_error **err);

/**
 * Sets what checks must show; after ahoy_balancer_set_health_check.
 *
 * @param unhealthy checks in a row without an answer that take an endpoint out, 1 to 255; default
 *        3
 * @param healthy checks in a row that an endpoint must pass to come back, 1 to 255; default 2
 * @param out_interval_ms between two checks of one that is out, at least 1; default 1000
 * @return AHOY_E_INVALID_ARGUMENT also for a balancer without health checks
 */
AHOY_API
ahoy_status ahoy_balancer_set_health_thresholds(const ahoy_balancer *balancer,
                                                uint32_t unhealthy,
                                                uint32_t healthy,
                                                uint64_t out_interval_ms,
                                                ahoy_error **err);

/**
 * After an outage of all endpoints, admits available / min_working of the calls until the number
 * of available endpoints is stable for hold_ms, so that the first endpoints that come back are not
 * overwhelmed (as in brpc). Of the other calls, one for each endpoint whose probe is due asks that
 * one; the rest are AHOY_E_OVERLOADED. Default: off.
 *
 * @param min_working how many endpoints can just bear all traffic, at least 1
 * @param hold_ms from 0; 10000 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_outage_recovery(const ahoy_balancer *balancer,
                                              uint32_t min_working,
                                              uint64_t hold_ms,
                                              ahoy_error **err);

/**
 * The name or IP address, without brackets. Valid until the endpoint is freed; NULL for NULL.
 */
AHOY_API const char *ahoy_endpoint_address(const ahoy_endpoint *endpoint);

/**
 * The TCP port; 0 for NULL.
 */
AHOY_API uint16_t ahoy_endpoint_port(const ahoy_endpoint *endpoint);

/**
 * "scheme://address:port". Valid until the endpoint is freed; NULL for NULL.
 */
AHOY_API const char *ahoy_endpoint_url(const ahoy_endpoint *endpoint);

/**
 * Its share of the traffic relative to the others, as the provider tells it now: 1 by default, 0
 * for none; 0 for NULL and in a forked child.
 */
AHOY_API uint32_t ahoy_endpoint_weight(const ahoy_endpoint *endpoint);

/**
 * Its priority, as the provider tells it now: 0 is the first; 0 for NULL and in a forked child.
 */
AHOY_API uint32_t ahoy_endpoint_priority(const ahoy_endpoint *endpoint);

/**
 * The zone that it stood in when the handle was made. Valid until the endpoint is freed; NULL
 * where it has none, and for NULL.
 */
AHOY_API const char *ahoy_endpoint_zone(const ahoy_endpoint *endpoint);

/**
 * The circuit's state now: one of the AHOY_CIRCUIT_ numbers; -1 for NULL.
 */
AHOY_API int32_t ahoy_endpoint_state(const ahoy_endpoint *endpoint);

/**
 * Whether the circuit would let a request through now; false for NULL.
 */
AHOY_API bool ahoy_endpoint_available(const ahoy_endpoint *endpoint);

/**
 * Opens the circuit by hand: no traffic and no probe until ahoy_endpoint_close_circuit.
 *
 * @return AHOY_E_IN_USE where it is open already
 */
AHOY_API ahoy_status ahoy_endpoint_open_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Closes the circuit by hand: traffic flows at once, and what was counted before is forgotten.
 *
 * @return AHOY_E_IN_USE where it is closed already
 */
AHOY_API ahoy_status ahoy_endpoint_close_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Disables the circuit until ahoy_endpoint_open_circuit or ahoy_endpoint_close_circuit: every
 * attempt is let through and none counts. For an endpoint that must be asked whatever it answers.
 *
 * @return AHOY_E_IN_USE if it is disabled already
 */
AHOY_API ahoy_status ahoy_endpoint_disable_circuit(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Drains the endpoint: sends it no new attempts until ahoy_endpoint_resume, while those under way
 * go on. Its circuit shows open meanwhile. Opening, closing or disabling the circuit by hand ends
 * the drain as well.
 */
AHOY_API ahoy_status ahoy_endpoint_drain(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Ends ahoy_endpoint_drain: the endpoint gets attempts again.
 */
AHOY_API ahoy_status ahoy_endpoint_resume(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Frees an endpoint; NULL is fine. The balancer's own stays.
 */
AHOY_API void ahoy_endpoint_free(ahoy_endpoint *endpoint);

/**
 * Why an endpoint is available now or not: the first reason that holds.
 *
 * @param reason gets an AHOY_REASON_ number
 * @param text gets the same as one sentence with times and the last failure, to be freed with
 *        ahoy_text_free; NULL on failure
 * @return AHOY_E_FORKED in a forked child
 */
AHOY_API
ahoy_status ahoy_endpoint_reason(const ahoy_endpoint *endpoint,
                                 int32_t *reason,
                                 ahoy_text **text,
                                 ahoy_error **err);

/**
 * The state of all endpoints as text: one line for each, with its URL, why it is available or not,
 * its last failure, and where the balancer goes by load, its attempts in flight and their cost.
 * The text is for people, and changes between versions.
 *
 * @param text gets the text, to be freed with ahoy_text_free; empty where no endpoint is known yet
 */
AHOY_API
ahoy_status ahoy_balancer_explain(const ahoy_balancer *balancer,
                                  ahoy_text **text,
                                  ahoy_error **err);

/**
 * A breaker with the default rules.
 *
 * @return the breaker, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_breaker *ahoy_breaker_new(void);

/**
 * Sets how many failures in a row open a circuit. Default 5.
 *
 * @param failures at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_consecutive_failures(const ahoy_breaker *breaker,
                                                  uint32_t failures,
                                                  ahoy_error **err);

/**
 * Failures in a row no longer open a circuit.
 */
AHOY_API
ahoy_status ahoy_breaker_disable_consecutive_failures(const ahoy_breaker *breaker,
                                                      ahoy_error **err);

/**
 * Sets the share of failed calls that opens a circuit, counted over an exact window of time.
 * Default 0.5 of at least 10 calls in 10,000 ms.
 *
 * @param ratio above 0, up to 1; reached counts
 * @param window_ms at least 10
 * @param min_calls calls in the window below which the rule does not act; at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_failure_ratio(const ahoy_breaker *breaker,
                                           double ratio,
                                           uint64_t window_ms,
                                           uint32_t min_calls,
                                           ahoy_error **err);

/**
 * Sets the share of failed calls that opens a circuit, counted over the last calls instead of a
 * window of time: for endpoints that are asked seldom. The last of the two setters counts.
 *
 * @param ratio above 0, up to 1; reached counts
 * @param last_calls how many calls are remembered, two bytes each for every endpoint; 1 to 65,535
 * @param min_calls calls below which the rule does not act; at least 1; a number above last_calls
 *        counts as last_calls
 */
AHOY_API
ahoy_status ahoy_breaker_set_failure_ratio_count(const ahoy_breaker *breaker,
                                                 double ratio,
                                                 uint32_t last_calls,
                                                 uint32_t min_calls,
                                                 ahoy_error **err);

/**
 * Sets the share of slow calls that opens a circuit, whether they failed or not. It is counted
 * over the same window and with the same min_calls as the failure ratio, also where that is
 * disabled. Default: off.
 *
 * @param duration_ms from this time on a call is slow; at least 1
 * @param ratio above 0, up to 1; reached counts
 */
AHOY_API
ahoy_status ahoy_breaker_set_slow_calls(const ahoy_breaker *breaker,
                                        uint64_t duration_ms,
                                        double ratio,
                                        ahoy_error **err);

/**
 * The share of failed calls no longer opens a circuit.
 */
AHOY_API
ahoy_status ahoy_breaker_disable_failure_ratio(const ahoy_breaker *breaker,
                                               ahoy_error **err);

/**
 * Sets how long a circuit stays open: base at first, doubled with each further trip up to max,
 * each time give or take a quarter. After the time of ahoy_breaker_set_reset_after_ms closed it
 * starts from base again. Default 500 and 2,400 ms.
 *
 * @param base_ms at least 1
 * @param max_ms at least base_ms
 */
AHOY_API
ahoy_status ahoy_breaker_set_open_ms(const ahoy_breaker *breaker,
                                     uint64_t base_ms,
                                     uint64_t max_ms,
                                     ahoy_error **err);

/**
 * Sets the longest open time of a circuit that an answer opened which asked for a time itself
 * (Retry-After), to which up to a quarter is added at random. Default 30,000 ms.
 *
 * @param max_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_retry_after_max_ms(const ahoy_breaker *breaker,
                                                uint64_t max_ms,
                                                ahoy_error **err);

/**
 * Sets the longest open time of a circuit whose endpoint could not be connected to, give or take a
 * quarter. Default 1,000 ms: such a probe costs its caller nothing.
 *
 * While no endpoint takes calls, such endpoints are probed sooner, one at a time. The wait after
 * such a probe is a twentieth of the first open time (ahoy_breaker_set_open_ms), 25 ms by default,
 * or a quarter of the time that the outage has lasted, whichever is longer. So a service that was
 * away for 1 s is used again within another 250 ms.
 *
 * @param max_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_connect_open_max_ms(const ahoy_breaker *breaker,
                                                 uint64_t max_ms,
                                                 ahoy_error **err);

/**
 * Sets how many probes a half-open circuit lets through at once, all of which must succeed to
 * close it. Default 1.
 *
 * @param probes at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_half_open_probes(const ahoy_breaker *breaker,
                                              uint32_t probes,
                                              ahoy_error **err);

/**
 * Sets how long a probe may take; after that one more is let through, so that a circuit never
 * sticks. Default 3,000 ms.
 *
 * @param timeout_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_probe_timeout_ms(const ahoy_breaker *breaker,
                                              uint64_t timeout_ms,
                                              ahoy_error **err);

/**
 * Sets how long a circuit must be closed until its earlier trips are forgotten: one that opens
 * again before that stays open for longer. Default 60,000 ms.
 *
 * @param reset_after_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_reset_after_ms(const ahoy_breaker *breaker,
                                            uint64_t reset_after_ms,
                                            ahoy_error **err);

/**
 * Sets how many circuits stay closed whatever their endpoints answer, so that a service that
 * answers 5xx everywhere is still asked. Failed connects open these as well. A connect that timed
 * out within less than 1,250 ms by the default limit counts as a failed answer, since the call had
 * little time. Endpoints outside of a subset (ahoy_balancer_set_subset) count as closed: they
 * stand in for it. Default 1.
 *
 * While these fail as well, all endpoints serve that are out by their answers, ejection or a check:
 * until half are available, or until ahoy_breaker_set_open_ms's max_ms and a quarter, at most 10 s,
 * have passed since the last such failure.
 *
 * @param endpoints from 0; 0 lets answers open all
 */
AHOY_API
ahoy_status ahoy_breaker_set_min_closed(const ahoy_breaker *breaker,
                                        uint32_t endpoints,
                                        ahoy_error **err);

/**
 * Sets an option by name, the same as its function does; ahoy_breaker_option_key_at lists them.
 *
 * @param key such as "open_max"
 * @param value such as "1.5s" or "off"; a duration needs a unit. A value that is refused changes
 *        nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_breaker_set(const ahoy_breaker *breaker,
                             const char *key,
                             const char *value,
                             ahoy_error **err);

/**
 * Frees a breaker; NULL is fine. Balancers that took it go on.
 */
AHOY_API void ahoy_breaker_free(ahoy_breaker *breaker);

/**
 * Retry rules with the defaults.
 *
 * @return the rules, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_retry *ahoy_retry_new(void);

/**
 * Sets how many attempts a call may make, the first included. Default 3.
 *
 * An attempt that sent nothing, as where connecting is refused, is free while another endpoint
 * stands by: it costs no try. With 1 none is free, and such a failure ends the call.
 *
 * @param tries at least 1; -1 for no limit but the deadline
 */
AHOY_API ahoy_status ahoy_retry_set_tries(const ahoy_retry *retry, int32_t tries, ahoy_error **err);

/**
 * Sets the wait before the first retry, with full jitter its upper bound. Default 25 ms.
 *
 * @param delay_ms from 0
 */
AHOY_API
ahoy_status ahoy_retry_set_delay_ms(const ahoy_retry *retry,
                                    uint64_t delay_ms,
                                    ahoy_error **err);

/**
 * Sets the longest wait before a retry. Default 1,000 ms.
 *
 * @param max_delay_ms from 0
 */
AHOY_API
ahoy_status ahoy_retry_set_max_delay_ms(const ahoy_retry *retry,
                                        uint64_t max_delay_ms,
                                        ahoy_error **err);

/**
 * Sets the factor by which the wait grows from one retry to the next. Default 2.
 *
 * @param backoff a finite number, at least 0; 1 keeps the wait
 */
AHOY_API
ahoy_status ahoy_retry_set_backoff(const ahoy_retry *retry,
                                   double backoff,
                                   ahoy_error **err);

/**
 * Adds a random time between min and max to each wait, instead of full jitter: the first wait is
 * the delay plus such a time, each further one the wait before it times the backoff plus such a
 * time.
 *
 * @param min_ms the least that is added
 * @param max_ms at least min_ms; the same adds a fixed time
 */
AHOY_API
ahoy_status ahoy_retry_set_jitter_ms(const ahoy_retry *retry,
                                     uint64_t min_ms,
                                     uint64_t max_ms,
                                     ahoy_error **err);

/**
 * Draws each wait between 0 and the delay that has grown so far, which spreads callers that failed
 * together. The default.
 */
AHOY_API ahoy_status ahoy_retry_set_full_jitter(const ahoy_retry *retry, ahoy_error **err);

/**
 * Sets the kinds of failure that are tried again. Default AHOY_RETRY_ON_ALL.
 *
 * @param mask AHOY_RETRY_ON_ numbers, combined with |; 0 for none
 */
AHOY_API ahoy_status ahoy_retry_set_on(const ahoy_retry *retry, uint32_t mask, ahoy_error **err);

/**
 * Sets the statuses that AHOY_RETRY_ON_STATUS means. Default 429 and every 5xx but 501.
 *
 * @param statuses each 100 to 599; copied
 * @param count how many; 0 for none
 */
AHOY_API
ahoy_status ahoy_retry_set_statuses(const ahoy_retry *retry,
                                    const int32_t *statuses,
                                    size_t count,
                                    ahoy_error **err);

/**
 * Repeats requests of any method, also those that may have been carried out. Default false: only
 * idempotent ones (by method, or by ahoy_request_set_idempotent), or those that certainly were not
 * processed.
 *
 * @param any_method whether requests of any method are repeated
 */
AHOY_API
ahoy_status ahoy_retry_set_any_method(const ahoy_retry *retry,
                                      bool any_method,
                                      ahoy_error **err);

/**
 * Sets the longest Retry-After of a 429 or 503 that is waited for, never beyond the deadline; a
 * longer one ends the call with that answer. Default 300,000 ms.
 *
 * @param max_ms from 0
 */
AHOY_API
ahoy_status ahoy_retry_set_retry_after_max_ms(const ahoy_retry *retry,
                                              uint64_t max_ms,
                                              ahoy_error **err);

/**
 * Sets an option by name, the same as its function does; ahoy_retry_option_key_at lists them.
 *
 * @param key such as "max_delay"
 * @param value such as "1.5s" or "full"; a duration needs a unit. A value that is refused changes
 *        nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_retry_set(const ahoy_retry *retry,
                           const char *key,
                           const char *value,
                           ahoy_error **err);

/**
 * Frees retry rules; NULL is fine. Builders that took them go on.
 */
AHOY_API void ahoy_retry_free(ahoy_retry *retry);

/**
 * A builder with the defaults. Without a balancer and a base URL the client takes absolute URLs.
 *
 * @return the builder, never NULL
 */
AHOY_API AHOY_MUST_USE ahoy_client_builder *ahoy_client_builder_new(void);

/**
 * Sends the client's requests to the endpoints of a balancer, in place of an earlier balancer or
 * base URL.
 *
 * @param balancer frozen from here on; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_client_builder_set_balancer(ahoy_client_builder *builder,
                                             const ahoy_balancer *balancer,
                                             ahoy_error **err);

/**
 * Sends the client's requests to one URL, in place of an earlier balancer or base URL.
 *
 * @param base_url "http://host/path" or https; its path comes before each request's. An absolute
 *        URL of a request must be below it, so that no default header, Authorization for example,
 *        goes elsewhere
 */
AHOY_API
ahoy_status ahoy_client_builder_set_base_url(ahoy_client_builder *builder,
                                             const char *base_url,
                                             ahoy_error **err);

/**
 * Names the client in its statistics: each of its series has the label `client` with this name, by
 * which those of several clients of one process are told apart. Default: no such label.
 *
 * @param name such as "payments", without blanks around it or control characters; "off" for none
 */
AHOY_API
ahoy_status ahoy_client_builder_set_name(ahoy_client_builder *builder,
                                         const char *name,
                                         ahoy_error **err);

/**
 * Sets the retry rules, in place of those set before, also by name. Default: those of
 * ahoy_retry_new.
 *
 * @param retry frozen from here on; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_client_builder_set_retry(ahoy_client_builder *builder,
                                          const ahoy_retry *retry,
                                          ahoy_error **err);

/**
 * Adds a header to every request, unless the request has one of the same name. User-Agent, by
 * default "ahoy/VERSION", is replaced. A client that takes absolute URLs sends it to each of them:
 * credentials belong to a client with a base URL.
 *
 * @param name a header name; framing headers such as Content-Length are refused
 * @param value without CR, LF and other control characters; copied without blanks around it
 */
AHOY_API
ahoy_status ahoy_client_builder_add_header(ahoy_client_builder *builder,
                                           const char *name,
                                           const char *value,
                                           ahoy_error **err);

/**
 * Passes on a header of the inbound request (ahoy_request_forward_headers) with each attempt, in
 * place of the client's default of that name. A header of the request itself replaces both.
 *
 * @param name a header name; "Cookie" passes all cookies
 */
AHOY_API
ahoy_status ahoy_client_builder_forward_header(ahoy_client_builder *builder,
                                               const char *name,
                                               ahoy_error **err);

/**
 * Passes on one cookie of the inbound request (ahoy_request_forward_headers) with each attempt.
 * All cookies stand in one header.
 *
 * @param name the cookie's name; case matters
 */
AHOY_API
ahoy_status ahoy_client_builder_forward_cookie(ahoy_client_builder *builder,
                                               const char *name,
                                               ahoy_error **err);

/**
 * Sets how often a call asks the provider for a new list when no endpoint is left. Default 1.
 *
 * @param updates from 0; 0 never asks again
 */
AHOY_API
ahoy_status ahoy_client_builder_set_endpoint_updates(ahoy_client_builder *builder,
                                                     uint32_t updates,
                                                     ahoy_error **err);

/**
 * Sets how long a call waits for an endpoint while none takes calls: while the only one restarts,
 * all circuits are open, or the provider lists none. The time counts from the beginning of that
 * outage. Once it has passed, calls no longer wait but fail at once, with AHOY_E_NO_ENDPOINTS
 * where they made no attempt. The limit on the whole call ends a wait as well.
 *
 * Default: 250 ms, and at most half of the time that the call has left, for a process that is
 * replaced on its port. By default a call waits only where a probe will show whether an endpoint
 * is back: not where the provider lists none, and not where all circuits were opened by hand.
 * 3,000 ms, as in linkerd2's proxy, outlast most restarts. Only for a client with a balancer.
 *
 * @param wait_ms from 0; 0 fails calls at once; AHOY_FOREVER lets them wait as long as they may
 *        take, as gRPC's wait for ready
 */
AHOY_API
ahoy_status ahoy_client_builder_set_wait_for_ready_ms(ahoy_client_builder *builder,
                                                      uint64_t wait_ms,
                                                      ahoy_error **err);

/**
 * Limits a whole call: its attempts, waits and connects. Default 30,000 ms.
 *
 * @param timeout_ms 0 ends each call at once; AHOY_FOREVER for no limit
 */
AHOY_API
ahoy_status ahoy_client_builder_set_timeout_ms(ahoy_client_builder *builder,
                                               uint64_t timeout_ms,
                                               ahoy_error **err);

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
 * @param timeout_ms at least 1; AHOY_FOREVER for never
 */
AHOY_API
ahoy_status ahoy_client_builder_set_attempt_timeout_ms(ahoy_client_builder *builder,
                                                       uint64_t timeout_ms,
                                                       ahoy_error **err);

/**
 * Sets whether an attempt that passes its limit is cut and counts as failed, instead of going on
 * beside another. For servers that must not see a request twice at once. An answer that was on its
 * way is lost then: a service that becomes slower than the limit answers no call at all. Where no
 * limit is set, it is then 10,000 ms, or the attempt's share of the time left if that is less.
 * Default false.
 *
 * @param hard whether it is cut
 */
AHOY_API
ahoy_status ahoy_client_builder_set_attempt_timeout_hard(ahoy_client_builder *builder,
                                                         bool hard,
                                                         ahoy_error **err);

/**
 * Sets when a streamed answer is handed over, after which no other attempt is made: with its head,
 * or with the first byte of its body. With the byte, a server that sends a head and then hangs
 * costs no call; a stream whose first event comes late is handed over late. Default
 * AHOY_COMMIT_HEAD.
 *
 * @param commit AHOY_COMMIT_HEAD or AHOY_COMMIT_FIRST_BYTE
 */
AHOY_API
ahoy_status ahoy_client_builder_set_commit(ahoy_client_builder *builder,
                                           int32_t commit,
                                           ahoy_error **err);

/**
 * Limits name resolution, TCP connect and TLS handshake together. Default: the attempt's share of
 * the time left, and at most 3,000 ms. The share is at least 1,250 ms where twice that is left,
 * because a lost SYN is sent again after 1 s. With less left, it is at least 250 ms for TLS, or
 * all that is left.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for no limit but the attempt's
 */
AHOY_API
ahoy_status ahoy_client_builder_set_connect_timeout_ms(ahoy_client_builder *builder,
                                                       uint64_t timeout_ms,
                                                       ahoy_error **err);

/**
 * Limits the pauses of an answer's body, held whole or streamed: when no byte has come for this
 * long, its attempt ends with AHOY_E_TIMEOUT. For a streamed body the request's own limit
 * (ahoy_request_set_idle_timeout_ms) comes first. Default: off. A body that is held whole then has
 * only the limits of its attempt and its call; a streamed one has the default of
 * ahoy_request_set_idle_timeout_ms, which is 60 s where nothing is set.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for no limit
 */
AHOY_API
ahoy_status ahoy_client_builder_set_body_idle_timeout_ms(ahoy_client_builder *builder,
                                                         uint64_t timeout_ms,
                                                         ahoy_error **err);

/**
 * Sets how long an unused connection is kept. Default 60,000 ms. Where its server says that it
 * keeps it for less (Keep-Alive: timeout=5), it is kept for a second less than that.
 *
 * @param timeout_ms 0 keeps none; AHOY_FOREVER until the server closes it
 */
AHOY_API
ahoy_status ahoy_client_builder_set_idle_timeout_ms(ahoy_client_builder *builder,
                                                    uint64_t timeout_ms,
                                                    ahoy_error **err);

/**
 * Sets how many unused connections to one endpoint each I/O thread, and each blocking caller,
 * keeps. Not over HTTP/2, where there are at most 4. Default 256.
 *
 * @param connections from 0; 0 keeps none
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_idle_per_endpoint(ahoy_client_builder *builder,
                                                          uint32_t connections,
                                                          ahoy_error **err);

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
AHOY_API
ahoy_status ahoy_client_builder_set_max_connections_per_endpoint(ahoy_client_builder *builder,
                                                                 uint32_t connections,
                                                                 ahoy_error **err);

/**
 * Limits how long a connection is used, give or take a tenth, so that load follows changes of the
 * endpoints. Only for a client with a balancer. Default 600,000 ms.
 *
 * @param age_ms at least 1; AHOY_FOREVER for no limit
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_connection_age_ms(ahoy_client_builder *builder,
                                                          uint64_t age_ms,
                                                          ahoy_error **err);

/**
 * Opens connections to each endpoint before a call needs them: in the background, when the client
 * is built and when an endpoint joins, at most 256 at a time. A connect that fails is not repeated
 * and counts for no circuit; calls then connect themselves. Only for a client with a balancer.
 * Default 0.
 *
 * @param connections 0 to 64 for each endpoint and I/O thread; HTTP/2 opens one for any number
 */
AHOY_API
ahoy_status ahoy_client_builder_set_warm_up(ahoy_client_builder *builder,
                                            uint32_t connections,
                                            ahoy_error **err);

/**
 * Bounds the decoded body of an answer; a larger one is AHOY_E_BODY_TOO_LARGE. Default 64 MiB.
 *
 * The head of an answer is bounded by 262,144 bytes, with the interim answers before it, and by
 * 24,000 headers; a larger one is AHOY_E_PROTOCOL. That is no setting.
 *
 * @param bytes from 0
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_body_bytes(ahoy_client_builder *builder,
                                                   uint64_t bytes,
                                                   ahoy_error **err);

/**
 * Asks for compressed answers and decodes them: gzip, brotli (br) and zstd, of which a build may
 * leave out the last two. Default true.
 *
 * @param gzip whether compressed answers are asked for
 */
AHOY_API
ahoy_status ahoy_client_builder_set_gzip(ahoy_client_builder *builder,
                                         bool gzip,
                                         ahoy_error **err);

/**
 * Speaks HTTP/2: few connections to an endpoint, each shared by many calls. Only for a client with
 * a balancer. Default AHOY_HTTP2_OFF.
 *
 * The connections live on I/O threads, so a blocking call is handed to one of them and hooks run
 * there.
 *
 * @param mode AHOY_HTTP2_OFF, AHOY_HTTP2_ALPN or AHOY_HTTP2_PRIOR_KNOWLEDGE
 */
AHOY_API
ahoy_status ahoy_client_builder_set_http2(ahoy_client_builder *builder,
                                          int32_t mode,
                                          ahoy_error **err);

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
 * over. One redirect too many is AHOY_E_PROTOCOL and not tried again.
 *
 * @param redirects 0 to 50
 */
AHOY_API
ahoy_status ahoy_client_builder_set_redirects(ahoy_client_builder *builder,
                                              uint32_t redirects,
                                              ahoy_error **err);

/**
 * Holds each request's body back until the server has asked for it (Expect: 100-continue), for at
 * most 1 s, and sends none where the server answers first. Not with a proxy. Default false; a
 * request with a header Expect of that value does so in any case.
 *
 * @param expect_continue whether bodies are held back
 */
AHOY_API
ahoy_status ahoy_client_builder_set_expect_continue(ahoy_client_builder *builder,
                                                    bool expect_continue,
                                                    ahoy_error **err);

/**
 * Makes an answer of 4xx or 5xx AHOY_E_HTTP_STATUS, whose error keeps the answer. Default false.
 *
 * @param fail whether such an answer is an error
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fail_on_status(ahoy_client_builder *builder,
                                                   bool fail,
                                                   ahoy_error **err);

/**
 * Trusts further certificates for https, beside the platform's.
 *
 * @param pem one or more certificates in PEM; copied, and checked when the client is built
 * @param length number of bytes
 */
AHOY_API
ahoy_status ahoy_client_builder_add_ca_pem(ahoy_client_builder *builder,
                                           const uint8_t *pem,
                                           size_t length,
                                           ahoy_error **err);

/**
 * Trusts the platform's certificates for https. Default true. With false nothing is trusted but
 * what ahoy_client_builder_add_ca_pem and ahoy_client_builder_set_ca_file name; without either the
 * client cannot be built.
 *
 * @param trust whether the platform's certificates are trusted
 */
AHOY_API
ahoy_status ahoy_client_builder_set_platform_roots(ahoy_client_builder *builder,
                                                   bool trust,
                                                   ahoy_error **err);

/**
 * Sets the certificate that the client presents to servers that ask for one (mutual TLS). Default:
 * none.
 *
 * Keys are RSA (2048 to 4096 bits), P-256, P-384 or Ed25519. Those of servers are as well, and of
 * the authorities behind them, whose RSA may have up to 8192 bits. P-521 is not among them.
 *
 * @param certificate_pem the chain in PEM, own certificate first; copied, and checked when the
 *        client is built
 * @param certificate_length number of bytes
 * @param key_pem the private key in PEM; copied
 * @param key_length number of bytes
 */
AHOY_API
ahoy_status ahoy_client_builder_set_client_certificate_pem(ahoy_client_builder *builder,
                                                           const uint8_t *certificate_pem,
                                                           size_t certificate_length,
                                                           const uint8_t *key_pem,
                                                           size_t key_length,
                                                           ahoy_error **err);

/**
 * Sets an option by name, the same as its function does; ahoy_client_option_key_at lists them. The
 * rules of retries are options of the client as well, as in "retry_tries".
 *
 * @param key such as "attempt_timeout"
 * @param value such as "1.5s", "64KiB" or "off"; a duration needs a unit. A value that is refused
 *        changes nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_client_builder_set(ahoy_client_builder *builder,
                                    const char *key,
                                    const char *value,
                                    ahoy_error **err);

/**
 * Builds a client. Nothing is contacted, except by ahoy_client_builder_set_warm_up: the provider
 * is asked and connections are made by the first call.
 *
 * @param client gets the client, to be freed with ahoy_client_free; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT if settings do not go together, and the error names all of them;
 *        also if a certificate or key is unusable
 */
AHOY_API
ahoy_status ahoy_client_builder_build(const ahoy_client_builder *builder,
                                      ahoy_client **client,
                                      ahoy_error **err);

/**
 * Frees a builder; NULL is fine. Clients made from it go on.
 */
AHOY_API void ahoy_client_builder_free(ahoy_client_builder *builder);

/**
 * Trusts further certificates for https, beside the platform's and those of
 * ahoy_client_builder_add_ca_pem, as long as they stand in a file. Default: off.
 *
 * The file is read when the client is built, and again when it was replaced or written to: it is
 * looked at when a connection is made, at most once a second. A file that cannot be read or used
 * changes nothing, and connections that stand go on. To change authorities, let the file hold the
 * old and the new one until every server has its new certificate. The log is told (target "tls"):
 * renewals at AHOY_LOG_INFO; at AHOY_LOG_WARN a file that cannot be used, and a certificate with
 * less than a tenth of its time left. Calls through a proxy keep what their first connection
 * found.
 *
 * @param path of one or more certificates in PEM, up to 4 MiB; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_ca_file(ahoy_client_builder *builder,
                                            const char *path,
                                            ahoy_error **err);

/**
 * Sets the file of the certificate that the client presents to servers that ask for one (mutual
 * TLS), in place of that of ahoy_client_builder_set_client_certificate_pem. Needs
 * ahoy_client_builder_set_key_file. Default: off.
 *
 * Both files are read again when they change, as ahoy_client_builder_set_ca_file says. Where the
 * certificate was replaced and its key not yet, the pair before stays in use.
 *
 * @param path of the chain in PEM, own certificate first; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_certificate_file(ahoy_client_builder *builder,
                                                     const char *path,
                                                     ahoy_error **err);

/**
 * Sets the file of the private key for ahoy_client_builder_set_certificate_file. Default: off.
 *
 * @param path of the key in PEM; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_key_file(ahoy_client_builder *builder,
                                             const char *path,
                                             ahoy_error **err);

/**
 * Sends all calls through a proxy; only for a client without a balancer. Default: no proxy.
 *
 * A target that cannot go through it byte for byte is AHOY_E_INVALID_ARGUMENT. Every failure but
 * that of connecting counts as sent. The url is never logged or quoted.
 *
 * @param proxy "http://host:port", which carries https by CONNECT, "https://..." or
 *        "socks5h://..."; a user and a password as in "http://user:password@host:port",
 *        percent-encoded; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_proxy(ahoy_client_builder *builder,
                                          const char *proxy,
                                          ahoy_error **err);

/**
 * Sets which hosts are reached without the proxy. Default: none.
 *
 * @param no_proxy names, addresses and networks, separated by commas or blanks: "example.com" (and
 *        all below it), "10.0.0.0/8", "::1", or "*" for all; copied. One with a port, or that is
 *        none of these, is refused, since its host would be reached through the proxy.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_no_proxy(ahoy_client_builder *builder,
                                             const char *no_proxy,
                                             ahoy_error **err);

/**
 * Takes proxies from the environment where none is set: http_proxy, https_proxy, HTTPS_PROXY,
 * all_proxy, ALL_PROXY, and no_proxy, NO_PROXY. It is read once, by ahoy_client_builder_build on
 * the calling thread, which must not race with setenv. Default false: the environment is never
 * read.
 *
 * @param from_environment whether the environment is read
 */
AHOY_API
ahoy_status ahoy_client_builder_set_proxy_from_environment(ahoy_client_builder *builder,
                                                           bool from_environment,
                                                           ahoy_error **err);

/**
 * Chooses where the addresses of names come from. Default AHOY_RESOLVER_DNS.
 *
 * AHOY_RESOLVER_DNS reads the hosts file and resolv.conf, again when they change. It asks the name
 * servers in their order, for IPv6 and IPv4 at once, and keeps answers by their time to live,
 * negative ones for at most 5 seconds. It needs no thread. Choose it unless a name is known to the
 * system only.
 *
 * AHOY_RESOLVER_SYSTEM knows all that the system is set up for: nsswitch.conf, mDNS (.local),
 * LDAP, the split DNS of a VPN. It costs up to 8 library threads while names are resolved, and a
 * silent name service can hold each for 30 s. Answers are kept for 5 s, since the C library tells
 * no time to live, and the C library reads environment variables such as RES_OPTIONS.
 *
 * A name service that fails or is silent opens no circuit, and neither does a name that exists and
 * has no address at present. A name that does not exist does.
 *
 * @param resolver one of the AHOY_RESOLVER_ numbers
 */
AHOY_API
ahoy_status ahoy_client_builder_set_resolver(ahoy_client_builder *builder,
                                             int32_t resolver,
                                             ahoy_error **err);

/**
 * Sets for how long the last known addresses of a name go on serving beyond their time to live,
 * while the name service is silent or fails (RFC 8767). Kept connections go on in any case.
 * Default 86,400,000 ms, one day.
 *
 * @param max_stale_ms 0 for never; AHOY_FOREVER for ever
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_stale_ms(ahoy_client_builder *builder,
                                                 uint64_t max_stale_ms,
                                                 ahoy_error **err);

/**
 * Sets the address of this host that connections come from. Endpoints of the other address family
 * cannot be reached then; unix sockets are not affected. Default: off, the system chooses.
 *
 * @param address an IP address; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_local_address(ahoy_client_builder *builder,
                                                  const char *address,
                                                  ahoy_error **err);

/**
 * Sets the network interface that connections leave by (SO_BINDTODEVICE). Only on Linux: elsewhere
 * each connection fails. Default: off, the system chooses.
 *
 * @param name of the interface, such as "eth0", 1 to 15 bytes; or "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_interface(ahoy_client_builder *builder,
                                              const char *name,
                                              ahoy_error **err);

/**
 * Switches on TCP keepalive: the system asks whether the peer is still there after this time
 * without traffic, and as often from then on. Default: off; a pool closes idle connections, and
 * attempts have limits.
 *
 * @param after_ms 1000 to 32767000, of which whole seconds count
 */
AHOY_API
ahoy_status ahoy_client_builder_set_tcp_keepalive_ms(ahoy_client_builder *builder,
                                                     uint64_t after_ms,
                                                     ahoy_error **err);

/**
 * Limits how long sent bytes may stay unacknowledged before the system gives a connection up
 * (TCP_USER_TIMEOUT). Only on Linux: elsewhere each connection fails. Default: off.
 *
 * @param timeout_ms 1000 to 32767000
 */
AHOY_API
ahoy_status ahoy_client_builder_set_tcp_user_timeout_ms(ahoy_client_builder *builder,
                                                        uint64_t timeout_ms,
                                                        ahoy_error **err);

/**
 * States addresses of names, for which no name service is asked then, as curl's --resolve does.
 * TLS and the Host header still have the name. Not with a proxy. Default: off.
 *
 * @param entries "name:port:address" or "name:port:address,address", separated by spaces; or
 *        "off"; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_set_resolve(ahoy_client_builder *builder,
                                            const char *entries,
                                            ahoy_error **err);

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
 * the stock of ahoy_client_builder_set_retry_budget_stock. Without limit on the tries
 * (ahoy_retry_set_tries) there is no budget by default.
 *
 * @param share extra attempts for each call, from 0; 0.2 is Finagle's, 0.1 keeps the load of a
 *        chain of services low
 * @param floor_per_second extra attempts that are allowed in any case; 0 is better in a fleet of
 *        more than 1,000 clients
 * @param window_ms the time over which calls are counted, 1000 to 60000
 */
AHOY_API
ahoy_status ahoy_client_builder_set_retry_budget(ahoy_client_builder *builder,
                                                 double share,
                                                 uint32_t floor_per_second,
                                                 uint64_t window_ms,
                                                 ahoy_error **err);

/**
 * Sets a stock of extra attempts that are granted when the retry budget has none left, as in a
 * burst of calls on a new client. A call draws on it at most twice, once for a failed attempt and
 * once for a late one. Ten successful calls put one back; a forked child begins with 10 at most.
 * Default 100, or 0 once ahoy_client_builder_set_retry_budget was called. Switches on a budget
 * that was off.
 *
 * @param attempts 0 for none
 */
AHOY_API
ahoy_status ahoy_client_builder_set_retry_budget_stock(ahoy_client_builder *builder,
                                                       uint32_t attempts,
                                                       ahoy_error **err);

/**
 * Switches on two protections that have a price: hedges for the slowest twentieth of calls that
 * may be carried out twice, and a limit of 1,024 calls in flight. With the limit comes a queue:
 * 1,024 more calls wait for room, each for up to 1 s. What is on already stays as it is. Neither
 * is a default: hedges send up to 5 % more requests, and calls for which no room comes are refused
 * with AHOY_E_OVERLOADED. Take it for services whose requests are cheap to repeat, together with
 * ahoy_balancer_use_resilient_profile. README compares it with the defaults by measurement.
 */
AHOY_API
ahoy_status ahoy_client_builder_use_resilient_profile(ahoy_client_builder *builder,
                                                      ahoy_error **err);

/**
 * Limits retries and hedges by their other rules only.
 */
AHOY_API
ahoy_status ahoy_client_builder_disable_retry_budget(ahoy_client_builder *builder,
                                                     ahoy_error **err);

/**
 * Hedges: sends a copy of an attempt to another endpoint when no answer came within this time. The
 * first good answer wins, and the losing attempt is cancelled. Only requests that may be carried
 * out twice are hedged, within the budget and max_extra, and none while the limit on calls in
 * flight is reached or has refused or delayed calls in the last 3 s. Default: off.
 *
 * @param delay_ms at least 1
 * @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_hedge_delay_ms(ahoy_client_builder *builder,
                                                   uint64_t delay_ms,
                                                   double max_extra,
                                                   ahoy_error **err);

/**
 * Hedges like ahoy_client_builder_set_hedge_delay_ms, after the time in which all but max_extra of
 * the last answers came: 0.05 hedges the slowest twentieth. The answers are those of the last 3 s,
 * or of the last minute where 3 s had fewer than 50. Before there are 20, an attempt is hedged
 * when it passes its limit. Default: off.
 *
 * @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_hedge(ahoy_client_builder *builder,
                                          double max_extra,
                                          ahoy_error **err);

/**
 * Limits the calls in flight. A further call is AHOY_E_OVERLOADED, unless it may wait
 * (ahoy_client_builder_set_wait_queue). A streamed call counts until the end of its body. Replaces
 * an adaptive limit. Default: no limit.
 *
 * @param calls at least 1
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_in_flight(ahoy_client_builder *builder,
                                                  uint32_t calls,
                                                  ahoy_error **err);

/**
 * Limits the calls in flight to what the service answers in good time (Gradient2, as in Netflix's
 * concurrency-limits): the limit falls while answers take longer than they used to, and grows
 * while they do not. Replaces a fixed limit. Default: no limit.
 *
 * @param start the limit before the first answer, from floor to ceiling; 20 is a good start
 * @param floor the least limit, at least 1; 20 is a good start
 * @param ceiling the greatest limit, at least floor; 200 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_adaptive_limit(ahoy_client_builder *builder,
                                                   uint32_t start,
                                                   uint32_t floor,
                                                   uint32_t ceiling,
                                                   ahoy_error **err);

/**
 * Lets calls above the limit wait for room. The most important goes first
 * (ahoy_request_set_criticality), and of equal ones the oldest. In a full queue a more important
 * call takes the place of the least important. A call for which no room came in time is
 * AHOY_E_OVERLOADED, also if its deadline ended the wait. Default: no call may wait.
 *
 * @param length how many calls may wait; 0 for none
 * @param timeout_ms how long a call waits at most, within its deadline; 100 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_wait_queue(ahoy_client_builder *builder,
                                               uint32_t length,
                                               uint64_t timeout_ms,
                                               ahoy_error **err);

/**
 * Refuses calls in the client (AHOY_E_OVERLOADED) while the service refuses most of them by 429 or
 * 503 or does not answer: about k calls are sent for each that is accepted (client-side
 * throttling, as in Google's SRE book). One call a second is sent in any case, and calls of which
 * nothing was sent do not count. Default: off.
 *
 * @param k at least 1; 2 is a good start
 * @param window_ms the time over which calls are counted, at least 1; 120000 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_adaptive_throttle(ahoy_client_builder *builder,
                                                      double k,
                                                      uint64_t window_ms,
                                                      ahoy_error **err);

/**
 * Tells the service how long each attempt may take, in whole milliseconds, or in gRPC's form for
 * grpc-timeout. A header of this name of the inbound request (ahoy_request_forward_headers)
 * shortens the call's own limit: the time left shrinks from hop to hop. Default: off.
 *
 * @param name a header name, such as X-Request-Timeout-Ms
 */
AHOY_API
ahoy_status ahoy_client_builder_set_deadline_header(ahoy_client_builder *builder,
                                                    const char *name,
                                                    ahoy_error **err);

/**
 * Tells the service an attempt's number, from 1. Default: off.
 *
 * @param name a header name, such as X-Attempt
 */
AHOY_API
ahoy_status ahoy_client_builder_set_attempt_header(ahoy_client_builder *builder,
                                                   const char *name,
                                                   ahoy_error **err);

/**
 * Lets an answer say by a header when its call may be repeated: after that many milliseconds, or
 * never where the value is negative or no number. A service that is refused itself passes -1 on to
 * spare the one behind it. Default: off.
 *
 * @param name a header name, such as grpc-retry-pushback-ms
 */
AHOY_API
ahoy_status ahoy_client_builder_set_pushback_header(ahoy_client_builder *builder,
                                                    const char *name,
                                                    ahoy_error **err);

/**
 * Says what is done with W3C traces: the traceparent header of the request, or else of the inbound
 * request (ahoy_request_forward_headers), whose tracestate goes along. Default AHOY_TRACE_OFF.
 *
 * @param mode one of the AHOY_TRACE_ numbers
 */
AHOY_API
ahoy_status ahoy_client_builder_set_trace(ahoy_client_builder *builder,
                                          int32_t mode,
                                          ahoy_error **err);

/**
 * Sets the hook before each attempt, in place of an earlier one.
 *
 * @param fn the hook
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_request(ahoy_client_builder *builder,
                                           ahoy_request_fn fn,
                                           void *user_data,
                                           ahoy_destroy_fn destroy,
                                           ahoy_error **err);

/**
 * Sets the hook after each answer, in place of an earlier one.
 *
 * @param fn the hook
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_response(ahoy_client_builder *builder,
                                            ahoy_response_fn fn,
                                            void *user_data,
                                            ahoy_destroy_fn destroy,
                                            ahoy_error **err);

/**
 * Sets the hook after each failed attempt, in place of an earlier one.
 *
 * @param fn the hook
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_error(ahoy_client_builder *builder,
                                         ahoy_error_fn fn,
                                         void *user_data,
                                         ahoy_destroy_fn destroy,
                                         ahoy_error **err);

/**
 * Lets signals end blocking calls. The function is asked on the calling thread after each signal
 * that the host caught there, and at least every 50 ms. Where it returns true, the call ends with
 * AHOY_E_INTERRUPTED. It must not block.
 *
 * @param fn returns whether to stop
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_set_should_stop(ahoy_client_builder *builder,
                                                ahoy_should_stop_fn fn,
                                                void *user_data,
                                                ahoy_destroy_fn destroy,
                                                ahoy_error **err);

/**
 * Ends a blocking call with AHOY_E_INTERRUPTED when a signal is caught on its thread, unless the
 * function of ahoy_client_builder_set_should_stop says otherwise. A signal that comes in the
 * moment when the thread does not wait leaves no trace; with ahoy_client_builder_set_should_stop
 * none is missed. Linux ends a wait also where the process is stopped and goes on, by job control
 * or a debugger: that counts as a caught signal. Default false.
 *
 * @param interruptible whether a caught signal ends a blocking call
 */
AHOY_API
ahoy_status ahoy_client_builder_set_interruptible(ahoy_client_builder *builder,
                                                  bool interruptible,
                                                  ahoy_error **err);

/**
 * Sets where the client's messages go, in place of an earlier function. Default: nowhere. No
 * message holds a header value, a body or a query string.
 *
 * @param level the lowest severity that is passed on: an AHOY_LOG_ number
 * @param fn gets each message
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_log(ahoy_client_builder *builder,
                                       int32_t level,
                                       ahoy_log_fn fn,
                                       void *user_data,
                                       ahoy_destroy_fn destroy,
                                       ahoy_error **err);

/**
 * Sets the host's own verdict on answers, in place of an earlier one. Circuits, outlier detection
 * and retries go by it. Default: by status, see ahoy_client_builder_set_failure_statuses and
 * ahoy_retry_set_statuses.
 *
 * @param fn returns the verdict on each answer
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_classify(ahoy_client_builder *builder,
                                            ahoy_classify_fn fn,
                                            void *user_data,
                                            ahoy_destroy_fn destroy,
                                            ahoy_error **err);

/**
 * Sets the statuses of answers by which an endpoint has failed, for its circuit and for outlier
 * detection. A 429 that is not among them asks for less. Default: every 5xx but 501. What is tried
 * again is another matter: see ahoy_retry_set_statuses.
 *
 * @param statuses each 100 to 599; copied
 * @param count how many; 0 for none
 */
AHOY_API
ahoy_status ahoy_client_builder_set_failure_statuses(ahoy_client_builder *builder,
                                                     const int32_t *statuses,
                                                     size_t count,
                                                     ahoy_error **err);

/**
 * Sets the hook after each call, in place of an earlier one. It runs before the call's result is
 * handed over, and not for a request that does not fit the client.
 *
 * @param fn the hook
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_call_end(ahoy_client_builder *builder,
                                            ahoy_call_end_fn fn,
                                            void *user_data,
                                            ahoy_destroy_fn destroy,
                                            ahoy_error **err);

/**
 * Answers a share of the attempts with a status, for tests of what then happens. They are not
 * sent; circuits, retries and hooks take them for answers of their endpoints. Attempts and
 * statistics tell them (ahoy_attempt_faults). Default: off.
 *
 * @param status 200 to 599
 * @param share from 0 to 1 of the attempts
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fault_abort(ahoy_client_builder *builder,
                                                int32_t status,
                                                double share,
                                                ahoy_error **err);

/**
 * Sends a share of the attempts later, for tests of what then happens. The time counts for their
 * limits. Default: off.
 *
 * @param delay_ms from 0
 * @param share from 0 to 1 of the attempts
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fault_delay(ahoy_client_builder *builder,
                                                uint64_t delay_ms,
                                                double share,
                                                ahoy_error **err);

/**
 * Lets a share of the attempts fail as if their connection was reset after the request was sent,
 * for tests of what then happens. They are not sent. Default: off.
 *
 * @param share from 0 to 1 of the attempts
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fault_reset(ahoy_client_builder *builder,
                                                double share,
                                                ahoy_error **err);

/**
 * Spares requests that do not have this header, whatever its value, from faults on demand. It goes
 * to the service as any other does. Default: all may suffer them.
 *
 * @param name a header name, such as X-Fault
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fault_header(ahoy_client_builder *builder,
                                                 const char *name,
                                                 ahoy_error **err);

/**
 * Sets what faults on demand are drawn from: the attempts of a client with the same number suffer
 * the same ones in the same order. Default: others each time.
 *
 * @param seed any number
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fault_seed(ahoy_client_builder *builder,
                                               uint32_t seed,
                                               ahoy_error **err);

/**
 * Hands out the secrets of the client's TLS sessions, with which Wireshark reads a capture of them,
 * in place of an earlier function. A reader of the lines can decrypt all that was sent. Default:
 * nobody gets them; SSLKEYLOGFILE of the environment is not looked at.
 *
 * @param fn gets each line
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_set_key_log(ahoy_client_builder *builder,
                                            ahoy_key_log_fn fn,
                                            void *user_data,
                                            ahoy_destroy_fn destroy,
                                            ahoy_error **err);

/**
 * Tells what goes over the client's connections, above TLS, in place of an earlier function, as
 * curl does with --trace. Masked in heads, by "***": the values of Authorization, Cookie,
 * Set-Cookie and Proxy-Authorization, of headers and of parameters in URLs whose names say that
 * they are credentials, and users and passwords in URLs. Bodies are as they are. Calls through a
 * proxy are not told. Default: nothing is told.
 *
 * @param fn gets each piece
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_set_wire_trace(ahoy_client_builder *builder,
                                               ahoy_wire_fn fn,
                                               void *user_data,
                                               ahoy_destroy_fn destroy,
                                               ahoy_error **err);

/**
 * How many options ahoy_client_builder_set knows. Any thread.
 */
AHOY_API size_t ahoy_client_option_count(void);

/**
 * The key of an option of ahoy_client_builder_set. Static text. Any thread.
 *
 * @param index 0 to ahoy_client_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_client_option_key_at(size_t index);

/**
 * The purpose of an option of ahoy_client_builder_set, its form, its default and its cost. Static
 * text. Any thread.
 *
 * @param index 0 to ahoy_client_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_client_option_description_at(size_t index);

/**
 * How many options ahoy_retry_set knows. Any thread.
 */
AHOY_API size_t ahoy_retry_option_count(void);

/**
 * The key of an option of ahoy_retry_set. Static text. Any thread.
 *
 * @param index 0 to ahoy_retry_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_retry_option_key_at(size_t index);

/**
 * The purpose of an option of ahoy_retry_set, its form, its default and its cost. Static
 * text. Any thread.
 *
 * @param index 0 to ahoy_retry_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_retry_option_description_at(size_t index);

/**
 * How many options ahoy_balancer_set knows. Any thread.
 */
AHOY_API size_t ahoy_balancer_option_count(void);

/**
 * The key of an option of ahoy_balancer_set. Static text. Any thread.
 *
 * @param index 0 to ahoy_balancer_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_balancer_option_key_at(size_t index);

/**
 * The purpose of an option of ahoy_balancer_set, its form, its default and its cost. Static
 * text. Any thread.
 *
 * @param index 0 to ahoy_balancer_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_balancer_option_description_at(size_t index);

/**
 * How many options ahoy_breaker_set knows. Any thread.
 */
AHOY_API size_t ahoy_breaker_option_count(void);

/**
 * The key of an option of ahoy_breaker_set. Static text. Any thread.
 *
 * @param index 0 to ahoy_breaker_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_breaker_option_key_at(size_t index);

/**
 * The purpose of an option of ahoy_breaker_set, its form, its default and its cost. Static
 * text. Any thread.
 *
 * @param index 0 to ahoy_breaker_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_breaker_option_description_at(size_t index);

/**
 * How many options ahoy_provider_set knows, those of all sources together. Any thread.
 */
AHOY_API size_t ahoy_provider_option_count(void);

/**
 * The key of an option of ahoy_provider_set. Static text. Any thread.
 *
 * @param index 0 to ahoy_provider_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_provider_option_key_at(size_t index);

/**
 * The purpose of an option of ahoy_provider_set, its form, its default, its cost, and the sources
 * that take it. Static text. Any thread.
 *
 * @param index 0 to ahoy_provider_option_count() - 1, in the order of keys
 * @return NULL out of range
 */
AHOY_API const char *ahoy_provider_option_description_at(size_t index);

/**
 * Makes a client from one text in JSON, which can hold all that a builder can be told but
 * functions: hosts, the URL of a provider or a base URL, balancer, circuits, retries, headers,
 * files of certificates, and every option by its key.
 *
 *     { "hosts": ["10.0.0.7:8080"], "timeout": "2s", "retry": { "tries": 2 } }
 *
 * What the text does not name has its default. docs/configuration.md tells all keys, and
 * docs/ahoy.schema.json is a JSON schema for it. Files are read now, each up to 1 MiB; nothing is
 * contacted, as by ahoy_client_builder_build.
 *
 * @param json not kept
 * @param client gets the client, to be freed with ahoy_client_free; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT, or AHOY_E_UNKNOWN_OPTION where nothing is wrong but unknown
 *         keys. The error names every fault, a line each, with its path in the text, such as
 *         "balancer.subset: is 0; the least is 1"; it quotes no header and no credential
 */
AHOY_API
ahoy_status ahoy_client_from_config(const char *json,
                                    ahoy_client **client,
                                    ahoy_error **err);

/**
 * Sets everything that a text in JSON can hold (ahoy_client_from_config), in place of all that was
 * set before; hooks, log and events stay.
 *
 * @param json not kept
 * @return as ahoy_client_from_config; on failure nothing is changed
 */
AHOY_API
ahoy_status ahoy_client_builder_set_config(ahoy_client_builder *builder,
                                           const char *json,
                                           ahoy_error **err);

/**
 * The configuration of a client as a text in JSON, as ahoy_client_from_config reads it: every
 * option that is in effect, hosts, balancer, circuits, retries, headers and files.
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
 *
 * @param text gets the text, to be freed with ahoy_text_free; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_config_text(const ahoy_client *client,
                                    ahoy_text **text,
                                    ahoy_error **err);

/**
 * Replaces the configuration of a client by that of a text (ahoy_client_from_config), all of it or
 * nothing. What the text does not name has its default, as for a new client. Calls under way go by
 * the configuration that they began with; hooks, log and events stay.
 *
 * Endpoints that the text still has keep their circuits, statistics and connections.
 * Connections are made anew where a setting of connections is another: those of TLS, proxy,
 * HTTP/2, sockets, resolver, max_stale, redirects, warm_up, connect_timeout, idle_timeout,
 * max_connection_age and the limits on connections.
 *
 * A text without hosts, provider and base_url leaves the hosts as they are; with neither balancer
 * nor breaker in it, the balancer as well. "****" stands for what the client has at present, so
 * the text of ahoy_client_config_text can be changed and given back. In a list it stands for what
 * the client has at the same place, so the list has as many entries as the client's.
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
 * @return as ahoy_client_from_config; AHOY_E_IN_USE if the balancer would change and is not this
 *         client's alone; AHOY_E_DISCOVERY if the provider failed; AHOY_E_CLOSED;
 *         AHOY_E_WOULD_DEADLOCK inside a callback. On failure nothing is changed
 */
AHOY_API
ahoy_status ahoy_client_reconfigure(const ahoy_client *client,
                                    const char *json,
                                    ahoy_error **err);

/**
 * Gives the balancer of a client: to explain it, or to drain an endpoint, also where a text made
 * the client and the balancer with it.
 *
 * It is the client's present one. Once ahoy_client_reconfigure has changed the balancer, the handle
 * shows what the former one was: ask again. The handle does not stand in the way of such a change.
 *
 * @param balancer gets a handle of its own, in use and to be freed with ahoy_balancer_free; NULL on
 *        failure
 * @return AHOY_E_UNSUPPORTED for a client without one: it has a base URL, or neither that nor hosts
 */
AHOY_API
ahoy_status ahoy_client_balancer(const ahoy_client *client,
                                 ahoy_balancer **balancer,
                                 ahoy_error **err);

/**
 * Sends GET and waits for the answer. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_get(const ahoy_client *client,
                            const char *path,
                            ahoy_response **response,
                            ahoy_error **err);

/**
 * Sends OPTIONS and waits for the answer. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_options(const ahoy_client *client,
                                const char *path,
                                ahoy_response **response,
                                ahoy_error **err);

/**
 * Sends HEAD and waits for the answer, which has no body. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_head(const ahoy_client *client,
                             const char *path,
                             ahoy_response **response,
                             ahoy_error **err);

/**
 * Sends DELETE and waits for the answer. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_delete(const ahoy_client *client,
                               const char *path,
                               ahoy_response **response,
                               ahoy_error **err);

/**
 * Sends POST with a body and waits for the answer. Not repeated once it may have been carried out.
 * Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param content_type the body's media type; NULL for none
 * @param body not kept; (NULL, 0) for an empty body
 * @param length number of bytes
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_post(const ahoy_client *client,
                             const char *path,
                             const char *content_type,
                             const uint8_t *body,
                             size_t length,
                             ahoy_response **response,
                             ahoy_error **err);

/**
 * Sends PUT with a body and waits for the answer. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param content_type the body's media type; NULL for none
 * @param body not kept; (NULL, 0) for an empty body
 * @param length number of bytes
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_put(const ahoy_client *client,
                            const char *path,
                            const char *content_type,
                            const uint8_t *body,
                            size_t length,
                            ahoy_response **response,
                            ahoy_error **err);

/**
 * Sends PATCH with a body and waits for the answer. Not repeated once it may have been carried
 * out. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a
 *        balancer
 * @param content_type the body's media type; NULL for none
 * @param body not kept; (NULL, 0) for an empty body
 * @param length number of bytes
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_patch(const ahoy_client *client,
                              const char *path,
                              const char *content_type,
                              const uint8_t *body,
                              size_t length,
                              ahoy_response **response,
                              ahoy_error **err);

/**
 * Sends a request and waits for the answer. Blocks up to the call's limit.
 *
 * @param request not changed; may be sent again
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_send(const ahoy_client *client,
                             const ahoy_request *request,
                             ahoy_response **response,
                             ahoy_error **err);

/**
 * Starts a request on an I/O thread and returns at once. Blocks while the provider is asked on this
 * thread: only where its option "callbacks" is "caller", and at the first use of the balancer.
 *
 * @param request not changed; may be sent again
 * @param call gets the call, to be freed with ahoy_call_free; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_start(const ahoy_client *client,
                              const ahoy_request *request,
                              ahoy_call **call,
                              ahoy_error **err);

/**
 * Starts a request on an I/O thread and returns at once; its completion comes on a queue. Blocks
 * while the provider is asked on this thread: only where its option "callbacks" is "caller", and at
 * the first use of the balancer.
 *
 * @param request not changed; may be sent again
 * @param queue where the completion comes, exactly one
 * @param tag any number; the completion carries it
 * @return AHOY_E_OVERLOADED where the queue is full; then and with any other failure no completion
 *        comes
 */
AHOY_API
ahoy_status ahoy_client_submit(const ahoy_client *client,
                               const ahoy_request *request,
                               const ahoy_queue *queue,
                               uint64_t tag,
                               ahoy_error **err);

/**
 * Closes a client: refuses new calls, waits for those under way, and ends the rest with
 * AHOY_E_CLOSED when the time is up; blocked callers wake. The handle is still to be freed. Blocks
 * up to timeout_ms, and 1 s more where calls are ended.
 *
 * After AHOY_OK no callback of this client runs or will run: no completion, hook, log, event,
 * should_stop, body or readable function, and no provider or balancer function on behalf of its
 * calls; nor do its queues get events. A balancer that other clients share goes on for them, and
 * destroy functions run when their handles are freed.
 *
 * @param timeout_ms 0 ends all calls at once; AHOY_FOREVER waits for the last. Calls that were
 *        ended get 1 s more to say so
 * @return AHOY_OK also where calls had to be ended, and for a client that is closed already;
 *         AHOY_E_DEADLINE where a callback outlasts the limit: the client is closed, and this
 *         function may be called again; AHOY_E_WOULD_DEADLOCK inside a callback
 */
AHOY_API
ahoy_status ahoy_client_close(const ahoy_client *client,
                              uint64_t timeout_ms,
                              ahoy_error **err);

/**
 * Frees a client; NULL is fine. Does not block: calls under way go on, and idle connections close
 * within about a second.
 */
AHOY_API void ahoy_client_free(ahoy_client *client);

/**
 * A request.
 *
 * @param method such as "GET" or "PURGE"; case matters
 * @param path path and query, starting with "/", or an absolute URL for a client without a
 *        balancer (with a base URL only one below it). It is sent byte for byte, up to 65000 of
 *        them. A byte that no request line can carry is refused: percent-encode all but printable
 *        ASCII, and #, <, > and ` in the path and " in the query. Below a base URL's path no ..
 *        may stand, in whatever form
 * @param request gets the request; NULL on failure
 */
AHOY_API
ahoy_status ahoy_request_new(const char *method,
                             const char *path,
                             ahoy_request **request,
                             ahoy_error **err);

/**
 * Adds a header; the same name may be added more than once, but Host, which must be a host with an
 * optional port. It replaces the client's default of that name.
 *
 * @param name a header name; framing headers such as Content-Length are refused
 * @param value without CR, LF and other control characters; copied without blanks around it
 */
AHOY_API
ahoy_status ahoy_request_add_header(ahoy_request *request,
                                    const char *name,
                                    const char *value,
                                    ahoy_error **err);

/**
 * Sets a header in place of all others of its name.
 *
 * @param name a header name; framing headers such as Content-Length are refused
 * @param value without CR, LF and other control characters; copied without blanks around it
 */
AHOY_API
ahoy_status ahoy_request_set_header(ahoy_request *request,
                                    const char *name,
                                    const char *value,
                                    ahoy_error **err);

/**
 * Takes the headers of an inbound request. The client passes on only those chosen by
 * ahoy_client_builder_forward_header and ahoy_client_builder_forward_cookie; headers that cannot
 * be passed on are left out.
 *
 * @param names count header names; copied
 * @param values count values; copied
 * @param count up to 1024
 */
AHOY_API
ahoy_status ahoy_request_forward_headers(ahoy_request *request,
                                         const char *const *names,
                                         const char *const *values,
                                         size_t count,
                                         ahoy_error **err);

/**
 * Sets the body, in place of an earlier one or its source.
 *
 * @param bytes copied; (NULL, 0) for none
 * @param length number of bytes
 */
AHOY_API
ahoy_status ahoy_request_set_body(ahoy_request *request,
                                  const uint8_t *bytes,
                                  size_t length,
                                  ahoy_error **err);

/**
 * Limits this call, its attempts, waits and connects included. Default: the client's limit.
 *
 * @param timeout_ms 0 ends it at once; AHOY_FOREVER for no limit
 */
AHOY_API
ahoy_status ahoy_request_set_timeout_ms(ahoy_request *request,
                                        uint64_t timeout_ms,
                                        ahoy_error **err);

/**
 * Sets how long an attempt of this call may take before the call looks elsewhere: see
 * ahoy_client_builder_set_attempt_timeout_ms. Default: the client's limit.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for never
 */
AHOY_API
ahoy_status ahoy_request_set_attempt_timeout_ms(ahoy_request *request,
                                                uint64_t timeout_ms,
                                                ahoy_error **err);

/**
 * Sets whether an attempt of this call that passes its limit is cut: see
 * ahoy_client_builder_set_attempt_timeout_hard. Default: as the client has it.
 *
 * @param hard whether it is cut, instead of going on beside another
 */
AHOY_API
ahoy_status ahoy_request_set_attempt_timeout_hard(ahoy_request *request,
                                                  bool hard,
                                                  ahoy_error **err);

/**
 * Names the group of calls that this one belongs to. Calls of a group take about the same time:
 * each group has its own 99th percentile, and from it its own attempt limit and hedge delay.
 * Without groups, a few slow reports make the limits of all calls long. A client keeps the first
 * 16 names; calls of further groups count with those that name none. Default: none.
 *
 * @param group 1 to 64 bytes, such as "reports"; copied
 */
AHOY_API
ahoy_status ahoy_request_set_group(ahoy_request *request,
                                   const char *group,
                                   ahoy_error **err);

/**
 * Sets whether the request may be carried out twice. Default: by its method (GET, HEAD, OPTIONS,
 * TRACE, PUT and DELETE may).
 *
 * @param idempotent whether it may
 */
AHOY_API
ahoy_status ahoy_request_set_idempotent(ahoy_request *request,
                                        bool idempotent,
                                        ahoy_error **err);

/**
 * Sets how important the request is when a limit on calls in flight cannot admit all (the classes
 * are those of Google's SRE book). Default AHOY_CRITICAL.
 *
 * @param criticality AHOY_CRITICAL_PLUS, AHOY_CRITICAL, AHOY_SHEDDABLE_PLUS or AHOY_SHEDDABLE
 */
AHOY_API
ahoy_status ahoy_request_set_criticality(ahoy_request *request,
                                         int32_t criticality,
                                         ahoy_error **err);

/**
 * Sets the key by which ring hash, maglev and rendezvous balancers pick: the same key goes to the
 * same endpoint. It is hashed by xxHash64. Without it, the key comes from the balancer's source
 * (ahoy_balancer_set_hash_header), and a call without any key goes to any endpoint.
 *
 * @param key any bytes; not kept
 * @param length number of bytes
 */
AHOY_API
ahoy_status ahoy_request_set_hash_key(ahoy_request *request,
                                      const uint8_t *key,
                                      size_t length,
                                      ahoy_error **err);

/**
 * Sets the hash of the key, for hosts that have one already.
 *
 * @param hash any number; replaces the key. All 64 bits count: spread a smaller hash or an id over
 *        them, or a ring has all keys at one endpoint
 */
AHOY_API ahoy_status ahoy_request_set_hash(ahoy_request *request, uint64_t hash, ahoy_error **err);

/**
 * Changes the path, also inside an on_request hook.
 *
 * @param path as for ahoy_request_new; copied
 */
AHOY_API
ahoy_status ahoy_request_set_path(ahoy_request *request,
                                  const char *path,
                                  ahoy_error **err);

/**
 * The method. Valid until the request is freed; NULL for NULL.
 */
AHOY_API const char *ahoy_request_method(const ahoy_request *request);

/**
 * The path, or absolute URL. Valid until it is changed or the request is freed; NULL for NULL.
 */
AHOY_API const char *ahoy_request_path(const ahoy_request *request);

/**
 * Inside an on_request hook "scheme://address:port" of the attempt's endpoint; elsewhere NULL.
 */
AHOY_API const char *ahoy_request_endpoint_url(const ahoy_request *request);

/**
 * Frees a request; NULL is fine. Not for the one that a hook is given.
 */
AHOY_API void ahoy_request_free(ahoy_request *request);

/**
 * Sets how many attempts this call may make, the first included, whichever retry rules hold.
 * Default: as the rules of the request or its client say.
 *
 * An attempt that sent nothing, as where connecting is refused, is free while another endpoint
 * stands by: it costs no try. With 1 none is free, and such a failure ends the call.
 *
 * @param tries at least 1; -1 for no limit but the deadline
 */
AHOY_API ahoy_status ahoy_request_set_tries(ahoy_request *request, int32_t tries, ahoy_error **err);

/**
 * Sets the retry rules of this call, in place of the client's. The budget is the client's.
 *
 * @param retry frozen from here on; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_request_set_retry(ahoy_request *request,
                                   const ahoy_retry *retry,
                                   ahoy_error **err);

/**
 * Sends a header whose value is the same on every attempt of a call, so that a server that knows
 * it does the work once. The request may then be repeated, whatever its method, unless
 * ahoy_request_set_idempotent says otherwise. Default: none.
 *
 * @param header its name; NULL for "Idempotency-Key"
 * @param value its value, copied, not empty; NULL for a random UUID, another for each call
 */
AHOY_API
ahoy_status ahoy_request_set_idempotency_key(ahoy_request *request,
                                             const char *header,
                                             const char *value,
                                             ahoy_error **err);

/**
 * The first value of a header, NUL-terminated; NULL where there is none. It need not be UTF-8.
 * Inside an on_request hook the client's headers and those of this attempt are among them; Host,
 * Content-Length and Accept-Encoding are added later where they were not set. Valid until a header
 * is changed or the request is freed.
 *
 * @param name in any case
 */
AHOY_API const char *ahoy_request_header(const ahoy_request *request, const char *name);

/**
 * How many headers there are, each value of a repeated name counted.
 */
AHOY_API size_t ahoy_request_header_count(const ahoy_request *request);

/**
 * The name of the header at an index, in lower case; NULL out of range. Valid until a header is
 * changed or the request is freed.
 */
AHOY_API const char *ahoy_request_header_name_at(const ahoy_request *request, size_t index);

/**
 * The value of the header at an index, NUL-terminated; NULL out of range. It need not be UTF-8.
 * Valid until a header is changed or the request is freed.
 */
AHOY_API const char *ahoy_request_header_value_at(const ahoy_request *request, size_t index);

/**
 * The body; empty where there is none, or it is drawn from a source. Valid until it is set anew or
 * the request is freed.
 *
 * @param length gets the number of bytes; may be NULL
 * @return the bytes, never NULL for a request; NULL for NULL
 */
AHOY_API const uint8_t *ahoy_request_body(const ahoy_request *request, size_t *length);

/**
 * Inside an on_request hook the authority that the attempt's Host names, "host" or "host:port";
 * elsewhere NULL. Valid until a header is changed, inside the hook only.
 */
AHOY_API const char *ahoy_request_authority(const ahoy_request *request);

/**
 * Inside an on_request hook the attempt's number within its call, from 1; elsewhere 0.
 */
AHOY_API size_t ahoy_request_attempt_number(const ahoy_request *request);

/**
 * Sets what the host knows the call by. It goes along with all that is told of the call:
 * ahoy_request_user_data in on_request, ahoy_response_user_data and ahoy_error_user_data in the
 * other hooks and in its result, ahoy_event_user_data in the events that it causes.
 *
 * @param user_data handed out as it is
 * @param destroy called once when neither the request nor a call of it, its result or an event of
 *        it is left, also if this function fails; may be NULL
 */
AHOY_API
ahoy_status ahoy_request_set_user_data(ahoy_request *request,
                                       void *user_data,
                                       ahoy_destroy_fn destroy,
                                       ahoy_error **err);

/**
 * What ahoy_request_set_user_data gave the request, also inside an on_request hook; NULL where
 * nothing did.
 */
AHOY_API void *ahoy_request_user_data(const ahoy_request *request);

/**
 * Streams the body of the answer: the call completes when the head of the answer came, and
 * ahoy_response_read returns the body while it arrives. Default false: the body is held whole.
 *
 * The limits on the call and on each attempt then end with the head; from there on each piece has
 * its own (ahoy_request_set_idle_timeout_ms), and the whole body may take any time. The bound
 * max_body does not apply. The endpoint's circuit counts the attempt at the end of the body.
 *
 * An answer whose status may be retried, or that fail_on_status makes an error, is held whole all
 * the same, within the usual bounds; ahoy_response_read reads that too. In an on_response hook a
 * streamed body is empty.
 *
 * All hooks of such a call run on an I/O thread, also if ahoy_client_send made it.
 *
 * @param streamed whether the answer's body is streamed
 */
AHOY_API
ahoy_status ahoy_request_set_streamed(ahoy_request *request,
                                      bool streamed,
                                      ahoy_error **err);

/**
 * Limits the wait for the next piece of a streamed answer, while its reader has room for it; then
 * the body ends with AHOY_E_TIMEOUT. Default: the client's limit of
 * ahoy_client_builder_set_body_idle_timeout_ms, or else that of
 * ahoy_client_builder_set_attempt_timeout_ms, which is not for text/event-stream. Where neither is
 * set it is 60 s, or no limit where the call's own limit is AHOY_FOREVER.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for no limit
 */
AHOY_API
ahoy_status ahoy_request_set_idle_timeout_ms(ahoy_request *request,
                                             uint64_t timeout_ms,
                                             ahoy_error **err);

/**
 * Lets a function produce the body while it is sent, in place of an earlier body.
 *
 * One call at a time can use it: another gets AHOY_E_IN_USE. After bytes were taken, a further
 * attempt or call needs rewind; without it the call is not retried, and no further call can be
 * made with this body. After the function failed, its call does not ask it again, and a further
 * call needs rewind.
 *
 * Such a body cannot be read twice at once, so no other attempt starts beside one that is late: a
 * call waits for an endpoint that hangs, unless late attempts are cut
 * (ahoy_client_builder_set_attempt_timeout_hard). A body of ahoy_request_set_body has no such
 * limit.
 *
 * A body that is shorter or longer than its length, or a result that is no AHOY_BODY_ number, ends
 * the call with AHOY_E_BODY_SOURCE and closes its connection: missing bytes are never replaced.
 * When the length is reached, the function is not called again.
 *
 * @param fn produces the bytes
 * @param rewind goes back to the first byte; NULL if that cannot be done
 * @param user_data passed to both
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @param length number of bytes; AHOY_UNKNOWN_LENGTH for a body that is sent in chunks
 */
AHOY_API
ahoy_status ahoy_request_set_body_source(ahoy_request *request,
                                         ahoy_body_fn fn,
                                         ahoy_body_rewind_fn rewind,
                                         void *user_data,
                                         ahoy_destroy_fn destroy,
                                         uint64_t length,
                                         ahoy_error **err);

/**
 * Calls a body function again that returned AHOY_BODY_NOT_READY. It may come before that result,
 * and more than once. Keep the request until the call has ended. Does not wait and calls nothing
 * itself.
 *
 * Thread: any, also while the request is being sent, and inside callbacks.
 */
AHOY_API ahoy_status ahoy_request_body_ready(const ahoy_request *request, ahoy_error **err);

/**
 * The HTTP status, such as 200; 0 for NULL.
 */
AHOY_API int32_t ahoy_response_status(const ahoy_response *response);

/**
 * The first value of a header, NUL-terminated; NULL where there is none. It need not be UTF-8.
 *
 * @param name in any case
 */
AHOY_API const char *ahoy_response_header(const ahoy_response *response, const char *name);

/**
 * How many headers there are, each value of a repeated name counted.
 */
AHOY_API size_t ahoy_response_header_count(const ahoy_response *response);

/**
 * The name of the header at an index, in lower case; NULL out of range.
 */
AHOY_API const char *ahoy_response_header_name_at(const ahoy_response *response, size_t index);

/**
 * The value of the header at an index, NUL-terminated; NULL out of range. It need not be UTF-8.
 */
AHOY_API const char *ahoy_response_header_value_at(const ahoy_response *response, size_t index);

/**
 * The whole body, decoded; empty for a streamed answer. A NUL follows its last byte and is not
 * counted; the body itself may hold others.
 *
 * @param length gets the number of bytes; may be NULL
 * @return the bytes, never NULL for a response; NULL for NULL
 */
AHOY_API const uint8_t *ahoy_response_body(const ahoy_response *response, size_t *length);

/**
 * "scheme://address:port" of the endpoint that answered.
 */
AHOY_API const char *ahoy_response_endpoint_url(const ahoy_response *response);

/**
 * The URL that brought the answer, "scheme://address:port" and the path with its query: after
 * redirects, and after what an on_request hook changed.
 */
AHOY_API const char *ahoy_response_url(const ahoy_response *response);

/**
 * How long the call took, in microseconds, with all its attempts and waits; of a streamed answer
 * until its head was there. 0 for NULL.
 */
AHOY_API uint64_t ahoy_response_elapsed_us(const ahoy_response *response);

/**
 * What ahoy_request_set_user_data gave the call; NULL where nothing did.
 */
AHOY_API void *ahoy_response_user_data(const ahoy_response *response);

/**
 * How many attempts the call made.
 */
AHOY_API size_t ahoy_response_attempt_count(const ahoy_response *response);

/**
 * Why the call ended with an answer after which another attempt might have followed, such as "the
 * client's retry budget is used up" or "not repeated, for the request is not idempotent". Empty if
 * no attempt would have followed, if all tries were made, and for NULL. For people and logs: the
 * wording may change.
 */
AHOY_API const char *ahoy_response_stop_reason(const ahoy_response *response);

/**
 * One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are
 * kept.
 */
AHOY_API const ahoy_attempt *ahoy_response_attempt_at(const ahoy_response *response, size_t index);

/**
 * Frees a response and all that was borrowed from it; NULL is fine. The rest of a streamed body is
 * cancelled: its exchange is dropped, and the server sees the connection close. Does not wait.
 */
AHOY_API void ahoy_response_free(ahoy_response *response);

/**
 * Reads the next bytes of a response's body, and waits for them if there are none. It reads any
 * response; for a streamed one (ahoy_request_set_streamed) it is the only way to the body. Read on
 * until ended is true.
 *
 * When the time is up first, it returns AHOY_OK with no bytes and ended false, and the body may be
 * read on; so it may after AHOY_E_INTERRUPTED and AHOY_E_WOULD_DEADLOCK. Any other failure ends
 * the body, and each further read returns it again. Bytes that came before the body broke off are
 * read first.
 *
 * A slow reader applies back-pressure: the server pauses once about 256 KiB are buffered, over
 * HTTP/2 once it has sent 2 MiB, the stream's window.
 *
 * On Linux, a waiting reader of a large body over HTTP/1.1 is woken once for 128 KiB; bytes that
 * come more slowly are handed over up to 2 ms later for that. A poll finds what has arrived.
 *
 * Blocks up to timeout_ms.
 *
 * Thread: any, one at a time.
 *
 * @param buffer room for capacity bytes
 * @param capacity at least 1
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit but the body's own
 *        (ahoy_request_set_idle_timeout_ms)
 * @param length gets the number of bytes read; 0 on failure
 * @param ended gets true if nothing comes after these bytes, of which there may be none; false on
 *        failure
 * @return AHOY_E_CONNECTION_LOST, AHOY_E_PROTOCOL, AHOY_E_TIMEOUT and others if the body broke
 *        off; AHOY_E_CANCELLED or AHOY_E_CLOSED if this process ended it; AHOY_E_WOULD_DEADLOCK if
 *        it would wait inside a callback; AHOY_E_INTERRUPTED if a signal ended the wait of an
 *        interruptible client; AHOY_E_FORKED for a streamed response of the parent process
 */
AHOY_API
ahoy_status ahoy_response_read(const ahoy_response *response,
                               uint8_t *buffer,
                               size_t capacity,
                               uint64_t timeout_ms,
                               size_t *length,
                               bool *ended,
                               ahoy_error **err);

/**
 * Puts a completion on a queue when bytes of a response's body, or its end, can be read: at once
 * if they can be read already. One completion comes for each call of this function: then read with
 * a timeout of 0 until no bytes come, and call it again.
 *
 * The completion has the tag and no response; its status is AHOY_OK, or AHOY_E_CANCELLED if the
 * response was freed first. ahoy_queue_cancel with the tag ends the body, and so does freeing the
 * queue meanwhile.
 *
 * @param queue where the completion comes
 * @param tag any number; the completion carries it
 * @return AHOY_E_IN_USE if the response has a waiter already; AHOY_E_OVERLOADED if the queue is
 *        full; with these and any other failure no completion comes
 */
AHOY_API
ahoy_status ahoy_response_notify(const ahoy_response *response,
                                 const ahoy_queue *queue,
                                 uint64_t tag,
                                 ahoy_error **err);

/**
 * Calls a function when bytes of a response's body, or its end, can be read: at once, on an I/O
 * thread, if they can be read already. It is called once for each call of this function, and no
 * longer after the response was freed, unless it runs just then.
 *
 * @param fn called when there is something to read
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @return AHOY_E_IN_USE if the response has a waiter already
 */
AHOY_API
ahoy_status ahoy_response_on_readable(const ahoy_response *response,
                                      ahoy_readable_fn fn,
                                      void *user_data,
                                      ahoy_destroy_fn destroy,
                                      ahoy_error **err);

/**
 * "scheme://address:port" of the endpoint. NULL for NULL.
 */
AHOY_API const char *ahoy_attempt_url(const ahoy_attempt *attempt);

/**
 * AHOY_OK if an answer came, whatever its status; else why none came. AHOY_E_INVALID_ARGUMENT for
 * NULL.
 */
AHOY_API ahoy_status ahoy_attempt_status(const ahoy_attempt *attempt);

/**
 * The answer's status, such as 503; 0 where none came.
 */
AHOY_API int32_t ahoy_attempt_http_status(const ahoy_attempt *attempt);

/**
 * What happened in a few words, such as "connect refused"; empty where an answer came. NULL for
 * NULL.
 */
AHOY_API const char *ahoy_attempt_detail(const ahoy_attempt *attempt);

/**
 * How long it took, in microseconds.
 */
AHOY_API uint64_t ahoy_attempt_elapsed_us(const ahoy_attempt *attempt);

/**
 * Whether the request may have been carried out although no answer came.
 */
AHOY_API bool ahoy_attempt_is_ambiguous(const ahoy_attempt *attempt);

/**
 * Whether it opened the endpoint's circuit.
 */
AHOY_API bool ahoy_attempt_opened_circuit(const ahoy_attempt *attempt);

/**
 * Whether it was a hedge: a copy sent beside another attempt that took long
 * (ahoy_client_builder_set_hedge).
 */
AHOY_API bool ahoy_attempt_is_hedge(const ahoy_attempt *attempt);

/**
 * The faults on demand that the attempt suffered: AHOY_FAULT_ numbers, combined with |; 0 for none
 * and for NULL.
 */
AHOY_API uint32_t ahoy_attempt_faults(const ahoy_attempt *attempt);

/**
 * The attempt's number within its call, from 1, as ahoy_request_attempt_number told it to the hook
 * before it; 0 for NULL. Attempts are listed in the order of their ends.
 */
AHOY_API size_t ahoy_attempt_number(const ahoy_attempt *attempt);

/**
 * How long the call waited before this attempt, in microseconds: from the end of the one before,
 * or from its own beginning, which is the wait for room where calls are limited. 0 for one that
 * was sent beside another, and for NULL.
 */
AHOY_API uint64_t ahoy_attempt_wait_us(const ahoy_attempt *attempt);

/**
 * How long the attempt spent on a phase, in microseconds. All phases together are what
 * ahoy_attempt_elapsed_us tells; one that did not come that far spent the rest on its last. Where
 * a connection is shared (HTTP/2), the attempts that waited for it spent time on its phases. A
 * call through a proxy has but AHOY_PHASE_FIRST_BYTE. 0 for NULL and an unknown number.
 *
 * @param phase an AHOY_PHASE_ number
 */
AHOY_API uint64_t ahoy_attempt_phase_us(const ahoy_attempt *attempt, int32_t phase);

/**
 * Whether the attempt went over a connection that had carried another before.
 */
AHOY_API bool ahoy_attempt_is_reused(const ahoy_attempt *attempt);

/**
 * What was spoken over the attempt's connection: "HTTP/1.1" or "HTTP/2". Empty where none stood,
 * through a proxy, and for NULL.
 */
AHOY_API const char *ahoy_attempt_protocol(const ahoy_attempt *attempt);

/**
 * This host's end of the attempt's connection, such as "10.0.0.1:50123" or "[::1]:50123". Empty
 * where none stood, through a proxy, and for NULL.
 */
AHOY_API const char *ahoy_attempt_local_address(const ahoy_attempt *attempt);

/**
 * The peer's end of the attempt's connection, such as "10.0.0.7:80" or "[::1]:80". Empty where none
 * stood, through a proxy, and for NULL.
 */
AHOY_API const char *ahoy_attempt_remote_address(const ahoy_attempt *attempt);

/**
 * Waits for a call to end and returns its result. When the time is up first, returns AHOY_OK with
 * a NULL response, and the call goes on; so it does after AHOY_E_INTERRUPTED, and may be waited
 * for again. Blocks up to timeout_ms.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param response gets the answer, to be freed with ahoy_response_free; NULL on failure and when
 *        the time is up
 * @return AHOY_E_IN_USE if the result was taken before or goes to a callback; AHOY_E_INTERRUPTED
 *        if a signal ended the wait of an interruptible client; else how the call ended
 */
AHOY_API
ahoy_status ahoy_call_wait(const ahoy_call *call,
                           uint64_t timeout_ms,
                           ahoy_response **response,
                           ahoy_error **err);

/**
 * Passes the result to a function when the call ends, exactly once; on a call that has ended it
 * runs on an I/O thread at once. A call with such a function goes on when its handle is freed.
 *
 * @param fn gets the outcome
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 * @return AHOY_E_IN_USE if the result was taken before or goes to another callback; AHOY_E_CLOSED
 *         once ahoy_client_close has returned: ahoy_call_wait has the result
 */
AHOY_API
ahoy_status ahoy_call_on_done(const ahoy_call *call,
                              ahoy_done_fn fn,
                              void *user_data,
                              ahoy_destroy_fn destroy,
                              ahoy_error **err);

/**
 * Cancels a call: it ends with AHOY_E_CANCELLED, exactly once, or with its own result if that came
 * first. The exchange is dropped, so the server sees the connection close. Does not wait.
 *
 * @return AHOY_OK also for a call that has ended
 */
AHOY_API ahoy_status ahoy_call_cancel(const ahoy_call *call, ahoy_error **err);

/**
 * Frees a call; NULL is fine. A call under way is cancelled, unless its result goes to a callback.
 * Does not wait.
 */
AHOY_API void ahoy_call_free(ahoy_call *call);

/**
 * A queue for ahoy_client_submit.
 *
 * @param queue gets the queue; NULL on failure
 * @return AHOY_E_OVERLOADED where the process is out of descriptors
 */
AHOY_API ahoy_status ahoy_queue_new(ahoy_queue **queue, ahoy_error **err);

/**
 * The descriptor to poll for reading: readable while a completion waits to be read; on Windows a
 * SOCKET. It belongs to the queue: never read from it and never close it. When it is readable,
 * take completions until there are none.
 *
 * @return -1 for NULL, and in a forked child
 */
AHOY_API intptr_t ahoy_queue_fd(const ahoy_queue *queue);

/**
 * Cancels every unfinished call with a tag: each ends with AHOY_E_CANCELLED, exactly once, or with
 * its own result if that came first. Does not wait.
 *
 * @param tag as given to ahoy_client_submit
 * @return AHOY_OK also if no call has that tag
 */
AHOY_API ahoy_status ahoy_queue_cancel(const ahoy_queue *queue, uint64_t tag, ahoy_error **err);

/**
 * Takes the next completion, waiting for it if there is none. When the time is up first, returns
 * AHOY_OK with NULL; so it does when an event waits to be read, see ahoy_queue_next_event. Blocks
 * up to timeout_ms.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param completion gets the completion, to be freed with ahoy_completion_free
 */
AHOY_API
ahoy_status ahoy_queue_next(const ahoy_queue *queue,
                            uint64_t timeout_ms,
                            ahoy_completion **completion,
                            ahoy_error **err);

/**
 * Takes several completions at once, which is cheaper than one by one: waits for the first and
 * takes what else is there. When the time is up first, or an event waits to be read, returns
 * AHOY_OK and none. Blocks up to timeout_ms.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param completions room for capacity handles; the first count of them are set, each to be freed
 *        with ahoy_completion_free
 * @param capacity at least 1
 * @param count gets how many were taken
 */
AHOY_API
ahoy_status ahoy_queue_next_batch(const ahoy_queue *queue,
                                  uint64_t timeout_ms,
                                  ahoy_completion **completions,
                                  size_t capacity,
                                  size_t *count,
                                  ahoy_error **err);

/**
 * Frees a queue; NULL is fine. Its unfinished calls are cancelled, and completions not yet read
 * are discarded. Does not wait. The descriptor is closed with the queue: do not close it.
 */
AHOY_API void ahoy_queue_free(ahoy_queue *queue);

/**
 * The tag that the call was submitted with, or that was given to ahoy_response_notify; 0 for NULL.
 */
AHOY_API uint64_t ahoy_completion_tag(const ahoy_completion *completion);

/**
 * How the call ended: AHOY_OK if there is a response, or a body to read. AHOY_E_INVALID_ARGUMENT
 * for NULL.
 */
AHOY_API ahoy_status ahoy_completion_status(const ahoy_completion *completion);

/**
 * Takes the response, to be freed with ahoy_response_free; NULL where the call failed or it was
 * taken before.
 */
AHOY_API
AHOY_MUST_USE
ahoy_response *ahoy_completion_take_response(const ahoy_completion *completion);

/**
 * Takes the error, to be freed with ahoy_error_free; NULL where the call succeeded or it was taken
 * before.
 */
AHOY_API AHOY_MUST_USE ahoy_error *ahoy_completion_take_error(const ahoy_completion *completion);

/**
 * Frees a completion with all that was not taken from it; NULL is fine.
 */
AHOY_API void ahoy_completion_free(ahoy_completion *completion);

/**
 * The metric's name, such as "ahoy_client_attempts_total". Valid as long as the sample; NULL for
 * NULL.
 */
AHOY_API const char *ahoy_sample_name(const ahoy_sample *sample);

/**
 * What the metric tells, in one sentence. Valid as long as the sample; NULL for NULL.
 */
AHOY_API const char *ahoy_sample_help(const ahoy_sample *sample);

/**
 * How the metric behaves: an AHOY_METRIC_ number; -1 for NULL.
 */
AHOY_API int32_t ahoy_sample_kind(const ahoy_sample *sample);

/**
 * How many labels tell the series apart from others of its metric; 0 for NULL.
 */
AHOY_API size_t ahoy_sample_label_count(const ahoy_sample *sample);

/**
 * The name of a label. Valid as long as the sample; NULL for NULL and out of range.
 *
 * @param index from 0
 */
AHOY_API const char *ahoy_sample_label_name_at(const ahoy_sample *sample, size_t index);

/**
 * The value of a label, not escaped. Valid as long as the sample; NULL for NULL and out of range.
 *
 * @param index from 0
 */
AHOY_API const char *ahoy_sample_label_value_at(const ahoy_sample *sample, size_t index);

/**
 * The value of a counter or a gauge; of a histogram the sum of what it holds, in seconds. 0 for
 * NULL.
 */
AHOY_API double ahoy_sample_value(const ahoy_sample *sample);

/**
 * How many buckets a histogram has, the last of which has no bound; 0 for other metrics and NULL.
 */
AHOY_API size_t ahoy_sample_bucket_count(const ahoy_sample *sample);

/**
 * The upper bound of a bucket in seconds, which belongs to it; infinity for the last. 0 out of
 * range and for NULL.
 *
 * @param index from 0
 */
AHOY_API double ahoy_sample_bucket_bound_at(const ahoy_sample *sample, size_t index);

/**
 * How many lie at or below a bucket's bound, those of lower buckets included: that of the last
 * bucket is the number of all. 0 out of range and for NULL.
 *
 * @param index from 0
 */
AHOY_API uint64_t ahoy_sample_bucket_value_at(const ahoy_sample *sample, size_t index);

/**
 * Takes a snapshot of all that a client counts, and its balancer with it. The counts of a balancer
 * are those of all clients that share it. docs/statistics.md has every metric.
 *
 * Takes no lock that a call waits for longer than a few instructions, and does no I/O. The time
 * grows with the number of endpoints: about 1 ms for 10,000.
 *
 * @param snapshot gets the snapshot, to be freed with ahoy_snapshot_free; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_snapshot(const ahoy_client *client,
                                 ahoy_snapshot **snapshot,
                                 ahoy_error **err);

/**
 * Adds what another client counts at this time, so that one text has both: Prometheus takes each
 * metric once. Their names tell their series apart (ahoy_client_builder_set_name).
 *
 * @return AHOY_E_INVALID_ARGUMENT where a client of that name, or another without a name, is there
 *         already; nothing was added
 */
AHOY_API
ahoy_status ahoy_snapshot_add_client(const ahoy_snapshot *snapshot,
                                     const ahoy_client *client,
                                     ahoy_error **err);

/**
 * Hands out every series of a snapshot, metric by metric. A new version of the library may have
 * more of them: take those that you know by name, or all.
 *
 * @param fn called on this thread for each series, before this function returns
 * @param user_data passed to fn
 */
AHOY_API
ahoy_status ahoy_snapshot_each(const ahoy_snapshot *snapshot,
                               ahoy_sample_fn fn,
                               void *user_data,
                               ahoy_error **err);

/**
 * A snapshot as text, to be served to Prometheus.
 *
 * @param format an AHOY_FORMAT_ number
 * @param text gets the text, to be freed with ahoy_text_free; NULL on failure
 */
AHOY_API
ahoy_status ahoy_snapshot_text(const ahoy_snapshot *snapshot,
                               int32_t format,
                               ahoy_text **text,
                               ahoy_error **err);

/**
 * Frees a snapshot; NULL is fine.
 */
AHOY_API void ahoy_snapshot_free(ahoy_snapshot *snapshot);

/**
 * What happened: an AHOY_EVENT_ number; 0 for NULL. Numbers never change their meaning.
 */
AHOY_API int32_t ahoy_event_kind(const ahoy_event *event);

/**
 * When it happened, in milliseconds since 1970; 0 for NULL.
 */
AHOY_API int64_t ahoy_event_time_ms(const ahoy_event *event);

/**
 * The URL of the endpoint that it happened to. Valid as long as the event; NULL where it happened
 * to none, and for NULL.
 */
AHOY_API const char *ahoy_event_endpoint_url(const ahoy_event *event);

/**
 * All of it in one sentence for people, which changes between versions. Valid as long as the
 * event; NULL for NULL.
 */
AHOY_API const char *ahoy_event_text(const ahoy_event *event);

/**
 * Why, in a few words; empty where there is no more to say than the kind does. Valid as long as
 * the event; NULL for NULL.
 */
AHOY_API const char *ahoy_event_detail(const ahoy_event *event);

/**
 * What ahoy_request_set_user_data gave the call that caused the event; NULL where no call did, or
 * it has none.
 */
AHOY_API void *ahoy_event_user_data(const ahoy_event *event);

/**
 * A number that the event tells.
 *
 * @param field an AHOY_FIELD_ number
 * @param number gets it; 0 where the event has no such field. May be NULL
 * @return whether the event has the field; false for NULL
 */
AHOY_API bool ahoy_event_number(const ahoy_event *event, int32_t field, int64_t *number);

/**
 * Frees an event that came from a queue; NULL is fine.
 */
AHOY_API void ahoy_event_free(ahoy_event *event);

/**
 * Adds a function that is told of the client's events and of those of its balancer. Several may be
 * added, as may queues.
 *
 * @param fn gets each event
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_event(ahoy_client_builder *builder,
                                         ahoy_event_fn fn,
                                         void *user_data,
                                         ahoy_destroy_fn destroy,
                                         ahoy_error **err);

/**
 * Puts the client's events and those of its balancer on a queue, for hosts that bear no call on a
 * foreign thread; ahoy_queue_next_event takes them. A forked child puts none on its parent's
 * queue.
 *
 * @param queue still the caller's to free: then its events are discarded
 */
AHOY_API
ahoy_status ahoy_client_builder_add_event_queue(ahoy_client_builder *builder,
                                                const ahoy_queue *queue,
                                                ahoy_error **err);

/**
 * Adds a function that is told of the balancer's events, whichever client causes them. Several may
 * be added, as may queues.
 *
 * @param fn gets each event
 * @param user_data passed to fn
 * @param destroy called once when user_data is no longer needed, also if this function fails; may
 *        be NULL
 */
AHOY_API
ahoy_status ahoy_balancer_on_event(const ahoy_balancer *balancer,
                                   ahoy_event_fn fn,
                                   void *user_data,
                                   ahoy_destroy_fn destroy,
                                   ahoy_error **err);

/**
 * Puts the balancer's events on a queue, whichever client causes them; see
 * ahoy_client_builder_add_event_queue.
 *
 * @param queue still the caller's to free: then its events are discarded
 */
AHOY_API
ahoy_status ahoy_balancer_add_event_queue(const ahoy_balancer *balancer,
                                          const ahoy_queue *queue,
                                          ahoy_error **err);

/**
 * Takes the oldest event of a queue, waiting for it if there is none. When the time is up, or a
 * completion waits to be read first, returns AHOY_OK with NULL. Blocks up to timeout_ms.
 *
 * The queue's descriptor is readable while an event waits as well. At most 1,024 wait; beyond that
 * each new one takes the place of the oldest, and ahoy_queue_events_lost counts it.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param event gets the event, to be freed with ahoy_event_free
 */
AHOY_API
ahoy_status ahoy_queue_next_event(const ahoy_queue *queue,
                                  uint64_t timeout_ms,
                                  ahoy_event **event,
                                  ahoy_error **err);

/**
 * How many events of a queue were lost because 1,024 were waiting to be read; 0 for NULL and in a
 * forked child.
 */
AHOY_API uint64_t ahoy_queue_events_lost(const ahoy_queue *queue);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AHOY_H */
