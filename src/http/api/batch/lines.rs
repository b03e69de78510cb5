//! Lines out of a body that arrives in pieces. Nothing is copied but a line
//! that two pieces share, and nothing is kept of a line that is too long.

use crate::order::BYTE_ORDER_MARK;

/// Splits a body into lines.
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// `partial` was handed out as a line and is to be emptied.
    handed_out: bool,
    /// The line under way is over the limit: its bytes are dropped.
    too_long: bool,
    /// Bytes of a line at most, without its end.
    max: usize,
}

/// One line, without its end (LF or CRLF).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    TooLong,
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self {
            partial: Vec::new(),
            handed_out: false,
            too_long: false,
            max,
        }
    }

    /// The next line that ends within `input`, which is moved on; `None` once
    /// there is none: what is left of `input` has been kept then.
    pub(super) fn next<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8]) -> Option<Line<'a>> {
        self.tidy();
        let Some(end) = memchr::memchr(b'\n', input) else {
            self.buffer(input);
            *input = &[];
            return None;
        };
        let (text, rest) = (&input[..end], &input[end + 1..]);
        *input = rest;
        if self.partial.is_empty() && !self.too_long {
            return Some(self.whole(text));
        }
        self.buffer(text);
        Some(self.take())
    }

    /// The last line, if the body did not end with a line's end.
    pub(super) fn last(&mut self) -> Option<Line<'_>> {
        self.tidy();
        (self.too_long || !self.partial.is_empty()).then(|| self.take())
    }

    fn tidy(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.partial.clear();
        }
    }

    fn buffer(&mut self, text: &[u8]) {
        // One byte more than the limit: it may be the CR of the line's end.
        if self.too_long || self.partial.len() + text.len() > self.max + 1 {
            self.too_long = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(text);
        }
    }

    fn take(&mut self) -> Line<'_> {
        if std::mem::take(&mut self.too_long) {
            return Line::TooLong;
        }
        self.handed_out = true;
        self.whole(&self.partial)
    }

    fn whole<'a>(&self, text: &'a [u8]) -> Line<'a> {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > self.max {
            Line::TooLong
        } else {
            Line::Text(text)
        }
    }
}

/// Whether a line has nothing but white space (RFC 8259 section 2), or a byte
/// order mark and white space.
pub(super) fn is_blank(line: &[u8]) -> bool {
    let mark = BYTE_ORDER_MARK.as_bytes();
    let text = line.strip_prefix(mark).unwrap_or(line);
    text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &[u8], max: usize, cuts: &[usize]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(max);
        let mut found = Vec::new();
        let mut add = |line: Line<'_>| {
            found.push(match line {
                Line::Text(text) => Some(text.to_vec()),
                Line::TooLong => None,
            });
        };
        let mut from = 0;
        for &to in cuts.iter().chain([&body.len()]) {
            let mut input = &body[from..to];
            while let Some(line) = lines.next(&mut input) {
                add(line);
            }
            from = to;
        }
        if let Some(line) = lines.last() {
            add(line);
        }
        assert!(lines.last().is_none());
        found
    }

    #[test]
    fn lines_are_the_same_however_the_body_arrives() {
        let body =
            b"\n1\n\r\n12345\r\n123456\n  \n123456\r\n12345678901234\n1234\r5\nabc\r\r\nlast";
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let want = [
            text(""),
            text("1"),
            text(""),
            text("12345"),
            None,
            text("  "),
            None,
            None,
            None,
            text("abc\r"),
            text("last"),
        ];
        for first in 0..=body.len() {
            for second in first..=body.len() {
                assert_eq!(split(body, 5, &[first, second]), want, "{first} {second}");
            }
        }
        let all: Vec<usize> = (0..=body.len()).collect();
        assert_eq!(split(body, 5, &all), want, "byte by byte");
    }

    #[test]
    fn the_last_line_needs_no_end_and_a_body_no_line() {
        assert_eq!(split(b"", 5, &[]), []);
        assert_eq!(split(b"a\n", 5, &[]), [Some(b"a".to_vec())]);
        assert_eq!(
            split(b"a\nb", 5, &[2]),
            [Some(b"a".to_vec()), Some(b"b".to_vec())]
        );
        assert_eq!(split(b"123456", 5, &[3]), [None]);
        assert_eq!(split(b"12345\r", 5, &[3]), [Some(b"12345".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept() {
        let mut lines = Lines::new(100);
        for _ in 0..1000 {
            assert_eq!(lines.next(&mut &[b'x'; 90][..]), None);
            assert!(lines.partial.capacity() <= 256);
        }
        assert_eq!(lines.next(&mut &b"\n"[..]), Some(Line::TooLong));
        assert_eq!(lines.next(&mut &b"ok\n"[..]), Some(Line::Text(b"ok")));
    }
}
