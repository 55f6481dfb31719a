/* Scripted HTTP/1.1 endpoints on loopback, for the demo and the tests.
 *
 *     endpoints [NAME@]SCRIPT ...
 *
 * Each argument is one endpoint on a free port. Once all of them are ready, one line for each says
 * "NUMBER NAME PORT" (numbers from 1; the name is the script where none is given), then "ready".
 *
 *     ok                 200, and the body "hello from NAME"
 *     status=503         that status, always
 *     status=503:times=2 that status twice, then ok
 *     hang               accepts, reads and never answers
 *     refuse             the port is taken but nothing listens: connecting is refused
 *     echo               200; the body is the request: its line, its headers (sorted), its body
 *     redirect           302 to /landed, which is ok
 *     redirect=URL       302 to URL
 *
 * Every answer carries "X-Endpoint: NAME". Connections are kept alive. Commands on standard input, each
 * answered by a line (WHICH is a number or a name):
 *
 *     heal WHICH         script ok; a refusing endpoint starts to listen    done
 *     fail WHICH         script refuse; its connections are closed          done
 *     set WHICH SCRIPT   any other script                                   done
 *     hits WHICH         how many requests it got so far                    NUMBER
 *     quit               ends the program, as the end of the input does
 *
 * One thread and poll(2): the scripts need no more, and no lock can go wrong. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ENDPOINTS = 64, MAX_CONNECTIONS = 1024, MAX_TEXT = 256, MAX_REQUEST = 16 << 20 };

struct endpoint {
    char name[MAX_TEXT];
    char script[MAX_TEXT];
    int times_left; /* of "times=": answers with the bad status still to give; -1 without end */
    int fd;         /* bound; listening unless the script is refuse */
    unsigned short port;
    unsigned long hits;
};

struct connection {
    int fd;
    struct endpoint *endpoint;
    char *bytes;
    size_t length, capacity;
};

static struct endpoint endpoints[MAX_ENDPOINTS];
static size_t endpoint_count;
static struct connection connections[MAX_CONNECTIONS];
static size_t connection_count;

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Takes the endpoint's port, a free one at first. A port that is bound without listening refuses, and nobody
 * else can get it meanwhile. */
static void take_port(struct endpoint *endpoint) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    int on = 1;
    endpoint->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (endpoint->fd < 0) die("socket");
    setsockopt(endpoint->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(endpoint->port);
    if (bind(endpoint->fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    if (getsockname(endpoint->fd, (struct sockaddr *)&address, &length) != 0) die("getsockname");
    endpoint->port = ntohs(address.sin_port);
}

static int is_refusing(const struct endpoint *endpoint) { return strcmp(endpoint->script, "refuse") == 0; }

static void drop_connection(size_t index) {
    close(connections[index].fd);
    free(connections[index].bytes);
    connections[index] = connections[--connection_count];
}

static int is_script(const char *script) {
    static const char *const plain[] = {"ok", "hang", "refuse", "echo", "redirect"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(script, plain[i]) == 0) return 1;
    int status = 0, times = 0, end = 0;
    if (strncmp(script, "redirect=", 9) == 0) return script[9] != '\0';
    if (sscanf(script, "status=%3d%n", &status, &end) != 1 || status < 200) return 0;
    script += end;
    return *script == '\0' || (sscanf(script, ":times=%d%n", &times, &end) == 1 && script[end] == '\0');
}

/* Returns 0 for what is no script. */
static int set_script(struct endpoint *endpoint, const char *script) {
    if (!is_script(script)) return 0;
    int was_listening = !is_refusing(endpoint);
    snprintf(endpoint->script, MAX_TEXT, "%s", script);
    const char *times = strstr(script, ":times=");
    endpoint->times_left = times ? atoi(times + 7) : -1;
    if (is_refusing(endpoint) && was_listening) {
        for (size_t i = connection_count; i-- > 0;)
            if (connections[i].endpoint == endpoint) drop_connection(i);
        close(endpoint->fd);
        take_port(endpoint);
    } else if (!is_refusing(endpoint) && !was_listening) {
        if (listen(endpoint->fd, 128) != 0) die("listen");
    }
    return 1;
}

static void add_endpoint(const char *argument) {
    struct endpoint *endpoint = &endpoints[endpoint_count++];
    const char *at = strchr(argument, '@');
    const char *script = at ? at + 1 : argument;
    snprintf(endpoint->name, MAX_TEXT, "%.*s", at ? (int)(at - argument) : MAX_TEXT, argument);
    snprintf(endpoint->script, MAX_TEXT, "refuse"); /* the state that take_port leaves behind */
    take_port(endpoint);
    if (!set_script(endpoint, script)) {
        fprintf(stderr, "endpoints: no such script: %s\n", script);
        exit(2);
    }
}

static struct endpoint *find_endpoint(const char *which) {
    for (size_t i = 0; i < endpoint_count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        if (strcmp(which, endpoints[i].name) == 0 || strcmp(which, number) == 0) return &endpoints[i];
    }
    return NULL;
}

static void command(char *line) {
    char verb[16] = "", which[MAX_TEXT] = "", script[MAX_TEXT] = "";
    int words = sscanf(line, "%15s %255s %255s", verb, which, script);
    if (words == 1 && strcmp(verb, "quit") == 0) exit(0);
    struct endpoint *endpoint = find_endpoint(which);
    int done = 0;
    if (endpoint && words == 2 && strcmp(verb, "hits") == 0) {
        printf("%lu\n", endpoint->hits);
        return;
    }
    if (endpoint && words == 2 && strcmp(verb, "heal") == 0) done = set_script(endpoint, "ok");
    if (endpoint && words == 2 && strcmp(verb, "fail") == 0) done = set_script(endpoint, "refuse");
    if (endpoint && words == 3 && strcmp(verb, "set") == 0) done = set_script(endpoint, script);
    puts(done ? "done" : "what?");
}

static int send_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(fd, bytes, length);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return 0;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 1;
}

/* `extra` is one more header line or empty. */
static int answer(struct connection *connection, int status, const char *extra, const char *body,
                  size_t length, int with_body) {
    char head[3 * MAX_TEXT];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %d %s\r\nX-Endpoint: %s\r\nContent-Type: text/plain\r\n%s"
                        "Content-Length: %zu\r\n\r\n",
                        status, status < 400 ? "Fine" : "Not fine", connection->endpoint->name, extra, length);
    return send_all(connection->fd, head, (size_t)size) &&
           (!with_body || send_all(connection->fd, body, length));
}

