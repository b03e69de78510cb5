//! Networks in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::fmt;
use std::net::IpAddr;

/// Networks in one list: each address that is looked up is compared with all.
const NETWORKS_MAX: usize = 256;

/// Addresses and networks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Network {
    /// Without bits behind the prefix, and not an IPv4 address in an IPv6 one.
    address: IpAddr,
    prefix_bits: u8,
}

impl Networks {
    /// Reads a list, separated by commas, of addresses and networks; `None` if
    /// it is none, is too long, or a network has bits behind its prefix.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.split(',').count() > NETWORKS_MAX {
            return None;
        }
        text.split(',').map(Network::parse).collect()
    }

    /// Whether the address is in one of them. An IPv4 address in an IPv6 one
    /// (`::ffff:192.0.2.1`) is the IPv4 address.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether one of them has all addresses of a kind.
    pub(crate) fn contain_all(&self) -> bool {
        self.0.iter().any(|network| network.prefix_bits == 0)
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits,
            Some(prefix) => {
                let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
                let prefix = prefix.parse().ok().filter(|_| digits)?;
                (prefix <= bits).then_some(prefix)?
            }
        };
        let network = Self {
            address,
            prefix_bits,
        };
        (network.masked(address) == address).then(|| network.canonical())
    }

    /// The IPv4 network where this is one in IPv6 addresses.
    fn canonical(self) -> Self {
        match self.address.to_canonical() {
            IpAddr::V4(address) if self.address.is_ipv6() && self.prefix_bits >= 96 => Self {
                address: address.into(),
                prefix_bits: self.prefix_bits - 96,
            },
            _ => self,
        }
    }

    /// `address` is canonical.
    fn contains(&self, address: IpAddr) -> bool {
        self.masked(address) == self.address
    }

    /// An address of the same kind without what is behind the prefix; one of
    /// the other kind as it is.
    fn masked(&self, address: IpAddr) -> IpAddr {
        let prefix_bits = u32::from(self.prefix_bits);
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - prefix_bits).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            (IpAddr::V6(_), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - prefix_bits).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
            _ => address,
        }
    }
}

/// As in the list.
impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn networks(text: &str) -> Networks {
        Networks::parse(text).unwrap_or_else(|| panic!("{text} is a list"))
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        for (list, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.4/31", "192.0.2.5", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.1,fd00::1", "fd00::1", "10.0.0.2"),
            // IPv4 addresses as a socket for both kinds shows them.
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ] {
            let networks = networks(list);
            assert!(networks.contain(inside.parse().unwrap()), "{list} {inside}");
            let outside = outside.parse().unwrap();
            assert!(!networks.contain(outside), "{list} {outside}");
        }
        assert!(!Networks::default().contain(Ipv4Addr::LOCALHOST.into()));
        assert!(networks("10.0.0.1,::/0").contain_all());
        assert!(!networks("0.0.0.0/1").contain_all());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            ",",
            "10.0.0.1,",
            " 10.0.0.1",
            "10.0.0.1 ",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-8",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "10.0.0",
            "010.0.0.1",
            "fd00::/129",
            "fd00::1/8",
            "[::1]",
            "fe80::1%eth0",
            "localhost",
            "10.0.0.1:80",
        ] {
            assert!(Networks::parse(text).is_none(), "{text}");
        }
        let most = vec!["10.0.0.1"; NETWORKS_MAX].join(",");
        assert!(Networks::parse(&most).is_some());
        assert!(Networks::parse(&format!("{most},10.0.0.1")).is_none());
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014).
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A network has the addresses whose first bits are its own, bit by bit.
    #[test]
    fn any_network_has_the_addresses_that_begin_with_it() {
        let mut state = 7;
        for _ in 0..20_000 {
            let base = u128::from(next(&mut state)) << 64 | u128::from(next(&mut state));
            let v4 = next(&mut state).is_multiple_of(2);
            let bits = if v4 { 32 } else { 128 };
            let prefix = (next(&mut state) % (bits + 1)) as u32;
            let flipped = base ^ 1 << (127 - (next(&mut state) % bits) as u32);
            let of = |bits: u128| -> IpAddr {
                if v4 {
                    Ipv4Addr::from_bits((bits >> 96) as u32).into()
                } else {
                    Ipv6Addr::from_bits(bits).into()
                }
            };
            if !v4 && of(base).to_canonical().is_ipv4() {
                continue;
            }
            let kept = (0..prefix).fold(0, |kept, bit| kept | base & 1 << (127 - bit));
            let list = networks(&format!("{}/{prefix}", of(kept)));
            assert!(list.contain(of(base)), "{list:?}");
            let shares = (0..prefix).all(|bit| (base ^ flipped) & 1 << (127 - bit) == 0);
            assert_eq!(
                list.contain(of(flipped)),
                shares,
                "{list:?} {}",
                of(flipped)
            );
        }
    }
}
