//! The service put together: started from a configuration, ended by a drain.

mod keep;
mod recover;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::{
    keep::{Keeper, KeptError},
    recover::{Opened, Which},
};
use crate::{
    admission::Admission,
    bodies::Bodies,
    config::{self, Config, HttpEngine},
    grpc,
    http::{
        Limits, Service,
        deadline::Deadlines,
        dispatch::Dispatch,
        minihttp,
        native::{self, Listener},
        observer::Observer,
        routes::Port,
    },
    ledger::journal::OpenError,
    order::HashKey,
    pipeline::{
        Fault, Pipeline, Settings, Threads,
        affinity::{self, Found, Plan, PlanError, Wanted},
        gate::State,
        processor::{Processor, Rules, Simulate},
    },
};

/// Descriptors that connections leave alone: the admin port accepts with them,
/// and files are opened.
const DESCRIPTORS_RESERVED: usize = 64;
/// What the process itself has open: standard streams, poll lists, listeners.
const DESCRIPTORS_OWN: usize = 32;
/// How long a drain waits, past its deadline, for what the ledger has in hand:
/// a commit takes milliseconds, and a slow disk some hundred of them.
const LAST_COMMIT: Duration = Duration::from_secs(2);
/// How long replies may take to get out once the last order has its outcome.
/// They go to sockets that are open: whose buffers are full by then is not
/// reading.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The threads can't be placed as asked: bad usage.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An address can't be bound.
    #[error("can't listen on {flag} {address}: {source}")]
    Bind {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The process may open too few descriptors to serve anybody.
    #[error("the limit of open descriptors is {limit}; raise it (ulimit -n) to {needed} or more")]
    Descriptors {
        /// The limit.
        limit: u64,
        /// The least that will do.
        needed: usize,
    },
    /// The ledger can't be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The orders that the last drain kept can't be taken up again.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The system gives no thread, coroutine or descriptor.
    #[error("can't start: {0}")]
    System(#[from] io::Error),
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Orders that got their outcome since it began.
    pub drained: u64,
    /// Orders somebody was told were queued, and which are on disk for the
    /// next start.
    pub kept: usize,
    /// Orders somebody was told were queued, and which are lost now, or with a
    /// ledger that didn't answer in time.
    pub lost: usize,
    /// Orders were to be kept and could not be: not with the memory ledger,
    /// which keeps none.
    pub keeping_failed: bool,
    /// Whether all was done before the deadline.
    pub in_time: bool,
    /// How long it took.
    pub took: Duration,
}

/// A running service.
pub struct Server {
    pipeline: Arc<Pipeline>,
    service: Arc<Service>,
    deadlines: Arc<Deadlines>,
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
            Wanted {
                workers: config.workers,
                io_threads: config.io_threads,
                pin: &config.pin,
            },
            &Found::here(),
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
        let dispatch = Dispatch::start(io_threads)?;
        // A seat for each connection that waits, and one for the listener.
        let seats =
            limits.max_connections + native::REFUSING_MAX + minihttp::ADMIN_CONNECTIONS_MAX + 1;
        let deadlines = Deadlines::start(seats, dispatch.clone())?;

        let settings = Settings {
            queue_orders: config.queue_capacity,
            queue_bytes: config.queue_bytes as u64,
            window: config.dedupe_window,
            plan: plan.clone(),
            window_reach: config.ack_timeout * 2,
        };
        let pipeline = Pipeline::new(&settings);
        let waiting = grpc::Waiting::default();
        pipeline.doors.open(vec![dispatch.clone(), waiting.door()]);
        let key = HashKey::random();
        let admission = Arc::new(Admission::new(pipeline.clone(), key.clone()));
        let bodies = Bodies::new(config.body_bytes);
        let observer = Observer::start(&pipeline)?;
        let service = Service::new(admission.clone(), limits, bodies.clone(), observer);

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
                    dispatch.clone(),
                    deadlines.clone(),
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
                    Port::Orders,
                    service.clone(),
                    dispatch.clone(),
                    deadlines.clone(),
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
                    dispatch,
                    deadlines.clone(),
                )
                .map_err(|source| StartError::Bind {
                    flag: "--admin-listen",
                    address,
                    source,
                })?,
            ),
        };
        let grpc = grpc_port
            .map(|listener| {
                let threads = plan.io_threads;
                grpc::Running::start(listener, grpc_limits, admission, bodies, waiting, threads)
            })
            .transpose()?;
        Ok(Self {
            pipeline,
            service,
            deadlines,
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
        keep::claim(&self.pipeline, kept, key)?;
        let processor = processor.clone();
        let threads = self
            .pipeline
            .start(plan, processor, ledger, archive, on_fault.clone())?;
        self.threads = Some(threads);
        self.keeper = Keeper::start(&self.pipeline, pending, on_fault)?;
        self.pipeline.gate.open();
        // Those who wait for that hear of it now, not behind the first order.
        self.pipeline.doors.flush();
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

    /// Ends the service: takes no more orders, finishes those inside, sends
    /// the replies. What is still inside after `timeout` is withdrawn, and
    /// those who wait for it are told that sending it again is safe; what
    /// somebody was told is queued is kept for the next start, if the ledger
    /// has a place for it.
    pub fn drain(mut self, timeout: Duration) -> Drained {
        let start = Instant::now();
        let deadline = start + timeout;
        self.pipeline.gate.close(State::Draining);
        if let Some(native) = &self.native {
            native.stop();
        }
        if let Some(grpc) = &self.grpc {
            grpc.drain();
        }
        // Those who wait for the feed have nothing to wait for any more.
        self.pipeline.progress.notify();
        self.pipeline.doors.flush();
        let before = self.pipeline.metrics.ledger.outcomes();
        let in_time = self.pipeline.gate.wait_empty(deadline);
        let mut missed = 0;
        // What is not committed by now won't be found up to here.
        let after_seq = self.pipeline.archive().map_or(0, |it| it.last_seq());
        if !in_time {
            missed = self.pipeline.fence(LAST_COMMIT);
            self.deadlines.wake_all();
        }
        if let Some(grpc) = &self.grpc {
            grpc.over();
        }
        // Before the committer ends, and with it the hold on the directory; and
        // before replies, which are on their way by themselves.
        let kept = self.keeper.finish(&self.pipeline, after_seq);
        let lost = kept.lost + missed.saturating_sub(kept.standing);
        // Batches whose lines are still coming may come to their end, in the
        // time that a drain has.
        wait_for_none(&self.service.batches, deadline);
        let farewell = Instant::now() + FAREWELL;
        self.replies_out(farewell);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(farewell);
        }

        self.service.closing.store(true, Ordering::Release);
        self.deadlines.wake_all();
        if self.service.batches.load(Ordering::SeqCst) > 0 {
            // Those that have not are told so.
            self.replies_out(Instant::now() + FAREWELL);
        }
        self.deadlines.stop();
        self.service.observer.stop();
        self.pipeline.close();
        if let (true, Some(threads)) = (in_time, self.threads) {
            threads.join();
        } // else a worker may be stuck in its processor: not waited for
        Drained {
            drained: self.pipeline.metrics.ledger.outcomes() - before,
            kept: kept.kept + kept.standing,
            lost,
            keeping_failed: kept.can_keep && lost > 0,
            in_time,
            took: start.elapsed(),
        }
    }

    /// After a fault: gives those who wait the time to hear that it is over, a
    /// second at most. The process should end then.
    pub fn abandon(&self) {
        if let Some(native) = &self.native {
            native.stop();
        }
        // The gate is closed. Those who wait, for orders or for the feed, have
        // nothing to wait for any more.
        self.pipeline.fence(Duration::ZERO);
        self.deadlines.wake_all();
        if let Some(grpc) = &self.grpc {
            grpc.drain();
            grpc.over();
        }
        let farewell = Instant::now() + FAREWELL;
        self.replies_out(farewell);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(farewell);
        }
    }

    /// Waits until no request is in execution.
    fn replies_out(&self, deadline: Instant) {
        wait_for_none(&self.service.executing, deadline);
        if self.native.is_none() {
            // The crate writes a reply after our part in the request is over,
            // and gives no sign of having done it.
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until a count is zero. Those who count don't know the draining thread,
/// so it looks every millisecond, once in its life.
fn wait_for_none(count: &AtomicUsize, deadline: Instant) {
    while count.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        thread::park_timeout(Duration::from_millis(1));
    }
}

enum Bound {
    Native(TcpListener),
    /// The other engine binds by itself.
    Later(SocketAddr),
}

fn bind(config: &Config) -> Result<Bound, StartError> {
    match config.http_engine {
        HttpEngine::MayMinihttp => Ok(Bound::Later(config.listen)),
        HttpEngine::Native => {
            listen(config.listen)
                .map(Bound::Native)
                .map_err(|source| StartError::Bind {
                    flag: "--listen",
                    address: config.listen,
                    source,
                })
        }
    }
}

fn bind_grpc(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.grpc_listen else {
        return Ok(None);
    };
    let bound = listen(address).map_err(|source| StartError::Bind {
        flag: "--grpc-listen",
        address,
        source,
    })?;
    Ok(Some(bound))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    // Past connections in TIME_WAIT don't keep a restart from binding.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    /// A burst of this many connections waits for the accept loop.
    const BACKLOG: i32 = 4096;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets the coroutine scheduler up, once for the process; answers how many
/// threads it has.
fn start_coroutines(plan: &Plan) -> io::Result<usize> {
    static IO_THREADS: OnceLock<usize> = OnceLock::new();
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let io_threads = *IO_THREADS.get_or_init(|| {
        // Our own plan says where threads run.
        may::config().set_worker_pin(false);
        may::config()
            .set_workers(plan.io_threads)
            .set_stack_size(native::stack_words())
            // Stacks kept for reuse; more are mapped as connections come.
            .set_pool_capacity(128);
        plan.io_threads
    });
    if STARTED.fetch_add(1, Ordering::Relaxed) == 0 {
        for (thread, core) in plan.io_cores.iter().enumerate() {
            let Some(core) = *core else { continue };
            may::go!(may::coroutine::Builder::new().id(thread), move || {
                if let Err(why) = affinity::pin_current(core) {
                    tracing::warn!(io_thread = thread, core = core.id, %why, "not pinned");
                }
            })?;
        }
    }
    Ok(io_threads)
}

/// Raises the soft descriptor limit as far as it goes, and says how many
/// connections fit under it, on the order port and on the gRPC port, which gets
/// a quarter of them at most.
fn connections(wanted: usize, wanted_grpc: usize) -> Result<(usize, usize), StartError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let refusing = native::REFUSING_MAX + grpc::REFUSING_MAX * wanted_grpc.min(1);
    let kept = DESCRIPTORS_RESERVED + DESCRIPTORS_OWN + refusing;
    let room = current.map_or(usize::MAX, |current| {
        usize::try_from(current)
            .unwrap_or(usize::MAX)
            .saturating_sub(kept)
    });
    let grpc = wanted_grpc.min((room / 4).max(1));
    let fits = wanted.min(room.saturating_sub(grpc));
    if fits == 0 {
        let limit = current.unwrap_or_default();
        return Err(StartError::Descriptors {
            limit,
            needed: kept + 1 + wanted_grpc.min(1),
        });
    }
    for (flag, wanted, fits) in [
        ("--max-connections", wanted, fits),
        ("--grpc-max-connections", wanted_grpc, grpc),
    ] {
        if fits < wanted {
            tracing::warn!(
                "{flag} {wanted} lowered to {fits}: the process may open {} descriptors",
                current.unwrap_or_default()
            );
        }
    }
    Ok((fits, grpc))
}