static int compare_lines(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The request as it came, but with its headers in order and lines that end as texts do: what a client sends
 * first is its own business. */
static int echo(struct connection *connection, const char *request, size_t length, int with_body) {
    char *text = malloc(length + 1), *copy = malloc(length + 1), *lines[256];
    size_t count = 0, size = 0, head = (size_t)(strstr(request, "\r\n\r\n") + 4 - request);
    if (!text || !copy) die("malloc");
    memcpy(copy, request, length);
    copy[head - 4] = '\0';
    for (char *at = copy; at && count < 256; count++) {
        lines[count] = at;
        if ((at = strstr(at, "\r\n")) != NULL) {
            *at = '\0';
            at += 2;
        }
    }
    qsort(lines + 1, count - 1, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        size_t line = strlen(lines[i]);
        memcpy(text + size, lines[i], line);
        size += line;
        text[size++] = '\n';
    }
    text[size++] = '\n';
    memcpy(text + size, request + head, length - head);
    int sent = answer(connection, 200, "", text, size + length - head, with_body);
    free(text);
    free(copy);
    return sent;
}

/* Answers one complete request as its endpoint's script says. Returns 0 where the connection must go. */
static int serve(struct connection *connection, const char *request, size_t length) {
    struct endpoint *endpoint = connection->endpoint;
    const char *script = endpoint->script;
    char path[MAX_TEXT] = "", extra[MAX_TEXT + 16] = "", body[2 * MAX_TEXT];
    int status = 200, with_body = strncmp(request, "HEAD ", 5) != 0;
    sscanf(request, "%*s %255s", path);
    endpoint->hits++;
    if (strcmp(script, "hang") == 0) return 1;
    if (strcmp(script, "echo") == 0) return echo(connection, request, length, with_body);
    if (strncmp(script, "status=", 7) == 0 && endpoint->times_left != 0) {
        status = atoi(script + 7);
        if (endpoint->times_left > 0) endpoint->times_left--;
    } else if (strncmp(script, "redirect", 8) == 0 && strcmp(path, "/landed") != 0) {
        status = 302;
        snprintf(extra, sizeof extra, "Location: %s\r\n", script[8] == '=' ? script + 9 : "/landed");
    }
    if (status == 200)
        snprintf(body, sizeof body, "hello from %s\n", endpoint->name);
    else
        snprintf(body, sizeof body, "%d from %s\n", status, endpoint->name);
    return answer(connection, status, extra, body, strlen(body), with_body);
}

/* The value of a header in a head of `length` bytes that ends with NUL, or NULL. */
static const char *header(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            for (line += length + 1; *line == ' ';) line++;
            return line;
        }
    }
    return NULL;
}

