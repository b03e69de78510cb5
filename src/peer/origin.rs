//! Who has connected, and who asks.

use std::net::{IpAddr, SocketAddr};

use crate::peer::forwarded::{Kind, client};
use crate::peer::network::Networks;
use crate::peer::proxy_header::Source;

/// The fields that say who asks, in lower case.
pub(crate) const FORWARDED: &str = "forwarded";
pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies in front, if there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    trusted: Networks,
    /// Their connections begin with the PROXY protocol.
    speak_protocol: bool,
}

impl Proxies {
    pub(crate) fn new(trusted: Option<Networks>, speak_protocol: bool) -> Self {
        Self {
            trusted: trusted.unwrap_or_default(),
            speak_protocol,
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Who has connected.
    peer: SocketAddr,
    /// On whose behalf, by the PROXY protocol; else the peer's own address.
    source: IpAddr,
    /// Whether `source` is a proxy, whose word is taken on who asks.
    is_trusted: bool,
}

/// What a proxy says of who asks: the lines of the two fields, the last one
/// first.
pub(crate) trait Forwarding {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;
}

impl Origin {
    /// Of a connection from this peer.
    pub(crate) fn new(peer: SocketAddr, proxies: &Proxies) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Self {
            peer,
            source: peer.ip(),
            is_trusted: proxies.trusted.contain(peer.ip()),
        }
    }

    /// Who has connected.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// On whose behalf, if the PROXY protocol says so.
    pub(crate) fn relayed(&self) -> Option<IpAddr> {
        (self.source != self.peer.ip()).then_some(self.source)
    }

    /// Whether its first bytes must be a header of the PROXY protocol.
    pub(crate) fn begins_with_header(&self, proxies: &Proxies) -> bool {
        self.is_trusted && proxies.speak_protocol
    }

    /// The proxy has connected on behalf of this source.
    pub(crate) fn relay(&mut self, source: Source, proxies: &Proxies) {
        match source {
            Source::Proxy => {}
            Source::Client(address) => {
                self.source = address.ip().to_canonical();
                self.is_trusted = proxies.trusted.contain(self.source);
            }
            // Its requests are not the proxy's: nor are its fields.
            Source::Unknown => self.is_trusted = false,
        }
    }

    /// Who asks: by what the proxy says, if there is one; else who has
    /// connected. Of two fields that say different things one was not written
    /// by the proxy, and neither is taken: then the proxy itself asks.
    #[inline]
    pub(crate) fn client(&self, proxies: &Proxies, request: &impl Forwarding) -> IpAddr {
        if self.is_trusted {
            self.forwarded(&proxies.trusted, request)
        } else {
            self.source
        }
    }

    /// The same, where it isn't the peer.
    pub(crate) fn behind(&self, proxies: &Proxies, request: &impl Forwarding) -> Option<IpAddr> {
        let client = self.client(proxies, request);
        (client != self.peer.ip()).then_some(client)
    }

    #[inline(never)]
    fn forwarded(&self, trusted: &Networks, request: &impl Forwarding) -> IpAddr {
        let read = |kind, name| {
            let found = client(kind, request.lines(name), |address| {
                trusted.contain(address)
            })?;
            Some(found.unwrap_or(self.source))
        };
        let first = read(Kind::Forwarded, FORWARDED);
        let second = read(Kind::ForwardedFor, FORWARDED_FOR);
        match (first, second) {
            (Some(first), Some(second)) if first != second => self.source,
            (first, second) => first.or(second).unwrap_or(self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Head(&'static [(&'static str, &'static str)]);

    impl Forwarding for Head {
        fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
            let lines = self.0.iter().rev().filter(move |(found, _)| *found == name);
            lines.map(|(_, value)| value.as_bytes())
        }
    }

    const NONE: Head = Head(&[]);
    const FOR: Head = Head(&[(FORWARDED_FOR, "6.6.6.6, 192.0.2.1")]);

    fn proxies() -> Proxies {
        Proxies::new(Networks::parse("10.0.0.0/8,fd00::/8"), true)
    }

    fn origin(peer: &str) -> Origin {
        Origin::new(peer.parse().unwrap(), &proxies())
    }

    #[track_caller]
    fn assert_client(origin: &Origin, head: &Head, want: &str) {
        let found = origin.client(&proxies(), head);
        assert_eq!(found, want.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn only_a_proxy_may_say_who_asks() {
        for (peer, head, want) in [
            ("198.51.100.1:1", &NONE, "198.51.100.1"),
            ("198.51.100.1:1", &FOR, "198.51.100.1"),
            ("[::ffff:198.51.100.1]:1", &FOR, "198.51.100.1"),
            ("10.0.0.1:1", &NONE, "10.0.0.1"),
            ("10.0.0.1:1", &FOR, "192.0.2.1"),
            ("[::ffff:10.0.0.1]:1", &FOR, "192.0.2.1"),
            ("[fd00::1]:1", &FOR, "192.0.2.1"),
        ] {
            assert_client(&origin(peer), head, want);
        }
    }

    #[test]
    fn a_proxy_connects_on_behalf_of_a_client_or_of_another_proxy() {
        let mut origin = origin("10.0.0.1:1");
        assert!(origin.begins_with_header(&proxies()));
        let source = |text: &str| Source::Client(text.parse().unwrap());
        origin.relay(source("192.0.2.7:2"), &proxies());
        assert_client(&origin, &FOR, "192.0.2.7");
        origin.relay(source("10.0.0.2:2"), &proxies());
        assert_client(&origin, &FOR, "192.0.2.1");
        assert_client(&origin, &NONE, "10.0.0.2");
        assert_eq!(origin.peer().to_string(), "10.0.0.1:1");
    }

    #[test]
    fn a_client_without_an_address_writes_its_fields_itself() {
        let mut origin = origin("10.0.0.1:1");
        origin.relay(Source::Proxy, &proxies());
        assert_client(&origin, &FOR, "192.0.2.1");
        origin.relay(Source::Unknown, &proxies());
        assert_client(&origin, &FOR, "10.0.0.1");
    }

    #[test]
    fn past_so_many_proxies_the_field_says_nothing() {
        for (proxies, want) in [(31, "192.0.2.1"), (32, "10.0.0.1")] {
            let line = ["192.0.2.1".to_owned()]
                .into_iter()
                .chain((0..proxies).map(|number| format!("10.0.1.{number}")));
            let line = line.collect::<Vec<_>>().join(", ");
            let head = Head(vec![(FORWARDED_FOR, &*line.leak())].leak());
            assert_client(&origin("10.0.0.1:1"), &head, want);
        }
    }

    #[test]
    fn two_fields_have_to_agree() {
        let origin = origin("10.0.0.1:1");
        for (head, want) in [
            (
                Head(&[(FORWARDED, "for=192.0.2.1"), (FORWARDED_FOR, "192.0.2.1")]),
                "192.0.2.1",
            ),
            (
                Head(&[(FORWARDED, "for=6.6.6.6"), (FORWARDED_FOR, "192.0.2.1")]),
                "10.0.0.1",
            ),
            (
                Head(&[(FORWARDED, "for=unknown"), (FORWARDED_FOR, "192.0.2.1")]),
                "10.0.0.1",
            ),
            (
                Head(&[(FORWARDED, "for=192.0.2.1"), (FORWARDED_FOR, " ")]),
                "192.0.2.1",
            ),
            (Head(&[(FORWARDED, "for=192.0.2.1")]), "192.0.2.1"),
            (Head(&[(FORWARDED, "for=_x")]), "10.0.0.1"),
        ] {
            assert_client(&origin, &head, want);
        }
    }
}
