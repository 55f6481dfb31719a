// What include/ahoy.hpp adds to C, against real endpoints: ownership, errors, callables, futures, loops, streams. Closes with
// "N passed, M failed". Built with and without exceptions.
//
//     checks OK_PORT HANGING_PORT ECHO_PORT
#include <ahoy.hpp>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif
#if AHOY_HPP_EXCEPTIONS
#include <stdexcept>
#endif

using namespace std::chrono_literals;

namespace {

int passed = 0, failed = 0;

void check(bool well, const char *what, int line) {
    well ? ++passed : ++failed;
    if (!well) std::printf("FAIL  %d: %s\n", line, what);
}
#define CHECK(...) check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __LINE__)

struct ports {
    std::uint16_t ok, hanging, echo;
};

std::string url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

ahoy::client to(std::uint16_t port) {
    ahoy::client_builder builder;
    CHECK(builder.try_set_base_url(url(port)).has_value());
    return *builder.try_build();
}

ahoy::request get(const char *path = "/") { return *ahoy::request::try_make("GET", path); }

// Counts how often what holds it was destroyed.
struct counted {
    explicit counted(int &count) : held(&count, [](int *at) { ++*at; }) {}
    std::shared_ptr<int> held;
};

void views_outlive_their_client(const ports &at) {
    std::optional<ahoy::client> client = to(at.ok);
    ahoy::response first = *client->try_get("/");
    const std::string_view body = first.body();
    const std::optional<std::string_view> name = first.header("X-ENDPOINT");
    client.reset();
    ahoy::response moved = std::move(first);
    CHECK(!first && moved);
    CHECK(body == "hello from ok\n" && body.data() == moved.body().data());
    CHECK(name == "ok");
    CHECK(!moved.header("absent"));
    CHECK(moved.attempts().size() >= 1 && moved.attempts()[0].url() == url(at.ok));
    std::size_t seen = 0;
    for (const auto &[header, value] : moved.headers()) seen += !header.empty() && !value.empty();
    CHECK(seen == moved.headers().size() && seen > 1);
    CHECK(moved.headers().begin()->first.size() > 1);
    moved = ahoy::response();
    CHECK(!moved && moved.status() == 0 && moved.body().empty());
}

void mistakes_are_named(const ports &at) {
    ahoy::client client = to(at.ok);
    const auto cut = client.try_get(std::string("/a\0b", 4));
    CHECK(cut.code() == ahoy::errc::invalid_argument && cut.error().message() == "a text holds a NUL byte");
    const auto null = client.try_get(nullptr);
    CHECK(null.code() == ahoy::errc::invalid_argument && null.error().message().find("path") != std::string_view::npos);
    const ahoy::client taken = std::move(client);
    const auto empty = client.try_get("/");
    CHECK(empty.code() == ahoy::errc::invalid_argument && empty.error().message().find("client") != std::string_view::npos);
    CHECK(ahoy::host::try_make("127.0.0.1", 0).code() == ahoy::errc::invalid_argument);
    CHECK(ahoy::make_error_code(ahoy::errc::deadline).message() == "AHOY_E_DEADLINE");
    std::error_code code = ahoy::errc::deadline;
    CHECK(code == ahoy::errc::deadline && code != ahoy::errc::timeout && code == std::errc::timed_out);
    CHECK((code = ahoy::errc::cancelled) == std::errc::operation_canceled && code != std::errc::timed_out);
    CHECK((code = ahoy::errc::connection_lost) == std::errc::connection_reset);
    CHECK((code = ahoy::errc::connect) != std::errc::connection_refused && code.default_error_condition() == code);
    CHECK(taken.try_get(std::string_view("/path and more", 5))->status() == 200);
    CHECK(taken.try_get(std::pmr::string("/path"))->status() == 200);
    CHECK(taken.try_get(std::pmr::string("/a\0b", 4)).code() == ahoy::errc::invalid_argument);
    // Below 0 is 0, which the library refuses here by the parameter's name, and not a limit of 585 million years.
    ahoy::client_builder builder;
    CHECK(builder.try_set_attempt_timeout(-1ms).code() == ahoy::errc::invalid_argument);
    CHECK(builder.try_set_attempt_timeout(ahoy::forever).has_value());
    CHECK(ahoy::client_options().size() > 20 && ahoy::breaker_options()[0].key.size() > 0);
    CHECK(ahoy::provider_options().size() > 20);
}

void handles_pass_to_c_and_back(const ports &at) {
    ahoy::client client = to(at.ok);
    ahoy_response *answer = nullptr;
    CHECK(ahoy_client_get(client.get(), "/", &answer, nullptr) == AHOY_OK);
    const ahoy::response owned(answer);
    CHECK(owned.status() == 200);
    ahoy_client *const given = client.release();
    CHECK(!client);
    ahoy_client_free(given);
}

void callables_are_destroyed_once(const ports &at) {
    int destroyed = 0;
    {
        ahoy::client_builder builder;
        CHECK(builder.try_on_request([held = counted(destroyed)](ahoy::request_view) {}).has_value());
        // One that can only be moved.
        CHECK(builder.try_on_response([held = std::make_unique<counted>(destroyed)](ahoy::response_view) {}).has_value());
        // One that is refused: the builder was moved from.
        ahoy::client_builder other = std::move(builder);
        CHECK(!builder.try_on_error([held = counted(destroyed)](ahoy::error_view) {}).has_value());
        CHECK(destroyed == 1);
        CHECK(other.try_set_base_url(url(at.ok)).has_value());
        CHECK(other.try_build()->try_get("/").has_value());
    }
    // The client's last part goes with its threads' work, soon.
    for (int i = 0; i < 200 && destroyed < 3; i++) std::this_thread::sleep_for(10ms);
    CHECK(destroyed == 3);
}

void a_hook_changes_a_request(const ports &at) {
    ahoy::client_builder builder;
    CHECK(builder.try_set_base_url(url(at.echo)).has_value());
    CHECK(builder.try_on_request([](ahoy::request_view request) { return request.try_set_header("X-Hook", "was here"); })
              .has_value());
    const auto answer = builder.try_build()->try_send(get());
    CHECK(answer && answer->body().find("was here") != std::string_view::npos);
    CHECK(builder.try_on_request([](ahoy::request_view) { return ahoy::errc::cancelled; }).has_value());
    CHECK(builder.try_build()->try_get("/").code() == ahoy::errc::hook_refused);
}

void a_hook_reads_a_request(const ports &at) {
    std::string seen;
    ahoy::client_builder builder;
    CHECK(builder.try_set_base_url(url(at.echo)).has_value());
    CHECK(builder.try_on_request([&](ahoy::request_view request) {
        for (const auto &[name, value] : request.headers()) (seen += name) += "=" + std::string(value) + ";";
        seen += request.body();
    }).has_value());
    ahoy::request request = *ahoy::request::try_make("PUT", "/");
    CHECK(request.try_set_header("X-One", "1").has_value() && request.try_set_body(ahoy::bytes("a body")).has_value());
    CHECK(builder.try_build()->try_send(request).has_value());
    CHECK(seen.find("x-one=1;") != std::string::npos && seen.size() > 6 && seen.substr(seen.size() - 6) == "a body");
    CHECK(request.body() == "a body" && get().body().empty());
}

std::string shown(const ahoy::bytes &bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

void bytes_end_where_an_array_does() {
    const char whole[4] = {'R', 'I', 'F', 'F'}, padded[8] = "abc";
    char written[8] = "abc";
    const std::uint8_t numbers[3] = {1, 0, 2};
    const std::byte raw[2] = {};
    const char *const text = "text", *const none = nullptr;
    CHECK(shown(whole) == "RIFF" && shown(padded) == "abc" && shown(written) == "abc" && shown("literal") == "literal");
    CHECK(shown(std::string_view(whole, 3)) == "RIF" && shown(text) == "text" && shown(none).empty() && shown(nullptr).empty());
    CHECK(ahoy::bytes(numbers).size() == 3 && ahoy::bytes(raw).size() == 2 && ahoy::bytes(std::array<char, 5>{}).size() == 5);
}

std::size_t samples = 0;
void count_sample(ahoy::sample_view) noexcept { samples++; }

void a_host_judges_answers_and_sees_calls_end(const ports &at) {
    int ended = 0, failed = 0;
    ahoy::client_builder builder;
    CHECK(builder.try_set_base_url(url(at.ok)).has_value());
    CHECK(builder.try_on_classify([](ahoy::response_view answer) {
        return answer.status() == 200 ? ahoy::classify::final_failure : ahoy::classify::default_;
    }).has_value());
    CHECK(builder.try_on_call_end([&](ahoy::errc status, ahoy::response_view answer, ahoy::error_view error) {
        ended += status == ahoy::errc::ok && answer.get() && !error.get() && error.code() == ahoy::errc::ok;
        failed += status == ahoy::errc::deadline && answer.get() == nullptr && error.get() != nullptr;
    }).has_value());
    CHECK(builder.try_set_failure_statuses({500, 503}).has_value());
    CHECK(builder.try_set_failure_statuses({7}).code() == ahoy::errc::invalid_argument);
    const auto client = builder.try_build();
    CHECK(client->try_get("/").has_value() && ended == 1 && failed == 0);
    CHECK(builder.try_set_base_url(url(at.hanging)).has_value());
    ahoy::request hanging = get();
    CHECK(hanging.try_set_timeout(50ms).has_value());
    CHECK(builder.try_build()->try_send(hanging).code() == ahoy::errc::deadline && ended == 1 && failed == 1);
}

void futures_are_kept(const ports &at) {
    const ahoy::client client = to(at.ok);
    CHECK(client.try_async(get()).get()->status() == 200);
    auto pending = to(at.hanging).try_async(get()); // its client goes, the call goes on
    CHECK(pending.wait_for(0ms) == std::future_status::timeout);
    const ahoy::client hanging = to(at.hanging);
    auto closed = hanging.try_async(get());
    CHECK(hanging.try_close(0ms).has_value());
    CHECK(closed.get().code() == ahoy::errc::closed);
    CHECK(hanging.try_async(get()).get().code() == ahoy::errc::closed);
}

void calls_are_cancelled(const ports &at) {
    const ahoy::client client = to(at.hanging);
    ahoy::call call = *client.try_start(get());
    const auto polled = call.try_wait(0ms);
    CHECK(polled && !*polled);
    CHECK(call.try_cancel().has_value());
    CHECK(call.try_wait().code() == ahoy::errc::cancelled);
    CHECK(call.try_wait().code() == ahoy::errc::in_use);
    std::promise<ahoy::errc> told;
    ahoy::call second = *client.try_start(
        get(), [&told](const ahoy::result<ahoy::response> &ended) { told.set_value(ended.code()); });
    CHECK(second.try_cancel().has_value());
    CHECK(told.get_future().get() == ahoy::errc::cancelled);
#if AHOY_HPP_STOP_TOKEN
    std::stop_source stop;
    std::thread stopper([&stop] {
        std::this_thread::sleep_for(20ms);
        stop.request_stop();
    });
    CHECK(client.try_send(get(), stop.get_token()).code() == ahoy::errc::cancelled);
    stopper.join();
    CHECK(client.try_send(get(), stop.get_token()).code() == ahoy::errc::cancelled); // requested before
    CHECK(to(at.ok).try_send(get(), std::stop_token())->status() == 200);
    // A stop reaches no call that was given to C.
    std::stop_source late;
    call = *client.try_start(get(), late.get_token());
    ahoy_call *const given = call.release();
    CHECK(!call && late.request_stop());
    CHECK(ahoy::call(given).try_wait(20ms)); // not cancelled
    std::stop_source kept;
    call = *client.try_start(get(), kept.get_token());
    auto &itself = call;
    call = std::move(itself);
    CHECK(kept.request_stop() && call.try_wait().code() == ahoy::errc::cancelled);
#endif
}

void a_loop_runs_results(const ports &at) {
    const ahoy::client client = to(at.ok), hanging = to(at.hanging);
    ahoy::dispatcher calls(*ahoy::queue::try_make());
    const std::thread::id here = std::this_thread::get_id();
    int answered = 0, cancelled = 0;
    for (int i = 0; i < 50; i++)
        CHECK(calls.try_send(client, get(), [&](const ahoy::result<ahoy::response> &ended) {
            answered += ended && ended->status() == 200 && std::this_thread::get_id() == here;
        }));
    const auto number = calls.try_send(
        hanging, get(), [&](const ahoy::result<ahoy::response> &ended) { cancelled += ended.code() == ahoy::errc::cancelled; });
    CHECK(calls.pending() == 51);
    calls.cancel(*number);
#if defined(__linux__)
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLET; // run_ready takes all, so an edge is enough
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, static_cast<int>(calls.fd()), &interest) == 0);
    while (calls.pending() > 0) {
        epoll_event ready{};
        const int woken = epoll_wait(epoll, &ready, 1, 5000);
        CHECK(woken == 1);
        if (woken != 1) break;
        CHECK(calls.try_run(0ms).has_value());
    }
    close(epoll);
#else
    while (calls.pending() > 0) CHECK(calls.try_run(5s).has_value());
#endif
    CHECK(answered == 50 && cancelled == 1);
    // What waits when the loop goes is destroyed unrun.
    int destroyed = 0, ran = 0;
    {
        ahoy::dispatcher gone(*ahoy::queue::try_make());
        CHECK(gone.try_send(hanging, get(), [held = counted(destroyed), &ran](ahoy::result<ahoy::response>) { ran++; }));
    }
    CHECK(destroyed == 1 && ran == 0);
}

