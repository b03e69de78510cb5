//! A call, from its headers to its last byte.

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Request, Response};
use http_body::Body as _;
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;

use crate::grpc::body::{Collector, RequestBody};
use crate::grpc::call_permits::CallPermit;
use crate::grpc::call_record::CallRecord;
use crate::grpc::http2::connection_calls::ConnectionCalls;
use crate::grpc::http2::deadline;
use crate::grpc::http2::response::{ResponseSender, Unsent};
use crate::grpc::refusal::Refusal;
use crate::grpc::router::{BegunCall, OfConnection, completed};

/// Serves a call; `collector` is of the request's body.
pub(super) async fn serve(
    connection: Arc<ConnectionCalls>,
    request: Request<RequestBody>,
    collector: Collector,
    mut respond: SendResponse<Bytes>,
) {
    let deadline = deadline::of(request.headers());
    let path = request.uri().path();
    let (front_end, origin) = (&connection.front_end, &connection.origin);
    let mut record = CallRecord::begin(front_end, origin, path, request.headers());
    let of_connection = OfConnection {
        permits: &connection.permits,
        caller: &connection.caller,
        origin,
        log: &mut record.log,
    };
    let begun = connection
        .services
        .begin(request, of_connection, deadline.as_ref().err());
    let call = match begun {
        Ok(call) => call,
        Err(Refusal(response)) => {
            record.status_in(response.headers());
            // It fails only if the client has taken the call back.
            let _ = respond.send_response(response, true);
            return;
        }
    };
    let deadline = deadline.ok().flatten();
    let collected = poll_fn(|cx| {
        collector.poll_collect(cx);
        Poll::<()>::Pending
    });
    tokio::select! {
        biased;
        () = answer(&connection, call, respond, deadline, &mut record) => {}
        // Polled behind the call, which reads first.
        () = collected => {}
    }
}

async fn answer(
    connection: &ConnectionCalls,
    call: BegunCall,
    mut respond: SendResponse<Bytes>,
    deadline: Option<Instant>,
    record: &mut CallRecord,
) {
    let BegunCall {
        response,
        permit,
        in_flight: _in_flight,
        has_orders,
    } = call;
    let mut over = pin!(passes(deadline));
    let response = tokio::select! {
        biased;
        Ok(response) = response => completed(response, has_orders, &connection.front_end),
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
        () = &mut over => deadline::passed().status().into_http(),
    };
    let (mut head, body) = response.into_parts();
    // Memory permits of what the body sends.
    let _held = mem::take(&mut head.extensions);
    let ends = body.is_end_stream();
    record.status_in(&head.headers);
    let Ok(stream) = respond.send_response(Response::from_parts(head, ()), ends) else {
        return; // the client has taken the call back
    };
    if !ends {
        let sender = ResponseSender::new(stream, connection, record);
        send(sender, body, permit, over).await;
    }
}

/// Sends a body to its end, or to that of the client's patience, or ours.
async fn send(
    mut sender: ResponseSender<'_>,
    mut body: Body,
    mut permit: CallPermit,
    mut over: Pin<&mut impl Future<Output = ()>>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)) => frame,
            () = sender.reset() => return,
            () = &mut over => return sender.fail(&deadline::passed()),
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return sender.end(Reason::INTERNAL_ERROR),
            None => return sender.finish(),
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                return sender.trailers(frame.into_trailers().unwrap_or_default());
            }
        };
        let sent = tokio::select! {
            biased;
            sent = sender.data(data, &mut permit) => sent,
            () = &mut over => Err(Unsent::Failed(deadline::passed())),
        };
        match sent {
            Ok(()) => {}
            Err(Unsent::Failed(error)) => return sender.fail(&error),
            Err(Unsent::Gone) => return,
        }
    }
}

/// Ends when the deadline has passed.
async fn passes(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
