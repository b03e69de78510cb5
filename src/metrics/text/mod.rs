//! The two text formats, line by line: Prometheus 0.0.4 and OpenMetrics 1.0.
//!
//! They differ in three things: OpenMetrics names a counter's samples `…_total`, says units, and ends
//! with `# EOF`. Numbers are written from integers: a float would not keep all digits of a sum.

use std::time::Duration;

use crate::metrics::histogram::HistogramSnapshot;

#[cfg(test)]
mod tests;

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Classic,
    OpenMetrics,
}

/// A metric family's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bare in the classic format, `_total` in OpenMetrics.
    Counter,
    /// A counter whose name every client writes with `_total`, in the classic format too.
    CounterTotal,
    Gauge,
    Histogram,
    /// Labels that never change, on a constant 1.
    Info,
}

/// A metric family, without a suffix of either format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is, in a sentence; plain ASCII without backslash or quote, so that it needs no escape.
    pub help: &'static str,
}

impl Family {
    /// What follows the name in a sample line.
    fn suffix(&self, format: Format) -> &'static str {
        match (self.kind, format) {
            (Kind::CounterTotal, _) | (Kind::Counter, Format::OpenMetrics) => "_total",
            (Kind::Info, _) => "_info",
            _ => "",
        }
    }

    fn type_name(&self, format: Format) -> &'static str {
        match (self.kind, format) {
            (Kind::Counter | Kind::CounterTotal, _) => "counter",
            (Kind::Histogram, _) => "histogram",
            (Kind::Info, Format::OpenMetrics) => "info",
            (Kind::Gauge | Kind::Info, _) => "gauge",
        }
    }

    /// The unit, which OpenMetrics wants as the name's last word.
    fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| {
            self.name
                .strip_suffix(unit)
                .is_some_and(|stem| stem.ends_with('_'))
        })
    }
}

/// Writes families into a buffer, in one of the formats.
pub(super) struct Text<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
}

/// Label names and values of one sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, format: Format) -> Self {
        Self { out, format }
    }

    /// The lines that describe a family. Its samples have to follow at once.
    pub(super) fn family(&mut self, family: &Family) {
        debug_assert!(
            family
                .help
                .bytes()
                .all(|b| (b' '..=b'~').contains(&b) && !b"\\\"".contains(&b))
        );
        self.describe("HELP", family, family.help);
        self.describe("TYPE", family, family.type_name(self.format));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            self.describe("UNIT", family, unit);
        }
    }

    fn describe(&mut self, keyword: &str, family: &Family, what: &str) {
        // The classic format describes samples, OpenMetrics families.
        let suffix = match self.format {
            Format::Classic => family.suffix(self.format),
            Format::OpenMetrics => "",
        };
        for part in ["# ", keyword, " ", family.name, suffix, " ", what, "\n"] {
            self.push(part);
        }
    }

    /// A sample whose value is an integer.
    pub(super) fn sample(&mut self, family: &Family, labels: Labels<'_>, value: u64) {
        self.head(family, family.suffix(self.format), labels, None);
        push_uint(self.out, value);
        self.push("\n");
    }

    /// A sample in seconds.
    pub(super) fn sample_seconds(&mut self, family: &Family, labels: Labels<'_>, value: Duration) {
        self.head(family, family.suffix(self.format), labels, None);
        push_seconds(self.out, value);
        self.push("\n");
    }

    /// One histogram's samples: buckets, `+Inf`, sum, count.
    pub(super) fn histogram(
        &mut self,
        family: &Family,
        labels: Labels<'_>,
        histogram: &HistogramSnapshot,
    ) {
        let count = histogram.count();
        for (le, below) in histogram.cumulative().chain([("+Inf", count)]) {
            self.head(family, "_bucket", labels, Some(le));
            push_uint(self.out, below);
            self.push("\n");
        }
        let (sum, decimals) = histogram.sum();
        self.head(family, "_sum", labels, None);
        push_decimal(self.out, sum, decimals);
        self.push("\n");
        self.head(family, "_count", labels, None);
        push_uint(self.out, count);
        self.push("\n");
    }

    /// Ends the exposition: in OpenMetrics, `# EOF` tells a complete one from one cut short.
    pub(super) fn finish(self) {
        if self.format == Format::OpenMetrics {
            self.out.extend_from_slice(b"# EOF\n");
        }
    }

    /// A sample's line up to its value.
    fn head(&mut self, family: &Family, suffix: &str, labels: Labels<'_>, le: Option<&str>) {
        self.push(family.name);
        self.push(suffix);
        let mut before = "{";
        for (name, value) in labels.iter().copied().chain(le.map(|le| ("le", le))) {
            self.push(before);
            self.push(name);
            self.push("=\"");
            push_escaped(self.out, value);
            self.push("\"");
            before = ",";
        }
        self.push(if before == "," { "} " } else { " " });
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// A label value; both formats escape the same three characters.
fn push_escaped(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
}

pub(super) fn push_uint(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A duration in seconds, to the nanosecond.
pub(super) fn push_seconds(out: &mut Vec<u8>, value: Duration) {
    push_parts(out, value.as_secs(), value.subsec_nanos(), 9);
}

/// `value` with its last `decimals` digits (9 at most) behind the point: `(1500, 3)` is `1.5`.
pub(super) fn push_decimal(out: &mut Vec<u8>, value: u64, decimals: u32) {
    let one = 10_u64.pow(decimals);
    push_parts(out, value / one, (value % one) as u32, decimals);
}

/// Whole part and fraction, without trailing zeros, and without a point when there is no fraction.
fn push_parts(out: &mut Vec<u8>, whole: u64, mut fraction: u32, decimals: u32) {
    push_uint(out, whole);
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = 10_u32.pow(decimals - 1);
    while fraction > 0 {
        out.push(b'0' + (fraction / unit) as u8);
        fraction %= unit;
        unit = (unit / 10).max(1);
    }
}
