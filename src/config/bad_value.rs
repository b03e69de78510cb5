//! What is wrong with the text of a single value. `usage` puts the flag or the variable before it.

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BadValue {
    /// It is well formed and outside its limits, which are given with their unit.
    #[error("must be between {min} and {max}")]
    Range { min: String, max: String },
    /// It does not have the form that is named.
    #[error("must be {0}")]
    Form(&'static str),
    /// A bare number where a unit of time is needed.
    #[error("needs a unit: {0}ms, {0}s, {0}m or {0}h")]
    NoUnit(u64),
    #[error("is more memory than this machine can address")]
    NotAddressable,
    #[error("lists core {0} twice")]
    CoreTwice(usize),
    #[error("localhost has no address here: give an IP address")]
    NoLocalhost,
}
