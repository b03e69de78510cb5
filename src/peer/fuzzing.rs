//! What a proxy says of its clients, from any bytes.

use std::net::IpAddr;

use crate::peer::forwarded::{Kind, client};
use crate::peer::{Networks, ProxyHeader};

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
        // A whole first part may show two faults, the first piece one of them.
        assert_eq!(
            in_pieces.clone().map(|it| it.ok()),
            whole.clone().map(|it| it.ok())
        );
    }
    let _ = Networks::parse(&String::from_utf8_lossy(bytes));
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
