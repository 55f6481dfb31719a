/* Bodies piece by piece: a request's that is produced while it is sent, and an answer's that is read while it
 * comes. Neither is ever held whole.
 *
 *     streaming URL        (of a server that answers with the request it got)
 */
#include <ahoy.h>
#include <stdio.h>
#include <string.h>

/* The body of the request: so many lines. */
struct lines {
    int next, count;
};

/* Called on a thread of the library here, since the answer is streamed: it must not wait for anything. */
static int32_t next_line(void *user_data, uint8_t *buffer, size_t capacity, size_t *length) {
    struct lines *lines = user_data;
    if (lines->next > lines->count) return AHOY_BODY_END;
    /* A source with nothing yet returns AHOY_BODY_NOT_READY, and calls ahoy_request_body_ready when it has. */
    *length = (size_t)snprintf((char *)buffer, capacity, "line %d\n", lines->next++);
    return *length < capacity ? AHOY_BODY_DATA : AHOY_BODY_FAILED;
}

/* With this the request may be sent again, when an attempt failed or for another call. */
static bool first_line(void *user_data) {
    ((struct lines *)user_data)->next = 1;
    return true;
}

/* Reads an answer's body to its end, 64 bytes at most at a time, and counts the lines of `needle`. */
static ahoy_status count_lines(const ahoy_response *response, const char *needle, int *count, ahoy_error **err) {
    char line[256];
    size_t filled = 0;
    bool ended = false;
    while (!ended) {
        uint8_t buffer[64];
        size_t length;
        ahoy_status status = ahoy_response_read(response, buffer, sizeof buffer, AHOY_FOREVER, &length, &ended, err);
        if (status) return status;
        for (size_t i = 0; i < length; i++) {
            if (filled < sizeof line - 1) line[filled++] = (char)buffer[i];
            if (buffer[i] != '\n') continue;
            line[filled] = '\0';
            *count += strncmp(line, needle, strlen(needle)) == 0;
            filled = 0;
        }
    }
    return AHOY_OK;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    ahoy_error *err = NULL;
    ahoy_client *client = NULL;
    ahoy_request *request = NULL;
    struct lines lines = {1, 9};

    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = ahoy_client_builder_set_base_url(builder, argv[1], &err);
    if (!status) status = ahoy_client_builder_build(builder, &client, &err);
    if (!status) status = ahoy_request_new("PUT", "/lines", &request, &err);
    if (!status) status = ahoy_request_set_streamed(request, true, &err);
    /* Nine lines of seven bytes; AHOY_UNKNOWN_LENGTH would do as well, and send them in chunks. */
    if (!status)
        status = ahoy_request_set_body_source(request, next_line, first_line, &lines, NULL, UINT64_C(63), &err);

    for (int round = 1; round <= 2 && !status; round++) {
        ahoy_response *response = NULL;
        int count = 0;
        /* Returns with the head of the answer; its body may still be on its way. */
        status = ahoy_client_send(client, request, &response, &err);
        if (!status) printf("round %d: %d\n", round, (int)ahoy_response_status(response));
        if (!status) status = count_lines(response, "line ", &count, &err);
        if (!status) printf("  %d lines came back\n", count);
        /* Freed before its end, a body would be cancelled, and its connection closed. */
        ahoy_response_free(response);
    }

    if (status) fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    ahoy_request_free(request);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    return status != AHOY_OK;
}
