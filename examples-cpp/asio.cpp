// Calls in an asio program: its io_context watches the dispatcher's descriptor, and results come on its thread.
//
//     asio URL
#define ASIO_STANDALONE
#include <ahoy.hpp>
#include <asio/io_context.hpp>
#ifdef _WIN32
#include <asio/ip/tcp.hpp>
#else
#include <asio/posix/stream_descriptor.hpp>
#include <fcntl.h>
#endif
#include <iostream>
#include <stdexcept>

namespace {

// A second number of what the dispatcher watches, for asio closes what it was given.
#ifdef _WIN32
using descriptor = asio::ip::tcp::socket;
descriptor watched_by(asio::io_context &loop, std::intptr_t fd) {
    WSAPROTOCOL_INFOW same;
    SOCKET copy = INVALID_SOCKET;
    if (WSADuplicateSocketW(static_cast<SOCKET>(fd), GetCurrentProcessId(), &same) == 0)
        copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &same, 0, WSA_FLAG_OVERLAPPED);
    return descriptor(loop, asio::ip::tcp::v4(), copy);
}
#else
using descriptor = asio::posix::stream_descriptor;
descriptor watched_by(asio::io_context &loop, std::intptr_t fd) {
    return descriptor(loop, fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 0));
}
#endif

// Runs the dispatcher whenever its descriptor is readable.
class asio_calls {
  public:
    explicit asio_calls(asio::io_context &loop) : ready_(watched_by(loop, calls_.fd())) {}
    asio_calls(const asio_calls &) = delete;
    asio_calls &operator=(const asio_calls &) = delete;

    template <class F>
    void send(const ahoy::client &client, const ahoy::request &request, F &&function) {
        calls_.send(client, request, std::forward<F>(function));
        if (!watched_) watch();
    }

  private:
    // Only while calls are under way, so that io_context::run returns after the last.
    void watch() {
        watched_ = calls_.pending() > 0;
        if (!watched_) return;
        ready_.async_wait(descriptor::wait_read, [this](const std::error_code &failed) {
            if (failed) return;
            calls_.run_ready();
            watch();
        });
    }

    ahoy::dispatcher calls_;
    descriptor ready_;
    bool watched_ = false;
};

} // namespace

int main(int argc, char **argv) try {
    if (argc != 2) throw std::invalid_argument("a URL is needed");
    const ahoy::client client = ahoy::client_builder().set_base_url(argv[1]).build();
    asio::io_context loop;
    asio_calls calls(loop);
    int answered = 0;
    for (int i = 0; i < 20; i++)
        calls.send(client, ahoy::request("GET", "/"), [&](const ahoy::result<ahoy::response> &first) {
            if (!first) throw ahoy::exception(ahoy::error(first.code()));
            // A further call from inside a result.
            calls.send(client, ahoy::request("GET", "/again"), [&](const ahoy::result<ahoy::response> &second) {
                if (second && second->status() == 200) answered++;
            });
        });
    loop.run();
    std::cout << answered << " chains of two calls were answered on one thread\n";
} catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
