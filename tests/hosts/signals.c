/* Signals in a C program, which has every default action.
 *
 *     signals stolen|sigpipe|alarm OK_PORT HANG_PORT */
#include "host.h"
#include <sys/time.h>

static pthread_t main_thread;
static volatile sig_atomic_t caught, caught_elsewhere;

static void note(int signal) {
    (void)signal;
    caught++;
    if (!pthread_equal(pthread_self(), main_thread)) caught_elsewhere++;
}

static void on_signal(int signal) {
    struct sigaction action = {.sa_handler = note};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

/* The only thread of the host blocks the signal: it must stay pending, whatever threads the library has. */
static void stolen(ahoy_client *client, ahoy_client *hanging) {
    enum { ROUNDS = 20 };
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM, SIGPROF, SIGWINCH};
    /* More calls in flight than one I/O thread takes. */
    for (int i = 0; i < 100; i++) start(hanging, "/");
    get(client, "/");
    for (size_t which = 0; which < sizeof signals / sizeof *signals; which++) {
        sigset_t set, before;
        sigemptyset(&set);
        sigaddset(&set, signals[which]);
        on_signal(signals[which]);
        CHECK(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
        for (int round = 0; round < ROUNDS; round++) {
            struct timespec long_enough = {5, 0};
            CHECK(kill(getpid(), signals[which]) == 0);
            start_and_wait(client, "/");
            get(client, "/");
            CHECK(sigtimedwait(&set, NULL, &long_enough) == signals[which]);
        }
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    }
    CHECK(caught == 0 && caught_elsewhere == 0);
}

/* The server goes away in the middle of a request: SIGPIPE would kill this process. */
static void sigpipe(ahoy_client *client) {
    static uint8_t body[24 << 20]; /* more than the endpoint takes: it hangs up in the middle */
    sigset_t pending;
    for (int i = 0; i < 10; i++) {
        ahoy_response *response;
        ahoy_status status = ahoy_client_post(client, "/", NULL, body, sizeof body, &response, NULL);
        CHECK(status == AHOY_E_CONNECTION_LOST || status == AHOY_E_NO_ENDPOINTS);
    }
    struct sigaction action;
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
}

/* A timer of the host ends a call that hangs, each time, and most of them within 50 ms. It goes off at any point
 * of what the call does: also when its own timers do, which makes signals easy to miss. */
static void timer(ahoy_client *hanging) {
    enum { ROUNDS = 30 };
    int in_time = 0, missed = 0;
    ahoy_request *request;
    CHECK_STATUS(ahoy_request_new("GET", "/", &request, NULL), AHOY_OK);
    CHECK_STATUS(ahoy_request_set_timeout_ms(request, 500, NULL), AHOY_OK);
    on_signal(SIGALRM);
    for (int i = 0; i < ROUNDS; i++) {
        long after_us = i % 3 == 0 ? 73000 : 100000;
        struct itimerval timer = {.it_value = {0, after_us}};
        double begun = now_ms();
        ahoy_response *response;
        ahoy_error *error;
        CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
        ahoy_status status = ahoy_client_send(hanging, request, &response, &error);
        double late = now_ms() - begun - (double)after_us / 1e3;
        CHECK(ahoy_error_is_ambiguous(error));
        ahoy_error_free(error);
        if (status == AHOY_E_INTERRUPTED) in_time += late < 50;
        else missed++;
    }
    ahoy_request_free(request);
    if (missed > 0) fprintf(stderr, "%d of %d signals went unnoticed\n", missed, ROUNDS);
    CHECK(missed == 0);
    CHECK(in_time >= ROUNDS * 2 / 3);
    CHECK(caught == ROUNDS && caught_elsewhere == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    main_thread = pthread_self();
    ahoy_client *client = client_over(argv[2], false), *hanging = client_over(argv[3], true);
    if (strcmp(argv[1], "stolen") == 0) stolen(client, hanging);
    else if (strcmp(argv[1], "sigpipe") == 0) sigpipe(client);
    else if (strcmp(argv[1], "alarm") == 0) timer(hanging);
    else CHECK(!"a scenario");
    puts("well");
    return 0;
}
