/* HTTP/1.1 servers on loopback that misbehave on a schedule, for the soak.
 *
 *     servers SEED COUNT
 *
 * COUNT servers on free ports in one process; one line says their ports. Each server takes up another manner every
 * 0.2 to 1.5 s, as SEED says. A request's path is "/<id>", its body is all of one letter that follows from the id.
 * A good answer says whose it is (X-Id) and how long its body is (X-Length); an answer that no client may take for
 * a good one says so (X-Bad). The preface of HTTP/2 gets some answer, of another protocol. A POST of which the servers saw the head twice is counted as doubled.
 *
 * Commands on standard input, each answered by a line:
 *
 *     report             OPEN-CONNECTIONS REQUESTS CHANGES DOUBLED-POSTS BROKEN-REQUESTS, then requests by manner
 *     calm               every server behaves from now on                    done
 *     wild               back to the schedule                                done
 *
 * The end of the input ends the program. One thread and epoll, so that no lock can go wrong here. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SERVERS = 64, HEAD_BYTES = 16 << 10, IDS = 1 << 27, TICK_MS = 5 };

enum manner { OK, BIG, SLOW, HANG, GARBAGE, CLOSE, RESET, S503, TRUNCATED, RESTART, MANNERS };
static const char *const names[MANNERS] = {"ok",    "big",   "slow", "hang",      "garbage",
                                           "close", "reset", "503",  "truncated", "restart"};
static const unsigned shares[MANNERS] = {34, 8, 8, 6, 8, 6, 8, 8, 8, 6}; /* per cent */

struct server {
    int fd; /* bound, and listening unless the manner is restart */
    unsigned short port;
    enum manner manner;
    unsigned variant;
    int deaf; /* accepts nobody */
    uint64_t until, random; /* the schedule does not hang on what requests come */
};

struct connection {
    int fd; /* -1 for a free one */
    struct server *server;
    char in[HEAD_BYTES];
    size_t in_length;
    uint64_t id, body_left; /* of the request */
    int is_head, is_http2, in_body, answering, waits_to_write;
    unsigned requests_left;
    char out[HEAD_BYTES];
    size_t out_length, out_sent;
    uint64_t pattern_left, pattern_at; /* of the answer's body */
    uint64_t due;
    int drip;
    enum { KEEP, SHUT, RESET_IT, NEVER } after;
    struct connection *next_free;
};

static struct server servers[MOST_SERVERS];
static size_t server_count;
static struct connection **connections;
static size_t connection_count; /* ever made */
static struct connection *free_list;
static int poller, calm;
static uint64_t open_connections, requests, changes, doubled, broken, by_manner[MANNERS], random_state;
static uint8_t *posts_seen;
static char pattern[(64 << 10) + 26];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t draw_from(uint64_t *state, uint64_t below) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

static uint64_t draw(uint64_t below) { return draw_from(&random_state, below); }

static uint64_t now_ms(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void watch(int change, int fd, uint32_t events, void *what) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(poller, change, fd, &event) != 0) die("epoll_ctl");
}

/* A port that is bound without listening refuses, and nobody else can get it meanwhile. */
static void take_port(struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    socklen_t length = sizeof address;
    int on = 1;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->fd < 0) die("socket");
    setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    if (getsockname(server->fd, (struct sockaddr *)&address, &length) != 0) die("getsockname");
    server->port = ntohs(address.sin_port);
}

static void start_listening(struct server *server) {
    if (listen(server->fd, 256) != 0) die("listen");
    watch(EPOLL_CTL_ADD, server->fd, EPOLLIN, server);
}

static void drop(struct connection *connection, int reset) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset) setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(connection->fd);
    connection->fd = -1;
    connection->next_free = free_list;
    free_list = connection;
    open_connections--;
}

static void change_manner(struct server *server, uint64_t now) {
    enum manner before = server->manner;
    unsigned roll = (unsigned)draw_from(&server->random, 100), manner = 0;
    while (roll >= shares[manner]) roll -= shares[manner++];
    server->manner = calm ? OK : (enum manner)manner;
    server->variant = (unsigned)draw_from(&server->random, 1000);
    server->until = now + 200 + draw_from(&server->random, 1300);
    changes++;
    int deaf = server->manner == HANG && server->variant % 4 == 0;
    if (server->deaf != deaf && before != RESTART && server->manner != RESTART)
        watch(EPOLL_CTL_MOD, server->fd, deaf ? 0 : EPOLLIN, server);
    if (server->manner == RESTART && before != RESTART) {
        for (size_t i = 0; i < connection_count; i++)
            if (connections[i]->fd >= 0 && connections[i]->server == server) drop(connections[i], draw(2) == 0);
        close(server->fd);
        take_port(server);
        deaf = 0;
    } else if (server->manner != RESTART && before == RESTART) {
        start_listening(server);
        if (deaf) watch(EPOLL_CTL_MOD, server->fd, 0, server);
    }
    server->deaf = deaf;
}

