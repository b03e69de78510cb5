//! The service put together: started from a configuration, ended by a drain.

mod coroutines;
mod drain;
mod error;
mod open_ledger;
mod pending_orders;
mod ports;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::admission::Admission;
use crate::config::Config;
use crate::cpu::plan::{Plan, PlanRequest};
use crate::cpu::topology::Topology;
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::router::Port;
use crate::http::api::service::Service;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::Listener;
use crate::http::{minihttp, server};
use crate::order::HashKey;
use crate::pipeline::processor::{Processor, Rules, Simulate};
use crate::pipeline::{Fault, Pipeline, Settings, Threads};
use crate::server::coroutines::start_coroutines;
use crate::server::open_ledger::{Opened, Which};
use crate::server::pending_orders::Keeper;
use crate::server::ports::{Bound, bind, bind_grpc, connections};
use crate::sync::memory_budget::MemoryBudget;
use crate::{config, grpc};

pub use self::drain::Drained;
pub use self::error::StartError;

/// A running service.
pub struct Server {
    pipeline: Arc<Pipeline>,
    service: Arc<Service>,
    timers: Arc<Timers>,
    /// What [`open`](Server::open) needs.
    opening: Opening,
    /// `None` until the ledger is open.
    threads: Option<Threads>,
    keeper: Keeper,
    /// `None` under `--http-engine may_minihttp`.
    native: Option<Listener>,
    http: SocketAddr,
    admin: Option<SocketAddr>,
    /// `None` under `--grpc-listen off`.
    grpc: Option<grpc::Running>,
}

/// What is kept from the start for the opening of the ledger.
struct Opening {
    ledger: Which,
    key: HashKey,
    plan: Plan,
    processor: Arc<dyn Processor>,
    on_fault: Arc<dyn Fn(Fault) + Send + Sync>,
}

impl Server {
    /// Starts the service: binds the ports and serves, but takes no orders
    /// before [`open`](Self::open). `on_fault` hears of what the service can't
    /// go on without.
    ///
    /// The coroutine scheduler belongs to the process: the first server's
    /// `--io-threads` holds for later ones.
    ///
    /// # Errors
    /// A [`StartError`]; nothing serves then.
    pub fn start(
        config: &Config,
        on_fault: impl Fn(Fault) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let processor: Arc<dyn Processor> = match config.processor {
            config::Processor::Rules => Arc::new(Rules {
                max_value: config.max_value,
            }),
            config::Processor::Simulate => {
                let config::Simulate {
                    delay_min,
                    delay_max,
                    fail_ratio,
                } = config.simulate;
                Arc::new(Simulate::new(delay_min..=delay_max, fail_ratio))
            }
        };
        Self::start_with(config, processor, on_fault)
    }

    /// The same with a processor of your own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        config: &Config,
        processor: Arc<dyn Processor>,
        on_fault: impl Fn(Fault) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let plan = Plan::new(
            PlanRequest {
                workers: config.workers,
                io_threads: config.io_threads,
                pin: &config.pin,
            },
            &Topology::here(),
        )?;
        tracing::info!(
            workers = plan.workers,
            io_threads = plan.io_threads,
            "{}",
            plan.why
        );
        let mut limits = Limits::of(config);
        let mut grpc_limits = grpc::Limits::of(config);
        if config.grpc_listen.is_none() {
            grpc_limits.connections_max = 0;
        }
        (limits.max_connections, grpc_limits.connections_max) =
            connections(config.max_connections, grpc_limits.connections_max)?;

        let port = bind(config)?;
        let grpc_port = bind_grpc(config)?;
        let io_threads = start_coroutines(&plan)?;
        let run_queues = RunQueues::start(io_threads)?;
        // A seat for each connection that waits, and one for the listener.
        let seats =
            limits.max_connections + server::REFUSING_MAX + minihttp::ADMIN_CONNECTIONS_MAX + 1;
        let timers = Timers::start(seats, run_queues.clone())?;

