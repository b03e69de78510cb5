//! Certificates from any bytes.

use std::time::UNIX_EPOCH;

use crate::tls::certificate::Certificate;
use crate::tls::clients::{NAME_BYTES_MAX, client_name};

/// A certificate's name is text that stands in it and fits a line. `bytes` are
/// one, or with the first bit set what one is made of, since no mutation makes
/// the lengths of all that it changes right.
pub fn certificate(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else {
        return;
    };
    let made;
    let der = if form & 1 == 0 {
        bytes
    } else {
        made = make(bytes);
        assert!(Certificate::parse(&made).is_some(), "it is one");
        &made
    };
    let Some(certificate) = Certificate::parse(der) else {
        return;
    };
    let range = der.as_ptr_range();
    if let Some(name) = certificate.name() {
        let at = name.as_bytes().as_ptr_range();
        assert!(name.is_empty() || range.start < at.start && at.end <= range.end);
    }
    if let Some((from, until)) = certificate.validity() {
        // Years have four digits.
        assert!(from.max(until) < UNIX_EPOCH + std::time::Duration::from_hours(24 * 366 * 9000));
    }
    if let Some(name) = client_name(&[der.into()]) {
        assert!((1..=NAME_BYTES_MAX).contains(&name.len()));
        assert!(!name.contains(char::is_control));
        assert_eq!(certificate.name(), Some(name));
    }
}

/// Elements with these parts as their content: times, a name's attribute, an
/// extension's names; each is behind its length.
fn make(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut part = || {
        let (&len, behind) = rest.split_first()?;
        let (part, behind) = behind.split_at(behind.len().min(usize::from(len)));
        rest = behind;
        Some(part)
    };
    let mut parts: [&[u8]; 5] = [&[]; 5];
    for slot in &mut parts {
        *slot = part().unwrap_or_default();
    }
    let [from, until, oid, value, names] = parts;
    let tagged = |content: &[u8], tag: u8| {
        let (first, content) = content.split_first().unwrap_or((&tag, &[]));
        element(if first & 0x80 == 0 { *first } else { tag }, content)
    };
    let validity = element(0x30, &[element(0x17, from), element(0x18, until)].concat());
    let attribute = element(0x30, &[element(6, oid), tagged(value, 0x0c)].concat());
    let common = element(
        0x30,
        &[element(6, &[0x55, 4, 3]), element(0x0c, value)].concat(),
    );
    let subject = element(0x30, &element(0x31, &[common, attribute].concat()));
    let alt_names = element(4, &element(0x30, names));
    let extension = element(0x30, &[element(6, &[0x55, 0x1d, 0x11]), alt_names].concat());
    let extensions = element(0xa3, &element(0x30, &extension));
    let fields = [
        element(0xa0, &element(2, &[2])),
        element(2, &[1]),
        element(0x30, &[]),
        element(0x30, &[]),
        validity,
        subject,
        element(0x30, &[]),
        extensions,
    ];
    element(0x30, &element(0x30, &fields.concat()))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len())
        .expect("parts are short")
        .to_be_bytes();
    [&[tag, 0x82][..], &len, content].concat()
}
