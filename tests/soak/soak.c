/* Many threads, all ways to wait, servers that misbehave: does every call end once and in time, and is all given
 * back at the end?
 *
 *     soak [--seconds N] [--warm-up N] [--threads N] [--servers N] [--seed N] [--slack MS] [--no-memory]
 *          [--retire] SERVERS-PROGRAM
 *
 * The same work runs twice, each time with balancers, clients and queues of its own: once to warm up, then for the
 * time asked. What is left after the first is what the second is held against. `--retire` waits at the end until
 * idle shards are ended (two minutes) and looks at descriptors once more. */
#define _GNU_SOURCE
#include <ahoy.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SERVERS = 64, MOST_THREADS = 64, SLOTS = 32, CLIENTS = 6, BALANCERS = 3, STUCK_MS = 20000 };
enum { SOCKET_KB = 64 }; /* a connection under load with its buffers and bodies: 51 to 61 were measured */

/* ---- What is counted ------------------------------------------------------------------------------------ */

enum way { BLOCKING, WAIT, CALLBACK, QUEUE, WAYS };
static const char *const way_names[WAYS] = {"blocking", "wait", "callback", "queue"};

static const ahoy_status statuses[] = {
    AHOY_OK,           AHOY_E_CLOSED,          AHOY_E_NO_ENDPOINTS,  AHOY_E_CONNECT,   AHOY_E_CONNECT_TIMEOUT,
    AHOY_E_PROTOCOL,   AHOY_E_CONNECTION_LOST, AHOY_E_TIMEOUT,       AHOY_E_DEADLINE,  AHOY_E_CANCELLED,
    AHOY_E_HTTP_STATUS, AHOY_E_BODY_TOO_LARGE, AHOY_E_INTERNAL /* and all others */};
enum { STATUSES = sizeof statuses / sizeof *statuses };

/* Set aside by the host itself: nothing tells how they end. */
enum { ABANDONED = STATUSES, DISCARDED, ROWS };

static atomic_ulong begun[WAYS], ended[WAYS][ROWS];

#define CHECKS(X)                                                                                                  \
    X(ONCE, "each call ended exactly once")                                                                        \
    X(IN_TIME, "no call outlived its limit, a cancel or a close")                                                  \
    X(STATUS, "every status is one that fits the call")                                                            \
    X(ANSWER, "every answer is its own request's, whole and good")                                                 \
    X(POSTS, "no POST was carried out twice, no request broken")                                                   \
    X(DESTROY, "user data is given back exactly once, after its use")                                              \
    X(COUNTS, "statistics count each call and each attempt once")                                                  \
    X(HANDLES, "other functions answered as they should")                                                          \
    X(CHILDREN, "no child hung or crashed")                                                                        \
    X(STUCK, "no thread got stuck")                                                                                \
    X(CONNECTIONS, "connections close when all is freed")                                                          \
    X(DESCRIPTORS, "descriptors are given back")                                                                   \
    X(THREADS, "no threads but I/O threads are left")                                                              \
    X(HEAP, "memory in use is given back")                                                                         \
    X(RSS, "resident memory does not grow")
#define NAME(name, text) name,
enum check { CHECKS(NAME) CHECK_COUNT };
#define TEXT(name, text) text,
static const char *const check_texts[CHECK_COUNT] = {CHECKS(TEXT)};

static atomic_ulong violations[CHECK_COUNT];
static char notes[CHECK_COUNT][240];

static void violation(enum check check, const char *format, ...) {
    if (atomic_fetch_add(&violations[check], 1) >= 8) return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "  ! %s: %s\n", check_texts[check], text);
}

/* ---- The world ------------------------------------------------------------------------------------------ */

static struct {
    unsigned seconds, warm_up, threads, servers, slack_ms;
    uint64_t seed;
    int memory, retire;
} options = {.seconds = 300, .threads = 16, .servers = 8, .slack_ms = 250, .seed = 1, .memory = 1};

static uint16_t ports[MOST_SERVERS];
static FILE *to_servers, *from_servers;
static pid_t servers_pid;
static atomic_ulong next_id = 1;
static atomic_int stopping, not_yet_asked = 1;
static atomic_ulong children_begun, children_by_exit, updates, circuit_switches, clients_made, freed_busy, excused;
static atomic_ulong worst_overrun_us[WAYS], worst_cancel_us, worst_close_us;
static char pattern[(64 << 10) + 26];

static ahoy_balancer *balancers[BALANCERS];
static ahoy_client *clients[CLIENTS];
static atomic_ulong calls_made[CLIENTS]; /* by this program, over each of these clients */
static double counted_calls, counted_attempts; /* of them, by their statistics */
static atomic_ulong reconfigured, counted_children;
static const uint64_t client_limits[CLIENTS] = {1500, 1000, 800, 1000, 600, 1200};

/* A client that its owner closes and frees while others call it. */
static struct {
    pthread_mutex_t lock;
    ahoy_client *client; /* NULL while there is none to borrow */
    unsigned borrowed;
    uint64_t limit;
    atomic_ulong closed_at;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct slot {
    atomic_int busy, told, given_back;
    enum way way;
    uint64_t id, begun, limit, ask_ended; /* ask_ended: when it was cancelled, or 0 */
    unsigned expected;                    /* completions of its tag */
    int is_head, may_be_closed;
};

struct worker {
    pthread_t thread;
    unsigned index;
    uint64_t random;
    atomic_ulong alive_at;
    _Atomic(const char *) doing;
    struct slot slots[SLOTS];
    uint64_t tag_round;
    void (*turn)(struct worker *);
    ahoy_queue *queue;
    int poller;
};
static struct worker workers[MOST_THREADS];

static uint64_t now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
}

static void pause_us(uint64_t time) {
    struct timespec rest = {(time_t)(time / 1000000), (long)(time % 1000000) * 1000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) continue;
}

static uint64_t draw(uint64_t *state, uint64_t below) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

static void doing(struct worker *worker, const char *what) {
    atomic_store(&worker->doing, what);
    atomic_store(&worker->alive_at, now_us());
}

static void raise_to(atomic_ulong *most, uint64_t value) {
    unsigned long known = atomic_load(most);
    while (value > known && !atomic_compare_exchange_weak(most, &known, value)) continue;
}

/* How late the machine itself is: what comes too late by no more says nothing of the library. A thread that only
 * sleeps tells how late it wakes, and the system how long an I/O thread was ready to run and did not. */
enum { SPAN_US = 50000, SPANS = 1 << 15, IO_THREADS = 16 };
struct span {
    atomic_uint slept_over, waited, ran; /* in us; of the I/O threads the one with the most */
};
static struct span spans[SPANS];
static atomic_ulong worst_lateness, worst_wait;

static void raise_span(atomic_uint *most, uint64_t value) {
    if (value > atomic_load(most)) atomic_store(most, (unsigned)value);
}

static size_t open_io_threads(int files[IO_THREADS]) {
    DIR *folder = opendir("/proc/self/task");
    size_t count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL && count < IO_THREADS;) {
        char path[300], name[16] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        ssize_t length = read(file, name, sizeof name - 1);
        close(file);
        if (length < 7 || strncmp(name, "ahoy-io", 7) != 0) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        files[count] = open(path, O_RDONLY | O_CLOEXEC);
        count += files[count] >= 0;
    }
    if (folder) closedir(folder);
    return count;
}

static void *ruler_main(void *nothing) {
    int files[IO_THREADS];
    unsigned long long ran[IO_THREADS], waited[IO_THREADS];
    size_t count = 0, rounds = 0;
    uint64_t looked = now_us();
    while (!atomic_load(&stopping)) {
        uint64_t from = now_us();
        pause_us(5000);
        uint64_t to = now_us(), late = to - from - 5000;
        raise_to(&worst_lateness, late);
        for (uint64_t span = from / SPAN_US; span <= to / SPAN_US; span++) raise_span(&spans[span % SPANS].slept_over, late);
        if (to - looked < SPAN_US) continue;
        int fresh = rounds++ % 20 == 0;
        if (fresh) {
            for (size_t i = 0; i < count; i++) close(files[i]);
            count = open_io_threads(files);
        }
        for (size_t i = 0; i < count; i++) {
            char text[100] = "";
            unsigned long long now_ran = 0, now_waited = 0;
            if (pread(files[i], text, sizeof text - 1, 0) <= 0 || sscanf(text, "%llu %llu", &now_ran, &now_waited) != 2) continue;
            if (!fresh) {
                raise_to(&worst_wait, (now_waited - waited[i]) / 1000);
                struct span *span = &spans[(looked + to) / 2 / SPAN_US % SPANS];
                raise_span(&span->waited, (now_waited - waited[i]) / 1000);
                raise_span(&span->ran, (now_ran - ran[i]) / 1000);
            }
            ran[i] = now_ran;
            waited[i] = now_waited;
        }
        looked = to;
    }
    for (size_t i = 0; i < count; i++) close(files[i]);
    return nothing;
}

