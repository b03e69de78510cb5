//! W3C Trace Context: the `traceparent` of a request, which says what trace an
//! order belongs to. `tracestate` is left out: it is for those who add spans of
//! their own, and nothing here does.

use std::fmt;

/// Bytes of a trace context as it is stored.
pub(crate) const TRACEPARENT_BYTES: usize = 16 + 8 + 1;

/// Characters of version 00: `00-<32>-<16>-<2>`.
pub(crate) const TRACEPARENT_LEN: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
/// The flag that every version has: the caller may have recorded the trace.
const SAMPLED: u8 = 1;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The trace that a submission belongs to, and the caller's span in it (W3C
/// Trace Context, section 3.2). Displayed as a header value of version 00.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
}

/// A trace's id as it stands in the header: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl TraceParent {
    /// Reads a header's value. `None` if it is none by the specification, which
    /// asks to ignore it then. Of a version above 00, ids and the sampled flag
    /// are read, and what may follow them is left out.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (text, rest) = value.split_first_chunk::<TRACEPARENT_LEN>()?;
        let dashes = [text[2], text[35], text[52]] == [b'-'; 3];
        let [version] = hexadecimal(&text[..2])?;
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let [flags] = hexadecimal(&text[53..])?;
        let parsed = Self {
            trace_id: hexadecimal(&text[3..35])?,
            parent_id: hexadecimal(&text[36..52])?,
            flags: if version == 0 { flags } else { flags & SAMPLED },
        };
        (dashes && ends_well && parsed.is_valid()).then_some(parsed)
    }

    /// The trace's id.
    pub fn trace_id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    pub(crate) fn encode(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut bytes = [0; TRACEPARENT_BYTES];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.parent_id);
        bytes[24] = self.flags;
        bytes
    }

    /// What [`encode`](Self::encode) made.
    pub(crate) fn decode(bytes: &[u8; TRACEPARENT_BYTES]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (parent_id, rest) = rest.split_first_chunk()?;
        let decoded = Self {
            trace_id: *trace_id,
            parent_id: *parent_id,
            flags: rest[0],
        };
        decoded.is_valid().then_some(decoded)
    }

    fn is_valid(&self) -> bool {
        self.trace_id != [0; 16] && self.parent_id != [0; 8]
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; TRACEPARENT_LEN];
        write_digits(&mut text[..2], &[0]);
        write_digits(&mut text[3..35], &self.trace_id);
        write_digits(&mut text[36..52], &self.parent_id);
        write_digits(&mut text[53..], &[self.flags]);
        f.write_str(str::from_utf8(&text).expect("digits and dashes"))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({self})")
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        write_digits(&mut text, &self.0);
        f.write_str(str::from_utf8(&text).expect("digits"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// The bytes that twice as many lower-case digits stand for; the specification
/// has no others.
fn hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn write_digits(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(text: &str) -> Option<String> {
        TraceParent::parse(text.as_bytes()).map(|parsed| parsed.to_string())
    }

    #[test]
    fn a_valid_one_is_what_it_was() {
        for flags in ["00", "01", "03", "ff"] {
            let text = format!("{}{flags}", &VALID[..53]);
            let parsed = TraceParent::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(TraceParent::decode(&parsed.encode()), Some(parsed));
            assert_eq!(parsed.trace_id().to_string(), text[3..35]);
        }
    }

    #[test]
    fn what_the_specification_calls_invalid_is_none() {
        let no_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let no_parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let longer = format!("{VALID}-extra");
        let version_ff = format!("ff{}", &VALID[2..]);
        let upper = VALID.to_uppercase();
        for text in [
            "",
            "00",
            &no_trace,
            &no_parent,
            &longer,
            &version_ff,
            &upper,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        // Any byte that is another, and any cut.
        for at in 0..VALID.len() {
            assert_eq!(read(&VALID[..at]), None, "cut at {at}");
            let mut bytes = VALID.as_bytes().to_vec();
            for other in [b'g', b'A', b' ', b'/', b':', b'`', 0, 0xff] {
                bytes[at] = other;
                assert_eq!(TraceParent::parse(&bytes), None, "{other} at {at}");
            }
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = |end: &str| format!("cc{}{end}", &VALID[2..53]);
        assert_eq!(read(&later("01")).as_deref(), Some(VALID));
        assert_eq!(read(&later("03-what-follows")).as_deref(), Some(VALID));
        let unsampled = format!("{}00", &VALID[..53]);
        assert_eq!(read(&later("fe-")), Some(unsampled));
        for end in ["01.what-follows", "011", "0", ""] {
            assert_eq!(read(&later(end)), None, "{end}");
        }
    }

    #[test]
    fn ids_of_zeroes_are_not_decoded() {
        let mut bytes = TraceParent::parse(VALID.as_bytes()).unwrap().encode();
        bytes[16..24].fill(0);
        assert_eq!(TraceParent::decode(&bytes), None);
        assert_eq!(TraceParent::decode(&[0; TRACEPARENT_BYTES]), None);
    }
}
