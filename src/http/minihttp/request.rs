//! Where a request ends, as far as that can be checked before the crate reads
//! on, and its body.

use std::io::BufRead;

use may_minihttp::Request as MiniRequest;

use crate::http::api::problem::Problem;
use crate::http::minihttp::connection::Connection;
use crate::metrics::Reason;
use crate::sync::memory_budget;
use crate::sync::memory_budget::FREE_BYTES;

/// Where the body of a request ends, as far as the crate can be trusted.
pub(crate) enum Framed {
    None,
    Body(usize),
    Refused(Problem, &'static str),
}

/// Checks what the crate does not: it ignores `Transfer-Encoding`, and panics
/// on a length that isn't one.
pub(crate) fn framed(request: &MiniRequest<'_, '_, '_>) -> Framed {
    let detail = "this engine reads no transfer codings";
    if header(request, "transfer-encoding").next().is_some() {
        return Framed::Refused(Problem::NotImplemented, detail);
    }
    let mut lengths = header(request, "content-length");
    let Some(length) = lengths.next() else {
        return Framed::None;
    };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    match length.parse() {
        Ok(length) if digits && lengths.next().is_none() => Framed::Body(length),
        _ => Framed::Refused(
            Problem::MalformedRequest,
            "Content-Length must be one number",
        ),
    }
}

/// The values of a header that are text; one that isn't reads as empty.
pub(crate) fn header<'a>(
    request: &'a MiniRequest<'_, '_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| std::str::from_utf8(header.value).unwrap_or_default())
}

impl Connection {
    /// Reads a body; it takes room as it comes. An error says what ends the
    /// connection.
    pub(crate) fn body(
        &self,
        request: MiniRequest<'_, '_, '_>,
        announced: usize,
    ) -> Result<(Vec<u8>, memory_budget::MemoryPermit), (Reason, Problem, &'static str)> {
        let mut room = self.service.bodies.empty_permit();
        let (mut body, mut reader) = (Vec::new(), request.body());
        while body.len() < announced {
            let piece = reader.fill_buf().unwrap_or_default();
            if piece.is_empty() {
                let detail = "the connection ended within the body";
                return Err((Reason::Invalid, Problem::BodyCutShort, detail));
            }
            if body.len() + piece.len() > body.capacity() {
                let bytes = announced.min(2 * (body.len() + piece.len()));
                if !room.grow_to(bytes.saturating_sub(FREE_BYTES)) {
                    let detail = "all bodies being read are over their limit (--body-bytes)";
                    // Dropping the reader reads on, to where the end is then.
                    self.deafen();
                    return Err((Reason::Full, Problem::BodyMemory, detail));
                }
                body.reserve_exact(bytes - body.len());
            }
            body.extend_from_slice(piece);
            let bytes = piece.len();
            reader.consume(bytes);
        }
        Ok((body, room))
    }
}
