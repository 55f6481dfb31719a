#include "bridge.h"

#include "_cgo_export.h"

static ahoy_status provide(void *handle, ahoy_hosts *out) { return goProvide((uintptr_t)handle, out); }
static size_t choose(void *handle, size_t count) { return goChoose((uintptr_t)handle, count); }
static void forget(void *handle) { goForget((uintptr_t)handle); }
static bool rewind_body(void *handle) { return goRewind((uintptr_t)handle); }

static void log_line(void *handle, int32_t level, const char *part, const char *message) {
    goLog((uintptr_t)handle, level, (char *)part, (char *)message);
}

static void event(void *handle, const ahoy_event *happened) { goEvent((uintptr_t)handle, (ahoy_event *)happened); }

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

size_t ahoy_go_take(const ahoy_queue *queue, uint64_t timeout_ms, ahoy_completion **completions, size_t capacity) {
    size_t count = 0;
    ahoy_queue_next_batch(queue, timeout_ms, completions, capacity, &count, NULL);
    return count;
}
