// Three hosts, two of them dead, and every call is answered.
//
//     quickstart PORT PORT PORT        (on 127.0.0.1)
#include <ahoy.hpp>
#include <cstdlib>
#include <iostream>

int main(int argc, char **argv) try {
    ahoy::provider hosts;
    for (int i = 1; i < argc; i++) hosts.add("127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[i])));

    const ahoy::client client = ahoy::client_builder()
                                    .set_balancer(ahoy::balancer(hosts))
                                    .set_timeout(std::chrono::seconds(5))
                                    .build();

    for (int call = 0; call < 3; call++) {
        const ahoy::response answer = client.get("/");
        std::cout << "GET / -> " << answer.status() << '\n';
        for (const ahoy::attempt_view attempt : answer.attempts())
            std::cout << "  " << attempt.url() << "  "
                      << (attempt.status() == ahoy::errc::ok ? "answered" : attempt.detail()) << '\n';
    }
} catch (const ahoy::exception &failure) {
    std::cerr << failure.what() << '\n'; // all attempts, one a line
    return 1;
}
