/* A host that ends its threads inside callbacks, and cancels threads inside calls.
 *
 *     ends WHAT OK_PORT HANG_PORT
 *
 * An ended thread stays where it is; all that waits for it goes on or ends. */
#include "host.h"

/* Calls that hang, on one I/O thread with the one whose callback ends it. */
enum { HANGING = 3 };

static int told;
static ahoy_status told_status;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void note(ahoy_status status) {
    pthread_mutex_lock(&lock);
    told++;
    told_status = status;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Waits until `note` was called that often. */
static void wait_told(int count) {
    pthread_mutex_lock(&lock);
    while (told < count) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void done(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    (void)data;
    ahoy_response_free(response);
    ahoy_error_free(error);
    note(status);
}

static void done_and_exit(void *data, ahoy_status status, ahoy_response *response, ahoy_error *error) {
    done(data, status, response, error);
    pthread_exit(NULL);
}

/* The thread that has said it ends may take another call before it does; the call after that one finds its heir. */
static void start_on_heir(ahoy_client *client) {
    ahoy_call *call = start(client, "/");
    ahoy_response *response = NULL;
    ahoy_status status = ahoy_call_wait(call, 10000, &response, NULL);
    ahoy_response_free(response);
    ahoy_call_free(call);
    if (status != AHOY_OK) {
        CHECK_STATUS(status, AHOY_E_CLOSED);
        start_and_wait(client, "/");
    }
}

/* The thread that finished a call is gone; its other calls end within 2 s, each once, and new ones are carried. */
static void exit_in_done(const char *ok, const char *hang) {
    ahoy_client *client = client_over(ok, false), *hanging = client_over(hang, false);
    ahoy_queue *queue;
    ahoy_completion *completion;
    ahoy_response *response;
    CHECK_STATUS(ahoy_queue_new(&queue, NULL), AHOY_OK);
    start_and_wait(client, "/");
    ahoy_call *waited_for = start(hanging, "/"), *called = start(hanging, "/");
    CHECK_STATUS(ahoy_call_on_done(called, done, NULL, NULL, NULL), AHOY_OK);
    submit(hanging, "/", queue, 7);
    CHECK_STATUS(ahoy_call_on_done(start(client, "/"), done_and_exit, NULL, NULL, NULL), AHOY_OK);
    wait_told(1);
    start_on_heir(client);
    double from = now_ms();
    for (int i = 0; i < HANGING; i++) start_and_wait(client, "/");
    CHECK(now_ms() - from < 900);
    CHECK_STATUS(ahoy_call_wait(waited_for, AHOY_FOREVER, &response, NULL), AHOY_E_CLOSED);
    CHECK_STATUS(ahoy_queue_next(queue, AHOY_FOREVER, &completion, NULL), AHOY_OK);
    CHECK(ahoy_completion_tag(completion) == 7);
    CHECK_STATUS(ahoy_completion_status(completion), AHOY_E_CLOSED);
    ahoy_completion_free(completion);
    wait_told(2);
    CHECK_STATUS(told_status, AHOY_E_CLOSED);
    CHECK(now_ms() - from < 2000);
    CHECK_STATUS(ahoy_queue_next(queue, 50, &completion, NULL), AHOY_OK);
    CHECK(completion == NULL && told == 2);
    CHECK_STATUS(ahoy_client_close(hanging, 0, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_close(client, 0, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_callbacks_stop(0, NULL), AHOY_OK);
}

/* Every thread that calls back is ended: there is a bound, and it is said. */
static void exit_always(const char *ok, const char *hang) {
    ahoy_client *client = client_over(ok, false);
    ahoy_status status = AHOY_OK;
    int calls = 0;
    (void)hang;
    for (; calls < 40 && status == AHOY_OK; calls++) {
        ahoy_request *request;
        ahoy_call *call;
        CHECK_STATUS(ahoy_request_new("GET", "/", &request, NULL), AHOY_OK);
        status = ahoy_client_start(client, request, &call, NULL);
        ahoy_request_free(request);
        if (status != AHOY_OK) break;
        CHECK_STATUS(ahoy_call_on_done(call, done_and_exit, NULL, NULL, NULL), AHOY_OK);
        wait_told(calls + 1);
        sleep_ms(5);
    }
    CHECK_STATUS(status, AHOY_E_OVERLOADED);
    CHECK(calls >= 16);
    /* Callers that drive their calls themselves need no such thread. */
    get(client, "/");
    CHECK_STATUS(ahoy_client_close(client, 0, NULL), AHOY_OK);
}

static pid_t ended_thread;

static ahoy_status exit_here(void *data, ahoy_request *request) {
    (void)data, (void)request;
    ended_thread = gettid();
    note(0);
    pthread_exit(NULL);
}

static void *get_hooked(void *client) {
    ahoy_response *response;
    ahoy_client_get(client, "/", &response, NULL);
    return NULL;
}

/* A thread that is kept takes none of the host's signals. */
static bool blocks_signals(pid_t thread) {
    char line[256], path[64];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    while (fgets(line, sizeof line, file) != NULL) sscanf(line, "SigBlk: %llx", &blocked);
    fclose(file);
    return (blocked >> (SIGINT - 1) & 1) != 0 && (blocked >> (SIGTERM - 1) & 1) != 0 &&
           (blocked >> (SIGSEGV - 1) & 1) == 0;
}

/* A caller that ends itself inside its call's hook is over: a close does not wait for it. */
static void exit_in_hook(const char *ok, const char *hang) {
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    pthread_t thread;
    char url[64];
    (void)hang;
    snprintf(url, sizeof url, "http://127.0.0.1:%s", ok);
    CHECK_STATUS(ahoy_client_builder_set_base_url(builder, url, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_on_request(builder, exit_here, NULL, NULL, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_build(builder, &client, NULL), AHOY_OK);
    ahoy_client_builder_free(builder);
    CHECK(pthread_create(&thread, NULL, get_hooked, client) == 0);
    wait_told(1);
    sleep_ms(20);
    CHECK(blocks_signals(ended_thread));
    CHECK_STATUS(ahoy_client_close(client, 0, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_callbacks_stop(0, NULL), AHOY_OK);
    ahoy_client_free(client);
    get(client_over(ok, false), "/");
}

static unsigned short provided;

static ahoy_status provide_or_exit(void *data, ahoy_hosts *out) {
    (void)data;
    if (provided == 0) {
        note(0);
        pthread_exit(NULL);
    }
    return ahoy_hosts_add(out, "127.0.0.1", provided, NULL);
}

/* What only one may do at a time, another does in its place. */
static void exit_in_provider(const char *ok, const char *hang) {
    ahoy_provider *provider = ahoy_provider_custom_new(provide_or_exit, NULL, NULL);
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    pthread_t thread;
    (void)hang;
    CHECK_STATUS(ahoy_client_builder_set_balancer(builder, balancer, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_builder_build(builder, &client, NULL), AHOY_OK);
    ahoy_client_builder_free(builder);
    CHECK(pthread_create(&thread, NULL, get_hooked, client) == 0);
    wait_told(1);
    provided = (unsigned short)atoi(ok);
    get(client, "/");
    CHECK_STATUS(ahoy_balancer_update(balancer, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_close(client, 0, NULL), AHOY_OK);
}

static void readable_and_exit(void *data) {
    (void)data;
    note(0);
    pthread_exit(NULL);
}

/* A body whose carrier is gone ends. */
static void exit_in_readable(const char *ok, const char *hang) {
    ahoy_client *client = client_over(ok, false);
    ahoy_request *request;
    ahoy_response *response;
    ahoy_status status = AHOY_OK;
    bool ended = false;
    double from = now_ms();
    (void)hang;
    CHECK_STATUS(ahoy_request_new("GET", "/", &request, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_request_set_streamed(request, true, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_client_send(client, request, &response, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_response_on_readable(response, readable_and_exit, NULL, NULL, NULL), AHOY_OK);
    wait_told(1);
    while (status == AHOY_OK && !ended) {
        uint8_t bytes[2];
        size_t length;
        status = ahoy_response_read(response, bytes, sizeof bytes, AHOY_FOREVER, &length, &ended, NULL);
    }
    if (!ended) CHECK_STATUS(status, AHOY_E_CLOSED);
    CHECK(now_ms() - from < 3000);
    ahoy_response_free(response);
    start_on_heir(client);
    CHECK_STATUS(ahoy_client_close(client, 0, NULL), AHOY_OK);
}

static ahoy_call *waited_for;
static ahoy_queue *read_from;
static ahoy_status seen;

static void *block_in_get(void *client) {
    ahoy_response *response;
    seen = ahoy_client_get(client, "/", &response, NULL);
    note(seen);
    pause();
    return NULL;
}

static void *block_in_wait(void *client) {
    ahoy_response *response;
    (void)client;
    seen = ahoy_call_wait(waited_for, 300, &response, NULL);
    note(seen);
    pause();
    return NULL;
}

static void *block_in_queue(void *client) {
    ahoy_completion *completion;
    (void)client;
    seen = ahoy_queue_next(read_from, 300, &completion, NULL);
    note(seen);
    pause();
    return NULL;
}

/* The call goes on to its end, and the thread ends at the next cancellation point of the host. */
static void cancel(void *(*block)(void *), ahoy_client *client, long close_after_ms, ahoy_status wanted) {
    pthread_t thread;
    void *result;
    int before = told;
    CHECK(pthread_create(&thread, NULL, block, client) == 0);
    sleep_ms(100);
    CHECK(pthread_cancel(thread) == 0);
    sleep_ms(50);
    CHECK(told == before);
    if (close_after_ms >= 0) CHECK_STATUS(ahoy_client_close(client, (uint64_t)close_after_ms, NULL), AHOY_OK);
    wait_told(before + 1);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK_STATUS(seen, wanted);
}

static void cancelled(const char *ok, const char *hang) {
    ahoy_client *client = client_over(hang, false);
    CHECK_STATUS(ahoy_queue_new(&read_from, NULL), AHOY_OK);
    waited_for = start(client, "/");
    cancel(block_in_wait, client, -1, AHOY_OK);
    cancel(block_in_queue, client, -1, AHOY_OK);
    cancel(block_in_get, client, 10, AHOY_E_CLOSED);
    get(client_over(ok, false), "/");
}

int main(int argc, char **argv) {
    static const struct { const char *name; void (*run)(const char *, const char *); } scenarios[] = {
        {"exit-in-done", exit_in_done},
        {"exit-always", exit_always},
        {"exit-in-hook", exit_in_hook},
        {"exit-in-provider", exit_in_provider},
        {"exit-in-readable", exit_in_readable},
        {"cancelled", cancelled},
    };
    CHECK(argc == 4);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run(argv[2], argv[3]);
            puts("well");
            return 0;
        }
    }
    CHECK(!"a known scenario");
}
