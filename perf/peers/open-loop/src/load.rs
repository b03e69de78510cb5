//! The loop: what is due is sent, what is answered is timed.

use std::{
    collections::VecDeque,
    error::Error,
    hash::{BuildHasher, RandomState},
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    time::{ClockId, clock_gettime},
};

use crate::{connection::Connection, options::Options, schedule::Schedule};

/// How long the last replies may take after the end.
const LAST_REPLIES_MAX: Duration = Duration::from_secs(10);
/// Orders that are due within so long leave together, as a network card would
/// deliver them: at high rates a sleep for each costs more than sending.
const SLEEP_NS_MIN: u64 = 50_000;
const EVENTS_MAX: usize = 256;
const LATENCY_NS_MAX: u64 = 600_000_000_000;

pub struct Report {
    /// Of 2xx replies, in nanoseconds from when the order should have left.
    pub latencies: Histogram<u64>,
    /// How late this program saw that an order was due for which a connection
    /// was free, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// 2xx replies that arrived within the window.
    pub replies_in_window: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Orders of the window without a reply; they are errors, too.
    pub unanswered: u64,
    /// Of this program, within the window.
    pub cpu_seconds: f64,
}

struct Load {
    address: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Those without an order in flight; the one that is free for longest first.
    free: VecDeque<usize>,
    /// Orders that are due and have no connection.
    waiting_ns: VecDeque<u64>,
    orders: Orders,
    start: Instant,
    /// The window, in nanoseconds since the start.
    window: std::ops::Range<u64>,
    report: Report,
}

pub fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    // Else the kernel may be 50 µs late, in order to wake up for several.
    rustix::thread::set_current_timer_slack(std::num::NonZero::new(1))?;
    let mut load = Load::new(options)?;
    let mut schedule = Schedule::new(options.arrivals, options.rate);
    let end_ns = load.window.end;
    let give_up_ns = end_ns + LAST_REPLIES_MAX.as_nanos() as u64;
    let mut due_ns = schedule.next_ns();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    let (mut cpu_before, mut cpu) = (None, None);
    loop {
        let now_ns = load.now_ns();
        if now_ns >= load.window.start && cpu_before.is_none() {
            println!("measuring");
            cpu_before = Some(cpu_seconds());
        }
        if now_ns >= end_ns && cpu.is_none() {
            cpu = Some(cpu_seconds());
            println!("measured");
        }
        while due_ns <= now_ns && due_ns < end_ns {
            load.due(due_ns, now_ns);
            due_ns = schedule.next_ns();
        }
        load.send_waiting()?;
        if now_ns >= end_ns && load.is_idle() || now_ns >= give_up_ns {
            break;
        }
        let wake_ns = if now_ns >= end_ns {
            give_up_ns
        } else if load.free.is_empty() {
            // What is due meanwhile waits for a reply anyway.
            end_ns
        } else {
            due_ns.max(now_ns + SLEEP_NS_MIN).min(end_ns)
        };
        load.wait(wake_ns, &mut events)?;
    }
    load.count_unanswered();
    load.report.cpu_seconds = cpu.unwrap_or_default() - cpu_before.unwrap_or_default();
    Ok(load.report)
}

