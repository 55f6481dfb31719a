//! One call: its attempts, races and retries, and what is told of it. [`attempt`] has the way of one request.

pub(crate) mod attempt;
pub(crate) mod call;
pub(crate) mod cancellation;
pub(crate) mod limits;
pub(crate) mod propagation;
pub(crate) mod race;
pub(crate) mod record;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod state;
pub(crate) mod watch;

/// Parsers of the host's bytes, for fuzz/.
#[cfg(fuzzing)]
pub mod fuzzing {
    use http::HeaderValue;

    use super::call::{cookie, kept_cookies};

    /// Cookies that are passed on are among those that came, with a blank after each `;`.
    pub fn cookies(bytes: &[u8]) {
        let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
        let found = cookie(&value, "session");
        assert!(found.is_none_or(|found| found.len() <= bytes.len()));
        let kept = kept_cookies(&value, &["session".to_owned()]);
        let pairs = bytes.split(|&byte| byte == b';').count();
        assert!(kept.is_none_or(|kept| kept.len() <= bytes.len() + pairs));
    }
}
