/* Three hosts, two of them dead, and every call is answered.
 *
 *     quickstart PORT PORT PORT        (on 127.0.0.1)
 */
#include <ahoy.h>
#include <stdio.h>
#include <stdlib.h>

/* A handle that was never made is NULL, which every _free accepts: one way out serves all. */
int main(int argc, char **argv) {
    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    ahoy_provider *hosts = ahoy_provider_list_new();
    for (int i = 1; i < argc; i++)
        if (ahoy_provider_list_add(hosts, "127.0.0.1", (uint16_t)atoi(argv[i]), &err)) goto done;

    ahoy_balancer *balancer = ahoy_balancer_new(hosts);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    if (!ahoy_client_builder_set_balancer(builder, balancer, &err))
        ahoy_client_builder_build(builder, &client, &err);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);

    for (int call = 0; client && call < 3; call++) {
        ahoy_response *response;
        if (ahoy_client_get(client, "/", &response, &err)) goto done;
        printf("GET / -> %d\n", (int)ahoy_response_status(response));
        for (size_t i = 0; i < ahoy_response_attempt_count(response); i++) {
            const ahoy_attempt *attempt = ahoy_response_attempt_at(response, i);
            int answered = ahoy_attempt_status(attempt) == AHOY_OK;
            printf("  %s  %s\n", ahoy_attempt_url(attempt), answered ? "answered" : ahoy_attempt_detail(attempt));
        }
        ahoy_response_free(response);
    }

done:
    if (err) fprintf(stderr, "%s\n", ahoy_error_message(err));
    int failed = err != NULL;
    ahoy_error_free(err);
    ahoy_client_free(client);
    ahoy_provider_free(hosts);
    return failed;
}
