//! Quotas of client addresses.
//!
//! A table of a fixed size, without a lock: an address has a slot as long as it
//! has requests in flight, or has used up something of its rate. A slot that is
//! idle says no more than an empty one, so the next address that needs one may
//! have it, and nobody is forgotten who would have had to wait.
//!
//! A slot is named by a keyed hash of the address that holds it: clients choose
//! addresses (of IPv6 as many as they like, so that one counts with its /64).
//! Where all slots that an address may have are held by others, it shares one
//! of them: past so many clients at a time quotas get coarser, and nobody is
//! without one.
//!
//! Memory orderings are `Relaxed` throughout: counters, which guard nothing. A
//! slot that changes hands at the very moment at which its last holder asks
//! once more has that request charged to the new one. And an address that two
//! threads see for the first time at once, while a slot becomes idle, may have
//! two slots, and so twice its quota until one is idle.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use siphasher::sip::SipHasher13;

use crate::access::quota::{Holder, Quota, Quotas, Usage};
use crate::config::Peers;
use crate::metrics::{AddressGauges, ClientGauges};

/// Addresses with a slot of their own at a time.
pub(crate) const ADDRESSES_MAX: usize = 16_384;
/// Slots that one address may have: two cache lines of them.
const WAYS: usize = 8;
/// What a slot takes: its own bytes, and its usage behind a count, both on
/// cache lines of their own.
pub(crate) const ADDRESS_BYTES: usize = size_of::<Slot>() + 2 * size_of::<Usage>();
/// Holds a slot that nobody has had yet.
const NOBODY: u64 = 0;
/// The label of all addresses in metrics.
const LABEL: &str = "address";

#[derive(Debug)]
pub(super) struct Addresses {
    quotas: Quotas,
    key: [u8; 16],
    slots: Box<[Slot]>,
    /// Times that an address had to share a slot.
    shared: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    /// The hash of the address.
    holder: AtomicU64,
    usage: Arc<Usage>,
}

/// The quota of an address, as its last request found it.
#[derive(Debug)]
pub(super) struct AddressQuota {
    address: IpAddr,
    hash: u64,
    slot: usize,
    pub(super) quota: Quota,
}

impl Addresses {
    /// `None` where addresses have no quotas.
    pub(super) fn new(peers: &Peers) -> Option<Self> {
        let (rate, in_flight) = (peers.client_rate, peers.client_inflight);
        if rate.is_none() && in_flight.is_none() {
            return None;
        }
        let mut key = [0; 16];
        getrandom::fill(&mut key).expect("the system has random numbers");
        let quotas = Quotas::new(Holder::Address, rate, peers.client_burst, in_flight);
        let slot = |_| Slot {
            holder: AtomicU64::new(NOBODY),
            usage: Arc::default(),
        };
        Some(Self {
            // So that a slot isn't given away under a stream that is open.
            quotas: quotas.counting_in_flight(),
            key,
            slots: (0..ADDRESSES_MAX).map(slot).collect(),
            shared: AtomicU64::new(0),
        })
    }

    /// Has `known` be the quota of this address.
    #[inline]
    pub(super) fn find(&self, address: IpAddr, known: &mut Option<AddressQuota>) {
        let is_current = |known: &AddressQuota| {
            let holder = &self.slots[known.slot].holder;
            known.address == address && holder.load(Ordering::Relaxed) == known.hash
        };
        if !known.as_ref().is_some_and(is_current) {
            *known = Some(self.look_up(address));
        }
    }

    #[inline(never)]
    fn look_up(&self, address: IpAddr) -> AddressQuota {
        let hash = self.hash(address);
        let slot = self.slot_of(hash, Instant::now());
        AddressQuota {
            address,
            hash,
            slot,
            quota: Quota::new(self.quotas, self.slots[slot].usage.clone()),
        }
    }

    /// Its slot, or one that it has from now on, or one that it shares.
    fn slot_of(&self, hash: u64, now: Instant) -> usize {
        let first = hash as usize % (self.slots.len() / WAYS) * WAYS;
        let ways = &self.slots[first..first + WAYS];
        loop {
            let has_it = |slot: &Slot| slot.holder.load(Ordering::Relaxed) == hash;
            if let Some(way) = ways.iter().position(has_it) {
                return first + way;
            }
            let Some(free) = ways.iter().position(|slot| slot.is_free(now)) else {
                self.shared.fetch_add(1, Ordering::Relaxed);
                return first + (hash >> 56) as usize % WAYS;
            };
            // The loser of the CAS searches again: the winner may be another
            // request of the same address.
            let holder = &ways[free].holder;
            let last = holder.load(Ordering::Relaxed);
            let claimed = ways[free].is_free(now)
                && holder
                    .compare_exchange(last, hash, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if !claimed {
                continue;
            }
            // Another request of the same address may have claimed an earlier
            // one since the search, and be charged to it already.
            let Some(earlier) = ways[..free].iter().position(has_it) else {
                return first + free;
            };
            // Given back to whoever had it, with what it has counted. An error:
            // somebody has it by now.
            let _ = holder.compare_exchange(hash, last, Ordering::Relaxed, Ordering::Relaxed);
            return first + earlier;
        }
    }

    /// The same for all addresses of an IPv6 /64, and never [`NOBODY`].
    fn hash(&self, address: IpAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        match address.to_canonical() {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()[..8]),
        }
        hasher.finish().max(NOBODY + 1)
    }

