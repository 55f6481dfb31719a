// The same as quickstart.cpp in a program that is built with -fno-exceptions: each function has a twin that begins with
// try_ and returns an ahoy::result.
//
//     without_exceptions PORT PORT PORT        (on 127.0.0.1)
#include <ahoy.hpp>
#include <cstdio>
#include <cstdlib>

namespace {

ahoy::result<ahoy::client> make_client(int count, char **ports) {
    ahoy::provider hosts;
    for (int i = 0; i < count; i++)
        if (auto added = hosts.try_add("127.0.0.1", static_cast<std::uint16_t>(std::atoi(ports[i]))); !added)
            return std::move(added).error();
    ahoy::client_builder builder;
    if (auto set = builder.try_set_balancer(ahoy::balancer(hosts)); !set) return std::move(set).error();
    return builder.try_build();
}

int fail(const ahoy::error &failure) {
    std::fprintf(stderr, "%s\n", failure.message().data());
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    const auto client = make_client(argc - 1, argv + 1);
    if (!client) return fail(client.error());

    for (int call = 0; call < 3; call++) {
        const auto answer = client->try_get("/");
        if (!answer) return fail(answer.error());
        std::printf("GET / -> %d\n", static_cast<int>(answer->status()));
        for (const ahoy::attempt_view attempt : answer->attempts())
            std::printf("  %s  %s\n", attempt.url().data(),
                        attempt.status() == ahoy::errc::ok ? "answered" : attempt.detail().data());
    }
    return 0;
}
