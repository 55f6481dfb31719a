/* Bodies by libcurl, by libahoy and by a raw socket: what a call costs in CPU, page faults, switches and time.
 *
 *     bodies HTTP_PORT TLS_PORT CA.PEM [ROUNDS]                     compare; prints a report, one line a figure
 *     bodies HTTP_PORT TLS_PORT CA.PEM only LIBRARY MODE CALLS      one mode alone, warm, for strace and perf
 *
 * Modes take turns in random order, round by round, and so do the libraries within a mode; ratios are taken within a
 * round. Each library has a process for each mode: what its allocator keeps from one call to the next, and so its page
 * faults, depend on all that the process does. They live through all rounds, as services do. */
#include "bench.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { MOST_ROUNDS = 100, PIECE = 64 << 10, MIB = 1 << 20 };
enum library { LIBCURL, LIBAHOY, RAW, LIBRARIES };
enum way { HELD, STREAMED, UPLOADED };

struct mode {
    const char *name, *path;
    enum way way;
    int tls;
    /* Of the decoded body, or of what is sent. */
    size_t length;
    size_t calls;
};

static const struct mode modes[] = {
    {"body_1k", "/bodies/1k", HELD, 0, 1 << 10, 1000},
    {"body_64k", "/bodies/64k", HELD, 0, 64 << 10, 400},
    {"big_body", "/bodies/16m", HELD, 0, 16 * MIB, 8},
    {"stream", "/bodies/16m", STREAMED, 0, 16 * MIB, 8},
    {"stream_1g", "/bodies/1g", STREAMED, 0, (size_t)1024 * MIB, 1},
    {"tls_body", "/bodies/16m", HELD, 1, 16 * MIB, 8},
    {"gzip", "/bodies/gzip", HELD, 0, 0, 6},
    {"brotli", "/bodies/brotli", HELD, 0, 0, 6},
    {"zstd", "/bodies/zstd", HELD, 0, 0, 6},
    {"upload", "/upload", UPLOADED, 0, 16 * MIB, 8},
    {"upload_64k", "/upload", UPLOADED, 0, 64 << 10, 400},
};

enum { MODES = sizeof modes / sizeof modes[0] };

static uint16_t ports[2];
static const char *ca;
static uint8_t *sent;

/* Means over the calls of one turn. */
struct sample {
    double cpu_us, wall_us, faults, switches;
};

/* Bytes that came, and one of each page, as a reader would touch. */
struct taken {
    size_t length;
    unsigned sum;
};

static void look(struct taken *taken, const uint8_t *bytes, size_t length) {
    for (size_t at = 0; at < length; at += 4096) taken->sum += bytes[at];
    taken->length += length;
}

/* ---- libcurl ---- */

/* As in libcurl's example getinmemory.c. */
struct memory {
    uint8_t *bytes;
    size_t length;
};

static size_t curl_keep(char *bytes, size_t size, size_t count, void *user_data) {
    struct memory *memory = user_data;
    uint8_t *grown = realloc(memory->bytes, memory->length + size * count + 1);
    if (!grown) return 0;
    memory->bytes = grown;
    memcpy(memory->bytes + memory->length, bytes, size * count);
    memory->length += size * count;
    memory->bytes[memory->length] = 0;
    return size * count;
}

static size_t curl_look(char *bytes, size_t size, size_t count, void *user_data) {
    look(user_data, (uint8_t *)bytes, size * count);
    return size * count;
}

static struct taken curl_call(const struct mode *mode) {
    static CURL *easy;
    static struct curl_slist *headers;
    if (!easy) {
        easy = curl_easy_init();
        headers = curl_slist_append(headers, "Expect:");
        headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    } else {
        curl_easy_reset(easy);
    }
    struct memory memory = {0};
    struct taken taken = {0};
    char url[64];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", mode->tls ? "https" : "http", ports[mode->tls], mode->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
    if (mode->way == STREAMED) {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_look);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &taken);
    } else {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_keep);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &memory);
    }
    if (mode->way == UPLOADED) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sent);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)mode->length);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(easy);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code || status != 200) fail("libcurl", curl_easy_strerror(code));
    if (mode->way != STREAMED) look(&taken, memory.bytes, memory.length);
    free(memory.bytes);
    return taken;
}

/* ---- the floor: a blocking socket, and no more parsing than the end of the head ---- */

static int has_floor(const struct mode *mode) { return mode->way != UPLOADED && !mode->tls && mode->length; }

static int raw_open(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(ports[0])};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) fail("connect", NULL);
    return descriptor;
}

static size_t raw_receive(int descriptor, uint8_t *into, size_t room) {
    ssize_t count = recv(descriptor, into, room, 0);
    if (count <= 0) fail("raw", "receive");
    return (size_t)count;
}

