//! Bodies: content, refusals and limits, in one piece and split everywhere.

use proptest::prelude::*;

use crate::http::wire::body::decoder::{BodyDecoder, Decoded};
use crate::http::wire::body::framing::BodyFraming;
use crate::http::wire::error::BodyError as E;
use crate::http::wire::tests::random::Random;

/// Feeds `input` in pieces of these lengths (the last one over and over).
/// Returns the content, and how many bytes were consumed if the body is
/// complete.
fn feed(
    decoder: &mut BodyDecoder,
    input: &[u8],
    pieces: &[usize],
) -> (Vec<u8>, Result<Option<usize>, E>) {
    let mut out = Vec::new();
    let (mut at, mut turn) = (0, 0);
    while at < input.len() {
        let len = pieces[turn.min(pieces.len() - 1)].clamp(1, input.len() - at);
        turn += 1;
        match decoder.decode(&input[at..at + len], &mut out) {
            Ok(Decoded {
                consumed,
                done: true,
            }) => return (out, Ok(Some(at + consumed))),
            Ok(Decoded {
                consumed,
                done: false,
            }) => assert_eq!(consumed, len, "a byte was left"),
            Err(error) => {
                assert_eq!(
                    decoder.decode(b"0\r\n\r\n", &mut out),
                    Err(error),
                    "an error lasts"
                );
                return (out, Err(error));
            }
        }
        at += len;
    }
    (out, Ok(None))
}

/// The same in one piece and byte by byte, which must not differ.
fn chunked(input: &[u8], limit: u64) -> (Vec<u8>, Result<Option<usize>, E>) {
    let new = || BodyDecoder::new(BodyFraming::Chunked, limit).expect("no length to refuse yet");
    let whole = feed(&mut new(), input, &[input.len()]);
    assert_eq!(
        feed(&mut new(), input, &[1]),
        whole,
        "{:?}",
        String::from_utf8_lossy(input)
    );
    whole
}

#[test]
fn known_lengths() {
    let mut decoder = BodyDecoder::new(BodyFraming::Length(5), 5).expect("at the limit");
    assert_eq!(
        feed(&mut decoder, b"hel", &[2]),
        (b"hel".to_vec(), Ok(None))
    );
    assert!(!decoder.is_done());
    assert_eq!(
        feed(&mut decoder, b"loGET /", &[7]),
        (b"lo".to_vec(), Ok(Some(2)))
    );
    assert!(decoder.is_done());
    assert_eq!(
        BodyDecoder::new(BodyFraming::Length(6), 5).err(),
        Some(E::TooLarge)
    );
    for framing in [BodyFraming::None, BodyFraming::Length(0)] {
        let mut decoder = BodyDecoder::new(framing, 0).expect("nothing to refuse");
        assert!(decoder.is_done());
        let decoded = decoder.decode(b"GET /", &mut Vec::new());
        assert_eq!(
            decoded,
            Ok(Decoded {
                consumed: 0,
                done: true
            })
        );
    }
}

