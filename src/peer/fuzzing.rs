//! What a proxy says of its clients, from any bytes: for the fuzz targets, and
//! for tests that draw the bytes at random.

#![cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "public for the fuzz targets")
)]

use std::net::IpAddr;

use crate::peer::ProxyHeader;
use crate::peer::forwarded::{Kind, client};

/// A header of the PROXY protocol is the same, whatever pieces it comes in, and
/// no more is asked for than its length says.
pub fn proxy_header(bytes: &[u8]) {
    let read = |piece: usize| {
        let mut header = ProxyHeader::new();
        let mut taken = 0;
        loop {
            let next = header.wanted().min(piece).min(bytes.len() - taken);
            if next == 0 {
                let is_whole = header.wanted() == 0;
                return is_whole.then(|| Ok((header.source(), taken)));
            }
            if let Err(error) = header.take(&bytes[taken..taken + next]) {
                return Some(Err(error));
            }
            taken += next;
        }
    };
    let whole = read(usize::MAX);
    if let Some(Ok((_, taken))) = whole {
        let length = u16::from_be_bytes([bytes[14], bytes[15]]);
        assert_eq!(taken, 16 + usize::from(length));
    }
    for piece in [1, 3, 16] {
        let in_pieces = read(piece);
        // The first of two faults may be one or the other.
        assert_eq!(in_pieces.map(Result::ok), whole.map(Result::ok));
    }
}

/// Whatever stands before what a trusted proxy appends changes nothing.
pub fn forwarded(bytes: &[u8]) {
    let wanted: IpAddr = [192, 0, 2, 9].into();
    let is_trusted = |address: IpAddr| address == IpAddr::from([10, 0, 0, 1]);
    for (kind, appended) in [
        (Kind::ForwardedFor, &b", 192.0.2.9"[..]),
        (Kind::ForwardedFor, b",192.0.2.9, 10.0.0.1"),
        (Kind::Forwarded, b", for=192.0.2.9"),
        (
            Kind::Forwarded,
            b",for=\"192.0.2.9:1\";proto=http, for=\"10.0.0.1\"",
        ),
    ] {
        // Alone: any answer, and an end.
        let _ = client(kind, [bytes].into_iter(), is_trusted);
        let line = [bytes, appended].concat();
        for lines in [&[&line[..]][..], &[&appended[1..], bytes]] {
            let found = client(kind, lines.iter().copied(), is_trusted);
            assert_eq!(found, Some(Some(wanted)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_is_the_same_in_pieces(bytes in vec(any::<u8>(), 0..80)) {
            proxy_header(&bytes);
        }

        /// Most of them are whole, and some have bytes behind them.
        #[test]
        fn any_header_with_the_signature_is_the_same_in_pieces(
            command in 0x1e..0x23u8,
            family in prop::sample::select(vec![0, 0x11, 0x12, 0x21, 0x22, 0x31, 0x41, 0x13]),
            length in 0..60u16,
            rest in vec(any::<u8>(), 0..80),
        ) {
            let [high, low] = length.to_be_bytes();
            let fixed = [command, family, high, low];
            proxy_header(&[&b"\r\n\r\n\0\r\nQUIT\n"[..], &fixed, &rest].concat());
        }

        #[test]
        fn whatever_a_client_writes_the_proxy_is_believed(text in "[ -~\t]{0,60}") {
            forwarded(text.as_bytes());
        }

        #[test]
        fn whatever_bytes_a_client_writes_the_proxy_is_believed(bytes in vec(any::<u8>(), 0..60)) {
            forwarded(&bytes);
        }
    }
}
