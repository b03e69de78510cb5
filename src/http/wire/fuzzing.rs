//! Heads and bodies from any bytes, as a whole and in pieces.

use crate::http::wire::{BodyDecoder, BodyFraming, HeadLimits, parse_head};

/// Content bytes of a body at most.
const BODY_BYTES_MAX: u64 = 1 << 10;

/// A head is the same, whatever pieces it comes in.
pub fn http_head(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    let limits = HeadLimits {
        head_bytes: 1024,
        target_bytes: 256,
        headers: 20,
    };
    let whole = parse_head(bytes, &mut 0, &limits);
    if let Ok(Some(head)) = &whole {
        assert!(head.len <= bytes.len());
        let _ = (head.path(bytes), head.query(bytes), head.host(bytes));
        let _ = (head.origin(bytes), head.idempotency_key(bytes));
        let _ = (head.content_type(bytes), head.traceparent(bytes));
        let _ = head.prefer(bytes).members().count();
        let _ = head.accept(bytes).members().count();
    }
    let mut searched = 0;
    let ends = (1..=bytes.len()).step_by(usize::from(piece).max(1));
    for end in ends.chain([bytes.len()]) {
        match parse_head(&bytes[..end], &mut searched, &limits) {
            Ok(None) => {}
            Ok(Some(head)) => return assert_eq!(whole, Ok(Some(head))),
            Err(_) => return assert!(whole.is_err(), "{whole:?}"),
        }
    }
    assert_eq!(whole, Ok(None));
}

/// A body's content is the same, whatever pieces it comes in.
pub fn http_body(bytes: &[u8]) {
    let [framing, piece, body @ ..] = bytes else {
        return;
    };
    let framing = match framing {
        0..128 => BodyFraming::Chunked,
        length => BodyFraming::Length(u64::from(length - 128)),
    };
    let whole = content(framing, body.chunks(body.len().max(1)));
    let pieces = content(framing, body.chunks(usize::from(*piece).max(1)));
    assert_eq!(whole, pieces);
}

/// The content, and whether the body is complete; `None` if it is none.
fn content<'a>(
    framing: BodyFraming,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<(Vec<u8>, bool)> {
    let mut decoder = BodyDecoder::new(framing, BODY_BYTES_MAX).ok()?;
    let mut content = Vec::new();
    for mut piece in pieces {
        loop {
            let run = decoder.run(piece).ok()?;
            content.extend_from_slice(&piece[run.content.clone()]);
            piece = &piece[run.content.end..];
            if run.done {
                assert!(content.len() as u64 <= BODY_BYTES_MAX);
                return Some((content, true));
            }
            if piece.is_empty() {
                break;
            }
        }
    }
    Some((content, false))
}
