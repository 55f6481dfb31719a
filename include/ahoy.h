/*
 * ahoy.h: an HTTP client for services that run on several hosts.
 *
 * Generated from the Rust sources by cbindgen. Changes made here are lost.
 *
 * The conventions that hold for every declaration below:
 *
 * Errors. A function that can fail returns an `ahoy_status`, AHOY_OK (0) or a positive AHOY_E_ number
 *   whose meaning never changes, and takes `ahoy_error **err` last. `err` may be NULL. On success
 *   `*err` is set to NULL; on failure it is a new error, to be freed by the caller, and every other
 *   output is NULL or 0. What `*err` held before is overwritten, not freed. A constructor that returns
 *   its handle returns NULL for a bad argument. An HTTP answer is a response, whatever its status.
 *
 * Ownership. No function consumes an argument. Each handle has one `_free` function, which accepts
 *   NULL, does not block and cannot fail. Handles may be freed in any order, each as soon as its owner
 *   has no more use for it. Pointers that an accessor returns as `const` are lent: they live as long as
 *   the handle they came from.
 *
 * Threads. Builders and requests belong to one thread at a time. Providers, balancers, retries and
 *   breakers are set up from one thread; attaching one to another handle freezes it (setters return
 *   AHOY_E_IN_USE), and from then on all threads may share it, like clients, endpoints, queues and calls.
 *   No handle may be freed while another thread is inside a call on it. Nothing is kept per thread.
 *
 * Text. Strings passed in are UTF-8 and end with NUL; bytes are a pointer and a length, and (NULL, 0)
 *   is an empty run. Strings handed out end with NUL too and carry a length where they may hold one.
 *   Bad UTF-8, an unknown number or a value out of range is AHOY_E_INVALID_ARGUMENT, and the error
 *   names the parameter. So is NULL, except where a parameter is documented as optional.
 *
 * Durations. They are `uint64_t` milliseconds in names that end in `_ms`. AHOY_FOREVER sets no limit,
 *   and a wait of 0 only looks. Ratios are `double` from 0 to 1. Zero is a value and never means 'unset'.
 *
 * Callbacks. A function comes with `user_data` and `destroy`. `destroy` (may be NULL) runs exactly once,
 *   on any thread, when the library will not use `user_data` again; also when registration fails. Any
 *   accessor may be used inside a callback. A blocking call there returns AHOY_E_WOULD_DEADLOCK. C++
 *   exceptions and longjmp must not leave a callback.
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

/* The compiler warns where the result of such a function is dropped. */
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
 * How a host is spoken to: plain HTTP.
 */
#define AHOY_SCHEME_HTTP 1

/**
 * How a host is spoken to: HTTP over TLS.
 */
#define AHOY_SCHEME_HTTPS 2

/**
 * What a body function says: there is no more.
 */
#define AHOY_BODY_END 0

/**
 * What a body function says: *length bytes are in the buffer.
 */
#define AHOY_BODY_DATA 1

/**
 * What a body function says: nothing yet; ahoy_request_body_ready says when to ask again.
 */
#define AHOY_BODY_NOT_READY 2

/**
 * What a body function says: there will be no more, and the body is not complete. The call ends with
 * AHOY_E_BODY_SOURCE.
 */
#define AHOY_BODY_FAILED 3

/**
 * A body whose length is not known before its end; it is sent in chunks.
 */
#define AHOY_UNKNOWN_LENGTH UINT64_MAX

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
 * How much a message matters: the library could not do its work.
 */
#define AHOY_LOG_ERROR 1

/**
 * How much a message matters: something is wrong with a peer or a provider.
 */
#define AHOY_LOG_WARN 2

/**
 * How much a message matters: a state changed.
 */
#define AHOY_LOG_INFO 3

/**
 * How much a message matters: one attempt.
 */
#define AHOY_LOG_DEBUG 4

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
 * A trace that came in goes on, each attempt a span of its own.
 */
#define AHOY_TRACE_PASS_ON 1

/**
 * The same; where none came in, one is started that need not be recorded.
 */
#define AHOY_TRACE_START 2

/**
 * The same; where none came in, one is started that is to be recorded.
 */
#define AHOY_TRACE_START_SAMPLED 3

/**
 * Its failure does great harm.
 */
#define AHOY_CRITICAL_PLUS 0

/**
 * Somebody waits for it; the default.
 */
#define AHOY_CRITICAL 1

/**
 * It can be repeated in minutes; may fill three quarters of a limit.
 */
#define AHOY_SHEDDABLE_PLUS 2

/**
 * It may fail for hours; may fill half of a limit.
 */
#define AHOY_SHEDDABLE 3

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
 * One attempt of a call. Borrowed from its response or error and valid until that is freed. Thread: any.
 */
typedef struct ahoy_attempt ahoy_attempt;

/**
 * Picks the endpoint of each attempt and keeps a circuit breaker for each. Clients that share a balancer
 * share the circuits.
 *
 * Ownership: freed with ahoy_balancer_free at any time; clients keep what they need. Thread: configured from
 * one, and frozen by its first use (a client builder, a pick or an update); then any.
 */
typedef struct ahoy_balancer ahoy_balancer;

/**
 * The rules by which the circuits of a balancer open and close.
 *
 * A circuit opens after 5 failures in a row, when half of at least 10 calls within 10 s failed, or at once
 * when the endpoint cannot be connected to (nothing was sent then). Failures are answers of 5xx but 501,
 * timeouts and broken connections; 429 counts for the ratio only. An open circuit lets a probe through after
 * 500 ms, doubled with each further trip up to 30 s (1 s where connecting failed), give or take a quarter; the
 * Retry-After of the 429 or 503 that opened it is kept to within the same bounds. Calls are the probes: retries only
 * where nobody else is left, and where hedges are sent, those before first attempts, which then wait for 200 ms.
 *
 * Ownership: freed with ahoy_breaker_free; balancers copy it. Thread: configured from one, and frozen when a
 * balancer takes it; then any.
 */
typedef struct ahoy_breaker ahoy_breaker;

/**
 * A call under way or ended. Its result is handed out once.
 *
 * Ownership: freed with ahoy_call_free; it holds its client. Thread: any. In a forked child it stays
 * AHOY_E_FORKED for ever.
 */
typedef struct ahoy_call ahoy_call;

/**
 * A resilient HTTP client. A blocking call does all its work on the calling thread; calls by ahoy_client_start
 * and ahoy_client_submit go on while their caller does something else.
 *
 * A forked child may use its parent's client: it makes connections of its own, and all circuits start closed.
 *
 * Ownership: freed with ahoy_client_free. Thread: any, also several at once.
 */
typedef struct ahoy_client ahoy_client;

/**
 * What a client will be. Building copies it, so that one builder can make several clients.
 *
 * Ownership: freed with ahoy_client_builder_free at any time. Thread: one at a time.
 */
typedef struct ahoy_client_builder ahoy_client_builder;

/**
 * A call's end, with the tag that it was submitted with; or the word that there is something to read, with the
 * tag given to ahoy_response_notify.
 *
 * Ownership: freed with ahoy_completion_free, with whatever was not taken from it. Thread: one at a time.
 */
typedef struct ahoy_completion ahoy_completion;

/**
 * One endpoint of a balancer. It shows the live circuit, also after the endpoint has left the list.
 *
 * Ownership: freed with ahoy_endpoint_free. Thread: any. In a forked child its circuit is not to be had: the
 * state is -1, and opening and closing are AHOY_E_FORKED.
 */
typedef struct ahoy_endpoint ahoy_endpoint;

/**
 * Why a function failed, and for a call the story of its attempts.
 *
 * Ownership: freed with ahoy_error_free. Thread: any.
 */
typedef struct ahoy_error ahoy_error;

/**
 * One server of a service, with properties that address and port do not tell.
 *
 * Ownership: freed with ahoy_host_free; adding it to a list copies it. Thread: one at a time.
 */
typedef struct ahoy_host ahoy_host;

/**
 * The list that a custom provider fills. Valid inside the callback only; owned by the library.
 */
typedef struct ahoy_hosts ahoy_hosts;

/**
 * A source of endpoints: a list, or a callback that fills one.
 *
 * Ownership: freed with ahoy_provider_free at any time; a balancer keeps what it needs. Thread: configured
 * from one, and frozen when a balancer is made from it; then any.
 */
typedef struct ahoy_provider ahoy_provider;

/**
 * Ended calls, in the order in which they ended, and a descriptor that is readable while there are any.
 *
 * Calls in flight plus completions not yet read are bounded by 65,536.
 *
 * Ownership: freed with ahoy_queue_free. Thread: any, also several at once. In a forked child it stays
 * AHOY_E_FORKED for ever.
 */
typedef struct ahoy_queue ahoy_queue;

/**
 * One request, independent of where it will go.
 *
 * Ownership: freed with ahoy_request_free; sending it copies it, so it may be sent again. Inside an
 * on_request hook it is the library's and stands for one attempt. Thread: one at a time.
 */
typedef struct ahoy_request ahoy_request;

/**
 * An HTTP answer and how it came about, with its whole body; or, where the request asked for that
 * (ahoy_request_set_streamed), with a body that is still to be read by ahoy_response_read.
 *
 * Ownership: freed with ahoy_response_free; all that its accessors return is borrowed and valid until then.
 * Thread: any. In a forked child the body of a streamed one stays AHOY_E_FORKED for ever.
 */
