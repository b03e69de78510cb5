//! The PROXY protocol, version 2 (proxy-protocol.txt of HAProxy, section 2.2):
//! a proxy's first bytes on a connection, which say on whose behalf it has
//! connected.
//!
//! Whether there is such a header is never guessed (section 2): it is required
//! of peers that are trusted, and no other one's is read. What follows the
//! header belongs to the next protocol, so no more is asked for than is left of
//! it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Up to the length of what follows.
const FIXED_BYTES: usize = 16;
/// Two addresses of IPv6, with their ports.
const ADDRESSES_BYTES_MAX: usize = 36;
/// Of a whole header. What proxies add to the addresses (names and
/// certificates of a TLS connection, mostly) is skipped.
const HEADER_BYTES_MAX: usize = 4096;

/// A header that is being received.
#[derive(Clone, Debug)]
pub(crate) struct ProxyHeader {
    /// What has come, without what follows the addresses.
    bytes: [u8; FIXED_BYTES + ADDRESSES_BYTES_MAX],
    /// How many bytes have come.
    received: usize,
}

/// Why a header can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadProxyHeader {
    #[error("it does not begin as the PROXY protocol, version 2, does")]
    Signature,
    #[error("its version is not 2")]
    Version,
    #[error("its command is neither LOCAL nor PROXY")]
    Command,
    #[error("its address family or transport is not known")]
    Family,
    #[error("it is shorter than its addresses")]
    TooShort,
    #[error("it is over {HEADER_BYTES_MAX} bytes")]
    TooLong,
}

/// Whose connection one is that a proxy has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The proxy's own, for its health checks (`LOCAL`).
    Proxy,
    /// Of a client with this address, or of another proxy.
    Client(SocketAddr),
    /// Of somebody who has no address of TCP, at a Unix socket for instance.
    Unknown,
}

