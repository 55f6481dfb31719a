/* One service, five endpoints, three of them bad: what a client sees, and what goes on beneath.
 *
 *     demo ENDPOINTS_PROGRAM [ATTEMPT_LIMIT_MS]
 *
 * The program is that of tests/endpoints/endpoints.c, which this starts and ends. A tool that slows the demo
 * down, such as valgrind, needs a longer limit.
 *
 * Exits with 0 if every call was answered with 200 and the endpoint that healed came back by itself. */
#define _POSIX_C_SOURCE 200809L
#include <ahoy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ENDPOINTS = 5, RECOVERY_LIMIT_MS = 20000, PAUSE_MS = 25 };

static const struct {
    const char *name, *script, *about;
} cast[ENDPOINTS] = {
    {"refusing", "refuse", "nothing listens on its port"},
    {"503", "status=503", "answers 503 to everything"},
    {"hanging", "hang", "accepts connections and never answers"},
    {"well-1", "ok", "is well"},
    {"well-2", "ok", "is well"},
};

static unsigned attempt_limit_ms = 150;
static unsigned ports[ENDPOINTS];
static int tried[ENDPOINTS];
static int calls_made, calls_answered;
static double slowest_ms;

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void check(ahoy_status status, ahoy_error *err) {
    if (status == AHOY_OK) return;
    fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    exit(1);
}

/* ---- the endpoints, in a process of their own ---- */

static FILE *to_endpoints, *from_endpoints;

static pid_t start_endpoints(const char *program) {
    int commands[2], answers[2];
    if (pipe(commands) != 0 || pipe(answers) != 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        char scripts[ENDPOINTS][32], *argv[ENDPOINTS + 2] = {(char *)program};
        for (int i = 0; i < ENDPOINTS; i++) {
            snprintf(scripts[i], sizeof scripts[i], "%s@%s", cast[i].name, cast[i].script);
            argv[i + 1] = scripts[i];
        }
        dup2(commands[0], STDIN_FILENO);
        dup2(answers[1], STDOUT_FILENO);
        close(commands[1]); /* its end of input must come when this program ends, however it ends */
        close(answers[0]);
        execv(program, argv);
        _exit(127);
    }
    close(commands[0]);
    close(answers[1]);
    to_endpoints = fdopen(commands[1], "w");
    from_endpoints = fdopen(answers[0], "r");
    char line[128] = "";
    for (int i = 0; i < ENDPOINTS; i++)
        if (!fgets(line, sizeof line, from_endpoints) || sscanf(line, "%*d %*s %u", &ports[i]) != 1) return -1;
    return fgets(line, sizeof line, from_endpoints) ? pid : -1; /* "ready" */
}

static void heal(const char *name) {
    char answer[16] = "";
    fprintf(to_endpoints, "heal %s\n", name);
    fflush(to_endpoints);
    if (!fgets(answer, sizeof answer, from_endpoints) || strcmp(answer, "done\n") != 0) exit(1);
}

static int index_of(const char *url) {
    unsigned port = url ? (unsigned)atoi(strrchr(url, ':') + 1) : 0;
    for (int i = 0; i < ENDPOINTS; i++)
        if (ports[i] == port) return i;
    exit(1);
}

/* ---- the client ---- */

/* Two failures open a circuit, and it is probed after about half a second: quick enough to watch. */
static ahoy_client *build(ahoy_balancer **balancer) {
    ahoy_error *err = NULL;
    ahoy_client *client;
    ahoy_provider *hosts = ahoy_provider_list_new();
    ahoy_breaker *breaker = ahoy_breaker_new();
    ahoy_client_builder *builder = ahoy_client_builder_new();
    for (int i = 0; i < ENDPOINTS; i++)
        check(ahoy_provider_list_add(hosts, "127.0.0.1", (uint16_t)ports[i], &err), err);
    *balancer = ahoy_balancer_round_robin_new(hosts);
    check(ahoy_breaker_set_consecutive_failures(breaker, 2, &err), err);
    check(ahoy_balancer_set_breaker(*balancer, breaker, &err), err);
    check(ahoy_client_builder_set_balancer(builder, *balancer, &err), err);
    check(ahoy_client_builder_set_attempt_timeout_ms(builder, attempt_limit_ms, &err), err);
    check(ahoy_client_builder_build(builder, &client, &err), err);
    ahoy_client_builder_free(builder);
    ahoy_breaker_free(breaker);
    ahoy_provider_free(hosts);
    return client;
}

static int32_t circuit_of(const ahoy_balancer *balancer, size_t index) {
    ahoy_endpoint *endpoint;
    ahoy_error *err;
    check(ahoy_balancer_endpoint_at(balancer, index, &endpoint, &err), err);
    int32_t state = ahoy_endpoint_state(endpoint);
    ahoy_endpoint_free(endpoint);
    return state;
}

