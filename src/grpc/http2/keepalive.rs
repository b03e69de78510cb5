//! Pings to a client that is silent.

use std::future::poll_fn;
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

use crate::grpc::http2::socket::Activity;

/// Ends when a client has been silent for at least `interval` and then answers
/// no ping for `patience`. Whatever it sends meanwhile is a sign of life.
pub(super) async fn watch(
    mut pings: PingPong,
    activity: &Activity,
    interval: Duration,
    patience: Duration,
) {
    loop {
        let before = activity.bytes_read();
        sleep(interval).await;
        if activity.bytes_read() != before {
            continue;
        }
        if pings.send_ping(Ping::opaque()).is_err() {
            return; // it has ended
        }
        loop {
            let before = activity.bytes_read();
            match timeout(patience, poll_fn(|cx| pings.poll_pong(cx))).await {
                Ok(Ok(_)) => break,
                Err(_) if activity.bytes_read() != before => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}
