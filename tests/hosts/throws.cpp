// An exception that leaves a callback: it ends the process by SIGABRT, and is never swallowed.
//
//     throws done|hook OK_PORT HANG_PORT
#include <ahoy.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unistd.h>

static void on_done(void *, ahoy_status, ahoy_response *, ahoy_error *)
{
    throw std::runtime_error("from a completion");
}

static ahoy_status on_request(void *, ahoy_request *)
{
    throw std::runtime_error("from a hook");
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const bool hooked = std::strcmp(argv[1], "hook") == 0;
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_client *client;
    const std::string url = std::string("http://127.0.0.1:") + argv[2];
    ahoy_client_builder_set_base_url(builder, url.c_str(), nullptr);
    if (hooked)
        ahoy_client_builder_on_request(builder, on_request, nullptr, nullptr, nullptr);
    if (ahoy_client_builder_build(builder, &client, nullptr) != AHOY_OK)
        return 2;
    if (hooked) {
        ahoy_response *response;
        ahoy_client_get(client, "/", &response, nullptr);
    } else {
        ahoy_request *request;
        ahoy_call *call;
        ahoy_request_new("GET", "/", &request, nullptr);
        if (ahoy_client_start(client, request, &call, nullptr) != AHOY_OK)
            return 2;
        ahoy_call_on_done(call, on_done, nullptr, nullptr, nullptr);
        sleep(5);
    }
    std::puts("swallowed");
    return 0;
}