static void show_circuits(const ahoy_balancer *balancer) {
    static const char *const words[] = {"closed", "OPEN", "probing"};
    printf("   circuits ");
    for (size_t i = 0; i < ahoy_balancer_endpoint_count(balancer); i++)
        printf("  %s %-6s", cast[i].name, words[circuit_of(balancer, i)]);
    puts("\n");
}

static void show_attempt(const ahoy_attempt *attempt) {
    int who = index_of(ahoy_attempt_url(attempt));
    char what[64];
    if (ahoy_attempt_status(attempt) == AHOY_OK)
        snprintf(what, sizeof what, "answered %d", (int)ahoy_attempt_http_status(attempt));
    else
        snprintf(what, sizeof what, "%s", ahoy_attempt_detail(attempt));
    printf("   %-9s :%-5u   %-24s %6.1f ms%s\n", cast[who].name, ports[who], what,
           (double)ahoy_attempt_elapsed_us(attempt) / 1e3,
           ahoy_attempt_opened_circuit(attempt) ? "   its circuit opens" : "");
}

/* Makes one call. Shows it if it is `loud`, or if it met an endpoint that is not well. Returns whether it was
 * shown. */
static int call(const ahoy_client *client, const ahoy_balancer *balancer, int loud) {
    ahoy_response *response;
    ahoy_error *err;
    double start = now_ms();
    check(ahoy_client_get(client, "/", &response, &err), err);
    double took = now_ms() - start;
    calls_made++;
    calls_answered += ahoy_response_status(response) == 200;
    if (took > slowest_ms) slowest_ms = took;

    size_t attempts = ahoy_response_attempt_count(response);
    for (size_t i = 0; i < attempts; i++) {
        int who = index_of(ahoy_attempt_url(ahoy_response_attempt_at(response, i)));
        tried[who]++;
        loud = loud || strcmp(cast[who].about, "is well") != 0;
    }
    if (loud) {
        printf("call %-3d  GET / -> %d   in %.1f ms, %zu %s\n", calls_made, (int)ahoy_response_status(response),
               took, attempts, attempts == 1 ? "attempt" : "attempts");
        for (size_t i = 0; i < attempts; i++) show_attempt(ahoy_response_attempt_at(response, i));
        show_circuits(balancer);
    }
    ahoy_response_free(response);
    return loud;
}

/* Calls until the circuit of an endpoint is closed again. Returns the milliseconds that it took, or -1. */
static double call_until_back(const ahoy_client *client, const ahoy_balancer *balancer, size_t index) {
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    double start = now_ms();
    int quiet = 0;
    while (circuit_of(balancer, index) != AHOY_CIRCUIT_CLOSED) {
        if (now_ms() - start > RECOVERY_LIMIT_MS) return -1;
        if (!call(client, balancer, 0)) quiet++;
        nanosleep(&pause, NULL);
    }
    printf("(and %d calls between these that well-1 and well-2 answered at once)\n\n", quiet);
    return now_ms() - start;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3) attempt_limit_ms = (unsigned)atoi(argv[2]);
    pid_t pid = argc == 2 || argc == 3 ? start_endpoints(argv[1]) : -1;
    if (pid < 0) {
        fprintf(stderr, "usage: %s ENDPOINTS_PROGRAM [ATTEMPT_LIMIT_MS]\n", argv[0]);
        return 2;
    }
    printf("libahoy %s: one service on five endpoints, three of them bad.\n\n", ahoy_version());
    for (int i = 0; i < ENDPOINTS; i++) printf("   %-9s :%-5u   %s\n", cast[i].name, ports[i], cast[i].about);
    printf("\nEach call goes round robin and may take 3 tries, of %u ms at most each. An open circuit gets no\n"
           "traffic but one probe from time to time.\n\n", attempt_limit_ms);

    ahoy_balancer *balancer;
    ahoy_client *client = build(&balancer);
    for (int i = 0; i < 8; i++) call(client, balancer, 1);

    heal("refusing");
    puts("=== 'refusing' starts to listen. Nobody tells the client; calls go on. ===\n");
    double back = call_until_back(client, balancer, 0);
    if (back >= 0) puts("=== 'refusing' is back and takes its share. ===\n");
    for (int i = 0; i < 3; i++) call(client, balancer, 1);

    ahoy_client_free(client);
    ahoy_balancer_free(balancer);
    fclose(to_endpoints); /* which ends the endpoints */
    fclose(from_endpoints);
    waitpid(pid, NULL, 0);

    printf("Summary: %d of %d calls answered 200, the slowest in %.0f ms; tried", calls_answered, calls_made,
           slowest_ms);
    for (int i = 0; i < ENDPOINTS; i++) printf(" %s %dx%s", cast[i].name, tried[i], i + 1 < ENDPOINTS ? "," : ";\n");
    if (back >= 0)
        printf("         'refusing' came back by itself %.0f ms after it had healed.\n", back);
    else
        puts("         'refusing' did not come back.");
    return calls_answered != calls_made || back < 0;
}
