//! The adapter from `may_minihttp` to the routes: the admin port, and the order
//! port under `--http-engine may_minihttp`.
//!
//! The crate frames requests itself, and less strictly than an open port
//! needs. What can be checked before a body is read is refused here; a request
//! whose end can't be trusted ends the connection (the crate closes it once it
//! reads the end of the stream, so its receiving side is shut down). What it
//! can't do is listed in [`LIMITS`].

use std::{
    io::{self, BufRead},
    net::{SocketAddr, TcpListener},
    os::fd::{BorrowedFd, RawFd},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use may::coroutine;
use may_minihttp::{HttpService, HttpServiceFactory, Request as MiniRequest, Response};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{Shutdown, shutdown, sockopt::set_tcp_nodelay},
};
use socket2::{Domain, Socket, Type};

use super::{
    Service,
    batch::{self, Batch, Fed, READ_BYTES, is_batch},
    deadline::{Deadlines, Taken},
    dispatch::{Dispatch, Sleeper},
    feed::{self, Room},
    framing::{BodyFraming, Method},
    problem::Problem,
    reply::{Body, JSON, NDJSON, PROBLEM_JSON, Reply, reason_phrase},
    routes::{self, Handled, Port, Request, Wait},
};
use crate::{
    bodies::{self, Bodies, FREE_BYTES},
    metrics::{CLASSIC_CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE, Reason, Route},
    pipeline::{rate::RETRY_AFTER_MAX, ticket::Flush},
};

/// What this engine can't do, for the log and the docs.
pub const LIMITS: &str = "no timeouts (a batch that trickles keeps its place, and a drain waits \
    for it), at most 16 request headers, no 100-continue, no Connection: close, no Location \
    header; a request that it can't parse ends the connection without a reply, and replies before \
    it may be lost; replies to requests that a client sends ahead without reading collect in \
    memory without a bound, and each connection keeps a buffer of its largest reply; for trusted \
    networks only";

/// Connections on the admin port: scrapers, probes and a person.
pub const ADMIN_CONNECTIONS_MAX: usize = 32;
/// Requests between two looks at whether the client takes its replies, which
/// the crate would else collect without a bound.
const LOOK_EVERY: u32 = 64;
/// A reply of a batch that is larger is counted.
const LARGE_REPLY: usize = 64 << 10;
/// Bytes of such replies over all connections: the crate copies a reply into a
/// buffer that it keeps at its largest as long as the connection lives.
const LARGE_REPLIES_BYTES: usize = 64 << 20;

/// The `Retry-After` lines there can be: the crate takes static text only.
static RETRY_AFTER: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let line = |seconds| &*format!("Retry-After: {seconds}").leak(); // once, 60 of them
    (1..=RETRY_AFTER_MAX).map(line).collect()
});

/// Starts the engine on `address`; answers with the address bound.
///
/// The crate binds by itself, with `SO_REUSEPORT`, so that a port in use would
/// go unnoticed and port 0 unknown. The port is therefore held by a socket
/// that doesn't listen until the crate has bound it, too.
///
/// # Errors
/// When the port is in use or can't be bound.
pub fn start(
    address: SocketAddr,
    port: Port,
    service: Arc<Service>,
    dispatch: Arc<Dispatch>,
    deadlines: Arc<Deadlines>,
) -> io::Result<SocketAddr> {
    if address.port() != 0 {
        // Fails if anybody listens there.
        drop(TcpListener::bind(address)?);
    }
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let holder = Socket::new(domain, Type::STREAM, None)?;
    holder.set_reuse_address(true)?;
    holder.set_reuse_port(true)?;
    holder.bind(&address.into())?;
    let bound = holder
        .local_addr()?
        .as_socket()
        .expect("an IP socket has an IP address");
    let connections_max = match port {
        Port::Admin => ADMIN_CONNECTIONS_MAX,
        Port::Orders => service.limits.max_connections,
    };
    Engine {
        port,
        service,
        dispatch,
        deadlines,
        open: Arc::default(),
        ledger_line: Arc::default(),
        replies: Bodies::new(LARGE_REPLIES_BYTES),
        connections_max,
    }
    .start(bound)?;
    Ok(bound)
}

