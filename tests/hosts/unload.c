/* Loads, uses and unloads the library a hundred times, as a plug-in host does; calls are in flight when it is
 * unloaded. It is not linked.
 *
 *     unload LIBRARY OK_PORT HANG_PORT */
#define _GNU_SOURCE
#include <ahoy.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

/* A function of the library, by its name in the header. */
#define AHOY(name) ((__typeof__(&name))symbol(library, #name))

static void *symbol(void *library, const char *name) {
    void *address = dlsym(library, name);
    CHECK(address != NULL);
    return address;
}

#ifdef _WIN32
#include <tlhelp32.h>

static int threads(void) {
    int count = 0;
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 one = {.dwSize = sizeof one};
    CHECK(all != INVALID_HANDLE_VALUE);
    for (BOOL more = Thread32First(all, &one); more; more = Thread32Next(all, &one))
        count += one.th32OwnerProcessID == GetCurrentProcessId();
    CloseHandle(all);
    return count;
}

/* There the library keeps itself from its first use on; one that was only looked at goes. */
static void look_at(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL && AHOY(ahoy_version)() != NULL && dlclose(library) == 0);
    CHECK(GetModuleHandleA("ahoy.dll") == NULL);
}
#else
#include <dirent.h>

static int threads(void) {
    int count = 0;
    DIR *open = opendir("/proc/self/task");
    CHECK(open != NULL);
    while (readdir(open) != NULL) count++;
    closedir(open);
    return count;
}

static void look_at(const char *path) { (void)path; }
#endif

static ahoy_client *client_over(void *library, const char *port) {
    ahoy_provider *provider = AHOY(ahoy_provider_list_new)();
    CHECK(AHOY(ahoy_provider_list_add)(provider, "127.0.0.1", (uint16_t)atoi(port), NULL) == AHOY_OK);
    ahoy_balancer *balancer = AHOY(ahoy_balancer_round_robin_new)(provider);
    ahoy_client_builder *builder = AHOY(ahoy_client_builder_new)();
    ahoy_client *client;
    CHECK(AHOY(ahoy_client_builder_set_balancer)(builder, balancer, NULL) == AHOY_OK);
    CHECK(AHOY(ahoy_client_builder_build)(builder, &client, NULL) == AHOY_OK);
    AHOY(ahoy_client_builder_free)(builder);
    AHOY(ahoy_balancer_free)(balancer);
    AHOY(ahoy_provider_free)(provider);
    return client;
}

static void use_once(const char *path, char **ports) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    ahoy_client *client = client_over(library, ports[0]), *hanging = client_over(library, ports[1]);
    ahoy_response *response;
    CHECK(AHOY(ahoy_client_get)(client, "/", &response, NULL) == AHOY_OK);
    CHECK(AHOY(ahoy_response_status)(response) == 200);
    AHOY(ahoy_response_free)(response);
    ahoy_request *request;
    ahoy_call *call;
    CHECK(AHOY(ahoy_request_new)("GET", "/", &request, NULL) == AHOY_OK);
    CHECK(AHOY(ahoy_client_start)(hanging, request, &call, NULL) == AHOY_OK);
    AHOY(ahoy_request_free)(request);
    AHOY(ahoy_client_free)(client);
    AHOY(ahoy_client_free)(hanging);
    AHOY(ahoy_call_free)(call); /* cancelled, and not yet at its end when the library goes */
    CHECK(dlclose(library) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    look_at(argv[1]);
    for (int i = 0; i < 10; i++) use_once(argv[1], argv + 2);
    int before = threads();
    for (int i = 0; i < 100; i++) use_once(argv[1], argv + 2);
    CHECK(threads() == before);
    puts("well");
    return 0;
}
