//! `zstd` (RFC 8878): frames one behind the other.

use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::http::wire::content::step::{Step, Undecodable};

/// The largest window as a base-two logarithm: 8 MiB, which RFC 9659 has every
/// receiver take and no sender exceed. A frame that needs more is refused
/// before memory is allocated for it.
const WINDOW_LOG_MAX: u32 = 23;
/// What a decoder allocates at most: the window, a block of input and of output
/// (128 KiB each), and tables.
pub(super) const STATE_BYTES_MAX: usize = (1 << WINDOW_LOG_MAX) + (512 << 10);

pub(super) struct Zstandard {
    frame: Decoder<'static>,
    is_between: bool,
}

impl Zstandard {
    pub(super) fn new() -> Self {
        let mut frame = Decoder::new().expect("without a dictionary nothing can be wrong");
        frame
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
            .expect("within the range that the format has");
        Self {
            frame,
            is_between: true,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Undecodable> {
        let status = self
            .frame
            .run_on_buffers(input, output)
            .map_err(|_| Undecodable)?;
        let (consumed, produced) = (status.bytes_read, status.bytes_written);
        if consumed > 0 || produced > 0 {
            self.is_between = status.remaining == 0;
        } else if !input.is_empty() {
            return Err(Undecodable); // it would never get on
        }
        Ok(Step { consumed, produced })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_between
    }
}
