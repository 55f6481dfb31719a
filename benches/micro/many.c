/* Many connections of one client, each kind in a process of its own.
 *
 *     many idle PORT N          memory and CPU of N connections at rest; the server holds N requests
 *     many waits PORT N         memory of a call that waits for its answer; the same server
 *     many curl_waits PORT N    the same of libcurl's multi interface, with -DMANY_LIBCURL
 *     many callers PORT N M     N blocking callers of M endpoints: connections kept, against those used at once
 */
#define _GNU_SOURCE
#include "bench.h"

#ifdef MANY_LIBCURL
#include <curl/curl.h>
#endif
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* No more than 256 connections to an endpoint. */
enum { ENDPOINTS = 128, MOST_ENDPOINTS = 4096, IDLE_SECONDS = 20, CALLS = 2000 };

static double resident_mb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("statm", "cannot be read");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static long sockets(void) {
    long count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) fail("/proc/self/fd", "cannot be read");
    for (struct dirent *entry; (entry = readdir(directory));) {
        char target[64] = "";
        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) > 0)
            count += !strncmp(target, "socket:", 7);
    }
    closedir(directory);
    return count;
}

static void address_of(int endpoint, char *text, size_t size) {
    snprintf(text, size, "127.0.%d.%d", endpoint / 250, endpoint % 250 + 1);
}

/* A client as its user gets it, over `endpoints` addresses of this machine. */
static ahoy_client *client_of(uint16_t port, int endpoints) {
    ahoy_error *err = NULL;
    ahoy_provider *provider = ahoy_provider_list_new();
    for (int endpoint = 0; endpoint < endpoints; endpoint++) {
        char address[32];
        address_of(endpoint, address, sizeof address);
        check(ahoy_provider_list_add(provider, address, port, &err), &err);
    }
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client = NULL;
    check(ahoy_client_builder_set_balancer(builder, balancer, &err), &err);
    /* No second attempt: the server answers when it has as many requests as it waits for. */
    check(ahoy_client_builder_set_attempt_timeout_ms(builder, AHOY_FOREVER, &err), &err);
    check(ahoy_client_builder_build(builder, &client, &err), &err);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    ahoy_provider_free(provider);
    return client;
}

/* ---- calls that wait, and what is left when they have ended ---- */

static atomic_long ended;

static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    (void)user_data;
    check(status, &err);
    take_answer(response);
    atomic_fetch_add(&ended, 1);
}

/* Starts `count` calls. */
static void start_all(const ahoy_client *client, long count) {
    ahoy_error *err = NULL;
    ahoy_request *request = NULL;
    check(ahoy_request_new("GET", "/", &request, &err), &err);
    for (long call = 0; call < count; call++) {
        ahoy_call *started = NULL;
        check(ahoy_client_start(client, request, &started, &err), &err);
        check(ahoy_call_on_done(started, on_done, NULL, NULL, &err), &err);
        ahoy_call_free(started);
    }
    ahoy_request_free(request);
}

static void wait_for_sockets(long count) {
    for (int tries = 0; sockets() < count; tries++) {
        if (tries > 600) fail("connections", "did not all stand within a minute");
        usleep(100000);
    }
    usleep(500000);
}

static void wait_for_ends(long count) {
    for (int tries = 0; atomic_load(&ended) < count; tries++) {
        if (tries > 600) fail("calls", "did not all end within a minute");
        usleep(100000);
    }
}

static void idle(uint16_t port, long count) {
    ahoy_client *client = client_of(port, ENDPOINTS);
    start_all(client, count);
    wait_for_ends(count);
    /* The janitor takes connections apart that were not used for half a second. */
    sleep(4);
    long kept = sockets();
    uint64_t wall = wall_ns(), cpu = cpu_ns();
    sleep(IDLE_SECONDS);
    double share = 100.0 * (double)(cpu_ns() - cpu) / (double)(wall_ns() - wall);
    if (kept < count * 99 / 100) fail("idle", "connections were closed");
    report("idle_connections", (double)kept, "", NULL, 0, 0, 0);
    report("idle_connections_untrimmed_mb", resident_mb(), "MB", NULL, 0, 0, 0);
    malloc_trim(0);
    report("idle_connections_mb", resident_mb(), "MB", NULL, 0, 0, 0);
    report("idle_connections_cpu_percent", share, "%", NULL, 0, 0, 0);
}

static void waits(uint16_t port, long count) {
    ahoy_client *client = client_of(port, ENDPOINTS);
    double before = resident_mb();
    start_all(client, count);
    wait_for_sockets(count);
    report("call_in_flight_kb", (resident_mb() - before) * 1e3 / (double)count, "KB", NULL, 0, 0, 0);
    _exit(0);
}

#ifdef MANY_LIBCURL
static size_t drop_body(char *bytes, size_t size, size_t count, void *user_data) {
    (void)bytes;
    (void)user_data;
    return size * count;
}

