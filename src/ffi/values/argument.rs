//! From the raw arguments of an entry point to Rust values: here alone the host's word is taken for them.
//!
//! An entry point is `entry::status!(err, |response: Out<ahoy_response>, client: &ahoy_client| ...)`, or
//! `guard::value!` where it returns what it is asked for. The list names parameters of the function, each with the
//! type that it has inside, and that type says what the host passes and to whom it belongs:
//!
//! | type              | parameter in C      |                                                            |
//! |-------------------|---------------------|------------------------------------------------------------|
//! | `&T`              | `const T *`         | a handle, lent for the call                                |
//! | `&mut T`          | `T *`               | a handle that one thread uses, lent for the call           |
//! | `Option<&T>`      | `const T *`         | the same where NULL is fine                                |
//! | `Option<Box<T>>`  | `T *`               | a handle that the host gives back                          |
//! | `Out<T>`          | `T **`              | a place for a handle, which belongs to the host then       |
//! | `OutValue<T>`     | `T *`               | a place for a number or a truth                            |
//! | `&str`            | `const char *`      | text, lent for the call                                    |
//! | `Option<&str>`    | `const char *`      | the same where NULL is fine                                |
//! | `&CStr`           | `const char *`      | text that need not be UTF-8                                |
//! | `Option<&CStr>`   | `const char *`      | the same where NULL is fine                                |
//! | `&[u8]`           | pointer and length  | bytes, lent for the call; (NULL, 0) is empty               |
//! | `&mut [u8]`       | pointer and length  | room for bytes                                             |
//! | `Array<T>`        | pointer and count   | values that are copied out                                 |
//! | `OutArray<T>`     | pointer and room    | places for handles, which belong to the host then          |
//! | `Callback<F>`     | `F` and user data   | a function of the host, kept for as long as it may run     |
//!
//! A pointer with a length is bound to a name first, as in `let bytes = (bytes, ("length", length));`, and so is a
//! function with its user data: `let fn_ = (fn_, UserData::new(user_data, destroy));`.
//!
//! The body is safe code. What is NULL and must not be, or is not UTF-8, is an error that names the parameter. All
//! arguments are looked at before the first error counts: outputs are cleared, whichever argument is bad.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::slice;

use super::handle::{Exclusive, Freeable, Handle, Out, OutArray, OutValue};
use crate::error::Error;

/// The handle behind a parameter, or `None` for NULL: for accessors that cannot panic.
macro_rules! lent {
    ($name:ident) => {
        // SAFETY: NULL or a handle that lives, as the host promises.
        unsafe { $name.as_ref() }
    };
}

pub(crate) use lent;

/// What a raw parameter becomes.
pub(crate) trait Argument: Sized {
    type Raw;

    /// The parameter called `name`, checked.
    ///
    /// # Safety
    ///
    /// `raw` is NULL or what the type says, for as long as the entry point runs.
    unsafe fn take(name: &str, raw: Self::Raw) -> Result<Self, Error>;
}

/// A pointer to bytes with their number, and the name of the parameter that tells it.
pub(crate) type Bytes<P> = (P, (&'static str, usize));

impl<T: Handle> Argument for &T {
    type Raw = *const T;

    unsafe fn take(name: &str, raw: *const T) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        unsafe { raw.as_ref() }.ok_or_else(|| is_null(name))
    }
}

impl<T: Handle<Held: Exclusive>> Argument for &mut T {
    type Raw = *mut T;

    unsafe fn take(name: &str, raw: *mut T) -> Result<Self, Error> {
        // SAFETY: as the caller promises; and one thread uses it, which its documentation says.
        unsafe { raw.as_mut() }.ok_or_else(|| is_null(name))
    }
}

impl<T: Handle> Argument for Option<&T> {
    type Raw = *const T;

    unsafe fn take(_: &str, raw: *const T) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        Ok(unsafe { raw.as_ref() })
    }
}

impl<T: Handle<Held: Freeable>> Argument for Option<Box<T>> {
    type Raw = *mut T;

    unsafe fn take(_: &str, raw: *mut T) -> Result<Self, Error> {
        // SAFETY: made by `handle::new` and given back once, as the caller promises.
        Ok((!raw.is_null()).then(|| unsafe { Box::from_raw(raw) }))
    }
}

impl<T: Handle<Held: Freeable>> Argument for Out<T> {
    type Raw = *mut *mut T;

    unsafe fn take(name: &str, raw: *mut *mut T) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        unsafe { Self::new(raw) }.ok_or_else(|| is_null(name))
    }
}

