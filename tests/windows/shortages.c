/* Calls of a machine that has no port, or a process that has no socket left: neither is the endpoint's fault.
 *
 *     shortages ports|sockets PORT        an endpoint on 127.0.0.1; the system's limit is set low by tests/windows.sh
 */
#include <winsock2.h>
#include <ahoy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 20, MOST = 4096 };
static SOCKET held[MOST];
static int held_count;

static void fail(const char *what) {
    printf("FAILED: %s\n", what);
    exit(1);
}

/* Opens sockets until there are no more; the number that Winsock then says. With TO, each is connected there. */
static int take_all(const struct sockaddr_in *to) {
    while (held_count < MOST) {
        SOCKET one = socket(AF_INET, SOCK_STREAM, 0);
        if (one == INVALID_SOCKET) return WSAGetLastError();
        struct linger reset = {1, 0};
        setsockopt(one, SOL_SOCKET, SO_LINGER, (const char *)&reset, sizeof reset);
        held[held_count++] = one;
        if (to && connect(one, (const struct sockaddr *)to, sizeof *to)) return WSAGetLastError();
    }
    return 0;
}

static void give_back(void) {
    while (held_count > 0) closesocket(held[--held_count]);
}

static ahoy_client *client_of(ahoy_balancer *balancer) {
    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    if (ahoy_client_builder_set(builder, "retry_tries", "1", &err) ||
        ahoy_client_builder_set_balancer(builder, balancer, &err) || ahoy_client_builder_build(builder, &client, &err))
        fail(ahoy_error_message(err));
    ahoy_client_builder_free(builder);
    return client;
}

static ahoy_balancer *balancer_of(int port) {
    ahoy_error *err = NULL;
    ahoy_provider *hosts = ahoy_provider_list_new();
    if (ahoy_provider_list_add(hosts, "127.0.0.1", (uint16_t)port, &err)) fail(ahoy_error_message(err));
    ahoy_balancer *balancer = ahoy_balancer_new(hosts);
    ahoy_provider_free(hosts);
    return balancer;
}

static int state(const ahoy_balancer *balancer) {
    ahoy_endpoint *endpoint;
    if (ahoy_balancer_endpoint_at(balancer, 0, &endpoint, NULL)) fail("no endpoint");
    int state = ahoy_endpoint_state(endpoint);
    ahoy_endpoint_free(endpoint);
    return state;
}

/* Whether the call is answered; else SAID says why not. */
static int answered(ahoy_client *client, char *said, size_t room) {
    ahoy_response *response;
    ahoy_error *err = NULL;
    if (ahoy_client_get(client, "/", &response, &err)) {
        snprintf(said, room, "%s", ahoy_error_message(err));
        ahoy_error_free(err);
        return 0;
    }
    ahoy_response_free(response);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data)) fail("WSAStartup");
    const int of_ports = !strcmp(argv[1], "ports");
    char said[512] = "";

    /* What a fault of the endpoint does. */
    ahoy_balancer *dead = balancer_of(1);
    ahoy_client *refused = client_of(dead);
    for (int call = 0; call < CALLS; call++)
        if (answered(refused, said, sizeof said)) fail("port 1 answers");
    printf("refused: %s; circuit %d\n", said, state(dead));
    if (state(dead) == AHOY_CIRCUIT_CLOSED) fail("the circuit of a dead endpoint is closed");

    /* The first client keeps its connection; the second one has to open one. */
    ahoy_balancer *balancer = balancer_of(atoi(argv[2]));
    ahoy_client *warm = client_of(balancer), *cold = client_of(balancer);
    if (!answered(warm, said, sizeof said)) fail(said);

    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((u_short)atoi(argv[2]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int number = take_all(of_ports ? &to : NULL);
    int taken = held_count, missed = 0;
    if (number != 0)
        for (int call = 0; call < CALLS; call++) missed += !answered(cold, said, sizeof said);
    int circuit = state(balancer);
    give_back();
    printf("%s: error %d after %d sockets; %d of %d calls failed; circuit %d\n%s\n", argv[1], number, taken, missed, CALLS,
           circuit, said);
    if (missed != CALLS) fail("not all calls failed");
    if (!strstr(said, of_ports ? "local" : "out of sockets")) fail("the reason is not told");
    if (circuit != AHOY_CIRCUIT_CLOSED) fail("the endpoint is blamed");
    if (!answered(cold, said, sizeof said)) fail(said);

    ahoy_client_free(warm);
    ahoy_client_free(cold);
    ahoy_client_free(refused);
    ahoy_balancer_free(balancer);
    ahoy_balancer_free(dead);
    printf("ok\n");
    return 0;
}
