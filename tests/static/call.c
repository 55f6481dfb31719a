/* A whole program in one file: a server on loopback, and a call to it by its address. Linked beside a second Rust
 * archive (other.rs) where OTHER is defined. */
#include <ahoy.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef OTHER
int other_sum(const int *numbers, size_t count);
#endif

static void *serve(void *listener)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for (;;) {
        char request[4096];
        int peer = accept(*(int *)listener, NULL, NULL);
        if (peer < 0 || read(peer, request, sizeof request) <= 0)
            continue;
        if (write(peer, answer, sizeof answer - 1) < 0)
            return NULL;
        close(peer);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t server;
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        pthread_create(&server, NULL, serve, &listener) != 0)
        return 2;
#ifdef OTHER
    const int numbers[] = {1, 2, 3};
    if (other_sum(numbers, 3) != 6)
        return 3;
#endif
    ahoy_provider *provider = ahoy_provider_list_new();
    ahoy_provider_list_add(provider, "127.0.0.1", ntohs(address.sin_port), NULL);
    ahoy_balancer *balancer = ahoy_balancer_round_robin_new(provider);
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    ahoy_response *response;
    ahoy_request *request;
    ahoy_call *call;
    ahoy_error *error;
    if (ahoy_client_builder_set_balancer(builder, balancer, NULL) != AHOY_OK ||
        ahoy_client_builder_build(builder, &client, NULL) != AHOY_OK)
        return 4;
    /* On this thread, and on one of the library's. */
    if (ahoy_client_get(client, "/", &response, &error) != AHOY_OK) {
        fprintf(stderr, "%s\n", ahoy_error_message(error));
        return 5;
    }
    if (ahoy_response_status(response) != 200 || memcmp(ahoy_response_body(response, NULL), "hi", 2) != 0)
        return 6;
    ahoy_response_free(response);
    if (ahoy_request_new("GET", "/", &request, NULL) != AHOY_OK ||
        ahoy_client_start(client, request, &call, NULL) != AHOY_OK ||
        ahoy_call_wait(call, 5000, &response, NULL) != AHOY_OK || ahoy_response_status(response) != 200)
        return 7;
    puts("well");
    return 0;
}
