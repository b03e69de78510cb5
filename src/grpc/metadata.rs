//! What a call's metadata says of who asks.

use http::{HeaderMap, HeaderValue};

use crate::peer::Forwarding;

pub(super) struct Metadata<'a>(pub(super) &'a HeaderMap);

impl Forwarding for Metadata<'_> {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let lines = self.0.get_all(name).iter().rev();
        lines.map(HeaderValue::as_bytes)
    }
}
