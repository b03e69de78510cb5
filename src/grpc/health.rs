//! `grpc.health.v1`: the same readiness as `/readyz`, for the server as a whole
//! and for the one service there is.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::grpc::status::{Kind, Refusal};
use crate::grpc::{Door, Phase, SERVICE};
use crate::pipeline::gate::GateState;

/// The health service.
pub(super) struct Checks(pub(super) Arc<Door>);

type Watching = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

struct Watcher {
    door: Arc<Door>,
    phase: watch::Receiver<Phase>,
    /// Whether there is such a service.
    known: bool,
    told: Option<ServingStatus>,
    /// Its place among the watchers.
    _place: OwnedSemaphorePermit,
}

#[tonic::async_trait]
impl Health for Checks {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !is_known(service) {
            return Err(Kind::Unknown.because("no service has this name").status());
        }
        Ok(Response::new(response(status(&self.0))))
    }

    type WatchStream = Watching;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Watching>, Status> {
        let place = self.0.place(&self.0.watchers, "watchers of health")?;
        let watcher = Watcher {
            door: self.0.clone(),
            phase: self.0.phase.subscribe(),
            known: is_known(&request.get_ref().service),
            told: None,
            _place: place,
        };
        let watching = stream::unfold(Some(watcher), async |watcher| {
            let mut watcher = watcher?;
            Some(match watcher.next().await {
                Ok(status) => (Ok(response(status)), Some(watcher)),
                Err(status) => (Err(status), None),
            })
        });
        Ok(Response::new(Box::pin(watching)))
    }
}

impl Watcher {
    /// The next status that differs from the last one.
    async fn next(&mut self) -> Result<ServingStatus, Status> {
        let Self {
            door,
            phase,
            known,
            told,
            ..
        } = self;
        let task_waker = door.wakeups.task_waker();
        let (admission, waker) = (&door.admission, task_waker.waker());
        let mut watch = None;
        let changed = task_waker.until(|| {
            // Watched first, looked then: it may change in between.
            watch = Some(admission.watch_state(&waker));
            let status = if *known {
                status(door)
            } else {
                ServingStatus::ServiceUnknown
            };
            (told.replace(status) != Some(status)).then_some(status)
        });
        tokio::select! {
            biased;
            status = changed => Ok(status),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => {
                // A drain, or a ledger that has failed: the gate knows.
                Err(Refusal::closed(admission.state()).status())
            }
        }
    }
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == SERVICE
}

fn status(door: &Door) -> ServingStatus {
    match door.admission.state() {
        GateState::Open => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
