//! A response that has a time to be taken.
//!
//! A client may leave a response untaken for as long as it likes, by a window
//! of flow control that it never opens, and answer pings meanwhile. So each
//! part of a response has `--write-timeout` to be taken, and a call that waits
//! for that is counted among the stalled ones: it takes no permit from those
//! whose clients read.
//!
//! `h2` is given no more than the window takes, and all calls of a connection
//! together no more than `UNWRITTEN_BYTES_MAX` ahead of the socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tonic::Code;

use crate::grpc::call_permits::CallPermit;
use crate::grpc::call_record::CallRecord;
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::http2::connection_calls::ConnectionCalls;
use crate::grpc::limits::WRITE_PIECE_BYTES;

pub(super) struct ResponseSender<'a> {
    stream: SendStream<Bytes>,
    connection: &'a ConnectionCalls,
    record: &'a mut CallRecord,
}

/// Why a part of a response was not sent.
pub(super) enum Unsent {
    /// The call ends with this error.
    Failed(CallError),
    /// The client has taken the call back, or is gone.
    Gone,
}

/// A piece of a response, and its permit until the socket has it.
struct Piece {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> ResponseSender<'a> {
    pub(super) fn new(
        stream: SendStream<Bytes>,
        connection: &'a ConnectionCalls,
        record: &'a mut CallRecord,
    ) -> Self {
        Self {
            stream,
            connection,
            record,
        }
    }

    /// Sends `data` as the client takes it.
    pub(super) async fn data(
        &mut self,
        mut data: Bytes,
        permit: &mut CallPermit,
    ) -> Result<(), Unsent> {
        let connection = self.connection;
        let limits = &connection.front_end.limits;
        let unwritten = &connection.unwritten;
        // Most are sent at once; then there is no timer.
        if self.send_now(&mut data)? {
            return Ok(());
        }
        permit.stall().map_err(Unsent::Failed)?;
        let sent = tokio::select! {
            biased;
            sent = async {
                while !data.is_empty() {
                    let piece = next_piece(&mut self.stream, unwritten, &mut data).await?;
                    self.send(piece)?;
                }
                Ok(())
            } => sent,
            () = sleep(limits.write_timeout) => {
                let allowed = limits.write_timeout;
                let detail = format!("the response was not taken within {allowed:?}");
                Err(Unsent::Failed(ErrorReason::TooSlow.error(detail)))
            }
        };
        permit.resume();
        sent
    }

    /// Sends what can be sent without waiting; whether that is all.
    fn send_now(&mut self, data: &mut Bytes) -> Result<bool, Unsent> {
        while !data.is_empty() {
            let wanted = data.len().min(WRITE_PIECE_BYTES);
            self.stream.reserve_capacity(wanted);
            let bytes = self.stream.capacity().min(wanted);
            let unwritten = self.connection.unwritten.clone();
            let permit = unwritten.try_acquire_many_owned(bytes as u32);
            let (1.., Ok(permit)) = (bytes, permit) else {
                return Ok(false);
            };
            self.send(piece(data, bytes, permit))?;
        }
        Ok(true)
    }

    fn send(&mut self, piece: Bytes) -> Result<(), Unsent> {
        self.stream
            .send_data(piece, false)
            .map_err(|_| Unsent::Gone)
    }

    /// Ends when the client takes the call back.
    pub(super) async fn reset(&mut self) {
        let _ = poll_fn(|cx| self.stream.poll_reset(cx)).await;
    }

    pub(super) fn trailers(mut self, trailers: HeaderMap) {
        self.record.status_in(&trailers);
        // This and what follows fails only if the stream has ended.
        let _ = self.stream.send_trailers(trailers);
    }

    /// Ends the call with an error.
    pub(super) fn fail(self, error: &CallError) {
        let mut trailers = HeaderMap::new();
        match error.status().add_header(&mut trailers) {
            Ok(()) => self.trailers(trailers),
            Err(_) => self.end(Reason::INTERNAL_ERROR),
        }
    }

    /// Ends a body that has no trailers.
    pub(super) fn finish(mut self) {
        self.record.status(Code::Unknown);
        let _ = self.stream.send_data(Bytes::new(), true);
    }

    pub(super) fn end(mut self, reason: Reason) {
        self.record.status(Code::Internal);
        self.stream.send_reset(reason);
    }
}

/// The next piece, once the client and the socket take it.
async fn next_piece(
    stream: &mut SendStream<Bytes>,
    unwritten: &Arc<Semaphore>,
    data: &mut Bytes,
) -> Result<Bytes, Unsent> {
    let wanted = data.len().min(WRITE_PIECE_BYTES);
    stream.reserve_capacity(wanted);
    let bytes = poll_fn(|cx| {
        loop {
            // It says once that there is more, and not again while there is.
            if stream.capacity() > 0 {
                return Poll::Ready(Ok(stream.capacity().min(wanted)));
            }
            match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(Unsent::Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await?;
    let permit = unwritten.clone().acquire_many_owned(bytes as u32).await;
    Ok(piece(data, bytes, permit.map_err(|_| Unsent::Gone)?))
}

fn piece(data: &mut Bytes, bytes: usize, permit: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(Piece {
        bytes: data.split_to(bytes),
        _permit: permit,
    })
}
