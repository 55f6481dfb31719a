/* What Go cannot say by itself: user data that is a number, and functions that are Go's; and what a call of C does for Go
 * that would take dozens of them, for each costs as much as a hundred instructions and may start a thread. */
#ifndef AHOY_GO_BRIDGE_H
#define AHOY_GO_BRIDGE_H

#include <ahoy.h>
#include <stdlib.h>

ahoy_provider *ahoy_go_provider(uintptr_t handle);
ahoy_balancer *ahoy_go_balancer(const ahoy_provider *provider, uintptr_t handle);
ahoy_status ahoy_go_on_log(ahoy_client_builder *builder, int32_t level, uintptr_t handle, ahoy_error **err);
ahoy_status ahoy_go_on_event(ahoy_client_builder *builder, uintptr_t handle, ahoy_error **err);
ahoy_status ahoy_go_body(ahoy_request *request, uintptr_t handle, bool again, uint64_t length, ahoy_error **err);

/* A streamed request, to be freed. The text is its method, its target, and the names and values of its fields, each with a NUL
 * at its end. The timeouts are those of the call and of pauses of its answer's body; one of 0 is as the client has it. */
ahoy_status ahoy_go_request(const char *text, size_t fields, const uint8_t *body, size_t length, uint64_t timeout_ms,
                            uint64_t idle_ms, ahoy_request **out, ahoy_error **err);

/* Makes such a request, begins it, and frees it. */
ahoy_status ahoy_go_send(const ahoy_client *client, const char *text, size_t fields, const uint8_t *body, size_t length,
                         uint64_t timeout_ms, uint64_t idle_ms, const ahoy_queue *queue, uint64_t tag, ahoy_error **err);

/* Makes such a request, begins it, and waits up to wait_ms for its end. Where it goes on then, the status is AHOY_OK and
 * *call is to be freed; else it is NULL, and *response or the error says how the call ended. */
ahoy_status ahoy_go_call(const ahoy_client *client, const char *text, size_t fields, const uint8_t *body, size_t length,
                         uint64_t timeout_ms, uint64_t idle_ms, uint64_t wait_ms, ahoy_call **call,
                         ahoy_response **response, ahoy_error **err);

/* Has goDone told how a call ends. */
ahoy_status ahoy_go_on_done(const ahoy_call *call, uintptr_t handle, ahoy_error **err);

/* How something ended: an answer or an error, which are the caller's, or neither. */
typedef struct ahoy_go_ended {
    uint64_t tag;
    ahoy_response *response;
    ahoy_error *err;
} ahoy_go_ended;

/* Takes what has ended, without waiting. */
size_t ahoy_go_take(const ahoy_queue *queue, ahoy_go_ended *ended, size_t capacity);

/* What ahoy_go_head found. */
typedef struct ahoy_go_answer {
    size_t head;     /* the bytes that the fields and attempts take; where they are more than there is room, nothing was done */
    size_t fields;   /* a name and a value each, with a NUL at their end */
    size_t attempts; /* after them, one by one: four numbers of 64 bits, the lowest byte first, and two texts */
    size_t made;     /* all attempts, of which only the first are kept */
    size_t length;   /* what is there of the body, after the attempts */
    int32_t status;
    bool ended; /* the body is whole, and the answer freed */
} ahoy_go_answer;

/* Writes an answer's head, and what is there of its body, into a buffer. The status is that of the reading. */
ahoy_status ahoy_go_head(ahoy_response *response, uint8_t *buffer, size_t capacity, ahoy_go_answer *answer,
                         ahoy_error **err);

/* Reads what is there of a body, and frees its answer at its end. */
ahoy_status ahoy_go_read(ahoy_response *response, uint8_t *buffer, size_t capacity, size_t *length, bool *ended,
                         ahoy_error **err);

#endif
