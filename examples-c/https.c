/* HTTPS to servers that a certificate authority of one's own vouches for, and to no others.
 *
 *     https URL CA.PEM
 */
#include <ahoy.h>
#include <stdio.h>

/* Reads a small file. Returns its length, 0 on failure. */
static size_t read_file(const char *path, uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t length = fread(bytes, 1, size, file);
    fclose(file);
    return length;
}

/* Gets "/" of `url`, trusting the platform's authorities, or those in `pem` instead where it is not NULL. */
static ahoy_status get(const char *url, const uint8_t *pem, size_t length, ahoy_response **response,
                       ahoy_error **err) {
    ahoy_client *client = NULL;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = ahoy_client_builder_set_base_url(builder, url, err);
    if (!status && pem) status = ahoy_client_builder_set_platform_roots(builder, false, err);
    if (!status && pem) status = ahoy_client_builder_add_ca_pem(builder, pem, length, err);
    if (!status) status = ahoy_client_builder_build(builder, &client, err);
    if (!status) status = ahoy_client_get(client, "/", response, err);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    return status;
}

int main(int argc, char **argv) {
    static uint8_t pem[64 << 10];
    size_t length = argc == 3 ? read_file(argv[2], pem, sizeof pem) : 0;
    if (length == 0) {
        fprintf(stderr, "usage: %s URL CA.PEM\n", argv[0]);
        return 2;
    }
    ahoy_response *response = NULL;
    ahoy_error *err = NULL;

    /* The platform knows nothing of this authority, so this must fail. */
    ahoy_status status = get(argv[1], NULL, 0, &response, &err);
    printf("platform's roots: %s\n", ahoy_status_name(status));
    ahoy_response_free(response);
    ahoy_error_free(err);

    if (get(argv[1], pem, length, &response, &err)) {
        fprintf(stderr, "%s\n", ahoy_error_message(err));
        ahoy_error_free(err);
        return 1;
    }
    size_t size;
    const uint8_t *body = ahoy_response_body(response, &size);
    printf("own authority: %d\n", (int)ahoy_response_status(response));
    fwrite(body, 1, size, stdout);
    ahoy_response_free(response);
    return 0;
}
