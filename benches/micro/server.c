/* A server with no choices, where nginx would add its own: one answer of 128 bytes to each request, on every
 * loopback address. Prints its port.
 *
 *     server           answers at once
 *     server HOLD      answers its first HOLD requests together once all are there, to have as many connections
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

enum { BODY = 128, MOST = 16384 };

static char answer[512];
static size_t answer_length;
static int held[MOST];

static void say(int descriptor) {
    if (send(descriptor, answer, answer_length, MSG_NOSIGNAL) < 0) close(descriptor);
}

int main(int argc, char **argv) {
    int hold = argc > 1 ? atoi(argv[1]) : 0, waiting = 0;
    if (hold > MOST) return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\nServer: fixed\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                          "Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n", BODY);
    memset(answer + length, 'x', BODY);
    answer_length = (size_t)length + BODY;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, MOST)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener) {
                int fresh = accept(listener, NULL, NULL);
                if (fresh < 0) continue;
                setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                event.data.fd = fresh;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fresh, &event);
                continue;
            }
            /* A request comes in one piece and has no body. */
            char request[4096];
            if (recv(descriptor, request, sizeof request, 0) <= 0) {
                close(descriptor);
            } else if (waiting < hold) {
                held[waiting++] = descriptor;
                for (int each = 0; waiting == hold && each < hold; each++) say(held[each]);
            } else {
                say(descriptor);
            }
        }
    }
}
