//! Heads and bodies from any bytes, as a whole and in pieces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::wire::content::OUTPUT_BYTES;
use crate::http::wire::{
    BodyDecoder, BodyFraming, ContentCoding, HeadLimits, Undecodable, parse_head,
};

/// Content bytes of a body at most.
const BODY_BYTES_MAX: u64 = 1 << 10;

/// Decoded content at most, as a limit on it ends a batch.
const CONTENT_BYTES_MAX: usize = 1 << 20;

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

/// Content is the same, whatever pieces its encoded bytes come in. `bytes` are
/// encoded, or with the second bit set are what is to be encoded: it comes out
/// again.
pub fn content_coding(bytes: &[u8]) {
    let [form, piece, bytes @ ..] = bytes else {
        return;
    };
    let coding = match form & 1 {
        0 => ContentCoding::Gzip,
        _ => ContentCoding::Zstd,
    };
    let piece = usize::from(*piece).max(1);
    if form & 2 == 0 {
        let whole = decoded(coding, bytes, bytes.len().max(1));
        assert_eq!(whole, decoded(coding, bytes, piece));
        return;
    }
    let encoded = match coding {
        ContentCoding::Zstd => zstd::encode_all(bytes, 1).expect("in memory"),
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).expect("in memory");
            encoder.finish().expect("in memory")
        }
    };
    let again = decoded(coding, &encoded, piece);
    assert!(again == Ok((bytes.to_vec(), true)));
    let cut = decoded(coding, &encoded[..encoded.len() - 1], piece);
    assert!(cut.is_ok_and(|(_, is_complete)| !is_complete));
}

/// The content, from pieces of so many bytes; whether it is complete.
pub(crate) fn decoded(
    coding: ContentCoding,
    encoded: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, bool), Undecodable> {
    let mut decoder = coding.decoder().expect("one that is known");
    let mut content = Vec::new();
    for mut piece in encoded.chunks(piece) {
        while let Some(step) = decoder.next(&mut piece) {
            let step = step?;
            assert!(step.len() <= OUTPUT_BYTES);
            content.extend_from_slice(step);
            if content.len() > CONTENT_BYTES_MAX {
                return Err(Undecodable);
            }
        }
    }
    Ok((content, decoder.is_complete()))
}