/* Where a body is held, it is received where it stays; where it is streamed, each piece where the one before was. */
static struct taken raw_call(const struct mode *mode) {
    static int descriptor;
    static uint8_t piece[PIECE];
    if (!descriptor) descriptor = raw_open();
    char request[128];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", mode->path, ports[0]);
    if (send(descriptor, request, (size_t)length, MSG_NOSIGNAL) != length) fail("raw", "send");
    uint8_t *body = mode->way == HELD ? malloc(mode->length) : NULL;
    size_t have = raw_receive(descriptor, piece, 4096);
    uint8_t *end = memmem(piece, have, "\r\n\r\n", 4);
    if (!end || memcmp(piece, "HTTP/1.1 200", 12)) fail("raw", "wrong answer");
    size_t got = have - (size_t)(end + 4 - piece);
    struct taken taken = {0};
    if (body) memcpy(body, end + 4, got);
    else look(&taken, end + 4, got);
    while (got < mode->length) {
        size_t left = mode->length - got;
        size_t count = raw_receive(descriptor, body ? body + got : piece, left < PIECE ? left : PIECE);
        if (!body) look(&taken, piece, count);
        got += count;
    }
    if (body) look(&taken, body, got);
    free(body);
    return taken;
}

/* ---- libahoy ---- */

static struct taken ahoy_pieces(ahoy_response *response) {
    static uint8_t piece[PIECE];
    struct taken taken = {0};
    ahoy_error *err = NULL;
    for (bool ended = false; !ended;) {
        size_t length;
        check(ahoy_response_read(response, piece, sizeof piece, AHOY_FOREVER, &length, &ended, &err), &err);
        look(&taken, piece, length);
    }
    return taken;
}

static struct taken ahoy_call_mode(const struct mode *mode) {
    static ahoy_client *clients[2];
    if (!clients[mode->tls]) clients[mode->tls] = resilient_client(ports[mode->tls], 1, mode->tls ? ca : NULL);
    /* Made once: it holds the body, which libcurl borrows. */
    static ahoy_request *request;
    ahoy_error *err = NULL;
    ahoy_response *response = NULL;
    struct taken taken = {0};
    if (!request) {
        check(ahoy_request_new(mode->way == UPLOADED ? "POST" : "GET", mode->path, &request, &err), &err);
        if (mode->way == STREAMED) check(ahoy_request_set_streamed(request, true, &err), &err);
        if (mode->way == UPLOADED) check(ahoy_request_set_body(request, sent, mode->length, &err), &err);
    }
    check(ahoy_client_send(clients[mode->tls], request, &response, &err), &err);
    if (ahoy_response_status(response) != 200) fail("libahoy", "wrong status");
    if (mode->way == STREAMED) {
        taken = ahoy_pieces(response);
    } else {
        size_t length = 0;
        const uint8_t *body = ahoy_response_body(response, &length);
        look(&taken, body, length);
    }
    ahoy_response_free(response);
    return taken;
}

/* ---- one turn ---- */

static struct sample turn(enum library library, const struct mode *mode, size_t calls) {
    struct rusage before, after;
    uint64_t start = wall_ns(), cpu = cpu_ns();
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < calls; i++) {
        struct taken taken = library == LIBCURL ? curl_call(mode) : library == RAW ? raw_call(mode) : ahoy_call_mode(mode);
        size_t expected = mode->way == UPLOADED ? BODY : mode->length;
        if (expected ? taken.length != expected : taken.length < 15 * MIB) fail(mode->name, "wrong length");
    }
    getrusage(RUSAGE_SELF, &after);
    double count = (double)calls;
    return (struct sample){
        .cpu_us = (double)(cpu_ns() - cpu) / 1e3 / count,
        .wall_us = (double)(wall_ns() - start) / 1e3 / count,
        .faults = (double)(after.ru_minflt - before.ru_minflt) / count,
        .switches = (double)(after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw) / count,
    };
}

static void prepare(void) {
    /* Not from the allocator, whose habits it would change. */
    sent = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sent == MAP_FAILED) fail("mmap", NULL);
    for (size_t i = 0; i < 16 * MIB; i++) sent[i] = (uint8_t)(i * 7);
    curl_global_init(CURL_GLOBAL_ALL);
}

/* A process that runs one mode with one library each time it is asked, and answers with a sample. */
static int serve(enum library library, const struct mode *mode) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) fail("socketpair", NULL);
    if (fork()) {
        close(ends[1]);
        return ends[0];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    prepare();
    char asked;
    while (read(ends[1], &asked, 1) == 1) {
        struct sample sample = turn(library, mode, mode->calls);
        if (write(ends[1], &sample, sizeof sample) != sizeof sample) break;
    }
    _exit(0);
}

static struct sample ask(int process, const struct mode *mode) {
    struct sample sample;
    if (write(process, "", 1) != 1 || read(process, &sample, sizeof sample) != sizeof sample)
        fail(mode->name, "its process has ended");
    return sample;
}

/* ---- rounds ---- */