struct Engine {
    port: Port,
    service: Arc<Service>,
    dispatch: Arc<Dispatch>,
    deadlines: Arc<Deadlines>,
    /// Connections open now.
    open: Arc<AtomicUsize>,
    /// The header line that names the ledger, once it was asked for.
    ledger_line: Arc<OnceLock<&'static str>>,
    /// Room for the large replies of batches.
    replies: Arc<Bodies>,
    connections_max: usize,
}

impl HttpServiceFactory for Engine {
    type Service = Connection;

    fn new_service(&self, socket: usize) -> Connection {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let connection = Connection {
            port: self.port,
            service: self.service.clone(),
            dispatch: self.dispatch.clone(),
            deadlines: self.deadlines.clone(),
            open: self.open.clone(),
            ledger_line: self.ledger_line.clone(),
            page_room: None,
            reply_room: self.replies.room(),
            socket: socket as RawFd,
            sleeper: None,
            requests: 0,
            ended: before >= self.connections_max,
        };
        connection.service.metrics().http.connections.inc();
        connection.with_socket(|socket| {
            // As on the other engine; a broken socket says so by itself.
            let _ = set_tcp_nodelay(socket, true);
            if connection.ended {
                let _ = shutdown(socket, Shutdown::Both);
            }
        });
        connection
    }
}

/// One connection of the engine.
struct Connection {
    port: Port,
    service: Arc<Service>,
    dispatch: Arc<Dispatch>,
    deadlines: Arc<Deadlines>,
    open: Arc<AtomicUsize>,
    ledger_line: Arc<OnceLock<&'static str>>,
    /// Room for the largest page so far: the crate copies a reply into a buffer
    /// that it keeps at its largest as long as the connection lives.
    page_room: Option<Room>,
    /// The same for the replies of batches.
    reply_room: bodies::Room,
    /// The socket, owned by the crate's loop, which outlives every call of us.
    socket: RawFd,
    /// Made on the first request, on the connection's own coroutine.
    sleeper: Option<Arc<Sleeper>>,
    /// Requests since the client was last seen to take its replies.
    requests: u32,
    /// Nothing that comes on this connection is executed any more.
    ended: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.service.metrics().http.connections.dec();
    }
}

