//! The feed without sockets.

mod foreign_end;
mod long_poll;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use crate::cpu::plan::Plan;
use crate::ledger::{Archive, Item, Ledger, Status, memory};
use crate::order::{HashKey, Order, decode};
use crate::pipeline::{Pipeline, Settings};

struct Plain(Order);

impl Item for Plain {
    fn order(&self) -> &Order {
        &self.0
    }
    fn accepted_at(&self) -> u64 {
        5
    }
    fn status(&self) -> Status {
        Status::Processed
    }
    fn reason(&self) -> Option<&Arc<str>> {
        None
    }
}

/// An archive of orders with so many bytes in a member.
fn archive(padding: &[usize]) -> impl Archive + use<> {
    let (mut ledger, archive) = memory::open(1 << 20);
    let key = HashKey::from_bytes([1; 16]);
    let mut batch = padding
        .iter()
        .map(|bytes| {
            let json = format!(r#"{{"id":"a","value":1,"x":"{}"}}"#, "x".repeat(*bytes));
            Plain(decode(json.as_bytes(), &key).unwrap())
        })
        .collect();
    ledger.append(&mut batch);
    archive
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::new(&Settings {
        queue_orders: 1,
        queue_bytes: 1 << 10,
        window: 1,
        plan: Plan::unpinned(1),
        window_reach: Duration::ZERO,
        commit_delay: Duration::ZERO,
    })
}
