use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;

use crate::admission::Admission;
use crate::cpu::plan::Plan;
use crate::grpc::body::{BodyRules, DroppedMessages, LimitedBody, RequestKind};
use crate::metrics::Reason;
use crate::order::HashKey;
use crate::pipeline::{Pipeline, Settings};
use crate::sync::memory_budget::MemoryBudget;

/// A body that comes in these pieces, and whether the last one says that it is.
struct Pieces(VecDeque<Bytes>, bool);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.1 && self.0.is_empty()
    }
}

fn rules(message_bytes_max: usize, bodies: &Arc<MemoryBudget>) -> Arc<BodyRules> {
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 1,
        queue_bytes: 1000,
        window: 1,
        window_reach: Duration::ZERO,
        plan: Plan::unpinned(1),
        commit_delay: Duration::ZERO,
    });
    Arc::new(BodyRules {
        admission: Arc::new(Admission::new(pipeline, HashKey::from_bytes([1; 16]))),
        message_bytes_max,
        timeout: Duration::from_secs(1),
        bodies: bodies.clone(),
    })
}

fn framed(length: usize) -> Vec<u8> {
    let mut message = vec![0];
    message.extend((length as u32).to_be_bytes());
    message.extend((0..length).map(|n| n as u8 | 1));
    message
}

/// What the decoder sees of a body in pieces of this size.
fn seen(
    bytes: &[u8],
    piece: usize,
    rules: &Arc<BodyRules>,
    kind: RequestKind,
) -> Result<Vec<u8>, Status> {
    let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    let mut body = LimitedBody::new(Pieces(pieces, false), rules.clone(), kind);
    let mut seen = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.into_data().expect("no trailers");
                assert!(!bytes.is_empty());
                seen.extend_from_slice(&bytes);
            }
            Poll::Ready(Some(Err(status))) => return Err(status),
            Poll::Ready(None) => return Ok(seen),
            Poll::Pending => unreachable!("all pieces are here"),
        }
    }
}

/// Or the rest of a stream would be late.
#[test]
fn an_empty_message_ends_with_its_head() {
    let pieces = Pieces([Bytes::from(framed(0))].into(), false);
    let rules = rules(100, &MemoryBudget::new(1000));
    let mut body = LimitedBody::new(pieces, rules, RequestKind::OneOrder);
    let mut cx = Context::from_waker(Waker::noop());
    let frame = Pin::new(&mut body).poll_frame(&mut cx);
    assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
    assert!(body.framing.is_between_messages());
}

#[test]
fn messages_within_the_limit_pass_however_they_are_split() {
    let bodies = MemoryBudget::new(1000);
    let rules = rules(100, &bodies);
    let body: Vec<u8> = [3, 0, 100, 1, 0, 0, 99]
        .into_iter()
        .flat_map(framed)
        .collect();
    for piece in 1..body.len() + 1 {
        assert_eq!(
            seen(&body, piece, &rules, RequestKind::Stream).expect("all fit"),
            body
        );
    }
    assert!(
        bodies.try_acquire(1000).is_some(),
        "all permits were released"
    );
}

#[test]
fn one_over_the_limit_is_replaced_in_a_stream_and_ends_a_call() {
    let bodies = MemoryBudget::new(1000);
    let rules = rules(100, &bodies);
    let sizes = [3, 101, 100, 5000, 101, 0, 7];
    let body: Vec<u8> = sizes.into_iter().flat_map(framed).collect();
    let want: Vec<u8> = sizes
        .into_iter()
        .flat_map(|size| framed(if size > 100 { 0 } else { size }))
        .collect();
    for piece in 1..200 {
        let dropped = DroppedMessages::default();
        let kind = RequestKind::OrderStream(dropped.clone());
        assert_eq!(seen(&body, piece, &rules, kind).expect("goes on"), want);
        let numbers: Vec<_> = (1..=7).filter(|n| dropped.take(*n)).collect();
        assert_eq!(numbers, [2, 4, 5]);
        let one = framed(101);
        let status = seen(&one, piece, &rules, RequestKind::OneOrder).expect_err("ends");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
    let metrics = &rules.admission.pipeline().metrics;
    assert_eq!(metrics.admission.rejected.get(Reason::TooLarge), 199);
    assert!(
        bodies.try_acquire(1000).is_some(),
        "all permits were released"
    );
}

#[test]
fn a_call_has_one_message() {
    let bodies = MemoryBudget::new(1000);
    let rules = rules(100, &bodies);
    for kind in [RequestKind::OneOrder, RequestKind::OneMessage] {
        for body in [framed(3).repeat(2), framed(0).repeat(2)] {
            for piece in 1..body.len() + 1 {
                let status = seen(&body, piece, &rules, kind.clone()).expect_err("two");
                assert_eq!(status.code(), tonic::Code::Internal);
            }
        }
    }
    let metrics = &rules.admission.pipeline().metrics;
    assert_eq!(metrics.admission.rejected.get(Reason::Invalid), 26);
}

/// A client must not hold one outside the budget by leaving its call open.
#[test]
fn a_message_whose_call_goes_on_holds_its_permit_to_the_end() {
    let bodies = MemoryBudget::new(100);
    let rules = rules(100, &bodies);
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = |ended, kind| {
        let pieces = Pieces([Bytes::from(framed(60))].into(), ended);
        let mut body = LimitedBody::new(pieces, rules.clone(), kind);
        let frame = Pin::new(&mut body).poll_frame(&mut cx);
        (body, matches!(frame, Poll::Ready(Some(Ok(_)))))
    };
    let (open, passed) = first(false, RequestKind::OneOrder);
    assert!(passed && bodies.try_acquire(41).is_none() && bodies.try_acquire(40).is_some());
    assert!(
        !first(false, RequestKind::OneMessage).1,
        "the budget has no more for another"
    );
    // One whose request has ended, or of a stream, is read at once.
    assert!(first(true, RequestKind::OneMessage).1);
    assert!(first(false, RequestKind::Stream).1);
    drop(open);
    assert!(bodies.try_acquire(100).is_some());
}

#[test]
fn a_stream_holds_memory_for_one_message_at_a_time() {
    let bodies = MemoryBudget::new(100);
    let rules = rules(100, &bodies);
    let body = framed(60).repeat(3);
    for piece in 1..body.len() {
        let dropped = DroppedMessages::default();
        for kind in [RequestKind::Stream, RequestKind::OrderStream(dropped)] {
            assert_eq!(seen(&body, piece, &rules, kind).expect("goes on"), body);
        }
    }
    assert!(bodies.try_acquire(100).is_some());
}

#[test]
fn a_message_does_not_wait_for_the_budget() {
    let bodies = MemoryBudget::new(50);
    let rules = rules(100, &bodies);
    for size in [50, 51, 100] {
        let body = framed(size);
        assert!(
            seen(&body, 7, &rules, RequestKind::OneMessage).is_ok(),
            "alone"
        );
        let other = bodies.try_acquire(1).expect("nothing is held");
        let status = seen(&body, 7, &rules, RequestKind::OneMessage).expect_err("over the budget");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        drop(other);
    }
    // Cut off before its end: its permit is released.
    assert!(seen(&framed(50)[..20], 7, &rules, RequestKind::OneMessage).is_ok());
    assert!(bodies.try_acquire(50).is_some());
}