typedef struct ahoy_response ahoy_response;

/**
 * What is tried again, how often and after which wait.
 *
 * By default a call has 3 tries; they go to endpoints that it has not tried yet, while there are any. Only
 * idempotent requests are repeated, or those that certainly were not processed. An attempt that sent nothing
 * (refused, unreachable, unresolved, connect timed out) costs no try and no wait while an untried endpoint
 * is left. Waits are random up to 25 ms, doubled with each retry up to 1 s (full jitter).
 *
 * Ownership: freed with ahoy_retry_free; builders copy it. Thread: configured from one, and frozen when a
 * builder takes it; then any.
 */
typedef struct ahoy_retry ahoy_retry;

/**
 * What a function that can fail returns: `AHOY_OK` or one of the `AHOY_E_` numbers.
 */
typedef int32_t ahoy_status;

/**
 * Returns a number from 0 to below - 1. Called once for each pick that has candidates, from any thread that makes a call, also from several at once.
 */
typedef uint64_t (*ahoy_random_fn)(void *user_data, uint64_t below);

/**
 * Told once when the library has no more use for a callback's user data. May be NULL. May run on any
 * thread.
 */
typedef void (*ahoy_destroy_fn)(void *user_data);

/**
 * Returns the index of the endpoint to use, from 0 to count - 1. Called from any thread that makes a call,
 * also from several at once.
 */
typedef size_t (*ahoy_balancer_fn)(void *user_data, size_t count);

/**
 * Fills `out` with the hosts that serve now, in a stable order, and returns AHOY_OK; any other status means
 * that no list could be had, and the last good one stays in use. Runs on the thread that asks: the caller's
 * at first use and on update, and the one that drives a call when no endpoint is left. It may block, and
 * the calls that wait for it block with it.
 */
typedef ahoy_status (*ahoy_provider_fn)(void *user_data, ahoy_hosts *out);

/**
 * Gets the outcome of a call and owns both handles: the response where status is AHOY_OK, else the error; the
 * other is NULL. Runs on the I/O thread that finished the call and must not block.
 */
typedef void (*ahoy_done_fn)(void *user_data,
                             ahoy_status status,
                             ahoy_response *response,
                             ahoy_error *error);

/**
 * Puts the next bytes of a request's body into a buffer and returns an AHOY_BODY_ number; after AHOY_BODY_DATA
 * length holds their number, from 1 to capacity, which is at least 65,536. Called by one thread at a time, the one that drives the call:
 * the caller's for a blocking call, else (also where the answer is streamed, and with HTTP/2) an I/O thread,
 * which it must not block.
 */
typedef int32_t (*ahoy_body_fn)(void *user_data, uint8_t *buffer, size_t capacity, size_t *length);

/**
 * Goes back to the first byte of a request's body, for another attempt or call; returns false where that failed,
 * which ends the call with AHOY_E_BODY_SOURCE. Called as the body function is.
 */
typedef bool (*ahoy_body_rewind_fn)(void *user_data);

/**
 * Called once when there is something to read, on an I/O thread; must not block. ahoy_response_read with a
 * timeout of 0 works inside, and so does ahoy_response_on_readable.
 */
typedef void (*ahoy_readable_fn)(void *user_data);

/**
 * Runs before each attempt, on the thread that drives the call. It may look at the request, change its path
 * and headers for this attempt, or refuse the call by a status other than AHOY_OK, which ends it with
 * AHOY_E_HOOK_REFUSED.
 */
typedef ahoy_status (*ahoy_request_fn)(void *user_data, ahoy_request *request);

/**
 * Runs after each attempt that brought an answer, whatever its status, on the thread that drives the call.
 * The response is the library's and valid inside the hook only.
 */
typedef void (*ahoy_response_fn)(void *user_data, const ahoy_response *response);

/**
 * Runs after each attempt that brought no answer, on the thread that drives the call. The error is the
 * library's and valid inside the hook only.
 */
typedef void (*ahoy_error_fn)(void *user_data, const ahoy_error *error);

/**
 * Returns true where a blocking call should end now.
 */
typedef bool (*ahoy_should_stop_fn)(void *user_data);

/**
 * Gets a message: its level (an AHOY_LOG_ number), its target (the part of the library) and its text, both
 * valid inside the callback only. Called on any thread that works for the client, also on several at once.
 */
