/* A completion callback that is no Python, for tests/hosts/exit.py. */
#include <ahoy.h>

void free_both(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error);

void free_both(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error)
{
    (void)data, (void)status;
    ahoy_response_free(response);
    ahoy_error_free(error);
}