void a_loop_goes_inside_its_own_callable(const ports &at) {
    const ahoy::client client = to(at.ok), hanging = to(at.hanging);
    auto calls = std::make_unique<ahoy::dispatcher>(*ahoy::queue::try_make());
    int destroyed = 0;
    CHECK(calls->try_send(hanging, get(), [held = counted(destroyed)](ahoy::result<ahoy::response>) {}));
    CHECK(calls->try_send(client, get(), [&](const ahoy::result<ahoy::response> &ended) {
        CHECK(ended.has_value());
        calls.reset();
        CHECK(destroyed == 1);
    }));
    const auto ran = calls->try_run(5s);
    CHECK(ran && *ran == 1 && !calls);

    // Inside the callable of its events, and one that sets another.
    calls = std::make_unique<ahoy::dispatcher>(*ahoy::queue::try_make());
    int events = 0;
    calls->on_event([&, first = std::make_unique<int>(1)](const ahoy::event &) {
        calls->on_event([&](const ahoy::event &) { calls.reset(); });
        events += *first;
    });
    for (int i = 0; i < 2; i++) {
        ahoy::provider hosts;
        CHECK(hosts.try_add("127.0.0.1", at.ok).has_value());
        ahoy::balancer balancer(hosts);
        CHECK(balancer.try_add_event_queue(calls->events()).has_value() && balancer.try_update().has_value());
        CHECK(calls->try_run(5s).has_value());
    }
    CHECK(events == 1 && !calls);
}