static void curl_waits(uint16_t port, long count) {
    curl_global_init(CURL_GLOBAL_ALL);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, count);
    double before = resident_mb();
    int running;
    for (long call = 0; call < count; call++) {
        char address[32], url[64];
        address_of((int)(call % ENDPOINTS), address, sizeof address);
        snprintf(url, sizeof url, "http://%s:%u/", address, port);
        CURL *easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
        curl_multi_add_handle(multi, easy);
        if (call % 64 == 0) curl_multi_perform(multi, &running);
    }
    for (int turn = 0; turn < 40; turn++) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 50, NULL);
    }
    if (running != count || sockets() < count) fail("libcurl", "not all calls wait");
    report("libcurl_call_in_flight_kb", (resident_mb() - before) * 1e3 / (double)count, "KB", NULL, 0, 0, 0);
    _exit(0);
}

#endif

/* ---- blocking callers ---- */

struct span {
    uint64_t at;
    int endpoint, step;
};

struct caller {
    const ahoy_client *client;
    pthread_barrier_t *begin;
    uint16_t port;
    struct span *spans;
};

/* Which endpoint answered, from "http://127.0.A.B:PORT". */
static int endpoint_of(const ahoy_response *response) {
    int high = 0, low = 0;
    const char *url = ahoy_response_endpoint_url(response);
    if (!url || sscanf(url, "http://127.0.%d.%d:", &high, &low) != 2) fail("endpoint", url);
    return high * 250 + low - 1;
}

static void *work(void *user_data) {
    struct caller *caller = user_data;
    pthread_barrier_wait(caller->begin);
    for (int call = 0; call < CALLS; call++) {
        ahoy_error *err = NULL;
        ahoy_response *response = NULL;
        uint64_t start = wall_ns();
        check(ahoy_client_get(caller->client, "/", &response, &err), &err);
        int endpoint = endpoint_of(response);
        caller->spans[2 * call] = (struct span){start, endpoint, 1};
        caller->spans[2 * call + 1] = (struct span){wall_ns(), endpoint, -1};
        take_answer(response);
    }
    return NULL;
}

static int by_time(const void *a, const void *b) {
    const struct span *left = a, *right = b;
    return left->at == right->at ? left->step - right->step : left->at < right->at ? -1 : 1;
}

/* The most calls to each endpoint at once, summed up: what one pool for all would have opened. */
static long used_at_once(struct span *spans, size_t count) {
    static int now[MOST_ENDPOINTS], most[MOST_ENDPOINTS];
    long all = 0;
    qsort(spans, count, sizeof *spans, by_time);
    for (size_t i = 0; i < count; i++) {
        int endpoint = spans[i].endpoint;
        now[endpoint] += spans[i].step;
        if (now[endpoint] > most[endpoint]) most[endpoint] = now[endpoint];
    }
    for (int endpoint = 0; endpoint < MOST_ENDPOINTS; endpoint++) all += most[endpoint];
    return all;
}

static void callers(uint16_t port, int threads, int endpoints) {
    if (endpoints > MOST_ENDPOINTS) fail("endpoints", "too many");
    ahoy_client *client = client_of(port, endpoints);
    struct span *spans = calloc((size_t)threads * 2 * CALLS, sizeof *spans);
    struct caller *all = calloc((size_t)threads, sizeof *all);
    pthread_t *names = calloc((size_t)threads, sizeof *names);
    pthread_barrier_t begin;
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        all[i] = (struct caller){client, &begin, port, spans + (size_t)i * 2 * CALLS};
        if (pthread_create(&names[i], NULL, work, &all[i])) fail("thread", "cannot be made");
    }
    uint64_t wall = wall_ns();
    pthread_barrier_wait(&begin);
    for (int i = 0; i < threads; i++) pthread_join(names[i], NULL);
    wall = wall_ns() - wall;
    long kept = sockets(), used = used_at_once(spans, (size_t)threads * 2 * CALLS);
    report("callers64_rate", (double)threads * CALLS / ((double)wall / 1e9), "1/s", NULL, 0, 0, 0);
    report("callers64_used_at_once", (double)used, "", NULL, 0, 0, 0);
    double ratio = (double)kept / (double)used;
    report("callers64_connections", (double)kept, "", "callers64_used_at_once", ratio, ratio, ratio);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage", "many idle|waits|curl_waits|callers PORT N [M]");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    uint16_t port = (uint16_t)atoi(argv[2]);
    long count = atol(argv[3]);
    if (!strcmp(argv[1], "idle"))
        idle(port, count);
    else if (!strcmp(argv[1], "waits"))
        waits(port, count);
#ifdef MANY_LIBCURL
    else if (!strcmp(argv[1], "curl_waits"))
        curl_waits(port, count);
#endif
    else if (argc == 5 && !strcmp(argv[1], "callers"))
        callers(port, (int)count, atoi(argv[4]));
    else
        fail("usage", "many idle|waits|curl_waits|callers PORT N [M]");
    return 0;
}