/* What the machine took away between two times. */
static uint64_t machine_late(uint64_t from, uint64_t to, uint64_t *ran) {
    uint64_t slept_over = 0, waited = 0;
    *ran = 0;
    for (uint64_t span = from / SPAN_US - 1; span <= to / SPAN_US; span++) {
        slept_over += atomic_load(&spans[span % SPANS].slept_over);
        waited += atomic_load(&spans[span % SPANS].waited);
        *ran += atomic_load(&spans[span % SPANS].ran);
    }
    return slept_over > waited ? slept_over : waited;
}

/* Holds what came after `due` against the slack. */
static void check_late(const char *what, uint64_t due, uint64_t at, atomic_ulong *worst, const struct slot *slot,
                       const char *story) {
    if (at <= due) return;
    raise_to(worst, at - due);
    uint64_t slack = options.slack_ms * 1000ULL;
    if (at - due <= slack) return;
    uint64_t ran, late = machine_late(due, at, &ran);
    if (at - due <= slack + late) {
        atomic_fetch_add(&excused, 1);
        return;
    }
    violation(IN_TIME, "%s: %llu ms late (machine: %llu ms; I/O ran %llu ms), limit %llu ms, %s /%llu: %s", what,
              (unsigned long long)(at - due) / 1000, (unsigned long long)late / 1000, (unsigned long long)ran / 1000,
              slot ? (unsigned long long)slot->limit : 0, slot ? way_names[slot->way] : "",
              slot ? (unsigned long long)slot->id : 0, story);
}

/* ---- Calls ---------------------------------------------------------------------------------------------- */

static size_t row_of(ahoy_status status) {
    for (size_t i = 0; i < STATUSES; i++)
        if (statuses[i] == status) return i;
    return STATUSES - 1;
}

static void check_body(const ahoy_response *response, const struct slot *slot) {
    const char *id = ahoy_response_header(response, "x-id"), *size = ahoy_response_header(response, "x-length");
    size_t length;
    const char *body = (const char *)ahoy_response_body(response, &length);
    if (!id || !size || strtoull(id, NULL, 10) != slot->id) {
        violation(ANSWER, "/%llu got the answer of %s", (unsigned long long)slot->id, id ? id : "nobody");
        return;
    }
    if (length != (slot->is_head ? 0 : strtoull(size, NULL, 10))) {
        violation(ANSWER, "/%llu: %zu of %s bytes", (unsigned long long)slot->id, length, size);
        return;
    }
    for (size_t at = 0; at < length; at += 64 << 10) {
        size_t piece = length - at < 64 << 10 ? length - at : 64 << 10;
        if (memcmp(body + at, pattern + (slot->id + at) % 26, piece) != 0) {
            violation(ANSWER, "/%llu: a wrong byte after %zu", (unsigned long long)slot->id, at);
            return;
        }
    }
}

/* Checks how a call ended; frees response and error. */
static void check_end(struct slot *slot, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    uint64_t at = now_us();
    const char *story = error ? ahoy_error_message(error) : "answered";
    atomic_fetch_add(&ended[slot->way][row_of(status)], 1);
    if ((status == AHOY_OK) != (response != NULL) || (status != AHOY_OK) != (error != NULL) ||
        (error && (ahoy_error_status(error) != status || *story == '\0')))
        violation(HANDLES, "%s with %s response and %s error", ahoy_status_name(status), response ? "a" : "no",
                  error ? "an" : "no");
    size_t row = row_of(status);
    if (row == STATUSES - 1 || (status == AHOY_E_CLOSED && !slot->may_be_closed) ||
        (status == AHOY_E_CANCELLED && !slot->ask_ended))
        violation(STATUS, "%s /%llu: %s", way_names[slot->way], (unsigned long long)slot->id,
                  error ? story : ahoy_status_name(status));
    const ahoy_response *answer = response ? response : ahoy_error_response(error);
    if (answer) {
        int32_t http = ahoy_response_status(answer);
        const char *bad = ahoy_response_header(answer, "x-bad");
        if (bad)
            violation(ANSWER, "%s /%llu: taken for good: %s", way_names[slot->way], (unsigned long long)slot->id, bad);
        else if (http == 200)
            check_body(answer, slot);
        else if (http != 503)
            violation(ANSWER, "/%llu: status %d", (unsigned long long)slot->id, http);
    }
    check_late("deadline", slot->begun + slot->limit * 1000, at, &worst_overrun_us[slot->way], slot, story);
    if (slot->ask_ended) check_late("cancel", slot->ask_ended, at, &worst_cancel_us, slot, story);
    ahoy_response_free(response);
    ahoy_error_free(error);
}

/* One more call over the client, if it is one of those that all threads share. */
static void count_call(const ahoy_client *client) {
    for (size_t i = 0; i < CLIENTS; i++)
        if (clients[i] == client) atomic_fetch_add(&calls_made[i], 1);
}

/* Notes a call over `client` as begun, in a slot or in a local one. */
static void begin(const ahoy_client *client, struct slot *slot, enum way way, int is_head, uint64_t limit) {
    count_call(client);
    slot->way = way;
    slot->is_head = is_head;
    slot->limit = limit;
    slot->ask_ended = 0;
    slot->may_be_closed = 0;
    slot->expected = 1;
    atomic_store(&slot->told, 0);
    atomic_store(&slot->given_back, 0);
    atomic_store(&slot->busy, 1);
    atomic_fetch_add(&begun[way], 1);
    slot->begun = now_us();
}

static struct slot *free_slot(struct worker *worker) {
    for (size_t i = 0; i < SLOTS; i++)
        if (!atomic_load(&worker->slots[i].busy)) return &worker->slots[i];
    return NULL;
}

static uint64_t draw_limit(uint64_t *random) {
    uint64_t kind = draw(random, 10);
    if (kind == 0) return draw(random, 40);
    return kind < 7 ? 100 + draw(random, 500) : 600 + draw(random, 900);
}

static ahoy_request *draw_request(struct worker *worker, struct slot *slot, int *is_head, uint64_t *limit) {
    static const char *const methods[] = {"GET",  "GET", "GET", "GET",    "POST",
                                          "POST", "PUT", "HEAD", "DELETE", "OPTIONS"};
    static _Thread_local char body[256 << 10];
    const char *method = methods[draw(&worker->random, 10)];
    char path[32];
    ahoy_request *request;
    ahoy_error *err;
    slot->id = atomic_fetch_add(&next_id, 1);
    snprintf(path, sizeof path, "/%llu", (unsigned long long)slot->id);
    if (ahoy_request_new(method, path, &request, &err) != AHOY_OK) {
        violation(HANDLES, "request: %s", ahoy_error_message(err));
        abort();
    }
    *is_head = strcmp(method, "HEAD") == 0;
    *limit = draw_limit(&worker->random);
    ahoy_request_set_timeout_ms(request, *limit, NULL);
    if (*method == 'P') {
        size_t length = (size_t)draw(&worker->random, draw(&worker->random, 40) ? 2000 : sizeof body);
        memset(body, (int)('a' + slot->id % 26), length);
        ahoy_request_set_body(request, (const uint8_t *)body, length, NULL);
    }
    return request;
}

static size_t draw_client(struct worker *worker) {
    static const size_t by_share[20] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 5, 5, 5, 3, 3, 4};
    return by_share[draw(&worker->random, 20)];
}

/* ---- Blocking ------------------------------------------------------------------------------------------- */

static void call_blocking(struct worker *worker, const ahoy_client *client, uint64_t own_limit, int may_be_closed) {
    struct slot slot = {0};
    ahoy_response *response;
    ahoy_error *error;
    ahoy_status status;
    if (draw(&worker->random, 2)) {
        int is_head;
        uint64_t limit;
        ahoy_request *request = draw_request(worker, &slot, &is_head, &limit);
        doing(worker, "ahoy_client_send");
        begin(client, &slot, BLOCKING, is_head, limit);
        status = ahoy_client_send(client, request, &response, &error);
        ahoy_request_free(request);
    } else {
        char path[32], body[256];
        size_t length = (size_t)draw(&worker->random, sizeof body);
        unsigned verb = (unsigned)draw(&worker->random, 7);
        const uint8_t *bytes = (const uint8_t *)body;
        slot.id = atomic_fetch_add(&next_id, 1);
        memset(body, (int)('a' + slot.id % 26), sizeof body);
        snprintf(path, sizeof path, "/%llu", (unsigned long long)slot.id);
        doing(worker, "a blocking verb");
        begin(client, &slot, BLOCKING, verb == 2, own_limit);
        switch (verb) {
        case 0: status = ahoy_client_get(client, path, &response, &error); break;
        case 1: status = ahoy_client_options(client, path, &response, &error); break;
        case 2: status = ahoy_client_head(client, path, &response, &error); break;
        case 3: status = ahoy_client_delete(client, path, &response, &error); break;
        case 4: status = ahoy_client_post(client, path, "text/plain", bytes, length, &response, &error); break;
        case 5: status = ahoy_client_put(client, path, NULL, bytes, length, &response, &error); break;
        default: status = ahoy_client_patch(client, path, NULL, bytes, length, &response, &error); break;
        }
    }
    slot.may_be_closed = may_be_closed;
    uint64_t closed = may_be_closed ? atomic_load(&shared.closed_at) : 0;
    if (closed) check_late("blocked while closed", closed > slot.begun ? closed : slot.begun, now_us(), &worst_close_us, &slot, "");
    check_end(&slot, status, response, error);
}

