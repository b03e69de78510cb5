//! `journal salvage`, and its report as text and JSON.

use std::io;
use std::io::Write;
use std::process::ExitCode;

use order_processor::config;
use order_processor::config::TableFormat;
use order_processor::internals::journal::{Damage, Lost, Output, Run, Salvaged, SalvagedPending};
use order_processor::internals::{journal, line};
use serde_json::{Value, json};

use crate::exit;
use crate::tool::{failed, written};

/// Damages, runs and lost sequences printed as text. The report in the
/// directory has all.
const SHOWN: usize = 20;

/// Makes a new journal of what is whole in a damaged one.
pub(crate) fn salvage(salvage: &config::Salvage) -> ExitCode {
    let output = Output {
        line: &|record| line(record),
        report: &|salvaged| format!("{:#}", report(salvaged)).into_bytes(),
    };
    let salvaged = journal::salvage(&salvage.data_dir, &salvage.to, salvage.keep, output);
    let salvaged = match salvaged {
        Ok(salvaged) => salvaged,
        Err(error) => return failed(&error),
    };
    let mut out = io::stdout().lock();
    let printed = match salvage.format {
        TableFormat::Text => print(&mut out, salvage, &salvaged),
        TableFormat::Json => writeln!(out, "{}", report(&salvaged)),
    };
    let code = written(printed.and_then(|()| out.flush()));
    if code == ExitCode::SUCCESS && !salvaged.is_complete() {
        return exit::INCOMPLETE.into();
    }
    code
}

fn print(out: &mut impl Write, salvage: &config::Salvage, salvaged: &Salvaged) -> io::Result<()> {
    writeln!(out, "salvaged   {}", salvage.to.display())?;
    writeln!(out, "ledger     {}, of {}", salvaged.ledger, salvaged.from)?;
    writeln!(out, "segments   {}", salvaged.segments)?;
    for damage in salvaged.damages.iter().take(SHOWN) {
        let Damage {
            file,
            offset,
            bytes,
            what,
            ..
        } = damage;
        let lost = damage.lost.map_or("nothing".to_owned(), sequences);
        writeln!(
            out,
            "damage     {file}, offset {offset}, {bytes} bytes: {what}; lost: {lost}"
        )?;
    }
    print_more(out, salvaged.damages.len())?;
    match salvaged.kept {
        Some(run) => writeln!(out, "journal    {}: {} outcomes", span(run), run.outcomes())?,
        None => writeln!(
            out,
            "journal    no outcome is whole; the next sequence is 1"
        )?,
    }
    if salvaged.outside() > 0 {
        let others = salvaged
            .runs
            .iter()
            .filter(|&&run| Some(run) != salvaged.kept);
        let mut others: Vec<_> = others.map(|&run| span(run)).collect();
        let more = others.len().saturating_sub(SHOWN);
        others.truncate(SHOWN);
        if more > 0 {
            others.push(format!("{more} more runs"));
        }
        writeln!(
            out,
            "rest       {}: {} outcomes in salvage-rest.ndjson, outside of the journal",
            others.join(", "),
            salvaged.outside()
        )?;
    }
    for &lost in salvaged.lost.iter().take(SHOWN) {
        writeln!(out, "lost       {}", sequences(lost))?;
    }
    print_more(out, salvaged.lost.len())?;
    if salvaged.times_estimated > 0 {
        writeln!(
            out,
            "times      of {} outcomes the time of commit was damaged: it is when the last order \
             of the batch was admitted",
            salvaged.times_estimated
        )?;
    }
    match &salvaged.pending {
        SalvagedPending::None => {}
        SalvagedPending::Whole {
            orders,
            finished,
            in_doubt,
        } => {
            let again = match in_doubt {
                true => {
                    "; their outcomes may be among the lost ones, and they may be processed again"
                }
                false => "",
            };
            writeln!(
                out,
                "pending    {orders} orders that the next start takes up{again}; {finished} more \
                 have an outcome"
            )?;
        }
        SalvagedPending::Damaged(why) => writeln!(out, "pending    lost: {why}")?,
    }
    let end = match salvaged.is_complete() {
        true => "complete",
        false => "incomplete",
    };
    writeln!(out, "{end}")
}

/// Says how many of a list are not printed.
fn print_more(out: &mut impl Write, len: usize) -> io::Result<()> {
    match len.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "           {more} more in salvage-report.json"),
    }
}

fn span(run: Run) -> String {
    format!("sequences {} to {}", run.first_seq, run.last_seq)
}

fn sequences(lost: Lost) -> String {
    match (lost.first_seq, lost.last_seq) {
        (Some(first), Some(last)) if first == last => format!("sequence {first}"),
        (Some(first), Some(last)) => format!("sequences {first} to {last}"),
        (None, Some(last)) => format!("sequences up to {last}"),
        (Some(first), None) => format!("sequences from {first} on, if there were any"),
        (None, None) => "sequences that are not known".to_owned(),
    }
}

fn report(salvaged: &Salvaged) -> Value {
    let run = |run: Run| {
        json!({
            "first_seq": run.first_seq,
            "last_seq": run.last_seq,
            "outcomes": run.outcomes(),
        })
    };
    let lost = |lost: Lost| json!({"first_seq": lost.first_seq, "last_seq": lost.last_seq});
    let others = salvaged
        .runs
        .iter()
        .filter(|&&run| Some(run) != salvaged.kept);
    let damage = |damage: &Damage| {
        json!({
            "file": damage.file,
            "offset": damage.offset,
            "bytes": damage.bytes,
            "what": damage.what,
            "lost": damage.lost.map(lost),
        })
    };
    let pending = match &salvaged.pending {
        SalvagedPending::None => Value::Null,
        SalvagedPending::Whole {
            orders,
            finished,
            in_doubt,
        } => json!({"orders": orders, "finished": finished, "in_doubt": in_doubt}),
        SalvagedPending::Damaged(why) => json!({"damaged": why}),
    };
    json!({
        "from_ledger": salvaged.from.to_string(),
        "ledger": salvaged.ledger.to_string(),
        "complete": salvaged.is_complete(),
        "segments": salvaged.segments,
        "journal": salvaged.kept.map(run),
        "rest": others.map(|&other| run(other)).collect::<Vec<_>>(),
        "lost": salvaged.lost.iter().copied().map(lost).collect::<Vec<_>>(),
        "damages": salvaged.damages.iter().map(damage).collect::<Vec<_>>(),
        "times_estimated": salvaged.times_estimated,
        "pending": pending,
    })
}
