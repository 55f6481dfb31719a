//! libahoy's C ABI, loaded at run time as hosts of other languages do it. What ahoy.h declares is written out
//! here once more; a function that a library lacks is found out when a contestant asks for it.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

/// A handle of any type.
pub(crate) type Handle = *mut c_void;
/// Where an error goes.
type Err = *mut Handle;

macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that every contestant needs.
        #[derive(Debug)]
        pub(crate) struct Api {
            library: Handle,
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// Loads the library.
            pub(crate) fn load(path: &str) -> Result<Self, String> {
                let library = open(path)?;
                Ok(Self {
                    library,
                    $($name: {
                        let symbol = find(library, stringify!($name))?;
                        // SAFETY: the signature is the one in ahoy.h.
                        unsafe { std::mem::transmute::<Handle, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol) }
                    },)*
                })
            }
        }
    };
}

functions! {
    ahoy_version() -> *const c_char;
    ahoy_status_name(i32) -> *const c_char;
    ahoy_error_message(Handle) -> *const c_char;
    ahoy_error_free(Handle);
    ahoy_error_attempt_count(Handle) -> usize;
    ahoy_error_attempt_at(Handle, usize) -> Handle;
    ahoy_attempt_url(Handle) -> *const c_char;
    ahoy_provider_list_new() -> Handle;
    ahoy_provider_list_add(Handle, *const c_char, u16, Err) -> i32;
    ahoy_provider_free(Handle);
    ahoy_balancer_set_breaker(Handle, Handle, Err) -> i32;
    ahoy_balancer_free(Handle);
    ahoy_balancer_endpoint_count(Handle) -> usize;
    ahoy_balancer_endpoint_at(Handle, usize, *mut Handle, Err) -> i32;
    ahoy_endpoint_state(Handle) -> i32;
    ahoy_endpoint_free(Handle);
    ahoy_breaker_new() -> Handle;
    ahoy_breaker_free(Handle);
    ahoy_retry_new() -> Handle;
    ahoy_retry_free(Handle);
    ahoy_client_builder_new() -> Handle;
    ahoy_client_builder_set_balancer(Handle, Handle, Err) -> i32;
    ahoy_client_builder_set_retry(Handle, Handle, Err) -> i32;
    ahoy_client_builder_set_timeout_ms(Handle, u64, Err) -> i32;
    ahoy_client_builder_set_attempt_timeout_ms(Handle, u64, Err) -> i32;
    ahoy_client_builder_set(Handle, *const c_char, *const c_char, Err) -> i32;
    ahoy_client_builder_build(Handle, *mut Handle, Err) -> i32;
    ahoy_client_builder_free(Handle);
    ahoy_client_submit(Handle, Handle, Handle, u64, Err) -> i32;
    ahoy_client_free(Handle);
    ahoy_client_option_count() -> usize;
    ahoy_client_option_key_at(usize) -> *const c_char;
    ahoy_client_option_description_at(usize) -> *const c_char;
    ahoy_request_new(*const c_char, *const c_char, *mut Handle, Err) -> i32;
    ahoy_request_free(Handle);
    ahoy_queue_new(*mut Handle, Err) -> i32;
    ahoy_queue_next_batch(Handle, u64, *mut Handle, usize, *mut usize, Err) -> i32;
    ahoy_completion_tag(Handle) -> u64;
    ahoy_completion_status(Handle) -> i32;
    ahoy_completion_take_response(Handle) -> Handle;
    ahoy_completion_take_error(Handle) -> Handle;
    ahoy_completion_free(Handle);
    ahoy_response_status(Handle) -> i32;
    ahoy_response_header(Handle, *const c_char) -> *const c_char;
    ahoy_response_attempt_count(Handle) -> usize;
    ahoy_response_attempt_at(Handle, usize) -> Handle;
    ahoy_response_free(Handle);
}

/// The options that limit time.
const LIMITS: [&str; 2] = ["timeout", "attempt_timeout"];

/// An argument of a setter that a contestant's table names.
#[allow(dead_code, reason = "what the header's setters take; the table's rows use what they need")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    /// Any integer: all of them travel in the same registers.
    Count(u64),
    /// A double.
    Ratio(f64),
    /// A bool.
    Flag(bool),
    /// Text that ends with NUL.
    Text(&'static str),
}

/// A setter by name: the handle first, the error last, and these between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setter(pub(crate) &'static str, pub(crate) &'static [Argument]);

impl Api {
    /// The library's version.
    pub(crate) fn version(&self) -> String {
        // SAFETY: static text.
        text(unsafe { (self.ahoy_version)() })
    }

    /// The name of a status.
    pub(crate) fn status_name(&self, status: i32) -> String {
        // SAFETY: static text for every number.
        text(unsafe { (self.ahoy_status_name)(status) })
    }

