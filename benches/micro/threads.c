/* Many blocking threads on one client: what comes of them, and what they cost.
 *
 *     threads PORT THREADS CALLS [PERMITS]
 *
 * Each thread makes CALLS blocking calls to benches/micro/server.c over eight endpoints. With PERMITS no more threads
 * than that call at once, and the others wait for a permit before each call: what a bound with waiting would do.
 * Prints rate, latencies, CPU, and what the process holds when all is done. */
#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>

struct crew {
    const ahoy_client *client;
    size_t calls, permits;
    double *latencies;
    pthread_barrier_t begin, end;
    sem_t gate;
};

struct member {
    struct crew *crew;
    double *latencies;
};

static void get(struct crew *crew) {
    if (crew->permits)
        while (sem_wait(&crew->gate)) {}
    ahoy_get(crew->client);
    if (crew->permits) sem_post(&crew->gate);
}

static void *work(void *user_data) {
    struct member *member = user_data;
    struct crew *crew = member->crew;
    for (int warm = 0; warm < HOSTS; warm++) get(crew);
    pthread_barrier_wait(&crew->begin);
    for (size_t call = 0; call < crew->calls; call++) {
        uint64_t start = wall_ns();
        get(crew);
        member->latencies[call] = (double)(wall_ns() - start) / 1e3;
    }
    pthread_barrier_wait(&crew->end);
    return NULL;
}

static long descriptors(void) {
    long count = -3;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) fail("/proc/self/fd", "cannot be read");
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static double resident_mb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("statm", "cannot be read");
    fclose(file);
    return (double)pages * 4096 / 1e6;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage", "threads PORT THREADS CALLS [PERMITS]");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    unsigned threads = (unsigned)atoi(argv[2]);
    struct crew crew = {.calls = (size_t)atol(argv[3]), .permits = argc > 4 ? (size_t)atol(argv[4]) : 0};
    crew.client = resilient_client((uint16_t)atoi(argv[1]), HOSTS, NULL);
    size_t total = threads * crew.calls;
    crew.latencies = calloc(total, sizeof *crew.latencies);
    struct member *members = calloc(threads, sizeof *members);
    pthread_t *names = calloc(threads, sizeof *names);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_barrier_init(&crew.begin, NULL, threads + 1);
    pthread_barrier_init(&crew.end, NULL, threads + 1);
    sem_init(&crew.gate, 0, (unsigned)crew.permits);
    for (unsigned i = 0; i < threads; i++) {
        members[i] = (struct member){&crew, crew.latencies + i * crew.calls};
        if (pthread_create(&names[i], &attributes, work, &members[i])) fail("thread", "cannot be made");
    }
    pthread_barrier_wait(&crew.begin);
    uint64_t wall = wall_ns(), cpu = cpu_ns();
    pthread_barrier_wait(&crew.end);
    wall = wall_ns() - wall, cpu = cpu_ns() - cpu;
    double rate = (double)total / ((double)wall / 1e9), cost = (double)cpu / 1e3 / (double)total;
    double p50 = quantile(crew.latencies, total, 0.5), p99 = quantile(crew.latencies, total, 0.99);
    printf("%5u threads %4zu permits: %7.0f/s  p50 %8.0f us  p99 %8.0f us  cpu %5.1f us  %5ld fds  %6.1f MB\n",
           threads, crew.permits, rate, p50, p99, cost, descriptors(), resident_mb());
    for (unsigned i = 0; i < threads; i++) pthread_join(names[i], NULL);
    return 0;
}
