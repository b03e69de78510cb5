//! What a start finds: the durable journal whole, or a refusal.
//!
//! The headers of all segments are read, and every byte of the last ones, back
//! to where the dedupe window begins. Reading stops at `D`, the first place
//! where no frame decodes. A crash explains that at one place only: where the
//! one frame that was in flight should be. So a start is refused if anything
//! says that `D` was durable once: a segment behind it with a header, a frame
//! behind it, or a frame anywhere that names a later place as durable. (The
//! first frame of a segment is written with the header, and may have survived
//! it; that one names nothing past `D`.) What a crash can't be told from is
//! damage to the very last frame, before anything else was written: a seal or
//! the next frame. The report says what was cut.
//!
//! Then, in this order, nothing having been changed before:
//!
//! 1. The last frame is written again, byte for byte, and synced. It may be in
//!    the page cache only, and an fdatasync alone wouldn't always do: after one
//!    that failed, the kernel takes the pages for clean.
//! 2. Segments without a header go, unless they are the next one, and zero.
//! 3. If anything stands behind `D` in its segment, the writer goes on in a new
//!    segment, whose header names `D` as the end of the one before. Nothing is
//!    overwritten or truncated for it, and what stands there stays void.

use std::{io, time::Instant};

use super::{
    Progress, Recovered,
    catalogue::{Index, Segment},
    error::OpenError,
    format::{
        FRAME_HEAD, FrameHead, NoHead, Position, SEGMENT_HEAD, Salt, SegmentHead, VERSION,
        segment_name, segment_number,
    },
    identity::Identity,
    preparer,
    record::RecordView,
    scan::{Frame, Scan},
    storage::{File, Storage, read_full, write_full},
    writer::Current,
};

/// Bytes of void that are looked through in one go.
const VOID_READ: usize = 256 << 10;
/// Bytes read between two calls of `progress`.
const PROGRESS_BYTES: u64 = 4 << 20;

/// The journal as a writer needs it.
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    /// The segment to go on in; `None`: in a new one.
    pub(super) current: Option<Current>,
    pub(super) end: Position,
    pub(super) next_seq: u64,
    pub(super) sealed: bool,
    /// The number of the next segment, and its file, if it is prepared.
    pub(super) next_number: u32,
    pub(super) prepared: Option<Box<dyn File>>,
    pub(super) report: Recovered,
}

/// A segment's file, its header decoded if it has one.
struct Headed {
    number: u32,
    head: Option<SegmentHead>,
}

/// What stands behind the last frame.
#[derive(Default)]
struct Void {
    /// Bytes up to the last that isn't zero.
    bytes: u64,
}

pub(super) struct Recovery<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) identity: Identity,
    pub(super) window: u64,
    pub(super) progress: &'a mut dyn FnMut(Progress),
    pub(super) visit: &'a mut dyn FnMut(&RecordView<'_>),
}

fn io_error(number: u32, doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        file: segment_name(number),
        doing,
        source,
    }
}

fn damaged(number: u32, offset: u64, what: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        file: segment_name(number),
        offset,
        what: what.into(),
    }
}

/// How far the last segment decodes.
struct Tail {
    number: u32,
    file: Box<dyn File>,
    index: std::sync::Arc<Index>,
    /// Where the last frame starts, with the header if it is the first.
    last: u64,
    end: u64,
    /// The last frame is a seal.
    sealed: bool,
}

