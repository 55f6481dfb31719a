// A provider of one's own: the list of hosts comes from a lambda and may change at any time.
//
//     custom_provider PORT PORT DEAD_PORT        (on 127.0.0.1)
#include <ahoy.hpp>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>

namespace {

// Stands for a service registry: it knows one host at a time.
struct registry {
    std::atomic<std::uint16_t> port;
    std::atomic<int> asked{0};

    explicit registry(std::uint16_t first) : port(first) {}
};

void get(const ahoy::client &client, const registry &of) {
    const ahoy::response answer = client.get("/");
    std::cout << answer.status() << ' ' << answer.body() << "  attempts " << answer.attempt_count() << ", registry asked "
              << of.asked << '\n';
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 4) throw std::invalid_argument("three ports are needed");
    const auto port = [argv](int i) { return static_cast<std::uint16_t>(std::atoi(argv[i])); };
    const auto service = std::make_shared<registry>(port(1));

    // Runs on the thread that makes the call or the update, one at a time. Where it throws, the last good list stays in use.
    const auto provider = ahoy::provider::custom([service](ahoy::host_list &list) {
        service->asked++;
        if (service->port == 0) throw std::runtime_error("the registry is down");
        list.add("127.0.0.1", service->port);
    });
    const auto balancer = ahoy::balancer::round_robin(provider);
    const auto client = ahoy::client_builder().set_balancer(balancer).set_endpoint_updates(2).build();

    std::cout << "the list is fetched at first use:\n";
    get(client, *service);

    std::cout << "the service moves, and the balancer is told:\n";
    service->port = port(2);
    balancer.update();
    get(client, *service);

    std::cout << "the registry is down, and the last list stays:\n";
    service->port = 0;
    if (const auto updated = balancer.try_update(); !updated) std::cout << ahoy::status_name(updated.code()) << '\n';
    get(client, *service);

    // Nobody tells the balancer here. The call finds its only host dead and asks for a new list itself, up to as often as
    // set_endpoint_updates allows.
    std::cout << "the known host is dead, and the call asks again:\n";
    service->port = port(3);
    balancer.update();
    service->port = port(1);
    get(client, *service);
} catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
