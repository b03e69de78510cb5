//! What decoding in steps comes to.

/// What a step of a stream did.
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) produced: usize,
}

/// The content is not what its coding makes, or it needs too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;
