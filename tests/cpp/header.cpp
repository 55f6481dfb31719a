// include/ahoy.hpp alone, with its templates filled in: compiled by each compiler, standard and mode.
#ifdef AFTER_OTHERS
// What the headers of Windows and Qt leave behind, as they do after the standard headers.
#include <chrono>
#include <future>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <unordered_map>
#include <variant>
#if __cplusplus >= 202002L
#include <coroutine>
#include <ranges>
#include <stop_token>
#endif
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define slots
#define signals public
#define emit
#endif
#include "ahoy.hpp"

#include "ahoy.hpp" // twice does no harm

#include <memory_resource>
#if defined(__cpp_lib_ranges)
#include <ranges>
#endif

template class ahoy::request_fields<ahoy::request>;
template class ahoy::request_fields<ahoy::request_view>;
template class ahoy::result<ahoy::response>;

namespace {

template <class T>
constexpr bool unique = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                        !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;

static_assert(unique<ahoy::host> && unique<ahoy::provider> && unique<ahoy::balancer> && unique<ahoy::breaker>);
static_assert(unique<ahoy::retry> && unique<ahoy::endpoint> && unique<ahoy::client_builder> && unique<ahoy::client>);
static_assert(unique<ahoy::request> && unique<ahoy::response> && unique<ahoy::call> && unique<ahoy::queue>);
static_assert(unique<ahoy::completion> && unique<ahoy::event> && unique<ahoy::snapshot>);
static_assert(unique<ahoy::result<ahoy::response>>);

// Copies of an error share what it tells, and never throw: what is thrown is copied.
static_assert(std::is_nothrow_copy_constructible_v<ahoy::error> && std::is_nothrow_copy_assignable_v<ahoy::error>);
static_assert(std::is_nothrow_move_constructible_v<ahoy::result<void>> && std::is_copy_constructible_v<ahoy::result<void>>);
#if AHOY_HPP_EXCEPTIONS
static_assert(std::is_nothrow_copy_constructible_v<ahoy::exception>);
#endif

// Coroutines that wait on one refer to it.
static_assert(!std::is_move_constructible_v<ahoy::dispatcher> && !std::is_move_assignable_v<ahoy::dispatcher>);

// One pointer each, whatever the standard.
static_assert(sizeof(ahoy::client) == sizeof(void *) && sizeof(ahoy::response) == sizeof(void *));

// Limits that lose digits do not compile.
static_assert(std::is_convertible_v<std::chrono::seconds, std::chrono::milliseconds>);
static_assert(!std::is_convertible_v<std::chrono::microseconds, std::chrono::milliseconds>);

static_assert(std::is_error_code_enum_v<ahoy::errc>);
static_assert((ahoy::retry_on::connect | ahoy::retry_on::timeout) == static_cast<ahoy::retry_on>(5));

// What is listed by index is a range for std::ranges, a constant one as well.
#if defined(__cpp_lib_ranges)
template <class T>
constexpr bool listed = std::ranges::input_range<T> && std::ranges::input_range<const T> && std::ranges::sized_range<T>;
static_assert(listed<ahoy::response_view::header_range> && listed<ahoy::error_view::attempt_range>);
static_assert(listed<decltype(ahoy::client_options())>);
#endif
#if defined(__cpp_lib_ranges)
static_assert(std::ranges::borrowed_range<ahoy::response_view::header_range>);
#endif
static_assert(std::is_default_constructible_v<ahoy::response_view::header_range::iterator>);

// Text of any allocator.
template <class T>
constexpr bool text = std::is_convertible_v<T, const ahoy::text_ref &>;
static_assert(text<const char *> && text<std::string> && text<std::string_view> && text<const std::pmr::string &>);
static_assert(!text<std::wstring> && !text<int>);

} // namespace
