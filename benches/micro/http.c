/* The same GET by four clients, in one run: a raw blocking socket loop (the floor), libcurl easy, libcurl multi
 * with epoll, and libahoy with its whole resilience path.
 *
 *     http PORT CA.PEM [ROUNDS]             compare; prints a report, one line a figure
 *     http PORT CA.PEM only MODE REQUESTS   one mode alone, for strace and perf
 *
 * Five ports in a row are asked: PORT, one over TLS, one that speaks HTTP/2 over TLS (libcurl 7.88 cannot use a connection
 * twice that speaks it by prior knowledge), and two whose server closes after each answer, the second over TLS.
 *
 * Modes take turns in random order, round by round; ratios are taken within a round, and the report has their
 * medians. A spinner of the lowest scheduling class on each CPU keeps it from sleeping, for waking an idle
 * virtual CPU takes longer than a request; BENCH_SPIN=0 leaves them out. */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CALLS_AT_ONCE
#define CALLS_AT_ONCE 64
#endif
enum { IN_FLIGHT = CALLS_AT_ONCE, MOST_THREADS = 64, MOST_ROUNDS = 100, CONNECTIONS = 4096 };

/* What is spoken, and the place of its port in the row. */
enum { PLAIN, TLS, HTTP2, CLOSING, TLS_CLOSING, PROTOCOLS };

static uint16_t first_port;
static const char *ca;
static char urls[PROTOCOLS][HOSTS][64];
static ahoy_client *clients[PROTOCOLS], *one_host_client;

/* ---- what a mode measures ---- */

struct sample {
    double p50_us, p99_us, cpu_us, rate, switches;
};

/* Latencies of one run; each caller writes to places of its own. */
static double *latencies;

struct meter {
    uint64_t wall, cpu;
    long switches;
};

static long switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

static struct meter start_meter(void) { return (struct meter){wall_ns(), cpu_ns(), switches()}; }

static struct sample stop_meter(struct meter start, size_t requests) {
    double count = (double)requests;
    struct sample sample = {
        .cpu_us = (double)(cpu_ns() - start.cpu) / 1e3 / count,
        .rate = count / ((double)(wall_ns() - start.wall) / 1e9),
        .switches = (double)(switches() - start.switches) / count,
    };
    sample.p50_us = quantile(latencies, requests, 0.5);
    sample.p99_us = quantile(latencies, requests, 0.99);
    return sample;
}

static double since_us(uint64_t start) { return (double)(wall_ns() - start) / 1e3; }

/* ---- the floor ---- */

struct raw {
    int sockets[HOSTS];
    unsigned next;
};

static void raw_open(struct raw *raw) {
    for (int host = 0; host < HOSTS; host++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(first_port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)host);
        int on = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) fail("connect", NULL);
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        raw->sockets[host] = descriptor;
    }
}

static void raw_get(struct raw *raw) {
    unsigned host = raw->next++ % HOSTS;
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "GET / HTTP/1.1\r\nHost: 127.0.0.%u:%u\r\nUser-Agent: raw\r\nAccept: */*\r\n\r\n",
                          host + 1, first_port);
    if (send(raw->sockets[host], text, (size_t)length, MSG_NOSIGNAL) != length) fail("raw", "send");
    size_t have = 0;
    for (;;) {
        ssize_t count = recv(raw->sockets[host], text + have, sizeof text - have, 0);
        if (count <= 0) fail("raw", "receive");
        have += (size_t)count;
        char *end = memmem(text, have, "\r\n\r\n", 4);
        if (end && have - (size_t)(end + 4 - text) == BODY) break;
    }
    if (memcmp(text, "HTTP/1.1 200", 12)) fail("raw", "wrong answer");
}

/* ---- libcurl ---- */

struct easy {
    CURL *handle;
    size_t received;
    unsigned next, hosts;
    uint64_t started;
};

static size_t easy_write(char *bytes, size_t size, size_t count, void *user_data) {
    static _Thread_local char body[4096];
    struct easy *easy = user_data;
    if (easy->received + size * count <= sizeof body) memcpy(body + easy->received, bytes, size * count);
    easy->received += size * count;
    return size * count;
}

