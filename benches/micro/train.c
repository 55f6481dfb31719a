/* What services do all day, over each balancer, with settings left alone and with some that are off by default: for
 * the profile that the library is compiled by (packaging/profile.sh). It measures nothing.
 *
 *     train HTTP_PORT TLS_PORT H2_PORT CA.PEM [CALLS]
 */
#include "bench.h"

static const char *const balancers[] = {"p2c",    "round_robin",    "smooth_weighted", "random",    "peak_ewma",
                                        "maglev", "least_request", "ring_hash",       "rendezvous"};

/* Eight endpoints that answer, of three weights, and one that refuses. */
static ahoy_client *client_of(const char *balancer, const char *scheme, int port, const char *more) {
    char hosts[2048] = "", json[4096];
    for (int host = 1; host <= HOSTS; host++) {
        size_t length = strlen(hosts);
        snprintf(hosts + length, sizeof hosts - length,
                 "{\"address\":\"127.0.0.%d\",\"port\":%d,\"scheme\":\"%s\",\"weight\":%d},", host, port, scheme, 1 + host % 3);
    }
    snprintf(json, sizeof json, "{\"hosts\":[%s\"127.0.0.1:9\"],\"balancer\":\"%s\"%s}", hosts, balancer, more);
    ahoy_client *client = NULL;
    ahoy_error *err = NULL;
    check(ahoy_client_from_config(json, &client, &err), &err);
    return client;
}

static ahoy_request *request_of(uint64_t number) {
    ahoy_request *request = NULL;
    ahoy_error *err = NULL;
    check(ahoy_request_new("GET", "/", &request, &err), &err);
    check(ahoy_request_set_header(request, "accept", "text/plain", &err), &err);
    check(ahoy_request_set_hash_key(request, (const uint8_t *)&number, sizeof number, &err), &err);
    return request;
}

static void blocking(const ahoy_client *client, uint64_t calls) {
    ahoy_error *err = NULL;
    for (uint64_t call = 0; call < calls; call++) {
        ahoy_request *request = request_of(call);
        ahoy_response *response = NULL;
        check(ahoy_client_send(client, request, &response, &err), &err);
        take_answer(response);
        ahoy_request_free(request);
    }
}

/* Some at once, as a service with an event loop has them. */
static void queued(const ahoy_client *client, uint64_t calls) {
    enum { AT_ONCE = 16 };
    ahoy_error *err = NULL;
    ahoy_queue *queue = NULL;
    check(ahoy_queue_new(&queue, &err), &err);
    for (uint64_t begun = 0, ended = 0; ended < calls;) {
        for (; begun < calls && begun - ended < AT_ONCE; begun++) {
            ahoy_request *request = request_of(begun);
            check(ahoy_client_submit(client, request, queue, begun, &err), &err);
            ahoy_request_free(request);
        }
        ahoy_completion *done[AT_ONCE];
        size_t count = 0;
        check(ahoy_queue_next_batch(queue, 10000, done, AT_ONCE, &count, &err), &err);
        for (size_t at = 0; at < count; at++, ended++) {
            if (ahoy_completion_status(done[at])) fail("a call", ahoy_status_name(ahoy_completion_status(done[at])));
            take_answer(ahoy_completion_take_response(done[at]));
            ahoy_completion_free(done[at]);
        }
    }
    ahoy_queue_free(queue);
}

/* What a metrics endpoint asks for. */
static void watched(const ahoy_client *client) {
    ahoy_error *err = NULL;
    ahoy_snapshot *snapshot = NULL;
    ahoy_text *text = NULL;
    check(ahoy_client_snapshot(client, &snapshot, &err), &err);
    check(ahoy_snapshot_text(snapshot, AHOY_FORMAT_OPENMETRICS, &text, &err), &err);
    ahoy_text_free(text);
    ahoy_snapshot_free(snapshot);
}

static void train(ahoy_client *client, uint64_t calls) {
    blocking(client, calls);
    queued(client, calls);
    watched(client);
    ahoy_client_free(client);
}

int main(int argc, char **argv) {
    if (argc < 5) fail("usage", "train HTTP_PORT TLS_PORT H2_PORT CA.PEM [CALLS]");
    int http = atoi(argv[1]), tls = atoi(argv[2]), h2 = atoi(argv[3]);
    uint64_t calls = argc > 5 ? (uint64_t)atol(argv[5]) : 2000;
    char trusting[512], multiplexed[600];
    snprintf(trusting, sizeof trusting, ",\"tls\":{\"ca_files\":[\"%s\"]}", argv[4]);
    snprintf(multiplexed, sizeof multiplexed, "%s,\"http2\":true", trusting);
    for (size_t at = 0; at < sizeof balancers / sizeof *balancers; at++) train(client_of(balancers[at], "http", http, ""), calls);
    train(client_of("p2c", "http", http, ",\"profile\":\"resilient\",\"adaptive_limit\":\"20-200\",\"trace\":\"start\""),
          calls);
    train(client_of("p2c", "https", tls, trusting), calls);
    train(client_of("p2c", "https", h2, multiplexed), calls);
    return 0;
}