#if AHOY_HPP_COROUTINES
// A coroutine that is destroyed with this, wherever it waits.
struct scoped {
    struct promise_type {
        scoped get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::abort(); }
    };
    std::coroutine_handle<promise_type> handle;
    scoped(std::coroutine_handle<promise_type> of) : handle(of) {}
    scoped(scoped &&other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    scoped &operator=(scoped &&) = delete;
    ~scoped() {
        if (handle) handle.destroy();
    }
};

scoped in_loop(ahoy::dispatcher &calls, const ahoy::client &client, const ahoy::request &request, int &went_on) {
    went_on += (co_await calls.send(client, request)).has_value();
}

scoped in_its_last_loop(std::optional<ahoy::dispatcher> &calls, const ahoy::client &client, const ahoy::request &request,
                        int &went_on) {
    went_on += (co_await calls->send(client, request)).has_value();
    calls.reset();
}

scoped awaits(ahoy::dispatcher::awaitable &call, int &went_on) {
    const auto outcome = co_await call;
    went_on += outcome.has_value();
    CHECK(outcome.code() == ahoy::errc::invalid_argument);
}

scoped in_thread(const ahoy::client &client, const ahoy::request &request, std::atomic<int> &went_on) {
    went_on += (co_await ahoy::as_result(*client.try_start(request))).has_value();
}

