//! Which ledger a directory holds, and how long its segments are: from the
//! manifest, or from the other files if that is damaged.

use std::collections::HashMap;

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{EXTENT, MANIFEST, PENDING, segment_name};
use crate::ledger::journal::format::{FRAME_HEAD, u32_at};
use crate::ledger::journal::limits::{SEGMENT_BYTES, SEGMENT_BYTES_ALLOWED};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::salvage::report::Damage;
use crate::ledger::journal::storage::{Source, read_full};

/// All files begin with a head of this length that has the ledger's id and a
/// checksum at the same offsets.
const HEAD: usize = 64;
/// Segments have a multiple of this length.
const UNIT: u64 = 512;

/// The manifest, and what is wrong with it if it had to be made up.
pub(super) fn identify(
    source: &dyn Source,
    numbers: &[u32],
) -> Result<(Option<Manifest>, Option<Damage>), OpenError> {
    let what = match Manifest::load(source) {
        Ok(manifest) => return Ok((manifest, None)),
        Err(OpenError::NoManifest { .. }) => "it is missing",
        Err(OpenError::Manifest { .. } | OpenError::Io { .. }) => "it is damaged",
        Err(other) => return Err(other),
    };
    let damage = Damage {
        file: MANIFEST.to_owned(),
        offset: 0,
        bytes: HEAD as u64,
        what: what.to_owned(),
        lost: None,
    };
    let segments = numbers.iter().map(|&number| segment_name(number));
    let names: Vec<String> = segments.chain([EXTENT.into(), PENDING.into()]).collect();
    let mut ids = HashMap::new();
    let mut lengths = HashMap::new();
    let mut longest = 0;
    for name in &names {
        let Ok(file) = source.open(name) else {
            continue;
        };
        let mut head = [0; HEAD];
        if let Ok(HEAD) = read_full(&*file, &mut head, 0)
            && let Some(id) = ledger_of(&head)
        {
            *ids.entry(id.0).or_insert(0) += 1;
        }
        if ![EXTENT, PENDING].contains(&&**name)
            && let Ok(len) = file.len()
        {
            longest = longest.max(len);
            if SEGMENT_BYTES_ALLOWED.contains(&len) && len.is_multiple_of(UNIT) {
                *lengths.entry(len).or_insert(0) += 1;
            }
        }
    }
    let unknown = || OpenError::Manifest { file: MANIFEST };
    let ledger = LedgerId(most_frequent(&ids).ok_or_else(unknown)?);
    let segment_bytes = most_frequent(&lengths).unwrap_or_else(|| long_enough(longest));
    Ok((Some(Manifest::of(ledger, segment_bytes)), Some(damage)))
}

/// The length of segments of which none has its own: what is in them fits, with
/// a seal behind it.
fn long_enough(longest: u64) -> u64 {
    if longest == 0 {
        return SEGMENT_BYTES;
    }
    let (min, max) = (SEGMENT_BYTES_ALLOWED.start(), SEGMENT_BYTES_ALLOWED.end());
    let with_seal = longest.saturating_add(FRAME_HEAD as u64);
    with_seal.clamp(*min, *max).next_multiple_of(UNIT)
}

/// The greater one of two that are as frequent: a file that was cut is shorter.
fn most_frequent<T: Copy + Ord>(counts: &HashMap<T, u32>) -> Option<T> {
    let most = counts.iter().max_by_key(|&(&value, &count)| (count, value));
    most.map(|(&value, _)| value)
}

fn ledger_of(head: &[u8; HEAD]) -> Option<LedgerId> {
    let whole = head[0] == 0xFF && u32_at(head, 60) == crc32c(&head[..60]);
    let id = head[16..32].first_chunk().filter(|_| whole)?;
    Some(LedgerId(*id))
}
