//! The pass over a value's text that does what `serde_json`'s own doesn't: strips the white space
//! outside strings (minifies), and refuses nesting that is too deep, duplicate names, and halves
//! of surrogate pairs, at any depth.
//!
//! It relies on `serde_json` having read the same text before: the grammar holds, brackets match
//! and strings end. On other text its answer may be wrong, but it still ends and doesn't panic. It
//! is a loop over bytes with a short list of the open brackets, so its stack use is fixed. Most
//! values are numbers and short strings; they are read once and copied whole.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::order::hash::HashKey;
use crate::order::invalid::{DEPTH_MAX, Invalid};
use crate::order::names::{Names, Scope};
use crate::order::text_position::TextPosition;

/// Checks the values of one order and gathers their text without white space.
pub(super) struct Minifier<'a> {
    key: &'a HashKey,
    /// The source of all values; errors give positions in it.
    text: &'a str,
    minified: String,
    names: Names,
    /// The order's own members.
    order: Scope,
    /// The objects (`Some`) and arrays (`None`) that are open inside it, up to [`DEPTH_MAX`] with
    /// it. Flat orders have none, and it allocates nothing.
    inner: Vec<Option<Scope>>,
}

impl<'a> Minifier<'a> {
    /// Starts with the order itself open and `minified` as the text so far.
    pub(super) fn new(text: &'a str, key: &'a HashKey, minified: String) -> Self {
        let mut names = Names::default();
        Self {
            key,
            text,
            minified,
            order: names.open(),
            names,
            inner: Vec::new(),
        }
    }

    /// The text so far.
    pub(super) fn minified(&mut self) -> &mut String {
        &mut self.minified
    }

    pub(super) fn into_minified(self) -> String {
        self.minified
    }

    /// Adds a name of the innermost open object, given by its hash and, for errors, by its spelling
    /// and offset.
    pub(super) fn name(&mut self, hash: u128, spelled: &str, at: usize) -> Result<(), Invalid> {
        let scope = match self.inner.last_mut() {
            None => &mut self.order,
            Some(Some(scope)) => scope,
            Some(None) => return Ok(()),
        };
        if self.names.insert(scope, hash) {
            Ok(())
        } else {
            let depth = 1 + self.inner.len();
            Err(Invalid::duplicate(spelled, depth, self.position(at)))
        }
    }

    /// Checks the value at `range` and appends it without white space.
    pub(super) fn value(&mut self, range: Range<usize>) -> Result<(), Invalid> {
        let text = self.text;
        if is_plain(&text.as_bytes()[range.clone()]) {
            self.minified.push_str(&text[range]);
            return Ok(());
        }
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
                    if 1 + self.inner.len() == DEPTH_MAX {
                        return Err(Invalid::TooDeep {
                            at: self.position(at),
                        });
                    }
                    name_next = byte == b'{';
                    let scope = name_next.then(|| self.names.open());
                    self.inner.push(scope);
                }
                b'}' | b']' => {
                    if let Some(Some(scope)) = self.inner.pop() {
                        self.names.close(scope);
                    }
                    name_next = false;
                }
                b',' => name_next = matches!(self.inner.last(), Some(Some(_))),
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.minified.push_str(&text[copied..at]);
                    copied = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        self.minified.push_str(&text[copied..range.end]);
        Ok(())
    }

    pub(super) fn position(&self, at: usize) -> TextPosition {
        TextPosition::of(self.text.as_bytes(), at)
    }
}

/// Whether a value is itself without white space and has no rule of ours to keep: a string without
/// an escape, a number, `true`, `false`, `null`.
fn is_plain(value: &[u8]) -> bool {
    match value {
        [b'{' | b'[', ..] => false,
        [b'"', string @ ..] => memchr(b'\\', string).is_none(),
        _ => true,
    }
}

/// The text of a JSON string, without quotes and escapes.
///
/// # Errors
/// Not a string: [`Invalid::Syntax`].
pub(super) fn unquote(raw: &str) -> Result<Cow<'_, str>, Invalid> {
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(plain) if memchr(b'\\', plain.as_bytes()).is_none() => Ok(Cow::Borrowed(plain)),
        _ => Ok(Cow::Owned(serde_json::from_str(raw)?)),
    }
}

/// Where the string that begins at `start` ends, its quote included; the error is the offset of
/// an escaped half of a surrogate pair.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        match bytes.get(at + 1) {
            _ if bytes[at] == b'"' => return Ok(at + 1),
            Some(b'u') => match hex(bytes, at) {
                Some(0xD800..=0xDBFF) => match hex(bytes, at + 6) {
                    Some(0xDC00..=0xDFFF) => at += 12,
                    _ => return Err(at),
                },
                Some(0xDC00..=0xDFFF) => return Err(at),
                _ => at += 6,
            },
            _ => at += 2,
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
