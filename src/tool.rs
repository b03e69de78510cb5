//! `journal verify` and `journal cat`: a journal looked at by a person.

use std::io;
use std::io::{BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use order_processor::config::Cat;
use order_processor::internals::journal;
use order_processor::internals::journal::{RecoveryProgress, Verified};
use order_processor::internals::line;

use crate::exit;

/// How often a long reading says how far it has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Bytes of lines written in one go.
const WRITE_BYTES: usize = 256 << 10;

/// Says on standard output whether the journal in `dir` is whole.
pub(crate) fn verify(dir: &Path) -> ExitCode {
    let start = Instant::now();
    let mut told = start;
    let verified = journal::verify(dir, &mut |progress| {
        let more = progress.bytes < progress.bytes_total;
        if more && told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            tell(progress, start.elapsed());
        }
    });
    match verified {
        Ok(verified) => written(print(&verified)),
        Err(error) => failed(&error),
    }
}

fn tell(progress: RecoveryProgress, took: Duration) {
    let RecoveryProgress {
        bytes,
        bytes_total,
        records,
    } = progress;
    let percent = bytes * 100 / bytes_total.max(1);
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    eprintln!("{percent} % read, {records} outcomes, {rate:.0} MB/s");
}

fn print(verified: &Verified) -> io::Result<()> {
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
             being written; nobody was told of it",
            torn.bytes, torn.file, torn.offset
        )?,
        (None, true) => writeln!(out, "end        closed by the last process")?,
        (None, false) => writeln!(
            out,
            "end        not closed: the last process was killed, or is running"
        )?,
    }
    if *discarded_bytes > 0 {
        writeln!(
            out,
            "void       {discarded_bytes} bytes given up by earlier starts"
        )?;
    }
    if *removed > 0 {
        writeln!(
            out,
            "removed    {removed} segments by a running service meanwhile"
        )?;
    }
    if *grew {
        writeln!(
            out,
            "went on    a running service has written more meanwhile"
        )?;
    }
    if let Some(pending) = pending_orders {
        writeln!(
            out,
            "pending    {pending} orders kept by a drain; those without an outcome are queued by the \
             next start"
        )?;
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
        _ => journal::replay(&cat.data_dir, cat.after, &mut |record| {
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
    // What came before the damage is whole.
    let code = written(result.and_then(|()| out.flush()));
    match replayed {
        Ok(()) => code,
        Err(error) => failed(&error),
    }
}

/// Who closes the pipe has seen enough.
fn written(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-processor: can't write to standard output: {error}");
            exit::FAILED.into()
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("order-processor: {error}");
    exit::FAILED.into()
}
