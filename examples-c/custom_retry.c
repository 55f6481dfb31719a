/* Retry rules: how often, after which waits, and on what.
 *
 *     custom_retry URL        (of a server that answers 503 three times and then well)
 */
#include <ahoy.h>
#include <stdio.h>

/* Makes a client with `retry`, gets "/" and prints what each attempt brought. */
static ahoy_status get(const char *url, const ahoy_retry *retry, ahoy_error **err) {
    ahoy_client *client = NULL;
    ahoy_response *response = NULL;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = ahoy_client_builder_set_base_url(builder, url, err);
    if (!status) status = ahoy_client_builder_set_retry(builder, retry, err);
    if (!status) status = ahoy_client_builder_build(builder, &client, err);
    if (!status) status = ahoy_client_get(client, "/", &response, err);

    for (size_t i = 0; i < ahoy_response_attempt_count(response); i++)
        printf("  attempt %zu: %d\n", i + 1, (int)ahoy_attempt_http_status(ahoy_response_attempt_at(response, i)));
    /* An answer is an answer, whatever its status: the last one is handed over. */
    if (!status)
        printf("  result: %d %s", (int)ahoy_response_status(response), (const char *)ahoy_response_body(response, NULL));

    ahoy_response_free(response);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    ahoy_error *err = NULL;

    puts("one try:");
    ahoy_retry *once = ahoy_retry_new();
    ahoy_status status = ahoy_retry_set_tries(once, 1, &err);
    if (!status) status = get(argv[1], once, &err);
    ahoy_retry_free(once);

    /* Waits of 20, 40 and 50 ms, and up to 5 ms more each; no retry on a timeout. */
    ahoy_retry *patient = ahoy_retry_new();
    if (!status) status = ahoy_retry_set_tries(patient, 4, &err);
    if (!status) status = ahoy_retry_set_delay_ms(patient, 20, &err);
    if (!status) status = ahoy_retry_set_backoff(patient, 2.0, &err);
    if (!status) status = ahoy_retry_set_max_delay_ms(patient, 50, &err);
    if (!status) status = ahoy_retry_set_jitter_ms(patient, 0, 5, &err);
    if (!status) status = ahoy_retry_set_on(patient, AHOY_RETRY_ON_STATUS | AHOY_RETRY_ON_CONNECT, &err);
    if (!status) puts("up to four tries:");
    if (!status) status = get(argv[1], patient, &err);
    ahoy_retry_free(patient);

    if (status) fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    return status != AHOY_OK;
}
