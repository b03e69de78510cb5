//! Messages from any bytes, as a whole and in pieces.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use prost::Message;
use tonic::Status;

use crate::admission::Admission;
use crate::cpu::plan::Plan;
use crate::grpc::body::{BodyRules, DroppedMessages, LimitedBody, RequestKind};
use crate::grpc::proto::SubmitRequest;
use crate::order::HashKey;
use crate::pipeline::{Pipeline, Settings};
use crate::sync::memory_budget::MemoryBudget;

/// What the decoder reads is the same, whatever pieces a body comes in; and a
/// message is decoded or refused.
pub fn grpc_messages(bytes: &[u8]) {
    let [kind, piece, body @ ..] = bytes else {
        return;
    };
    let kind = || match kind % 4 {
        0 => RequestKind::OneOrder,
        1 => RequestKind::OrderStream(DroppedMessages::default()),
        2 => RequestKind::Stream,
        _ => RequestKind::OneMessage,
    };
    let whole = seen(body.chunks(body.len().max(1)), kind());
    let pieces = seen(body.chunks(usize::from(*piece).max(1)), kind());
    if let (Some(whole), Some(pieces)) = (&whole, &pieces) {
        assert_eq!(whole, pieces);
    }
    let Ok(SubmitRequest {
        order: Some(order), ..
    }) = SubmitRequest::decode(body)
    else {
        return;
    };
    let others = (!order.attributes_json.is_empty()).then_some(&*order.attributes_json);
    let _ = rules()
        .admission
        .decode_parts(&order.id, &order.value, others);
}

/// What the decoder reads; `None` if the body is refused, or would be waited
/// for.
fn seen<'a>(pieces: impl Iterator<Item = &'a [u8]>, kind: RequestKind) -> Option<Vec<u8>> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }
            .enable_time()
            .build()
            .expect("no thread is needed")
    });
    let _entered = runtime.enter();
    let pieces = Pieces(pieces.map(Bytes::copy_from_slice).collect());
    let mut body = LimitedBody::new(pieces, rules().clone(), kind);
    let mut seen = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => seen.extend(frame.into_data().ok()?),
            Poll::Ready(None) => return Some(seen),
            Poll::Ready(Some(Err(_))) | Poll::Pending => return None,
        }
    }
}

fn rules() -> &'static Arc<BodyRules> {
    static RULES: OnceLock<Arc<BodyRules>> = OnceLock::new();
    RULES.get_or_init(|| {
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
            message_bytes_max: 256,
            timeout: Duration::from_secs(1),
            bodies: MemoryBudget::new(1 << 20),
        })
    })
}

struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