static void blocking_turn(struct worker *worker) {
    if (draw(&worker->random, 12) == 0) {
        pthread_mutex_lock(&shared.lock);
        ahoy_client *client = shared.client;
        uint64_t limit = shared.limit;
        if (client) shared.borrowed++;
        pthread_mutex_unlock(&shared.lock);
        if (client) {
            call_blocking(worker, client, limit, 1);
            pthread_mutex_lock(&shared.lock);
            shared.borrowed--;
            pthread_mutex_unlock(&shared.lock);
            return;
        }
    }
    size_t which = draw_client(worker);
    call_blocking(worker, clients[which], client_limits[which], 0);
    doing(worker, "a pause");
    pause_us(draw(&worker->random, 2000));
}

/* ---- Calls by start ------------------------------------------------------------------------------------- */

static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    struct slot *slot = user_data;
    if (!atomic_load(&slot->busy) || atomic_fetch_add(&slot->told, 1) != 0)
        violation(ONCE, "/%llu: told again", (unsigned long long)slot->id);
    check_end(slot, status, response, error);
}

static void on_destroy(void *user_data) {
    struct slot *slot = user_data;
    if (atomic_fetch_add(&slot->given_back, 1) != 0 || atomic_load(&slot->told) != 1)
        violation(DESTROY, "/%llu: given back %d times, told %d times", (unsigned long long)slot->id,
                  atomic_load(&slot->given_back), atomic_load(&slot->told));
    atomic_store(&slot->busy, 0);
}

static void never_told(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    (void)user_data, (void)status;
    ahoy_response_free(response);
    ahoy_error_free(error);
    violation(ONCE, "a result was handed out twice");
}

static void count_destroy(void *user_data) { ++*(int *)user_data; }

/* Waits for a call to its end, in pieces. */
static void wait_for(struct worker *worker, ahoy_call *call, struct slot *slot, uint64_t piece_ms) {
    for (;;) {
        ahoy_response *response;
        ahoy_error *error;
        doing(worker, "ahoy_call_wait");
        ahoy_status status = ahoy_call_wait(call, piece_ms, &response, &error);
        if (status == AHOY_OK && !response) {
            uint64_t due = slot->begun + slot->limit * 1000 + 10000000;
            if (now_us() > due) {
                violation(ONCE, "/%llu: has not ended 10 s after its limit", (unsigned long long)slot->id);
                break;
            }
            piece_ms = piece_ms ? piece_ms * 2 : 1;
            continue;
        }
        atomic_fetch_add(&slot->told, 1);
        check_end(slot, status, response, error);
        int given_back = 0;
        if (ahoy_call_wait(call, 0, &response, NULL) != AHOY_E_IN_USE || response)
            violation(ONCE, "/%llu: a second result", (unsigned long long)slot->id);
        if (draw(&worker->random, 16) == 0 &&
            (ahoy_call_on_done(call, never_told, &given_back, count_destroy, NULL) != AHOY_E_IN_USE || given_back != 1))
            violation(DESTROY, "/%llu: not given back by a failed on_done", (unsigned long long)slot->id);
        break;
    }
    ahoy_call_free(call);
    atomic_store(&slot->busy, 0);
}

/* The slot is noted before: a callback may free it at once. */
static void promise(struct slot *slot, ahoy_call *call) {
    slot->way = CALLBACK;
    atomic_fetch_sub(&begun[WAIT], 1);
    atomic_fetch_add(&begun[CALLBACK], 1);
    if (ahoy_call_on_done(call, on_done, slot, on_destroy, NULL) != AHOY_OK)
        violation(HANDLES, "/%llu: on_done failed", (unsigned long long)slot->id);
}

static void cancel(struct slot *slot, ahoy_call *call) {
    slot->ask_ended = now_us();
    if (ahoy_call_cancel(call, NULL) != AHOY_OK) violation(HANDLES, "cancel failed");
}

static ahoy_call *start(struct worker *worker, const ahoy_client *client, struct slot *slot, int may_be_closed) {
    int is_head;
    uint64_t limit;
    ahoy_call *call;
    ahoy_error *error;
    ahoy_request *request = draw_request(worker, slot, &is_head, &limit);
    doing(worker, "ahoy_client_start");
    begin(client, slot, WAIT, is_head, limit);
    slot->may_be_closed = may_be_closed;
    ahoy_status status = ahoy_client_start(client, request, &call, &error);
    ahoy_request_free(request);
    if (status == AHOY_OK) return call;
    check_end(slot, status, NULL, error);
    atomic_store(&slot->busy, 0);
    return NULL;
}

static void abandon(struct slot *slot, ahoy_call *call) {
    atomic_fetch_add(&ended[WAIT][ABANDONED], 1);
    ahoy_call_free(call);
    atomic_store(&slot->busy, 0);
}

/* Lets a started call end in one of many ways. Only callbacks are left in flight. */
static void finish_somehow(struct worker *worker, struct slot *slot, ahoy_call *call) {
    switch (draw(&worker->random, 10)) {
    case 0: wait_for(worker, call, slot, AHOY_FOREVER); break;
    case 1: wait_for(worker, call, slot, draw(&worker->random, 20)); break;
    case 2:
        cancel(slot, call);
        wait_for(worker, call, slot, AHOY_FOREVER);
        break;
    case 3:
        pause_us(draw(&worker->random, 20000));
        cancel(slot, call);
        wait_for(worker, call, slot, draw(&worker->random, 5));
        break;
    case 4:
    case 5:
        promise(slot, call);
        ahoy_call_free(call);
        break;
    case 6: /* the wish must be known before: the callback may be told at once */
        slot->ask_ended = now_us();
        promise(slot, call);
        ahoy_call_cancel(call, NULL);
        ahoy_call_free(call);
        break;
    case 7: abandon(slot, call); break;
    case 8:
        pause_us(draw(&worker->random, 5000));
        abandon(slot, call);
        break;
    default: /* perhaps on a call that has ended; then the callback is late by what was slept */
        slot->limit += 20;
        pause_us(draw(&worker->random, 20000));
        promise(slot, call);
        ahoy_call_free(call);
        break;
    }
}

static void calls_turn(struct worker *worker) {
    ahoy_call *calls[8];
    struct slot *slots[8];
    size_t count = 0, wanted = 1 + (size_t)draw(&worker->random, draw(&worker->random, 4) ? 2 : 8);
    while (count < wanted) {
        struct slot *slot = free_slot(worker);
        if (!slot) break;
        ahoy_call *call = start(worker, clients[draw_client(worker)], slot, 0);
        if (!call) continue;
        calls[count] = call;
        slots[count++] = slot;
        if (wanted > 2) continue;
        finish_somehow(worker, slot, call);
        count--, wanted--;
    }
    /* Several at once are promised, since each wait would make the next one late. */
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 3) slots[i]->ask_ended = now_us();
        promise(slots[i], calls[i]);
        if (i % 4 == 3) ahoy_call_cancel(calls[i], NULL);
        ahoy_call_free(calls[i]);
    }
    doing(worker, "a pause");
    pause_us(draw(&worker->random, 4000));
}

/* ---- Queues --------------------------------------------------------------------------------------------- */

static void open_queue(struct worker *worker) {
    ahoy_error *error;
    if (ahoy_queue_new(&worker->queue, &error) != AHOY_OK) {
        fprintf(stderr, "queue: %s\n", ahoy_error_message(error));
        abort();
    }
    struct epoll_event event = {.events = EPOLLIN};
    worker->poller = epoll_create1(EPOLL_CLOEXEC);
    if (worker->poller < 0 || epoll_ctl(worker->poller, EPOLL_CTL_ADD, ahoy_queue_fd(worker->queue), &event) != 0)
        abort();
}

