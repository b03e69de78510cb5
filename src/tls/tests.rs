//! Certificates made by openssl(1), read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use crate::tls::certificate::Certificate;
use crate::tls::clients::client_name;

// Made by `openssl ca -selfsign`, all with the organisation "Shop".
/// Common name "desk", DNS names desk.example and other.example; valid until
/// 2035, which is written with two digits.
const NAMED: &[u8] = include_bytes!("testdata/named.der");
/// No common name; an address, then DNS name desk.example, in an extension that
/// is critical; valid until 2060, which is written with four digits.
const BY_DNS: &[u8] = include_bytes!("testdata/by_dns.der");
/// Neither.
const NAMELESS: &[u8] = include_bytes!("testdata/nameless.der");

fn name(der: &[u8]) -> Option<String> {
    client_name(&[der.into()]).map(str::to_owned)
}

#[test]
fn the_common_name_goes_before_the_first_dns_name() {
    assert_eq!(name(NAMED).as_deref(), Some("desk"));
    assert_eq!(name(BY_DNS).as_deref(), Some("desk.example"));
    assert_eq!(name(NAMELESS), None);
}

#[test]
fn a_name_that_would_spoil_a_line_is_none() {
    let common_name = |name: &str| {
        let mut der = NAMED.to_vec();
        // Issuer and subject are the same, and the subject is the second.
        let second = memchr::memmem::find_iter(NAMED, b"\x0c\x04desk")
            .nth(1)
            .unwrap();
        der[second + 2..][..4].copy_from_slice(name.as_bytes());
        self::name(&der)
    };
    assert_eq!(common_name("de k").as_deref(), Some("de k"));
    assert_eq!(common_name("de\nk"), None);
    assert_eq!(common_name("de\u{7f}k"), None);
}

#[test]
fn times_are_read_in_both_forms() {
    let validity = |der| Certificate::parse(der).unwrap().validity().unwrap();
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    let (from, until) = validity(NAMED);
    assert_eq!(from, at("2025-01-02T03:04:05Z"));
    assert_eq!(until, at("2035-01-02T03:04:05Z"));
    let (_, until) = validity(BY_DNS);
    assert_eq!(until, at("2060-12-31T23:59:59Z"));
    assert!(from > UNIX_EPOCH + Duration::from_secs(1) && from < SystemTime::now());
}

proptest! {
    #[test]
    fn damaged_certificates_are_read_or_not(
        at in 0..NAMED.len(), byte: u8, cut in 0..=NAMED.len(),
    ) {
        let mut der = NAMED.to_vec();
        der[at] = byte;
        der.truncate(cut);
        if let Some(certificate) = Certificate::parse(&der) {
            let _ = (certificate.validity(), certificate.name());
        }
    }
}
