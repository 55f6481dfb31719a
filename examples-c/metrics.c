/* Statistics for Prometheus: calls a service, serves /metrics, and prints the events that come meanwhile.
 *
 *     metrics PORT HOST:PORT ...        (0 for any free port; the endpoints of the service)
 *
 * One thread calls the service again and again. The main thread is a small web server: GET /metrics answers with the
 * statistics, in OpenMetrics where the scraper asks for it; GET /explain with the state of each endpoint; GET /quit
 * ends the program.
 */
#define _POSIX_C_SOURCE 200809L
#include <ahoy.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct service {
    ahoy_client *client;
    ahoy_balancer *balancer;
    ahoy_queue *events;
    atomic_bool ends;
};

static int failed(ahoy_error *err) {
    fprintf(stderr, "%s\n", ahoy_error_message(err));
    ahoy_error_free(err);
    return 1;
}

/* A client of the endpoints HOST:PORT; its events go on a queue. */
static ahoy_status build(struct service *service, int count, char **endpoints, ahoy_error **err) {
    ahoy_provider *provider = ahoy_provider_list_new();
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_status status = AHOY_OK;
    for (int i = 0; i < count && !status; i++) {
        char host[256];
        snprintf(host, sizeof host, "%s", endpoints[i]);
        char *colon = strrchr(host, ':');
        if (colon) *colon = 0;
        status = ahoy_provider_list_add(provider, host, (uint16_t)(colon ? atoi(colon + 1) : 80), err);
    }
    service->balancer = ahoy_balancer_new(provider);
    if (!status) status = ahoy_queue_new(&service->events, err);
    if (!status) status = ahoy_client_builder_set_balancer(builder, service->balancer, err);
    if (!status) status = ahoy_client_builder_set_timeout_ms(builder, 2000, err);
    if (!status) status = ahoy_client_builder_set_max_in_flight(builder, 64, err);
    if (!status) status = ahoy_client_builder_add_event_queue(builder, service->events, err);
    if (!status) status = ahoy_client_builder_build(builder, &service->client, err);
    ahoy_client_builder_free(builder);
    ahoy_provider_free(provider);
    return status;
}

/* About a hundred calls a second, and what happened meanwhile. */
static void *call(void *argument) {
    struct service *service = argument;
    const struct timespec pause = {0, 10 * 1000 * 1000};
    while (!atomic_load(&service->ends)) {
        ahoy_response *response;
        ahoy_event *event;
        ahoy_client_get(service->client, "/", &response, NULL);
        ahoy_response_free(response);
        while (!ahoy_queue_next_event(service->events, 0, &event, NULL) && event) {
            printf("event %d: %s\n", (int)ahoy_event_kind(event), ahoy_event_text(event));
            ahoy_event_free(event);
        }
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void send_all(int connection, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(connection, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void answer(int connection, const char *type, const char *body, size_t length) {
    char head[256];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                        type, length);
    send_all(connection, head, (size_t)size);
    send_all(connection, body, length);
}

/* The text of the statistics in the format that the scraper accepts. */
static ahoy_status metrics(const struct service *service, bool open, ahoy_text **text, ahoy_error **err) {
    ahoy_snapshot *snapshot;
    ahoy_status status = ahoy_client_snapshot(service->client, &snapshot, err);
    int format = open ? AHOY_FORMAT_OPENMETRICS : AHOY_FORMAT_PROMETHEUS;
    if (!status) status = ahoy_snapshot_text(snapshot, format, text, err);
    ahoy_snapshot_free(snapshot);
    return status;
}

/* Answers one request. A scraper sends all of its head at once. */
static void serve(struct service *service, int connection) {
    char head[4096];
    ssize_t count = recv(connection, head, sizeof head - 1, 0);
    if (count <= 0) return;
    head[count] = 0;
    bool open = strstr(head, "application/openmetrics-text") != NULL;
    const char *type = PROMETHEUS;
    ahoy_text *text = NULL;
    ahoy_error *err = NULL;
    size_t length = 0;
    if (!strncmp(head, "GET /quit ", 10)) {
        atomic_store(&service->ends, true);
        answer(connection, type, "", 0);
        return;
    }
    ahoy_status status;
    if (!strncmp(head, "GET /explain ", 13)) {
        status = ahoy_balancer_explain(service->balancer, &text, &err);
    } else {
        status = metrics(service, open, &text, &err);
        type = open ? OPENMETRICS : PROMETHEUS;
    }
    if (status) failed(err);
    const char *body = ahoy_text_bytes(text, &length);
    answer(connection, type, body, length);
    ahoy_text_free(text);
}

/* A socket on loopback that listens on a port, or on any free one. */
static int listener(int port) {
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    int yes = 1;
    setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_fd, (struct sockaddr *)&address, size) || listen(socket_fd, 16) ||
        getsockname(socket_fd, (struct sockaddr *)&address, &size)) {
        perror("listen");
        exit(1);
    }
    printf("metrics on http://127.0.0.1:%d/metrics\n", ntohs(address.sin_port));
    fflush(stdout);
    return socket_fd;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: metrics PORT HOST:PORT ...\n");
        return 2;
    }
    struct service service = {0};
    ahoy_error *err = NULL;
    if (build(&service, argc - 2, argv + 2, &err)) return failed(err);
    int socket_fd = listener(atoi(argv[1]));
    pthread_t caller;
    pthread_create(&caller, NULL, call, &service);
    while (!atomic_load(&service.ends)) {
        int connection = accept(socket_fd, NULL, NULL);
        if (connection < 0) continue;
        serve(&service, connection);
        close(connection);
    }
    pthread_join(caller, NULL);
    close(socket_fd);
    ahoy_client_free(service.client);
    ahoy_balancer_free(service.balancer);
    ahoy_queue_free(service.events);
    printf("done\n");
    return 0;
}