static void easy_open(struct easy *easy, unsigned start) {
    easy->handle = curl_easy_init();
    easy->next = start;
    if (!easy->hosts) easy->hosts = HOSTS;
    curl_easy_setopt(easy->handle, CURLOPT_WRITEFUNCTION, easy_write);
    curl_easy_setopt(easy->handle, CURLOPT_WRITEDATA, easy);
    curl_easy_setopt(easy->handle, CURLOPT_PRIVATE, easy);
    curl_easy_setopt(easy->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy->handle, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(easy->handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy->handle, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(easy->handle, CURLOPT_CAINFO, ca);
    curl_easy_setopt(easy->handle, CURLOPT_MAXCONNECTS, 4L * HOSTS);
}

static void easy_aim(struct easy *easy, int protocol) {
    curl_easy_setopt(easy->handle, CURLOPT_URL, urls[protocol][easy->next++ % easy->hosts]);
    easy->received = 0;
}

static void easy_check(struct easy *easy, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(easy->handle, CURLINFO_RESPONSE_CODE, &status);
    if (code || status != 200 || easy->received != BODY) fail("libcurl", curl_easy_strerror(code));
}

static void easy_get(struct easy *easy, int protocol) {
    easy_aim(easy, protocol);
    easy_check(easy, curl_easy_perform(easy->handle));
}

/* ---- one thread, one request at a time ---- */

static struct sample raw_sync(size_t requests) {
    static struct raw raw;
    if (!raw.sockets[0]) raw_open(&raw);
    struct meter meter = start_meter();
    for (size_t i = 0; i < requests; i++) {
        uint64_t start = wall_ns();
        raw_get(&raw);
        latencies[i] = since_us(start);
    }
    return stop_meter(meter, requests);
}

static struct sample easy_loop(struct easy *easy, int protocol, size_t requests) {
    if (!easy->handle) easy_open(easy, 0);
    struct meter meter = start_meter();
    for (size_t i = 0; i < requests; i++) {
        uint64_t start = wall_ns();
        easy_get(easy, protocol);
        latencies[i] = since_us(start);
    }
    return stop_meter(meter, requests);
}

static struct sample curl_sync(size_t requests) {
    static struct easy easy;
    return easy_loop(&easy, PLAIN, requests);
}

static struct sample curl_sync_one(size_t requests) {
    static struct easy easy = {.hosts = 1};
    return easy_loop(&easy, PLAIN, requests);
}

static struct sample curl_tls(size_t requests) {
    static struct easy easy;
    return easy_loop(&easy, TLS, requests);
}

static struct sample curl_new_connection(size_t requests) {
    static struct easy easy;
    return easy_loop(&easy, CLOSING, requests);
}

static struct sample curl_tls_new_connection(size_t requests) {
    static struct easy easy;
    return easy_loop(&easy, TLS_CLOSING, requests);
}

static struct sample ahoy_loop(const ahoy_client *client, size_t requests) {
    struct meter meter = start_meter();
    for (size_t i = 0; i < requests; i++) {
        uint64_t start = wall_ns();
        ahoy_get(client);
        latencies[i] = since_us(start);
    }
    return stop_meter(meter, requests);
}

static struct sample ahoy_sync(size_t requests) { return ahoy_loop(clients[PLAIN], requests); }

static struct sample ahoy_sync_one(size_t requests) { return ahoy_loop(one_host_client, requests); }

static struct sample ahoy_tls(size_t requests) { return ahoy_loop(clients[TLS], requests); }

static struct sample ahoy_new_connection(size_t requests) { return ahoy_loop(clients[CLOSING], requests); }

static struct sample ahoy_tls_new_connection(size_t requests) { return ahoy_loop(clients[TLS_CLOSING], requests); }

/* ---- 64 in flight from one caller: libcurl multi ---- */

struct multi {
    CURLM *handle;
    int protocol, epoll;
    long timeout_ms;
    struct easy easy[IN_FLIGHT];
};

static int multi_socket(CURL *easy, curl_socket_t socket, int what, void *user_data, void *known) {
    (void)easy;
    struct multi *multi = user_data;
    struct epoll_event event = {.data.fd = socket};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(multi->epoll, EPOLL_CTL_DEL, socket, NULL);
        curl_multi_assign(multi->handle, socket, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    epoll_ctl(multi->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    curl_multi_assign(multi->handle, socket, multi);
    return 0;
}

static int multi_timer(CURLM *handle, long timeout_ms, void *user_data) {
    (void)handle;
    ((struct multi *)user_data)->timeout_ms = timeout_ms;
    return 0;
}

static void multi_open(struct multi *multi, int protocol) {
    multi->handle = curl_multi_init();
    multi->protocol = protocol;
    multi->epoll = epoll_create1(0);
    multi->timeout_ms = -1;
    curl_multi_setopt(multi->handle, CURLMOPT_SOCKETFUNCTION, multi_socket);
    curl_multi_setopt(multi->handle, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->handle, CURLMOPT_TIMERFUNCTION, multi_timer);
    curl_multi_setopt(multi->handle, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(multi->handle, CURLMOPT_MAXCONNECTS, 4L * IN_FLIGHT);
    curl_multi_setopt(multi->handle, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        easy_open(&multi->easy[i], i);
        if (protocol != HTTP2) continue;
        CURL *easy = multi->easy[i].handle;
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        /* Waits for the first connection to a host instead of opening another one beside it. */
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    }
}

static void multi_start(struct multi *multi, struct easy *easy) {
    easy_aim(easy, multi->protocol);
    easy->started = wall_ns();
    curl_multi_add_handle(multi->handle, easy->handle);
}

/* Takes what has ended and starts as many again, until `requests` were started. */
static size_t multi_turn(struct multi *multi, size_t ended, size_t *started, size_t requests) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi->handle, &left))) {
        struct easy *easy = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&easy);
        easy_check(easy, message->data.result);
        long version = 0;
        curl_easy_getinfo(easy->handle, CURLINFO_HTTP_VERSION, &version);
        if ((version == CURL_HTTP_VERSION_2_0) != (multi->protocol == HTTP2)) fail("libcurl", "another version");
        latencies[ended++] = since_us(easy->started);
        curl_multi_remove_handle(multi->handle, easy->handle);
        if (*started < requests) multi_start(multi, easy), ++*started;
    }
    return ended;
}

