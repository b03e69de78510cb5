//! Contents that are decoded and refused, in pieces and whole.

use std::io::Write;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::wire::content::{ContentCoding, Undecodable};
use crate::http::wire::fuzzing::decoded as decode;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

/// Text of which no two lines are the same.
fn text(lines: usize) -> Vec<u8> {
    let line = |number| format!("{{\"id\":\"ord-{number}\",\"value\":{number}}}\n");
    (0..lines).map(line).collect::<String>().into_bytes()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const BOTH: [(ContentCoding, Encode); 2] =
    [(ContentCoding::Gzip, gzip), (ContentCoding::Zstd, zstd)];

#[test]
fn names() {
    use ContentCoding::{Gzip, Identity, Unknown, Zstd};
    for (lines, coding) in [
        (&[][..], Identity),
        (&[""], Identity),
        (&["identity"], Identity),
        (&["gzip"], Gzip),
        (&["X-GZIP"], Gzip),
        (&["identity, Zstd"], Zstd),
        (&["br"], Unknown),
        (&["deflate"], Unknown),
        (&["gzip, gzip"], Unknown),
        (&["gzip", "zstd"], Unknown),
        (&["br, gzip"], Unknown),
        (&["gzip;q=1"], Unknown),
    ] {
        let lines = lines.iter().map(|line| line.as_bytes());
        assert_eq!(lines.fold(Identity, ContentCoding::with_line), coding);
    }
}

#[test]
fn content_is_the_same_however_it_arrives() {
    for (coding, encode) in BOTH {
        for lines in [0, 1, 3000] {
            let content = text(lines);
            let encoded = encode(&content);
            for piece in [1, 7, 4096, encoded.len()] {
                assert_eq!(decode(coding, &encoded, piece), Ok((content.clone(), true)));
            }
            let twice = [&encoded[..], &encoded].concat();
            let content = [&content[..], &content].concat();
            assert_eq!(decode(coding, &twice, 64 << 10), Ok((content, true)));
        }
        assert_eq!(decode(coding, b"", 1), Ok((Vec::new(), true)));
    }
}

#[test]
fn a_cut_is_noticed_and_damage_does_no_harm() {
    for (coding, encode) in BOTH {
        let content = text(200);
        let encoded = encode(&content);
        for cut in 1..encoded.len() {
            let (decoded, complete) = decode(coding, &encoded[..cut], 64).expect("so far");
            assert!(!complete && content.starts_with(&decoded), "{cut}");
        }
        for at in 0..encoded.len() {
            let mut damaged = encoded.clone();
            damaged[at] ^= 0x10;
            let _ = decode(coding, &damaged, 100);
        }
        for garbage in [&b"{\"id\":\"a\"}"[..], b"\0\0\0\0", &[0xff; 64]] {
            assert_eq!(decode(coding, garbage, 64), Err(Undecodable), "{coding:?}");
            let behind = [&encoded[..], garbage].concat();
            assert_eq!(decode(coding, &behind, 64), Err(Undecodable), "{coding:?}");
        }
    }
}

#[test]
fn a_checksum_that_is_wrong_is_noticed() {
    let mut encoded = gzip(&text(10));
    let crc = encoded.len() - 8;
    encoded[crc] ^= 1;
    assert_eq!(decode(ContentCoding::Gzip, &encoded, 64), Err(Undecodable));
}

/// A frame with a window of so many bytes, as a base-two logarithm.
fn with_window(log: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(b"{}\n").unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_window_is_bounded() {
    let decode = |log| decode(ContentCoding::Zstd, &with_window(log), 64);
    assert_eq!(decode(23), Ok((b"{}\n".to_vec(), true)));
    assert_eq!(decode(24), Err(Undecodable));
    assert_eq!(decode(27), Err(Undecodable));
}

/// A coroutine has 64 KiB, and other frames take their part.
#[test]
fn little_of_a_small_stack_is_used() {
    for (coding, encode) in BOTH {
        let content = text(20_000);
        let encoded = encode(&content);
        let decoding = thread::Builder::new()
            .stack_size(32 << 10)
            .spawn(move || decode(coding, &encoded, 64 << 10))
            .unwrap();
        assert_eq!(decoding.join().unwrap(), Ok((content, true)));
    }
}