void coroutines_may_be_destroyed_where_they_wait(const ports &at) {
    const ahoy::client client = to(at.ok), hanging = to(at.hanging);
    const ahoy::request request = get();
    int went_on = 0;
    std::optional<ahoy::dispatcher> calls(std::in_place, *ahoy::queue::try_make());
    {
        const scoped left = in_loop(*calls, hanging, request, went_on), whole = in_loop(*calls, client, request, went_on);
        while (went_on == 0) CHECK(calls->try_run(5s).has_value());
    }
    CHECK(calls->pending() == 1); // it was cancelled
    while (calls->pending() > 0) CHECK(calls->try_run(5s).has_value());
    {
        const scoped outlasting = in_loop(*calls, hanging, request, went_on);
        calls.reset();
    }
    {
        ahoy::dispatcher owner(*ahoy::queue::try_make());
        auto waits = std::make_shared<scoped>(in_loop(owner, hanging, request, went_on));
        CHECK(owner.try_send(hanging, request, [waits](ahoy::result<ahoy::response>) {}).has_value());
        waits.reset();
    } // which destroys the callable, and so the coroutine
    CHECK(went_on == 1);
    // One that goes on may destroy what it waited on, and one that was not awaited yet finds it gone.
    calls.emplace(*ahoy::queue::try_make());
    auto unsent = calls->send(client, request);
    {
        const scoped last = in_its_last_loop(calls, client, request, went_on);
        CHECK(calls->try_run(5s).has_value() && !calls && went_on == 2);
        const scoped late = awaits(unsent, went_on);
        CHECK(went_on == 2);
    }
    // Here it is safe because the call hangs: no I/O thread resumes the coroutine meanwhile.
    std::atomic<int> elsewhere{0};
    { const scoped left = in_thread(hanging, request, elsewhere); }
    CHECK(hanging.try_close(5s).has_value()); // the one that was left has ended
    CHECK(elsewhere == 0);
}