/* Calls still in flight are discarded with the queue. */
static void close_queue(struct worker *worker) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &worker->slots[i];
        if (!atomic_load(&slot->busy)) continue;
        atomic_fetch_add(&ended[QUEUE][DISCARDED], slot->expected - (unsigned)atomic_load(&slot->told));
        atomic_store(&slot->busy, 0);
    }
    close(worker->poller);
    ahoy_queue_free(worker->queue);
    worker->queue = NULL;
    worker->tag_round++;
}

static void submit(struct worker *worker) {
    struct slot *slot = free_slot(worker);
    if (!slot) return;
    int is_head;
    uint64_t limit;
    ahoy_error *error;
    const ahoy_client *client = clients[draw_client(worker)];
    uint64_t tag = worker->tag_round << 8 | (uint64_t)(slot - worker->slots);
    ahoy_request *request = draw_request(worker, slot, &is_head, &limit);
    doing(worker, "ahoy_client_submit");
    begin(client, slot, QUEUE, is_head, limit);
    ahoy_status status = ahoy_client_submit(client, request, worker->queue, tag, &error);
    if (status != AHOY_OK) {
        check_end(slot, status, NULL, error);
        atomic_store(&slot->busy, 0);
    } else if (draw(&worker->random, 10) == 0 && strcmp(ahoy_request_method(request), "POST") != 0) {
        /* A tag may stand for more than one call. */
        atomic_fetch_add(&begun[QUEUE], 1);
        count_call(client);
        slot->expected = 2;
        if (ahoy_client_submit(client, request, worker->queue, tag, NULL) != AHOY_OK)
            violation(HANDLES, "a second submit failed");
    }
    ahoy_request_free(request);
}

static void take_completion(struct worker *worker, ahoy_completion *completion) {
    uint64_t tag = ahoy_completion_tag(completion);
    struct slot *slot = &worker->slots[tag % SLOTS];
    if (tag >> 8 != worker->tag_round || !atomic_load(&slot->busy)) {
        violation(ONCE, "a completion of nobody: tag %llx", (unsigned long long)tag);
    } else {
        ahoy_status status = ahoy_completion_status(completion);
        ahoy_response *response = ahoy_completion_take_response(completion);
        ahoy_error *error = ahoy_completion_take_error(completion);
        if (ahoy_completion_take_response(completion) || ahoy_completion_take_error(completion))
            violation(ONCE, "taken twice");
        unsigned told = (unsigned)atomic_fetch_add(&slot->told, 1) + 1;
        check_end(slot, status, response, error);
        if (told == slot->expected) atomic_store(&slot->busy, 0);
    }
    ahoy_completion_free(completion);
}

/* Returns how many there were. */
static size_t read_queue(struct worker *worker, uint64_t timeout_ms) {
    ahoy_completion *batch[16];
    size_t count = 0;
    ahoy_error *error;
    doing(worker, "ahoy_queue_next_batch");
    if (draw(&worker->random, 8) == 0) {
        if (ahoy_queue_next(worker->queue, timeout_ms, &batch[0], &error) != AHOY_OK) violation(HANDLES, "next failed");
        count = batch[0] != NULL;
    } else if (ahoy_queue_next_batch(worker->queue, timeout_ms, batch, 16, &count, &error) != AHOY_OK) {
        violation(HANDLES, "next_batch failed");
    }
    for (size_t i = 0; i < count; i++) take_completion(worker, batch[i]);
    return count;
}

static int in_flight(struct worker *worker) {
    int count = 0;
    for (size_t i = 0; i < SLOTS; i++) count += atomic_load(&worker->slots[i].busy) != 0;
    return count;
}

static void queue_turn(struct worker *worker) {
    if (!worker->queue) open_queue(worker);
    for (uint64_t i = 1 + draw(&worker->random, 3); i > 0; i--) submit(worker);
    if (draw(&worker->random, 5) == 0) {
        struct slot *slot = &worker->slots[draw(&worker->random, SLOTS)];
        if (atomic_load(&slot->busy)) {
            doing(worker, "ahoy_queue_cancel");
            if (!slot->ask_ended) slot->ask_ended = now_us();
            ahoy_queue_cancel(worker->queue, worker->tag_round << 8 | (uint64_t)(slot - worker->slots), NULL);
        }
    }
    if (draw(&worker->random, 4) == 0) {
        read_queue(worker, draw(&worker->random, 3));
    } else {
        struct epoll_event event;
        doing(worker, "epoll_wait");
        int ready = epoll_wait(worker->poller, &event, 1, 10);
        if (ready > 0 && read_queue(worker, 0) == 0) violation(HANDLES, "a queue was readable without a completion");
    }
    if (draw(&worker->random, 1000) == 0) close_queue(worker);
    pause_us(draw(&worker->random, 3000));
}

static void drain_queue(struct worker *worker) {
    uint64_t until = now_us() + 10000000;
    if (!worker->queue) return;
    while (in_flight(worker) > 0 && now_us() < until) read_queue(worker, 50);
    if (in_flight(worker) > 0) violation(ONCE, "queue: %d calls never ended", in_flight(worker));
    close_queue(worker);
}

/* ---- Clients that come and go --------------------------------------------------------------------------- */

static void refuse(const char *what, ahoy_status status, ahoy_error *error) {
    if (status == AHOY_OK) return;
    fprintf(stderr, "soak: %s: %s\n", what, ahoy_error_message(error));
    abort();
}

static ahoy_client *make_client(size_t which, uint64_t *random) {
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_retry *retry = ahoy_retry_new();
    ahoy_client *client;
    ahoy_error *error;
    char url[64];
    static const int32_t tries[CLIENTS] = {3, 5, 1, 3, 2, -1};
    ahoy_retry_set_tries(retry, tries[which], NULL);
    ahoy_retry_set_delay_ms(retry, 5, NULL);
    ahoy_retry_set_max_delay_ms(retry, 50, NULL);
    refuse("retry", ahoy_client_builder_set_retry(builder, retry, &error), error);
    ahoy_client_builder_set_timeout_ms(builder, client_limits[which], NULL);
    if (which == 1 || which == 5) ahoy_client_builder_set_attempt_timeout_ms(builder, 300, NULL);
    if (which == 1) ahoy_client_builder_set_connect_timeout_ms(builder, 100, NULL);
    if (which == 2) ahoy_client_builder_set_max_body_bytes(builder, 600 << 10, NULL);
    if (which == 5) ahoy_client_builder_set_fail_on_status(builder, true, NULL);
    if (which == 4) ahoy_client_builder_set_http2(builder, AHOY_HTTP2_PRIOR_KNOWLEDGE, NULL);
    /* Short, so that the number of kept connections settles within the warm-up. */
    ahoy_client_builder_set_idle_timeout_ms(builder, random ? 1 + draw(random, 3000) : 2000, NULL);
    if (which == 3) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u", ports[random ? draw(random, options.servers) : 0]);
        refuse("base", ahoy_client_builder_set_base_url(builder, url, &error), error);
    } else {
        size_t balancer = which < 2 ? 0 : which == 4 ? 2 : 1;
        refuse("balancer", ahoy_client_builder_set_balancer(builder, balancers[balancer], &error), error);
    }
    refuse("client", ahoy_client_builder_build(builder, &client, &error), error);
    ahoy_retry_free(retry);
    ahoy_client_builder_free(builder);
    atomic_fetch_add(&clients_made, 1);
    return client;
}

static void check_close(struct worker *worker, const ahoy_client *client, uint64_t timeout_ms) {
    uint64_t from = now_us();
    doing(worker, "ahoy_client_close");
    if (ahoy_client_close(client, timeout_ms, NULL) != AHOY_OK) violation(HANDLES, "close failed");
    check_late("close", from + timeout_ms * 1000, now_us(), &worst_close_us, NULL, "");
}

