//! Starting the service: bind, start threads, serve.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::access::Access;
use crate::admission::Admission;
use crate::config::{Config, MAX_BODY_MAX};
use crate::cpu::plan::{Plan, PlanRequest};
use crate::cpu::topology::Topology;
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::router::Port;
use crate::http::api::service::Service;
use crate::http::api::site::Sites;
use crate::http::runtime::relay;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::Listener;
use crate::http::{minihttp, server};
use crate::ledger::journal::{RECORD_BYTES_MAX, RECORD_OVERHEAD_MAX};
use crate::ledger::{LedgerFailed, LedgerId};
use crate::order::{HashKey, ID_LEN_MAX};
use crate::peer::Proxies;
use crate::pipeline::processor::{Processor, REASON_BYTES_MAX, Rules, Simulate};
use crate::pipeline::{Pipeline, Settings};
use crate::server::attempt::attempt;
use crate::server::coroutines::start_coroutines;
use crate::server::error::StartError;
use crate::server::memory::warn_of_limit;
use crate::server::open_ledger::LedgerConfig;
use crate::server::pending_orders::PendingStore;
use crate::server::ports::{OrderPort, bind_grpc, bind_order_port, connection_limits};
use crate::server::running::{Opening, Server};
use crate::sync::memory_budget::MemoryBudget;
use crate::tls::Tls;
use crate::{config, grpc};

// The journal can hold the longest order that `--max-body` allows, with the
// longest id from elsewhere and the longest reason: an accepted order must not
// fail for its length.
const _: () = {
    let id_bytes = r#""id":"","#.len() + ID_LEN_MAX;
    let order_bytes = MAX_BODY_MAX as usize + id_bytes;
    assert!(order_bytes + RECORD_OVERHEAD_MAX + REASON_BYTES_MAX <= RECORD_BYTES_MAX);
};

impl Server {
    /// Starts the service: binds the ports and serves, but takes no orders
    /// before [`open`](Self::open). `on_fault` is called when the ledger has
    /// failed for good.
    ///
    /// The coroutine scheduler belongs to the process: the first server's
    /// `--io-threads` holds for later ones.
    ///
    /// # Errors
    /// A [`StartError`]; nothing serves then.
    pub fn start(
        config: &Config,
        on_fault: impl Fn(LedgerFailed) + Send + Sync + 'static,
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
        on_fault: impl Fn(LedgerFailed) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        attempt(|| Self::start_all(config, processor, Arc::new(on_fault)))
    }

    fn start_all(
        config: &Config,
        processor: Arc<dyn Processor>,
        on_fault: Arc<dyn Fn(LedgerFailed) + Send + Sync>,
    ) -> Result<Self, StartError> {
        let plan = place_threads(config, processor.is_quick())?;
        let access = Arc::new(Access::new(config)?);
        report_access(config, &access);
        let (limits, grpc_limits) = front_end_limits(config)?;
        let tls = Tls::load(&config.tls)?;
        let order_port = bind_order_port(config)?;
        let grpc_port = bind_grpc(config)?;

        let run_queues = RunQueues::start(start_coroutines(&plan)?)
            .map_err(StartError::system("the wake-up of coroutines"))?;
        let timers = Timers::start(timer_slots(&limits), run_queues.clone())
            .map_err(StartError::system("the timers"))?;
        let pipeline = Pipeline::new(&Settings {
            queue_orders: config.queue_capacity,
            queue_bytes: config.queue_bytes as u64,
            window: config.dedupe_window,
            plan: plan.clone(),
            window_reach: config.ack_timeout * 2,
            commit_delay: config.commit_delay,
        });
        let ready_queue = Arc::<grpc::ReadyQueue>::default();
        pipeline
            .wake_queues
            .register(vec![run_queues.clone(), ready_queue.clone()]);
        let (flushed, watchers) = (pipeline.wake_queues.clone(), pipeline.progress.clone());
        relay::start(run_queues.clone(), flushed, watchers)
            .map_err(StartError::system("the relay of wake-ups"))?;
        let peers = &config.peers;
        let proxies = Proxies::new(peers.trusted_proxies.clone(), peers.proxy_protocol);
        let key = HashKey::random();
        let admission = Arc::new(Admission::new(pipeline.clone(), key.clone()));
        let (bodies, grpc_bodies) = body_budgets(config);
        let observer = Observer::start(&pipeline, access.clone(), tls.clone())
            .map_err(StartError::system("the observer"))?;
        let service = Service::new(
            admission.clone(),
            limits,
            Sites::of(config),
            access.clone(),
            proxies.clone(),
            bodies,
            observer,
        );

        let engine = Engine {
            service: &service,
            run_queues: &run_queues,
            timers: &timers,
            tls: tls.as_ref(),
        };
        let (native, http) = engine.serve_orders(order_port)?;
        let admin = config
            .admin_listen
            .map(|address| engine.minihttp("--admin-listen", address, Port::Admin))
            .transpose()?;
        let grpc = grpc_port
            .zip(grpc_bodies)
            .map(|(listener, bodies)| {
                let threads = plan.io_threads;
                let port = grpc::GrpcPort {
                    listener,
                    limits: grpc_limits,
                    tls: tls.clone(),
                    proxies,
                    threads,
                };
                grpc::GrpcServer::start(port, admission, access, bodies, ready_queue)
            })
            .transpose()
            .map_err(StartError::system("the gRPC server"))?;
        Ok(Self {
            pipeline,
            service,
            timers,
            tls,
            opening: Some(Opening {
                ledger: LedgerConfig::of(config),
                expected: config.expect_ledger.map(LedgerId::from_digits),
                key,
                plan,
                processor,
                on_fault,
            }),
            threads: None,
            pending: PendingStore::default(),
            native,
            http,
            admin,
            grpc,
        })
    }
}