    /// What the library says of its limits where none is set.
    pub(crate) fn defaults(&self) -> String {
        let mut said = Vec::new();
        // SAFETY: static text for every index below the count.
        unsafe {
            for index in 0..(self.ahoy_client_option_count)() {
                let key = text((self.ahoy_client_option_key_at)(index));
                let about = text((self.ahoy_client_option_description_at)(index));
                // Its cost follows in a sentence of its own.
                let default = about.split_once("default ").map(|(_, rest)| rest);
                let default = default.and_then(|rest| rest.split(". ").next());
                if let (true, Some(default)) = (LIMITS.contains(&key.as_str()), default) {
                    said.push(format!("{key} {default}"));
                }
            }
        }
        said.sort_by_key(|line| std::cmp::Reverse(line.starts_with("timeout")));
        said.join("; ")
    }

    /// A function that the table above does not have.
    pub(crate) fn symbol(&self, name: &str) -> Result<Handle, String> {
        find(self.library, name)
    }

    /// The first of these functions that the library has.
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Result<&'static str, String> {
        let has = |name: &&&'static str| self.symbol(name).is_ok();
        names
            .iter()
            .find(has)
            .copied()
            .ok_or_else(|| format!("this libahoy has no {}", names.join(" or ")))
    }

    /// Calls a function with an error at its end.
    pub(crate) fn checked(&self, call: impl FnOnce(Err) -> i32) -> Result<(), String> {
        let mut error = ptr::null_mut();
        let status = call(&raw mut error);
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the error is ours, and read before it is freed.
        let message = text(unsafe { (self.ahoy_error_message)(error) });
        // SAFETY: as above.
        unsafe { (self.ahoy_error_free)(error) };
        Err(format!("{}: {message}", self.status_name(status)))
    }

    /// Calls a balancer's constructor.
    pub(crate) fn balancer(
        &self,
        constructor: &str,
        provider: Handle,
        probe_path: Option<&str>,
    ) -> Result<Handle, String> {
        type New = unsafe extern "C" fn(Handle) -> Handle;
        type NewProbing = unsafe extern "C" fn(Handle, *const c_char) -> Handle;
        let symbol = self.symbol(constructor)?;
        let balancer = match probe_path.map(c) {
            // SAFETY: constructors take a provider, which is alive, and return the handle.
            None => unsafe { std::mem::transmute::<Handle, New>(symbol)(provider) },
            // SAFETY: those that probe take a path as well, which lives through the call.
            Some(path) => unsafe {
                std::mem::transmute::<Handle, NewProbing>(symbol)(provider, path.as_ptr())
            },
        };
        if balancer.is_null() { Err(format!("{constructor} returned NULL")) } else { Ok(balancer) }
    }

    /// Calls a setter of the table.
    pub(crate) fn set(
        &self,
        handle: Handle,
        Setter(name, arguments): Setter,
    ) -> Result<(), String> {
        use Argument::{Count, Flag, Ratio, Text};
        let symbol = match self.symbol(name) {
            // What a library has not need not be turned off.
            Err(_) if name.contains("_disable_") => return Ok(()),
            symbol => symbol?,
        };
        // The shapes that the header has. An integer narrower than 64 bits is read from the same register.
        macro_rules! call {
            ($($value:expr => $type:ty),*) => {
                self.checked(|err| {
                    type Set = unsafe extern "C" fn(Handle, $($type,)* Err) -> i32;
                    // SAFETY: the shape is that of the header, for the handle that the table pairs it with.
                    let set = unsafe { std::mem::transmute::<Handle, Set>(symbol) };
                    // SAFETY: the handle is alive.
                    unsafe { set(handle, $($value,)* err) }
                })
            };
        }
        match *arguments {
            [] => call!(),
            [Count(a)] => call!(a => u64),
            [Count(a), Count(b)] => call!(a => u64, b => u64),
            [Ratio(a)] => call!(a => f64),
            [Ratio(a), Ratio(b)] => call!(a => f64, b => f64),
            [Flag(a)] => call!(a => bool),
            [Ratio(a), Count(b)] => call!(a => f64, b => u64),
            [Ratio(a), Count(b), Count(c)] => call!(a => f64, b => u64, c => u64),
            [Count(a), Count(b), Count(c)] => call!(a => u64, b => u64, c => u64),
            [Count(a), Ratio(b)] => call!(a => u64, b => f64),
            [Count(a), Ratio(b), Ratio(c)] => call!(a => u64, b => f64, c => f64),
            [Text(a)] => {
                let text = c(a);
                call!(text.as_ptr() => *const c_char)
            }
            _ => Err(format!("{name}: the arena knows no setter of that shape")),
        }
        .map_err(|problem| format!("{name}: {problem}"))
    }
}

/// A C string.
pub(crate) fn c(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// The text behind a pointer; empty for NULL.
pub(crate) fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the library hands out text that ends with NUL, and its owner is alive.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Opens a shared library.
pub(crate) fn open(path: &str) -> Result<Handle, String> {
    // SAFETY: the text lives through the call.
    let library = unsafe { libc::dlopen(c(path).as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        // SAFETY: after a failure it is text.
        return Err(text(unsafe { libc::dlerror() }));
    }
    Ok(library)
}

/// A function of an open library.
pub(crate) fn find(library: Handle, name: &str) -> Result<Handle, String> {
    // SAFETY: the library is open and the text lives through the call.
    let symbol = unsafe { libc::dlsym(library, c(name).as_ptr()) };
    if symbol.is_null() { Err(format!("this library has no {name}")) } else { Ok(symbol) }
}
