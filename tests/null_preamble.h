/*
 * The hand-written part of the NULL test: how to make a handle, what a good argument is, and where the
 * general rules do not hold. Included by null_runtime.h.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* Pointers that are documented as optional: "function.parameter" or "*.parameter". */
static const char *const may_be_null[] = {"*.content_type", "ahoy_request_set_body_source.rewind",
                                          "ahoy_balancer_set_health_check.path", "ahoy_event_number.number",
                                          "ahoy_request_set_idempotency_key.header",
                                          "ahoy_request_set_idempotency_key.value", NULL};

/* Text that is bytes and need not be UTF-8. */
static const char *const may_be_any_bytes[] = {
    "ahoy_client_builder_add_header.value", "ahoy_request_add_header.value", "ahoy_request_set_header.value",
    "ahoy_request_set_idempotency_key.value", NULL};

/* Numbers that are only tried as 0, because anything else may rightly wait for ever. */
static const char *const must_be_moderate[] = {NULL};

/* A server for the calls that go through: it answers whatever it is sent. */
static uint16_t server_port;

static void *answer(void *argument)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n"
                                "X-Name: value\r\n\r\nhello";
    int connection = (int)(intptr_t)argument;
    char request[4096];
    if (read(connection, request, sizeof request) > 0 && write(connection, reply, sizeof reply - 1) > 0) {
        /* A close with unread bytes would reset the connection and take the answer along. */
        shutdown(connection, SHUT_WR);
        while (read(connection, request, sizeof request) > 0)
            continue;
    }
    close(connection);
    return NULL;
}

static void *serve(void *argument)
{
    for (;;) {
        int connection = accept((int)(intptr_t)argument, NULL, NULL);
        pthread_t thread;
        if (connection < 0)
            continue;
        if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            close(connection);
    }
    return NULL;
}

/* Runs once, before the first case. */
static void prepare(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)listener) != 0) {
        perror("null: no server on loopback");
        exit(1);
    }
    pthread_detach(thread);
    server_port = ntohs(address.sin_port);
}

static const char *good_text(const char *function, const char *parameter)
{
    if (strcmp(parameter, "path") == 0 || strcmp(parameter, "probe_path") == 0)
        return "/";
    if (strcmp(parameter, "address") == 0)
        return "127.0.0.1";
    if (strcmp(parameter, "base_url") == 0)
        return "http://127.0.0.1:1";
    if (strncmp(parameter, "method", strlen("method")) == 0)
        return "GET";
    if (strcmp(function, "ahoy_client_builder_set") == 0)
        return strcmp(parameter, "key") == 0 ? "max_in_flight" : "1";
    if (strcmp(function, "ahoy_retry_set") == 0)
        return strcmp(parameter, "key") == 0 ? "tries" : "1";
    if (strcmp(function, "ahoy_breaker_set") == 0)
        return strcmp(parameter, "key") == 0 ? "min_closed" : "1";
    if (strcmp(function, "ahoy_balancer_set") == 0)
        return strcmp(parameter, "key") == 0 ? "max_in_flight" : "1";
    return "a";
}

static uint64_t good_number(const char *function, const char *parameter)
{
    (void)function;
    /* The first of a list; everything else takes a 1. */
    return strcmp(parameter, "index") == 0 ? 0 : 1;
}

static double good_real(const char *function, const char *parameter)
{
    (void)function;
    return strcmp(parameter, "backoff") == 0 ? 2.0 : 0.5;
}

static void refused_inside(const char *what, ahoy_status status)
{
    if (status != AHOY_E_INVALID_ARGUMENT)
        complain(what, ahoy_status_name(status));
}

/* The only place where an `ahoy_hosts` is to be had, so its functions are tried here. */
static ahoy_status stub_ahoy_provider_fn(void *user_data, ahoy_hosts *out)
{
    (void)user_data;
    refused_inside("ahoy_hosts_add takes NULL:", ahoy_hosts_add(out, NULL, 80, NULL));
    refused_inside("ahoy_hosts_add takes bad UTF-8:", ahoy_hosts_add(out, "\xff\xfe", 80, NULL));
    refused_inside("ahoy_hosts_add takes port 0:", ahoy_hosts_add(out, "127.0.0.1", 0, NULL));
    refused_inside("ahoy_hosts_add_host takes NULL:", ahoy_hosts_add_host(out, NULL, NULL));
    return ahoy_hosts_add(out, "127.0.0.1", server_port, NULL);
}

static ahoy_provider *make_ahoy_provider(void)
{
    ahoy_provider *provider = ahoy_provider_list_new();
    ahoy_provider_list_add(provider, "127.0.0.1", server_port, NULL);
    return provider;
}

static ahoy_balancer *make_ahoy_balancer(void)
{
    ahoy_provider *provider = ahoy_provider_custom_new(stub_ahoy_provider_fn, NULL, NULL);
    ahoy_balancer *balancer = ahoy_balancer_random_new(provider);
    ahoy_provider_free(provider);
    return balancer;
}

static ahoy_host *make_ahoy_host(void) { return ahoy_host_new("127.0.0.1", server_port); }
static ahoy_hosts *make_ahoy_hosts(void) { return ahoy_hosts_new(); }
static ahoy_breaker *make_ahoy_breaker(void) { return ahoy_breaker_new(); }
static ahoy_retry *make_ahoy_retry(void) { return ahoy_retry_new(); }
static ahoy_client_builder *make_ahoy_client_builder(void) { return ahoy_client_builder_new(); }

static ahoy_endpoint *make_ahoy_endpoint(void)
{
    ahoy_endpoint *endpoint = NULL;
    ahoy_balancer *balancer = make_ahoy_balancer();
    ahoy_balancer_pick(balancer, &endpoint, NULL);
    ahoy_balancer_free(balancer);
    return endpoint;
}

