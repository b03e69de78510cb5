//! Which orders are sent together, and which batches are under way.
//!
//! A stream with one copy whose server syncs each write syncs once for a batch:
//! group commit, over the network. So only a few batches are under way, and
//! what arrives meanwhile is the next one. A single order is a batch of one,
//! sent as a plain message.
//!
//! A batch is stored as a whole or not at all: one id that is taken refuses all
//! of them. It is sent again in two halves then, until the orders that are taken
//! are alone.

use std::collections::{HashMap, VecDeque};

/// Batches under way: one that is being synced, and one that is on its way or
/// waits for it. With a third, batches are smaller, and the server syncs more
/// often for the same orders.
const SENT_MAX: usize = 2;
/// Orders in a batch; the server takes 1,000.
const ORDERS_MAX: usize = 500;
/// Bytes in a batch, unless one order is longer.
const BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Batches {
    /// Orders to be sent, the oldest first.
    waiting: VecDeque<u64>,
    /// Parts of refused batches, the next one last.
    parts: Vec<Vec<u64>>,
    sent: HashMap<u64, Batch>,
    last_number: u64,
}

struct Batch {
    orders: Vec<u64>,
    /// Those of them that have not ended otherwise.
    left: usize,
}

impl Batches {
    /// Lets an order wait for the next batch.
    pub(super) fn wait(&mut self, order: u64) {
        self.waiting.push_back(order);
    }

    /// The orders to be sent now, if any are and may be. `bytes` says how long
    /// an order's message is; `None` if it has ended.
    pub(super) fn next(&mut self, bytes: impl Fn(u64) -> Option<usize>) -> Option<Vec<u64>> {
        if self.sent.len() >= SENT_MAX {
            return None;
        }
        while let Some(mut part) = self.parts.pop() {
            part.retain(|order| bytes(*order).is_some());
            if !part.is_empty() {
                return Some(part);
            }
        }
        let (mut orders, mut total) = (Vec::new(), 0);
        while let Some(order) = self.waiting.front()
            && orders.len() < ORDERS_MAX
        {
            if let Some(bytes) = bytes(*order) {
                total += bytes;
                if !orders.is_empty() && total > BYTES_MAX {
                    break;
                }
                orders.push(*order);
            }
            self.waiting.pop_front();
        }
        (!orders.is_empty()).then_some(orders)
    }

    /// These orders are being sent; returns the batch's number.
    pub(super) fn sent(&mut self, orders: Vec<u64>) -> u64 {
        self.last_number += 1;
        let left = orders.len();
        self.sent.insert(self.last_number, Batch { orders, left });
        self.last_number
    }

    /// An order of this batch has ended, or waits for something else.
    pub(super) fn leaves(&mut self, number: u64) {
        if let Some(batch) = self.sent.get_mut(&number) {
            batch.left -= 1;
            if batch.left == 0 {
                self.sent.remove(&number);
            }
        }
    }

    /// The orders of this batch, whose reply has come; `None` if it is not under
    /// way any more.
    pub(super) fn ends(&mut self, number: u64) -> Option<Vec<u64>> {
        self.sent.remove(&number).map(|batch| batch.orders)
    }

    /// Has the orders of a refused batch sent in two halves.
    pub(super) fn halve(&mut self, mut orders: Vec<u64>) {
        let second = orders.split_off(orders.len() / 2);
        self.parts.extend([second, orders]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(orders: u64) -> Batches {
        let mut batches = Batches::default();
        (0..orders).for_each(|order| batches.wait(order));
        batches
    }

    #[test]
    fn what_waits_is_the_next_batch_within_limits() {
        let mut batches = batches(900);
        let small = |_| Some(100);
        let mut lengths = Vec::new();
        while let Some(orders) = batches.next(small) {
            lengths.push(orders.len());
            batches.sent(orders);
        }
        assert_eq!(lengths, [500, 400]);
        let mut batches = self::batches(5);
        assert_eq!(batches.next(|_| Some(BYTES_MAX / 2)).unwrap(), [0, 1]);
        assert_eq!(batches.next(|_| Some(BYTES_MAX + 1)).unwrap(), [2]);
        // Those that have ended are left out.
        let odd = |order| (order % 2 == 1).then_some(1);
        assert_eq!(batches.next(odd).unwrap(), [3]);
        assert!(batches.next(odd).is_none());
    }

    #[test]
    fn few_are_under_way() {
        let mut batches = batches(0);
        for order in 0..SENT_MAX as u64 {
            batches.wait(order);
            let orders = batches.next(|_| Some(1)).unwrap();
            assert_eq!(batches.sent(orders), order + 1);
        }
        batches.wait(9);
        assert!(batches.next(|_| Some(1)).is_none());
        batches.leaves(1);
        batches.leaves(1); // late, and counted once
        assert_eq!(batches.next(|_| Some(1)).unwrap(), [9]);
        assert_eq!(batches.ends(2), Some(vec![1]));
        assert_eq!((batches.ends(2), batches.ends(1)), (None, None));
    }

    #[test]
    fn a_refused_batch_is_halved_until_the_taken_one_is_alone() {
        let (taken, mut batches) = (5, batches(8));
        let (mut stored, mut alone) = (Vec::new(), None);
        while let Some(orders) = batches.next(|_| Some(1)) {
            match &orders[..] {
                [order] if *order == taken => alone = Some(*order),
                _ if orders.contains(&taken) => batches.halve(orders),
                _ => stored.extend(orders),
            }
        }
        assert_eq!((alone, stored), (Some(5), vec![0, 1, 2, 3, 4, 6, 7]));
    }
}
