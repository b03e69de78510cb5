//! Byte ranges of the caller's buffer, by which a head refers to its texts
//! without a borrow.

/// A byte range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range of a field that was not sent; an empty value has another one.
    pub(super) const ABSENT: Self = Self {
        start: u32::MAX,
        end: u32::MAX,
    };

    pub(super) fn new(start: usize, end: usize) -> Self {
        let offset = |at| u32::try_from(at).expect("a head's window is cut to u32::MAX bytes");
        Self {
            start: offset(start),
            end: offset(end),
        }
    }

    /// The range that `part`, a subslice of `buf`, takes in it.
    pub(super) fn of(part: &[u8], buf: &[u8]) -> Self {
        let start = part.as_ptr().addr() - buf.as_ptr().addr();
        Self::new(start, start + part.len())
    }

    /// From its start to the end of `last`, which lies behind it; `last` itself
    /// if it is [`ABSENT`](Self::ABSENT).
    pub(super) fn to_end_of(self, last: Self) -> Self {
        Self {
            start: self.start.min(last.start),
            end: last.end,
        }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    /// The bytes in this range; `None` for [`ABSENT`](Self::ABSENT).
    pub(super) fn bytes(self, buf: &[u8]) -> Option<&[u8]> {
        (self != Self::ABSENT).then(|| &buf[self.start as usize..self.end as usize])
    }

    /// The same as text. Checking that it is costs more than what most texts
    /// are read for.
    pub(super) fn text(self, buf: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(self.bytes(buf)?);
        Some(text.expect("parse_head found only ASCII in this range"))
    }
}