static struct sample multi_loop(struct multi *multi, size_t requests) {
    size_t started = 0, ended = 0;
    struct meter meter = start_meter();
    for (; started < IN_FLIGHT && started < requests; started++) multi_start(multi, &multi->easy[started]);
    while (ended < requests) {
        struct epoll_event events[IN_FLIGHT];
        int running, count = epoll_wait(multi->epoll, events, IN_FLIGHT, (int)multi->timeout_ms);
        if (count == 0) {
            multi->timeout_ms = -1;
            curl_multi_socket_action(multi->handle, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        for (int i = 0; i < count; i++) {
            int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(multi->handle, events[i].data.fd, what, &running);
        }
        ended = multi_turn(multi, ended, &started, requests);
    }
    return stop_meter(meter, requests);
}

static struct sample curl_multi64(size_t requests) {
    static struct multi multi;
    if (!multi.handle) multi_open(&multi, PLAIN);
    return multi_loop(&multi, requests);
}

static struct sample curl_h2_multi64(size_t requests) {
    static struct multi multi;
    if (!multi.handle) multi_open(&multi, HTTP2);
    return multi_loop(&multi, requests);
}

/* ---- 64 in flight from one caller: libahoy's callbacks ---- */

static struct {
    const ahoy_client *client;
    ahoy_request *request;
    atomic_long to_start, ended;
    long requests;
    sem_t done;
} flight;

struct slot {
    uint64_t started;
};

static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *err);

static void slot_start(struct slot *slot) {
    ahoy_error *err = NULL;
    ahoy_call *call = NULL;
    slot->started = wall_ns();
    check(ahoy_client_start(flight.client, flight.request, &call, &err), &err);
    check(ahoy_call_on_done(call, on_done, slot, NULL, &err), &err);
    ahoy_call_free(call);
}

/* Starts the next call from the callback, as an event loop would. */
static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    struct slot *slot = user_data;
    check(status, &err);
    take_answer(response);
    double took = since_us(slot->started);
    if (atomic_fetch_sub(&flight.to_start, 1) > 0) slot_start(slot);
    long ended = atomic_fetch_add(&flight.ended, 1);
    latencies[ended] = took;
    if (ended + 1 == flight.requests) sem_post(&flight.done);
}