static void churn_turn(struct worker *worker) {
    static const size_t kinds[] = {0, 1, 2, 5, 3, 0, 1, 2, 5, 4};
    size_t which = kinds[draw(&worker->random, 10)];
    int lends = draw(&worker->random, 2) == 0, closes = lends || draw(&worker->random, 2);
    doing(worker, "making a client");
    ahoy_client *client = make_client(which, &worker->random);
    if (lends) {
        pthread_mutex_lock(&shared.lock);
        lends = shared.client == NULL && shared.borrowed == 0;
        if (lends) {
            shared.client = client;
            shared.limit = client_limits[which];
            atomic_store(&shared.closed_at, 0);
        }
        pthread_mutex_unlock(&shared.lock);
        if (lends) pause_us(draw(&worker->random, 30000));
    }
    if (draw(&worker->random, 2)) call_blocking(worker, client, client_limits[which], 0);
    ahoy_call *held[3];
    struct slot *held_slots[3];
    size_t count = 0;
    for (uint64_t i = draw(&worker->random, 8); i > 0; i--) {
        struct slot *slot = free_slot(worker);
        if (!slot) break;
        ahoy_call *call = start(worker, client, slot, closes);
        if (!call) continue;
        if (count < 3 && draw(&worker->random, 3) == 0) {
            held_slots[count] = slot;
            held[count++] = call;
        } else {
            promise(slot, call);
            ahoy_call_free(call);
        }
    }
    pause_us(draw(&worker->random, 10000));
    uint64_t closed = 0;
    if (closes) {
        check_close(worker, client, draw(&worker->random, 3) ? draw(&worker->random, 100) : 0);
        closed = now_us();
        ahoy_call *call;
        ahoy_request *request;
        if (lends) atomic_store(&shared.closed_at, closed);
        if (ahoy_request_new("GET", "/1", &request, NULL) != AHOY_OK) abort();
        if (ahoy_client_start(client, request, &call, NULL) != AHOY_E_CLOSED || call)
            violation(HANDLES, "a closed client starts a call");
        ahoy_request_free(request);
    } else {
        atomic_fetch_add(&freed_busy, 1);
    }
    if (lends) {
        doing(worker, "waiting for callers of a closed client");
        for (unsigned borrowed = 1; borrowed > 0;) {
            pthread_mutex_lock(&shared.lock);
            shared.client = NULL;
            borrowed = shared.borrowed;
            pthread_mutex_unlock(&shared.lock);
            if (borrowed > 0) pause_us(200);
        }
    }
    ahoy_client_free(client);
    for (size_t i = 0; i < count; i++) {
        if (closed) { /* all of them have ended, or are about to */
            held_slots[i]->ask_ended = closed;
            held_slots[i]->may_be_closed = 1;
        } else {
            held_slots[i]->limit += 5000; /* one is waited for after the other */
        }
        wait_for(worker, held[i], held_slots[i], AHOY_FOREVER);
    }
    doing(worker, "a pause");
    pause_us(draw(&worker->random, 10000));
}

/* ---- Balancers, circuits and forks ---------------------------------------------------------------------- */

/* Each time some servers are missing; now and then it fails or knows none. */
static ahoy_status provide(void *user_data, ahoy_hosts *out) {
    static atomic_ulong asked;
    uint64_t random = options.seed + atomic_fetch_add(&asked, 1) * 31;
    int first = atomic_exchange((atomic_int *)user_data, 0);
    uint64_t kind = first ? 9 : draw(&random, 20);
    if (kind == 0) return AHOY_E_DISCOVERY;
    if (kind == 1) return AHOY_OK;
    if (kind == 2) pause_us(3000);
    for (size_t i = 0; i < options.servers; i++)
        if (first || draw(&random, 5)) ahoy_hosts_add(out, "127.0.0.1", ports[i], NULL);
    return AHOY_OK;
}

/* The sums over all labels of one client's statistics: calls that ended, attempts by outcome and by reason, calls under
 * way. */
struct sums {
    double calls, attempts, by_reason, active;
};

static void add_sample(void *user_data, const ahoy_sample *sample) {
    struct sums *sums = user_data;
    const char *name = ahoy_sample_name(sample);
    size_t buckets = ahoy_sample_bucket_count(sample);
    double all = buckets ? (double)ahoy_sample_bucket_value_at(sample, buckets - 1) : ahoy_sample_value(sample);
    if (strcmp(name, "ahoy_client_call_duration_seconds") == 0) sums->calls += all;
    if (strcmp(name, "http_client_request_duration_seconds") == 0) sums->attempts += all;
    if (strcmp(name, "ahoy_client_attempts_total") == 0) sums->by_reason += all;
    if (strcmp(name, "ahoy_client_active_calls") == 0) sums->active += all;
}

static struct sums sums_of(const ahoy_client *client) {
    struct sums sums = {0};
    ahoy_snapshot *snapshot;
    if (ahoy_client_snapshot(client, &snapshot, NULL) == AHOY_OK) ahoy_snapshot_each(snapshot, add_sample, &sums, NULL);
    ahoy_snapshot_free(snapshot);
    return sums;
}

/* The sums once all calls have ended, those included that were freed in flight: these take a moment to do so. */
static struct sums sums_at_rest(const ahoy_client *client) {
    struct sums sums = sums_of(client);
    for (int tries = 0; sums.active > 0 && tries < 200; tries++) {
        pause_us(50000);
        sums = sums_of(client);
    }
    return sums;
}

static int adds_up(struct sums sums, double calls) {
    return sums.active == 0 && sums.calls == calls && sums.attempts == sums.by_reason;
}

static void check_sums(void) {
    for (size_t i = 0; i < CLIENTS; i++) {
        struct sums sums = sums_at_rest(clients[i]);
        double made = (double)atomic_exchange(&calls_made[i], 0);
        if (made == 0 || !adds_up(sums, made))
            violation(COUNTS,
                      "client %zu: %.0f calls made, %.0f under way, %.0f ended; %.0f attempts by outcome, %.0f by reason", i,
                      made, sums.active, sums.calls, sums.attempts, sums.by_reason);
        counted_calls += sums.calls;
        counted_attempts += sums.attempts;
    }
}

static int is_child_call_fine(const ahoy_client *client, uint64_t id, int by_start) {
    char path[32];
    ahoy_request *request;
    ahoy_response *response = NULL;
    ahoy_error *error = NULL;
    ahoy_status status;
    uint64_t from = now_us();
    snprintf(path, sizeof path, "/%llu", (unsigned long long)id);
    if (ahoy_request_new("GET", path, &request, NULL) != AHOY_OK) return 0;
    ahoy_request_set_timeout_ms(request, 400, NULL);
    if (by_start) {
        ahoy_call *call;
        status = ahoy_client_start(client, request, &call, &error);
        if (status == AHOY_OK) status = ahoy_call_wait(call, AHOY_FOREVER, &response, &error);
        ahoy_call_free(call);
    } else {
        status = ahoy_client_send(client, request, &response, &error);
    }
    const char *got = ahoy_response_header(response, "x-id");
    int fine = row_of(status) < STATUSES - 1 && status != AHOY_E_CLOSED && status != AHOY_E_CANCELLED &&
               (!got || strtoull(got, NULL, 10) == id);
    ahoy_request_free(request);
    ahoy_response_free(response);
    ahoy_error_free(error);
    return fine && now_us() - from < 400000 + 8000ULL * options.slack_ms;
}

/* Orderly, as a script host leaves, or at once. Under valgrind a child that did well kills itself, for what it
 * inherited looks lost to it. */
static void leave(int verdict, int orderly) {
    if (getenv("AHOY_SOAK_LEAVE_BY_KILL") && verdict == 0) kill(getpid(), SIGKILL);
    if (orderly) exit(verdict);
    _exit(verdict);
}

static int left_well(int status) {
    int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    return status == 0 || (killed && getenv("AHOY_SOAK_LEAVE_BY_KILL"));
}

/* What a child does: its exit status. */
static int child(uint64_t kind, uint64_t id, ahoy_call *call) {
    ahoy_response *response;
    alarm(60);
    atomic_store(&not_yet_asked, 1); /* its balancers are new: the first answer must be a good one */
    if (call && ahoy_call_wait(call, AHOY_FOREVER, &response, NULL) != AHOY_E_FORKED) return 10;
    ahoy_call_free(call);
    if (kind < 2) return 0;
    if (!is_child_call_fine(clients[0], id, 0)) return 11;
    if (!is_child_call_fine(clients[2], id + 1, 1)) return 12;
    /* What the parent counted is the parent's, its calls under way included. */
    if (!adds_up(sums_at_rest(clients[0]), 1) || !adds_up(sums_at_rest(clients[2]), 1)) return 18;
    if (!adds_up(sums_at_rest(clients[5]), 0)) return 19;
    if (kind == 2) return 0;
    if (!is_child_call_fine(clients[3], id + 2, 0)) return 13;
    if (kind == 3) { /* a grandchild */
        pid_t pid = fork();
        if (pid == 0) {
            atomic_store(&not_yet_asked, 1);
            leave(is_child_call_fine(clients[0], id + 3, 0) ? 0 : 14, 0);
        }
        int status;
        return pid > 0 && waitpid(pid, &status, 0) == pid && left_well(status) ? 0 : 15;
    }
    ahoy_endpoint *endpoint;
    if (ahoy_balancer_update(balancers[1], NULL) != AHOY_OK) return 16;
    if (ahoy_balancer_endpoint_at(balancers[1], 0, &endpoint, NULL) != AHOY_OK) return 17;
    ahoy_endpoint_free(endpoint);
    for (size_t i = 0; i < CLIENTS; i++) ahoy_client_free(clients[i]);
    for (size_t i = 0; i < BALANCERS; i++) ahoy_balancer_free(balancers[i]);
    return 0;
}

