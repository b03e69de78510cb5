//! Which text format a scraper asked for (RFC 9110, section 12.5.1).

use std::borrow::Cow;

use crate::http::wire::{FieldLines, list};

/// Whether `Accept` prefers OpenMetrics 1.0 over the classic text format.
///
/// Each format gets the quality of the most specific range that
/// names it. On a tie OpenMetrics wins where it is named itself, and loses
/// where only a wildcard covers it, so that `*/*` (curl, a browser) gets the
/// plain text that everything reads. A range whose quality or version can't be
/// served is passed over.
pub(crate) fn wants_openmetrics(accept: FieldLines<'_>) -> bool {
    let (mut openmetrics, mut classic) = (Quality::default(), Quality::default());
    for range in accept.members().filter_map(Range::parse) {
        if range.is("application", "openmetrics-text") {
            if range.version.is_none_or(|version| version == "1.0.0") {
                openmetrics.named(range.quality);
            }
        } else if range.is("text", "plain") {
            classic.named(range.quality);
        } else if range.is("application", "*") {
            openmetrics.of_type = Some(range.quality);
        } else if range.is("text", "*") {
            classic.of_type = Some(range.quality);
        } else if range.is("*", "*") {
            openmetrics.any = Some(range.quality);
            classic.any = Some(range.quality);
        }
    }
    let (wanted, other) = (openmetrics.most_specific(), classic.most_specific());
    wanted > other || (wanted > 0 && wanted == other && openmetrics.named.is_some())
}

/// What the header says of one format, in thousandths, by how closely it is
/// meant.
#[derive(Default)]
struct Quality {
    named: Option<u16>,
    of_type: Option<u16>,
    any: Option<u16>,
}

impl Quality {
    /// A format may be named in several versions; the best one counts.
    fn named(&mut self, quality: u16) {
        self.named = self.named.max(Some(quality));
    }

    fn most_specific(&self) -> u16 {
        self.named.or(self.of_type).or(self.any).unwrap_or(0)
    }
}

/// One member of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<Cow<'a, str>>,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = list::parts(text);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self {
            kind,
            subtype,
            version: None,
            quality: 1_000,
        };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            if name.eq_ignore_ascii_case("q") {
                range.quality = parse_quality(value)?;
            } else if name.eq_ignore_ascii_case("version") {
                range.version = Some(list::unquoted(value)?);
            }
        }
        Some(range)
    }

    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

/// A quality in thousandths: 0 to 1 with three decimals at most (RFC 9110,
/// section 12.4.2).
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants_openmetrics(accept: &str) -> bool {
        super::wants_openmetrics(FieldLines::new("accept", accept.as_bytes()))
    }

    #[test]
    fn scrapers_that_ask_for_openmetrics_get_it() {
        for accept in [
            // Prometheus 2 and 3.
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text",
            "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.001",
            "text/plain, application/openmetrics-text",
            "text/plain;q=0.2, application/openmetrics-text;q=0.25",
            "application/*",
            "*/*;q=0.1, application/openmetrics-text;q=0.2",
        ] {
            assert!(wants_openmetrics(accept), "{accept}");
        }
    }

    #[test]
    fn all_others_get_plain_text() {
        for accept in [
            "",
            "*/*",
            "text/plain",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;q=0.5, application/openmetrics-text;q=0.4",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0, */*",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=2.0.0, text/plain;q=0.1",
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=0.0001",
            "application/openmetrics-text;q=-1",
            "application/openmetrics-text;q=",
            "openmetrics-text, ;;;,,=,/",
            "application/json",
        ] {
            assert!(!wants_openmetrics(accept), "{accept}");
        }
    }

    #[test]
    fn a_quality_has_three_decimals_at_most() {
        for (text, quality) in [
            ("1", Some(1_000)),
            ("1.000", Some(1_000)),
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.125", Some(125)),
            ("1.001", None),
            ("0.1234", None),
            (".5", None),
            ("x", None),
        ] {
            assert_eq!(parse_quality(text), quality, "{text}");
        }
    }
}
