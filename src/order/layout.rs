//! The pass over a value's text that does what `serde_json`'s own doesn't: strips the white space
//! outside strings, and refuses nesting that is too deep, names that come twice, and halves of
//! surrogate pairs, at any depth.
//!
//! It relies on `serde_json` having read the same text before: the grammar holds, brackets match
//! and strings end. On other text it may judge wrongly, but it still ends and doesn't panic. It is
//! a loop over bytes with a small array for the open brackets, so its stack use is fixed.

use std::borrow::Cow;
use std::ops::Range;

use super::hash::HashKey;
use super::invalid::{Invalid, Position};
use super::names::{Names, Scope};

/// How deep objects and arrays may be nested; the order itself is the first.
pub const DEPTH_MAX: usize = 32;

/// Reads values of one order and gathers their text without white space.
pub(super) struct Layout<'a> {
    key: &'a HashKey,
    /// The source of all values; places in it go into errors.
    text: &'a str,
    stripped: String,
    names: Names,
    /// The objects (`Some`) and arrays (`None`) that are open, `depth` of them.
    open: [Option<Scope>; DEPTH_MAX],
    depth: usize,
}

impl<'a> Layout<'a> {
    /// Starts with the order itself open and `stripped` as the text so far.
    pub(super) fn new(text: &'a str, key: &'a HashKey, stripped: String) -> Self {
        let mut names = Names::default();
        let mut open = [None; DEPTH_MAX];
        open[0] = Some(names.open());
        Self {
            key,
            text,
            stripped,
            names,
            open,
            depth: 1,
        }
    }

    /// The text so far.
    pub(super) fn stripped(&mut self) -> &mut String {
        &mut self.stripped
    }

    /// Gives the text up.
    pub(super) fn into_stripped(self) -> String {
        self.stripped
    }

    /// Notes a name of the innermost open object, given by its hash and, for errors, by how it is
    /// spelled and where.
    pub(super) fn name(&mut self, hash: u128, spelled: &str, at: usize) -> Result<(), Invalid> {
        let Some(Some(scope)) = self.open[..self.depth].last_mut() else {
            return Ok(());
        };
        if self.names.insert(scope, hash) {
            Ok(())
        } else {
            Err(Invalid::duplicate(spelled, self.depth, self.position(at)))
        }
    }

    /// Checks the value at `range` and appends it without white space.
    pub(super) fn value(&mut self, range: Range<usize>) -> Result<(), Invalid> {
        let text = self.text;
        let bytes = &text.as_bytes()[..range.end];
        let mut at = range.start;
        let mut copied = at;
        // Whether a string here is a member's name.
        let mut name_next = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = string_end(bytes, at).map_err(|at| Invalid::LoneSurrogate {
                        at: self.position(at),
                    })?;
                    if name_next {
                        let name = unquote(&text[at..end])?;
                        self.name(self.key.name(&name), &name, at)?;
                        name_next = false;
                    }
                    at = end;
                    continue;
                }
                b'{' | b'[' => {
                    if self.depth == DEPTH_MAX {
                        return Err(Invalid::TooDeep {
                            at: self.position(at),
                        });
                    }
                    name_next = byte == b'{';
                    self.open[self.depth] = name_next.then(|| self.names.open());
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 1 => {
                    self.depth -= 1;
                    if let Some(scope) = self.open[self.depth] {
                        self.names.close(scope);
                    }
                    name_next = false;
                }
                b',' => name_next = self.open[self.depth - 1].is_some(),
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.stripped.push_str(&text[copied..at]);
                    copied = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        self.stripped.push_str(&text[copied..range.end]);
        Ok(())
    }

    pub(super) fn position(&self, at: usize) -> Position {
        Position::of(self.text.as_bytes(), at)
    }
}

/// The text that a JSON string stands for.
///
/// # Errors
/// Not a string: [`Invalid::Syntax`].
pub(super) fn unquote(raw: &str) -> Result<Cow<'_, str>, Invalid> {
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => Ok(Cow::Owned(serde_json::from_str(raw)?)),
    }
}

/// Where the string that begins at `start` ends, its quote included; the error is the offset of
/// an escaped half of a surrogate pair.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' if bytes.get(at + 1) == Some(&b'u') => match hex(bytes, at) {
                Some(0xD800..=0xDBFF) => match hex(bytes, at + 6) {
                    Some(0xDC00..=0xDFFF) => at += 12,
                    _ => return Err(at),
                },
                Some(0xDC00..=0xDFFF) => return Err(at),
                _ => at += 6,
            },
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Ok(bytes.len())
}

/// The number in the escape `\uXXXX` at `at`, if there is one.
fn hex(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, &digit| {
        Some(number << 4 | char::from(digit).to_digit(16)? as u16)
    })
}