static void put(struct connection *connection, const char *text) {
    size_t room = HEAD_BYTES - connection->out_length, length = strlen(text);
    if (length > room) length = room;
    memcpy(connection->out + connection->out_length, text, length);
    connection->out_length += length;
}

static void good_answer(struct connection *connection, uint64_t id, int is_head, uint64_t length) {
    char head[512];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Id: %llu\r\nX-Length: %llu\r\nContent-Length: %llu\r\n\r\n",
             (unsigned long long)id, (unsigned long long)length, (unsigned long long)length);
    put(connection, head);
    connection->pattern_at = id;
    connection->pattern_left = is_head ? 0 : length;
}

static void chunked_answer(struct connection *connection, uint64_t id, int is_head) {
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nX-Id: %llu\r\nX-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", (unsigned long long)id);
    put(connection, text);
    if (is_head) return;
    snprintf(text, sizeof text, "2;x=y\r\n%.2s\r\n3\r\n%.3s\r\n0\r\nX-Trailer: 1\r\n\r\n", pattern + id % 26,
             pattern + (id + 2) % 26);
    put(connection, text);
}

static void garbage_answer(struct connection *connection, unsigned variant, int is_head) {
    static const char *const texts[] = {
        "HTTP/1.1 abc\r\nX-Bad: status\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Bad: length\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-Bad: lengths\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-Bad: no colon\r\nwhat is this\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Bad: chunk\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nX-Bad: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        "220 mail.example ESMTP\r\n",
        "\r\n\r\n\r\n\r\n",
    };
    enum { TEXTS = sizeof texts / sizeof *texts };
    unsigned which = variant % (TEXTS + 2);
    if (is_head) which = 6; /* without a body most of the others are good answers */
    connection->after = draw(2) ? SHUT : NEVER;
    if (which < TEXTS) {
        put(connection, texts[which]);
    } else if (which == TEXTS) {
        for (unsigned i = 0; i < 700; i++) connection->out[connection->out_length++] = (char)draw(256);
        connection->out[0] = 0x16;
    } else { /* a head that has no end */
        put(connection, "HTTP/1.1 200 OK\r\nX-Bad: endless: ");
        connection->pattern_left = 4 << 20;
    }
}