static void flight_open(void) {
    ahoy_error *err = NULL;
    check(ahoy_request_new("GET", "/", &flight.request, &err), &err);
    sem_init(&flight.done, 0, 0);
}

static struct sample fly(const ahoy_client *client, size_t requests) {
    static struct slot slots[IN_FLIGHT];
    if (!flight.request) flight_open();
    flight.client = client;
    flight.requests = (long)requests;
    atomic_store(&flight.ended, 0);
    atomic_store(&flight.to_start, (long)requests - IN_FLIGHT);
    struct meter meter = start_meter();
    for (int i = 0; i < IN_FLIGHT; i++) slot_start(&slots[i]);
    while (sem_wait(&flight.done)) {}
    return stop_meter(meter, requests);
}

static struct sample ahoy_async64(size_t requests) { return fly(clients[PLAIN], requests); }

static struct sample ahoy_h2_async64(size_t requests) { return fly(clients[HTTP2], requests); }

/* ---- 64 in flight from one caller: libahoy's queue ---- */

static struct sample ahoy_queue64(size_t requests) {
    static ahoy_queue *queue;
    static uint64_t started_at[IN_FLIGHT];
    ahoy_error *err = NULL;
    if (!flight.request) flight_open();
    if (!queue) check(ahoy_queue_new(&queue, &err), &err);
    size_t started = 0, ended = 0;
    struct meter meter = start_meter();
    for (; started < IN_FLIGHT && started < requests; started++) {
        started_at[started] = wall_ns();
        check(ahoy_client_submit(clients[PLAIN], flight.request, queue, started, &err), &err);
    }
    while (ended < requests) {
        ahoy_completion *batch[IN_FLIGHT];
        size_t count = 0;
        check(ahoy_queue_next_batch(queue, AHOY_FOREVER, batch, IN_FLIGHT, &count, &err), &err);
        for (size_t i = 0; i < count; i++) {
            uint64_t tag = ahoy_completion_tag(batch[i]);
            if (ahoy_completion_status(batch[i])) fail("libahoy", "a queued call failed");
            take_answer(ahoy_completion_take_response(batch[i]));
            ahoy_completion_free(batch[i]);
            latencies[ended++] = since_us(started_at[tag]);
            if (started == requests) continue;
            started_at[tag] = wall_ns();
            check(ahoy_client_submit(clients[PLAIN], flight.request, queue, tag, &err), &err);
            started++;
        }
    }
    return stop_meter(meter, requests);
}

/* ---- many blocking threads ---- */

enum caller { RAW, LIBCURL, LIBAHOY };

struct crew {
    enum caller caller;
    size_t each;
    pthread_barrier_t begin, end;
    atomic_int names;
};

static struct easy crew_easy[MOST_THREADS];
static struct raw crew_raw[MOST_THREADS];

/* A socket loop and libcurl have connections of their own in each thread, as their users do. */
static void crew_open(const struct crew *crew, int name) {
    if (crew->caller == LIBCURL && !crew_easy[name].handle) easy_open(&crew_easy[name], (unsigned)name);
    if (crew->caller == RAW && !crew_raw[name].sockets[0]) {
        raw_open(&crew_raw[name]);
        crew_raw[name].next = (unsigned)name;
    }
}

static void crew_get(const struct crew *crew, int name) {
    switch (crew->caller) {
    case RAW: raw_get(&crew_raw[name]); break;
    case LIBCURL: easy_get(&crew_easy[name], PLAIN); break;
    case LIBAHOY: ahoy_get(clients[PLAIN]); break;
    }
}

