//! `gzip` (RFC 1952): members one behind the other.

use flate2::{Decompress, FlushDecompress, Status};

use crate::http::wire::content::step::{Step, Undecodable};

/// The window of 32 KiB, and tables: what the decoder allocates, rounded up.
pub(super) const STATE_BYTES: usize = 64 << 10;
/// As in base-two logarithm; the largest that the format has.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip {
    member: Decompress,
    /// Between two members, or before the first.
    is_between: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            member: Decompress::new_gzip(WINDOW_BITS),
            is_between: true,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Undecodable> {
        let before = (self.member.total_in(), self.member.total_out());
        let status = self
            .member
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| Undecodable)?;
        // Both counts are less than the two slices hold.
        let consumed = (self.member.total_in() - before.0) as usize;
        let produced = (self.member.total_out() - before.1) as usize;
        if status == Status::StreamEnd {
            self.member.reset(true);
            self.is_between = true;
        } else if consumed > 0 {
            self.is_between = false;
        }
        if consumed == 0 && produced == 0 && !input.is_empty() {
            return Err(Undecodable); // it would never get on
        }
        Ok(Step { consumed, produced })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_between
    }
}
