/* The behaviour suite of all bindings through C: suite SCENARIOS.JSON SERVER.PY */
#define _POSIX_C_SOURCE 200809L

#include <ahoy.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int passed, failed, unique;

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) exit(2);
    fclose(file);
    return text;
}

/* The suite's servers; they end when their standard input does. */
typedef struct {
    pid_t child;
    int input;
    cJSON *hosts;
} servers;

static servers start(const char *script, const cJSON *kinds) {
    int in[2], out[2], count = 0;
    char *arguments[16] = {"python3", (char *)script};
    const cJSON *kind;
    cJSON_ArrayForEach(kind, kinds) arguments[2 + count++] = kind->valuestring;
    if (pipe(in) || pipe(out)) exit(2);
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execv("/usr/bin/python3", arguments);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    char line[256] = "", host[64], *rest = line;
    FILE *ports = fdopen(out[0], "r");
    if (!ports || !fgets(line, sizeof line, ports)) exit(2);
    fclose(ports);
    cJSON *hosts = cJSON_CreateArray();
    for (char *port; (port = strtok_r(rest, " \n", &rest));) {
        snprintf(host, sizeof host, "127.0.0.1:%s", port);
        cJSON_AddItemToArray(hosts, cJSON_CreateString(host));
    }
    return (servers){child, in[1], hosts};
}

static void end(servers running) {
    close(running.input);
    waitpid(running.child, NULL, 0);
}

static void check(const char *name, int ok, const char *got) {
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("FAIL  %s: %s\n", name, got);
}

static void compare(const char *name, const cJSON *expect, ahoy_response *response, ahoy_error *error) {
    const cJSON *code = cJSON_GetObjectItem(expect, "code"), *status = cJSON_GetObjectItem(expect, "status");
    const cJSON *body = cJSON_GetObjectItem(expect, "body"), *attempts = cJSON_GetObjectItem(expect, "attempts");
    char got[4096];
    if (error) {
        snprintf(got, sizeof got, "%s", ahoy_error_message(error));
        check(name, code && !strcmp(code->valuestring, ahoy_status_name(ahoy_error_status(error))), got);
        if (cJSON_IsTrue(cJSON_GetObjectItem(expect, "ambiguous"))) check(name, ahoy_error_is_ambiguous(error), got);
        return;
    }
    const char *text = (const char *)ahoy_response_body(response, NULL);
    snprintf(got, sizeof got, "%d %s after %zu attempts", ahoy_response_status(response), text,
             ahoy_response_attempt_count(response));
    check(name, status && status->valueint == ahoy_response_status(response), got);
    if (body) check(name, !strcmp(text, body->valuestring), got);
    if (attempts) check(name, (size_t)attempts->valueint == ahoy_response_attempt_count(response), got);
}

static void make_call(const char *name, const ahoy_client *client, const cJSON *call) {
    const cJSON *method = cJSON_GetObjectItem(call, "method"), *body = cJSON_GetObjectItem(call, "body");
    const cJSON *limit = cJSON_GetObjectItem(call, "timeout_ms"), *path = cJSON_GetObjectItem(call, "path");
    char target[256];
    const char *variable = strstr(path->valuestring, "$unique");
    if (variable)
        snprintf(target, sizeof target, "%.*s%d", (int)(variable - path->valuestring), path->valuestring, unique++);
    else
        snprintf(target, sizeof target, "%s", path->valuestring);
    ahoy_error *error = NULL;
    ahoy_request *request = NULL;
    ahoy_response *response = NULL;
    ahoy_status status = ahoy_request_new(method ? method->valuestring : "GET", target, &request, &error);
    if (status == AHOY_OK && body)
        status = ahoy_request_set_body(request, (const uint8_t *)body->valuestring, strlen(body->valuestring), &error);
    if (status == AHOY_OK && limit) status = ahoy_request_set_timeout_ms(request, (uint64_t)limit->valueint, &error);
    if (status == AHOY_OK) ahoy_client_send(client, request, &response, &error);
    compare(name, cJSON_GetObjectItem(call, "expect"), response, error);
    ahoy_response_free(response);
    ahoy_error_free(error);
    ahoy_request_free(request);
}

static void play(const cJSON *scenario, const char *script) {
    const char *name = cJSON_GetObjectItem(scenario, "name")->valuestring;
    if (cJSON_GetObjectItem(cJSON_GetObjectItem(scenario, "skip"), "c")) return;
    servers running = start(script, cJSON_GetObjectItem(scenario, "servers"));
    cJSON *config = cJSON_Duplicate(cJSON_GetObjectItem(scenario, "config"), 1);
    if (!config) config = cJSON_CreateObject();
    cJSON_AddItemToObject(config, "hosts", running.hosts);
    if (!cJSON_GetObjectItem(config, "timeout")) cJSON_AddStringToObject(config, "timeout", "5s");
    char *text = cJSON_PrintUnformatted(config);
    const cJSON *calls = cJSON_GetObjectItem(scenario, "calls"), *call;
    ahoy_error *error = NULL;
    ahoy_client *client = NULL;
    ahoy_client_from_config(text, &client, &error);
    if (!client) compare(name, cJSON_GetObjectItem(scenario, "expect"), NULL, error);
    cJSON_ArrayForEach(call, calls) {
        const cJSON *repeat = cJSON_GetObjectItem(call, "repeat");
        for (int i = 0; client && i < (repeat ? repeat->valueint : 1); i++) make_call(name, client, call);
    }
    ahoy_error_free(error);
    ahoy_client_free(client);
    free(text);
    cJSON_Delete(config);
    end(running);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    char *text = read_file(arguments[1]);
    cJSON *scenarios = cJSON_Parse(text);
    const cJSON *scenario;
    cJSON_ArrayForEach(scenario, scenarios) play(scenario, arguments[2]);
    cJSON_Delete(scenarios);
    free(text);
    printf("Ran %d tests in C\n", passed + failed);
    return failed > 0 || passed == 0;
}
