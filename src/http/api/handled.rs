//! What a route comes to: a reply, or something to wait for, which each route has a type of its own
//! for.

use crate::http::wire::reply::Reply;

/// What a route came to.
pub(crate) enum Handled<W> {
    Reply(Reply),
    /// Not yet: poll it when the waker is called, and when its deadline has passed.
    Wait(W),
}

impl<W> Handled<W> {
    /// The same with another type to wait for.
    pub(crate) fn map<V>(self, wait: impl FnOnce(W) -> V) -> Handled<V> {
        match self {
            Self::Reply(reply) => Handled::Reply(reply),
            Self::Wait(waiting) => Handled::Wait(wait(waiting)),
        }
    }
}