        let settings = Settings {
            queue_orders: config.queue_capacity,
            queue_bytes: config.queue_bytes as u64,
            window: config.dedupe_window,
            plan: plan.clone(),
            window_reach: config.ack_timeout * 2,
        };
        let pipeline = Pipeline::new(&settings);
        let waiting = grpc::Waiting::default();
        pipeline
            .wake_queues
            .register(vec![run_queues.clone(), waiting.door()]);
        let key = HashKey::random();
        let admission = Arc::new(Admission::new(pipeline.clone(), key.clone()));
        let (bodies, grpc_bodies) = match grpc_port {
            None => (MemoryBudget::new(config.body_bytes), None),
            Some(_) => {
                let [http, grpc] = MemoryBudget::shared(config.body_bytes, config.max_body);
                (http, Some(grpc))
            }
        };
        let observer = Observer::start(&pipeline)?;
        let service = Service::new(admission.clone(), limits, bodies, observer);

        let http = |address, source| StartError::Bind {
            flag: "--listen",
            address,
            source,
        };
        let (native, http) = match port {
            Bound::Native(listener) => {
                let native = Listener::start(
                    listener,
                    service.clone(),
                    run_queues.clone(),
                    timers.clone(),
                )?;
                let address = native.address();
                (Some(native), address)
            }
            Bound::Later(address) => {
                tracing::warn!(
                    "the order port is served by may_minihttp: {}",
                    minihttp::LIMITS
                );
                let bound = minihttp::start(
                    address,
                    Port::SingleOrders,
                    service.clone(),
                    run_queues.clone(),
                    timers.clone(),
                )
                .map_err(|source| http(address, source))?;
                (None, bound)
            }
        };
        let admin = match config.admin_listen {
            None => None,
            Some(address) => Some(
                minihttp::start(
                    address,
                    Port::Admin,
                    service.clone(),
                    run_queues,
                    timers.clone(),
                )
                .map_err(|source| StartError::Bind {
                    flag: "--admin-listen",
                    address,
                    source,
                })?,
            ),
        };
        let grpc = grpc_port
            .zip(grpc_bodies)
            .map(|(listener, bodies)| {
                let threads = plan.io_threads;
                grpc::Running::start(listener, grpc_limits, admission, bodies, waiting, threads)
            })
            .transpose()?;
        Ok(Self {
            pipeline,
            service,
            timers,
            opening: Opening {
                ledger: Which::of(config),
                key,
                plan,
                processor,
                on_fault: Arc::new(on_fault),
            },
            threads: None,
            keeper: Keeper::default(),
            native,
            http,
            admin,
            grpc,
        })
    }

    /// The address of the order port.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the admin port, unless it is off.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The address of the gRPC port, unless it is off.
    pub fn grpc(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(grpc::Running::address)
    }

    /// Opens the ledger, which may take a while after a crash, takes up what
    /// the last drain kept, and takes orders from then on. Until then they are
    /// answered with 503.
    ///
    /// # Errors
    /// When the ledger can't be opened, what was kept can't be taken up, or the
    /// system gives no threads.
    ///
    /// # Panics
    /// If it is open already.
    pub fn open(&mut self) -> Result<(), StartError> {
        let Opening {
            ledger,
            key,
            plan,
            processor,
            on_fault,
        } = &self.opening;
        let Opened {
            ledger,
            archive,
            kept,
            pending,
        } = ledger.open(&self.pipeline, key)?;
        pending_orders::claim(&self.pipeline, kept, key)?;
        let processor = processor.clone();
        let threads = self
            .pipeline
            .start(plan, processor, ledger, archive, on_fault.clone())?;
        self.threads = Some(threads);
        self.keeper = Keeper::start(&self.pipeline, pending, on_fault)?;
        self.pipeline.gate.open();
        // Those who wait for that hear of it now, not behind the first order.
        self.pipeline.wake_queues.flush();
        Ok(())
    }

    /// The pipeline, for programs that look or submit from within.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The door, likewise.
    pub fn admission(&self) -> &Admission {
        &self.service.admission
    }
}