// Each of them is somewhere between its start and its end, on any thread, when the client is closed.
void coroutines_of_io_threads_may_be_destroyed_after_close(const ports &at) {
    const ahoy::request request = get();
    for (int round = 0; round < 20; round++) {
        const ahoy::client client = to(at.ok);
        CHECK(client.try_get("/").has_value());
        std::atomic<int> went_on{0};
        std::vector<scoped> started;
        for (int i = 0; i < 20; i++) started.push_back(in_thread(client, request, went_on));
        for (int i = 0; i < 5000 && went_on < round; i++) std::this_thread::sleep_for(1ms);
        CHECK(client.try_close(0ms).has_value());
        const int ended = went_on;
        CHECK(ended >= round);
        started.clear();
        CHECK(went_on == ended);
    }
}
#endif

void queues_hand_out_batches(const ports &at) {
    const ahoy::client client = to(at.ok);
    const ahoy::queue queue = *ahoy::queue::try_make();
    for (std::uint64_t tag = 1; tag <= 5; tag++) CHECK(client.try_submit(get(), queue, tag).has_value());
    std::uint64_t sum = 0;
    for (int taken = 0; taken < 5;) {
        auto batch = queue.try_next_batch(5s, taken < 3 ? 3 : SIZE_MAX);
        CHECK(batch && !batch->empty() && batch->size() <= 3);
        if (!batch || batch->empty()) break;
        for (ahoy::completion &one : *batch) {
            sum += one.tag();
            taken++;
            CHECK(one.take()->status() == 200);
        }
    }
    CHECK(sum == 15);
    CHECK(!*queue.try_next(0ms));
}

void bodies_stream_both_ways(const ports &at) {
    const ahoy::client client = to(at.echo);
    ahoy::request request = *ahoy::request::try_make("POST", "/");
    int rewound = 0;
    const auto left = std::make_shared<std::size_t>(100000);
    CHECK(request.try_set_streamed(true).has_value());
    CHECK(request
              .try_set_body_source(
                  [left](std::uint8_t *buffer, std::size_t capacity) {
                      const std::size_t length = capacity < *left ? capacity : *left;
                      if (length == 0) return ahoy::filled::end();
                      std::memset(buffer, 'x', length);
                      *left -= length;
                      return ahoy::filled::data(length);
                  },
                  [left, &rewound] {
                      *left = 100000;
                      rewound++;
                      return true;
                  },
                  100000)
              .has_value());
    for (int round = 0; round < 20; round++) {
        const auto answer = client.try_send(request);
        CHECK(answer.has_value());
        if (!answer) {
            std::puts(answer.error().message().data()); // in use, where the end of a body came before its release
            return;
        }
        std::size_t x = 0;
        CHECK(answer->try_read_all([&](std::string_view piece) {
            for (const char one : piece) x += one == 'x';
        }));
        CHECK(x >= 100000 && x < 100010);
    }
    CHECK(rewound == 19);

    // A loop reads without waiting.
    ahoy::dispatcher calls(*ahoy::queue::try_make());
    std::optional<ahoy::response> answer;
    std::size_t length = 0;
    bool ended = false;
    std::function<void(ahoy::errc)> readable = [&](ahoy::errc) {
        std::array<char, 1000> buffer;
        for (;;) {
            const auto piece = answer->try_read(buffer.data(), buffer.size(), 0ms);
            CHECK(piece.has_value());
            if (!piece || piece->ended) {
                length += piece ? piece->length : 0;
                ended = true;
                return;
            }
            if (piece->length == 0) break;
            length += piece->length;
        }
        CHECK(calls.try_notify(*answer, std::ref(readable)));
    };
    CHECK(calls.try_send(client, request, [&](ahoy::result<ahoy::response> head) {
        CHECK(head.has_value());
        if (!head) {
            std::puts(head.error().message().data());
            return;
        }
        answer = *std::move(head);
        CHECK(calls.try_notify(*answer, std::ref(readable)));
    }));
    while (calls.pending() > 0 && *calls.try_run(5s) > 0) continue;
    CHECK(ended && length > 100000);
    if (!answer) return;
    std::promise<void> told;
    CHECK(answer->try_on_readable([&told] { told.set_value(); }));
    told.get_future().wait();
}