static void *crew_member(void *user_data) {
    struct crew *crew = user_data;
    int name = atomic_fetch_add(&crew->names, 1);
    crew_open(crew, name);
    for (int warm = 0; warm < 2 * HOSTS; warm++) crew_get(crew, name);
    pthread_barrier_wait(&crew->begin);
    double *mine = latencies + (size_t)name * crew->each;
    for (size_t i = 0; i < crew->each; i++) {
        uint64_t start = wall_ns();
        crew_get(crew, name);
        mine[i] = since_us(start);
    }
    pthread_barrier_wait(&crew->end);
    return NULL;
}

static struct sample threads(enum caller caller, unsigned count, size_t requests) {
    struct crew crew = {.caller = caller, .each = requests / count};
    pthread_t members[MOST_THREADS];
    pthread_barrier_init(&crew.begin, NULL, count + 1);
    pthread_barrier_init(&crew.end, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) pthread_create(&members[i], NULL, crew_member, &crew);
    pthread_barrier_wait(&crew.begin);
    struct meter meter = start_meter();
    pthread_barrier_wait(&crew.end);
    struct sample sample = stop_meter(meter, crew.each * count);
    for (unsigned i = 0; i < count; i++) pthread_join(members[i], NULL);
    return sample;
}

static struct sample raw_threads16(size_t requests) { return threads(RAW, 16, requests); }
static struct sample curl_threads16(size_t requests) { return threads(LIBCURL, 16, requests); }
static struct sample ahoy_threads16(size_t requests) { return threads(LIBAHOY, 16, requests); }
static struct sample raw_threads64(size_t requests) { return threads(RAW, 64, requests); }
static struct sample curl_threads64(size_t requests) { return threads(LIBCURL, 64, requests); }
static struct sample ahoy_threads64(size_t requests) { return threads(LIBAHOY, 64, requests); }

/* ---- rounds ---- */

struct mode {
    const char *name;
    struct sample (*run)(size_t requests);
    size_t requests;
};

enum { SYNC_RAW, SYNC_CURL, SYNC_AHOY, ONE_CURL, ONE_AHOY, TLS_CURL, TLS_AHOY, NEW_CURL, NEW_AHOY, NEW_TLS_CURL, NEW_TLS_AHOY,
       MULTI, ASYNC, QUEUE, H2_CURL, H2_AHOY, T16_RAW, T16_CURL, T16_AHOY, T64_RAW, T64_CURL, T64_AHOY, MODES };

static const struct mode modes[MODES] = {
    {"raw_sync", raw_sync, 2000},
    {"libcurl_sync", curl_sync, 2000},
    {"sync", ahoy_sync, 2000},
    {"libcurl_sync_one", curl_sync_one, 2000},
    {"sync_one", ahoy_sync_one, 2000},
    {"libcurl_tls_sync", curl_tls, 1500},
    {"tls_sync", ahoy_tls, 1500},
    {"libcurl_new_connection", curl_new_connection, 800},
    {"new_connection", ahoy_new_connection, 800},
    {"libcurl_tls_new_connection", curl_tls_new_connection, 400},
    {"tls_new_connection", ahoy_tls_new_connection, 400},
    {"libcurl_multi64", curl_multi64, 8000},
    {"async64", ahoy_async64, 8000},
    {"queue64", ahoy_queue64, 8000},
    {"libcurl_h2_multi64", curl_h2_multi64, 8000},
    {"h2_async64", ahoy_h2_async64, 8000},
    {"raw_threads16", raw_threads16, 6400},
    {"libcurl_threads16", curl_threads16, 6400},
    {"threads16", ahoy_threads16, 6400},
    {"raw_threads64", raw_threads64, 6400},
    {"libcurl_threads64", curl_threads64, 6400},
    {"threads64", ahoy_threads64, 6400},
};

static struct sample samples[MODES][MOST_ROUNDS];

/* Runs the modes from `first` to `last` in random order, round by round; the first round warms up. */
static void run_rounds(int first, int last, int rounds) {
    for (int round = -1; round < rounds; round++) {
        int order[MODES], count = last - first + 1;
        for (int i = 0; i < count; i++) {
            int other = rand() % (i + 1);
            order[i] = order[other];
            order[other] = first + i;
        }
        for (int i = 0; i < count; i++) {
            const struct mode *mode = &modes[order[i]];
            struct sample sample = mode->run(mode->requests);
            if (round >= 0) samples[order[i]][round] = sample;
        }
    }
}

