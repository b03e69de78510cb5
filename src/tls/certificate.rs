//! What a certificate says of itself (RFC 5280 section 4.1), read from its DER:
//! when it is valid, and its names. Nothing is verified here; `webpki` does
//! that. What can't be read is `None`.

use std::time::SystemTime;

// Tags (X.690 section 8.1.2).
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `version [0]` and `extensions [3]` of a certificate.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName [2]` of a general name.
const DNS_NAME: u8 = 0x82;

/// `id-at-commonName` and `id-ce-subjectAltName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The parts of a certificate that are read here.
pub(super) struct Certificate<'a> {
    validity: &'a [u8],
    subject: &'a [u8],
    /// Empty if there are none.
    extensions: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Elements(Elements(der).content_of(SEQUENCE)?);
        let mut fields = Elements(certificate.content_of(SEQUENCE)?);
        if fields.0.first() == Some(&VERSION) {
            fields.next()?;
        }
        let (_serial, _algorithm, _issuer) = (fields.next()?, fields.next()?, fields.next()?);
        let validity = fields.content_of(SEQUENCE)?;
        let subject = fields.content_of(SEQUENCE)?;
        let extensions = fields.find_map(|(tag, content)| (tag == EXTENSIONS).then_some(content));
        Some(Self {
            validity,
            subject,
            extensions: match extensions {
                Some(wrapped) => Elements(wrapped).content_of(SEQUENCE)?,
                None => &[],
            },
        })
    }

    /// From when on, and until when, it is valid.
    pub(super) fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        let mut times = Elements(self.validity);
        Some((time(times.next()?)?, time(times.next()?)?))
    }

    /// The common name of its subject, the most specific one; else its first
    /// DNS name.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.common_name().or_else(|| self.dns_name())
    }

    fn common_name(&self) -> Option<&'a str> {
        let sets = Elements(self.subject).filter(|(tag, _)| *tag == SET);
        let attributes = sets.flat_map(|(_, set)| Elements(set));
        let text = |(_, attribute)| {
            let mut parts = Elements(attribute);
            if parts.content_of(OBJECT_IDENTIFIER)? != COMMON_NAME {
                return None;
            }
            let (tag, value) = parts.next()?;
            let is_utf8 = [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag);
            std::str::from_utf8(value).ok().filter(|_| is_utf8)
        };
        attributes.filter_map(text).last()
    }

    fn dns_name(&self) -> Option<&'a str> {
        let names = Elements(self.extensions).find_map(|(_, extension)| {
            let mut parts = Elements(extension);
            if parts.content_of(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
                return None;
            }
            // `critical` may stand before it.
            let (_, value) = parts.find(|(tag, _)| *tag == OCTET_STRING)?;
            Elements(value).content_of(SEQUENCE)
        })?;
        let (_, name) = Elements(names).find(|(tag, _)| *tag == DNS_NAME)?;
        std::str::from_utf8(name).ok()
    }
}

/// Elements one behind the other: tag and content of each. Ends at what is
/// none.
#[derive(Clone, Copy)]
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The content of the next, if it has this tag.
    fn content_of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .and_then(|(found, content)| (found == tag).then_some(content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const LONG_FORM: u8 = 0x80;
        const LENGTH_BYTES_MAX: usize = 4;
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = if first < LONG_FORM {
            (usize::from(first), rest)
        } else {
            let bytes = usize::from(first - LONG_FORM);
            if bytes == 0 || bytes > LENGTH_BYTES_MAX {
                return None;
            }
            let (length, rest) = rest.split_at_checked(bytes)?;
            let length = length.iter().fold(0, |all, byte| all << 8 | *byte as usize);
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

/// A time in UTC, which all are (RFC 5280 section 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_suffix('Z').filter(|text| text.is_ascii())?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    if rest.len() != "MMDDHHMMSS".len() {
        return None;
    }
    let part = |n: usize| &rest[2 * n..][..2];
    let (month, day, hour, minute, second) = (part(0), part(1), part(2), part(3), part(4));
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    humantime::parse_rfc3339(&text).ok()
}
