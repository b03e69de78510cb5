//! Heads damaged at random.

use crate::http::wire::HeadLimits;
use crate::http::wire::tests::random::Random;
use crate::http::wire::tests::{LIMITS, ask_every_prefix};

#[test]
fn damaged_heads_never_panic_nor_depend_on_their_split() {
    let mut random = Random::seeded();
    let sound = "\r\nPOST http://h/submit?a=b HTTP/1.1\r\nHost: h:1\r\nContent-Type: a/b\r\nContent-Length: 10\r\n\
                 Connection: keep-alive, close\r\nPrefer: wait=1\r\nTransfer-Encoding: chunked\r\n\r\nbody\r\n\r\n";
    let telling = b"\r\n\r\n\0\t :,/?#*0Aa\x7f\xc3\xa9\x16";
    let tiny = HeadLimits {
        head_bytes: 120,
        target_bytes: 20,
        headers: 4,
    };
    for _ in 0..1500 {
        let mut bytes = sound.as_bytes().to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = *random.pick(telling),
                1 => bytes.insert(at, *random.pick(telling)),
                2 => drop(bytes.drain(at..(at + random.below(30)).min(bytes.len()))),
                _ => bytes[at] = random.below(256) as u8,
            }
            if bytes.is_empty() {
                break;
            }
        }
        for limits in [&LIMITS, &tiny] {
            if let Ok(Some(head)) = ask_every_prefix(&bytes, limits) {
                let path = head.path(&bytes);
                assert!(path.is_ascii() && (path.starts_with(b"/") || *path == *b"*"));
                let _ = (
                    head.query(&bytes),
                    head.content_type(&bytes),
                    head.prefer(&bytes).members().count(),
                );
            }
        }
    }
    for _ in 0..500 {
        let bytes: Vec<u8> = (0..random.below(200))
            .map(|_| random.below(256) as u8)
            .collect();
        let _ = ask_every_prefix(&bytes, &LIMITS);
    }
}
