/* A random balancer with a random function of one's own: here a seeded one, so that a run can be repeated.
 *
 *     random SEED PORT PORT ...        (on 127.0.0.1)
 */
#include <ahoy.h>
#include <stdio.h>
#include <stdlib.h>

/* xorshift64*. The library may ask from several threads at once; this program calls from one, else the state
 * would need a lock. */
static uint64_t next_random(void *user_data, uint64_t below) {
    uint64_t *state = user_data;
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 0x2545F4914F6CDD1Du >> 33) % below;
}

static int fail(ahoy_error *err) {
    fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    return 1;
}

/* What the client needs it keeps, so all the parts can go at once. */
static ahoy_client *build(int count, char **ports, uint64_t *state, ahoy_error **err) {
    ahoy_client *client = NULL;
    ahoy_provider *hosts = ahoy_provider_list_new();
    ahoy_status status = AHOY_OK;
    for (int i = 0; i < count && status == AHOY_OK; i++)
        status = ahoy_provider_list_add(hosts, "127.0.0.1", (uint16_t)atoi(ports[i]), err);

    ahoy_balancer *balancer = ahoy_balancer_random_new(hosts);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    /* The state outlives the client, so no destroy function is needed: NULL. */
    if (status == AHOY_OK && !ahoy_balancer_random_set_function(balancer, next_random, state, NULL, err) &&
        !ahoy_client_builder_set_balancer(builder, balancer, err))
        ahoy_client_builder_build(builder, &client, err);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    ahoy_provider_free(hosts);
    return client;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s SEED PORT ...\n", argv[0]);
        return 2;
    }
    uint64_t state = strtoull(argv[1], NULL, 10) | 1; /* xorshift must not start from 0 */
    ahoy_error *err = NULL;
    ahoy_client *client = build(argc - 2, argv + 2, &state, &err);
    if (!client) return fail(err);

    for (int call = 0; call < 8; call++) {
        ahoy_response *response;
        if (ahoy_client_get(client, "/", &response, &err)) {
            ahoy_client_free(client);
            return fail(err);
        }
        printf("%s  %s", ahoy_response_endpoint_url(response), (const char *)ahoy_response_body(response, NULL));
        ahoy_response_free(response);
    }
    ahoy_client_free(client);
    return 0;
}
