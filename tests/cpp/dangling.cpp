// What clang says of views whose owner is a temporary: compiled by `clang++ -Xclang -verify`, which wants each warning that is
// stated here, and no other.
#include <ahoy.hpp>

using namespace std::chrono_literals;

namespace dangling {

void views(const ahoy::client &client, const ahoy::queue &queue, const ahoy::balancer &balancer) {
    for (auto header : client.get("/").headers()) (void)header;             // expected-warning {{will be destroyed}}
    for (auto attempt : client.get("/").attempts()) (void)attempt;          // expected-warning {{will be destroyed}}
    for (auto header : client.try_get("/")->headers()) (void)header;        // expected-warning {{will be destroyed}}
    std::string_view body = client.get("/").body();                         // expected-warning {{will be destroyed}}
    std::string_view tried = client.try_get("/")->body();                   // expected-warning {{will be destroyed}}
    auto header = client.get("/").header("x");                              // expected-warning {{will be destroyed}}
    std::string_view message = client.try_get("/").error().message();       // expected-warning {{will be destroyed}}
    ahoy::response_view answer = client.try_get("/").error().response();    // expected-warning {{will be destroyed}}
    const ahoy::response &moved = *client.try_get("/");                     // expected-warning {{will be destroyed}}
    std::string_view event = queue.next_event(1s).text();                   // expected-warning {{will be destroyed}}
    std::string_view url = balancer.pick().url();                           // expected-warning {{will be destroyed}}
    (void)body, (void)tried, (void)header, (void)message, (void)answer, (void)moved, (void)event, (void)url;
}

// One expression is long enough for what it makes, and some views come from what stays.
void copies(const ahoy::client &client, const ahoy::request &request, ahoy::dispatcher &calls, const ahoy::exception &thrown) {
    const std::string body(client.get("/").body());
    const std::string tried(client.try_get("/")->body());
    const std::string &kept = std::string(client.get("/").body());
    const std::optional<std::string> header(client.get("/").header("x"));
    const std::string other(client.get("/").header("x").value_or(""));
    const std::string message(client.try_get("/").error().message());
    const bool empty = client.get("/").body().empty();
    const std::size_t count = client.get("/").headers().size();
    const ahoy::response moved = *client.try_get("/");
    const ahoy::error error = client.try_get("/").error();
    const std::uint64_t number = *calls.try_send(client, request, [](ahoy::result<ahoy::response>) {});
    const ahoy::piece piece = *client.get("/").try_read(nullptr, 0);
    const ahoy::response &whole = client.get("/");
    const std::string_view view = whole.body();
    for (auto each : whole.headers()) (void)each;
    const std::string_view url = whole.attempts()[0].url();
    const std::string_view answer = thrown.error().response().body();
    (void)body, (void)tried, (void)kept, (void)header, (void)other, (void)message, (void)empty, (void)count, (void)moved;
    (void)error, (void)number, (void)piece, (void)view, (void)url, (void)answer;
}

} // namespace dangling