/// Where the body of a request ends, as far as the crate can be trusted.
enum Framed {
    None,
    Body(usize),
    Refused(Problem, &'static str),
}

impl HttpService for Connection {
    fn call(
        &mut self,
        request: MiniRequest<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        let (route, reply) = self.answer(request);
        let reply = self.make_room(reply);
        self.service.metrics().http.request(route, reply.status);
        write(reply, response, &self.ledger_line);
        Ok(())
    }
}

impl Connection {
    fn answer(&mut self, request: MiniRequest<'_, '_, '_>) -> (Route, Reply) {
        if self.ended {
            let detail = "an earlier request on this connection was refused";
            return (
                Route::Other,
                Problem::MalformedRequest.report(detail).reply(),
            );
        }
        if !self.is_taken() {
            let detail = "replies are not being read";
            return (
                Route::Other,
                self.end(
                    Route::Other,
                    Reason::Invalid,
                    Problem::RequestTimeout,
                    detail,
                ),
            );
        }
        let _executing = (self.port == Port::Orders).then(|| self.service.execute());
        let target = request.path().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let route = routes::route(path);
        let length = match framed(&request) {
            Framed::None => None,
            Framed::Body(length) => Some(length),
            Framed::Refused(problem, detail) => {
                return (route, self.end(route, Reason::Invalid, problem, detail));
            }
        };
        let method = Method::from_token(request.method());
        let content_type = header(&request, "content-type").next();
        if let Some(method) = method
            && self.port == Port::Orders
            && is_batch(route, method, content_type)
        {
            return (route, self.batch(request, length));
        }
        let announced = length.unwrap_or(0);
        if announced > self.service.limits.max_body {
            let detail = "the body is over the limit (--max-body)";
            return (
                route,
                self.end(route, Reason::TooLarge, Problem::BodyTooLarge, detail),
            );
        }
        let Some(method) = method else {
            let detail = "the method is not known";
            return (
                route,
                self.end(route, Reason::Invalid, Problem::NotImplemented, detail),
            );
        };
        let content_type = content_type.map(str::to_owned);
        let prefer: Vec<String> = header(&request, "prefer").map(str::to_owned).collect();
        let accept: Vec<String> = header(&request, "accept").map(str::to_owned).collect();
        let (body, room) = match self.body(request, announced) {
            Ok(body) => body,
            Err((reason, problem, detail)) => {
                return (route, self.end(route, reason, problem, detail));
            }
        };
        let request = Request {
            method,
            path,
            query,
            content_type: content_type.as_deref(),
            prefer: [prefer.first().map(|s| &**s), prefer.get(1).map(|s| &**s)],
            accept: [accept.first().map(|s| &**s), accept.get(1).map(|s| &**s)],
            body: length.map(|_| &*body),
        };
        let sleeper = self.sleeper();
        let waker = Waker::from(sleeper.clone());
        let handled = routes::handle(&self.service, self.port, &request, &waker);
        drop((body, room));
        let reply = match handled {
            Handled::Reply(reply) => reply,
            Handled::Wait(wait) => self.wait(wait, sleeper),
        };
        let head = method == Method::Head;
        (
            route,
            if head {
                Reply {
                    body: Body::Static(b""),
                    ..reply
                }
            } else {
                reply
            },
        )
    }

    /// Reads a body; it takes room as it comes. An error says what ends the
    /// connection.
    fn body(
        &self,
        request: MiniRequest<'_, '_, '_>,
        announced: usize,
    ) -> Result<(Vec<u8>, bodies::Room), (Reason, Problem, &'static str)> {
        let mut room = self.service.bodies.room();
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

    /// Refuses a request after which nothing on the connection can be trusted.
    fn end(&mut self, route: Route, reason: Reason, problem: Problem, detail: &str) -> Reply {
        if route == Route::Submit {
            self.service.admission.reject(reason);
        }
        self.hear_no_more();
        let report = problem.report(detail);
        match problem.status() {
            503 => report.retry_after(1).reply(),
            _ => report.reply(),
        }
    }

    /// The same for a batch, whose body has not been read to its end.
    fn cut_off(&mut self, reason: Reason, reply: Reply) -> Reply {
        self.service.admission.reject(reason);
        self.hear_no_more();
        reply
    }

    fn hear_no_more(&mut self) {
        self.ended = true;
        self.deafen();
    }

    fn deafen(&self) {
        self.with_socket(|socket| {
            // The crate closes the connection when it reads its end. An error
            // means that the peer has closed it already.
            let _ = shutdown(socket, Shutdown::Read);
        });
    }

    /// Reads a batch and waits for its outcomes. The crate has no timeouts: a
    /// client that trickles keeps its place.
    fn batch(&mut self, request: MiniRequest<'_, '_, '_>, length: Option<usize>) -> Reply {
        let sleeper = self.sleeper();
        let waker = Waker::from(sleeper.clone());
        let framing = match length {
            Some(length) => BodyFraming::Length(length as u64),
            None => BodyFraming::None,
        };
        let begun = {
            let mut prefer = header(&request, "prefer");
            let prefer = [prefer.next(), prefer.next()];
            Batch::begin(&self.service, framing, prefer, &waker)
        };
        // Dropping it reads what has come of it, which would else be the next
        // request.
        let mut body = request.body();
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(refusal) => return self.cut_off(refusal.reason, refusal.reply),
        };
        let Some(seat) = self.deadlines.take(sleeper) else {
            return self.cut_off(Reason::Full, too_many_waiting());
        };
        let (mut left, mut turn) = (length.unwrap_or(0), 0);
        while left > 0 {
            let piece = body.fill_buf().unwrap_or_default();
            if piece.is_empty() {
                let detail = "the connection ended within the batch; what was taken of it stands";
                let report = Problem::BodyCutShort.report(detail);
                return self.cut_off(Reason::Invalid, report.reply());
            }
            let bytes = piece.len();
            let mut rest = piece;
            loop {
                let fed = batch.feed(&self.service, rest);
                self.wait_for_room(&mut batch, &seat);
                match fed {
                    Fed::All => break,
                    Fed::NoRoom(taken) => rest = &rest[taken..],
                    Fed::TooManyLines => return self.too_many_lines(),
                }
            }
            body.consume(bytes);
            left -= bytes;
            turn += bytes;
            if turn >= READ_BYTES {
                turn = 0;
                // The thread's other connections have their turn.
                waker.wake_by_ref();
                self.dispatch.flush();
                coroutine::park();
            }
        }
        if batch.end(&self.service) == Fed::TooManyLines {
            return self.too_many_lines();
        }
        self.wait_for_room(&mut batch, &seat);
        let mut finishing = batch.finish();
        loop {
            if let Some(reply) = finishing.poll(&self.service) {
                return reply;
            }
            seat.arm(finishing.until());
            coroutine::park();
        }
    }

