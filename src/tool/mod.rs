//! `journal verify`, `cat`, `backup`, `restore` and `salvage`: the journal read
//! and copied by an operator; `limits`, the memory that the service may take; `config`, the
//! settings in force; man page and completions; and a new token.

mod salvage;

use std::io;
use std::io::{BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use order_processor::config::{Cat, Setting, TableFormat};
use order_processor::internals::journal;
use order_processor::internals::journal::{Copied, RecoveryProgress, Verified};
use order_processor::internals::{MemoryBounds, Topology, line};
use order_processor::{Config, internals};
use serde_json::{Map, Value, json};

pub(crate) use self::salvage::salvage;
use crate::{exit, log};

/// Interval between progress lines of a long verification.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Bytes of lines in one write.
const WRITE_BYTES: usize = 256 << 10;

/// Prints a summary of the journal in `dir`, or the first damage.
pub(crate) fn verify(dir: &Path) -> ExitCode {
    let start = Instant::now();
    let mut reported = start;
    let verified = journal::verify(dir, &mut |progress| {
        let more = progress.bytes < progress.bytes_total;
        if more && reported.elapsed() >= PROGRESS_EVERY {
            reported = Instant::now();
            print_progress(progress, start.elapsed());
        }
    });
    match verified {
        Ok(verified) => written(print_summary(&verified)),
        Err(error) => failed(&error),
    }
}

fn print_progress(progress: RecoveryProgress, took: Duration) {
    let RecoveryProgress {
        bytes,
        bytes_total,
        records,
    } = progress;
    let percent = bytes * 100 / bytes_total.max(1);
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    // Nobody has to read it.
    let _ = writeln!(
        io::stderr(),
        "{percent} % read, {records} outcomes, {rate:.0} MB/s"
    );
}

fn print_summary(verified: &Verified) -> io::Result<()> {
    let Verified {
        ledger,
        segments,
        bytes,
        removed,
        first_seq,
        last_seq,
        processed,
        failed,
        torn_tail,
        discarded_bytes,
        grew,
        sealed,
        rewound,
        pending_orders,
    } = verified;
    let mut out = io::stdout().lock();
    writeln!(out, "ledger     {ledger}")?;
    writeln!(out, "segments   {segments}, {bytes} bytes")?;
    let outcomes = processed + failed;
    if outcomes == 0 {
        writeln!(out, "sequences  none, the next is {}", last_seq + 1)?;
    } else {
        writeln!(out, "sequences  {first_seq} to {last_seq}, without a gap")?;
    }
    writeln!(
        out,
        "outcomes   {outcomes}: {processed} processed, {failed} failed"
    )?;
    match (torn_tail, sealed) {
        (Some(torn), _) => writeln!(
            out,
            "end        {} bytes at {}, offset {}, are no whole batch: cut short by a crash, or \
             being written; none of it was acknowledged",
            torn.bytes, torn.file, torn.offset
        )?,
        (None, true) => writeln!(out, "end        closed by the last process")?,
        (None, false) => writeln!(
            out,
            "end        not closed: the last process was killed, or is running"
        )?,
    }
    let notes = [
        (*discarded_bytes > 0)
            .then(|| format!("void       {discarded_bytes} bytes given up by earlier starts")),
        (*removed > 0)
            .then(|| format!("removed    {removed} segments, by a running service meanwhile")),
        grew.then(|| "growing    a running service has written more meanwhile".to_owned()),
        rewound
            .as_ref()
            .map(|rewound| format!("rewound    {rewound}; the next start gives it a new ledger id")),
        pending_orders.map(|pending| {
            format!(
                "pending    {pending} orders kept by a drain; those without an outcome are queued by \
                 the next start"
            )
        }),
    ];
    for note in notes.into_iter().flatten() {
        writeln!(out, "{note}")?;
    }
    writeln!(out, "whole")?;
    out.flush()
}

/// Prints outcomes as lines of JSON.
pub(crate) fn cat(cat: &Cat) -> ExitCode {
    let mut out = BufWriter::with_capacity(WRITE_BYTES, io::stdout().lock());
    let mut result = Ok(());
    let mut left = cat.limit.unwrap_or(u64::MAX);
    let replayed = match left {
        0 => Ok(()),
        _ => journal::replay(&cat.data_dir, cat.after, cat.from_time, &mut |record| {
            if cat
                .until_time
                .is_some_and(|time| record.committed_at >= time)
            {
                return ControlFlow::Break(());
            }
            let mut line = line(&record.to_record());
            line.push(b'\n');
            result = out.write_all(&line);
            left -= 1;
            if result.is_ok() && left > 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }),
    };
    // Lines from before the damage are valid.
    let code = written(result.and_then(|()| out.flush()));
    match replayed {
        Ok(()) => code,
        Err(error) => failed(&error),
    }
}

/// Copies the journal in `dir` to `to`.
pub(crate) fn backup(dir: &Path, to: &Path) -> ExitCode {
    copied(journal::backup(dir, to), "backup", to)
}

/// Copies the backup in `from` to `dir`.
pub(crate) fn restore(from: &Path, dir: &Path) -> ExitCode {
    copied(journal::restore(from, dir), "restored", dir)
}

fn copied(copied: Result<Copied, impl std::error::Error>, what: &str, to: &Path) -> ExitCode {
    let Copied {
        ledger,
        segments,
        first_seq,
        last_seq,
        pending_orders,
    } = match copied {
        Ok(copied) => copied,
        Err(error) => return failed(&error),
    };
    let print = || {
        let mut out = io::stdout().lock();
        writeln!(out, "{what:10} {}", to.display())?;
        writeln!(out, "ledger     {ledger}")?;
        writeln!(out, "segments   {segments}")?;
        if last_seq < first_seq {
            writeln!(out, "sequences  none, the next is {first_seq}")?;
        } else {
            writeln!(out, "sequences  {first_seq} to {last_seq}")?;
        }
        if pending_orders > 0 {
            writeln!(out, "pending    {pending_orders} orders")?;
        }
        out.flush()
    };
    written(print())
}

/// Prints what memory the service may take.
pub(crate) fn limits(config: &Config, format: TableFormat) -> ExitCode {
    let bounds = MemoryBounds::new(config, Topology::here().usable());
    let text = match format {
        TableFormat::Text => bounds.to_string(),
        TableFormat::Json => format!("{}\n", bounds.json()),
    };
    print(text.as_bytes())
}

/// Prints each flag's value, and whether it comes from a flag, a variable or is
/// the default.
pub(crate) fn settings(settings: &[Setting], format: TableFormat) -> ExitCode {
    let text = match format {
        TableFormat::Text => settings.iter().fold(String::new(), |text, setting| {
            let Setting {
                flag,
                value,
                source,
            } = setting;
            text + &format!("{flag:<24} {value:<24} {source}\n")
        }),
        TableFormat::Json => {
            let member = |setting: &Setting| {
                let value = json!({"value": setting.value, "source": setting.source});
                (setting.flag.clone(), value)
            };
            let object: Map<_, _> = settings.iter().map(member).collect();
            format!("{}\n", Value::Object(object))
        }
    };
    print(text.as_bytes())
}

pub(crate) fn print(text: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    written(out.write_all(text).and_then(|()| out.flush()))
}

/// Prints a new token, and its line for the token file.
pub(crate) fn new_token(name: &str) -> ExitCode {
    match internals::new_token(name) {
        Ok([token, line]) => {
            let mut out = io::stdout().lock();
            written(writeln!(out, "{token}\n{line}").and_then(|()| out.flush()))
        }
        Err(bad_name) => {
            log::say(bad_name);
            exit::USAGE.into()
        }
    }
}

/// A reader that closes the pipe has read enough.
fn written(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            log::say(format_args!("can't write to standard output: {error}"));
            exit::FAILED.into()
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    log::say(error);
    exit::FAILED.into()
}