void events_and_statistics_are_told(const ports &at) {
    ahoy::provider hosts;
    CHECK(hosts.try_add("127.0.0.1", at.ok).has_value());
    ahoy::balancer balancer(hosts);
    CHECK(balancer.list_error().empty());
    ahoy::host_list list;
    CHECK(list.try_add("127.0.0.1", at.ok) && hosts.try_replace(list));
    const ahoy::queue queue = *ahoy::queue::try_make();
    int events = 0;
    CHECK(balancer.try_add_event_queue(queue).has_value());
    CHECK(balancer.try_on_event([&events](ahoy::event_view event) { events += !event.text().empty(); }).has_value());
    ahoy::client_builder builder;
    CHECK(builder.try_set_balancer(balancer).has_value());
    const ahoy::client client = *builder.try_build();
    CHECK(client.try_get("/")->status() == 200);
    const ahoy::event joined = *queue.try_next_event(1s);
    CHECK(joined && joined.kind() == ahoy::event_kind::list_changed && joined.number(ahoy::event_field::joined) == 1);
    CHECK(!joined.number(ahoy::event_field::reason));
    CHECK(joined.time() > std::chrono::system_clock::now() - 1min && joined.time() < std::chrono::system_clock::now() + 1min);
    CHECK(events > 0);

    const ahoy::endpoint endpoint = *balancer.try_pick();
    CHECK(endpoint.state() == ahoy::circuit::closed && endpoint.port() == at.ok);
    CHECK(endpoint.try_open_circuit().has_value());
    const auto why = endpoint.try_reason();
    CHECK(why && why->reason == ahoy::reason::opened_by_hand && !why->text.empty());
    CHECK(balancer.try_explain()->find(url(at.ok)) != std::string::npos);

    ahoy::snapshot snapshot = *client.try_snapshot();
    CHECK(snapshot.try_add_client(client).code() == ahoy::errc::invalid_argument);
    std::size_t series = 0, labels = 0, buckets = 0;
    CHECK(snapshot.try_each([&](ahoy::sample_view sample) {
        series += !sample.name().empty();
        for (const auto &[name, value] : sample.labels()) labels += !name.empty();
        if (sample.kind() == ahoy::metric_kind::histogram) buckets += sample.buckets().size();
    }));
    CHECK(series > 10 && labels > 0 && buckets > 0);
    CHECK(snapshot.try_each(count_sample).has_value() && samples == series);
    CHECK(snapshot.try_text(ahoy::text_format::prometheus)->find("ahoy_client_attempts_total") != std::string::npos);
    CHECK(client.try_config_text()->find("\"timeout\"") != std::string::npos);
}

#if AHOY_HPP_EXCEPTIONS
std::mutex caught_lock;
std::string caught; // names of callbacks whose exceptions were told

bool was_caught(const char *callback) {
    const std::lock_guard<std::mutex> held(caught_lock);
    const bool found = caught.find(callback) != std::string::npos;
    caught.clear();
    return found;
}

template <class F>
ahoy::errc code_of(F &&function) {
    try {
        function();
        return ahoy::errc::ok;
    } catch (const ahoy::exception &failure) {
        return failure.code();
    }
}

void exceptions_carry_the_error(const ports &at) {
    ahoy::provider hosts;
    hosts.add("127.0.0.1", 1);
    const auto client = ahoy::client_builder().set_balancer(ahoy::balancer(hosts)).set_timeout(300ms).build();
    try {
        (void)client.get("/");
        CHECK(false);
    } catch (const ahoy::exception &failure) {
        const ahoy::exception copy = failure;
        CHECK(copy.code() == failure.error().code() && copy.error().attempts().size() >= 1);
        CHECK(std::strstr(copy.what(), "connect refused") != nullptr);
        CHECK(copy.error().is_retryable() && !copy.error().is_ambiguous());
    }
    const auto strict = ahoy::client_builder().set_base_url(url(at.ok)).set_fail_on_status(true).build();
    CHECK(strict.get("/").status() == 200);
    CHECK(code_of([] { (void)ahoy::request("GET", "no path"); }) == ahoy::errc::invalid_argument);
    CHECK(code_of([] { (void)ahoy::host("", 80); }) == ahoy::errc::invalid_argument);
    bool thrown = false;
    try {
        ahoy::client_builder().set("atempt_timeout", "1s");
    } catch (const std::runtime_error &failure) {
        thrown = std::strstr(failure.what(), "attempt_timeout") != nullptr;
    }
    CHECK(thrown);
}

