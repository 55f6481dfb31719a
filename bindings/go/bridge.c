#include "bridge.h"

#include <string.h>

#include "_cgo_export.h"

static ahoy_status provide(void *handle, ahoy_hosts *out) { return goProvide((uintptr_t)handle, out); }
static size_t choose(void *handle, size_t count) { return goChoose((uintptr_t)handle, count); }
static void forget(void *handle) { goForget((uintptr_t)handle); }
static bool rewind_body(void *handle) { return goRewind((uintptr_t)handle); }

static void log_line(void *handle, int32_t level, const char *part, const char *message) {
    goLog((uintptr_t)handle, level, (char *)part, (char *)message);
}

static void event(void *handle, const ahoy_event *happened) { goEvent((uintptr_t)handle, (ahoy_event *)happened); }

static void done(void *handle, ahoy_status status, ahoy_response *response, ahoy_error *err) {
    (void)status;
    goDone((uintptr_t)handle, response, err);
}

static int32_t produce(void *handle, uint8_t *buffer, size_t capacity, size_t *length) {
    return goProduce((uintptr_t)handle, buffer, capacity, length);
}

ahoy_provider *ahoy_go_provider(uintptr_t handle) {
    return ahoy_provider_custom_new(provide, (void *)handle, forget);
}

ahoy_balancer *ahoy_go_balancer(const ahoy_provider *provider, uintptr_t handle) {
    return ahoy_balancer_custom_new(provider, choose, (void *)handle, forget);
}

ahoy_status ahoy_go_on_log(ahoy_client_builder *builder, int32_t level, uintptr_t handle, ahoy_error **err) {
    return ahoy_client_builder_on_log(builder, level, log_line, (void *)handle, forget, err);
}

ahoy_status ahoy_go_on_event(ahoy_client_builder *builder, uintptr_t handle, ahoy_error **err) {
    return ahoy_client_builder_on_event(builder, event, (void *)handle, forget, err);
}

ahoy_status ahoy_go_body(ahoy_request *request, uintptr_t handle, bool again, uint64_t length, ahoy_error **err) {
    return ahoy_request_set_body_source(request, produce, again ? rewind_body : NULL, (void *)handle, forget, length,
                                        err);
}

/* The text after the next NUL. */
static const char *after(const char *text) { return text + strlen(text) + 1; }

/* The fields by which net/http knows a request that may be carried out twice. */
static bool may_repeat(const char *name) {
    return strcmp(name, "Idempotency-Key") == 0 || strcmp(name, "X-Idempotency-Key") == 0;
}

ahoy_status ahoy_go_request(const char *text, size_t fields, const uint8_t *body, size_t length, uint64_t timeout_ms,
                            uint64_t idle_ms, ahoy_request **out, ahoy_error **err) {
    const char *target = after(text);
    ahoy_status status = ahoy_request_new(text, target, out, err);
    if (status != AHOY_OK) {
        return status;
    }
    status = ahoy_request_set_streamed(*out, true, err);
    const char *name = after(target);
    for (size_t i = 0; i < fields && status == AHOY_OK; i++) {
        const char *value = after(name);
        status = ahoy_request_add_header(*out, name, value, err);
        if (status == AHOY_OK && may_repeat(name)) {
            status = ahoy_request_set_idempotent(*out, true, err);
        }
        name = after(value);
    }
    if (status == AHOY_OK && length > 0) {
        status = ahoy_request_set_body(*out, body, length, err);
    }
    if (status == AHOY_OK && timeout_ms > 0) {
        status = ahoy_request_set_timeout_ms(*out, timeout_ms, err);
    }
    if (status == AHOY_OK && idle_ms > 0) {
        status = ahoy_request_set_idle_timeout_ms(*out, idle_ms, err);
    }
    if (status != AHOY_OK) {
        ahoy_request_free(*out);
        *out = NULL;
    }
    return status;
}

ahoy_status ahoy_go_send(const ahoy_client *client, const char *text, size_t fields, const uint8_t *body, size_t length,
                         uint64_t timeout_ms, uint64_t idle_ms, const ahoy_queue *queue, uint64_t tag, ahoy_error **err) {
    ahoy_request *request = NULL;
    ahoy_status status = ahoy_go_request(text, fields, body, length, timeout_ms, idle_ms, &request, err);
    if (status == AHOY_OK) {
        status = ahoy_client_submit(client, request, queue, tag, err);
        ahoy_request_free(request);
    }
    return status;
}

