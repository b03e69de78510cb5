//! What an I/O error means for the write side.

use std::io;

use crate::ledger::journal::storage::is_full;

#[derive(Clone, Debug)]
pub(crate) enum WriteError {
    /// No space; it may work later.
    Full(String),
    /// Nothing may be written any more.
    Fatal(String),
}

impl WriteError {
    pub(crate) fn of(what: &str, error: &io::Error) -> Self {
        let why = format!("{what}: {error}");
        if is_full(error) {
            Self::Full(why)
        } else {
            Self::Fatal(why)
        }
    }
}
