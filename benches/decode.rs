//! What decoding one order costs. `base` is the floor: the harness, and the one allocation and
//! copy that keeping an order's text takes anyway. The two widest bodies show that time stays
//! linear in the names.
//!
//! Run: `cargo bench --bench decode`.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use order_processor::internals::{HashKey, Order, decode};

const SMALL: &str = r#"{"id":"ord-001","value":100.50}"#;

const SPACED: &str = r#"{
  "id": "ord-001",
  "value": "100.50",
  "side": "buy",
  "symbol": "ACME",
  "note": "caf\u00e9"
}"#;

/// An order of about `len` bytes, white space included: `item(i)` repeated between `open` and
/// `close`.
fn long(len: usize, open: &str, close: &str, item: impl Fn(usize) -> String) -> String {
    let mut body = format!(r#"{{"id":"ord-001","value":100.50,"first":0{open}"#);
    for i in 0.. {
        if body.len() >= len {
            break;
        }
        let comma = if i == 0 { "" } else { "," };
        write!(body, "{comma}{}", item(i)).expect("writing to a String can't fail");
    }
    body + close
}

fn bodies() -> Vec<(&'static str, String)> {
    let line = |i| format!(r#" {{"sku": "A-{i:05}", "qty": {i}, "price": "9.99"}}"#);
    vec![
        ("small", SMALL.to_owned()),
        ("spaced", SPACED.to_owned()),
        ("lines_1k", long(1 << 10, r#","lines":["#, "]}", line)),
        ("lines_64k", long(64 << 10, r#","lines":["#, "]}", line)),
        (
            "names_8k",
            long(8 << 10, ",", "}", |i| format!(r#""{i:x}":1"#)),
        ),
        (
            "names_64k",
            long(64 << 10, ",", "}", |i| format!(r#""{i:x}":1"#)),
        ),
        (
            "escaped_names_64k",
            long(64 << 10, ",", "}", |i| format!(r#""\u0061{i:x}":1"#)),
        ),
    ]
}

fn decoding(criterion: &mut Criterion) {
    let key = HashKey::random();
    let mut group = criterion.benchmark_group("decode");

    group.throughput(Throughput::Bytes(SMALL.len() as u64));
    group.bench_function("base", |bencher| {
        bencher.iter(|| Box::<str>::from(black_box(SMALL)));
    });

    for (name, body) in bodies() {
        let order = decode(body.as_bytes(), &key).expect("every body here is an order");
        assert_eq!(order.id().as_str(), "ord-001", "{name}");
        assert_eq!(order.value().to_string(), "100.5", "{name}");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(body.as_bytes()), &key));
        });
    }

    let parts = Order::from_parts("ord-001", "100.50", None, &key).expect("the parts are valid");
    let whole = decode(SMALL.as_bytes(), &key).expect("the body is valid");
    assert_eq!(parts.content_hash(), whole.content_hash());
    group.throughput(Throughput::Elements(1));
    group.bench_function("from_parts", |bencher| {
        bencher.iter(|| Order::from_parts(black_box("ord-001"), black_box("100.50"), None, &key));
    });

    let nested = "[".repeat(64 << 10);
    let too_deep = format!(r#"{{"id":"ord-001","value":1,"x":{nested}"#);
    assert!(decode(too_deep.as_bytes(), &key).is_err());
    group.throughput(Throughput::Bytes(too_deep.len() as u64));
    group.bench_function("refused_nesting_64k", |bencher| {
        bencher.iter(|| decode(black_box(too_deep.as_bytes()), &key));
    });
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
