//! The two places where an id is met again: [`claims`] holds the ids in flight,
//! [`window`] the last committed outcomes.

pub(crate) mod claims;
pub(crate) mod window;
