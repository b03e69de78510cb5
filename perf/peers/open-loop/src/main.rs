//! Sends orders at a given rate, whatever the server does, and times the
//! replies: `open-loop --address HOST:PORT --rate N [--arrivals
//! poisson|constant] [--connections 64] [--seconds 5] [--warmup 1]`.
//!
//! When an order should leave is decided before the server is asked anything,
//! and its latency counts from that moment: a server that stalls makes all the
//! orders late that should have left meanwhile. A closed loop, which sends the
//! next order after a reply, would count one of them ("coordinated omission").
//! An order that finds no free connection waits for one, and its wait counts.
//!
//! Prints `measuring` and `measured` at the ends of the window, then a line of
//! JSON. Latencies are those of 2xx replies to orders that should have left
//! within the window; all others are errors.

mod connection;
mod load;
mod options;
mod schedule;

use std::process::ExitCode;

use load::Report;

/// Fractions of a distribution, as far as so many values can tell.
const CURVE: [f64; 17] = [
    0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.99975, 0.9999,
    0.99995, 0.99999, 1.0,
];

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("open-loop: {why}");
            return ExitCode::from(2);
        }
    };
    match load::run(&options) {
        Ok(report) => {
            if let Some(why) = &report.first_error {
                eprintln!("open-loop: {} errors; the first: {why}", report.errors);
            }
            println!("{}", json(&options, &report));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("open-loop: {why}");
            ExitCode::FAILURE
        }
    }
}

fn json(options: &options::Options, report: &Report) -> String {
    let latency = |fraction| report.latencies.value_at_quantile(fraction) as f64 / 1e3;
    let curve: Vec<_> = CURVE
        .iter()
        .map(|&fraction| format!("[{fraction},{:.1}]", latency(fraction)))
        .collect();
    format!(
        r#"{{"requests":{},"seconds":{},"offered_per_second":{},"achieved_per_second":{:.1},"p50_us":{:.1},"p90_us":{:.1},"p99_us":{:.1},"p999_us":{:.1},"max_us":{:.1},"errors":{},"unanswered":{},"late_p99_us":{:.1},"generator_cpu_seconds":{:.6},"curve":[{}]}}"#,
        report.latencies.len(),
        options.seconds,
        options.rate,
        report.replies_in_window as f64 / options.seconds as f64,
        latency(0.5),
        latency(0.9),
        latency(0.99),
        latency(0.999),
        report.latencies.max() as f64 / 1e3,
        report.errors,
        report.unanswered,
        report.lateness.value_at_quantile(0.99) as f64 / 1e3,
        report.cpu_seconds,
        curve.join(","),
    )
}