#[test]
fn well_formed_chunks() {
    for (input, content) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello"),
        (
            "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "01234567890123456789",
        ),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("1;a=\"b c\";d\r\nx\r\n0;last\r\n\r\n", "x"),
        ("1; a\t=  b ;c = \"\\\";\\\\\"; d\r\nx\r\n0\r\n\r\n", "x"),
        ("1\r\nx\r\n0\r\nA: b\r\nC:\r\nD: caf\u{e9}\r\n\r\n", "x"),
    ] {
        let with_next = format!("{input}0\r\n\r\n");
        let expected = (content.as_bytes().to_vec(), Ok(Some(input.len())));
        assert_eq!(chunked(with_next.as_bytes(), 100), expected, "{input:?}");
        for cut in 0..input.len() {
            assert_eq!(
                chunked(&input.as_bytes()[..cut], 100).1,
                Ok(None),
                "{input:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn malformed_chunks() {
    for (input, error) in [
        ("\r\n", E::ChunkSize),
        (";a\r\n", E::ChunkSize),
        (" 5\r\n", E::ChunkSize),
        ("5 \r\n", E::ChunkSize),
        ("5\t;a\r\n", E::ChunkSize),
        ("+5\r\n", E::ChunkSize),
        ("-5\r\n", E::ChunkSize),
        ("0x5\r\n", E::ChunkSize),
        ("1_0\r\n", E::ChunkSize),
        ("g\r\n", E::ChunkSize),
        ("5\nhello\r\n", E::ChunkSize),
        ("00000000000000005\r\n", E::ChunkSize),
        ("10000000000000000\r\n", E::ChunkSize),
        ("ffffffffffffffff\r\n", E::TooLarge),
        ("5\rhello", E::ChunkLineEnd),
        ("5\r\r\nhello", E::ChunkLineEnd),
        ("5\r\nhello\n0\r\n\r\n", E::ChunkLineEnd),
        ("5\r\nhello!\r\n", E::ChunkLineEnd),
        ("5\r\nhello0\r\n\r\n", E::ChunkLineEnd),
        ("5\r\nhello\r0\r\n\r\n", E::ChunkLineEnd),
        ("5\r\nhello\r\n\r\n", E::ChunkSize),
        ("5;a\nhello", E::ChunkExtension),
        ("5;a\0\r\n", E::ChunkExtension),
        ("5;a=\u{e9}\r\n", E::ChunkExtension),
        ("5;a\rb\r\n", E::ChunkLineEnd),
        ("5;\r\n", E::ChunkExtension),
        ("5;;a\r\n", E::ChunkExtension),
        ("5;a;\r\n", E::ChunkExtension),
        ("5; \r\n", E::ChunkExtension),
        ("5;a \r\n", E::ChunkExtension),
        ("5;=b\r\n", E::ChunkExtension),
        ("5;a=\r\n", E::ChunkExtension),
        ("5;a=b \r\n", E::ChunkExtension),
        ("5;a=b=c\r\n", E::ChunkExtension),
        ("5;a b\r\n", E::ChunkExtension),
        ("5;\"x\r\n", E::ChunkExtension),
        ("5;\"x\"\r\n", E::ChunkExtension),
        ("5;a=\"x\r\n", E::ChunkExtension),
        ("5;a=\"x\\\"\r\n", E::ChunkExtension),
        ("5;a=\"x\"y\r\n", E::ChunkExtension),
        ("5;a=\"\u{e9}\"\r\n", E::ChunkExtension),
        ("0\r\n\n", E::Trailer),
        ("0\r\n\rx", E::ChunkLineEnd),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", E::Trailer),
        ("0\r\n: b\r\n\r\n", E::Trailer),
        ("0\r\nA : b\r\n\r\n", E::Trailer),
        ("0\r\nA\r\n\r\n", E::Trailer),
        ("0\r\nA: b\r\n c\r\n\r\n", E::Trailer),
        ("0\r\nA: b\n\r\n", E::Trailer),
        ("0\r\nA: b\0\r\n", E::Trailer),
        ("0\r\nA: b\rc\r\n", E::ChunkLineEnd),
    ] {
        assert_eq!(chunked(input.as_bytes(), 100).1, Err(error), "{input:?}");
    }
}

#[test]
fn the_limit_counts_content_of_all_chunks() {
    let input = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(
        chunked(input, 5),
        (b"abcde".to_vec(), Ok(Some(input.len())))
    );
    // Refused by the size line already: nothing of the chunk that crosses it
    // comes out.
    assert_eq!(chunked(input, 4), (b"abc".to_vec(), Err(E::TooLarge)));
    assert_eq!(chunked(b"5\r\n", 4), (Vec::new(), Err(E::TooLarge)));
    assert_eq!(
        chunked(b"1\r\na\r\nffffffffffffffff\r\n", u64::MAX).1,
        Err(E::TooLarge)
    );
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extension = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 1));
    assert!(matches!(
        chunked(extension(256).as_bytes(), 9).1,
        Ok(Some(_))
    ));
    assert_eq!(
        chunked(extension(257).as_bytes(), 9).1,
        Err(E::ChunkExtension)
    );

    let lines = |count: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(matches!(chunked(lines(32).as_bytes(), 9).1, Ok(Some(_))));
    assert_eq!(chunked(lines(33).as_bytes(), 9).1, Err(E::TrailersTooLarge));

    let long = |bytes: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(bytes - 2));
    assert!(matches!(chunked(long(4096).as_bytes(), 9).1, Ok(Some(_))));
    assert_eq!(
        chunked(long(4097).as_bytes(), 9).1,
        Err(E::TrailersTooLarge)
    );
}