static void truncated_answer(struct connection *connection, unsigned variant, int is_head) {
    connection->after = variant % 2 ? SHUT : RESET_IT;
    if (is_head) {
        put(connection, "HTTP/1.1 200 OK\r\nX-Bad: half a head\r\nX-");
    } else if (variant % 3 == 0) {
        put(connection, "HTTP/1.1 200 OK\r\nX-Bad: cut\r\nContent-Length: 5000\r\n\r\n");
        connection->pattern_left = draw(5000);
    } else if (variant % 3 == 1) {
        put(connection, "HTTP/1.1 200 OK\r\nX-Bad: cut\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    } else {
        put(connection, "HTTP/1.1 200 OK\r\nX-Bad: cut\r\nContent-Length: 3000000\r\n\r\n");
        connection->pattern_left = 1000000 + draw(1000000);
    }
}

/* Decides on the answer to a whole request. Returns 0 where the connection must go. */
static int answer(struct connection *connection) {
    struct server *server = connection->server;
    unsigned variant = server->variant + (unsigned)draw(7);
    int is_head = connection->is_head;
    uint64_t now = now_ms(), id = connection->id;
    connection->answering = 1;
    connection->out_length = connection->out_sent = 0;
    connection->pattern_left = connection->pattern_at = 0;
    connection->due = now;
    connection->drip = 0;
    connection->after = connection->requests_left-- > 1 ? KEEP : SHUT;
    if (connection->is_http2) {
        connection->after = draw(2) ? SHUT : draw(2) ? RESET_IT : NEVER;
        if (draw(2)) put(connection, "HTTP/1.1 400 What is this\r\nContent-Length: 0\r\n\r\n");
        return 1;
    }
    by_manner[server->manner]++;
    switch (server->manner) {
    case OK:
    case RESTART:
    case MANNERS:
        if (variant % 4 == 0)
            chunked_answer(connection, id, is_head);
        else
            good_answer(connection, id, is_head, draw(3000));
        break;
    case BIG: good_answer(connection, id, is_head, (64 << 10) + draw(1200 << 10)); break;
    case SLOW:
        good_answer(connection, id, is_head, draw(1000));
        connection->due = now + 5 + draw(400);
        connection->drip = variant % 2 == 0;
        break;
    case HANG:
        connection->after = NEVER;
        if (variant % 3 == 0 && !is_head) put(connection, "HTTP/1.1 200 OK\r\nX-Bad: half\r\nContent-Length: 10\r\n\r\nhalf");
        break;
    case GARBAGE: garbage_answer(connection, variant, is_head); break;
    case CLOSE: drop(connection, 0); return 0;
    case RESET: drop(connection, 1); return 0;
    case S503:
        put(connection, "HTTP/1.1 503 Not now\r\n");
        if (variant % 5 == 0) put(connection, variant % 2 ? "Retry-After: 0\r\n" : "Retry-After: 1\r\n");
        put(connection, "Content-Length: 0\r\n\r\n");
        break;
    case TRUNCATED: truncated_answer(connection, variant, is_head); break;
    }
    return 1;
}

/* Sends what is due. Returns 0 where the connection is gone. */
static int send_some(struct connection *connection) {
    if (!connection->answering || now_ms() < connection->due) return 1;
    while (connection->out_sent < connection->out_length || connection->pattern_left > 0) {
        const char *from = connection->out + connection->out_sent;
        size_t length = connection->out_length - connection->out_sent;
        int is_pattern = length == 0;
        if (is_pattern) {
            from = pattern + connection->pattern_at % 26;
            length = connection->pattern_left < 64 << 10 ? (size_t)connection->pattern_left : 64 << 10;
        }
        if (connection->drip && length > 25) length = 25;
        ssize_t sent = send(connection->fd, from, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!connection->waits_to_write) watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN | EPOLLOUT, connection);
            connection->waits_to_write = 1;
            return 1;
        }
        if (sent <= 0) {
            drop(connection, 0);
            return 0;
        }
        if (is_pattern) {
            connection->pattern_left -= (uint64_t)sent;
            connection->pattern_at += (uint64_t)sent;
        } else {
            connection->out_sent += (size_t)sent;
        }
        if (connection->drip && (connection->out_sent < connection->out_length || connection->pattern_left > 0)) {
            connection->due = now_ms() + TICK_MS;
            return 1;
        }
    }
    if (connection->waits_to_write) watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
    connection->waits_to_write = 0;
    if (connection->after == NEVER) return 1;
    connection->answering = 0;
    if (connection->after == KEEP) return 1;
    drop(connection, connection->after == RESET_IT);
    return 0;
}

/* Takes in the head and body of requests. Returns 0 where the connection is gone. */
static int take_in(struct connection *connection) {
    static char head[HEAD_BYTES + 1];
    if (!connection->in_body) {
        char *end = memmem(connection->in, connection->in_length, "\r\n\r\n", 4);
        if (!end) {
            if (connection->in_length < HEAD_BYTES) return 1;
            broken++;
            drop(connection, 0);
            return 0;
        }
        size_t length = (size_t)(end + 4 - connection->in);
        memcpy(head, connection->in, length);
        head[length] = '\0';
        connection->in_length -= length;
        memmove(connection->in, connection->in + length, connection->in_length);
        requests++;
        if (strncmp(head, "PRI * ", 6) == 0) {
            connection->is_http2 = 1;
            return answer(connection) && send_some(connection);
        }
        const char *slash = strstr(head, " /"), *size = strcasestr(head, "\r\ncontent-length:");
        uint64_t id = slash ? strtoull(slash + 2, NULL, 10) : 0;
        if (id == 0 || id >= IDS) broken++;
        connection->id = id;
        connection->is_head = strncmp(head, "HEAD ", 5) == 0;
        connection->body_left = size ? strtoull(size + 17, NULL, 10) : 0;
        if (strncmp(head, "POST ", 5) == 0 && id < IDS) {
            if (posts_seen[id / 8] & 1 << id % 8) doubled++;
            posts_seen[id / 8] |= (uint8_t)(1 << id % 8);
        }
        /* Some answers come before the body was read. */
        int early = connection->server->manner == RESET || connection->server->manner == CLOSE;
        if (early && connection->body_left > 0) return answer(connection);
        connection->in_body = 1;
    }
    size_t now = connection->body_left < connection->in_length ? (size_t)connection->body_left : connection->in_length;
    for (size_t i = 0; i < now; i++)
        if (connection->in[i] != (char)('a' + connection->id % 26)) {
            broken++;
            break;
        }
    connection->in_length -= now;
    memmove(connection->in, connection->in + now, connection->in_length);
    connection->body_left -= now;
    if (connection->body_left > 0) return 1;
    connection->in_body = 0;
    return answer(connection) && send_some(connection);
}

