/* What libahoy costs before and between requests.
 *
 *     first_response LIBAHOY.SO PORT                    from dlopen to the first answer, in processes of their own
 *     first_response LIBAHOY.SO PORT idle CONNECTIONS   memory of idle connections, to `server CONNECTIONS`
 */
#define _GNU_SOURCE
#define AHOY_BY_NAME
#include "bench.h"

#include <dlfcn.h>
#include <malloc.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 31 };

static double resident_kb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("statm", "cannot be read");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static sem_t done;

static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    (void)user_data;
    check(status, err);
    take_answer(response);
    sem_post(&done);
}

/* As many calls in flight as there shall be connections; the server answers when all of them stand. */
static void fly(const ahoy_client *client, int count) {
    ahoy_request *request = NULL;
    ahoy_error *err = NULL;
    check(ahoy_request_new("GET", "/", &request, &err), err);
    for (int i = 0; i < count; i++) {
        ahoy_call *call = NULL;
        check(ahoy_client_start(client, request, &call, &err), err);
        check(ahoy_call_on_done(call, on_done, NULL, NULL, &err), err);
        ahoy_call_free(call);
    }
    for (int i = 0; i < count; i++)
        while (sem_wait(&done)) {}
    ahoy_request_free(request);
}

static size_t sockets(void) {
    size_t count = 0;
    for (int descriptor = 0; descriptor < 8192; descriptor++) {
        char path[64], target[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(path, target, sizeof target);
        count += length > 7 && !memcmp(target, "socket:", 7);
    }
    return count;
}

static int idle(uint16_t port, int connections) {
    sem_init(&done, 0, 0);
    ahoy_client *client = resilient_client(port, HOSTS, NULL);
    ahoy_error *err = NULL;
    size_t count;
    ahoy_balancer *none = NULL;
    (void)none, (void)err;
    malloc_trim(0);
    double before = resident_kb();
    size_t heap = mallinfo2().uordblks, before_sockets = sockets();
    fly(client, connections);
    usleep(100000);
    malloc_trim(0);
    count = sockets() - before_sockets;
    report("idle_connection_kb", (resident_kb() - before) / (double)count, "KB", NULL, 0, 0, 0);
    report("idle_connection_heap_kb", (double)(mallinfo2().uordblks - heap) / 1024 / (double)count, "KB", NULL, 0,
           0, 0);
    report("idle_connections_kept", (double)count, "1", NULL, 0, 0, 0);
    return 0;
}