static double field(const struct sample *sample, size_t offset) {
    return *(const double *)((const char *)sample + offset);
}

/* One figure of a mode, as a median over the rounds, and its ratio to another mode's in the same round. */
static void tell(const char *name, int mode, int to, size_t offset, const char *unit, int rounds) {
    double values[MOST_ROUNDS], ratios[MOST_ROUNDS];
    for (int round = 0; round < rounds; round++) {
        values[round] = field(&samples[mode][round], offset);
        ratios[round] = to < 0 ? 0 : values[round] / field(&samples[to][round], offset);
    }
    size_t count = (size_t)rounds;
    report(name, quantile(values, count, 0.5), unit, to < 0 ? NULL : modes[to].name,
           quantile(ratios, count, 0.5), quantile(ratios, count, 0.25), quantile(ratios, count, 0.75));
}

#define P50 offsetof(struct sample, p50_us), "us"
#define P99 offsetof(struct sample, p99_us), "us"
#define CPU offsetof(struct sample, cpu_us), "us"
#define RATE offsetof(struct sample, rate), "1/s"
#define SWITCHES offsetof(struct sample, switches), "1/request"

static void tell_all(int rounds) {
    tell("sync_p50_vs_libcurl", SYNC_AHOY, SYNC_CURL, P50, rounds);
    tell("sync_cpu_vs_libcurl", SYNC_AHOY, SYNC_CURL, CPU, rounds);
    tell("sync_one_p50_vs_libcurl", ONE_AHOY, ONE_CURL, P50, rounds);
    tell("sync_one_cpu_vs_libcurl", ONE_AHOY, ONE_CURL, CPU, rounds);
    tell("sync_p50_vs_raw", SYNC_AHOY, SYNC_RAW, P50, rounds);
    tell("sync_cpu_vs_raw", SYNC_AHOY, SYNC_RAW, CPU, rounds);
    tell("sync_p99_vs_libcurl", SYNC_AHOY, SYNC_CURL, P99, rounds);
    tell("raw_sync_p50", SYNC_RAW, -1, P50, rounds);
    tell("raw_sync_cpu", SYNC_RAW, -1, CPU, rounds);
    tell("libcurl_sync_p50", SYNC_CURL, SYNC_RAW, P50, rounds);
    tell("libcurl_sync_cpu", SYNC_CURL, SYNC_RAW, CPU, rounds);
    tell("sync_switches", SYNC_AHOY, SYNC_CURL, SWITCHES, rounds);
    tell("tls_sync_p50_vs_libcurl", TLS_AHOY, TLS_CURL, P50, rounds);
    tell("tls_sync_cpu_vs_libcurl", TLS_AHOY, TLS_CURL, CPU, rounds);
    tell("libcurl_tls_sync_p50", TLS_CURL, -1, P50, rounds);
    tell("new_connection_p50_vs_libcurl", NEW_AHOY, NEW_CURL, P50, rounds);
    tell("new_connection_cpu_vs_libcurl", NEW_AHOY, NEW_CURL, CPU, rounds);
    tell("tls_new_connection_p50_vs_libcurl", NEW_TLS_AHOY, NEW_TLS_CURL, P50, rounds);
    tell("tls_new_connection_cpu_vs_libcurl", NEW_TLS_AHOY, NEW_TLS_CURL, CPU, rounds);
    tell("libcurl_new_connection_p50", NEW_CURL, -1, P50, rounds);
    tell("libcurl_tls_new_connection_cpu", NEW_TLS_CURL, -1, CPU, rounds);
    tell("async64_rate_vs_libcurl_multi", ASYNC, MULTI, RATE, rounds);
    tell("async64_cpu_vs_libcurl_multi", ASYNC, MULTI, CPU, rounds);
    tell("callbacks_p99_vs_libcurl_multi", ASYNC, MULTI, P99, rounds);
    tell("queue64_rate_vs_libcurl_multi", QUEUE, MULTI, RATE, rounds);
    tell("queue64_cpu_vs_libcurl_multi", QUEUE, MULTI, CPU, rounds);
    tell("queue64_p99_vs_libcurl_multi", QUEUE, MULTI, P99, rounds);
    tell("libcurl_multi64_rate", MULTI, -1, RATE, rounds);
    tell("libcurl_multi64_cpu", MULTI, -1, CPU, rounds);
    tell("h2_async64_rate_vs_libcurl_multi", H2_AHOY, H2_CURL, RATE, rounds);
    tell("h2_async64_cpu_vs_libcurl_multi", H2_AHOY, H2_CURL, CPU, rounds);
    tell("h2_async64_p99_vs_libcurl_multi", H2_AHOY, H2_CURL, P99, rounds);
    tell("libcurl_h2_multi64_rate", H2_CURL, -1, RATE, rounds);
    tell("libcurl_h2_multi64_cpu", H2_CURL, -1, CPU, rounds);
    tell("threads16_rate_vs_libcurl", T16_AHOY, T16_CURL, RATE, rounds);
    tell("threads16_cpu_vs_libcurl", T16_AHOY, T16_CURL, CPU, rounds);
    tell("threads16_p99_vs_libcurl", T16_AHOY, T16_CURL, P99, rounds);
    tell("libcurl_threads16_rate", T16_CURL, -1, RATE, rounds);
    tell("raw_threads16_rate", T16_RAW, T16_CURL, RATE, rounds);
    tell("threads64_rate_vs_libcurl", T64_AHOY, T64_CURL, RATE, rounds);
    tell("threads64_cpu_vs_libcurl", T64_AHOY, T64_CURL, CPU, rounds);
    tell("threads64_p99_vs_libcurl", T64_AHOY, T64_CURL, P99, rounds);
    tell("libcurl_threads64_rate", T64_CURL, -1, RATE, rounds);
    tell("raw_threads64_rate", T64_RAW, T64_CURL, RATE, rounds);
}