static struct sample samples[LIBRARIES][MODES][MOST_ROUNDS];

static double field(const struct sample *sample, size_t offset) {
    return *(const double *)((const char *)sample + offset);
}

static void tell(int mode, int library, const char *what, size_t offset, const char *unit, int rounds) {
    double values[MOST_ROUNDS], ratios[MOST_ROUNDS];
    for (int round = 0; round < rounds; round++) {
        double other = field(&samples[LIBCURL][mode][round], offset);
        values[round] = field(&samples[library][mode][round], offset);
        /* libcurl may have none at all. */
        ratios[round] = values[round] / (other > 0.1 ? other : 0.1);
    }
    char name[64];
    snprintf(name, sizeof name, "%s%s_%s", library == RAW ? "raw_" : "", modes[mode].name, what);
    size_t count = (size_t)rounds;
    report(name, quantile(values, count, 0.5), unit, "libcurl", quantile(ratios, count, 0.5),
           quantile(ratios, count, 0.25), quantile(ratios, count, 0.75));
}

/* BENCH_WITHOUT names modes that this machine's tools cannot prepare, or its libcurl decode. */
static int is_left_out(int mode) {
    const char *without = getenv("BENCH_WITHOUT"), *name = modes[mode].name;
    const char *found = without ? strstr(without, name) : NULL;
    return found && strchr(" ", found[strlen(name)]);
}

static void compare(int rounds) {
    int processes[LIBRARIES][MODES];
    for (int mode = 0; mode < MODES; mode++) {
        if (is_left_out(mode)) continue;
        processes[LIBCURL][mode] = serve(LIBCURL, &modes[mode]);
        processes[LIBAHOY][mode] = serve(LIBAHOY, &modes[mode]);
        if (has_floor(&modes[mode])) processes[RAW][mode] = serve(RAW, &modes[mode]);
    }
    const char *spin = getenv("BENCH_SPIN");
    if (!(spin && *spin == '0')) keep_awake();
    srand((unsigned)time(NULL));
    /* The first round warms up. */
    for (int round = -1; round < rounds; round++) {
        int order[MODES];
        for (int i = 0; i < MODES; i++) {
            int other = rand() % (i + 1);
            order[i] = order[other];
            order[other] = i;
        }
        for (int i = 0; i < MODES; i++) {
            int first = rand() % LIBRARIES;
            if (is_left_out(order[i])) continue;
            for (int turns = 0; turns < LIBRARIES; turns++) {
                int library = (first + turns) % LIBRARIES;
                if (library == RAW && !has_floor(&modes[order[i]])) continue;
                struct sample sample = ask(processes[library][order[i]], &modes[order[i]]);
                if (round >= 0) samples[library][order[i]][round] = sample;
            }
        }
    }
    for (int mode = 0; mode < MODES; mode++) {
        if (is_left_out(mode)) continue;
        tell(mode, LIBAHOY, "cpu_vs_libcurl", offsetof(struct sample, cpu_us), "us", rounds);
        tell(mode, LIBAHOY, "time_vs_libcurl", offsetof(struct sample, wall_us), "us", rounds);
        tell(mode, LIBAHOY, "faults", offsetof(struct sample, faults), "1/call", rounds);
        tell(mode, LIBAHOY, "switches", offsetof(struct sample, switches), "1/call", rounds);
        if (has_floor(&modes[mode])) tell(mode, RAW, "cpu_vs_libcurl", offsetof(struct sample, cpu_us), "us", rounds);
    }
}

static int only(const char *library, const char *name, size_t calls) {
    prepare();
    for (int i = 0; i < MODES; i++) {
        if (strcmp(modes[i].name, name)) continue;
        enum library which = !strcmp(library, "libcurl") ? LIBCURL : !strcmp(library, "raw") ? RAW : LIBAHOY;
        if (which == RAW && !has_floor(&modes[i])) fail(name, "has no floor");
        turn(which, &modes[i], (calls + 3) / 4);
        struct sample sample = turn(which, &modes[i], calls);
        printf("%s: cpu %.0f us, time %.0f us, %.1f faults, %.1f switches\n", name, sample.cpu_us, sample.wall_us,
               sample.faults, sample.switches);
        return 0;
    }
    fail(name, "no such mode");
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage", "bodies HTTP_PORT TLS_PORT CA.PEM [ROUNDS | only LIBRARY MODE CALLS]");
    ports[0] = (uint16_t)atoi(argv[1]);
    ports[1] = (uint16_t)atoi(argv[2]);
    ca = argv[3];
    if (argc == 8 && !strcmp(argv[4], "only")) return only(argv[5], argv[6], (size_t)atol(argv[7]));
    int rounds = argc == 5 ? atoi(argv[4]) : 15;
    if (rounds < 1 || rounds > MOST_ROUNDS) fail("rounds", "1 to 100");
    compare(rounds);
    return 0;
}
