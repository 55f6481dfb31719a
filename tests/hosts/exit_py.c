/* What tests/hosts/exit.py needs that is no Python. */
#include <ahoy.h>
#include <stdlib.h>
#include <unistd.h>

void free_both(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error);
int call_later(ahoy_client *client, ahoy_done_fn done, ahoy_destroy_fn destroy);

/* A completion callback of which only the destroy function beside it is Python. */
void free_both(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error)
{
    (void)data, (void)status;
    ahoy_response_free(response);
    ahoy_error_free(error);
}

static ahoy_client *late_client;
static ahoy_done_fn late_done;
static ahoy_destroy_fn late_destroy;

static void call(void)
{
    ahoy_request *request;
    ahoy_call *made;
    if (ahoy_request_new("GET", "/", &request, NULL) != AHOY_OK)
        return;
    if (ahoy_client_start(late_client, request, &made, NULL) == AHOY_OK) {
        if (late_done != NULL)
            ahoy_call_on_done(made, late_done, NULL, late_destroy, NULL);
        ahoy_call_free(made);
    }
    ahoy_request_free(request);
    usleep(200000);
}

/* Makes a call when the interpreter is gone, and lets the process live on until it has ended. */
int call_later(ahoy_client *client, ahoy_done_fn done, ahoy_destroy_fn destroy)
{
    late_client = client;
    late_done = done;
    late_destroy = destroy;
    return atexit(call);
}