    /// What all addresses have done.
    pub(super) fn gauges(&self) -> (ClientGauges, AddressGauges) {
        let mut all = ClientGauges::new(LABEL);
        let now = Instant::now();
        let mut held = 0;
        for slot in &self.slots {
            if slot.holder.load(Ordering::Relaxed) != NOBODY {
                held += u64::from(!slot.usage.is_idle(now));
                slot.usage.add_to(&mut all);
            }
        }
        let shared = self.shared.load(Ordering::Relaxed);
        (all, AddressGauges { held, shared })
    }
}

impl Slot {
    fn is_free(&self, now: Instant) -> bool {
        self.holder.load(Ordering::Relaxed) == NOBODY || self.usage.is_idle(now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::access::InFlight;
    use crate::config::Config;

    fn addresses(flags: &[&str]) -> Addresses {
        let words = ["order-processor"].iter().chain(flags);
        let config = Config::parse_from(words, [("", ""); 0]).expect("good flags");
        Addresses::new(&config.peers).expect("there is a quota")
    }

    fn number(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    /// Begins a request.
    fn ask(addresses: &Addresses, address: IpAddr) -> Option<InFlight> {
        let mut known = None;
        addresses.find(address, &mut known);
        let quota = known.expect("it is found").quota;
        quota.begin(true).ok().flatten()
    }

    #[test]
    fn without_flags_there_is_no_table() {
        assert!(Addresses::new(&Config::default().peers).is_none());
    }

    #[test]
    fn each_address_has_a_quota_and_an_ipv6_network_has_one() {
        let addresses = addresses(&["--client-rate", "1/h", "--client-burst", "2"]);
        let asks = |text: &str| ask(&addresses, text.parse().unwrap()).is_some();
        for one in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
            assert!(asks(one) && asks(one) && !asks(one), "{one}");
        }
        assert!(!asks("::ffff:192.0.2.1") && !asks("2001:db8::ffff:1"));
        let (all, AddressGauges { held, shared }) = addresses.gauges();
        assert_eq!((all.requests, all.over_rate), (8, 6));
        assert_eq!((held, shared), (4, 0));
    }

    #[test]
    fn a_connection_finds_its_slot_again_until_it_is_anothers() {
        let addresses = addresses(&["--client-inflight", "1"]);
        let mut known = None;
        addresses.find(number(1), &mut known);
        let slot = known.as_ref().unwrap().slot;
        addresses.find(number(1), &mut known);
        assert_eq!(known.as_ref().unwrap().slot, slot);
        // Somebody else has got it, since nobody was in flight.
        let other = addresses.hash(number(2));
        addresses.slots[slot].holder.store(other, Ordering::Relaxed);
        let theirs = Quota::new(addresses.quotas, addresses.slots[slot].usage.clone());
        let _theirs = theirs.begin(true).unwrap();
        addresses.find(number(1), &mut known);
        assert_ne!(known.as_ref().unwrap().slot, slot);
        assert!(known.unwrap().quota.begin(true).is_ok());
    }

    #[test]
    fn a_full_table_is_shared_and_idle_slots_are_given_away() {
        let addresses = addresses(&["--client-inflight", "1"]);
        let mut held = HashMap::new();
        for address in 0..8 * ADDRESSES_MAX as u32 {
            if let Some(in_flight) = ask(&addresses, number(address)) {
                held.insert(address, in_flight);
            }
        }
        let (_, gauges) = addresses.gauges();
        assert_eq!(held.len(), ADDRESSES_MAX, "each bucket is full by now");
        assert_eq!(gauges.held as usize, ADDRESSES_MAX);
        assert_eq!(gauges.shared as usize, 7 * ADDRESSES_MAX);
        // Those that share are refused as long as the holder is in flight.
        drop(held);
        assert_eq!(addresses.gauges().1.held, 0);
        assert!(ask(&addresses, number(u32::MAX)).is_some());
    }

    #[test]
    fn a_slot_is_kept_until_its_rate_is_whole_again() {
        let addresses = addresses(&["--client-rate", "10/s", "--client-burst", "10"]);
        let hash = addresses.hash(number(1));
        let now = Instant::now() + Duration::from_secs(1);
        let slot = &addresses.slots[addresses.slot_of(hash, now)];
        let quota = Quota::new(addresses.quotas, slot.usage.clone());
        for _ in 0..10 {
            quota.charge(now).unwrap();
        }
        let wait = quota.charge(now).unwrap_err().wait();
        assert!(wait > Duration::from_millis(90), "{wait:?}");
        assert!(!slot.is_free(now + Duration::from_millis(999)));
        assert!(slot.is_free(now + Duration::from_secs(1)));
    }

    /// However many threads ask for the first time at once, they get one quota.
    #[test]
    fn threads_share_one_slot() {
        for round in 0..50 {
            let addresses = addresses(&["--client-rate", "1/h", "--client-burst", "100"]);
            let ask = || (0..100).filter(|_| ask(&addresses, number(round)).is_some());
            let let_through: usize = thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| ask().count())).collect();
                let counts = threads.into_iter().map(|thread| thread.join().unwrap());
                counts.sum()
            });
            assert_eq!(let_through, 100);
        }
    }
}