impl ProxyHeader {
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; FIXED_BYTES + ADDRESSES_BYTES_MAX],
            received: 0,
        }
    }

    /// How many bytes may be received next; 0 once the header is whole. They
    /// need not come at once.
    pub(crate) fn wanted(&self) -> usize {
        match FIXED_BYTES.checked_sub(self.received) {
            None | Some(0) => FIXED_BYTES + self.length() - self.received,
            Some(left) => left,
        }
    }

    /// Takes in the next bytes, at most as many as are
    /// [`wanted`](Self::wanted).
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), BadProxyHeader> {
        debug_assert!(bytes.len() <= self.wanted(), "the rest is not the header's");
        let before = self.received;
        if let Some(free) = self.bytes.get_mut(before..) {
            let kept = bytes.len().min(free.len());
            free[..kept].copy_from_slice(&bytes[..kept]);
        }
        self.received += bytes.len();
        if before < FIXED_BYTES {
            self.check()
        } else {
            Ok(())
        }
    }

    /// Whose connection the whole header says it is.
    pub(crate) fn source(&self) -> Source {
        match self.command() {
            0 => Source::Proxy,
            _ => self.address().map_or(Source::Unknown, Source::Client),
        }
    }

    /// An address of TCP.
    fn address(&self) -> Option<SocketAddr> {
        let addresses = &self.bytes[FIXED_BYTES..];
        match self.family() {
            0x11 => {
                let (address, rest) = addresses.split_first_chunk::<4>()?;
                let port = u16::from_be_bytes(*rest[4..].first_chunk()?);
                Some((Ipv4Addr::from(*address), port).into())
            }
            0x21 => {
                let (address, rest) = addresses.split_first_chunk::<16>()?;
                let port = u16::from_be_bytes(*rest[16..].first_chunk()?);
                Some((Ipv6Addr::from(*address), port).into())
            }
            _ => None,
        }
    }

    /// Checks what has come of the fixed part.
    fn check(&self) -> Result<(), BadProxyHeader> {
        let signature = self.received.min(SIGNATURE.len());
        if self.bytes[..signature] != SIGNATURE[..signature] {
            return Err(BadProxyHeader::Signature);
        }
        if self.received > 12 && self.bytes[12] >> 4 != 2 {
            return Err(BadProxyHeader::Version);
        }
        if self.received > 12 && self.command() > 1 {
            return Err(BadProxyHeader::Command);
        }
        if self.received < FIXED_BYTES {
            return Ok(());
        }
        // With LOCAL the family is ignored.
        let family = if self.command() == 1 {
            self.family()
        } else {
            0
        };
        let addresses = match (family >> 4, family & 15) {
            (0..=3, 3..) | (4.., _) => return Err(BadProxyHeader::Family),
            (1, 1 | 2) => 12,
            (2, 1 | 2) => ADDRESSES_BYTES_MAX,
            (3, 1 | 2) => 216,
            _ => 0,
        };
        match self.length() {
            length if length < addresses => Err(BadProxyHeader::TooShort),
            length if FIXED_BYTES + length > HEADER_BYTES_MAX => Err(BadProxyHeader::TooLong),
            _ => Ok(()),
        }
    }

    fn command(&self) -> u8 {
        self.bytes[12] & 15
    }

    fn family(&self) -> u8 {
        self.bytes[13]
    }

    /// Bytes behind the fixed part.
    fn length(&self) -> usize {
        u16::from_be_bytes([self.bytes[14], self.bytes[15]]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        let fixed = [&SIGNATURE[..], &[0x20 | command, family], &length].concat();
        [&fixed, rest].concat()
    }

    /// Feeds the bytes in pieces of this length; how many were taken, too.
    fn read(bytes: &[u8], piece: usize) -> Result<(Source, usize), BadProxyHeader> {
        let mut header = ProxyHeader::new();
        let mut taken = 0;
        while header.wanted() > 0 {
            let next = header.wanted().min(piece).min(bytes.len() - taken);
            assert!(next > 0, "cut short at {taken}");
            header.take(&bytes[taken..taken + next])?;
            taken += next;
        }
        Ok((header.source(), taken))
    }

    const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x1f, 0x90];

    fn v6() -> Vec<u8> {
        let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let ports = [0x12, 0x34, 0x1f, 0x90];
        [&source.octets()[..], &[0; 16], &ports].concat()
    }

    #[test]
    fn a_header_says_whose_connection_it_is() {
        let tlvs = [&[0x04, 0, 200][..], &[0; 200]].concat();
        let client = |text: &str| Source::Client(text.parse().unwrap());
        for (bytes, want) in [
            (header(1, 0x11, V4), client("192.0.2.7:4660")),
            (header(1, 0x21, &v6()), client("[2001:db8::7]:4660")),
            (
                header(1, 0x11, &[V4, &tlvs].concat()),
                client("192.0.2.7:4660"),
            ),
            (
                header(1, 0x21, &[v6(), tlvs.clone()].concat()),
                client("[2001:db8::7]:4660"),
            ),
            // The proxy's own, whatever the family says.
            (header(0, 0, &[]), Source::Proxy),
            (header(0, 0x11, V4), Source::Proxy),
            (header(0, 0xff, &tlvs), Source::Proxy),
            // Of no TCP.
            (header(1, 0, &[]), Source::Unknown),
            (header(1, 0, &tlvs), Source::Unknown),
            (header(1, 0x10, &[]), Source::Unknown),
            (header(1, 0x12, V4), Source::Unknown),
            (header(1, 0x31, &[0; 216]), Source::Unknown),
        ] {
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            for piece in [1, 5, 16, 17, 4096] {
                assert_eq!(read(&followed, piece), Ok((want, bytes.len())), "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_early_as_possible() {
        use BadProxyHeader as E;
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 8080\r\n";
        assert_eq!(read(v1, 1), Err(E::Signature));
        assert_eq!(read(b"\r\n\r\nGET /", 16), Err(E::Signature));
        let version_1 = [&SIGNATURE[..], &[0x11]].concat();
        assert_eq!(read(&version_1, 1), Err(E::Version));
        assert_eq!(read(&header(2, 0x11, V4), 16), Err(E::Command));
        for family in [0x41, 0x13, 0x1f, 0xf1] {
            assert_eq!(read(&header(1, family, V4), 16), Err(E::Family));
        }
        for (family, length) in [(0x11, 11), (0x12, 11), (0x21, 35), (0x31, 215)] {
            let short = header(1, family, &vec![0; length]);
            assert_eq!(read(&short, 16), Err(E::TooShort), "{family}");
        }
        let most = header(1, 0x11, &[0; HEADER_BYTES_MAX - FIXED_BYTES]);
        assert!(read(&most, 512).is_ok());
        let over = header(1, 0x11, &[0; HEADER_BYTES_MAX - FIXED_BYTES + 1]);
        assert_eq!(read(&over, 16), Err(E::TooLong));
    }
}
