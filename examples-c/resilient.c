/* The resilient profile: what it costs and what it brings, in counts of attempts.
 *
 *     resilient PORT PORT ...        (on 127.0.0.1)
 *
 * It is not the default, because it has a price: hedges send up to 5 % more requests, and above 1,024 calls in flight
 * a call waits for up to a second and then ends with AHOY_E_OVERLOADED. Take it where a request is cheap to repeat. */
#include <ahoy.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 30 };

/* The profile has two halves: the balancer's watches endpoints, the client's protects calls. What is set beside it,
 * here a limit of 3 s for each call, stays. */
static ahoy_client *build(const ahoy_provider *hosts, ahoy_error **err) {
    ahoy_client *client = NULL;
    ahoy_balancer *balancer = ahoy_balancer_new(hosts);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    if (!ahoy_balancer_use_resilient_profile(balancer, err) &&
        !ahoy_client_builder_use_resilient_profile(builder, err) &&
        !ahoy_client_builder_set(builder, "timeout", "3s", err) &&
        !ahoy_client_builder_set_balancer(builder, balancer, err))
        ahoy_client_builder_build(builder, &client, err);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    return client;
}

int main(int argc, char **argv) {
    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    ahoy_provider *hosts = ahoy_provider_list_new();
    for (int i = 1; i < argc && !err; i++)
        ahoy_provider_list_add(hosts, "127.0.0.1", (uint16_t)atoi(argv[i]), &err);
    if (!err) client = build(hosts, &err);

    int answered = 0;
    size_t attempts = 0;
    for (int call = 0; client && !err && call < CALLS; call++) {
        ahoy_response *response;
        if (ahoy_client_get(client, "/", &response, &err)) break;
        answered += ahoy_response_status(response) == 200;
        attempts += ahoy_response_attempt_count(response);
        ahoy_response_free(response);
    }
    if (err)
        fprintf(stderr, "%s\n", ahoy_error_message(err)); /* lists every attempt, and which were hedges */
    else
        printf("%d of %d calls answered\n%.1f attempts for each call\n", answered, CALLS, (double)attempts / CALLS);

    int failed = err != NULL;
    ahoy_error_free(err);
    ahoy_client_free(client);
    ahoy_provider_free(hosts);
    return failed;
}