static void fork_turn(struct worker *worker) {
    uint64_t kind = draw(&worker->random, 6), id = atomic_fetch_add(&next_id, 8);
    struct slot *slot = draw(&worker->random, 2) ? free_slot(worker) : NULL;
    ahoy_call *call = slot ? start(worker, clients[0], slot, 0) : NULL;
    doing(worker, "fork");
    pid_t pid = fork();
    if (pid == 0) leave(child(kind, id, call), kind % 2 == 1);
    if (pid < 0) {
        violation(CHILDREN, "fork: %s", strerror(errno));
    } else {
        int status = 0;
        uint64_t until = now_us() + 15000000 + 40000ULL * options.slack_ms;
        atomic_fetch_add(&children_begun, 1);
        while (waitpid(pid, &status, WNOHANG) == 0) {
            doing(worker, "waiting for a child");
            if (now_us() > until) {
                violation(CHILDREN, "child %d (kind %llu) hangs", (int)pid, (unsigned long long)kind);
                if (getenv("AHOY_SOAK_KEEP_HUNG")) abort();
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                status = -1;
                break;
            }
            pause_us(1000);
        }
        if (left_well(status)) {
            atomic_fetch_add(&children_by_exit, 1);
            if (kind >= 2) atomic_fetch_add(&counted_children, 1);
        }
        else if (status != -1)
            violation(CHILDREN, "child of kind %llu: wait status %#x", (unsigned long long)kind, status);
    }
    if (call) {
        slot->limit += 20000; /* not waited for at once */
        wait_for(worker, call, slot, AHOY_FOREVER);
    }
}

/* Another configuration for one of the clients that all threads share, under their calls: other time limits for
 * connecting, with which connections are made anew, and another limit on calls, with which the admission is. */
static void reconfigure(struct worker *worker) {
    static const char *const own[CLIENTS] = {
        "\"timeout\": \"1500ms\"",
        "\"timeout\": \"1s\", \"attempt_timeout\": \"300ms\"",
        "\"timeout\": \"800ms\", \"max_body\": \"600KiB\"",
        "\"timeout\": \"1s\"",
        "\"timeout\": \"600ms\", \"http2\": \"prior_knowledge\"",
        "\"timeout\": \"1200ms\", \"attempt_timeout\": \"300ms\", \"fail_on_status\": true",
    };
    static const char *const tries[CLIENTS] = {"3", "5", "1", "3", "2", "\"unlimited\""};
    static const char *const connecting[] = {"auto", "100ms", "200ms"};
    size_t which = draw(&worker->random, CLIENTS);
    char json[400];
    ahoy_error *error;
    snprintf(json, sizeof json,
             "{%s, \"connect_timeout\": \"%s\", \"idle_timeout\": \"2s\", \"max_in_flight\": %d, "
             "\"retry\": {\"tries\": %s, \"delay\": \"5ms\", \"max_delay\": \"50ms\"}}",
             own[which], connecting[draw(&worker->random, 3)], draw(&worker->random, 2) ? 5000 : 6000, tries[which]);
    doing(worker, "ahoy_client_reconfigure");
    if (ahoy_client_reconfigure(clients[which], json, &error) != AHOY_OK)
        violation(HANDLES, "reconfigure: %s", ahoy_error_message(error));
    else
        atomic_fetch_add(&reconfigured, 1);
    ahoy_error_free(error);
}

static void control_turn(struct worker *worker) {
    ahoy_balancer *balancer = balancers[draw(&worker->random, 2)];
    ahoy_endpoint *endpoint;
    ahoy_error *error;
    ahoy_status status;
    doing(worker, "a balancer");
    switch (draw(&worker->random, 9)) {
    case 8: reconfigure(worker); break;
    case 0:
    case 1:
        status = ahoy_balancer_update(balancer, &error);
        atomic_fetch_add(&updates, 1);
        if (status != AHOY_OK && status != AHOY_E_DISCOVERY) violation(HANDLES, "update: %s", ahoy_error_message(error));
        ahoy_error_free(error);
        break;
    case 2:
    case 3: {
        size_t count = ahoy_balancer_endpoint_count(balancer);
        if (count == 0) break;
        status = ahoy_balancer_endpoint_at(balancer, draw(&worker->random, count), &endpoint, &error);
        ahoy_error_free(error);
        if (status != AHOY_OK) break; /* the list may change between the two */
        status = ahoy_endpoint_open_circuit(endpoint, NULL);
        if (status != AHOY_OK && status != AHOY_E_IN_USE) violation(HANDLES, "open: %s", ahoy_status_name(status));
        pause_us(draw(&worker->random, 30000));
        status = ahoy_endpoint_close_circuit(endpoint, NULL);
        if (status != AHOY_OK && status != AHOY_E_IN_USE) violation(HANDLES, "close: %s", ahoy_status_name(status));
        atomic_fetch_add(&circuit_switches, 1);
        ahoy_endpoint_free(endpoint);
        break;
    }
    case 4:
    case 5:
        status = ahoy_balancer_pick(balancer, &endpoint, &error);
        if (status != AHOY_OK && status != AHOY_E_NO_ENDPOINTS) violation(HANDLES, "pick: %s", ahoy_error_message(error));
        if (status == AHOY_OK && ahoy_endpoint_port(endpoint) == 0) violation(HANDLES, "an endpoint without a port");
        ahoy_endpoint_free(endpoint);
        ahoy_error_free(error);
        break;
    default: fork_turn(worker); break;
    }
    doing(worker, "a pause");
    pause_us(draw(&worker->random, 60000));
}

/* ---- Rounds --------------------------------------------------------------------------------------------- */

static void make_world(void) {
    ahoy_provider *custom = ahoy_provider_custom_new(provide, &not_yet_asked, NULL), *list = ahoy_provider_list_new();
    ahoy_breaker *strict = ahoy_breaker_new(), *lenient = ahoy_breaker_new();
    ahoy_error *error;
    atomic_store(&not_yet_asked, 1);
    for (size_t i = 0; i < options.servers; i++)
        refuse("list", ahoy_provider_list_add(list, "127.0.0.1", ports[i], &error), error);
    ahoy_breaker_set_open_ms(strict, 20, 300, NULL);
    ahoy_breaker_set_connect_open_max_ms(strict, 200, NULL);
    ahoy_breaker_set_open_ms(lenient, 1, 20, NULL);
    ahoy_breaker_set_connect_open_max_ms(lenient, 20, NULL);
    ahoy_breaker_disable_consecutive_failures(lenient, NULL);
    ahoy_breaker_disable_failure_ratio(lenient, NULL);
    balancers[0] = ahoy_balancer_round_robin_new(custom);
    balancers[1] = ahoy_balancer_random_new(list);
    balancers[2] = ahoy_balancer_round_robin_new(list);
    refuse("breaker", ahoy_balancer_set_breaker(balancers[0], strict, &error), error);
    refuse("breaker", ahoy_balancer_set_breaker(balancers[1], lenient, &error), error);
    refuse("breaker", ahoy_balancer_set_breaker(balancers[2], lenient, &error), error);
    for (size_t i = 0; i < CLIENTS; i++) clients[i] = make_client(i, NULL);
    ahoy_breaker_free(strict);
    ahoy_breaker_free(lenient);
    ahoy_provider_free(custom);
    ahoy_provider_free(list);
}

static void free_world(void) {
    struct worker *self = &workers[0];
    for (size_t i = 0; i < CLIENTS; i++) {
        if (i % 2 == 0) check_close(self, clients[i], 3000); /* the others are freed as they are */
        ahoy_client_free(clients[i]);
    }
    for (size_t i = 0; i < BALANCERS; i++) ahoy_balancer_free(balancers[i]);
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    while (!atomic_load(&stopping)) worker->turn(worker);
    doing(worker, "draining");
    if (worker->turn == queue_turn) {
        drain_queue(worker);
    } else {
        uint64_t until = now_us() + 10000000;
        while (in_flight(worker) > 0 && now_us() < until) pause_us(1000);
        if (in_flight(worker) > 0) violation(ONCE, "%d callbacks were never told", in_flight(worker));
    }
    doing(worker, NULL);
    return NULL;
}

static long resident_kb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static size_t heap_kb(void) {
    struct mallinfo2 info = mallinfo2();
    return (info.uordblks + info.hblkhd) / 1024;
}

struct descriptors {
    int sockets, pipes, pollers, events, others, all;
};

static struct descriptors count_descriptors(void) {
    struct descriptors count = {0};
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char target[128];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (length < 0 || atoi(entry->d_name) == dirfd(folder)) continue;
        target[length] = '\0';
        count.all++;
        if (strncmp(target, "socket:", 7) == 0) count.sockets++;
        else if (strncmp(target, "pipe:", 5) == 0) count.pipes++;
        else if (strstr(target, "eventpoll")) count.pollers++;
        else if (strstr(target, "eventfd")) count.events++;
        else count.others++;
    }
    if (folder) closedir(folder);
    return count;
}