impl Recovery<'_> {
    pub(super) fn run(mut self) -> Result<Found, OpenError> {
        let started = Instant::now();
        let salt = Salt::of(self.identity.ledger);
        let files = self.headers()?;
        let headed = files.iter().take_while(|file| file.head.is_some()).count();
        let (with, without) = files.split_at(headed);
        let heads: Vec<SegmentHead> = with.iter().filter_map(|file| file.head).collect();
        self.check_chain(&heads, without)?;

        let mut next_seq = heads.last().map_or(1, |head| head.first_seq);
        // The last segment that starts no later than the window does.
        let window_from = next_seq.saturating_sub(self.window);
        let from = heads
            .partition_point(|head| head.first_seq <= window_from)
            .saturating_sub(1);
        let mut seen = Progress {
            bytes: 0,
            bytes_total: (heads.len() - from.min(heads.len())) as u64 * self.identity.segment_bytes,
            records: 0,
        };
        let mut segments: Vec<Segment> = heads[..from.min(heads.len())]
            .iter()
            .map(|head| Segment::new(head.number, head.first_seq, None))
            .collect();
        let mut tail = None;
        for (at, head) in heads.iter().enumerate().skip(from) {
            let until = heads.get(at + 1);
            let (found, last_seq) = self.segment(head, until, salt, &mut seen)?;
            next_seq = last_seq + 1;
            let index = Some(found.index.clone());
            segments.push(Segment::new(head.number, head.first_seq, index));
            tail = Some(found);
        }

        let end = tail.as_ref().map_or(Position::START, |tail| Position {
            segment: tail.number,
            offset: tail.end as u32, // within the segment
        });
        let mut void = Void::default();
        if let Some(tail) = &tail {
            void.bytes = self.void(&*tail.file, end, tail.end, end, salt)?;
        }
        let mut voids = Vec::new();
        for file in without {
            let opened = self.open(file.number)?;
            let start = Position {
                segment: file.number,
                offset: 0,
            };
            voids.push(self.void(&*opened, start, 0, end, salt)?);
        }

        // All is known; from here on, things are changed.
        let mut sealed = true;
        if let Some(tail) = &tail {
            sealed = tail.sealed;
            self.rewrite(tail)?;
        }
        let prepared = self.clear(without, &voids)?;
        let cut_bytes = void.bytes + voids.iter().sum::<u64>();
        let cut = (cut_bytes > 0).then(|| super::Cut {
            file: segment_name(if void.bytes > 0 {
                end.segment
            } else {
                end.segment + 1
            }),
            offset: if void.bytes > 0 { end.offset.into() } else { 0 },
            bytes: cut_bytes,
        });
        let report = Recovered {
            ledger: self.identity.ledger,
            records: seen.records,
            last_seq: next_seq - 1,
            oldest_seq: heads.first().map_or(1, |head| head.first_seq),
            cut,
            took: started.elapsed(),
        };
        let current = tail.filter(|_| void.bytes == 0).map(|tail| Current {
            number: tail.number,
            first_seq: heads.last().map_or(1, |head| head.first_seq),
            file: tail.file,
            offset: end.offset,
            index: tail.index,
        });
        Ok(Found {
            segments,
            current,
            end,
            next_seq,
            sealed,
            next_number: end.segment + 1,
            prepared,
            report,
        })
    }

    fn open(&self, number: u32) -> Result<Box<dyn File>, OpenError> {
        self.storage
            .open(&segment_name(number))
            .map_err(io_error(number, "open"))
    }

    /// All segments' files in order, their sizes and headers looked at.
    fn headers(&self) -> Result<Vec<Headed>, OpenError> {
        let names = self.storage.names().map_err(|source| OpenError::Io {
            file: "the data directory".into(),
            doing: "list",
            source,
        })?;
        let mut numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| segment_number(name))
            .collect();
        numbers.sort_unstable();
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            return Err(OpenError::Missing {
                file: segment_name(gap[0] + 1),
            });
        }
        let headers = numbers.into_iter().map(|number| {
            let file = self.open(number)?;
            let bytes = file.len().map_err(io_error(number, "measure"))?;
            if bytes != self.identity.segment_bytes {
                return Err(OpenError::Size {
                    file: segment_name(number),
                    bytes,
                    expected: self.identity.segment_bytes,
                });
            }
            let mut head = [0; SEGMENT_HEAD];
            let read = read_full(&*file, &mut head, 0).map_err(io_error(number, "read"))?;
            let head = match SegmentHead::decode(&head) {
                Ok(head) if read == SEGMENT_HEAD => Some(head),
                Err(NoHead::Version(version)) => {
                    return Err(OpenError::Version {
                        file: segment_name(number),
                        version,
                        known: VERSION,
                    });
                }
                _ => None,
            };
            Ok(Headed { number, head })
        });
        headers.collect()
    }

    /// Headers follow from one another, and nothing with one follows anything
    /// without.
    fn check_chain(&self, heads: &[SegmentHead], without: &[Headed]) -> Result<(), OpenError> {
        if without.iter().any(|file| file.head.is_some()) {
            return Err(damaged(without[0].number, 0, "no header of a segment"));
        }
        if let (None, Some(first)) = (heads.first(), without.first())
            && first.number != 1
        {
            return Err(OpenError::Missing {
                file: segment_name(first.number - 1),
            });
        }
        let mut before: Option<&SegmentHead> = None;
        for head in heads {
            let file = || segment_name(head.number);
            if head.ledger != self.identity.ledger {
                return Err(OpenError::Foreign {
                    file: file(),
                    found: head.ledger,
                    expected: self.identity.ledger,
                });
            }
            let end = head.previous_end;
            let follows = before.is_none_or(|before| {
                before.number + 1 == head.number && before.first_seq <= head.first_seq
            });
            let ends = end.segment + 1 == head.number
                && (end.segment == 0 || end.offset as usize >= SEGMENT_HEAD)
                && head.first_seq > 0;
            if !follows || !ends {
                return Err(damaged(
                    head.number,
                    0,
                    "its header doesn't follow from the one before",
                ));
            }
            before = Some(head);
        }
        Ok(())
    }

    /// Reads a segment's frames up to where the next says that it ends, or as
    /// far as they go, and says how far, and the last sequence.
    fn segment(
        &mut self,
        head: &SegmentHead,
        next: Option<&SegmentHead>,
        salt: Salt,
        seen: &mut Progress,
    ) -> Result<(Tail, u64), OpenError> {
        let number = head.number;
        let size = self.identity.segment_bytes;
        let file = self.open(number)?;
        let index = Index::new(size);
        let stop = next.map_or(size, |next| next.previous_end.offset.into());
        let mut scan = Scan::new(&*file, number, size, salt);
        let (mut offset, mut last, mut sealed) = (SEGMENT_HEAD as u64, 0, false);
        let mut next_seq = head.first_seq;
        let mut told = 0;
        while offset < stop {
            let Frame::Here(frame, body) = scan.frame(offset).map_err(io_error(number, "read"))?
            else {
                break;
            };
            if frame.end() > stop {
                return Err(damaged(
                    number,
                    offset,
                    "a batch goes on past the segment's end",
                ));
            }
            if frame.first_seq != next_seq {
                let what = format!("sequence {} where {next_seq} should be", frame.first_seq);
                return Err(damaged(number, offset, what));
            }
            if let Err(at) = body.verify() {
                if next.is_some() {
                    let at = offset + FRAME_HEAD as u64 + at as u64;
                    return Err(damaged(number, at, "no order decodes"));
                }
                break;
            }
            index.note(next_seq - head.first_seq, offset as u32);
            for record in body.records(0).flatten() {
                (self.visit)(&record);
                seen.records += 1;
            }
            next_seq += u64::from(frame.count);
            sealed = frame.count == 0;
            last = if offset == SEGMENT_HEAD as u64 {
                0
            } else {
                offset
            };
            offset = frame.end();
            if offset - told >= PROGRESS_BYTES {
                told = offset;
                (self.progress)(Progress {
                    bytes: seen.bytes + offset,
                    ..*seen
                });
            }
        }
        if let Some(next) = next {
            if offset != stop {
                return Err(damaged(number, offset, "no batch decodes"));
            }
            if next.first_seq != next_seq {
                let what = format!(
                    "it starts with sequence {} where {next_seq} should be",
                    next.first_seq
                );
                return Err(damaged(next.number, 0, what));
            }
        }
        seen.bytes += size;
        (self.progress)(*seen);
        let tail = Tail {
            number,
            file,
            index,
            last,
            end: offset,
            sealed,
        };
        Ok((tail, next_seq - 1))
    }

    /// Looks through what stands from `from` on in the segment of `start`, the
    /// journal ending at `end`. Says how far it isn't zero; an error if it was
    /// durable.
    fn void(
        &self,
        file: &dyn File,
        start: Position,
        from: u64,
        end: Position,
        salt: Salt,
    ) -> Result<u64, OpenError> {
        let number = start.segment;
        let mut bytes = vec![0; VOID_READ];
        let (mut offset, mut used) = (from, 0);
        while offset < self.identity.segment_bytes {
            let read = read_full(file, &mut bytes, offset).map_err(io_error(number, "read"))?;
            if read == 0 {
                break;
            }
            let some = &bytes[..read];
            if let Some(last) = some.iter().rposition(|&byte| byte != 0) {
                used = offset + last as u64 + 1 - from;
                // Frames start at multiples of 8, and so did `from`.
                for at in (0..=last).step_by(8).filter(|&at| some[at] == 0xFF) {
                    let place = Position {
                        segment: number,
                        offset: (offset + at as u64) as u32,
                    };
                    let mut head = [0; FRAME_HEAD];
                    read_full(file, &mut head, place.offset.into())
                        .map_err(io_error(number, "read"))?;
                    let Some(head) = FrameHead::decode(&head, place, salt) else {
                        continue;
                    };
                    let in_flight = place == end
                        || (number == end.segment + 1 && place.offset as usize == SEGMENT_HEAD);
                    if head.durable > end || !in_flight {
                        let what = format!(
                            "nothing decodes; the batch at offset {} of {} was written later",
                            place.offset,
                            segment_name(number)
                        );
                        // A frame that was not the first: it is the header of
                        // its own segment that is lost, unless something is
                        // lost before that.
                        let (broken, at) = if head.durable.segment > end.segment {
                            (number, 0)
                        } else {
                            (end.segment, end.offset.into())
                        };
                        return Err(damaged(broken, at, what));
                    }
                }
            }
            offset += read as u64;
        }
        Ok(used)
    }

    /// Makes sure that the last frame is on disk.
    fn rewrite(&self, tail: &Tail) -> Result<(), OpenError> {
        let mut bytes = vec![0; (tail.end - tail.last) as usize];
        let read =
            read_full(&*tail.file, &mut bytes, tail.last).map_err(io_error(tail.number, "read"))?;
        write_full(&*tail.file, &bytes[..read], tail.last)
            .map_err(io_error(tail.number, "write to"))?;
        tail.file.sync().map_err(io_error(tail.number, "sync"))
    }

    /// Removes segments that have no header, but for the next one if it is all
    /// zero, which is returned; and what was being made. From the last on, each
    /// durably before the one before it, so that a crash leaves no gap.
    fn clear(&self, without: &[Headed], voids: &[u64]) -> Result<Option<Box<dyn File>>, OpenError> {
        let mut prepared = None;
        for (at, file) in without.iter().enumerate().rev() {
            if at == 0 && voids[at] == 0 {
                prepared = Some(self.open(file.number)?);
                break;
            }
            self.storage
                .remove(&segment_name(file.number))
                .and_then(|()| self.storage.sync_names())
                .map_err(io_error(file.number, "remove"))?;
        }
        match self.storage.remove(preparer::NEW) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // Names that were found may not have been durable.
            _ => self.storage.sync_names(),
        }
        .map_err(|source| OpenError::Io {
            file: preparer::NEW.into(),
            doing: "remove",
            source,
        })?;
        Ok(prepared)
    }
}