void a_result_keeps_the_error_that_it_throws(const ports &at) {
    const auto thrown_by = [](const auto &outcome) {
        try {
            outcome.value();
        } catch (const ahoy::exception &failure) {
            return failure.error();
        }
        return ahoy::error();
    };
    ahoy::provider hosts;
    hosts.add("127.0.0.1", 1);
    auto client = ahoy::client_builder().set_balancer(ahoy::balancer(hosts)).set_timeout(300ms).build();
    auto answer = client.try_get("/");
    for (int i = 0; i < 2; i++) {
        try {
            (void)answer.value();
            CHECK(false);
        } catch (const ahoy::exception &failure) {
            CHECK(failure.error().attempt_count() >= 1 && answer.error().message() == failure.what());
        }
    }
    const ahoy::error kept = thrown_by(answer);
    CHECK(kept.attempt_count() == answer.error().attempt_count() && kept.get() == answer.error().get());
    CHECK(answer.error().release() == nullptr); // a copy has it too
    const auto nothing = ahoy::host_list().try_add("", 80);
    CHECK(thrown_by(nothing).get() == nothing.error().get() && thrown_by(nothing).get() != nullptr);

    // A copy outlives the result, and what only one has goes to C.
    ahoy::error last = kept;
    answer = ahoy::error(ahoy::errc::closed, "something else");
    CHECK(last.message() == kept.message() && answer.error().message() == "something else");
    ahoy::error alone = client.try_get("no path").error();
    ahoy_error *const given = alone.release();
    CHECK(given != nullptr && alone.get() == nullptr && alone.code() == ahoy::errc::invalid_argument);
    CHECK(alone.release() == nullptr);
    ahoy_error_free(given);
    ahoy::exception first(kept);
    const ahoy::exception moved = std::move(first);
    CHECK(moved.error().get() == kept.get() && first.code() == kept.code());
    CHECK(to(at.ok).try_get("/").value().status() == 200);
}

// Each callable throws, and C gets the status that fits.
void exceptions_stop_before_c(const ports &at) {
    ahoy::set_exception_handler([](const char *callback) noexcept {
        const std::lock_guard<std::mutex> held(caught_lock);
        caught += callback;
    });
    const auto boom = [] { throw std::runtime_error("boom"); };
    const auto by = [](const ahoy::balancer &balancer) {
        return ahoy::client_builder().set_balancer(balancer).set_timeout(300ms).build();
    };
    const auto base = [&] { return ahoy::client_builder().set_base_url(url(at.ok)).set_timeout(2s).build(); };

    CHECK(by(ahoy::balancer(ahoy::provider::custom([&](ahoy::host_list &) { boom(); }))).try_get("/").code() ==
          ahoy::errc::discovery);
    CHECK(was_caught("provider"));
    ahoy::provider hosts;
    hosts.add("127.0.0.1", at.ok);
    CHECK(by(ahoy::balancer::custom(hosts, [&](std::size_t count) { return boom(), count; })).try_get("/").code() ==
          ahoy::errc::no_endpoints);
    CHECK(was_caught("balancer"));
    auto random = ahoy::balancer::random(hosts);
    random.random_set_function([&](std::uint64_t below) { return boom(), below; });
    CHECK(by(random).try_get("/").code() == ahoy::errc::no_endpoints);
    CHECK(was_caught("random"));

    ahoy::client_builder builder;
    builder.set_base_url(url(at.ok)).on_request([&](ahoy::request_view) { boom(); });
    CHECK(builder.build().try_get("/").code() == ahoy::errc::hook_refused);
    CHECK(was_caught("on_request"));
    builder.on_request([](ahoy::request_view) { throw 7; }); // of any type
    CHECK(builder.build().try_get("/").code() == ahoy::errc::hook_refused);
    builder.on_request([](ahoy::request_view) {}).on_response([&](ahoy::response_view) { boom(); });
    CHECK(builder.build().get("/").status() == 200);
    CHECK(was_caught("on_response"));
    builder.on_response([](ahoy::response_view) {}).on_classify([&](ahoy::response_view) -> ahoy::classify {
        return boom(), ahoy::classify::ignored;
    });
    CHECK(builder.build().get("/").status() == 200);
    CHECK(was_caught("on_classify"));
    builder.on_classify([](ahoy::response_view) { return ahoy::classify::default_; })
        .on_call_end([&](ahoy::errc, ahoy::response_view, ahoy::error_view) { boom(); });
    CHECK(builder.build().get("/").status() == 200);
    CHECK(was_caught("on_call_end"));
    builder.on_call_end([](ahoy::errc, ahoy::response_view, ahoy::error_view) {}).on_log(ahoy::log_level::debug, [&](auto, auto, auto) { boom(); });
    CHECK(builder.build().get("/").status() == 200);
    CHECK(was_caught("on_log"));
    builder.on_log(ahoy::log_level::error, [](auto, auto, auto) {})
        .set_base_url(url(at.hanging))
        .set_should_stop([&]() -> bool { return boom(), false; });
    CHECK(builder.build().try_get("/").code() == ahoy::errc::interrupted);
    CHECK(was_caught("should_stop"));

    ahoy::request upload("PUT", "/");
    upload.set_body_source([&](std::uint8_t *, std::size_t) { return boom(), ahoy::filled::end(); }, 5);
    CHECK(base().try_send(upload).code() == ahoy::errc::body_source);
    CHECK(was_caught("body"));

    std::promise<void> ran;
    base().start(get(), [&](const ahoy::result<ahoy::response> &) {
        ran.set_value();
        boom();
    });
    ran.get_future().wait();
    for (int i = 0; i < 200; i++) {
        std::this_thread::sleep_for(5ms);
        const std::lock_guard<std::mutex> held(caught_lock);
        if (!caught.empty()) break;
    }
    CHECK(was_caught("on_done"));

    // Out of those that run inside a call of ours, it leaves as it came.
    const auto snapshot = base().snapshot();
    int seen = 0;
    try {
        snapshot.each([&](ahoy::sample_view) {
            seen++;
            boom();
        });
        CHECK(false);
    } catch (const std::runtime_error &failure) {
        CHECK(seen == 1 && std::string(failure.what()) == "boom");
    }
    const auto client = base();
    ahoy::dispatcher calls;
    int answered = 0;
    for (int i = 0; i < 2; i++)
        calls.send(client, get(), [&](const ahoy::result<ahoy::response> &) { answered++ == 0 ? boom() : void(); });
    int thrown = 0;
    while (calls.pending() > 0) {
        try {
            calls.run_for(5s);
        } catch (const std::runtime_error &) {
            thrown++;
        }
    }
    CHECK(thrown == 1 && answered == 2);
    CHECK(client.async(get()).get().status() == 200);
    ahoy::set_exception_handler(nullptr);
    // The future's callable is destroyed after its call, or never where callbacks were stopped meanwhile.
    client.close(5s);
}