static int strangers; /* threads that were there before the library: a sanitizer has one */

static char last_other[64]; /* the name of a thread that is none of the I/O threads */

/* Threads other than this one and strangers; those of the library's I/O apart. */
static void count_threads(int *io, int *other) {
    DIR *folder = opendir("/proc/self/task");
    int already = strangers;
    *io = *other = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char path[300], name[64] = "";
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == (int)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fgets(name, sizeof name, file) == NULL) *name = '\0';
        fclose(file);
        int is_io = strncmp(name, "ahoy-io", 7) == 0;
        ++*(is_io ? io : other);
        if (!is_io) snprintf(last_other, sizeof last_other, "%.*s", (int)strcspn(name, "\n"), name);
    }
    if (folder) closedir(folder);
    *other -= already;
}

struct report {
    unsigned long open, requests, changes, doubled, broken;
    char manners[400];
};

static struct report ask_servers(void) {
    struct report report = {0};
    fputs("report\n", to_servers);
    fflush(to_servers);
    if (fscanf(from_servers, "%lu %lu %lu %lu %lu%399[^\n]", &report.open, &report.requests, &report.changes,
               &report.doubled, &report.broken, report.manners) < 5) {
        fprintf(stderr, "soak: the servers do not answer\n");
        exit(1);
    }
    return report;
}

static size_t idle_heap; /* when all calls have ended and nothing is freed yet */
static int idle_connections;
static long *samples, *heap_samples, *socket_samples;
static size_t sample_count, sample_room;

static void watch_for(unsigned seconds) {
    uint64_t until = now_us() + seconds * 1000000ULL;
    unsigned looks = 0;
    sample_count = 0;
    while (now_us() < until) {
        pause_us(200000);
        /* Every two seconds, and without what glibc keeps of memory that was freed: under load that grows for minutes
         * by the mixture of sizes alone, while what is in use stays. */
        if (++looks % 10 == 0 && sample_count < sample_room) {
            uint64_t from = now_us();
            malloc_trim(0);
            /* A thread that allocates meanwhile waits for it, and longer where this one is not run: not the library's. */
            uint64_t to = now_us();
            for (uint64_t span = from / SPAN_US; span <= to / SPAN_US; span++)
                raise_span(&spans[span % SPANS].slept_over, to - from);
            heap_samples[sample_count] = (long)heap_kb();
            socket_samples[sample_count] = count_descriptors().sockets;
            samples[sample_count++] = resident_kb();
        }
        for (size_t i = 0; i < options.threads; i++) {
            uint64_t alive = atomic_load(&workers[i].alive_at), now = now_us();
            if (now > alive && now - alive > STUCK_MS * 1000ULL + options.slack_ms * 20000ULL) {
                violation(STUCK, "thread %zu, at: %s", i, atomic_load(&workers[i].doing));
                if (getenv("AHOY_SOAK_KEEP_HUNG")) pause_us(600000000);
                abort();
            }
        }
    }
}

/* Runs everything for some time, and gives all back. */
static void run_round(unsigned seconds) {
    static void (*const turns[8])(struct worker *) = {blocking_turn, calls_turn, queue_turn,   control_turn,
                                                      blocking_turn, calls_turn, queue_turn,   churn_turn};
    pthread_t ruler;
    make_world();
    atomic_store(&stopping, 0);
    if (pthread_create(&ruler, NULL, ruler_main, NULL) != 0) abort();
    for (unsigned i = 0; i < options.threads; i++) {
        struct worker *worker = &workers[i];
        worker->index = i;
        worker->random = options.seed * 1000003 + i;
        worker->turn = turns[i % 8];
        worker->alive_at = now_us();
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) abort();
    }
    watch_for(seconds);
    atomic_store(&stopping, 1);
    for (unsigned i = 0; i < options.threads; i++) {
        struct timespec limit;
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 30 + options.slack_ms / 100;
        if (pthread_timedjoin_np(workers[i].thread, NULL, &limit) != 0) {
            violation(STUCK, "thread %u does not end, at: %s", i, atomic_load(&workers[i].doing));
            if (getenv("AHOY_SOAK_KEEP_HUNG")) pause_us(600000000);
            abort();
        }
    }
    pthread_join(ruler, NULL);
    idle_heap = heap_kb();
    idle_connections = count_descriptors().sockets;
    check_sums();
    free_world();
}

/* A thread that asks providers ends when it had no work for 10 s. */
enum { WORKER_IDLE_US = 10500000 };

/* What is held when everything was freed; waits up to 5 s for connections to close, and longer for threads to end. */
struct rest {
    struct descriptors descriptors;
    int io_threads, other_threads;
    unsigned long open;
    size_t heap;
    long resident;
    uint64_t took_ms;
};

static struct rest settle(struct descriptors start) {
    struct rest rest = {0};
    uint64_t from = now_us(), limit = 5000000 + options.slack_ms * 10000ULL, took;
    int is_held;
    do {
        pause_us(100000);
        rest.descriptors = count_descriptors();
        count_threads(&rest.io_threads, &rest.other_threads);
        rest.open = ask_servers().open;
        is_held = rest.descriptors.sockets > start.sockets || rest.descriptors.pipes > start.pipes || rest.open > 0;
        took = now_us() - from;
        if (is_held || rest.took_ms == 0) rest.took_ms = took / 1000;
    } while (is_held ? took < limit : rest.other_threads > 0 && took < limit + WORKER_IDLE_US);
    rest.heap = heap_kb();
    malloc_trim(0);
    rest.resident = resident_kb();
    return rest;
}

static int compare_longs(const void *a, const void *b) {
    return (*(const long *)a > *(const long *)b) - (*(const long *)a < *(const long *)b);
}

/* What is there all the time: the tenth of the way up from the least. Bodies in flight come and go above it. */
static long floor_of(const long *from, size_t count) {
    long sorted[4096];
    if (count == 0) return 0;
    if (count > 4096) count = 4096;
    memcpy(sorted, from, count * sizeof *from);
    qsort(sorted, count, sizeof *sorted, compare_longs);
    return sorted[count / 10];
}

/* The most of the first three fifths. One fifth differs from the next by a third, as bodies are in flight; a leak is
 * above all of them in the end. */
static long most_of(const long *from, size_t window) {
    long most = 0;
    for (size_t i = 0; i < 3; i++) {
        long floor = floor_of(from + i * window, window);
        if (floor > most) most = floor;
    }
    return most;
}

static void start_servers(const char *program) {
    int down[2], up[2];
    char seed[24], count[24];
    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) abort();
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)options.seed);
    snprintf(count, sizeof count, "%u", options.servers);
    servers_pid = fork();
    if (servers_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        execl(program, program, seed, count, (char *)NULL);
        _exit(127);
    }
    close(down[0]);
    close(up[1]);
    to_servers = fdopen(down[1], "w");
    from_servers = fdopen(up[0], "r");
    if (!to_servers || !from_servers) abort();
    for (size_t i = 0; i < options.servers; i++)
        if (fscanf(from_servers, "%hu", &ports[i]) != 1) {
            fprintf(stderr, "soak: the servers did not start\n");
            exit(1);
        }
}

/* Prints how the calls ended, and whether that adds up. */
static void print_calls(void) {
    unsigned long all = 0;
    printf("\n%-26s", "how calls ended");
    for (int way = 0; way < WAYS; way++) printf("%12s", way_names[way]);
    for (size_t row = 0; row < ROWS; row++) {
        unsigned long sum = 0;
        for (int way = 0; way < WAYS; way++) sum += ended[way][row];
        if (sum == 0) continue;
        const char *name = row == ABANDONED ? "freed in flight" : row == DISCARDED ? "gone with their queue" : NULL;
        if (!name) name = row == STATUSES - 1 ? "any other" : ahoy_status_name(statuses[row]);
        printf("\n%-26s", name);
        for (int way = 0; way < WAYS; way++) printf("%12lu", atomic_load(&ended[way][row]));
    }
    printf("\n%-26s", "begun");
    for (int way = 0; way < WAYS; way++) {
        unsigned long sum = 0;
        for (size_t row = 0; row < ROWS; row++) sum += ended[way][row];
        if (sum != begun[way]) violation(ONCE, "%s: %lu begun, %lu ended", way_names[way], begun[way], sum);
        printf("%12lu", atomic_load(&begun[way]));
        all += begun[way];
    }
    printf("\n%-26s", "worst overrun in ms");
    for (int way = 0; way < WAYS; way++) printf("%12.1f", (double)worst_overrun_us[way] / 1000);
    snprintf(notes[ONCE], sizeof notes[ONCE], "%lu calls", all);
    snprintf(notes[IN_TIME], sizeof notes[IN_TIME],
             "cancel %.1f ms, close %.1f ms; the machine itself %.1f ms, and kept an I/O thread waiting %.1f ms of 50; excused %lu", (double)worst_cancel_us / 1000,
             (double)worst_close_us / 1000, (double)worst_lateness / 1000, (double)worst_wait / 1000, atomic_load(&excused));
    puts("");
}