    fn wait_for_room(&self, batch: &mut Batch, seat: &Taken) {
        while let Some(until) = batch.no_room(&self.service) {
            seat.arm(until);
            coroutine::park();
        }
    }

    fn too_many_lines(&mut self) -> Reply {
        let reply = batch::too_many_lines(&self.service);
        self.cut_off(Reason::TooLarge, reply)
    }

    /// Takes room for a page's copy, or says that there is none.
    fn make_room(&mut self, reply: Reply) -> Reply {
        let bytes = match &reply.body {
            Body::Page(page) => page.as_slice().len(),
            Body::Bytes(text) if text.len() > LARGE_REPLY && reply.content_type == Some(NDJSON) => {
                self.requests = LOOK_EVERY; // look before the next request
                let bytes = text.len().min(LARGE_REPLIES_BYTES);
                if self.reply_room.grow_to(bytes) {
                    return reply;
                }
                let detail = "the replies to batches on open connections take all the room there \
                    is for them; what was taken of this one stands";
                let report = Problem::TooManyBatches.report(detail);
                return report.retry_after(1).reply();
            }
            Body::Static(_) | Body::Bytes(_) => return reply,
        };
        let have = self.page_room.as_ref().map_or(0, Room::bytes);
        if bytes > 0 {
            self.requests = LOOK_EVERY; // look before the next request
        }
        if bytes <= have {
            return reply;
        }
        match self.service.pages.room(bytes - have) {
            Some(more) => {
                match &mut self.page_room {
                    Some(room) => room.join(more),
                    None => self.page_room = Some(more),
                }
                reply
            }
            None => feed::busy("the pages of open connections take all the room there is for them"),
        }
    }

    fn wait(&self, mut wait: Wait, sleeper: Arc<Sleeper>) -> Reply {
        let Some(seat) = self.deadlines.take(sleeper) else {
            return too_many_waiting();
        };
        loop {
            if let Some(reply) = wait.poll(&self.service) {
                return reply;
            }
            if self.is_hung_up()
                && let Some(reply) = wait.give_up(&self.service)
            {
                return reply;
            }
            if let Some(until) = wait.until() {
                seat.arm(until);
            }
            coroutine::park();
        }
    }

    fn sleeper(&mut self) -> Arc<Sleeper> {
        let (dispatch, socket) = (&self.dispatch, self.socket);
        self.sleeper
            .get_or_insert_with(|| dispatch.parked_sleeper(socket, coroutine::current()))
            .clone()
    }

    /// Whether the client takes its replies, looked at now and then.
    fn is_taken(&mut self) -> bool {
        self.requests += 1;
        if self.requests < LOOK_EVERY {
            return true;
        }
        self.requests = 0;
        let mut writable = false;
        self.with_socket(|socket| {
            let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
            let at_once = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // An error means a broken socket, which takes nothing.
            writable = poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0);
        });
        writable
    }

