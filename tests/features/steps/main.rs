//! Runs the features, `tests/features/*.feature`: the behaviour as sentences, each scenario against
//! a process of its own.
//!
//! ```text
//! cargo test --test features                            # all of them
//! cargo test --test features -- --name "queue is full"  # scenarios whose name matches
//! cargo test --test features -- --help                  # what else there is
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `scene.rs` | what a scenario has: its service, its clients, what they were told |
//! | `front_ends/` | one trait for the protocols, so that a sentence holds for each of them |
//! | `service.rs` | sentences about the process: its settings, its end, its restart |
//! | `submitting.rs` | sentences about orders handed in, and what their clients are told |
//! | `records.rs` | sentences about orders looked up |
//! | `crowd.rs` | sentences about many clients at once |
//! | `batches.rs` | sentences about many orders in one body |
//! | `feed.rs` | sentences about readers of the feed |
//! | `figures.rs` | sentences about what is counted |

#[path = "../../harness/mod.rs"]
mod harness;

mod batches;
mod crowd;
mod feed;
mod figures;
mod front_ends;
mod records;
mod scene;
mod service;
mod submitting;

use std::process::ExitCode;

use cucumber::writer::Stats as _;
use cucumber::{World as _, cli, parser, runner, writer};
use scene::World;

type Arguments = cli::Opts<parser::basic::Cli, runner::basic::Cli, writer::basic::Cli>;

/// Processes at a time: each sleeps and waits more than it computes.
const SCENARIOS_AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let (arguments, filter) = match arguments() {
        Ok(found) => found,
        Err(end) => return end,
    };
    let whole = filter.is_empty()
        && arguments.re_filter.is_none()
        && arguments.tags_filter.is_none()
        && arguments.parser.features.is_none();
    let features = World::cucumber()
        .max_concurrent_scenarios(SCENARIOS_AT_ONCE)
        .fail_on_skipped() // a sentence that no step knows
        .with_cli(arguments)
        .filter_run(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/features"),
            move |feature, _, scenario| {
                let name = format!("{}: {}", feature.name, scenario.name);
                filter.is_empty() || filter.iter().any(|part| name.contains(part))
            },
        );
    // Steps run on blocking threads, see `World::act`: one thread is enough to tell them apart.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a thread can be had");
    let report = runtime.block_on(features);
    // A run of everything that ran nothing has not looked where the features are.
    if report.execution_has_failed() || (whole && report.passed_steps() == 0) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The arguments, and parts of names to look for. `cargo test` hands all of them to all tests: what
/// is meant for the standard harness is a filter by name, or nothing to us.
fn arguments() -> Result<(Arguments, Vec<String>), ExitCode> {
    match <Arguments as clap::Parser>::try_parse() {
        Ok(arguments) => Ok((arguments, Vec::new())),
        Err(help) if !help.use_stderr() => {
            let _ = help.print(); // nobody is there to be told
            Err(ExitCode::SUCCESS)
        }
        Err(_) => {
            let given: Vec<String> = std::env::args().skip(1).collect();
            if given.iter().any(|argument| argument == "--list") {
                return Err(ExitCode::SUCCESS);
            }
            let parts = given.into_iter().filter(|part| !part.starts_with('-'));
            Ok((Arguments::default(), parts.collect()))
        }
    }
}
