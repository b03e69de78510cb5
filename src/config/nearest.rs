//! The nearest of the known names, for one that is mistyped.

/// Slips in a name that is still taken for a known one: a third of its
/// characters, but no more than this.
const SLIPS_MAX: usize = 4;

/// ` (did you mean …?)` with the nearest of the known names, or nothing if none
/// is near. The first `prefix_len` bytes are common to all.
pub(super) fn hint<'a>(
    name: &str,
    prefix_len: usize,
    known: impl Iterator<Item = &'a str>,
) -> String {
    let nearest = known.map(|it| (slips(name, it), it)).min();
    let slips_max = SLIPS_MAX.min((name.len() - prefix_len) / 3);
    match nearest {
        Some((slips, near)) if slips <= slips_max => format!(" (did you mean {near}?)"),
        _ => String::new(),
    }
}

/// Characters to insert, remove or replace between two names (Levenshtein).
fn slips(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