    /// Whether the client has closed its side. The crate learns of it when it
    /// reads; a request that waits looks each time it is woken.
    fn is_hung_up(&self) -> bool {
        let mut hung_up = false;
        self.with_socket(|socket| {
            let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
            let at_once = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            hung_up = poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0);
        });
        hung_up
    }

    fn with_socket(&self, act: impl FnOnce(BorrowedFd<'_>)) {
        // SAFETY: the descriptor is the connection's own. The crate's loop owns
        // the stream and calls us from within, so that it is open for the time
        // of this call.
        act(unsafe { BorrowedFd::borrow_raw(self.socket) });
    }
}

fn too_many_waiting() -> Reply {
    let report = Problem::TooManyConnections.report("too many requests are waiting");
    report.retry_after(1).reply()
}

/// Checks what the crate does not: it ignores `Transfer-Encoding`, and panics
/// on a length that isn't one.
fn framed(request: &MiniRequest<'_, '_, '_>) -> Framed {
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
fn header<'a>(
    request: &'a MiniRequest<'_, '_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| std::str::from_utf8(header.value).unwrap_or_default())
}

fn write(reply: Reply, response: &mut Response<'_>, ledger_line: &OnceLock<&'static str>) {
    response.status_code(reply.status.into(), reason_phrase(reply.status));
    if let Some(content_type) = reply.content_type {
        response.header(content_type_line(content_type));
    }
    if let Some(seconds) = reply.retry_after {
        response.header(RETRY_AFTER[(seconds.clamp(1, RETRY_AFTER_MAX) - 1) as usize]);
    }
    match reply.allow {
        Some("POST") => drop(response.header("Allow: POST")),
        Some(_) => drop(response.header("Allow: GET, HEAD")),
        None => {}
    }
    for (name, value) in &reply.extra {
        match *name {
            "Content-Security-Policy" => drop(response.header(POLICY_LINE)),
            "X-Content-Type-Options" => drop(response.header("X-Content-Type-Options: nosniff")),
            "Preference-Applied" => drop(response.header("Preference-Applied: respond-async")),
            // A service has one ledger, so that one line is leaked.
            feed::LEDGER_ID => {
                response.header(ledger_line.get_or_init(|| format!("{name}: {value}").leak()));
            }
            other => debug_assert!(false, "a header that this engine can't send: {other}"),
        }
    }
    match reply.body {
        Body::Static(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => response.body(text),
            Err(_) => response.body_vec(bytes.to_vec()),
        },
        Body::Bytes(bytes) => response.body_vec(bytes),
        Body::Page(page) => response.body_vec(page.as_slice().to_vec()),
    }
}

/// [`routes::PAGE_POLICY`] as a line.
const POLICY_LINE: &str = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// The crate takes static header lines only.
fn content_type_line(content_type: &str) -> &'static str {
    match content_type {
        JSON => "Content-Type: application/json",
        NDJSON => "Content-Type: application/x-ndjson",
        PROBLEM_JSON => "Content-Type: application/problem+json",
        CLASSIC_CONTENT_TYPE => "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        OPENMETRICS_CONTENT_TYPE => {
            "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
        _ => "Content-Type: text/html; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_lines_say_what_the_routes_say() {
        let (name, value) = POLICY_LINE.split_once(": ").unwrap();
        assert_eq!(
            (name, value),
            ("Content-Security-Policy", routes::PAGE_POLICY)
        );
        for content_type in [
            JSON,
            NDJSON,
            PROBLEM_JSON,
            CLASSIC_CONTENT_TYPE,
            OPENMETRICS_CONTENT_TYPE,
        ] {
            let line = content_type_line(content_type);
            assert_eq!(line.strip_prefix("Content-Type: "), Some(content_type));
        }
        assert_eq!(RETRY_AFTER[59], "Retry-After: 60");
    }
}
