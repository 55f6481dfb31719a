/* Leaves with calls of every kind in flight, and prints nothing.
 *
 *     exit return|exit|quick_exit|thread OK_PORT HANG_PORT */
#include "host.h"

enum { EACH = 4 };

static ahoy_client *hanging;

static void *block(void *unused) {
    ahoy_response *response;
    (void)unused;
    ahoy_client_get(hanging, "/", &response, NULL);
    return NULL;
}

/* At the end of the process nobody may be called any more; while it lives the calls hang. */
static void never(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    (void)data, (void)status;
    ahoy_response_free(response);
    ahoy_error_free(error);
    fprintf(stderr, "a call was told an end\n");
}

static void *leave(void *unused) {
    (void)unused;
    exit(0);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    ahoy_client *client = client_over(argv[2], false);
    hanging = client_over(argv[3], false);
    get(client, "/");
    start_and_wait(client, "/");
    ahoy_queue *queue;
    CHECK_STATUS(ahoy_queue_new(&queue, NULL), AHOY_OK);
    for (uint64_t i = 0; i < EACH; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, block, NULL) == 0);
        start(hanging, "/");
        CHECK_STATUS(ahoy_call_on_done(start(hanging, "/"), never, NULL, NULL, NULL), AHOY_OK);
        submit(hanging, "/", queue, i);
    }
    /* From calls that have not begun to those that wait for their answer. */
    if (getpid() % 2) sleep_ms(20);
    if (strcmp(argv[1], "return") == 0) return 0;
    if (strcmp(argv[1], "exit") == 0) exit(0);
    if (strcmp(argv[1], "quick_exit") == 0) quick_exit(0);
    CHECK(strcmp(argv[1], "thread") == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, leave, NULL) == 0);
    for (;;) pause();
}