typedef void (*ahoy_log_fn)(void *user_data, int32_t level, const char *target, const char *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Endpoints in the provider's order, one after the other, from a random start; those whose circuit does not
 * admit are passed over and their share is spread evenly.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_round_robin_new(const ahoy_provider *provider);

/**
 * Any endpoint whose circuit admits, each as likely as the other.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API ahoy_balancer *ahoy_balancer_random_new(const ahoy_provider *provider);

/**
 * Replaces the random function of a random balancer. A number out of range means that no endpoint is
 * picked.
 *
 * @param fn gets the number of candidates (endpoints whose circuit admits, in a stable order)
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 */
AHOY_API
ahoy_status ahoy_balancer_random_set_function(const ahoy_balancer *balancer,
                                              ahoy_random_fn fn,
                                              void *user_data,
                                              ahoy_destroy_fn destroy,
                                              ahoy_error **err);

/**
 * A balancer of your own.
 *
 * @param provider frozen from here on; still the caller's to free
 * @param fn gets the number of candidates (endpoints whose circuit admits and that this call has not tried,
 *        in the provider's order); an index out of range means none
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 * @return the balancer, or NULL where provider or fn is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_custom_new(const ahoy_provider *provider,
                                        ahoy_balancer_fn fn,
                                        void *user_data,
                                        ahoy_destroy_fn destroy);

/**
 * Sets the rules of the balancer's circuit breakers. Default: those of ahoy_breaker_new.
 *
 * @param breaker frozen from here on; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_balancer_set_breaker(const ahoy_balancer *balancer,
                                      const ahoy_breaker *breaker,
                                      ahoy_error **err);

/**
 * Picks an endpoint that would be used now. Takes no probe's permit: an open circuit whose probe is due is
 * shown but not probed. Asks the provider at first use.
 *
 * @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
 * @return AHOY_E_NO_ENDPOINTS where none is known or no circuit admits; AHOY_E_DISCOVERY where the provider
 *         failed at first use
 */
AHOY_API
ahoy_status ahoy_balancer_pick(const ahoy_balancer *balancer,
                               ahoy_endpoint **endpoint,
                               ahoy_error **err);

/**
 * Asks the provider for its list again. Endpoints that stay (same address, port and scheme) keep their
 * circuits: one that is down stays down. An empty list counts only when it is the second in a row.
 *
 * Blocks as long as the provider does.
 *
 * @return AHOY_E_DISCOVERY where the provider failed; the last good list stays in use
 */
AHOY_API
ahoy_status ahoy_balancer_update(const ahoy_balancer *balancer,
                                 ahoy_error **err);

/**
 * Takes a host in beside those that the provider listed, at once and without asking the provider: for hosts
 * that hear of a change, such as from a watch. The next update goes by the provider's list alone again. The cost does not grow with the
 * number of endpoints, but for balancers that go by weight or key, which compute their tables anew.
 *
 * Where the endpoint (same address, port and scheme) is known, its properties become those of host, and it keeps its circuit.
 *
 * @param host copied; still the caller's to free
 * @return AHOY_E_DISCOVERY where the provider failed at first use; AHOY_E_WOULD_DEADLOCK inside a callback while
 *         an update is under way
 */
AHOY_API
ahoy_status ahoy_balancer_add_endpoint(const ahoy_balancer *balancer,
                                       const ahoy_host *host,
                                       ahoy_error **err);

/**
 * Takes an endpoint out, likewise. Attempts that are under way end as they would; its connections close
 * after them.
 *
 * @param host says by address, port and scheme which one; still the caller's to free
 * @return AHOY_E_INVALID_ARGUMENT where it is not known; else as for ahoy_balancer_add_endpoint
 */
AHOY_API
ahoy_status ahoy_balancer_remove_endpoint(const ahoy_balancer *balancer,
                                          const ahoy_host *host,
                                          ahoy_error **err);

/**
 * How many endpoints the balancer knows: 0 before its first use.
 */
AHOY_API size_t ahoy_balancer_endpoint_count(const ahoy_balancer *balancer);

/**
 * The endpoint at an index, whatever its circuit says: in the order of priorities, and there in that of the
 * provider's first list; who joins later stands where somebody left, or behind.
 *
 * @param index 0 to ahoy_balancer_endpoint_count - 1; the list may change between two calls
 * @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT where there is no such index
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
 * Endpoints one after the other by their weights, the heavy ones spread as evenly as can be: 5, 1 and 1 give
 * a a b a c a a (smooth weighted round robin, as in nginx). A pick looks at every endpoint, so it is for small
 * sets; a plain round robin over endpoints of different weights goes by weight as well, in constant time.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_smooth_weighted_new(const ahoy_provider *provider);

/**
 * Of two endpoints (three of more than 8) drawn at random, the one that costs less: its average latency, or the age of
 * what is in flight to it where that says more, times the attempts in flight, over the square of its success
 * rate. So slow, hanging and failing endpoints lose their traffic before a limit or a circuit tells. What to take
 * where nothing speaks for another.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_p2c_new(const ahoy_provider *provider);

/**
 * Like ahoy_balancer_p2c_new, by a cost as Finagle has it: a peak-sensitive average of latency over 10 s, times the
 * attempts in flight; failures count as slow answers.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_peak_ewma_new(const ahoy_provider *provider);

/**
 * The endpoint with the fewest attempts in flight: of all up to 8, of two drawn at random among more; where weights
 * differ, by a draw in proportion to weight over attempts in flight (as in Envoy).
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_least_request_new(const ahoy_provider *provider);

/**
 * Sets how many endpoints a p2c or peak EWMA balancer compares. Default 2 of up to 8 endpoints, 3 of more.
 *
 * @param choices 1 to 8; 1 is a plain draw
 */
AHOY_API
ahoy_status ahoy_balancer_set_choices(const ahoy_balancer *balancer,
                                      uint32_t choices,
                                      ahoy_error **err);

/**
 * Lets endpoints tell their load, in a header of their answers: `util=0.4` or `cpu=0.31`, the share of their capacity
 * that is in use, as the application sees it or of the processors; of both, util counts. What else stands there,
 * after commas, is passed over, so the text form of ORCA will do (endpoint-load-metrics, with application_utilization and
 * cpu_utilization). The cost of an endpoint is divided by the share that is free, but by no less than a tenth, and what
 * it told fades within 3 s. So this client learns what others send. A value longer than 1 KiB, or broken anywhere, is
 * ignored. Only for balancers that go by cost: p2c, peak EWMA, and prequal where it does as p2c. Default: off.
 *
 * @param name a header name, such as ahoy-load
 */
AHOY_API
ahoy_status ahoy_balancer_set_load_header(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Endpoints by the key of a call, on a hash ring (ketama style, with xxHash64; see ahoy_request_set_hash_key):
 * when an endpoint leaves, only its own keys move. A call without a key goes anywhere.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_ring_hash_new(const ahoy_provider *provider);

/**
 * Endpoints by the key of a call, in a lookup table (Maglev): faster and more even than a ring, and a few keys
 * more move when an endpoint leaves. A call without a key goes anywhere.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_maglev_new(const ahoy_provider *provider);

/**
 * Endpoints by the key of a call, by the highest of a draw for each (rendezvous hashing): needs no table, but
 * looks at every endpoint, so it is for small sets. A call without a key goes anywhere.
 *
 * @param provider frozen from here on; still the caller's to free
 * @return the balancer, or NULL where provider is NULL
 */
AHOY_API
ahoy_balancer *ahoy_balancer_rendezvous_new(const ahoy_provider *provider);

/**
 * Sets how many points a ring has: 100 for each endpoint unless that is outside of these bounds. Default at
 * least 1,024 and at most 8,388,608; each takes 12 bytes.
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
 * Sets how many slots the table of a maglev balancer has. Default 65,537, which spreads up to 650 endpoints
 * within 1 %.
 *
 * @param slots a prime number up to 5000011
 */
AHOY_API
ahoy_status ahoy_balancer_set_table_size(const ahoy_balancer *balancer,
                                         uint32_t slots,
                                         ahoy_error **err);

/**
 * Bounds what an endpoint of a ring hash or maglev balancer carries: so many times its share of the attempts
 * in flight, so that a popular key does not overload it; above it the key's calls go elsewhere (bounded loads, by jumps).
 * Default: not bounded.
 *
 * @param factor at least 1; 1.25 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_bounded_load(const ahoy_balancer *balancer,
                                           double factor,
                                           ahoy_error **err);

/**
 * Takes the key of a call from one of its headers, where its request states none: the value's bytes are hashed.
 * Only for balancers that go by key.
 *
 * @param name a header name
 */
AHOY_API
ahoy_status ahoy_balancer_set_hash_header(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Takes the key of a call from one of its cookies, likewise.
 *
 * @param name the cookie's name; case matters
 */
AHOY_API
ahoy_status ahoy_balancer_set_hash_cookie(const ahoy_balancer *balancer,
                                          const char *name,
                                          ahoy_error **err);

/**
 * Lets an endpoint that joins, or whose circuit closes again, by hand too, grow to its full share: of its turns it gets the
 * part (time / window) ^ (1 / aggression), at least min_ratio. Works with every balancer. Default: off.
 *
 * @param window_ms how long it takes; with 1000 or less there is no effect, as the first second counts whole
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
 * Below this share of endpoints that are well, those that are out by their answers, by ejection or by a check get
 * traffic too: with so few left, more harm comes from overloading them than from asking the others (panic threshold,
 * as in Envoy). What comes of it does not count for a circuit that would not have let it through. Endpoints that
 * cannot be connected to, or were opened by hand, are still left alone. Default: off, calls then fail at once
 * where no circuit admits.
 *
 * @param ratio 0 to 1; 0.5 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_panic_threshold(const ahoy_balancer *balancer,
                                              double ratio,
                                              ahoy_error **err);

/**
 * Says where this process stands. Endpoints of the same zone (ahoy_host_set_zone) then get all its calls while their
 * part of the endpoints is as large as a zone's part of the callers, taken to be even; else what is above goes to
 * the zones that have room. With fewer than 6 endpoints in rotation, zones do not matter. Balancers that go by key do
 * not look at zones. Default: zones do not matter.
 *
 * @param zone the zone's name; copied
 */
AHOY_API
ahoy_status ahoy_balancer_set_zone(const ahoy_balancer *balancer,
                                   const char *zone,
                                   ahoy_error **err);

/**
 * Uses so many healthy endpoints of a large set, drawn at random for this process; when one comes or goes, one
 * connection changes at most (rendezvous subsetting, gRFC A68). Default: all are used.
 *
 * @param size at least 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_subset(const ahoy_balancer *balancer,
                                     uint32_t size,
                                     ahoy_error **err);

/**
 * Uses at least so many endpoints of a large set, and those so that all clients together load every endpoint
 * alike: this one is number client of clients (deterministic aperture, as in Finagle). All clients must see the
 * endpoints in the same order. Default: all are used.
 *
 * @param size at least 1; 12 is a good start
 * @param client from 0
 * @param clients how many there are; above client
 */
AHOY_API
ahoy_status ahoy_balancer_set_deterministic_subset(const ahoy_balancer *balancer,
                                                   uint32_t size,
                                                   uint32_t client,
                                                   uint32_t clients,
                                                   ahoy_error **err);

/**
 * Switches on what helps where endpoints fail in odd ways: slow start over 2 s, outlier ejection, a panic threshold of
 * 0.5, and checks by connect. What was set before stays as it was set.
 */
AHOY_API
ahoy_status ahoy_balancer_use_resilient_profile(const ahoy_balancer *balancer,
                                                ahoy_error **err);

/**
 * Sends an endpoint no more attempts than this at once; above it, others are picked. Where all are full, the
 * call has no endpoint. Default: no limit.
 *
 * @param attempts at least 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_max_in_flight(const ahoy_balancer *balancer,
                                            uint32_t attempts,
                                            ahoy_error **err);

/**
 * Sets a rule by name; ahoy_balancer_option_key_at lists them.
 *
 * @param key such as "slow_start_window"
 * @param value text, with a unit where it is a duration: "250ms", "0.5"; an unusable one changes nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that is none; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_balancer_set(const ahoy_balancer *balancer,
                              const char *key,
                              const char *value,
                              ahoy_error **err);

/**
 * A breaker with the default rules.
 *
 * @return the breaker, never NULL
 */
AHOY_API ahoy_breaker *ahoy_breaker_new(void);

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
 * Sets the share of failed calls that opens a circuit, counted over an exact window of time. Default 0.5 of
 * at least 10 calls in 10,000 ms.
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
 * Sets the share of failed calls that opens a circuit, counted over the last calls instead of a window of
 * time: for endpoints that are asked seldom. The last of the two setters counts.
 *
 * @param ratio above 0, up to 1; reached counts
 * @param last_calls how many calls are remembered, two bytes each for every endpoint; 1 to 65,535
 * @param min_calls calls below which the rule does not act; at least 1, and above last_calls taken as that
 */
AHOY_API
ahoy_status ahoy_breaker_set_failure_ratio_count(const ahoy_breaker *breaker,
                                                 double ratio,
                                                 uint32_t last_calls,
                                                 uint32_t min_calls,
                                                 ahoy_error **err);

/**
 * Sets the share of slow calls that opens a circuit, whether they failed or not. Counted over the same window
 * and with the same min_calls as the failure ratio, also where that is disabled. Off by default.
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
 * Sets how long a circuit stays open: base at first, doubled with each further trip up to max, each time
 * give or take a quarter. After the stable time closed (ahoy_breaker_set_reset_after_ms) it starts from base again.
 * Default 500 and 30,000 ms.
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
 * Sets the longest open time of a circuit whose endpoint could not be connected to. Default 1,000 ms: such a
 * probe costs its caller nothing.
 *
 * @param max_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_connect_open_max_ms(const ahoy_breaker *breaker,
                                                 uint64_t max_ms,
                                                 ahoy_error **err);

/**
 * Sets how many probes a half-open circuit lets through at once, all of which must succeed to close it.
 * Default 1.
 *
 * @param probes at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_half_open_probes(const ahoy_breaker *breaker,
                                              uint32_t probes,
                                              ahoy_error **err);

/**
 * Sets how long a probe may take; after that one more is let through, so that a circuit never sticks.
 * Default 3,000 ms.
 *
 * @param interval_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_probe_timeout_ms(const ahoy_breaker *breaker,
                                              uint64_t interval_ms,
                                              ahoy_error **err);

/**
 * Sets how long a circuit must be closed until its earlier trips are forgotten: one that opens again before
 * that stays open for longer. Default 60,000 ms.
 *
 * @param reset_after_ms at least 1
 */
AHOY_API
ahoy_status ahoy_breaker_set_reset_after_ms(const ahoy_breaker *breaker,
                                            uint64_t reset_after_ms,
                                            ahoy_error **err);

/**
 * Sets how many circuits answers must leave closed: a service that answers 5xx everywhere is still asked.
 * Failed connects may open the last one all the same. Default 1; 0 lets answers open all.
 */
AHOY_API
ahoy_status ahoy_breaker_set_min_closed(const ahoy_breaker *breaker,
                                        uint32_t endpoints,
                                        ahoy_error **err);

/**
 * Frees a breaker; NULL is fine. Balancers that took it go on.
 */
AHOY_API void ahoy_breaker_free(ahoy_breaker *breaker);

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
 * Lets everything through and judges nothing, until ahoy_endpoint_open_circuit or ahoy_endpoint_close_circuit: for an endpoint
 * that must be asked whatever it answers.
 *
 * @return AHOY_E_IN_USE where that is so already
 */
AHOY_API
ahoy_status ahoy_endpoint_disable_circuit(const ahoy_endpoint *endpoint,
                                          ahoy_error **err);

/**
 * Sends the endpoint nothing new, until ahoy_endpoint_resume; what is under way goes on. Its circuit shows
 * open meanwhile.
 */
AHOY_API
ahoy_status ahoy_endpoint_drain(const ahoy_endpoint *endpoint,
                                ahoy_error **err);

/**
 * Goes on where ahoy_endpoint_drain came in.
 */
AHOY_API ahoy_status ahoy_endpoint_resume(const ahoy_endpoint *endpoint, ahoy_error **err);

/**
 * Frees an endpoint; NULL is fine. The balancer's own stays.
 */
AHOY_API void ahoy_endpoint_free(ahoy_endpoint *endpoint);

/**
 * Takes endpoints out of rotation that fare worse than their neighbours: every 10 s, those of at least 100 attempts
 * whose success rate is more than 1.9 standard deviations below the mean of at least 5 endpoints, and those of at least
 * 50 attempts that failed 85 % of them. For 30 s, and longer each time up to 300 s; at most half of all, and never
 * the last one (as in Envoy, and with its cap counted after the ejection). The other functions of this kind change the numbers. Default: off.
 */
AHOY_API
ahoy_status ahoy_balancer_enable_ejection(const ahoy_balancer *balancer,
                                          ahoy_error **err);

/**
 * Sets how often outliers are looked for, how long they are out, and how many may be. Up to a tenth of base_ms, and
 * at most 3 s, is added at random to each time. Switches ejection on.
 *
 * @param interval_ms between two looks; default 10000
 * @param base_ms of the first time, and added with each further one; default 30000
 * @param max_ms of any time; default 300000
 * @param max_share of all endpoints that may be out, 0 to 1; default 0.5
 * @param min_healthy endpoints that stay in any case; default 1
 */
AHOY_API
ahoy_status ahoy_balancer_set_ejection(const ahoy_balancer *balancer,
                                       uint64_t interval_ms,
                                       uint64_t base_ms,
                                       uint64_t max_ms,
                                       double max_share,
                                       uint32_t min_healthy,
                                       ahoy_error **err);

/**
 * Sets the rule on success rates. Switches ejection on.
 *
 * @param min_endpoints with enough attempts, below which there is no mean to speak of; default 5
 * @param min_calls of an endpoint between two looks; default 100
 * @param factor how many standard deviations below the mean make an outlier, from 0; default 1.9
 */
AHOY_API
ahoy_status ahoy_balancer_set_ejection_success_rate(const ahoy_balancer *balancer,
                                                    uint32_t min_endpoints,
                                                    uint32_t min_calls,
                                                    double factor,
                                                    ahoy_error **err);

/**
 * Sets the rule on the share of failures. Switches ejection on.
 *
 * @param share of failed attempts from which an endpoint is out, 0 to 1; default 0.85
 * @param min_endpoints with enough attempts; default 5
 * @param min_calls of an endpoint between two looks; default 50
 */
AHOY_API
ahoy_status ahoy_balancer_set_ejection_failure_share(const ahoy_balancer *balancer,
                                                     double share,
                                                     uint32_t min_endpoints,
                                                     uint32_t min_calls,
                                                     ahoy_error **err);

/**
 * Checks endpoints in the background, on a library thread: those of which calls told nothing for a while, every
 * interval_ms, give or take a fifth (every second while they are out, once a minute while nothing is asked of the service at
 * all). Three checks in a row without an answer take an endpoint out of rotation, a wrong answer at once; two
 * that pass bring it back, and one lets an open circuit try again. The checks begin with the first call of a client and
 * share its TLS settings. Default: off.
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
 * @param unhealthy checks in a row without an answer that take an endpoint out, 1 to 255; default 3
 * @param healthy checks in a row that an endpoint must pass to come back, 1 to 255; default 2
 * @param out_interval_ms between two checks of one that is out, at least 1; default 1000
 */
AHOY_API
ahoy_status ahoy_balancer_set_health_thresholds(const ahoy_balancer *balancer,
                                                uint32_t unhealthy,
                                                uint32_t healthy,
                                                uint64_t out_interval_ms,
                                                ahoy_error **err);

/**
 * Holds traffic back after no endpoint admitted any more: of the calls, only the part goes that so many endpoints
 * of min_working can bear, until their number stays the same for hold_ms; the others are AHOY_E_OVERLOADED
 * (as in brpc). So the first endpoints that come back are not overwhelmed at once. Default: off.
 *
 * @param min_working how many endpoints can just bear all traffic, at least 1
 * @param hold_ms 10000 is a good start
 */
AHOY_API
ahoy_status ahoy_balancer_set_outage_recovery(const ahoy_balancer *balancer,
                                              uint32_t min_working,
                                              uint64_t hold_ms,
                                              ahoy_error **err);

/**
 * A host at a name or IP address and a port.
 *
 * Port 443 means https and any other http, unless ahoy_host_set_scheme says otherwise.
 *
 * @param address host name or IP address (IPv6 with or without brackets, an address of a link with its zone as in
 *        fe80::1%eth0); copied
 * @param port TCP port, 1 to 65535
 * @return the host, or NULL where an argument is not valid
 */
AHOY_API
ahoy_host *ahoy_host_new(const char *address,
                         uint16_t port);

/**
 * Sets the host's share of the traffic relative to the other hosts of its priority and zone. Default 1.
 *
 * @param weight 0 to 65535; 0 for no traffic, for a host that is to be drained; one that counts neither as well
 *        nor as ill
 */
AHOY_API
ahoy_status ahoy_host_set_weight(ahoy_host *host,
                                 uint32_t weight,
                                 ahoy_error **err);

/**
 * Sets the zone that the host stands in, for balancers that know their own (ahoy_balancer_set_zone). Default none.
 *
 * @param zone any text; copied
 */
AHOY_API
ahoy_status ahoy_host_set_zone(ahoy_host *host,
                               const char *zone,
                               ahoy_error **err);

/**
 * Sets the host's priority level, 0 first: the next level serves in part where less than 72 % of a level are well,
 * and alone where none is. Default 0.
 *
 * @param priority 0 to 127
 */
AHOY_API
ahoy_status ahoy_host_set_priority(ahoy_host *host,
                                   uint32_t priority,
                                   ahoy_error **err);

/**
 * States the host's scheme, whatever its port.
 *
 * @param scheme AHOY_SCHEME_HTTP or AHOY_SCHEME_HTTPS
 */
AHOY_API ahoy_status ahoy_host_set_scheme(ahoy_host *host, int32_t scheme, ahoy_error **err);

/**
 * Sets what the Host header carries, apart from the address that is dialled. Default: the address, with the
 * port where it is not the scheme's own.
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
 * The endpoint that says itself that it is idle and quick (Prequal, as in the paper of NSDI'24). Small requests, the
 * probes, ask random endpoints how busy they are, on a library thread and beside the calls: none waits for one. The
 * last answers are kept; of the endpoints that have no more in flight than most, the quickest is taken, or else the one
 * with the least in flight. That sees what all clients send, where p2c sees only this one's part, and costs three probes
 * for each call.
 *
 * A probe is a GET of probe_path over HTTP/1.1, by connections of its own. It is answered with status 200 and a header
 * `ahoy-load: in_flight=3, latency_ms=4.2`: how many requests the server works on, and how long they took lately with
 * about as many. For what is missing there, or all of it where anything in it is broken, what this client knows stands
 * in: its own attempts in flight, and how long the probe took. An answer with another status has failed, and so has one
 * that takes more than 3 ms (ahoy_balancer_set_prequal_probes). Circuits do not learn of probes.
 *
 * Where the answers say too little, the balancer does as that of ahoy_balancer_p2c_new: with fewer than 4 endpoints in
 * rotation, where all clients would follow the same one; at first; and while probes fail. Only there weights count.
 * Probes begin with the first call of a client, share its TLS settings, and are sent only while there are calls.
 *
 * @param provider frozen from here on; still the caller's to free
 * @param probe_path begins with /; what answers there should cost next to nothing
 * @return the balancer, or NULL where provider is NULL or probe_path is not such a path
 */
AHOY_API
ahoy_balancer *ahoy_balancer_prequal_new(const ahoy_provider *provider,
                                         const char *probe_path);

/**
 * Sets how many probes a prequal balancer sends, and what it makes of their answers. The defaults are the paper's.
 *
 * @param pool answers kept, 2 to 256, at most half of the endpoints if there are few; default 16
 * @param max_age_ms how long an answer is kept, at least 1; default 1000
 * @param probes_per_call parts of one by chance, above removals_per_call, up to 100; default 3
 * @param removals_per_call answers removed by each call beside those used up, in turn the oldest and the worst, 0 to
 *        100; default 1
 * @param hot an endpoint is hot if it has more in flight than this share of the answers told, 0 to 1; default 0.84
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
 * Sets how the probes of a prequal balancer are sent.
 *
 * @param timeout_ms how long an answer is waited for, at least 1; default 3. Over a wide network it must be longer
 * @param at_once how many may be under way at the same time, and one for each endpoint; what is beyond is not sent;
 *        1 to 1024; default 64
 */
AHOY_API
ahoy_status ahoy_balancer_set_prequal_probes(const ahoy_balancer *balancer,
                                             uint64_t timeout_ms,
                                             uint32_t at_once,
                                             ahoy_error **err);

/**
 * An empty list that ahoy_provider_list_add fills.
 *
 * @return the provider, never NULL
 */
AHOY_API ahoy_provider *ahoy_provider_list_new(void);

/**
 * Adds a server to a list. One that stands there already (same address, port and scheme) counts once.
 *
 * @param address host name or IP address; copied
 * @param port TCP port, 1 to 65535; 443 means https
 * @return AHOY_E_INVALID_ARGUMENT also for a provider that is no list; AHOY_E_IN_USE after its first use
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
 * A provider of your own.
 *
 * @param fn fills the list; called by one thread at a time
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 * @return the provider, or NULL where fn is NULL
 */
AHOY_API
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
 * "scheme://address:port" of the endpoint. NULL for NULL.
 */
AHOY_API const char *ahoy_attempt_url(const ahoy_attempt *attempt);

/**
 * AHOY_OK where an answer came, whatever its status; else why none came. AHOY_E_INVALID_ARGUMENT for NULL.
 */
AHOY_API
ahoy_status ahoy_attempt_status(const ahoy_attempt *attempt);

/**
 * The answer's status, such as 503; 0 where none came.
 */
AHOY_API int32_t ahoy_attempt_http_status(const ahoy_attempt *attempt);

/**
 * What happened in a few words, such as "connect refused"; empty where an answer came. NULL for NULL.
 */
AHOY_API
const char *ahoy_attempt_detail(const ahoy_attempt *attempt);

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
 * Whether it was a hedge: a copy sent beside another attempt that took long (ahoy_client_builder_set_hedge).
 */
AHOY_API
bool ahoy_attempt_is_hedge(const ahoy_attempt *attempt);

/**
 * Waits for a call to end and hands out its result. When the time is up first, returns AHOY_OK with a NULL
 * response, and the call goes on; so it does after AHOY_E_INTERRUPTED, and may be waited for again.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param response gets the answer; NULL on failure and when the time is up
 * @return AHOY_E_IN_USE where the result was handed out before or goes to a callback; AHOY_E_INTERRUPTED where
 *         a signal ended the wait of an interruptible client; else how the call ended
 */
AHOY_API
ahoy_status ahoy_call_wait(const ahoy_call *call,
                           uint64_t timeout_ms,
                           ahoy_response **response,
                           ahoy_error **err);

/**
 * Lets a function get the result when the call ends, exactly once; on a call that has ended it runs on an I/O
 * thread at once. A call with such a function goes on when its handle is freed.
 *
 * @param fn gets the outcome
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 * @return AHOY_E_IN_USE where the result was handed out before or goes to another callback
 */
AHOY_API
ahoy_status ahoy_call_on_done(const ahoy_call *call,
                              ahoy_done_fn fn,
                              void *user_data,
                              ahoy_destroy_fn destroy,
                              ahoy_error **err);

/**
 * Asks a call to end with AHOY_E_CANCELLED. It still completes, exactly once, and with its own result where
 * that was faster. The exchange is dropped: the server sees the connection close. Does not wait.
 *
 * @return AHOY_OK also for a call that has ended
 */
AHOY_API
ahoy_status ahoy_call_cancel(const ahoy_call *call,
                             ahoy_error **err);

/**
 * Frees a call; NULL is fine. A call under way is cancelled, unless its result goes to a callback. Does not
 * wait.
 */
AHOY_API
void ahoy_call_free(ahoy_call *call);

/**
 * The status that the function returned. AHOY_E_INVALID_ARGUMENT for NULL.
 */
AHOY_API ahoy_status ahoy_error_status(const ahoy_error *error);

/**
 * What happened: one line, and for a failed call one more line for each attempt. Holds no header values, no
 * bodies and no query strings. Valid until the error is freed; empty for NULL.
 */
AHOY_API
const char *ahoy_error_message(const ahoy_error *error);

/**
 * Whether the same call may succeed later and repeating it does no harm.
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
 * One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are kept.
 */
AHOY_API
const ahoy_attempt *ahoy_error_attempt_at(const ahoy_error *error,
                                          size_t index);

/**
 * For AHOY_E_HTTP_STATUS, the answer with its status, headers and body; else NULL. Borrowed.
 */
AHOY_API const ahoy_response *ahoy_error_response(const ahoy_error *error);

/**
 * Frees an error; NULL is fine.
 */
AHOY_API void ahoy_error_free(ahoy_error *error);

/**
 * A queue for ahoy_client_submit.
 *
 * @param queue gets the queue; NULL on failure
 * @return AHOY_E_OVERLOADED where the process is out of descriptors
 */
AHOY_API ahoy_status ahoy_queue_new(ahoy_queue **queue, ahoy_error **err);

/**
 * The descriptor to poll for reading: readable while a completion waits to be read. It is the queue's own;
 * never read from it and never close it. Read completions until there are none. -1 for NULL.
 */
AHOY_API
int32_t ahoy_queue_fd(const ahoy_queue *queue);

/**
 * Asks every unfinished call with a tag to end with AHOY_E_CANCELLED. Each still completes, exactly once, and
 * with its own result where that was faster. Does not wait.
 *
 * @return AHOY_OK also where no call has that tag
 */
AHOY_API
ahoy_status ahoy_queue_cancel(const ahoy_queue *queue,
                              uint64_t tag,
                              ahoy_error **err);

/**
 * Takes the next completion, waiting for it if there is none. When the time is up first, returns AHOY_OK with
 * NULL.
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
 * Takes completions by the batch, which is cheaper than one by one: waits for the first and takes what else is
 * there. When the time is up first, returns AHOY_OK and none.
 *
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit
 * @param completions room for capacity handles; the first count of them are set, each to be freed with
 *        ahoy_completion_free
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
 * Frees a queue; NULL is fine. Its unfinished calls are cancelled and what was not read is discarded. Does not
 * wait. Close nothing: the descriptor goes with the queue.
 */
AHOY_API
void ahoy_queue_free(ahoy_queue *queue);

/**
 * The tag that the call was submitted with, or that was given to ahoy_response_notify; 0 for NULL.
 */
AHOY_API uint64_t ahoy_completion_tag(const ahoy_completion *completion);

/**
 * How the call ended: AHOY_OK where there is a response, or something to read. AHOY_E_INVALID_ARGUMENT for NULL.
 */
AHOY_API
ahoy_status ahoy_completion_status(const ahoy_completion *completion);

/**
 * Takes the response, to be freed with ahoy_response_free; NULL where the call failed or it was taken before.
 */
AHOY_API
ahoy_response *ahoy_completion_take_response(const ahoy_completion *completion);

/**
 * Takes the error, to be freed with ahoy_error_free; NULL where the call succeeded or it was taken before.
 */
AHOY_API
ahoy_error *ahoy_completion_take_error(const ahoy_completion *completion);

/**
 * Frees a completion with whatever was not taken from it; NULL is fine.
 */
AHOY_API void ahoy_completion_free(ahoy_completion *completion);

/**
 * A request.
 *
 * @param method such as "GET" or "PURGE"; case matters
 * @param path path and query, starting with "/", or an absolute URL for a client without a balancer; other
 *        than printable ASCII must be percent-encoded
 * @param request gets the request; NULL on failure
 */
AHOY_API
ahoy_status ahoy_request_new(const char *method,
                             const char *path,
                             ahoy_request **request,
                             ahoy_error **err);

/**
 * Adds a header; the same name may be added more than once. It replaces the client's default of that name.
 *
 * @param name a header name; framing headers such as Content-Length are refused
 * @param value without CR, LF and other control characters; copied
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
 * @param value without CR, LF and other control characters; copied
 */
AHOY_API
ahoy_status ahoy_request_set_header(ahoy_request *request,
                                    const char *name,
                                    const char *value,
                                    ahoy_error **err);

/**
 * Hands over the headers of an inbound request; the client passes on only those that it was told to (by
 * ahoy_client_builder_forward_header and ahoy_client_builder_forward_cookie). Headers that cannot be passed
 * on are left out.
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
 * Says whether the request may be carried out twice. Default: by its method (GET, HEAD, OPTIONS, TRACE, PUT
 * and DELETE may).
 */
AHOY_API
ahoy_status ahoy_request_set_idempotent(ahoy_request *request,
                                        bool idempotent,
                                        ahoy_error **err);

/**
 * Sets the key that a balancer goes by which sends the same key to the same endpoint: ring hash, maglev and
 * rendezvous. It is hashed by xxHash64. Without it the key is what the balancer was told (ahoy_balancer_set_hash_header), and a
 * call without any goes anywhere.
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
 * Sets the key's hash itself, for hosts that have one.
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
 * The whole body, decoded; of a streamed answer there is none. A NUL follows its last byte and is not counted; the body itself may hold others.
 *
 * @param length gets the number of bytes; may be NULL
 * @return the bytes, never NULL for a response; NULL for NULL
 */
AHOY_API
const uint8_t *ahoy_response_body(const ahoy_response *response,
                                  size_t *length);

/**
 * "scheme://address:port" of the endpoint that answered.
 */
AHOY_API const char *ahoy_response_endpoint_url(const ahoy_response *response);

/**
 * How many attempts the call made.
 */
AHOY_API size_t ahoy_response_attempt_count(const ahoy_response *response);

/**
 * Why the call ended with an answer after which another attempt might have followed, such as "the client's retry budget
 * is used up" or "not repeated, for the request is not idempotent". Empty where none would have, where all tries were
 * made, and for NULL. For people and logs: the wording may change.
 */
AHOY_API
const char *ahoy_response_stop_reason(const ahoy_response *response);

/**
 * One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are kept.
 */
AHOY_API
const ahoy_attempt *ahoy_response_attempt_at(const ahoy_response *response,
                                             size_t index);

/**
 * Frees a response and all that was borrowed from it; NULL is fine. The rest of a streamed body is cancelled:
 * its exchange is dropped, and the server sees the connection close. Does not wait.
 */
AHOY_API
void ahoy_response_free(ahoy_response *response);

/**
 * Asks for the body of the answer piece by piece: the call completes when the answer's head is there, and
 * ahoy_response_read brings the body while it comes. Default false: answers are held whole.
 *
 * The call's limit and the limit on each attempt then end with the head; from there on each piece has its own
 * (ahoy_request_set_idle_timeout_ms), and the body may take as long as it likes. The bound on bodies (max_body)
 * does not hold for it. The endpoint's circuit learns at the end of the body how it went.
 *
 * An answer that may be retried by its status, or that fail_on_status makes an error, is read whole all the same,
 * within the usual bounds; ahoy_response_read reads that too. In an on_response hook a streamed body is empty.
 *
 * All hooks of such a call run on an I/O thread, also where it was made by ahoy_client_send.
 */
AHOY_API
ahoy_status ahoy_request_set_streamed(ahoy_request *request,
                                      bool streamed,
                                      ahoy_error **err);

/**
 * Limits how long the next piece of a streamed answer may take to come, while its reader has room for it; then
 * the body ends with AHOY_E_TIMEOUT. Default: the client's limit on one attempt, or 10 s where that is not set.
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
 * One call at a time can use it: another gets AHOY_E_IN_USE. Once bytes were taken, a further attempt or call needs
 * rewind; without it the call is not retried any more, and no further call can be made with this body.
 *
 * A body that is shorter or longer than its length, or a number that is no AHOY_BODY_ number, ends the call with
 * AHOY_E_BODY_SOURCE and its connection with it: nothing is ever sent in place of what is missing. Where the
 * length is reached, nothing more is asked for.
 *
 * @param fn produces the bytes
 * @param rewind goes back to the first byte; NULL where that cannot be done
 * @param user_data handed to both
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
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
 * Asks a body function again that said AHOY_BODY_NOT_READY. It may come before that answer, and more than once.
 * The request must not be freed before; keep it until the call has ended. Does not wait and calls nothing itself.
 *
 * Thread: any, also while the request is being sent, and inside callbacks.
 */
AHOY_API
ahoy_status ahoy_request_body_ready(const ahoy_request *request,
                                    ahoy_error **err);

/**
 * Reads the next bytes of a response's body, waiting for them if there are none. Any response can be read; for
 * a streamed one (ahoy_request_set_streamed) it is the only way to its body. Read on until ended is true.
 *
 * When the time is up first, returns AHOY_OK with no bytes and ended false, and the body may be read on; so it
 * may after AHOY_E_INTERRUPTED and AHOY_E_WOULD_DEADLOCK. Any other failure is the end of the body and comes
 * again with each further read. Bytes that came before the body broke off are read first.
 *
 * Who does not read holds the server back: about 256 KiB wait here, and the rest stays in the network.
 *
 * Thread: any, one at a time.
 *
 * @param buffer room for capacity bytes
 * @param capacity at least 1
 * @param timeout_ms 0 polls; AHOY_FOREVER for no limit but the body's own (ahoy_request_set_idle_timeout_ms)
 * @param length gets the number of bytes read; 0 on failure
 * @param ended gets true where nothing comes after these bytes, of which there may be none; false on failure
 * @return AHOY_E_CONNECTION_LOST, AHOY_E_PROTOCOL, AHOY_E_TIMEOUT and the like where the body broke off;
 *         AHOY_E_CANCELLED or AHOY_E_CLOSED where it was ended from here; AHOY_E_WOULD_DEADLOCK where it would
 *         wait inside a callback; AHOY_E_INTERRUPTED where a signal ended the wait of an interruptible client;
 *         AHOY_E_FORKED for a streamed response of the parent process
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
 * Lets a completion come on a queue when there is something to read of a response's body, its end included: at
 * once where it is there. Once for each call of this function; then ahoy_response_read with a timeout of 0
 * until it gives no bytes, and this function again.
 *
 * The completion has the tag and no response; its status is AHOY_OK, or AHOY_E_CANCELLED where the response was
 * freed first. ahoy_queue_cancel with the tag ends the body, and so does freeing the queue meanwhile.
 *
 * @param queue where the completion comes
 * @param tag any number, handed back with the completion
 * @return AHOY_E_IN_USE where somebody waits for this response already; AHOY_E_OVERLOADED where the queue is
 *         full; then and with any other failure no completion comes
 */
AHOY_API
ahoy_status ahoy_response_notify(const ahoy_response *response,
                                 const ahoy_queue *queue,
                                 uint64_t tag,
                                 ahoy_error **err);

/**
 * Lets a function be called when there is something to read of a response's body, its end included: at once,
 * on an I/O thread, where it is there. Once for each call of this function. It is not called any more when the
 * response was freed, unless it runs just then.
 *
 * @param fn called
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 * @return AHOY_E_IN_USE where somebody waits for this response already
 */
AHOY_API
ahoy_status ahoy_response_on_readable(const ahoy_response *response,
                                      ahoy_readable_fn fn,
                                      void *user_data,
                                      ahoy_destroy_fn destroy,
                                      ahoy_error **err);

/**
 * A builder with the defaults. Without a balancer and a base URL the client takes absolute URLs.
 *
 * @return the builder, never NULL
 */
AHOY_API ahoy_client_builder *ahoy_client_builder_new(void);

/**
 * Sends the client's requests to the endpoints of a balancer, in place of an earlier balancer or base URL.
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
 * @param base_url "http://host/path" or https; its path comes before each request's
 */
AHOY_API
ahoy_status ahoy_client_builder_set_base_url(ahoy_client_builder *builder,
                                             const char *base_url,
                                             ahoy_error **err);

/**
 * Sets what is tried again. Default: the rules of ahoy_retry_new.
 *
 * @param retry frozen from here on; still the caller's to free
 */
AHOY_API
ahoy_status ahoy_client_builder_set_retry(ahoy_client_builder *builder,
                                          const ahoy_retry *retry,
                                          ahoy_error **err);

/**
 * Adds a header to every request, unless the request has one of the same name. User-Agent, by default
 * "ahoy/VERSION", is replaced.
 *
 * @param name a header name; framing headers such as Content-Length are refused
 * @param value without CR, LF and other control characters; copied
 */
AHOY_API
ahoy_status ahoy_client_builder_add_header(ahoy_client_builder *builder,
                                           const char *name,
                                           const char *value,
                                           ahoy_error **err);

/**
 * Lets an inbound header pass that ahoy_request_forward_headers hands over.
 *
 * @param name a header name; "Cookie" passes all cookies
 */
AHOY_API
ahoy_status ahoy_client_builder_forward_header(ahoy_client_builder *builder,
                                               const char *name,
                                               ahoy_error **err);

/**
 * Lets one cookie pass of an inbound Cookie header that ahoy_request_forward_headers hands over.
 *
 * @param name the cookie's name; case matters
 */
AHOY_API
ahoy_status ahoy_client_builder_forward_cookie(ahoy_client_builder *builder,
                                               const char *name,
                                               ahoy_error **err);

/**
 * Sets how often a call asks the provider for a new list when no endpoint is left. Default 1.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_endpoint_updates(ahoy_client_builder *builder,
                                                     uint32_t updates,
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
 * Limits one attempt. Default: the lesser of 10,000 ms and the attempt's share of the time left.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for no limit but the call's
 */
AHOY_API
ahoy_status ahoy_client_builder_set_attempt_timeout_ms(ahoy_client_builder *builder,
                                                       uint64_t timeout_ms,
                                                       ahoy_error **err);

/**
 * Limits resolving, TCP and TLS together. Default: the lesser of 3,000 ms and the attempt's share of the time
 * left.
 *
 * @param timeout_ms at least 1; AHOY_FOREVER for no limit but the attempt's
 */
AHOY_API
ahoy_status ahoy_client_builder_set_connect_timeout_ms(ahoy_client_builder *builder,
                                                       uint64_t timeout_ms,
                                                       ahoy_error **err);

/**
 * Sets how long an unused connection is kept. Default 60,000 ms.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_idle_timeout_ms(ahoy_client_builder *builder,
                                                    uint64_t timeout_ms,
                                                    ahoy_error **err);

/**
 * Bounds the decoded body of an answer; a larger one is AHOY_E_BODY_TOO_LARGE. Default 64 MiB.
 *
 * The head of an answer is bounded by 262,144 bytes, with the interim answers before it, and by 24,000 headers; a
 * larger one is AHOY_E_PROTOCOL. That is no setting.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_body_bytes(ahoy_client_builder *builder,
                                                   uint64_t bytes,
                                                   ahoy_error **err);

/**
 * Asks for gzip and decodes it. Default true.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_gzip(ahoy_client_builder *builder,
                                         bool gzip,
                                         ahoy_error **err);

/**
 * Speaks HTTP/2: few connections to a host, each shared by many calls. Only for a client with a balancer.
 * Default AHOY_HTTP2_OFF.
 *
 * The connections live on library threads, so that a blocking call is handed to one of them and hooks run
 * there.
 *
 * @param mode AHOY_HTTP2_OFF, AHOY_HTTP2_ALPN or AHOY_HTTP2_PRIOR_KNOWLEDGE
 */
AHOY_API
ahoy_status ahoy_client_builder_set_http2(ahoy_client_builder *builder,
                                          int32_t mode,
                                          ahoy_error **err);

/**
 * Follows so many redirects; only for a client without a balancer. Authorization and Cookie are not sent on
 * to another host, and https is not left for http. Default 0.
 *
 * @param redirects up to 50
 */
AHOY_API
ahoy_status ahoy_client_builder_set_redirects(ahoy_client_builder *builder,
                                              uint32_t redirects,
                                              ahoy_error **err);

/**
 * Makes an answer of 4xx or 5xx AHOY_E_HTTP_STATUS, whose error keeps the answer. Default false.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_fail_on_status(ahoy_client_builder *builder,
                                                   bool fail,
                                                   ahoy_error **err);

/**
 * Trusts more certificates for https, beside the platform's.
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
 * Trusts the platform's certificates for https. Default true; with false nothing is trusted but what
 * ahoy_client_builder_add_ca_pem adds, and building a client to which nothing was added is refused.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_platform_roots(ahoy_client_builder *builder,
                                                   bool trust,
                                                   ahoy_error **err);

/**
 * Says who this client is to servers that ask for a certificate.
 *
 * @param certificate_pem the chain in PEM, own certificate first; copied, and checked when the client is built
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
 * Sets an option by name; ahoy_client_option_key_at lists them.
 *
 * @param key such as "attempt_timeout"
 * @param value text with a unit, such as "250ms" or "64KiB"; an unusable one changes nothing
 * @return AHOY_E_UNKNOWN_OPTION for a key that is none; the error names the nearest
 */
AHOY_API
ahoy_status ahoy_client_builder_set(ahoy_client_builder *builder,
                                    const char *key,
                                    const char *value,
                                    ahoy_error **err);

/**
 * Builds a client. Nothing is contacted: the provider is asked and connections are made by the first call.
 *
 * @param client gets the client; NULL on failure
 * @return AHOY_E_INVALID_ARGUMENT where options do not go together, or a certificate or key is unusable
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
 * Sends GET and waits for the answer. Blocks up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
 * @param response gets the answer, whatever its status; NULL on failure
 */
AHOY_API
ahoy_status ahoy_client_delete(const ahoy_client *client,
                               const char *path,
                               ahoy_response **response,
                               ahoy_error **err);

/**
 * Sends POST with a body and waits for the answer. Not repeated once it may have been carried out. Blocks
 * up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * Sends PATCH with a body and waits for the answer. Not repeated once it may have been carried out. Blocks
 * up to the call's limit.
 *
 * @param path path and query, starting with "/"; or an absolute URL for a client without a balancer
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
 * Starts a request on an I/O thread and returns at once. At the first use of the client's balancer the provider
 * is asked on this thread.
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
 * Starts a request on an I/O thread and returns at once; its completion comes on a queue. At the first use of
 * the client's balancer the provider is asked on this thread.
 *
 * @param request not changed; may be sent again
 * @param queue where the completion comes, exactly one
 * @param tag any number, handed back with the completion
 * @return AHOY_E_OVERLOADED where the queue is full; then and with any other failure no completion comes
 */
AHOY_API
ahoy_status ahoy_client_submit(const ahoy_client *client,
                               const ahoy_request *request,
                               const ahoy_queue *queue,
                               uint64_t tag,
                               ahoy_error **err);

/**
 * Closes a client: refuses new calls, waits for those under way, and ends the rest with AHOY_E_CLOSED when the
 * time is up; blocked callers wake. The handle is still to be freed.
 *
 * @param timeout_ms 0 ends all calls at once; AHOY_FOREVER waits for the last
 * @return AHOY_OK also where calls had to be ended, and for a client that is closed already
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
 * Sets the hook before each attempt, in place of an earlier one.
 *
 * @param fn the hook
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
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
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
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
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_error(ahoy_client_builder *builder,
                                         ahoy_error_fn fn,
                                         void *user_data,
                                         ahoy_destroy_fn destroy,
                                         ahoy_error **err);

/**
 * Lets signals end blocking calls: the function is asked on the calling thread after each signal that the host
 * caught there, and at least every 50 ms; its yes ends the call with AHOY_E_INTERRUPTED. It must not block.
 *
 * @param fn the question
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_set_should_stop(ahoy_client_builder *builder,
                                                ahoy_should_stop_fn fn,
                                                void *user_data,
                                                ahoy_destroy_fn destroy,
                                                ahoy_error **err);

/**
 * Ends a blocking call with AHOY_E_INTERRUPTED when a signal is caught on its thread, unless
 * ahoy_client_builder_set_should_stop says otherwise. A signal that comes in the moment when the thread does not
 * wait leaves no trace; with ahoy_client_builder_set_should_stop none is missed. Default false.
 */
AHOY_API
ahoy_status ahoy_client_builder_set_interruptible(ahoy_client_builder *builder,
                                                  bool interruptible,
                                                  ahoy_error **err);

/**
 * Sets where the client's messages go, in place of an earlier one. Default: nowhere. No message holds a
 * header value, a body or a query string.
 *
 * @param level the least that matters: an AHOY_LOG_ number
 * @param fn gets each message
 * @param user_data handed to fn
 * @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
 */
AHOY_API
ahoy_status ahoy_client_builder_on_log(ahoy_client_builder *builder,
                                       int32_t level,
                                       ahoy_log_fn fn,
                                       void *user_data,
                                       ahoy_destroy_fn destroy,
                                       ahoy_error **err);

/**
 * Chooses what is asked for the addresses of names. Default AHOY_RESOLVER_DNS.
 *
 * AHOY_RESOLVER_DNS reads the hosts file and resolv.conf (again when they change), asks for IPv6 and IPv4 at once,
 * keeps answers by their time to live and negative ones for at most 5 seconds. It needs no thread. Choose it unless
 * a name is known to the system only.
 * AHOY_RESOLVER_SYSTEM knows whatever the system is set up for: nsswitch.conf, mDNS (.local), LDAP, split DNS of a
 * VPN. It costs up to 8 library threads while names are resolved, each of which a silent name service can hold for
 * 30 s; answers are kept for 5 s, for the C library tells no time to live; and the C library itself reads
 * environment variables such as RES_OPTIONS.
 *
 * A name service that fails or is silent opens no circuit; a name that does not exist does.
 *
 * @param resolver one of the AHOY_RESOLVER_ numbers
 */
AHOY_API
ahoy_status ahoy_client_builder_set_resolver(ahoy_client_builder *builder,
                                             int32_t resolver,
                                             ahoy_error **err);

/**
 * Sets for how long the last known addresses of a name go on serving beyond their time to live, while the name
 * service is silent or fails (RFC 8767). Default 86,400,000 ms, one day. Kept connections go on in any case.
 *
 * @param max_stale_ms 0 for never; AHOY_FOREVER for ever
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_stale_ms(ahoy_client_builder *builder,
                                                 uint64_t max_stale_ms,
                                                 ahoy_error **err);

/**
 * How many options ahoy_client_builder_set knows. Any thread.
 */
AHOY_API size_t ahoy_client_option_count(void);

/**
 * The key of an option, from 0; NULL out of range. Static text. Any thread.
 */
AHOY_API const char *ahoy_client_option_key_at(size_t index);

/**
 * What an option does, its form and its default; NULL out of range. Static text. Any thread.
 */
AHOY_API const char *ahoy_client_option_description_at(size_t index);

/**
 * How many options ahoy_balancer_set knows. Any thread.
 */
AHOY_API size_t ahoy_balancer_option_count(void);

/**
 * The key of a balancer's option, from 0; NULL out of range. Static text. Any thread.
 */
AHOY_API const char *ahoy_balancer_option_key_at(size_t index);

/**
 * What a balancer's option does, its form and its default; NULL out of range. Static text. Any thread.
 */
AHOY_API
const char *ahoy_balancer_option_description_at(size_t index);

/**
 * Sets what retries and hedges of all calls together may add to the calls themselves: a share of them, and so many a
 * second beside, which a rare caller would be without otherwise. When the budget is used up, a failed attempt is the call's
 * end; so a service in trouble is not asked several times as much. An attempt of which nothing was sent costs
 * nothing. Default 0.1 and 1 over 10,000 ms: 10 extra attempts at once, and then one for each ten calls; for tries
 * without limit (ahoy_retry_set_tries) no budget unless this sets one.
 *
 * @param share of the calls, from 0; 0.2 is Finagle's, 0.1 keeps the load of a chain of services low
 * @param floor_per_second 0 is better in a fleet of more than 1,000 clients
 * @param window_ms over which is counted; 1000 to 60000
 */
AHOY_API
ahoy_status ahoy_client_builder_set_retry_budget(ahoy_client_builder *builder,
                                                 double share,
                                                 uint32_t floor_per_second,
                                                 uint64_t window_ms,
                                                 ahoy_error **err);

/**
 * Switches on what helps where endpoints fail in odd ways: hedges for the slowest twentieth of calls that may be
 * carried out twice, and a limit of 1,024 calls in flight. What was set before stays as it was set.
 */
AHOY_API
ahoy_status ahoy_client_builder_use_resilient_profile(ahoy_client_builder *builder,
                                                      ahoy_error **err);

/**
 * Lets retries and hedges cost the service whatever the other rules allow.
 */
AHOY_API
ahoy_status ahoy_client_builder_disable_retry_budget(ahoy_client_builder *builder,
                                                     ahoy_error **err);

/**
 * Sends a copy of an attempt to another endpoint where no answer came within this time; the first good answer
 * wins, and the other exchange is dropped. Only for requests that may be carried out twice, within the budget and
 * within max_extra, and none while the limit on calls in flight is reached or has turned calls away or let them wait
 * in the last 3 s. Default: off.
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
 * The same, after the time in which all but max_extra of the answers of the last 3 s came: 0.05 hedges the
 * slowest twentieth. Nothing is hedged until 50 answers were seen. Default: off.
 *
 * @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_hedge(ahoy_client_builder *builder,
                                          double max_extra,
                                          ahoy_error **err);

/**
 * Sends no more calls than this at once; a further one is AHOY_E_OVERLOADED, unless it may wait
 * (ahoy_client_builder_set_wait_queue). A streamed call counts until the end of its body. Default: no limit.
 *
 * @param calls at least 1
 */
AHOY_API
ahoy_status ahoy_client_builder_set_max_in_flight(ahoy_client_builder *builder,
                                                  uint32_t calls,
                                                  ahoy_error **err);

/**
 * Sends as many calls at once as the service answers in good time (Gradient2, as in Netflix's concurrency-limits):
 * the limit falls where answers take longer than they used to, and grows where they do not. Default: no limit.
 *
 * @param start before anything was seen; 20 is a good start
 * @param floor what it does not fall below, at least 1; 20 is a good start
 * @param ceiling what it does not exceed, at least floor; 200 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_adaptive_limit(ahoy_client_builder *builder,
                                                   uint32_t start,
                                                   uint32_t floor,
                                                   uint32_t ceiling,
                                                   ahoy_error **err);

/**
 * Lets calls above the limit wait for room: the more important first (ahoy_request_set_criticality), then whoever came
 * first. In a full queue a more important call takes the place of the least important. Default: none may wait.
 *
 * @param length how many may wait; 0 for none
 * @param wait_ms how long at most, within the call's deadline; 100 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_wait_queue(ahoy_client_builder *builder,
                                               uint32_t length,
                                               uint64_t wait_ms,
                                               ahoy_error **err);

/**
 * Refuses calls by itself (AHOY_E_OVERLOADED) while the service refuses most of them by 429 or 503 or does not
 * answer: of what is asked, about k times what it accepts is sent (client-side throttling, as in Google's SRE book).
 * Default: off.
 *
 * @param k at least 1; 2 is a good start
 * @param window_ms over which is counted; 120000 is a good start
 */
AHOY_API
ahoy_status ahoy_client_builder_set_adaptive_throttle(ahoy_client_builder *builder,
                                                      double k,
                                                      uint64_t window_ms,
                                                      ahoy_error **err);

/**
 * Tells the service how long each attempt may take, in whole milliseconds (for grpc-timeout in gRPC's form), and
 * shortens the call's own limit to what such a header of the inbound request says (ahoy_request_forward_headers): so the time
 * left shrinks from hop to hop. Default: off.
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
 * Lets an answer say by a header whether a call may be repeated: after so many milliseconds, or, where the value
 * is negative or no number, not at all. A service that is itself refused passes -1 on, and spares the one behind
 * it. Default: off.
 *
 * @param name a header name, such as grpc-retry-pushback-ms
 */
AHOY_API
ahoy_status ahoy_client_builder_set_pushback_header(ahoy_client_builder *builder,
                                                    const char *name,
                                                    ahoy_error **err);

/**
 * Says what is done with W3C traces: the traceparent header of the request, or else of the inbound request
 * (ahoy_request_forward_headers), whose tracestate goes along. Default AHOY_TRACE_OFF.
 *
 * @param mode one of the AHOY_TRACE_ numbers
 */
AHOY_API
ahoy_status ahoy_client_builder_set_trace(ahoy_client_builder *builder,
                                          int32_t mode,
                                          ahoy_error **err);

/**
 * Says how important the request is where a limit on calls in flight cannot let in all (the classes are those of
 * Google's SRE book). Default AHOY_CRITICAL.
 *
 * @param criticality one of the numbers above
 */
AHOY_API
ahoy_status ahoy_request_set_criticality(ahoy_request *request,
                                         int32_t criticality,
                                         ahoy_error **err);

/**
 * Retry rules with the defaults.
 *
 * @return the rules, never NULL
 */
AHOY_API ahoy_retry *ahoy_retry_new(void);

/**
 * Sets how many attempts a call may make, the first included. Default 3.
 *
 * @param tries at least 1, which also ends free attempts; -1 for no limit but the deadline
 */
AHOY_API ahoy_status ahoy_retry_set_tries(const ahoy_retry *retry, int32_t tries, ahoy_error **err);

/**
 * Sets the wait before the first retry. Default 25 ms.
 */
AHOY_API
ahoy_status ahoy_retry_set_delay_ms(const ahoy_retry *retry,
                                    uint64_t delay_ms,
                                    ahoy_error **err);

/**
 * Sets the longest wait before a retry. Default 1,000 ms.
 */
AHOY_API
ahoy_status ahoy_retry_set_max_delay_ms(const ahoy_retry *retry,
                                        uint64_t max_delay_ms,
                                        ahoy_error **err);

/**
 * Sets what the wait is multiplied by from one retry to the next. Default 2.
 *
 * @param backoff a finite number, at least 0; 1 keeps the wait
 */
AHOY_API
ahoy_status ahoy_retry_set_backoff(const ahoy_retry *retry,
                                   double backoff,
                                   ahoy_error **err);

/**
 * Adds a random time between min and max to each wait, instead of full jitter: the first wait is the delay
 * plus such a time, each further one the wait before it times the backoff plus such a time.
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
 * Draws each wait between 0 and the delay that has grown so far. The default; it spreads callers that failed
 * together.
 */
AHOY_API
ahoy_status ahoy_retry_set_full_jitter(const ahoy_retry *retry,
                                       ahoy_error **err);

/**
 * Sets what is tried again.
 *
 * @param mask AHOY_RETRY_ON_ numbers, combined with |; 0 for nothing
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
 * idempotent ones (by method, or by ahoy_request_set_idempotent), or what certainly was not processed.
 */
AHOY_API
ahoy_status ahoy_retry_set_any_method(const ahoy_retry *retry,
                                      bool any_method,
                                      ahoy_error **err);

/**
 * Sets the longest Retry-After (of 429 and 503) that is waited for; a longer one ends the call with that
 * answer. Never beyond the deadline. Default 300,000 ms.
 */
AHOY_API
ahoy_status ahoy_retry_set_retry_after_max_ms(const ahoy_retry *retry,
                                              uint64_t max_ms,
                                              ahoy_error **err);

/**
 * Frees retry rules; NULL is fine. Builders that took them go on.
 */
AHOY_API void ahoy_retry_free(ahoy_retry *retry);

/**
 * The name of a status, such as "AHOY_E_DEADLINE".
 *
 * Returns static text, never NULL: "AHOY_E_UNKNOWN" for a number that is no status. Any thread.
 */
AHOY_API const char *ahoy_status_name(ahoy_status status);

/**
 * The library's version, such as "0.1.0".
 *
 * Returns static text. Any thread.
 */
AHOY_API const char *ahoy_version(void);

/**
 * The library's version as one number: major * 10000 + minor * 100 + patch, as in `AHOY_VERSION_NUM`.
 *
 * Any thread.
 */
AHOY_API
uint32_t ahoy_version_number(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AHOY_H */
