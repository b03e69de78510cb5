//! From a directory that is read to one that is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::ledger::journal::directory_tree::{DirectoryTree, FileSystem, create_dir_durably};
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::extent::{Extent, ExtentFile};
use crate::ledger::journal::file_names::{EXTENT, PENDING, SALVAGE_REPORT, SALVAGE_REST};
use crate::ledger::journal::format::decode_record;
use crate::ledger::journal::live_reader::open_to_read;
use crate::ledger::journal::lock::lock_unused;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::pending_file;
use crate::ledger::journal::salvage::identity::identify;
use crate::ledger::journal::salvage::layout::Layout;
use crate::ledger::journal::salvage::pending::Pending;
use crate::ledger::journal::salvage::report::{Damage, Run, Salvaged};
use crate::ledger::journal::salvage::survey::Survey;
use crate::ledger::journal::salvage::target::{JournalCopy, LineFile, Output};
use crate::ledger::journal::segment_files::SegmentFiles;
use crate::ledger::journal::storage::{Source, Storage};

/// Reads the damaged journal in `dir`, and makes the directory `to` with all
/// of it that can be proven. `keep`: a sequence of the run that is to be the
/// new journal; `None`: the longest one.
///
/// Nothing is changed in `dir`, which is locked meanwhile. The new directory is
/// made under another name, and gets its own when all in it is durable.
///
/// # Errors
/// [`OpenError`]. There is no directory `to` then, and what was made for it has
/// been removed; unless only the last step failed, which makes the name of `to`
/// durable: then `to` is there, and whole, until a power loss.
pub fn salvage(
    dir: &Path,
    to: &Path,
    keep: Option<u64>,
    output: Output<'_>,
) -> Result<Salvaged, OpenError> {
    let source = open_to_read(dir)?;
    let _locks = lock_unused(&source, dir)?;
    let partial = partial(dir, to)?;
    let failed = |doing| {
        let dir = to.to_owned();
        move |source| OpenError::Directory { dir, doing, source }
    };
    let survey = Surveyed::new(&source, dir)?;
    let kept = survey.choose(keep)?;
    FileSystem.create_dir(&partial).map_err(failed("make it"))?;
    let make = || {
        create_dir_durably(&FileSystem, &partial).map_err(failed("make it"))?;
        let storage = FileSystem.open(&partial).map_err(failed("open it"))?;
        let salvaged = survey.write(kept, &storage, output)?;
        rename(&partial, to).map_err(failed("give its name to it"))?;
        Ok(salvaged)
    };
    let made = make();
    if made.is_err() {
        // As it was before. What stays, the next attempt names.
        let _ = fs::remove_dir_all(&partial);
        return made;
    }
    // Its name, in the directory above. If that fails, all is there, but may go
    // with the power: no success to report.
    create_dir_durably(&FileSystem, to).map_err(failed("sync the name of it"))?;
    made
}

/// The same, from and into directories that there are.
#[cfg(test)]
pub(crate) fn salvage_source(
    source: &dyn Source,
    target: &Arc<dyn Storage>,
    keep: Option<u64>,
    output: Output<'_>,
) -> Result<Salvaged, OpenError> {
    let survey = Surveyed::new(source, Path::new("nowhere"))?;
    let kept = survey.choose(keep)?;
    survey.write(kept, target, output)
}

/// The name under which `to` is made, beside it. Neither may exist, nor be in
/// the damaged directory.
fn partial(dir: &Path, to: &Path) -> Result<PathBuf, OpenError> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = to.with_file_name(name);
    for path in [to, &partial] {
        if fs::symlink_metadata(path).is_ok() {
            let dir = path.to_owned();
            return Err(OpenError::Exists { dir });
        }
    }
    let above = match to.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    if let (Ok(above), Ok(dir)) = (above.canonicalize(), dir.canonicalize())
        && above.starts_with(&dir)
    {
        let dir = to.to_owned();
        return Err(OpenError::Inside { dir });
    }
    Ok(partial)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that doesn't know the flag. An empty directory of that
        // name is replaced; another isn't.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

/// A journal that has been read once: what there is of it.
struct Surveyed<'a> {
    layout: Layout<'a>,
    survey: Survey,
    damages: Vec<Damage>,
    /// A sequence that was durable, by the extent.
    reached: Option<u64>,
}

