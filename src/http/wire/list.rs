//! Fields whose value is a list (RFC 9110 section 5.6.1): the one parser for
//! all of them.
//!
//! Members are separated by commas, and a list over several field lines means
//! the same as one line with commas (section 5.3). A separator within a quoted
//! string separates nothing; a quoted string that does not end reaches to the
//! end of its line.

use std::borrow::Cow;
use std::iter;

use crate::peer::Forwarding;

/// The lines of one field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldLines<'a> {
    name: &'static str,
    /// From the first line's value to the end of the last line's. What lies
    /// between is the head as it came, lines of other fields included.
    text: &'a [u8],
}

impl<'a> FieldLines<'a> {
    /// `text` begins with the value of this field's first line; further lines
    /// are `\r\n`, a name, a colon and a value. Empty without a line. The
    /// values of this field are ASCII.
    pub(crate) fn new(name: &'static str, text: &'a [u8]) -> Self {
        Self { name, text }
    }

    /// The members of all lines, in order.
    pub(crate) fn members(self) -> impl Iterator<Item = &'a str> {
        self.lines().flat_map(members).map(as_text)
    }

    fn lines(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.text);
        let mut is_first = true;
        iter::from_fn(move || {
            loop {
                let text = rest?;
                let end = memchr::memchr(b'\n', text);
                rest = end.map(|end| &text[end + 1..]);
                let line = &text[..end.unwrap_or(text.len())];
                if std::mem::take(&mut is_first) {
                    return Some(line);
                }
                if let Some(value) = value_of(line, self.name) {
                    return Some(value);
                }
            }
        })
    }
}

/// A head that was parsed, line by line, for fields that are read now and then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLines<'a>(pub(crate) &'a [u8]);

impl Forwarding for HeadLines<'_> {
    /// The values of the lines of this field, the last one first.
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0;
        iter::from_fn(move || {
            loop {
                let end = memchr::memrchr(b'\n', rest)?;
                let start = memchr::memrchr(b'\n', &rest[..end]).map_or(0, |at| at + 1);
                let line = &rest[start..end];
                rest = &rest[..start];
                if let Some(value) = value_of(line, name) {
                    return Some(value);
                }
            }
        })
    }
}

/// The value of a line, if it is one of this field.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
}

/// The members of one line, in order. Empty ones are left out, as section
/// 5.6.1.2 asks for.
pub(crate) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(line, b',').filter(|member| !member.is_empty())
}

/// A member's parts: what it is, then its parameters.
pub(crate) fn parts(member: &str) -> impl Iterator<Item = &str> {
    split(member.as_bytes(), b';').map(as_text)
}

/// What a token or a quoted string says (RFC 9110 section 5.6.4); `None` for a
/// quoted string that doesn't end where the text does.
pub(crate) fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(Cow::Borrowed(text));
    };
    if quoted_len(quoted.as_bytes())? != quoted.len() {
        return None;
    }
    let said = &quoted[..quoted.len() - 1];
    if !said.contains('\\') {
        return Some(Cow::Borrowed(said));
    }
    let mut bytes = said.chars();
    let unescaped = iter::from_fn(|| match bytes.next() {
        Some('\\') => bytes.next(),
        next => next,
    });
    Some(Cow::Owned(unescaped.collect()))
}

/// The pieces between these separators, without white space around them.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let end = piece_len(text, separator);
        rest = text.get(end + 1..);
        Some(text[..end].trim_ascii())
    })
}

/// Where the first separator outside a quoted string is, or the end.
fn piece_len(text: &[u8], separator: u8) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(separator, b'"', &text[at..]) {
        at += found;
        if text[at] == separator {
            return at;
        }
        match quoted_len(&text[at + 1..]) {
            Some(len) => at += 1 + len,
            None => break,
        }
    }
    text.len()
}

/// How long a quoted string is behind its first quote, the last included;
/// `None` if it doesn't end.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2; // the backslash, and what it escapes
    }
}

/// A part of a field that is ASCII.
fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        pieces.map(as_text).collect()
    }

    #[test]
    fn commas_separate_members_but_not_within_quotes() {
        for (line, want) in [
            ("", &[][..]),
            (" , ,\t", &[]),
            ("a", &["a"]),
            ("a, b ,c", &["a", "b", "c"]),
            (r#"note="a, b", c"#, &[r#"note="a, b""#, "c"]),
            (r#"x="a\", b", c"#, &[r#"x="a\", b""#, "c"]),
            (r#"x="a\\", b"#, &[r#"x="a\\""#, "b"]),
            (r#""", a, "b""c,d",e"#, &[r#""""#, "a", r#""b""c,d""#, "e"]),
            // Not ended.
            (r#"a, x="b, c"#, &["a", r#"x="b, c"#]),
            (r#"a, x="b\"#, &["a", r#"x="b\"#]),
            (r#"a, "\"#, &["a", r#""\"#]),
        ] {
            assert_eq!(texts(members(line.as_bytes())), want, "{line}");
        }
        let parts: Vec<_> = parts(r#"text/plain ; x="a;b" ;q=1;"#).collect();
        assert_eq!(parts, ["text/plain", r#"x="a;b""#, "q=1", ""]);
    }

    #[test]
    fn quotes_are_taken_off() {
        for (text, want) in [
            ("", Some("")),
            ("a b", Some("a b")),
            (r#""""#, Some("")),
            (r#""a, b""#, Some("a, b")),
            (r#""a\"b\\c\d""#, Some(r#"a"b\cd"#)),
            (r#"a"b"#, Some(r#"a"b"#)),
            (r#"""#, None),
            (r#""a"#, None),
            (r#""a\""#, None),
            (r#""a\"#, None),
            (r#""a"b"#, None),
            (r#""a" "#, None),
        ] {
            assert_eq!(unquoted(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn lines_of_a_head_come_last_one_first() {
        let head =
            b"GET /x-forwarded-for: HTTP/1.1\r\nX-Forwarded-For:a\r\nHost: x-forwarded-for: \
                     b\r\nx-forwarded-for:  c \r\nx-forwarded-for-not: d\r\n\r\n";
        let lines = HeadLines(head);
        let values: Vec<_> = lines.lines("x-forwarded-for").map(as_text).collect();
        assert_eq!(values, ["  c \r", "a\r"]);
        assert_eq!(lines.lines("forwarded").count(), 0);
    }

    #[test]
    fn lines_of_one_field_make_one_list() {
        let text = b"a, \"b\r\nPreference: no\r\nHost: prefer: no\r\nX: caf\xe9\r\nPREFER:c\r\n\
                     prefer: \td,\r\nPrefer";
        let members: Vec<_> = FieldLines::new("prefer", text).members().collect();
        assert_eq!(members, ["a", "\"b", "c", "d"]);
        assert_eq!(FieldLines::new("prefer", b"").members().count(), 0);
    }
}
