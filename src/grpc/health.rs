//! `grpc.health.v1`: the same readiness as `/readyz`, for the server as a whole
//! and for its one service.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::front_end::{DrainPhase, FrontEnd, Signals};
use crate::grpc::proto::order_service_server::SERVICE_NAME;
use crate::grpc::status;
use crate::pipeline::gate::GateState;

/// The health service.
pub(super) struct HealthCalls(pub(super) Arc<FrontEnd>);

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

struct Watcher {
    front_end: Arc<FrontEnd>,
    signals: watch::Receiver<Signals>,
    /// Whether there is such a service.
    known: bool,
    sent: Option<ServingStatus>,
}

#[tonic::async_trait]
impl Health for HealthCalls {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !is_known(service) {
            let error = ErrorReason::UnknownOrder.error("no service has this name");
            return Err(error.status());
        }
        Ok(Response::new(response(serving_status(&self.0))))
    }

    type WatchStream = Statuses;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Statuses>, Status> {
        let watcher = Watcher {
            front_end: self.0.clone(),
            signals: self.0.signals(),
            known: is_known(&request.get_ref().service),
            sent: None,
        };
        let statuses = stream::unfold(Some(watcher), async |watcher| {
            let mut watcher = watcher?;
            Some(match watcher.next().await {
                Ok(status) => (Ok(response(status)), Some(watcher)),
                Err(error) => (Err(error.status()), None),
            })
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

impl Watcher {
    /// The next status that differs from the last one.
    async fn next(&mut self) -> Result<ServingStatus, CallError> {
        let Self {
            front_end,
            signals,
            known,
            sent,
            ..
        } = self;
        let task_waker = front_end.task_waker();
        let (admission, waker) = (&front_end.admission, task_waker.waker());
        let mut watch = None;
        let changed = task_waker.wait_for(|| {
            // Watched first, then checked: it may change in between.
            watch = Some(admission.watch_state(&waker));
            let status = if *known {
                serving_status(front_end)
            } else {
                ServingStatus::ServiceUnknown
            };
            (sent.replace(status) != Some(status)).then_some(status)
        });
        tokio::select! {
            biased;
            status = changed => Ok(status),
            _ = signals.wait_for(|now| now.drain != DrainPhase::Serving) => {
                // A drain, or a ledger that has failed: the gate knows.
                Err(status::closed(admission.state()))
            }
        }
    }
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == SERVICE_NAME
}

fn serving_status(front_end: &FrontEnd) -> ServingStatus {
    match front_end.admission.state() {
        GateState::Open => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
