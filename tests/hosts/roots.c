/* When the library reads the system's certificates: it opens them at the first https use and not again.
 *
 *     roots OK_PORT HANG_PORT */
#include "host.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static atomic_int opened;

/* In the place of the C library's own, for the library too. */
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    if (strstr(path, "/cert") != NULL || strstr(path, "ca-bundle") != NULL) atomic_fetch_add(&opened, 1);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Its handshake does not end, for the other side waits for a request in the clear. */
static void greet(const char *port) {
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%s", port);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    ahoy_response *response;
    CHECK_STATUS(ahoy_client_builder_set_base_url(builder, url, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_set_timeout_ms(builder, 300, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_build(builder, &client, NULL), AHOY_OK);
    CHECK(ahoy_client_get(client, "/", &response, NULL) != AHOY_OK);
    ahoy_client_builder_free(builder);
    ahoy_client_free(client);
}

static void *greet_often(void *port) {
    for (int i = 0; i < 3; i++) greet(port);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    ahoy_client *client = client_over(argv[1], false);
    get(client, "/");
    start_and_wait(client, "/");
    CHECK(atomic_load(&opened) == 0);
    greet(argv[1]);
    int first = atomic_load(&opened);
    CHECK(first > 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, greet_often, argv[1]) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&opened) == first);
    ahoy_client_free(client);
    puts("well");
    return 0;
}
