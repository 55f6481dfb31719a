// Calls that do not block: a future, a callback, and many at once in an epoll loop on one thread.
//
//     asynchronous URL
#include <ahoy.hpp>
#include <future>
#include <iostream>
#include <stdexcept>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>

namespace {

// A future, for programs that have other work meanwhile and wait then.
void with_a_future(const ahoy::client &client) {
    std::future<ahoy::response> answer = client.async(ahoy::request("GET", "/"));
    std::cout << "future: " << answer.get().status() << '\n';
}

// A callback runs on a thread of the library, which it must not block.
void with_a_callback(const ahoy::client &client) {
    std::promise<void> printed;
    client.start(ahoy::request("GET", "/"), [&printed](const ahoy::result<ahoy::response> &answer) {
        if (answer)
            std::cout << "callback: " << answer->status() << '\n';
        else
            std::cout << "callback: " << answer.error().message() << '\n';
        printed.set_value();
    }); // the call goes on without its handle
    printed.get_future().wait();
}

// A loop of one's own. The dispatcher's descriptor is readable when a call has ended, and run_ready calls what waits for it,
// on this thread.
void in_a_loop(const ahoy::client &client) {
    ahoy::dispatcher calls;
    int answered = 0, cancelled = 0;
    for (int i = 0; i < 100; i++) {
        const auto number = calls.send(client, ahoy::request("GET", "/"), [&](const ahoy::result<ahoy::response> &answer) {
            if (answer)
                answered++;
            else if (answer.code() == ahoy::errc::cancelled)
                cancelled++;
        });
        if (i == 50) calls.cancel(number); // ends with errc::cancelled, or with its answer if that was quicker
    }

    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    epoll_event interest{};
    interest.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, static_cast<int>(calls.fd()), &interest);
    while (calls.pending() > 0) {
        epoll_event ready{};
        if (epoll_wait(epoll, &ready, 1, -1) == 1) calls.run_ready();
    }
    close(epoll);
    std::cout << "loop: " << answered + cancelled << " ended, at most one cancelled: " << std::boolalpha << (cancelled <= 1)
              << '\n';
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 2) throw std::invalid_argument("a URL is needed");
    const ahoy::client client = ahoy::client_builder().set_base_url(argv[1]).build();
    with_a_future(client);
    with_a_callback(client);
    in_a_loop(client);
} catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
