//! Families by their kind, and those that have one sample.

use crate::metrics::text::{Family, Kind, Text};

pub(super) const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

pub(super) const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

pub(super) const fn info(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Info,
        help,
    }
}

pub(super) fn single(text: &mut Text<'_>, family: &Family, value: u64) {
    text.family(family);
    text.sample(family, &[], value);
}