/* ---- the process ---- */

static void raise_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < CONNECTIONS) fail("descriptors", "raise the limit: ulimit -n 4096");
}

static int only(const char *name, size_t requests) {
    for (int i = 0; i < MODES; i++) {
        if (strcmp(modes[i].name, name)) continue;
        /* A p99 of many at once is not to be that of their connecting. */
        if (IN_FLIGHT > 64) modes[i].run(4 * IN_FLIGHT);
        struct sample sample = modes[i].run(requests);
        printf("%s: p50 %.1f us, p99 %.1f us, cpu %.1f us, %.0f/s\n", name, sample.p50_us, sample.p99_us, sample.cpu_us,
               sample.rate);
        return 0;
    }
    fail(name, "no such mode");
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) fail("usage", "http PORT CA.PEM [ROUNDS | only MODE REQUESTS]");
    first_port = (uint16_t)atoi(argv[1]);
    ca = argv[2];
    int alone = argc == 6 && !strcmp(argv[3], "only");
    int rounds = argc == 4 ? atoi(argv[3]) : 15;
    if (rounds < 1 || rounds > MOST_ROUNDS) fail("rounds", "1 to 100");
    raise_descriptors();
    const char *spin = getenv("BENCH_SPIN");
    if (!alone && !(spin && *spin == '0')) keep_awake();
    curl_global_init(CURL_GLOBAL_ALL);
    srand((unsigned)time(NULL));
    latencies = calloc(1 << 20, sizeof *latencies);
    for (int protocol = 0; protocol < PROTOCOLS; protocol++) {
        int port = first_port + protocol, over_tls = protocol != PLAIN && protocol != CLOSING;
        for (int host = 0; host < HOSTS; host++)
            snprintf(urls[protocol][host], sizeof urls[0][host], "http%s://127.0.0.%d:%d/", over_tls ? "s" : "", host + 1, port);
        clients[protocol] =
            speaking_client((uint16_t)port, HOSTS, over_tls ? ca : NULL, protocol == HTTP2 ? "true" : "false");
    }
    one_host_client = resilient_client(first_port, 1, NULL);
    if (alone) return only(argv[4], (size_t)atol(argv[5]));
    run_rounds(SYNC_RAW, H2_AHOY, rounds);
    run_rounds(T16_RAW, T64_AHOY, rounds);
    tell_all(rounds);
    return 0;
}