#if defined(__linux__)
// The end of a thread is not an exception to be caught: the thread stays inside, and the process goes on.
void a_thread_ends_inside_a_callback(const ports &at) {
    if (std::getenv("AHOY_VALGRIND")) return; // it would count what that thread still holds
    auto inside = std::make_shared<std::promise<void>>();
    auto entered = inside->get_future();
    std::thread([inside, at] {
        const auto client = ahoy::client_builder()
                                .set_base_url(url(at.ok))
                                .on_request([&](ahoy::request_view) {
                                    inside->set_value();
                                    pthread_exit(nullptr);
                                })
                                .build();
        (void)client.try_get("/");
    }).detach();
    entered.wait();
    std::this_thread::sleep_for(100ms); // an abort would come now
    CHECK(to(at.ok).get("/").status() == 200);
}
#endif
#endif

} // namespace

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const auto port = [argv](int i) { return static_cast<std::uint16_t>(std::atoi(argv[i])); };
    const ports at{port(1), port(2), port(3)};
    views_outlive_their_client(at);
    mistakes_are_named(at);
    handles_pass_to_c_and_back(at);
    callables_are_destroyed_once(at);
    a_hook_changes_a_request(at);
    a_hook_reads_a_request(at);
    bytes_end_where_an_array_does();
    a_host_judges_answers_and_sees_calls_end(at);
    futures_are_kept(at);
    calls_are_cancelled(at);
    a_loop_runs_results(at);
    a_loop_goes_inside_its_own_callable(at);
#if AHOY_HPP_COROUTINES
    coroutines_may_be_destroyed_where_they_wait(at);
    coroutines_of_io_threads_may_be_destroyed_after_close(at);
#endif
    queues_hand_out_batches(at);
    bodies_stream_both_ways(at);
    events_and_statistics_are_told(at);
#if AHOY_HPP_EXCEPTIONS
    exceptions_carry_the_error(at);
    a_result_keeps_the_error_that_it_throws(at);
    exceptions_stop_before_c(at);
#if defined(__linux__)
    a_thread_ends_inside_a_callback(at);
#endif
#endif
    CHECK(ahoy::try_callbacks_stop(5s).has_value());
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
