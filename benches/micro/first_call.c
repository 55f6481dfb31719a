/* The part of first_response.c that is loaded: it is linked to libahoy, so loading it loads libahoy. With
 * -DFIRST_CALL_LIBCURL it does the first call with libcurl, for comparison. */
#define _GNU_SOURCE
#include "bench.h"

#ifdef FIRST_CALL_LIBCURL
#include <curl/curl.h>

static size_t drop_body(char *bytes, size_t size, size_t count, void *user_data) {
    (void)bytes, (void)user_data;
    return size * count;
}

void first_call(int port) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    curl_global_init(CURL_GLOBAL_ALL);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    CURLcode code = curl_easy_perform(easy);
    if (code) fail("libcurl", curl_easy_strerror(code));
}

#else
#include <dirent.h>
#include <malloc.h>
#include <semaphore.h>
#include <unistd.h>

void first_call(int port) { ahoy_get(resilient_client((uint16_t)port, HOSTS, NULL)); }

static sem_t done;

static void on_done(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    (void)user_data;
    check(status, &err);
    take_answer(response);
    sem_post(&done);
}

static double resident_kb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("statm", "cannot be read");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Every descriptor but the connections is open before the first of them. */
static long descriptors(void) {
    long count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) fail("/proc/self/fd", "cannot be read");
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

/* As many calls in flight as there shall be connections; the server answers when all of them are there. */
static void fly(const ahoy_client *client, int count) {
    ahoy_request *request = NULL;
    ahoy_error *err = NULL;
    check(ahoy_request_new("GET", "/", &request, &err), &err);
    for (int i = 0; i < count; i++) {
        ahoy_call *call = NULL;
        check(ahoy_client_start(client, request, &call, &err), &err);
        check(ahoy_call_on_done(call, on_done, NULL, NULL, &err), &err);
        ahoy_call_free(call);
    }
    for (int i = 0; i < count; i++)
        while (sem_wait(&done)) {}
    ahoy_request_free(request);
}

/* `other_port` answers at once: a few calls there start the threads, which are not the connections' memory. A
 * connection is measured after its last answer, and again when it was idle for two seconds. */
void idle(int other_port, int port, int connections) {
    sem_init(&done, 0, 0);
    fly(resilient_client((uint16_t)other_port, HOSTS, NULL), 64);
    ahoy_client *client = resilient_client((uint16_t)port, HOSTS, NULL);
    usleep(2200000);
    malloc_trim(0);
    double before = resident_kb();
    long before_descriptors = descriptors();
    size_t heap = mallinfo2().uordblks;
    fly(client, connections);
    usleep(200000);
    malloc_trim(0);
    double count = (double)(descriptors() - before_descriptors);
    if (count < 1) fail("idle", "no connection was kept");
    report("just_used_connection_kb", (resident_kb() - before) / count, "KB", NULL, 0, 0, 0);
    /* The janitor comes every second, and lets rest what was idle for half a second. */
    usleep(2200000);
    malloc_trim(0);
    report("idle_connection_kb", (resident_kb() - before) / count, "KB", NULL, 0, 0, 0);
    report("idle_connection_heap_kb", ((double)mallinfo2().uordblks - (double)heap) / 1024 / count, "KB", NULL, 0,
           0, 0);
    report("idle_connections_kept", count, "connections", NULL, 0, 0, 0);
}
#endif
