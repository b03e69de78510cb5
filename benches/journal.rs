//! What a commit costs: batches of 1, 64 and 1024 orders into the journal, on
//! real files, beside the base case, which writes as many bytes to a file of
//! zeroes and calls fdatasync, and does nothing else. The ratio is what counts:
//! the times are the disk's.

use std::fs;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use order_processor::internals::journal::{Options, SEGMENT_BYTES};
use order_processor::internals::{Archive, Item, Ledger, Status, journal};
use order_processor::internals::{HashKey, Order, decode};

const BATCHES: [usize; 3] = [1, 64, 1024];

struct Evaluated(Order);

impl Item for Evaluated {
    fn order(&self) -> &Order {
        &self.0
    }
    fn accepted_at(&self) -> u64 {
        1_700_000_000_000_000_000
    }
    fn status(&self) -> Status {
        Status::Processed
    }
    fn reason(&self) -> Option<&Arc<str>> {
        None
    }
}

fn orders(count: usize) -> Vec<Evaluated> {
    let key = HashKey::from_bytes([7; 16]);
    let order = |n: usize| {
        let json = format!(
            r#"{{"id":"order-{n:08}","value":100.50,"side":"buy","symbol":"ACME","account":"a-{n:06}"}}"#
        );
        Evaluated(decode(json.as_bytes(), &key).expect("a valid order"))
    };
    (0..count).map(order).collect()
}

/// A directory on the disk that holds the build, and not in memory.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory to write to");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes of a batch on disk: a head, and each record's head and texts.
fn frame_bytes(orders: &[Evaluated]) -> usize {
    let record = |evaluated: &Evaluated| {
        let texts = evaluated.0.id().as_bytes().len() + evaluated.0.json().len();
        (36 + texts).next_multiple_of(8)
    };
    64 + orders.iter().map(record).sum::<usize>()
}

fn commit(c: &mut Criterion) {
    for count in BATCHES {
        let mut group = c.benchmark_group(format!("commit of {count}"));
        group.throughput(Throughput::Elements(count as u64));
        group
            .measurement_time(Duration::from_secs(3))
            .sample_size(30);

        let mut batch = orders(count);
        let bytes = vec![0x5A; frame_bytes(&batch)];
        let scratch = Scratch::new("journal-bench");
        let file = fs::File::create(scratch.0.join("base")).expect("a file");
        file.write_all_at(&vec![0; SEGMENT_BYTES as usize], 0)
            .expect("space for it");
        file.sync_all().expect("a sync");
        let mut offset = 0;
        group.bench_function("base: write, fdatasync", |b| {
            b.iter(|| {
                file.write_all_at(black_box(&bytes), offset)
                    .expect("a write");
                file.sync_data().expect("a sync");
                offset += bytes.len() as u64;
                if offset + bytes.len() as u64 > SEGMENT_BYTES {
                    offset = 0;
                }
            });
        });

        let options = Options {
            window: 1,
            retain_bytes: Some(4 * SEGMENT_BYTES),
            ..Options::default()
        };
        let data = scratch.0.join("data");
        let mut journal = journal::open(&data, &options, Arc::new(|| {}), &mut |_| {}, &mut |_| {})
            .expect("a new journal");
        let mut done = Vec::new();
        let mut committed = 0;
        group.bench_function("journal", |b| {
            b.iter(|| {
                journal.ledger.append(&mut batch);
                journal.ledger.completions(&mut done).expect("it goes on");
                batch.extend(done.drain(..).map(|completion| completion.item));
                committed += batch.len() as u64;
            });
        });
        assert_eq!(journal.archive.last_seq(), committed);
        assert_eq!(batch.len(), count);
        group.finish();
    }
}

criterion_group!(benches, commit);
criterion_main!(benches);
