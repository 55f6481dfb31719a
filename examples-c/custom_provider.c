/* A provider of one's own: the list of hosts comes from a callback and may change at any time.
 *
 *     custom_provider PORT PORT DEAD_PORT        (on 127.0.0.1)
 */
#include <ahoy.h>
#include <stdio.h>
#include <stdlib.h>

/* Stands for a service registry: it knows one host at a time. */
struct registry {
    uint16_t port;
    int asked;
};

/* Runs on the thread that makes the call or the update, one at a time. */
static ahoy_status list_hosts(void *user_data, ahoy_hosts *out) {
    struct registry *registry = user_data;
    registry->asked++;
    return ahoy_hosts_add(out, "127.0.0.1", registry->port, NULL);
}

/* Told when neither provider, balancer nor client needs the registry any more. */
static void forget(void *user_data) { free(user_data); }

static ahoy_status get(const ahoy_client *client, const struct registry *registry, ahoy_error **err) {
    ahoy_response *response;
    ahoy_status status = ahoy_client_get(client, "/", &response, err);
    if (status) return status;
    printf("%d %s", (int)ahoy_response_status(response), (const char *)ahoy_response_body(response, NULL));
    printf("  attempts %zu, registry asked %d\n", ahoy_response_attempt_count(response), registry->asked);
    ahoy_response_free(response);
    return AHOY_OK;
}

static ahoy_status run(const ahoy_client *client, const ahoy_balancer *balancer, struct registry *registry,
                       char **ports, ahoy_error **err) {
    puts("the list is fetched at first use:");
    ahoy_status status = get(client, registry, err);
    if (status) return status;

    puts("the service moves, and the balancer is told:");
    registry->port = (uint16_t)atoi(ports[1]);
    if ((status = ahoy_balancer_update(balancer, err)) || (status = get(client, registry, err))) return status;

    /* Nobody tells the balancer here. The call finds its only host dead and asks for a new list itself, up to
     * as often as ahoy_client_builder_set_endpoint_updates allows. */
    puts("the known host is dead, and the call asks again:");
    registry->port = (uint16_t)atoi(ports[2]);
    if ((status = ahoy_balancer_update(balancer, err))) return status;
    registry->port = (uint16_t)atoi(ports[0]);
    return get(client, registry, err);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT PORT DEAD_PORT\n", argv[0]);
        return 2;
    }
    struct registry *registry = malloc(sizeof *registry);
    if (!registry) return 1;
    *registry = (struct registry){.port = (uint16_t)atoi(argv[1]), .asked = 0};

    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    ahoy_provider *provider = ahoy_provider_custom_new(list_hosts, registry, forget);
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = ahoy_client_builder_set_balancer(builder, balancer, &err);
    if (!status) status = ahoy_client_builder_set_endpoint_updates(builder, 2, &err);
    if (!status) status = ahoy_client_builder_build(builder, &client, &err);
    if (!status) status = run(client, balancer, registry, argv + 1, &err);

    if (status) fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    ahoy_provider_free(provider);
    return status != AHOY_OK;
}
