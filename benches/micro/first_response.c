/* What a library costs before its first answer.
 *
 *     first_response NAME FIRST_CALL.SO PORT              from dlopen to the first answer, and memory after it
 *     first_response idle FIRST_CALL.SO PORT HOLD_PORT N  memory of N idle connections
 *
 * Each measurement has a process of its own, which knows nothing of the library before it loads it. */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 31 };

struct figures {
    double ms, resident_mb, added_mb;
};

static double resident_mb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("statm", "cannot be read");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void *loaded(const char *path, const char *name) {
    void *library = dlopen(path, RTLD_NOW);
    void *function = library ? dlsym(library, name) : NULL;
    if (!function) fail(path, dlerror());
    return function;
}

static struct figures first(const char *path, int port) {
    double before = resident_mb();
    uint64_t start = wall_ns();
    void (*first_call)(int) = (void (*)(int))loaded(path, "first_call");
    first_call(port);
    double ms = (double)(wall_ns() - start) / 1e6, after = resident_mb();
    return (struct figures){ms, after, after - before};
}

static struct figures in_a_process(const char *path, int port) {
    struct figures figures;
    int ends[2];
    if (pipe(ends)) fail("pipe", NULL);
    pid_t child = fork();
    if (child == 0) {
        figures = first(path, port);
        _exit(write(ends[1], &figures, sizeof figures) != sizeof figures);
    }
    int status;
    close(ends[1]);
    if (read(ends[0], &figures, sizeof figures) != sizeof figures) fail("child", "ended early");
    close(ends[0]);
    waitpid(child, &status, 0);
    return figures;
}

int main(int argc, char **argv) {
    if (argc == 6 && !strcmp(argv[1], "idle")) {
        void (*idle)(int, int, int) = (void (*)(int, int, int))loaded(argv[2], "idle");
        idle(atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
        return 0;
    }
    if (argc != 4) fail("usage", "first_response NAME FIRST_CALL.SO PORT");
    double ms[PROCESSES], resident[PROCESSES], added[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        struct figures figures = in_a_process(argv[2], atoi(argv[3]));
        ms[i] = figures.ms;
        resident[i] = figures.resident_mb;
        added[i] = figures.added_mb;
    }
    const char *prefix = strcmp(argv[1], "ahoy") ? "libcurl_" : "";
    char name[64];
    snprintf(name, sizeof name, "%sfirst_response_ms", prefix);
    report(name, quantile(ms, PROCESSES, 0.5), "ms", NULL, 0, 0, 0);
    snprintf(name, sizeof name, "%sbase_rss_mb", prefix);
    report(name, quantile(resident, PROCESSES, 0.5), "MB", NULL, 0, 0, 0);
    snprintf(name, sizeof name, "%sadded_rss_mb", prefix);
    report(name, quantile(added, PROCESSES, 0.5), "MB", NULL, 0, 0, 0);
    return 0;
}
