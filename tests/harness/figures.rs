//! `/metrics` as a map, and the identity that must hold in it.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::harness::{eventually, get};

/// One scrape of the classic format: samples by name and labels, as written
/// there.
#[derive(Clone, Debug)]
pub(crate) struct Figures(HashMap<String, f64>);

impl Figures {
    #[track_caller]
    pub(crate) fn read(address: SocketAddr) -> Self {
        let reply = get(address, "/metrics");
        assert_eq!(reply.status, 200);
        Self::parse(reply.text())
    }

    /// Parses the classic text format.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut samples = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let value = value.parse().expect("a number");
            let again = samples.insert(name.to_owned(), value);
            assert!(again.is_none(), "{name} twice");
        }
        Self(samples)
    }

    /// Waits until no order is inside and the identity holds: accepted =
    /// processed + failed + withdrawn + already there.
    #[track_caller]
    pub(crate) fn settled(address: SocketAddr) -> Self {
        eventually("accepted = processed + failed + withdrawn", || {
            let figures = Self::read(address);
            let idle = figures.get("queue_bytes") == 0.0;
            assert!(figures.inside() >= 0, "more out than in: {figures:?}");
            (idle && figures.inside() == 0).then_some(figures)
        })
    }

    /// One sample; a pair of labels never seen counts as zero, a name never
    /// seen is an error.
    #[track_caller]
    pub(crate) fn get(&self, sample: &str) -> f64 {
        match self.0.get(sample) {
            Some(value) => *value,
            None if sample.contains('{') => 0.0,
            None => panic!("there is no {sample}"),
        }
    }

    /// One sample that is a whole number.
    #[track_caller]
    pub(crate) fn count(&self, sample: &str) -> u64 {
        self.get(sample) as u64
    }

    /// The sum over all labels of a name.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let of_name = |sample: &str| sample.split('{').next() == Some(name);
        let samples = self.0.iter().filter(|(sample, _)| of_name(sample));
        samples.map(|(_, value)| *value as u64).sum()
    }

    /// Requests of `access_denied` with this reason.
    #[track_caller]
    pub(crate) fn denied(&self, reason: &str) -> u64 {
        self.count(&format!("access_denied{{reason=\"{reason}\"}}"))
    }

    /// Orders of `orders_rejected` with this reason.
    #[track_caller]
    pub(crate) fn rejected(&self, reason: &str) -> u64 {
        self.count(&format!("orders_rejected{{reason=\"{reason}\"}}"))
    }

    /// Accepted, processed, failed.
    pub(crate) fn orders(&self) -> (u64, u64, u64) {
        let count = |name| self.count(name);
        (
            count("orders_accepted"),
            count("orders_processed"),
            count("orders_failed"),
        )
    }

    /// Orders accepted and not yet ended.
    pub(crate) fn inside(&self) -> i64 {
        let (accepted, processed, failed) = self.orders();
        let elsewhere = self.sum("orders_already_there");
        let out = processed + failed + elsewhere + self.sum("orders_withdrawn");
        accepted as i64 - out as i64
    }
}
