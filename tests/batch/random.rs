//! Random batches against a model.

use crate::harness::{Client, Service};
use crate::{batch, results};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Batches of good and bad lines, cut anywhere on their way, against a map from id to content:
/// the first line of an id decides. `BATCH_SEED=…` repeats a run.
#[test]
fn random_batches() {
    use std::hash::{BuildHasher, RandomState};
    let seed = match std::env::var("BATCH_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => RandomState::new().hash_one("batch"),
    };
    eprintln!("BATCH_SEED={seed}");
    let mut random = Random(seed);
    let service = Service::start(&["--max-batch-orders", "60", "--queue-capacity", "16"]);
    let mut client = Client::to(service.http);
    let mut model = std::collections::HashMap::<String, i32>::new();
    let mut counts = std::collections::HashMap::<&str, u64>::new();
    for _ in 0..150 {
        let (mut body, mut want) = (String::new(), Vec::new());
        let lines = random.below(80);
        for number in 1..=lines {
            let id = format!("r{}", random.below(200));
            let value = [1, 1, 1, -1, 2][random.below(5)];
            let kind = random.below(10);
            let status = if kind == 0 {
                body.push_str([" ", "\t\r", ""][random.below(3)]);
                None
            } else if want.len() >= 60 {
                body.push('?');
                Some(("rejected", None))
            } else if kind == 1 {
                body.push_str(["{}", "null", "{\"id\":", "\u{7f}"][random.below(4)]);
                Some(("invalid", None))
            } else {
                body.push_str(&format!(r#"{{"id":"{id}", "value":{value}}}"#));
                let known = model.get(&id).copied();
                model.entry(id.clone()).or_insert(value);
                let status = match known {
                    Some(known) if known == value => "duplicate",
                    Some(_) => "conflict",
                    None if value < 0 => "failed",
                    None => "processed",
                };
                Some((status, Some(id)))
            };
            if let Some((status, id)) = status {
                *counts.entry(status).or_default() += 1;
                want.push((number, status, id));
            }
            if number < lines || random.below(2) == 0 {
                body.push_str(["\n", "\r\n"][random.below(2)]);
            }
        }
        let request = batch("", &body);
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len()));
            client.send(piece);
            rest = after;
        }
        let found = results(&client.reply());
        let got: Vec<_> = found
            .iter()
            .map(|result| {
                let line = result["line"].as_u64().unwrap() as usize;
                let id = result["id"].as_str().map(str::to_owned);
                (line, result["status"].as_str().unwrap(), id)
            })
            .collect();
        assert_eq!(got, want, "{body}");
    }
    let of = |status| counts.get(status).copied().unwrap_or(0);
    let figures = service.settled();
    assert_eq!(
        figures.orders(),
        (model.len() as u64, of("processed"), of("failed"))
    );
    assert_eq!(figures.count("orders_duplicate"), of("duplicate"));
    assert_eq!(figures.rejected("conflict"), of("conflict"));
    assert_eq!(figures.rejected("invalid"), of("invalid"));
    assert_eq!(figures.rejected("too_large"), of("rejected"));
    let rejected = of("conflict") + of("invalid") + of("rejected");
    assert_eq!(figures.sum("orders_rejected"), rejected);
}