impl<T: Handle<Held: Freeable>> Argument for OutArray<T> {
    type Raw = Bytes<*mut *mut T>;

    unsafe fn take(name: &str, (start, (count, room)): Self::Raw) -> Result<Self, Error> {
        let refused = || match start.is_null() {
            true => is_null(name),
            false => invalid(count, "is 0; the least is 1"),
        };
        // SAFETY: as the caller promises.
        unsafe { Self::new(start, room) }.ok_or_else(refused)
    }
}

impl<T: Default> Argument for OutValue<T> {
    type Raw = *mut T;

    unsafe fn take(name: &str, raw: *mut T) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        unsafe { Self::new(raw) }.ok_or_else(|| is_null(name))
    }
}

impl<T: Default> Argument for Option<OutValue<T>> {
    type Raw = *mut T;

    unsafe fn take(_: &str, raw: *mut T) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        Ok(unsafe { OutValue::new(raw) })
    }
}

impl Argument for &CStr {
    type Raw = *const c_char;

    unsafe fn take(name: &str, raw: *const c_char) -> Result<Self, Error> {
        if raw.is_null() {
            return Err(is_null(name));
        }
        // SAFETY: not NULL, so text that ends with NUL, as the caller promises.
        Ok(unsafe { CStr::from_ptr(raw) })
    }
}

impl Argument for &str {
    type Raw = *const c_char;

    unsafe fn take(name: &str, raw: *const c_char) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        let text = unsafe { <&CStr>::take(name, raw) }?;
        text.to_str().map_err(|_| invalid(name, "is not valid UTF-8"))
    }
}

impl Argument for Option<&CStr> {
    type Raw = *const c_char;

    unsafe fn take(name: &str, raw: *const c_char) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        (!raw.is_null()).then(|| unsafe { <&CStr>::take(name, raw) }).transpose()
    }
}

impl Argument for Option<&str> {
    type Raw = *const c_char;

    unsafe fn take(name: &str, raw: *const c_char) -> Result<Self, Error> {
        // SAFETY: as the caller promises.
        (!raw.is_null()).then(|| unsafe { <&str>::take(name, raw) }).transpose()
    }
}

impl Argument for &[u8] {
    type Raw = Bytes<*const u8>;

    unsafe fn take(name: &str, (bytes, length): Self::Raw) -> Result<Self, Error> {
        if length.1 == 0 {
            return Ok(&[]);
        }
        if bytes.is_null() {
            return Err(invalid(name, "is NULL but its length is not 0"));
        }
        // SAFETY: not NULL and of that length, as the caller promises.
        Ok(unsafe { slice::from_raw_parts(bytes, in_memory(length)?) })
    }
}

impl Argument for &mut [u8] {
    type Raw = Bytes<*mut u8>;

    unsafe fn take(name: &str, (room, capacity): Self::Raw) -> Result<Self, Error> {
        if capacity.1 == 0 {
            return Err(invalid(capacity.0, "is 0; the least is 1"));
        }
        let capacity = in_memory(capacity)?;
        if room.is_null() {
            return Err(is_null(name));
        }
        // SAFETY: not NULL and of that capacity, as the caller promises.
        Ok(unsafe { slice::from_raw_parts_mut(room, capacity) })
    }
}

/// What an array of the host holds. It is no slice: its length would be the host's word alone, which may be larger
/// than any memory, before the body has looked at it.
pub(crate) struct Array<'a, T> {
    start: *const T,
    count: usize,
    lent: PhantomData<&'a T>,
}

impl<T: Copy> Array<'_, T> {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        // SAFETY: `count` long, as was promised where it was taken.
        (0..self.count).map(|index| unsafe { *self.start.add(index) })
    }
}

impl<T> Argument for Array<'_, T> {
    type Raw = Bytes<*const T>;

    unsafe fn take(name: &str, (start, (count_name, count)): Self::Raw) -> Result<Self, Error> {
        if start.is_null() && count > 0 {
            return Err(invalid(name, &format!("is NULL but {count_name} is not 0")));
        }
        Ok(Self { start, count, lent: PhantomData })
    }
}

fn in_memory((name, length): (&str, usize)) -> Result<usize, Error> {
    match isize::try_from(length) {
        Ok(_) => Ok(length),
        Err(_) => Err(invalid(name, "is larger than any memory")),
    }
}

pub(super) fn is_null(name: &str) -> Error {
    invalid(name, "is NULL")
}

/// Names a parameter as C does: without the underscore of names that are taken in Rust.
fn invalid(name: &str, what: &str) -> Error {
    Error::invalid(name.trim_end_matches('_'), what)
}