static void check_rest(struct descriptors start, struct rest before, struct rest after) {
    /* A shard has two pollers at most and one event; there are never more than callers at once. */
    int shards = (int)options.threads + 3 + after.io_threads;
    struct descriptors held = after.descriptors;
    if (held.sockets > start.sockets || after.open > 0)
        violation(CONNECTIONS, "%d sockets, %lu open at the servers", held.sockets - start.sockets, after.open);
    if (held.pipes > start.pipes || held.others > start.others || held.pollers > 2 * shards || held.events > shards)
        violation(DESCRIPTORS, "%d pipes, %d pollers, %d events, %d others more than at the start",
                  held.pipes - start.pipes, held.pollers - start.pollers, held.events - start.events,
                  held.others - start.others);
    if (after.other_threads > 0 || after.io_threads > sysconf(_SC_NPROCESSORS_ONLN) + 1)
        violation(THREADS, "%d I/O threads, %d others (%s)", after.io_threads, after.other_threads, last_other);
    snprintf(notes[CONNECTIONS], sizeof notes[CONNECTIONS], "after %llu ms", (unsigned long long)after.took_ms);
    snprintf(notes[DESCRIPTORS], sizeof notes[DESCRIPTORS], "%d at the start, %d warm, %d at the end (%d pollers and %d events of idle shards)",
             start.all, before.descriptors.all, held.all, held.pollers, held.events);
    snprintf(notes[THREADS], sizeof notes[THREADS], "%d I/O threads", after.io_threads);
    if (!options.memory) return;
    size_t window = sample_count / 5;
    puts("\nwhat is held under load, by fifths of the time:");
    for (size_t i = 0; i < 5; i++)
        printf("  %ld kB resident, %ld kB in use, %ld sockets\n", floor_of(samples + i * window, window),
               floor_of(heap_samples + i * window, window), floor_of(socket_samples + i * window, window));
    size_t final = sample_count - window;
    long first = most_of(samples, window), last = floor_of(samples + final, window);
    long used_first = most_of(heap_samples, window), used_last = floor_of(heap_samples + final, window);
    long more = floor_of(socket_samples + final, window) - most_of(socket_samples, window);
    /* Kept connections grow in number for minutes, until each caller's shard has one to each server. What they hold
     * is no leak: it goes with them, as the rest below shows. */
    long connections = more > 0 ? more * SOCKET_KB : 0;
    double growth = first ? 100.0 * (double)(last - connections - first) / (double)first : 0;
    if (growth >= 10) violation(RSS, "%.1f %% under load beside %ld more connections", growth, more);
    if (used_last - connections > used_first + used_first / 10)
        violation(HEAP, "under load %ld kB, then %ld kB with %ld more connections", used_first, used_last, more);
    /* Arenas and stacks that glibc keeps are the slack; a leak shows in what is in use, too. */
    if (after.resident > before.resident + before.resident / 10 + (8 << 10))
        violation(RSS, "%ld kB, then %ld kB when all is freed", before.resident, after.resident);
    snprintf(notes[RSS], sizeof notes[RSS], "%ld kB at most in the first three fifths, %ld kB in the last: %+.1f %% beside connections (in use: %ld kB, %ld kB); freed: %ld kB, %ld kB", first,
             last, growth, used_first, used_last,
             before.resident, after.resident);
    if (after.heap > before.heap + before.heap / 10 + 256) violation(HEAP, "%zu kB, then %zu kB", before.heap, after.heap);
    snprintf(notes[HEAP], sizeof notes[HEAP], "%zu kB after the warm-up, %zu kB at the end", before.heap, after.heap);
}

static void *no_work(void *nothing) { return nothing; }

int main(int argc, char **argv) {
    const char *program = NULL;
    struct rlimit limit;
    for (int i = 1; i < argc; i++) {
        unsigned long number = i + 1 < argc ? strtoul(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--seconds") == 0) options.seconds = (unsigned)number, i++;
        else if (strcmp(argv[i], "--warm-up") == 0) options.warm_up = (unsigned)number, i++;
        else if (strcmp(argv[i], "--threads") == 0) options.threads = (unsigned)number, i++;
        else if (strcmp(argv[i], "--servers") == 0) options.servers = (unsigned)number, i++;
        else if (strcmp(argv[i], "--seed") == 0) options.seed = number, i++;
        else if (strcmp(argv[i], "--slack") == 0) options.slack_ms = (unsigned)number, i++;
        else if (strcmp(argv[i], "--no-memory") == 0) options.memory = 0;
        else if (strcmp(argv[i], "--retire") == 0) options.retire = 1;
        else program = argv[i];
    }
    if (!program || options.threads < 1 || options.threads > MOST_THREADS || options.servers < 1 ||
        options.servers > MOST_SERVERS) {
        fprintf(stderr, "usage: %s [OPTION ...] SERVERS-PROGRAM (see the top of the source)\n", argv[0]);
        return 2;
    }
    if (options.warm_up == 0) options.warm_up = options.seconds < 60 ? options.seconds / 4 + 1 : 15;
    /* Otherwise glibc keeps freed bodies in its arenas, and what is resident says little of what is in use. */
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stderr, NULL, _IONBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)('a' + i % 26);
    sample_room = options.seconds * 5 + 10;
    samples = calloc(sample_room, sizeof *samples);
    heap_samples = calloc(sample_room, sizeof *samples);
    socket_samples = calloc(sample_room, sizeof *samples);
    if (!samples || !heap_samples || !socket_samples) abort();
    start_servers(program);
    printf("soak: ahoy %s, %u s after %u s to warm up, %u threads, %u servers, seed %llu\n", ahoy_version(),
           options.seconds, options.warm_up, options.threads, options.servers, (unsigned long long)options.seed);

    /* A sanitizer starts its own with the program's first. */
    pthread_t first;
    int io_threads;
    if (pthread_create(&first, NULL, no_work, NULL) != 0) abort();
    pthread_join(first, NULL);
    pause_us(100000);
    count_threads(&io_threads, &strangers);
    struct descriptors start = count_descriptors();
    run_round(options.warm_up);
    struct rest before = settle(start);
    run_round(options.seconds);
    struct rest after = settle(start);
    struct report report = ask_servers();

    print_calls();
    check_rest(start, before, after);
    if (report.doubled || report.broken) violation(POSTS, "%lu doubled, %lu broken", report.doubled, report.broken);
    snprintf(notes[POSTS], sizeof notes[POSTS], "%lu requests", report.requests);
    snprintf(notes[COUNTS], sizeof notes[COUNTS],
             "%.0f calls and %.0f attempts of the clients that all threads share, over %lu changes of their configuration and in %lu children",
             counted_calls, counted_attempts, reconfigured, counted_children);
    snprintf(notes[CHILDREN], sizeof notes[CHILDREN], "%lu of %lu ended well", children_by_exit, children_begun);
    printf("\nrequests by manner:%s; %lu changes of manner\n", report.manners, report.changes);
    printf("%lu clients made, %lu freed with calls in flight; %lu updates, %lu circuits opened and closed by hand\n",
           clients_made, freed_busy, updates, circuit_switches);
    printf("all calls ended, nothing freed: %d connections kept, %zu kB in use\n\n", idle_connections, idle_heap);
    if (options.retire) {
        int others;
        pause_us(125000000);
        struct descriptors held = count_descriptors();
        count_threads(&after.io_threads, &others);
        if (held.pollers > 2 * after.io_threads || held.events > after.io_threads)
            violation(DESCRIPTORS, "idle shards are still there: %d pollers, %d events", held.pollers, held.events);
        printf("two minutes later: %d descriptors, %d pollers and %d events of %d I/O threads, %ld kB\n\n", held.all,
               held.pollers, held.events, after.io_threads, resident_kb());
    }
    unsigned failed = 0;
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        int skipped = !options.memory && (i == RSS || i == HEAP);
        failed += violations[i] > 0;
        printf("%-5s %s%s%s", violations[i] ? "FAIL" : skipped ? "skip" : "ok", check_texts[i], *notes[i] ? ": " : "", notes[i]);
        printf(violations[i] ? " (%lu violations)\n" : "\n", violations[i]);
    }
    printf("soak: %u passed, %u failed\n", CHECK_COUNT - failed - (options.memory ? 0 : 2), failed);
    fclose(to_servers); /* the end of its input ends it */
    waitpid(servers_pid, NULL, 0);
    free(samples);
    free(heap_samples);
    free(socket_samples);
    return failed ? 1 : 0;
}
