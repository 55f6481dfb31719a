/* What the host programs share. Each is a small program that does to the library what real hosts do, prints one
 * line when all is well, and ends with a status other than 0 when something is not. */
#ifndef HOST_H
#define HOST_H

#define _GNU_SOURCE
#include <ahoy.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            _exit(1);                                                                      \
        }                                                                                  \
    } while (0)

/* Statuses are shown by name. */
#define CHECK_STATUS(call, wanted)                                                         \
    do {                                                                                   \
        ahoy_status got_ = (call);                                                         \
        if (got_ != (wanted)) {                                                            \
            fprintf(stderr, "%s:%d: %s, not %s: %s\n", __FILE__, __LINE__,                 \
                    ahoy_status_name(got_), ahoy_status_name(wanted), #call);              \
            _exit(1);                                                                      \
        }                                                                                  \
    } while (0)

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void sleep_ms(long ms) {
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

/* A client over one port on loopback. */
static inline ahoy_client *client_over(const char *port, bool interruptible) {
    ahoy_provider *provider = ahoy_provider_list_new();
    CHECK_STATUS(ahoy_provider_list_add(provider, "127.0.0.1", (uint16_t)atoi(port), NULL), AHOY_OK);
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    CHECK_STATUS(ahoy_client_builder_set_balancer(builder, balancer, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_set_interruptible(builder, interruptible, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_build(builder, &client, NULL), AHOY_OK);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    ahoy_provider_free(provider);
    return client;
}

/* GET, and the answer must be 200. */
static inline void get(ahoy_client *client, const char *path) {
    ahoy_response *response;
    ahoy_error *error;
    ahoy_status status = ahoy_client_get(client, path, &response, &error);
    if (status != AHOY_OK) {
        fprintf(stderr, "GET %s: %s\n", path, ahoy_error_message(error));
        _exit(1);
    }
    CHECK(ahoy_response_status(response) == 200);
    ahoy_response_free(response);
}

static inline ahoy_call *start(ahoy_client *client, const char *path) {
    ahoy_request *request;
    ahoy_call *call;
    CHECK_STATUS(ahoy_request_new("GET", path, &request, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_start(client, request, &call, NULL), AHOY_OK);
    ahoy_request_free(request);
    return call;
}

static inline void submit(ahoy_client *client, const char *path, ahoy_queue *queue, uint64_t tag) {
    ahoy_request *request;
    CHECK_STATUS(ahoy_request_new("GET", path, &request, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_submit(client, request, queue, tag, NULL), AHOY_OK);
    ahoy_request_free(request);
}

/* A started call that must be answered with 200. */
static inline void start_and_wait(ahoy_client *client, const char *path) {
    ahoy_call *call = start(client, path);
    ahoy_response *response;
    CHECK_STATUS(ahoy_call_wait(call, 10000, &response, NULL), AHOY_OK);
    CHECK(ahoy_response_status(response) == 200);
    ahoy_response_free(response);
    ahoy_call_free(call);
}

/* Waits for a child, which must end with status 0 within the time; one that hangs is killed. */
static inline void ends_well(pid_t child, double within_ms) {
    double until = now_ms() + within_ms;
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        if (now_ms() > until) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            fprintf(stderr, "a child hangs\n");
            _exit(1);
        }
        sleep_ms(2);
    }
    CHECK(ended == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