static void read_some(struct connection *connection) {
    for (int i = 0; i < 64; i++) {
        ssize_t got =
            recv(connection->fd, connection->in + connection->in_length, HEAD_BYTES - connection->in_length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            drop(connection, 0);
            return;
        }
        connection->in_length += (size_t)got;
        if (connection->answering || connection->is_http2) { /* nobody asks while an answer is under way */
            broken += connection->after == KEEP;
            connection->in_length = 0;
            continue;
        }
        if (!take_in(connection)) return;
    }
}

static void accept_some(struct server *server) {
    for (int i = 0; i < 64; i++) {
        int on = 1, fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = free_list;
        if (connection) {
            free_list = connection->next_free;
        } else {
            connections = realloc(connections, (connection_count + 1) * sizeof *connections);
            connection = malloc(sizeof *connection);
            if (!connections || !connection) die("malloc");
            connections[connection_count++] = connection;
        }
        connection->fd = fd;
        connection->server = server;
        connection->in_length = connection->out_length = connection->out_sent = 0;
        connection->body_left = connection->pattern_left = 0;
        connection->is_http2 = connection->in_body = connection->answering = connection->waits_to_write = 0;
        connection->requests_left = 1 + (unsigned)draw(60);
        open_connections++;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
        if ((server->manner == RESET || server->manner == CLOSE) && server->variant % 3 == 0)
            drop(connection, server->manner == RESET);
    }
}

static void tick(uint64_t now) {
    for (size_t i = 0; i < server_count; i++)
        if (now >= servers[i].until && !(calm && servers[i].manner == OK)) change_manner(&servers[i], now);
    for (size_t i = 0; i < connection_count; i++) {
        struct connection *connection = connections[i];
        if (connection->fd >= 0 && connection->answering && !connection->waits_to_write) send_some(connection);
    }
}

static void read_command(void) {
    char text[64] = "";
    ssize_t got = read(STDIN_FILENO, text, sizeof text - 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) exit(0);
    if (strncmp(text, "report", 6) == 0) {
        printf("%llu %llu %llu %llu %llu", (unsigned long long)open_connections, (unsigned long long)requests,
               (unsigned long long)changes, (unsigned long long)doubled, (unsigned long long)broken);
        for (int i = 0; i < RESTART; i++) printf(" %s=%llu", names[i], (unsigned long long)by_manner[i]);
        puts("");
        return;
    }
    calm = strncmp(text, "calm", 4) == 0;
    for (size_t i = 0; i < server_count; i++) servers[i].until = 0;
    puts("done");
}

int main(int argc, char **argv) {
    struct rlimit limit;
    if (argc != 3 || (server_count = strtoul(argv[2], NULL, 10)) == 0 || server_count > MOST_SERVERS) {
        fprintf(stderr, "usage: %s SEED COUNT\n", argv[0]);
        return 2;
    }
    random_state = strtoull(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    posts_seen = calloc(IDS / 8, 1);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!posts_seen || poller < 0) die("start");
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < server_count; i++) {
        servers[i].random = random_state + i * 7919;
        take_port(&servers[i]);
        start_listening(&servers[i]);
        printf("%u%s", servers[i].port, i + 1 < server_count ? " " : "\n");
    }
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);
    for (uint64_t next = 0;;) {
        struct epoll_event events[256];
        int count = epoll_wait(poller, events, 256, TICK_MS);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == NULL) {
                read_command();
            } else if (what >= (void *)servers && what < (void *)(servers + server_count)) {
                struct server *server = what;
                if (server->manner != RESTART && !server->deaf) accept_some(server);
            } else {
                struct connection *connection = what;
                if (connection->fd < 0) continue; /* went with an event before this one */
                if (events[i].events & EPOLLOUT && !send_some(connection)) continue;
                if (events[i].events & ~(uint32_t)EPOLLOUT) read_some(connection);
            }
        }
        uint64_t now = now_ms();
        if (now >= next) {
            tick(now);
            next = now + TICK_MS;
        }
    }
}
