//! The bytes of all bodies being read, over all doors: `--body-bytes`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crossbeam_utils::CachePadded;

/// A budget in bytes. Taken from and given back to by connections.
#[derive(Debug)]
pub struct Bodies {
    used: CachePadded<AtomicUsize>,
    bytes_max: usize,
}

/// Room for one body, given back when dropped.
#[derive(Debug)]
pub struct Room {
    bodies: Arc<Bodies>,
    bytes: usize,
}

impl Bodies {
    /// Room for `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            used: CachePadded::default(),
            bytes_max,
        })
    }

    /// How many bytes there is room for, when all is free.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Takes room for a body; `None` if there is none.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let room = Room {
            bodies: self.clone(),
            bytes,
        };
        (before + bytes <= self.bytes_max).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bodies.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let bodies = Bodies::new(100);
        let first = bodies.take(60).expect("all is free");
        assert!(bodies.take(41).is_none());
        let second = bodies.take(40).expect("just fits");
        assert!(bodies.take(1).is_none());
        drop(first);
        assert!(bodies.take(60).is_some());
        drop(second);
        assert!(bodies.take(100).is_some());
    }
}
