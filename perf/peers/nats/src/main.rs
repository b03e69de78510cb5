//! The base case of `perf/cluster`: a publisher that does nothing but keep
//! messages in flight to the service's stream, which exists.
//!
//! `nats-peer --servers HOST:PORT[,…] [--window 1024] [--batch 1] [--seconds 5]
//! [--warmup 1]`
//!
//! The messages are those that the service would send for the orders of
//! `orders.lua`: same subjects, payloads and headers, each under an id that
//! nobody has sent before, expected to be new. `--window` messages have no
//! acknowledgement at any time. With `--batch` they go as atomic publishes of so
//! many, the window being full of them.
//!
//! It stands on the client's core, with one subscription for all
//! acknowledgements. The client's JetStream half, which adds a permit, a oneshot
//! and a map entry a message, would be slower: this is the stricter base.
//!
//! Prints `measuring` when the warm-up is over, `measured` when the seconds are,
//! and then one line of JSON. Anything but a plain acknowledgement ends it.

mod options;
mod publisher;

use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use options::Options;
use publisher::Publisher;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type BoxError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("nats-peer: {why}");
            return ExitCode::from(2);
        }
    };
    // One thread, as the service has for its connection.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ran = runtime
        .map_err(BoxError::from)
        .and_then(|runtime| runtime.block_on(run(&options)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("nats-peer: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let mut publisher = Publisher::connect(options).await?;
    let start = Instant::now() + Duration::from_secs(options.warmup);
    let end = start + Duration::from_secs(options.seconds);
    publisher.fill().await?;
    publisher.publish_until(start).await?;
    let cpu_before = own_cpu_seconds();
    println!("measuring");
    publisher.micros.clear();
    publisher.publish_until(end).await?;
    let cpu = own_cpu_seconds() - cpu_before;
    println!("measured");

    let mut micros = publisher.micros;
    micros.sort_unstable();
    println!(
        r#"{{"orders":{},"seconds":{},"p50_us":{},"p99_us":{},"p999_us":{},"generator_cpu_seconds":{cpu:.6}}}"#,
        micros.len() * options.batch,
        options.seconds,
        rank(&micros, 500),
        rank(&micros, 990),
        rank(&micros, 999),
    );
    Ok(())
}

/// The value that so many thousandths are not above; 0 if there are none.
fn rank(sorted: &[u32], thousandths: usize) -> u32 {
    let place = (sorted.len() * thousandths).div_ceil(1000);
    let found = sorted.get(place.saturating_sub(1));
    found.copied().unwrap_or_default()
}

fn own_cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
