/* Many requests, as a C program makes them.
 *
 *     requests mixed COUNT OK_PORT BUSY_PORT DEAD_PORT HANG_PORT
 *         answers, errors, cancels and calls that nobody waits for, in turns; for valgrind
 *     requests threads THREADS COUNT OK_PORT
 *         that many threads with that many calls each on one client, beside one thread alone */
#define _GNU_SOURCE
#include <ahoy.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

static ahoy_client *client_of(const char *port) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%s", port);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_retry *retry = ahoy_retry_new();
    ahoy_client *client = NULL;
    CHECK(ahoy_retry_set_tries(retry, 1, NULL) == AHOY_OK);
    CHECK(ahoy_client_builder_set_base_url(builder, url, NULL) == AHOY_OK);
    CHECK(ahoy_client_builder_set_retry(builder, retry, NULL) == AHOY_OK);
    CHECK(ahoy_client_builder_build(builder, &client, NULL) == AHOY_OK);
    ahoy_retry_free(retry);
    ahoy_client_builder_free(builder);
    return client;
}

static ahoy_call *start(const ahoy_client *client) {
    ahoy_request *request;
    ahoy_call *call;
    CHECK(ahoy_request_new("GET", "/", &request, NULL) == AHOY_OK);
    CHECK(ahoy_client_start(client, request, &call, NULL) == AHOY_OK);
    ahoy_request_free(request);
    return call;
}

/* A GET that ends as it should: by an answer of that status, or by that failure. */
static void get(const ahoy_client *client, ahoy_status status, int answer) {
    ahoy_response *response;
    ahoy_error *err;
    CHECK(ahoy_client_get(client, "/", &response, &err) == status);
    CHECK((response != NULL) == (status == AHOY_OK) && (err != NULL) == (status != AHOY_OK));
    CHECK(response == NULL || ahoy_response_status(response) == answer);
    CHECK(err == NULL || (ahoy_error_message(err) != NULL && ahoy_error_attempt_count(err) == 1));
    ahoy_response_free(response);
    ahoy_error_free(err);
}

static void cancel(const ahoy_client *client) {
    ahoy_call *call = start(client);
    ahoy_response *response;
    ahoy_error *err;
    CHECK(ahoy_call_cancel(call, NULL) == AHOY_OK);
    CHECK(ahoy_call_wait(call, AHOY_FOREVER, &response, &err) == AHOY_E_CANCELLED);
    ahoy_error_free(err);
    ahoy_call_free(call);
}

static int mixed(int count, char **ports) {
    ahoy_client *ok = client_of(ports[0]), *busy = client_of(ports[1]);
    ahoy_client *dead = client_of(ports[2]), *hang = client_of(ports[3]);
    for (int i = 0; i < count; i++) {
        switch (i % 10) {
            case 6: get(busy, AHOY_OK, 503); break;
            case 7: get(dead, AHOY_E_CONNECT, 0); break;
            case 8: cancel(hang); break;
            case 9: ahoy_call_free(start(hang)); break;
            default: get(ok, AHOY_OK, 200);
        }
    }
    CHECK(ahoy_client_close(hang, 0, NULL) == AHOY_OK);
    ahoy_client_free(ok);
    ahoy_client_free(busy);
    ahoy_client_free(dead);
    ahoy_client_free(hang);
    printf("%d requests ended as they should\n", count);
    return 0;
}

struct caller {
    const ahoy_client *client;
    int count;
};

static void *call(void *argument) {
    const struct caller *caller = argument;
    for (int i = 0; i < caller->count; i++) get(caller->client, AHOY_OK, 200);
    return NULL;
}

/* Calls a second. */
static double rate(const ahoy_client *client, int threads, int count) {
    pthread_t running[256];
    struct caller caller = {client, count};
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < threads; i++) CHECK(pthread_create(&running[i], NULL, call, &caller) == 0);
    for (int i = 0; i < threads; i++) CHECK(pthread_join(running[i], NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    return threads * count / seconds;
}

int main(int argc, char **argv) {
    if (argc == 7 && strcmp(argv[1], "mixed") == 0) return mixed(atoi(argv[2]), argv + 3);
    CHECK(argc == 5 && strcmp(argv[1], "threads") == 0 && atoi(argv[2]) <= 256);
    ahoy_client *client = client_of(argv[4]);
    int count = atoi(argv[3]);
    rate(client, 1, 100);
    double one = rate(client, 1, 4 * count), many = rate(client, atoi(argv[2]), count);
    printf("one thread %.0f calls/s, %s threads %.0f calls/s\n", one, argv[2], many);
    ahoy_client_free(client);
    return 0;
}
