/* Children that use, free and leave what their parent made.
 *
 *     fork SCENARIO OK_PORT HANG_PORT */
#include "host.h"

static ahoy_client *client, *hanging;

/* The first use of the library in every process is after the fork. */
static void before_first_use(const char *port) {
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) {
            client = client_over(port, false);
            get(client, "/child");
            start_and_wait(client, "/child");
            ahoy_client_free(client);
            exit(0);
        }
        ends_well(child, 10000);
    }
    client = client_over(port, false);
    get(client, "/parent");
    ahoy_client_free(client);
}

static const char *first_port;

static void *first_use(void *unused) {
    (void)unused;
    client = client_over(first_port, false);
    get(client, "/first");
    return NULL;
}

/* Another thread uses the library for the first time when a child is forked. Each time in a process of its own. */
static void during_first_use(const char *port) {
    enum { TIMES = 200, LATEST_US = 400 };
    first_port = port;
    for (int i = 0; i < TIMES; i++) {
        pid_t process = fork();
        if (process == 0) {
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, first_use, NULL) == 0);
            for (double until = now_ms() + i * LATEST_US / TIMES / 1e3; now_ms() < until;) continue;
            pid_t child = fork();
            if (child == 0) {
                first_use(NULL);
                start_and_wait(client, "/child");
                exit(0);
            }
            pthread_join(thread, NULL);
            ends_well(child, 10000);
            exit(0);
        }
        ends_well(process, 20000);
    }
}

static void in_children(void (*use)(void), int count) {
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) {
            use();
            exit(0); /* with handlers and destructors, as hosts do */
        }
        ends_well(child, 10000);
        get(client, "/parent");
    }
}

static void nothing(void) {}

static void use(void) {
    get(client, "/child");
    start_and_wait(client, "/child");
}

static void use_and_free(void) {
    use();
    ahoy_client_free(client);
}

static void free_only(void) {
    ahoy_client_free(client);
    ahoy_client_free(hanging);
}

static void make_a_grandchild(void) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
        use();
        exit(0);
    }
    ends_well(grandchild, 10000);
    use();
}

static void execute(void) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

static void *block(void *end) {
    ahoy_response *response;
    *(ahoy_status *)end = ahoy_client_get(hanging, "/hang", &response, NULL);
    return NULL;
}

static void in_flight(void) {
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    ahoy_status ends[THREADS];
    ahoy_queue *queue;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, block, &ends[i]) == 0);
    ahoy_call *call = start(hanging, "/hang");
    CHECK_STATUS(ahoy_queue_new(&queue, NULL), AHOY_OK);
    submit(hanging, "/hang", queue, 1);
    /* What the threads do meanwhile may be anything up to the wait for the answer; that is the point. */
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            ahoy_response *response;
            ahoy_completion *completion;
            CHECK_STATUS(ahoy_call_wait(call, AHOY_FOREVER, &response, NULL), AHOY_E_FORKED);
            CHECK_STATUS(ahoy_queue_next(queue, AHOY_FOREVER, &completion, NULL), AHOY_E_FORKED);
            CHECK_STATUS(ahoy_call_cancel(call, NULL), AHOY_E_FORKED);
            CHECK_STATUS(ahoy_queue_cancel(queue, 1, NULL), AHOY_E_FORKED);
            ahoy_call_free(call);
            ahoy_queue_free(queue);
            if (i % 2) use();
            free_only();
            exit(0);
        }
        ends_well(child, 10000);
        get(client, "/parent");
    }
    CHECK_STATUS(ahoy_client_close(hanging, 0, NULL), AHOY_OK);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_STATUS(ends[i], AHOY_E_CLOSED);
    }
    ahoy_response *response;
    CHECK_STATUS(ahoy_call_wait(call, 10000, &response, NULL), AHOY_E_CLOSED);
    ahoy_completion *completion;
    CHECK_STATUS(ahoy_queue_next(queue, 10000, &completion, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_completion_status(completion), AHOY_E_CLOSED);
    ahoy_completion_free(completion);
    ahoy_call_free(call);
    ahoy_queue_free(queue);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    const char *scenario = argv[1];
    if (strcmp(scenario, "before-first-use") == 0) {
        before_first_use(argv[2]);
        puts("well");
        return 0;
    }
    if (strcmp(scenario, "during-first-use") == 0) {
        during_first_use(argv[2]);
        puts("well");
        return 0;
    }
    client = client_over(argv[2], false);
    hanging = client_over(argv[3], false);
    if (strcmp(scenario, "client-made-only") != 0) use();
    if (strcmp(scenario, "client-made-only") == 0) in_children(use, 5);
    else if (strcmp(scenario, "child-uses") == 0) in_children(use, 20);
    else if (strcmp(scenario, "child-frees") == 0) in_children(free_only, 20), in_children(use_and_free, 20);
    else if (strcmp(scenario, "child-exits") == 0) in_children(nothing, 20);
    else if (strcmp(scenario, "child-execs") == 0) in_children(execute, 20);
    else if (strcmp(scenario, "grandchild") == 0) in_children(make_a_grandchild, 5);
    else if (strcmp(scenario, "in-flight") == 0) in_flight();
    else CHECK(!"a scenario");
    ahoy_client_free(hanging);
    ahoy_client_free(client);
    puts("well");
    return 0;
}
