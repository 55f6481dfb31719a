/* Follows a service whose endpoints are registered somewhere, and shows list, circuits and answers as they change.
 *
 *     discovery URL          such as etcd://127.0.0.1:2379/services/web, consul://127.0.0.1:8500/web, file:///etc/web
 *
 * It makes a call every 50 ms until its input ends, and then exits with 0 if each was answered with 200. */
#define _POSIX_C_SOURCE 200809L
#include <ahoy.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 64, PAUSE_MS = 50, SHOW_EVERY_MS = 1000 };

/* An endpoint of the list, and how many answers came from it since it was last shown. */
struct known {
    uint16_t port;
    int32_t state;
    int listed, answers;
};

static struct known endpoints[MOST];
static size_t count;
static int made, answered, failed_over, shown_made, shown_answered;
static double begun;

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void check(ahoy_status status, ahoy_error *err) {
    if (status == AHOY_OK) return;
    fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    exit(1);
}

static void stamp(void) {
    printf("%6.1f s   ", (now_ms() - begun) / 1e3);
}

static struct known *endpoint_at(uint16_t port) {
    for (size_t i = 0; i < count; i++)
        if (endpoints[i].port == port) return &endpoints[i];
    if (count == MOST) return NULL;
    endpoints[count] = (struct known){.port = port, .state = AHOY_CIRCUIT_CLOSED};
    return &endpoints[count++];
}

static const char *word(int32_t state) {
    return state == AHOY_CIRCUIT_CLOSED ? "closed" : state == AHOY_CIRCUIT_OPEN ? "OPEN" : "probing";
}

/* Says which endpoints joined or left, and whose circuit changed. */
static void look_at_list(const ahoy_balancer *balancer) {
    int listed[MOST] = {0};
    for (size_t i = 0; i < ahoy_balancer_endpoint_count(balancer); i++) {
        ahoy_endpoint *endpoint;
        if (ahoy_balancer_endpoint_at(balancer, i, &endpoint, NULL) != AHOY_OK) break; /* the list grew shorter */
        struct known *known = endpoint_at(ahoy_endpoint_port(endpoint));
        int32_t state = ahoy_endpoint_state(endpoint);
        ahoy_endpoint_free(endpoint);
        if (!known) continue;
        listed[known - endpoints] = 1;
        if (!known->listed) stamp(), printf("list       :%u joins\n", known->port);
        else if (known->state != state) stamp(), printf("circuit    of :%u is %s\n", known->port, word(state));
        known->listed = 1;
        known->state = state;
    }
    for (size_t i = 0; i < count; i++)
        if (endpoints[i].listed && !listed[i]) {
            stamp(), printf("list       :%u leaves\n", endpoints[i].port);
            endpoints[i] = (struct known){.port = endpoints[i].port, .state = AHOY_CIRCUIT_CLOSED};
        }
}

/* Says when the registry begins to fail and when it answers again. */
static void look_at_registry(const ahoy_balancer *balancer) {
    static int32_t shown = AHOY_LIST_CURRENT;
    int32_t state = ahoy_balancer_list_state(balancer);
    if (state == shown) return;
    shown = state;
    stamp();
    size_t length;
    ahoy_text *why = ahoy_balancer_list_error(balancer);
    if (state == AHOY_LIST_CURRENT) puts("registry   answers again");
    else printf("registry   fails, and the last list serves: %s\n", why ? ahoy_text_bytes(why, &length) : "");
    ahoy_text_free(why);
}

static void call(const ahoy_client *client) {
    ahoy_response *response;
    ahoy_error *err;
    made++;
    if (ahoy_client_get(client, "/", &response, &err) != AHOY_OK) {
        stamp(), printf("call       FAILED: %s\n", ahoy_error_message(err));
        ahoy_error_free(err);
        return;
    }
    answered += ahoy_response_status(response) == 200;
    failed_over += ahoy_response_attempt_count(response) > 1;
    const char *colon = strrchr(ahoy_response_endpoint_url(response), ':');
    struct known *known = colon ? endpoint_at((uint16_t)atoi(colon + 1)) : NULL;
    if (known) known->answers++;
    ahoy_response_free(response);
}

static void show_answers(void) {
    stamp();
    printf("answers    %d of %d calls:", answered - shown_answered, made - shown_made);
    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].listed || endpoints[i].answers) printf("  :%u %d", endpoints[i].port, endpoints[i].answers);
        endpoints[i].answers = 0;
    }
    puts("");
    shown_made = made;
    shown_answered = answered;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    ahoy_error *err;
    ahoy_provider *provider;
    check(ahoy_provider_from_url(argv[1], &provider, &err), err);
    ahoy_balancer *balancer = ahoy_balancer_new(provider);
    ahoy_provider_free(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    check(ahoy_client_builder_set_balancer(builder, balancer, &err), err);
    ahoy_client *client;
    check(ahoy_client_builder_build(builder, &client, &err), err);
    ahoy_client_builder_free(builder);
    check(ahoy_balancer_wait_ready(balancer, 10000, &err), err);

    begun = now_ms();
    double shown = begun;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (;;) {
        look_at_registry(balancer);
        look_at_list(balancer);
        call(client);
        look_at_list(balancer);
        if (now_ms() - shown >= SHOW_EVERY_MS) {
            show_answers();
            shown = now_ms();
        }
        /* The end of the input; nothing else comes. */
        if (poll(&input, 1, PAUSE_MS) != 0) break;
    }
    show_answers();
    printf("\n%d of %d calls answered 200; %d of them needed more than one attempt.\n", answered, made, failed_over);
    ahoy_client_free(client);
    ahoy_balancer_free(balancer);
    return answered != made;
}