impl Load {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            connections.push(connect(&epoll, options.address, number)?);
        }
        let latencies = Histogram::new_with_max(LATENCY_NS_MAX, 3)?;
        Ok(Self {
            address: options.address,
            epoll,
            free: (0..connections.len()).collect(),
            connections,
            waiting_ns: VecDeque::new(),
            orders: Orders::new(options.address),
            start: Instant::now(),
            window: options.warmup * 1_000_000_000
                ..(options.warmup + options.seconds) * 1_000_000_000,
            report: Report {
                lateness: latencies.clone(),
                latencies,
                replies_in_window: 0,
                errors: 0,
                first_error: None,
                unanswered: 0,
                cpu_seconds: 0.0,
            },
        })
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn due(&mut self, due_ns: u64, now_ns: u64) {
        // With all connections busy this program has slept until a reply.
        if self.window.contains(&due_ns) && self.waiting_ns.len() < self.free.len() {
            self.report.lateness.saturating_record(now_ns - due_ns);
        }
        self.waiting_ns.push_back(due_ns);
    }

    fn send_waiting(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(&intended_ns) = self.waiting_ns.front()
            && let Some(number) = self.free.pop_front()
        {
            self.waiting_ns.pop_front();
            let request = self.orders.next();
            if let Err(why) = self.connections[number].send(request, intended_ns) {
                self.reconnect(number, &why.to_string())?;
            }
        }
        Ok(())
    }

    /// Waits for replies until a moment, and times those that are there.
    fn wait(
        &mut self,
        until_ns: u64,
        events: &mut Vec<epoll::Event>,
    ) -> Result<(), Box<dyn Error>> {
        let left = Duration::from_nanos(until_ns.saturating_sub(self.now_ns()));
        let timeout = Timespec::try_from(left)?;
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
        for event in events.iter() {
            let number = event.data.u64() as usize;
            match self.connections[number].receive() {
                Ok(None) => {}
                Ok(Some(status)) => self.answered(number, status),
                Err(why) => self.reconnect(number, &why.to_string())?,
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: usize, status: u16) {
        let now_ns = self.now_ns();
        self.free.push_back(number);
        let intended_ns = self.connections[number].intended_ns.take();
        if !(200..300).contains(&status) {
            return self.failed(intended_ns, &format!("status {status}"));
        }
        if self.window.contains(&now_ns) {
            self.report.replies_in_window += 1;
        }
        match intended_ns {
            Some(intended_ns) if self.window.contains(&intended_ns) => {
                let latency_ns = now_ns - intended_ns;
                self.report.latencies.saturating_record(latency_ns);
            }
            Some(_) => {}
            None => self.failed(Some(now_ns), "a reply without a request"),
        }
    }

    /// Errors count in the warm-up, too: a server that refuses is no base for
    /// anything.
    fn failed(&mut self, intended_ns: Option<u64>, why: &str) {
        if intended_ns.is_some() {
            self.report.errors += 1;
            self.report.first_error.get_or_insert_with(|| why.into());
        }
    }

    fn reconnect(&mut self, number: usize, why: &str) -> Result<(), Box<dyn Error>> {
        // An idle connection that a server closes costs nobody anything.
        let intended_ns = self.connections[number].intended_ns.take();
        if intended_ns.is_some() {
            self.free.push_back(number);
        }
        self.failed(intended_ns, why);
        self.connections[number] = connect(&self.epoll, self.address, number)?;
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.waiting_ns.is_empty() && self.free.len() == self.connections.len()
    }

    fn count_unanswered(&mut self) {
        let in_flight = self.connections.iter().filter_map(|one| one.intended_ns);
        let all = in_flight.chain(self.waiting_ns.iter().copied());
        let unanswered = all.filter(|at| self.window.contains(at)).count() as u64;
        self.report.unanswered = unanswered;
        self.report.errors += unanswered;
        if unanswered > 0 {
            let why = format!("no reply for {LAST_REPLIES_MAX:?} after the end");
            self.report.first_error.get_or_insert(why);
        }
    }
}

fn connect(
    epoll: &OwnedFd,
    address: SocketAddr,
    number: usize,
) -> Result<Connection, Box<dyn Error>> {
    let connection =
        Connection::open(address).map_err(|why| format!("can't connect to {address}: {why}"))?;
    let data = epoll::EventData::new_u64(number as u64);
    epoll::add(epoll, &connection, data, epoll::EventFlags::IN)?;
    Ok(connection)
}

/// Requests with ids that nobody has sent before, as long as those of
/// orders.lua.
struct Orders {
    request: Vec<u8>,
    before: usize,
    made: u64,
}

impl Orders {
    fn new(address: SocketAddr) -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        // Its keys are random.
        let random = RandomState::new().hash_one(seconds);
        let body = format!(r#"{{"id":"{seconds:08x}-{random:016x}-0-"#);
        let head = format!(
            "POST /submit HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len() + 10 + AFTER.len(),
        );
        let request: Vec<u8> = [head, body].concat().into();
        let before = request.len();
        let made = 0;
        Self {
            request,
            before,
            made,
        }
    }

    fn next(&mut self) -> &[u8] {
        self.made += 1;
        self.request.truncate(self.before);
        // Writing to a vector can't fail.
        let _ = write!(self.request, "{:010x}", self.made);
        self.request.extend_from_slice(AFTER);
        &self.request
    }
}

const AFTER: &[u8] = br#"","value":100.50}"#;

fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
