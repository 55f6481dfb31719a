/* What Go cannot say by itself: user data that is a number, and functions that are Go's. */
#ifndef AHOY_GO_BRIDGE_H
#define AHOY_GO_BRIDGE_H

#include <ahoy.h>
#include <stdlib.h>

ahoy_provider *ahoy_go_provider(uintptr_t handle);
ahoy_balancer *ahoy_go_balancer(const ahoy_provider *provider, uintptr_t handle);
ahoy_status ahoy_go_on_log(ahoy_client_builder *builder, int32_t level, uintptr_t handle, ahoy_error **err);
ahoy_status ahoy_go_on_event(ahoy_client_builder *builder, uintptr_t handle, ahoy_error **err);
ahoy_status ahoy_go_body(ahoy_request *request, uintptr_t handle, bool again, uint64_t length, ahoy_error **err);
size_t ahoy_go_take(const ahoy_queue *queue, uint64_t timeout_ms, ahoy_completion **completions, size_t capacity);

#endif
