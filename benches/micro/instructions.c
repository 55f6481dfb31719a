/* Warm GETs to be counted by callgrind: one endpoint, one thread.
 *
 *     instructions PORT REQUESTS
 */
#include "bench.h"

int main(int argc, char **argv) {
    if (argc != 3) fail("usage", "instructions PORT REQUESTS");
    ahoy_client *client = resilient_client((uint16_t)atoi(argv[1]), 1, NULL);
    for (long left = atol(argv[2]); left > 0; left--) ahoy_get(client);
    return 0;
}