impl<'a> Surveyed<'a> {
    fn new(source: &'a dyn Source, dir: &Path) -> Result<Self, OpenError> {
        let no_journal = |why: String| OpenError::NoJournal {
            dir: dir.to_owned(),
            why,
        };
        let names = source.names();
        names.map_err(|error| no_journal(error.to_string()))?;
        let numbers = SegmentFiles::numbers_in(source)?;
        let (manifest, mut damages) = match identify(source, &numbers)? {
            (Some(manifest), damage) => (manifest, Vec::from_iter(damage)),
            (None, _) => return Err(no_journal("there are no files of one".into())),
        };
        let layout = Layout::read(source, manifest)?;
        let extent = Extent::read(source, manifest.ledger);
        if extent.is_none() {
            damages.push(Damage {
                file: EXTENT.to_owned(),
                offset: 0,
                bytes: 64,
                what: "it is missing or damaged, so how far the journal had come is not known"
                    .to_owned(),
                lost: None,
            });
        }
        let survey = Survey::run(&layout, &mut |_, _, _| Ok(()))?;
        Ok(Self {
            layout,
            survey,
            damages,
            reached: extent.map(|extent| extent.last_seq),
        })
    }

    /// The run that is to be the journal; `None` if there is no outcome.
    fn choose(&self, keep: Option<u64>) -> Result<Option<Run>, OpenError> {
        let mut runs = self.survey.runs.iter().copied();
        let Some(seq) = keep else {
            // The last one of several.
            return Ok(runs.max_by_key(|run| run.outcomes()));
        };
        let run = runs.find(|run| (run.first_seq..=run.last_seq).contains(&seq));
        run.map(Some).ok_or(OpenError::NoSuchRun { seq })
    }

    /// Reads the journal again, and writes what is to be saved. The manifest
    /// comes last: without it a directory is no journal.
    fn write(
        self,
        kept: Option<Run>,
        target: &Arc<dyn Storage>,
        output: Output<'_>,
    ) -> Result<Salvaged, OpenError> {
        let Self {
            layout,
            mut survey,
            damages,
            reached,
        } = self;
        let from = layout.files.manifest;
        let mut pending = Pending::read(layout.files.source, from.ledger);
        let manifest = Manifest::random(from.segment_bytes);
        let mut journal = JournalCopy::new(target, manifest);
        let mut rest = LineFile::new(target, SALVAGE_REST);
        let again = Survey::run(&layout, &mut |found, bytes, run| {
            let decoded = decode_record(bytes, found.committed_at, layout.files.salt());
            let (record, _) = decoded.expect("it has just been decoded");
            pending.outcome(record.id, record.seq);
            if kept == survey.runs.get(run).copied() {
                journal.push(bytes, found.seq, found.committed_at)
            } else {
                rest.push(&(output.line)(&record.to_record()))
            }
        })?;
        if again != survey {
            return Err(OpenError::Unsteady);
        }
        journal.finish()?;
        rest.finish()?;
        let extent = reached.unwrap_or(0);
        survey.finish(extent.max(pending.reached()), reached.is_some());
        let (orders, pending) = pending.finish(kept, &survey.lost);
        if kept.is_none() && orders.is_none() {
            return Err(OpenError::NothingToSave);
        }
        let salvaged = Salvaged {
            from: from.shown,
            ledger: manifest.shown,
            segments: journal.segments,
            runs: survey.runs,
            kept,
            damages: [damages, survey.damages].concat(),
            lost: survey.lost,
            times_estimated: survey.times_estimated,
            pending,
        };
        if let Some(orders) = orders {
            let write = || {
                let file = target.create(PENDING)?;
                pending_file::write_copy(&*file, manifest.ledger, &orders)?;
                file.sync()
            };
            write().map_err(OpenError::io(PENDING, "write"))?;
        }
        let mut report = LineFile::new(target, SALVAGE_REPORT);
        report.push(&(output.report)(&salvaged))?;
        report.finish()?;
        let extent = ExtentFile {
            storage: target.clone(),
            ledger: manifest.ledger,
        };
        let written = extent.write(Extent {
            last_seq: kept.map_or(0, |run| run.last_seq),
            has_segments: kept.is_some(),
        });
        // Its sync is that of all names before it.
        written.map_err(OpenError::io(EXTENT, "write"))?;
        manifest.write(&**target)?;
        Ok(salvaged)
    }
}