/// Says how many tokens there are, or that anyone may ask.
fn report_access(config: &Config, access: &Access) {
    if let Some(tokens) = access.tokens() {
        tracing::info!(tokens, "orders and outcomes need a token");
        return;
    }
    if config.tls.client_ca.is_some() {
        return; // they need a certificate
    }
    for (flag, address) in [
        ("--listen", Some(config.listen)),
        ("--grpc-listen", config.grpc_listen),
    ] {
        if let Some(address) = address.filter(|at| !at.ip().to_canonical().is_loopback()) {
            tracing::warn!(
                "whoever reaches {flag} {address} may submit orders and read outcomes: \
                 --token-file or --tls-client-ca would ask who they are"
            );
        }
    }
}

fn place_threads(config: &Config, quick_processor: bool) -> Result<Plan, StartError> {
    let request = PlanRequest {
        workers: config.workers,
        io_threads: config.io_threads,
        pin: &config.pin,
        quick_processor,
    };
    let topology = Topology::here();
    let plan = Plan::new(request, &topology)?;
    warn_of_limit(config, topology.usable());
    tracing::info!(
        workers = plan.workers,
        io_threads = plan.io_threads,
        "{}",
        plan.why
    );
    Ok(plan)
}

/// The limits of HTTP and gRPC, as far as the descriptor limit allows.
fn front_end_limits(config: &Config) -> Result<(Limits, grpc::Limits), StartError> {
    let mut http = Limits::of(config);
    let mut grpc = grpc::Limits::of(config);
    if config.grpc_listen.is_none() {
        grpc.connections_max = 0;
    }
    (http.max_connections, grpc.connections_max) =
        connection_limits(config.max_connections, grpc.connections_max)?;
    Ok((http, grpc))
}

/// `--body-bytes`, shared by the front ends that there are.
fn body_budgets(config: &Config) -> (Arc<MemoryBudget>, Option<Arc<MemoryBudget>>) {
    if config.grpc_listen.is_none() {
        return (MemoryBudget::new(config.body_bytes), None);
    }
    let [http, grpc] = MemoryBudget::shared(config.body_bytes, config.max_body);
    (http, Some(grpc))
}

/// A timer slot for each connection that waits, and one for the listener.
fn timer_slots(limits: &Limits) -> usize {
    limits.max_connections + server::REFUSING_MAX + minihttp::ADMIN_CONNECTIONS_MAX + 1
}

/// What the HTTP engines are started with.
struct Engine<'a> {
    service: &'a Arc<Service>,
    run_queues: &'a Arc<RunQueues>,
    timers: &'a Arc<Timers>,
    tls: Option<&'a Arc<Tls>>,
}

impl Engine<'_> {
    fn serve_orders(&self, port: OrderPort) -> Result<(Option<Listener>, SocketAddr), StartError> {
        match port {
            OrderPort::Native(listener) => {
                let native = Listener::start(
                    listener,
                    self.service.clone(),
                    self.tls.cloned(),
                    self.run_queues.clone(),
                    self.timers.clone(),
                )
                .map_err(StartError::system("the order port"))?;
                let address = native.address();
                Ok((Some(native), address))
            }
            OrderPort::Minihttp(address) => {
                tracing::warn!(
                    "the order port is served by may_minihttp: {}",
                    minihttp::LIMITS
                );
                let bound = self.minihttp("--listen", address, Port::SingleOrders)?;
                Ok((None, bound))
            }
        }
    }

    fn minihttp(
        &self,
        flag: &'static str,
        address: SocketAddr,
        port: Port,
    ) -> Result<SocketAddr, StartError> {
        minihttp::start(
            address,
            port,
            self.service.clone(),
            self.run_queues.clone(),
            self.timers.clone(),
        )
        .map_err(|source| StartError::Bind {
            flag,
            address,
            source,
        })
    }
}