/* Serves every complete request that has arrived. Returns 0 where the connection must go. */
static int serve_all(struct connection *connection) {
    for (;;) {
        char *bytes = connection->bytes;
        bytes[connection->length] = '\0';
        char *end = strstr(bytes, "\r\n\r\n");
        if (!end) return connection->length < 64 << 10;
        end[2] = '\0'; /* the headers alone, while they are looked through */
        const char *text = header(bytes, "Content-Length"), *keep = header(bytes, "Connection");
        unsigned long body = text ? strtoul(text, NULL, 10) : 0;
        int close_after = keep && strncasecmp(keep, "close", 5) == 0;
        end[2] = '\r';
        size_t whole = (size_t)(end + 4 - bytes) + body;
        if (body > MAX_REQUEST) return 0;
        if (connection->length < whole) return 1;
        if (!serve(connection, bytes, whole) || close_after) return 0;
        connection->length -= whole;
        memmove(bytes, bytes + whole, connection->length);
    }
}

static int read_some(struct connection *connection) {
    if (connection->capacity - connection->length < 4096) {
        connection->capacity = 2 * connection->capacity + 8192;
        connection->bytes = realloc(connection->bytes, connection->capacity);
        if (!connection->bytes) die("realloc");
    }
    /* One byte stays free for a NUL. */
    ssize_t got = read(connection->fd, connection->bytes + connection->length,
                       connection->capacity - connection->length - 1);
    if (got <= 0) return got < 0 && errno == EINTR;
    connection->length += (size_t)got;
    return serve_all(connection);
}

static void accept_one(struct endpoint *endpoint) {
    int on = 1, fd = accept(endpoint->fd, NULL, NULL);
    if (fd < 0) return; /* the peer has gone again */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connection_count == MAX_CONNECTIONS) {
        close(fd);
        return;
    }
    connections[connection_count++] = (struct connection){.fd = fd, .endpoint = endpoint};
}

/* Reads commands; ends the program with the input. */
static void read_commands(void) {
    static char buffer[4096];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, buffer + length, sizeof buffer - length - 1);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) exit(0);
    length += (size_t)got;
    buffer[length] = '\0';
    for (char *newline; (newline = memchr(buffer, '\n', length)) != NULL;) {
        *newline = '\0';
        command(buffer);
        length -= (size_t)(newline + 1 - buffer);
        memmove(buffer, newline + 1, length);
    }
    if (length == sizeof buffer - 1) length = 0; /* no command is that long */
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > MAX_ENDPOINTS) {
        fprintf(stderr, "usage: %s [NAME@]SCRIPT ...\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no reason to die */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) add_endpoint(argv[i]);
    for (size_t i = 0; i < endpoint_count; i++)
        printf("%zu %s %u\n", i + 1, endpoints[i].name, endpoints[i].port);
    puts("ready");

    static struct pollfd polled[1 + MAX_ENDPOINTS + MAX_CONNECTIONS];
    for (;;) {
        size_t connected = connection_count;
        polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        for (size_t i = 0; i < endpoint_count; i++) /* poll passes over what is negative */
            polled[1 + i] = (struct pollfd){.fd = is_refusing(&endpoints[i]) ? -1 : endpoints[i].fd, .events = POLLIN};
        struct pollfd *at = polled + 1 + endpoint_count;
        for (size_t i = 0; i < connected; i++)
            at[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        if (poll(polled, (nfds_t)(1 + endpoint_count + connected), -1) < 0) {
            if (errno == EINTR) continue;
            die("poll");
        }
        /* From the end, as a dropped connection's place is taken by the last; commands come last for the
         * same reason. */
        for (size_t i = connected; i-- > 0;)
            if (at[i].revents && !read_some(&connections[i])) drop_connection(i);
        for (size_t i = 0; i < endpoint_count; i++)
            if (polled[1 + i].revents & POLLIN) accept_one(&endpoints[i]);
        if (polled[0].revents) read_commands();
    }
}
