//! Who asks, and what they may: bearer tokens from a file, with their quotas;
//! without them, quotas of client addresses.
//!
//! Between the front ends and admission: a front end hands over what a request
//! says of its sender, and its [`Caller`] has a client then, or it gets a
//! [`Denied`]. Nothing here knows HTTP or gRPC beyond the `Authorization` field
//! that both have.
//!
//! The tokens in force are an immutable set behind a pointer that a reload
//! replaces, with a number that counts the reloads. A connection remembers its
//! last `Authorization` with that number: as long as neither changes, a request
//! costs a load and a comparison of some 60 bytes. The lock around the pointer
//! is held for a few nanoseconds, by the first request of a connection and
//! after a reload, and never while a coroutine parks. A call that lasts holds a
//! [`Grant`], and checks that as a connection checks its requests.
//!
//! | file | holds |
//! |---|---|
//! | `policy` | [`Access`]: the tokens in force, read again; what a request may |
//! | `caller` | [`Caller`]: what a connection remembers of who asks on it |
//! | `bearer` | `Authorization` to a token |
//! | `grant` | [`Grant`]: the right of a call that may outlast its token |
//! | `client` | `Client`: an identity, and its scopes |
//! | `quota` | [`Quota`]: how much a client may do, and what it has done |
//! | `addresses` | quotas of client addresses, where there are no tokens |
//! | `tokens` | the set, and the search in it |
//! | `token` | one token: its form, its hash, a new one |
//! | `file`, `line` | the token file, and a line of it |
//! | `sample` | which lines of an access log are written |

mod addresses;
mod bearer;
mod caller;
mod client;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grant;
mod line;
mod policy;
mod quota;
mod sample;
#[cfg(test)]
mod tests;
mod token;
mod tokens;

pub(crate) use self::addresses::{ADDRESS_BYTES, ADDRESSES_MAX};
pub(crate) use self::caller::{Caller, Identity};
pub(crate) use self::client::Scope;
pub(crate) use self::file::TokenFileError;
pub(crate) use self::grant::Grant;
pub(crate) use self::policy::{Access, Denied, Need};
pub(crate) use self::quota::{InFlight, OverQuota, Quota};
pub(crate) use self::sample::AccessSample;
pub use self::token::{BadName, new_token};
