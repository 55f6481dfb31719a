/* What the C benchmarks share. */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ahoy.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Endpoints: 127.0.0.1 to 127.0.0.8, all served by one process. */
enum { HOSTS = 8, BODY = 128 };

static inline void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why ? why : "failed");
    exit(1);
}

static inline uint64_t nanos(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t wall_ns(void) { return nanos(CLOCK_MONOTONIC); }

/* All threads of this process, in the kernel and outside. */
static inline uint64_t cpu_ns(void) { return nanos(CLOCK_PROCESS_CPUTIME_ID); }

static inline int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The value below which a `part` of the values lies; sorts them. */
static inline double quantile(double *values, size_t count, double part) {
    qsort(values, count, sizeof *values, by_value);
    return count ? values[(size_t)((double)(count - 1) * part + 0.5)] : 0;
}

/* One line of a report: name, value, unit, what the ratio is to, the ratio and its quartiles. */
static inline void report(const char *name, double value, const char *unit, const char *ratio_to, double ratio,
                          double low, double high) {
    if (ratio_to)
        printf("%s\t%.6g\t%s\t%s\t%.4f\t%.4f\t%.4f\n", name, value, unit, ratio_to, ratio, low, high);
    else
        printf("%s\t%.6g\t%s\t\t\t\t\n", name, value, unit);
    fflush(stdout);
}

/* Ends the program where a call of libahoy failed; `err` is looked at after the call. */
static inline void check(ahoy_status status, ahoy_error *const *err) {
    if (status) fail(ahoy_status_name(status), ahoy_error_message(*err));
}

/* A file's bytes, to be freed. */
static inline uint8_t *read_all(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!file || !bytes) fail(path, "cannot be read");
    *length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* A client with the whole resilience path on: a balancer over `hosts` endpoints, circuit breakers, retries and a
 * deadline. With `ca` it speaks https and trusts that authority only; `http2` is the option of that name. */
static inline ahoy_client *speaking_client(uint16_t port, int hosts, const char *ca, const char *http2) {
    ahoy_error *err = NULL;
    ahoy_provider *provider = ahoy_provider_list_new();
    for (int host = 1; host <= hosts; host++) {
        char address[16];
        snprintf(address, sizeof address, "127.0.0.%d", host);
        ahoy_host *listed = ahoy_host_new(address, port);
        check(ahoy_host_set_scheme(listed, ca ? AHOY_SCHEME_HTTPS : AHOY_SCHEME_HTTP, &err), &err);
        check(ahoy_provider_list_add_host(provider, listed, &err), &err);
        ahoy_host_free(listed);
    }
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_retry *retry = ahoy_retry_new();
    check(ahoy_client_builder_set_balancer(builder, balancer, &err), &err);
    check(ahoy_client_builder_set_retry(builder, retry, &err), &err);
    check(ahoy_client_builder_set_timeout_ms(builder, 30000, &err), &err);
    check(ahoy_client_builder_set(builder, "http2", http2, &err), &err);
    if (ca) {
        size_t length;
        uint8_t *pem = read_all(ca, &length);
        check(ahoy_client_builder_set_platform_roots(builder, false, &err), &err);
        check(ahoy_client_builder_add_ca_pem(builder, pem, length, &err), &err);
        free(pem);
    }
    ahoy_client *client = NULL;
    check(ahoy_client_builder_build(builder, &client, &err), &err);
    ahoy_client_builder_free(builder);
    ahoy_retry_free(retry);
    ahoy_balancer_free(balancer);
    ahoy_provider_free(provider);
    return client;
}

static inline ahoy_client *resilient_client(uint16_t port, int hosts, const char *ca) {
    return speaking_client(port, hosts, ca, "false");
}

/* Looks at an answer as a host would, and frees it. */
static inline void take_answer(ahoy_response *response) {
    size_t length = 0;
    int status = ahoy_response_status(response);
    const uint8_t *body = ahoy_response_body(response, &length);
    if (status != 200 || length != BODY || body[0] != 'x') fail("libahoy", "wrong answer");
    ahoy_response_free(response);
}

static inline void ahoy_get(const ahoy_client *client) {
    ahoy_response *response = NULL;
    ahoy_error *err = NULL;
    check(ahoy_client_get(client, "/", &response, &err), &err);
    take_answer(response);
}

/* A spinner a CPU, which runs whenever nothing else wants it, and dies with this process. */
static inline void keep_awake(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    for (long cpu = 0; cpu < count; cpu++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
        struct sched_param none = {0};
        if (sched_setscheduler(0, SCHED_IDLE, &none)) _exit(1);
        for (volatile unsigned long spins = 0;; spins++) {}
    }
}

#endif
