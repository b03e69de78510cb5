//! How large the segments of a new directory are: large ones cost fewer
//! switches, and on a small volume the last ones that fit leave much of it
//! unused.

use std::path::Path;

use rustix::fs::statvfs;

use crate::ledger::journal::limits::{SEGMENT_BYTES, SEGMENT_BYTES_SMALL, SEGMENTS_IN_VOLUME};

/// What suits the volume of a directory.
pub(crate) fn suitable(dir: &Path) -> u64 {
    // What can't be looked at is opened next, which says why not.
    statvfs(dir).map_or(SEGMENT_BYTES, |volume| {
        for_volume(volume.f_blocks.saturating_mul(volume.f_frsize))
    })
}

fn for_volume(bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    if bytes == 0 {
        return SEGMENT_BYTES; // it doesn't say
    }
    let each = bytes / SEGMENTS_IN_VOLUME / MIB * MIB;
    each.clamp(SEGMENT_BYTES_SMALL, SEGMENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_volume_gets_smaller_ones() {
        for (volume_mib, mib) in [
            (0, 64),
            (30, 17),
            (100, 17),
            (300, 30),
            (640, 64),
            (1 << 30, 64),
        ] {
            assert_eq!(for_volume(volume_mib << 20), mib << 20, "{volume_mib}");
        }
        assert!(for_volume(12_345_678_901 / 40).is_multiple_of(512));
    }
}