static ahoy_client *make_ahoy_client(void)
{
    ahoy_client *client = NULL;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_balancer *balancer = make_ahoy_balancer();
    ahoy_client_builder_set_balancer(builder, balancer, NULL);
    ahoy_client_builder_build(builder, &client, NULL);
    ahoy_client_builder_free(builder);
    ahoy_balancer_free(balancer);
    return client;
}

static ahoy_request *make_ahoy_request(void)
{
    ahoy_request *request = NULL;
    ahoy_request_new("GET", "/", &request, NULL);
    return request;
}

/* In turns with its whole body and with one that is still to be read. */
static ahoy_response *make_ahoy_response(void)
{
    static bool streamed;
    ahoy_response *response = NULL;
    ahoy_client *client = make_ahoy_client();
    ahoy_request *request = make_ahoy_request();
    ahoy_request_set_streamed(request, streamed = !streamed, NULL);
    ahoy_client_send(client, request, &response, NULL);
    ahoy_request_free(request);
    ahoy_client_free(client);
    return response;
}

/* The error of a call that was refused, with its attempts. */
static ahoy_error *make_ahoy_error(void)
{
    ahoy_error *error = NULL;
    ahoy_client *client = NULL;
    ahoy_response *response = NULL;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client_builder_set_base_url(builder, "http://127.0.0.1:1", NULL);
    ahoy_client_builder_build(builder, &client, NULL);
    ahoy_client_get(client, "/", &response, &error);
    ahoy_response_free(response);
    ahoy_client_free(client);
    ahoy_client_builder_free(builder);
    return error;
}

/* Lent by its error, which lives as long as the case. */
static ahoy_error *error_of_attempt;

static ahoy_attempt *make_ahoy_attempt(void)
{
    error_of_attempt = make_ahoy_error();
    return (ahoy_attempt *)ahoy_error_attempt_at(error_of_attempt, 0);
}

static void drop_ahoy_attempt(ahoy_attempt *attempt)
{
    if (attempt != NULL)
        ahoy_error_free(error_of_attempt);
}

static ahoy_text *make_ahoy_text(void)
{
    ahoy_text *text = NULL;
    ahoy_client *client = make_ahoy_client();
    ahoy_client_config_text(client, &text, NULL);
    ahoy_client_free(client);
    return text;
}

static ahoy_snapshot *make_ahoy_snapshot(void)
{
    ahoy_snapshot *snapshot = NULL;
    ahoy_client *client = make_ahoy_client();
    ahoy_response *response = NULL;
    ahoy_client_get(client, "/", &response, NULL);
    ahoy_response_free(response);
    ahoy_client_snapshot(client, &snapshot, NULL);
    ahoy_client_free(client);
    return snapshot;
}

/* The only place where an `ahoy_sample` is to be had, so its accessors are tried here. */
static void stub_ahoy_sample_fn(void *user_data, const ahoy_sample *sample)
{
    (void)user_data;
    size_t labels = ahoy_sample_label_count(sample), buckets = ahoy_sample_bucket_count(sample);
    if (ahoy_sample_name(sample) == NULL || ahoy_sample_help(sample) == NULL || ahoy_sample_kind(sample) < 0)
        complain("ahoy_sample", "tells no name, help or kind");
    if (ahoy_sample_label_name_at(sample, labels) != NULL || ahoy_sample_label_value_at(sample, labels) != NULL)
        complain("ahoy_sample", "tells a label out of range");
    if (ahoy_sample_bucket_bound_at(sample, buckets) != 0 || ahoy_sample_bucket_value_at(sample, buckets) != 0)
        complain("ahoy_sample", "tells a bucket out of range");
    (void)ahoy_sample_value(sample);
}

/* An event of a list that was told for the first time. */
static ahoy_event *make_ahoy_event(void)
{
    ahoy_event *event = NULL;
    ahoy_queue *queue = NULL;
    ahoy_balancer *balancer = make_ahoy_balancer();
    ahoy_queue_new(&queue, NULL);
    ahoy_balancer_add_event_queue(balancer, queue, NULL);
    ahoy_balancer_update(balancer, NULL);
    ahoy_queue_next_event(queue, AHOY_FOREVER, &event, NULL);
    ahoy_queue_free(queue);
    ahoy_balancer_free(balancer);
    return event;
}

static ahoy_call *make_ahoy_call(void)
{
    ahoy_call *call = NULL;
    ahoy_client *client = make_ahoy_client();
    ahoy_request *request = make_ahoy_request();
    ahoy_client_start(client, request, &call, NULL);
    ahoy_request_free(request);
    ahoy_client_free(client);
    return call;
}

/* With one call under way, so that waiting for ever ends. */
static ahoy_queue *make_ahoy_queue(void)
{
    ahoy_queue *queue = NULL;
    ahoy_client *client = make_ahoy_client();
    ahoy_request *request = make_ahoy_request();
    ahoy_queue_new(&queue, NULL);
    ahoy_client_submit(client, request, queue, 7, NULL);
    ahoy_request_free(request);
    ahoy_client_free(client);
    return queue;
}

static ahoy_completion *make_ahoy_completion(void)
{
    ahoy_completion *completion = NULL;
    ahoy_queue *queue = make_ahoy_queue();
    ahoy_queue_next(queue, AHOY_FOREVER, &completion, NULL);
    ahoy_queue_free(queue);
    return completion;
}

static void stub_ahoy_done_fn(void *user_data, ahoy_status status, ahoy_response *response, ahoy_error *error)
{
    (void)user_data;
    (void)status;
    ahoy_response_free(response);
    ahoy_error_free(error);
}
