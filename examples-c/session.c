/* Clients without a balancer: a base URL or absolute URLs, default headers, bodies, redirects.
 *
 *     session BASE_URL OTHER_URL        (a server that echoes, and one that redirects)
 */
#include <ahoy.h>
#include <stdio.h>
#include <string.h>

/* Prints the outcome of a call and frees it. */
static ahoy_status show(const char *what, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    if (status)
        fprintf(stderr, "%s: %s\n", what, ahoy_error_message(err));
    else
        printf("--- %s -> %d\n%s\n", what, (int)ahoy_response_status(response),
               (const char *)ahoy_response_body(response, NULL));
    ahoy_response_free(response);
    ahoy_error_free(err);
    return status;
}

/* A client; base_url is NULL for one that takes absolute URLs. */
static ahoy_status build(const char *base_url, ahoy_client **client, ahoy_error **err) {
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = AHOY_OK;
    if (base_url) status = ahoy_client_builder_set_base_url(builder, base_url, err);
    if (!status) status = ahoy_client_builder_add_header(builder, "X-Team", "harbour", err);
    if (!status) status = ahoy_client_builder_add_header(builder, "User-Agent", "session-example/1", err);
    if (!status) status = ahoy_client_builder_set_gzip(builder, false, err);
    if (!status) status = ahoy_client_builder_set_redirects(builder, 3, err);
    if (!status) status = ahoy_client_builder_build(builder, client, err);
    ahoy_client_builder_free(builder);
    return status;
}

static ahoy_status calls(const ahoy_client *client) {
    ahoy_response *response;
    ahoy_request *request;
    ahoy_error *err;

    ahoy_status status = ahoy_client_get(client, "/orders?open=yes", &response, &err);
    if (show("GET a path under the base URL", status, response, err)) return status;

    const char *json = "{\"item\": \"rope\", \"metres\": 30}";
    status = ahoy_client_post(client, "/orders", "application/json", (const uint8_t *)json, strlen(json),
                              &response, &err);
    if (show("POST a body", status, response, err)) return status;

    /* Other methods, and headers and limits of one call, go through a request. Its header replaces the
     * client's default of the same name. */
    status = ahoy_request_new("PURGE", "/cache", &request, &err);
    if (!status) status = ahoy_request_add_header(request, "X-Team", "nightly", &err);
    if (!status) status = ahoy_request_set_timeout_ms(request, 2000, &err);
    response = NULL;
    if (!status) status = ahoy_client_send(client, request, &response, &err);
    ahoy_request_free(request);
    return show("PURGE with a header of its own", status, response, err);
}

/* A client with a base URL sends its headers nowhere else, so other servers have a client of their own. */
static ahoy_status elsewhere(const char *url) {
    ahoy_client *client = NULL;
    ahoy_response *response = NULL;
    ahoy_error *err = NULL;
    ahoy_status status = build(NULL, &client, &err);
    if (!status) status = ahoy_client_get(client, url, &response, &err);
    status = show("GET an absolute URL, redirected", status, response, err);
    ahoy_client_free(client);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s BASE_URL OTHER_URL\n", argv[0]);
        return 2;
    }
    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    if (build(argv[1], &client, &err)) {
        fprintf(stderr, "%s\n", ahoy_error_message(err));
        ahoy_error_free(err);
        return 1;
    }
    ahoy_status status = calls(client);
    ahoy_client_free(client);
    if (!status) status = elsewhere(argv[2]);
    return status != AHOY_OK;
}
