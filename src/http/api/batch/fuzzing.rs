//! Lines from any bytes, as a whole and in pieces.

use crate::http::api::batch::lines::{Line, Lines};

const LINE_BYTES_MAX: usize = 32;

/// Lines are the same, whatever pieces they come in, and none is too long.
pub fn ndjson(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = lines(bytes.chunks(bytes.len().max(1)));
    let pieces = lines(bytes.chunks(usize::from(piece).max(1)));
    assert_eq!(whole, pieces);
    let longest = whole.iter().flatten().map(Vec::len).max();
    assert!(longest.unwrap_or(0) <= LINE_BYTES_MAX);
}

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
    let owned = |line: Line<'_>| match line {
        Line::Text(text) => Some(text.to_vec()),
        Line::TooLong => None,
    };
    let (mut lines, mut found) = (Lines::new(LINE_BYTES_MAX), Vec::new());
    for mut piece in pieces {
        while let Some(line) = lines.next(&mut piece) {
            found.push(owned(line));
        }
    }
    found.extend(lines.last().map(owned));
    found
}
