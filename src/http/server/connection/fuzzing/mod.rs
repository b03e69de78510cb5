//! A connection whose client sends any bytes, in any pieces.
//!
//! The connection loop runs over a [`Script`], with a pipeline that has no
//! threads: what happens depends on the bytes only. What the client receives is
//! held against the requests that another, smaller parser finds.

mod replies;
mod requests;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::access::Access;
use crate::admission::Admission;
use crate::config::Config;
use crate::cpu::plan::Plan;
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::service::Service;
use crate::http::api::site::Sites;
use crate::http::server::connection::Connection;
use crate::http::server::connection::fuzzing::replies::{Reply, replies};
use crate::http::server::connection::fuzzing::requests::Requests;
use crate::http::server::socket::Socket;
use crate::http::server::socket::scripted::{Script, Step};
use crate::ledger::{Ledger, memory};
use crate::order::HashKey;
use crate::peer::Proxies;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Evaluated, Pipeline, Settings};
use crate::sync::memory_budget::MemoryBudget;

/// What the first byte says, bit by bit.
#[derive(Clone, Copy)]
struct Circumstances {
    /// A pause is longer than any timeout.
    times_out: bool,
    needs_token: bool,
    /// A drain begins at one of the first waits.
    drains: bool,
    /// The connection breaks in the end.
    breaks: bool,
    /// No reply waits for an outcome.
    acks_queued: bool,
}

/// Whatever comes, in whatever pieces: replies are well formed, and no more
/// than requests; none is behind one that ends the connection, and all complete
/// requests before that are answered; nothing but a request is an order;
/// nothing is held when the connection has ended. And in other pieces, the same
/// bytes have the same replies.
pub fn http_connection(bytes: &[u8]) {
    let [flags, window, pieces, rest @ ..] = bytes else {
        return;
    };
    let bit = |number: u8| flags >> number & 1 == 1;
    let circumstances = Circumstances {
        times_out: bit(0),
        needs_token: bit(1),
        drains: bit(2),
        breaks: bit(3),
        acks_queued: bit(4),
    };
    let (pieces, input) = rest.split_at(rest.len().min(usize::from(pieces % 16)));
    let window = match window {
        0 => usize::MAX,
        window => usize::from(*window) * 16,
    };
    let in_pieces = run(
        circumstances,
        input,
        &steps(pieces, input.len(), circumstances),
        window,
    );
    let Circumstances {
        times_out,
        drains,
        breaks,
        ..
    } = circumstances;
    if times_out || drains || breaks {
        return;
    }
    let whole = run(circumstances, input, &[], usize::MAX);
    let (Some(whole), Some(in_pieces)) = (whole, in_pieces) else {
        return;
    };
    assert_eq!(whole.len(), in_pieces.len(), "{whole:?}\n{in_pieces:?}");
    // What is acknowledged before its outcome is one that later requests meet
    // or don't.
    let is_async = |reply: &Reply| reply.status == 202 || reply.has_queued();
    if whole.iter().chain(&in_pieces).any(is_async) {
        return;
    }
    for (whole, in_pieces) in whole.iter().zip(&in_pieces) {
        assert!(whole.is_like(in_pieces), "{whole:?}\n{in_pieces:?}");
    }
}

/// A piece of so many bytes for each, again and again, and a pause before those
/// with the highest bit.
fn steps(pieces: &[u8], mut bytes: usize, circumstances: Circumstances) -> Vec<Step> {
    let mut steps = Vec::new();
    for piece in pieces.iter().cycle() {
        if bytes == 0 || steps.len() > 512 {
            break;
        }
        if piece & 0x80 != 0 {
            steps.push(Step::Pause);
        }
        let piece = usize::from(piece & 0x7f).max(1);
        steps.push(Step::Arrive(piece));
        bytes = bytes.saturating_sub(piece);
    }
    if circumstances.breaks {
        steps.push(Step::Reset);
    }
    steps
}

