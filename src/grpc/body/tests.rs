use std::task::Waker;

use crate::cpu::plan::Plan;
use crate::order::HashKey;
use crate::pipeline::{Pipeline, Settings};

use super::*;

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

fn rules(message_max: usize, bodies: &Arc<MemoryBudget>) -> Arc<Rules> {
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 1,
        queue_bytes: 1000,
        window: 1,
        window_reach: Duration::ZERO,
        plan: Plan::unpinned(1),
    });
    Arc::new(Rules {
        admission: Arc::new(Admission::new(pipeline, HashKey::from_bytes([1; 16]))),
        message_max,
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
    rules: &Arc<Rules>,
    too_large: TooLarge,
) -> Result<Vec<u8>, Status> {
    let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    let mut body = Metered::new(Pieces(pieces, false), rules.clone(), too_large, None);
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
            Poll::Pending => unreachable!("all pieces are there"),
        }
    }
}

/// Or the rest of a stream would be late.
#[test]
fn an_empty_message_is_over_with_its_head() {
    let pieces = Pieces([Bytes::from(framed(0))].into(), false);
    let rules = rules(100, &MemoryBudget::new(1000));
    let mut body = Metered::new(pieces, rules, TooLarge::EndsCounted, None);
    let mut cx = Context::from_waker(Waker::noop());
    let frame = Pin::new(&mut body).poll_frame(&mut cx);
    assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
    assert!(matches!(body.state, State::Head(_, 0)));
}

#[test]
fn messages_within_the_limit_pass_however_they_are_cut() {
    let bodies = MemoryBudget::new(1000);
    let rules = rules(100, &bodies);
    let body: Vec<u8> = [3, 0, 100, 1, 0, 0, 99]
        .into_iter()
        .flat_map(framed)
        .collect();
    for piece in 1..body.len() + 1 {
        assert_eq!(
            seen(&body, piece, &rules, TooLarge::Ends).expect("all fit"),
            body
        );
    }
    assert!(
        bodies.try_acquire(1000).is_some(),
        "all room was given back"
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
        let oversize = Oversize::default();
        let drops = TooLarge::Drops(oversize.clone());
        assert_eq!(seen(&body, piece, &rules, drops).expect("goes on"), want);
        let dropped: Vec<_> = (1..=7).filter(|n| oversize.was_dropped(*n)).collect();
        assert_eq!(dropped, [2, 4, 5]);
        let status = seen(&body, piece, &rules, TooLarge::EndsCounted).expect_err("ends");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
    let metrics = &rules.admission.pipeline().metrics;
    assert_eq!(metrics.admission.rejected.get(Reason::TooLarge), 199);
    assert!(
        bodies.try_acquire(1000).is_some(),
        "all room was given back"
    );
}

/// Nobody may hold one for nothing by leaving its call open.
#[test]
fn a_message_whose_call_goes_on_takes_room_to_its_end() {
    let bodies = MemoryBudget::new(100);
    let rules = rules(100, &bodies);
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = |ended, too_large| {
        let pieces = Pieces([Bytes::from(framed(60))].into(), ended);
        let mut body = Metered::new(pieces, rules.clone(), too_large, None);
        let frame = Pin::new(&mut body).poll_frame(&mut cx);
        (body, matches!(frame, Poll::Ready(Some(Ok(_)))))
    };
    let (open, passed) = first(false, TooLarge::EndsCounted);
    assert!(passed && bodies.try_acquire(41).is_none() && bodies.try_acquire(40).is_some());
    assert!(!first(false, TooLarge::Ends).1, "no room for another");
    // One that is over, or of a stream, is read at once.
    assert!(first(true, TooLarge::Ends).1);
    assert!(first(false, TooLarge::EndsStream).1);
    drop(open);
    assert!(bodies.try_acquire(100).is_some());
}

#[test]
fn a_message_waits_for_no_room() {
    let bodies = MemoryBudget::new(50);
    let rules = rules(100, &bodies);
    for size in [50, 51, 100] {
        let body = framed(size);
        assert!(seen(&body, 7, &rules, TooLarge::Ends).is_ok(), "alone");
        let other = bodies.try_acquire(1).expect("there is room");
        let status = seen(&body, 7, &rules, TooLarge::Ends).expect_err("no room");
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        drop(other);
    }
    // Cut off before its end: what it held is given back.
    assert!(seen(&framed(50)[..20], 7, &rules, TooLarge::Ends).is_ok());
    assert!(bodies.try_acquire(50).is_some());
}