ahoy_status ahoy_go_call(const ahoy_client *client, const char *text, size_t fields, const uint8_t *body, size_t length,
                         uint64_t timeout_ms, uint64_t idle_ms, uint64_t wait_ms, ahoy_call **call,
                         ahoy_response **response, ahoy_error **err) {
    ahoy_request *request = NULL;
    ahoy_status status = ahoy_go_request(text, fields, body, length, timeout_ms, idle_ms, &request, err);
    if (status != AHOY_OK) {
        return status;
    }
    status = ahoy_client_start(client, request, call, err);
    ahoy_request_free(request);
    if (status != AHOY_OK) {
        return status;
    }
    status = ahoy_call_wait(*call, wait_ms, response, err);
    if (status != AHOY_OK || *response != NULL) {
        ahoy_call_free(*call);
        *call = NULL;
    }
    return status;
}

ahoy_status ahoy_go_on_done(const ahoy_call *call, uintptr_t handle, ahoy_error **err) {
    return ahoy_call_on_done(call, done, (void *)handle, forget, err);
}

size_t ahoy_go_take(const ahoy_queue *queue, ahoy_go_ended *ended, size_t capacity) {
    ahoy_completion *completions[256];
    size_t count = 0;
    ahoy_queue_next_batch(queue, 0, completions, capacity < 256 ? capacity : 256, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        ended[i].tag = ahoy_completion_tag(completions[i]);
        ended[i].response = ahoy_completion_take_response(completions[i]);
        ended[i].err = ahoy_completion_take_error(completions[i]);
        ahoy_completion_free(completions[i]);
    }
    return count;
}

/* A buffer that is written for as long as there is room, and then only measured. */
typedef struct writer {
    uint8_t *buffer;
    size_t capacity, length;
} writer;

static void put(writer *out, const void *bytes, size_t length) {
    if (out->length + length <= out->capacity) {
        memcpy(out->buffer + out->length, bytes, length);
    }
    out->length += length;
}

static void put_text(writer *out, const char *text) { put(out, text ? text : "", text ? strlen(text) + 1 : 1); }

static void put_number(writer *out, uint64_t number) {
    uint8_t bytes[8];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    put(out, bytes, sizeof bytes);
}

static void put_attempt(writer *out, const ahoy_attempt *attempt) {
    put_number(out, (uint64_t)(int64_t)ahoy_attempt_status(attempt));
    put_number(out, (uint64_t)(int64_t)ahoy_attempt_http_status(attempt));
    put_number(out, ahoy_attempt_elapsed_us(attempt));
    put_number(out, ahoy_attempt_opened_circuit(attempt) | ahoy_attempt_is_hedge(attempt) << 1 |
                        ahoy_attempt_is_ambiguous(attempt) << 2);
    put_text(out, ahoy_attempt_url(attempt));
    put_text(out, ahoy_attempt_detail(attempt));
}

ahoy_status ahoy_go_head(ahoy_response *response, uint8_t *buffer, size_t capacity, ahoy_go_answer *answer,
                         ahoy_error **err) {
    writer out = {buffer, capacity, 0};
    answer->status = ahoy_response_status(response);
    answer->fields = ahoy_response_header_count(response);
    answer->attempts = 0;
    answer->length = 0;
    answer->ended = false;
    for (size_t i = 0; i < answer->fields; i++) {
        put_text(&out, ahoy_response_header_name_at(response, i));
        put_text(&out, ahoy_response_header_value_at(response, i));
    }
    answer->made = ahoy_response_attempt_count(response);
    const ahoy_attempt *attempt;
    while ((attempt = ahoy_response_attempt_at(response, answer->attempts)) != NULL) {
        put_attempt(&out, attempt);
        answer->attempts++;
    }
    answer->head = out.length;
    if (out.length >= capacity) {
        return AHOY_OK;
    }
    return ahoy_go_read(response, buffer + out.length, capacity - out.length, &answer->length, &answer->ended, err);
}

ahoy_status ahoy_go_read(ahoy_response *response, uint8_t *buffer, size_t capacity, size_t *length, bool *ended,
                         ahoy_error **err) {
    ahoy_status status = ahoy_response_read(response, buffer, capacity, 0, length, ended, err);
    if (status == AHOY_OK && *ended) {
        ahoy_response_free(response);
    }
    return status;
}