/// The replies to `input`; `None` if the client has not received all of them.
fn run(
    circumstances: Circumstances,
    input: &[u8],
    steps: &[Step],
    window: usize,
) -> Option<Vec<Reply>> {
    let service = service(circumstances);
    let pipeline = service.admission.pipeline().clone();
    let (ledger, archive) = memory::open(1);
    pipeline.set_archive(Arc::new(archive));
    pipeline.gate.open();
    let mut ledger: Option<Box<dyn Ledger<Evaluated>>> = Some(Box::new(ledger));
    let (mut waits, served) = (0, service.clone());
    let surroundings = move || {
        waits += 1;
        let pipeline = served.admission.pipeline();
        if circumstances.drains && waits == 4 {
            pipeline.gate.close(GateState::Draining);
        }
        if circumstances.drains && waits == 8 {
            served.closing.store(true, Ordering::Release);
        }
        let (again, worked) =
            pipeline.run_round(&Rules::default(), ledger.take().expect("put back"));
        ledger = Some(again);
        worked | served.observer.answer_one(pipeline, &served.access)
    };
    let steps = steps.iter().copied();
    let script = Script::new(input.to_vec(), steps, window, surroundings);
    let script = Rc::new(RefCell::new(script));
    let first = service.execute();
    let socket = Socket::scripted(script.clone());
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    Connection::new(socket, peer, service.clone(), first).serve(None);

    let mut script = script.borrow_mut();
    while script.work() {}
    let requests = Requests::of(input);
    check_accounts(&service, &requests);
    let (received, has_finished) = script.received();
    if circumstances.breaks {
        return None;
    }
    let replies = replies(received, &requests);
    if has_finished && replies.last().is_some_and(|last| last.closes) {
        return Some(replies);
    }
    if circumstances.times_out || circumstances.drains {
        return Some(replies);
    }
    assert!(
        replies.len() >= requests.complete.len() || replies.last().is_some_and(|last| last.closes),
        "{} requests, {replies:?}",
        requests.complete.len()
    );
    if let Some(rest) = &requests.rest
        && !rest.may_become_one
    {
        let refused = replies.last().is_some_and(|last| last.closes);
        assert!(refused, "{:?} {replies:?}", rest.request);
    }
    Some(replies)
}

/// Nothing is left inside, and what was accepted was in a request.
fn check_accounts(service: &Service, requests: &Requests) {
    let admission = &service.admission;
    let pipeline = admission.pipeline();
    assert_eq!((pipeline.gate.orders(), pipeline.gate.bytes()), (0, 0));
    assert_eq!(service.executing.load(Ordering::SeqCst), 0);
    assert_eq!(service.batches.load(Ordering::SeqCst), 0);
    let budgets = [&service.bodies, &service.replies, &service.results];
    assert_eq!(budgets.map(|budget| budget.used()), [0; 3]);
    let metrics = admission.metrics();
    let (processed, failed) = (metrics.ledger.processed.get(), metrics.ledger.failed.get());
    assert_eq!(metrics.admission.accepted.get(), processed + failed);
    let committed = (processed + failed) as usize;
    assert!(committed <= requests.orders_max(), "{committed} orders");
}

/// What all inputs share.
struct Configured {
    config: Config,
    sites: Sites,
    access: Arc<Access>,
}

fn service(circumstances: Circumstances) -> Arc<Service> {
    static OPEN: OnceLock<Configured> = OnceLock::new();
    static WITH_TOKENS: OnceLock<Configured> = OnceLock::new();
    let Configured {
        config,
        sites,
        access,
    } = if circumstances.needs_token {
        WITH_TOKENS.get_or_init(with_tokens)
    } else {
        OPEN.get_or_init(|| configured(&[]))
    };
    let pipeline = Pipeline::new(&Settings {
        queue_orders: config.queue_capacity,
        queue_bytes: config.queue_bytes as u64,
        window: config.dedupe_window,
        plan: Plan {
            fused: true,
            ..Plan::unpinned(1)
        },
        window_reach: Duration::ZERO,
        commit_delay: Duration::ZERO,
    });
    pipeline.wake_queues.register(Vec::new());
    let mut limits = Limits::of(config);
    if circumstances.times_out {
        limits.head_timeout = Duration::ZERO;
        limits.body_timeout = Duration::ZERO;
        limits.idle_timeout = Duration::ZERO;
    }
    if circumstances.acks_queued {
        limits.ack = crate::config::Ack::Queued;
    }
    let admission = Admission::new(pipeline, HashKey::from_bytes([1; 16]));
    Service::new(
        Arc::new(admission),
        limits,
        sites.clone(),
        access.clone(),
        Proxies::new(
            config.peers.trusted_proxies.clone(),
            config.peers.proxy_protocol,
        ),
        MemoryBudget::new(config.body_bytes),
        Observer::unstarted(),
    )
}

/// Limits that a few kilobytes reach.
fn configured(more: &[&str]) -> Configured {
    let flags = [
        "order-processor",
        "--max-body=1KiB",
        "--max-batch-body=4KiB",
        "--max-batch-orders=8",
        "--max-batches=1",
        "--queue-capacity=4",
        "--queue-bytes=8KiB",
        "--body-bytes=4KiB",
        "--dedupe-window=1000",
        "--allowed-origins=https://a.example",
    ];
    let flags = flags.iter().chain(more).copied();
    let config = Config::parse_from(flags, [("", ""); 0]).expect("they are in range");
    let access = Access::new(&config).expect("the file is there");
    Configured {
        sites: Sites::of(&config),
        config,
        access: Arc::new(access),
    }
}

fn with_tokens() -> Configured {
    let name = format!("order-processor-fuzz-{}.tokens", std::process::id());
    let path = std::env::temp_dir().join(name);
    let tokens = "all:0123456789abcdef inflight=1\nreader:fedcba9876543210 scope=read\n";
    std::fs::write(&path, tokens).expect("the directory is there");
    let configured = configured(&["--token-file", path.to_str().expect("it is text")]);
    let _ = std::fs::remove_file(&path);
    configured
}
