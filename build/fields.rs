//! What the fields of `ahoy.json` mean, as its readers are told.

pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("value", "a number, or text where it is above 2^53"),
    (
        "types.held",
        "owned: freed by the host, one thread at a time; shared: freed by the host, any thread; lent: never freed by the host",
    ),
    (
        "returns.free, parameters.free",
        "the host owns the handle that comes out and frees it with this function",
    ),
    (
        "returns.of",
        "borrowed: valid until the handle of this parameter is freed; static: always valid; host: what the host itself has set",
    ),
    ("returns.length", "the parameter that gets the number of bytes"),
    (
        "parameters.role",
        "handle: lent for the call; freed: given back; out: a place for a handle, whose content is overwritten; out_array: places for as many handles as size says; out_value: a place for a number or a truth; text: NUL-terminated, lent for the call; bytes, buffer, array: as long as size says, lent for the call; size: the size of another parameter; callback, user_data, destroy: see callbacks; error: a place for an ahoy_error; value: a number or a truth",
    ),
    ("parameters.optional", "NULL is a value that it takes"),
    (
        "parameters.unit",
        "ms: milliseconds, where 18446744073709551615 (AHOY_FOREVER) has no end; us: microseconds",
    ),
    (
        "parameters.enum, returns.enum",
        "one of the numbers of this enum; with flags, several combined",
    ),
    (
        "functions.blocks",
        "waits: it may wait, and inside a callback it returns AHOY_E_WOULD_DEADLOCK instead; first_use: it waits while the provider is asked, at the first use of its balancer only; never",
    ),
    ("functions.blocks_up_to", "the parameter that limits the wait; with 0 it does not wait"),
    (
        "callbacks.thread",
        "caller: inside the function that it was passed to, or that waits; call: the thread that drives the call, which is the caller's for a blocking call; io: a thread of the library; any: any of these",
    ),
    ("callbacks.several_at_once", "on several threads at the same time"),
    ("callbacks.must_not_block", "its thread carries other calls"),
    (
        "settings.type",
        "flag, count, real, size, duration, choice or text; settings.words are taken as well, and as text a size and a duration may have units",
    ),
    (
        "settings.scope",
        "the handle: the client's builder takes those of retry as well, with the prefix retry_, and a balancer those of breaker, with breaker_",
    ),
];
