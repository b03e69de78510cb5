//! The stack that a connection's coroutine has.

/// In bytes; only what is touched takes memory. The deepest request of
/// `tests/faults.rs` touches 25 KiB in a debug build, whose frames are several
/// times larger than a release build's; a TLS handshake touches 60 KiB there. An
/// overflow hits the guard page and ends the process.
const STACK_BYTES: usize = if cfg!(debug_assertions) {
    128 << 10
} else {
    64 << 10
};

/// The stack's size as `may` counts it, in words.
pub(crate) const fn stack_words() -> usize {
    STACK_BYTES / size_of::<usize>()
}
