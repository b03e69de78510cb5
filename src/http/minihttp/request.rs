//! The crate's requests: where they end, as far as that can be checked before
//! the crate reads on, and their bodies.

use std::io::BufRead;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use may_minihttp::Request as MiniRequest;

use crate::http::api::problem::{Problem, Report};
use crate::http::api::site::Source;
use crate::http::minihttp::socket::Socket;
use crate::http::wire::{
    Authority, FramingError, TransferCodings, fetch_mode_is_navigate, fetch_site_is_foreign,
};
use crate::metrics::Reason;
use crate::order::TraceParent;
use crate::peer::Forwarding;
use crate::sync::memory_budget::{FREE_BYTES, MemoryBudget, MemoryPermit};

/// What is discarded at most of a body that is refused unread.
const DISCARD_BYTES_MAX: usize = 1 << 20;

/// Why a request is refused such that nothing behind it can be trusted.
pub(super) struct Untrusted {
    /// What a submission is counted under.
    pub(super) reason: Reason,
    pub(super) report: Report<'static>,
}

impl Untrusted {
    pub(super) fn new(reason: Reason, report: Report<'static>) -> Box<Self> {
        Box::new(Self { reason, report })
    }
}

/// How long the body of a request is; `None` without one. Checks what the crate
/// does not: it ignores `Transfer-Encoding`, and panics on a length that isn't
/// one.
pub(super) fn body_length(
    request: &MiniRequest<'_, '_, '_>,
) -> Result<Option<usize>, Box<Untrusted>> {
    let mut codings = TransferCodings::default();
    for line in header(request, "transfer-encoding") {
        codings.take(line.as_bytes());
    }
    if codings.any() {
        let report = match codings.check() {
            Err(invalid @ FramingError::CodingsInvalid) => invalid.into(),
            _ => Problem::NotImplemented.report("this engine reads no transfer codings"),
        };
        return Err(Untrusted::new(Reason::Invalid, report));
    }
    let mut lengths = header(request, "content-length");
    let Some(length) = lengths.next() else {
        return Ok(None);
    };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    match length.parse() {
        Ok(length) if digits && lengths.next().is_none() => Ok(Some(length)),
        _ => {
            let report = Problem::MalformedRequest.report("Content-Length must be one number");
            Err(Untrusted::new(Reason::Invalid, report))
        }
    }
}

/// The values of a header that are text; one that isn't reads as empty.
pub(super) fn header<'a>(
    request: &'a MiniRequest<'_, '_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| std::str::from_utf8(header.value).unwrap_or_default())
}

/// A request's lines, for what they say of who asks.
pub(super) struct Lines<'a, 'b, 'c, 'd>(pub(super) &'a MiniRequest<'b, 'c, 'd>);

impl Forwarding for Lines<'_, '_, '_, '_> {
    fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let lines = self.0.headers().iter().rev();
        let lines = lines.filter(move |header| header.name.eq_ignore_ascii_case(name));
        lines.map(|header| header.value)
    }
}

/// Where a request comes from. The crate checks none of it.
pub(super) fn source<'a>(request: &'a MiniRequest<'_, '_, '_>) -> Result<Source<'a>, FramingError> {
    let mut hosts = header(request, "host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(FramingError::HostRepeated);
    }
    match host {
        None if request.version() > 0 => return Err(FramingError::HostMissing),
        Some(host) if Authority::parse(host.as_bytes()).is_none() => {
            return Err(FramingError::HostInvalid);
        }
        _ => {}
    }
    for name in ["origin", "idempotency-key", "authorization"] {
        if header(request, name).nth(1).is_some() {
            return Err(FramingError::FieldRepeated);
        }
    }
    Ok(Source {
        host: host.map(str::as_bytes),
        origin: header(request, "origin").next().map(str::as_bytes),
        is_cross_site: header(request, "sec-fetch-site")
            .any(|value| fetch_site_is_foreign(value.as_bytes())),
        navigates: header(request, "sec-fetch-mode")
            .any(|value| fetch_mode_is_navigate(value.as_bytes())),
    })
}

/// The `traceparent`, if there is one and it is valid.
pub(super) fn traceparent(request: &MiniRequest<'_, '_, '_>) -> Option<TraceParent> {
    let mut lines = header(request, "traceparent");
    let only = lines.next().filter(|_| lines.next().is_none())?;
    TraceParent::parse(only.as_bytes())
}

/// All lines of a header, as [`FieldLines`](crate::http::wire::FieldLines)
/// reads them.
pub(super) fn joined_lines(request: &MiniRequest<'_, '_, '_>, name: &str) -> String {
    let mut lines = header(request, name);
    let mut text = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        text.extend(["\r\n", name, ":", line]);
    }
    text
}

/// Reads a body of this length, whose memory is acquired as it arrives.
pub(super) fn read_body(
    request: MiniRequest<'_, '_, '_>,
    length: usize,
    budget: &Arc<MemoryBudget>,
    socket: &Socket,
) -> Result<(Vec<u8>, MemoryPermit), Box<Untrusted>> {
    let mut permit = budget.empty_permit();
    let (mut body, mut reader) = (Vec::new(), request.body());
    while body.len() < length {
        let piece = reader.fill_buf().unwrap_or_default();
        if piece.is_empty() {
            let report = Problem::BodyCutShort.report("the connection ended within the body");
            return Err(Untrusted::new(Reason::Invalid, report));
        }
        if body.len() + piece.len() > body.capacity() {
            let bytes = length.min(2 * (body.len() + piece.len()));
            if !permit.grow_to(bytes.saturating_sub(FREE_BYTES)) {
                // Dropping the reader reads on, to where the end is then.
                socket.shut_down_reading();
                let report = Problem::BodyMemory
                    .report("all bodies being read are over their limit (--body-bytes)")
                    .retry_after(1);
                return Err(Untrusted::new(Reason::Full, report));
            }
            body.reserve_exact(bytes - body.len());
        }
        body.extend_from_slice(piece);
        let bytes = piece.len();
        reader.consume(bytes);
    }
    Ok((body, permit))
}

/// Discards what has arrived of a body, on a socket that is shut down for
/// reading. The crate would take it for the next request, fail to parse it, and
/// close the connection before the reply is out.
pub(super) fn discard_body(request: MiniRequest<'_, '_, '_>) {
    // Dropped, the reader would discard all that a client cares to send.
    let mut reader = ManuallyDrop::new(request.body());
    let mut discarded = 0;
    while discarded < DISCARD_BYTES_MAX {
        let bytes = reader.fill_buf().map_or(0, <[u8]>::len);
        if bytes == 0 {
            return;
        }
        reader.consume(bytes);
        discarded += bytes;
    }
}