#[test]
fn framing_may_not_outweigh_content_without_end() {
    // Chunks of one byte are silly and allowed.
    let small = "1\r\nx\r\n".repeat(20_000) + "0\r\n\r\n";
    assert_eq!(chunked(small.as_bytes(), 20_000).0.len(), 20_000);
    // A size line of 44 bytes: the 431st meets the limit exactly (431 * 44 +
    // 430 * 2 = 16384 + 430
    // * 8).
    let padded = format!("1;{}\r\nx\r\n", "e".repeat(40));
    let (content, result) = chunked(padded.repeat(431).as_bytes(), 1000);
    assert_eq!((content.len(), result), (431, Ok(None)));
    let (content, result) = chunked(padded.repeat(432).as_bytes(), 1000);
    assert_eq!((content.len(), result), (431, Err(E::ChunkOverhead)));
    // The same line before chunks of some size goes on.
    let useful = format!("8;{}\r\n12345678\r\n", "e".repeat(40));
    assert_eq!(
        chunked(useful.repeat(2000).as_bytes(), 16_000).0.len(),
        16_000
    );
}

/// Chunk by chunk, with extensions on some and trailers when asked for.
fn encode(chunks: &[(Vec<u8>, bool)], trailer: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (content, extended) in chunks.iter().filter(|(content, _)| !content.is_empty()) {
        let extension = if *extended { ";name=\"a value\"" } else { "" };
        out.extend_from_slice(format!("{:X}{extension}\r\n", content.len()).as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(if trailer {
        b"0\r\nA: b\r\n\r\n"
    } else {
        b"0\r\n\r\n"
    });
    out
}

proptest! {
    #[test]
    fn any_split_gives_the_plain_body(
        chunks in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..12),
        trailer in any::<bool>(),
        pieces in prop::collection::vec(1usize..64, 1..40),
        behind in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let plain: Vec<u8> = chunks.iter().flat_map(|(content, _)| content.clone()).collect();
        let wire = encode(&chunks, trailer);
        let input = [&wire[..], &behind[..]].concat();
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked, plain.len() as u64).expect("no length yet");
        let (content, end) = feed(&mut decoder, &input, &pieces);
        prop_assert_eq!(content, plain.clone());
        prop_assert_eq!(end, Ok(Some(wire.len())));
        if let Some(limit) = plain.len().checked_sub(1) {
            let mut decoder = BodyDecoder::new(BodyFraming::Chunked, limit as u64).expect("no length yet");
            prop_assert_eq!(feed(&mut decoder, &input, &pieces).1, Err(E::TooLarge));
        }
    }
}

#[test]
fn damaged_bodies_never_panic_nor_depend_on_their_split() {
    let mut random = Random::seeded();
    let sound = b"5;a=b\r\nhello\r\n00a\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
    for _ in 0..20_000 {
        let mut bytes = sound.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = *random.pick(b"\r\n\0 ;:0fF\x7f\xff"),
                1 => bytes.insert(at, *random.pick(b"\r\n\0 ;:0fF\x7f\xff")),
                _ => bytes[at] = random.below(256) as u8,
            }
        }
        let (content, end) = chunked(&bytes, 20);
        assert!(content.len() <= 20);
        assert!(end.is_err() || end.is_ok_and(|end| end.is_none_or(|end| end <= bytes.len())));
    }
}
