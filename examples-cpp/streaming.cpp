// Bodies piece by piece: a request's that is produced while it is sent, and an answer's that is read while it comes. Neither
// is ever held whole.
//
//     streaming URL        (of a server that answers with the request it got)
#include <ahoy.hpp>
#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

// The body of the request: lines of seven bytes.
struct lines {
    int next = 1;

    ahoy::filled operator()(std::uint8_t *buffer, std::size_t capacity) {
        if (next > 9) return ahoy::filled::end();
        // Without a line yet it would return filled::not_ready, and call request::body_ready when it has one.
        const std::string line = "line " + std::to_string(next++) + "\n";
        if (line.size() > capacity) return ahoy::filled::failed();
        std::memcpy(buffer, line.data(), line.size());
        return ahoy::filled::data(line.size());
    }
};

} // namespace

int main(int argc, char **argv) try {
    if (argc != 2) throw std::invalid_argument("a URL is needed");
    const ahoy::client client = ahoy::client_builder().set_base_url(argv[1]).build();

    ahoy::request request("PUT", "/lines");
    const auto source = std::make_shared<lines>();
    request.set_streamed(true).set_body_source(
        [source](std::uint8_t *buffer, std::size_t capacity) { return (*source)(buffer, capacity); },
        // With this the request may be sent again, when an attempt failed or for another call.
        [source] {
            source->next = 1;
            return true;
        },
        9 * 7);

    for (int round = 1; round <= 2; round++) {
        // Returns with the head of the answer; its body may still be on its way.
        const ahoy::response answer = client.send(request);
        std::cout << "round " << round << ": " << answer.status() << '\n';
        std::string rest;
        int count = 0;
        answer.read_all([&](std::string_view piece) {
            rest.append(piece);
            for (std::size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1))
                if (rest.compare(0, 5, "line ") == 0) count++;
        });
        std::cout << "  " << count << " lines came back\n";
    }
} catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
