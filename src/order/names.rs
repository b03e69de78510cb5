//! The member names seen so far in the open objects of a text, so that a duplicate is found at any
//! depth, in time that doesn't grow with the number of names.
//!
//! A name is known by its keyed 128-bit hash alone (see [`hash`](crate::order::hash) for why that is
//! enough). Most objects are small: their names are on a stack and compared one by one. An
//! object with more moves its names to a hash set, where the object's serial number, mixed in,
//! keeps objects apart. The set needs no hashing of its own and no thread local, and without the
//! key a client can't aim at one bucket.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Up to this many names of one object are compared one by one.
const COMPARED_MAX: usize = 16;

/// What [`Names`] needs to know of one open object.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope {
    serial: u64,
    /// Where its names begin on the stack. Open objects are few (the nesting limit), and each has
    /// [`COMPARED_MAX`] there at most.
    first: u16,
    crowded: bool,
}

/// The names of all open objects. It allocates with the first name.
#[derive(Debug, Default)]
pub(super) struct Names {
    opened: u64,
    stack: Vec<u128>,
    crowded: HashSet<u128, BuildHasherDefault<AlreadyHashed>>,
}

impl Names {
    /// Begins an object inside the one opened last.
    pub(super) fn open(&mut self) -> Scope {
        self.opened += 1;
        let first =
            u16::try_from(self.stack.len()).expect("names a depth times depths fit 16 bits");
        Scope {
            serial: self.opened,
            first,
            crowded: false,
        }
    }

    /// Adds `name` to the innermost open object, which is `scope`; `false` if it has it already.
    #[must_use]
    pub(super) fn insert(&mut self, scope: &mut Scope, name: u128) -> bool {
        let serial = u128::from(scope.serial);
        if !scope.crowded {
            let own = &self.stack[usize::from(scope.first)..];
            if own.contains(&name) {
                return false;
            }
            if own.len() < COMPARED_MAX {
                self.stack.push(name);
                return true;
            }
            let own = self.stack.drain(usize::from(scope.first)..);
            self.crowded.extend(own.map(|name| name ^ serial));
            scope.crowded = true;
        }
        self.crowded.insert(name ^ serial)
    }

    /// Ends the innermost object. A crowded one's names stay in the set until the text ends; no
    /// later object has the same serial number.
    pub(super) fn close(&mut self, scope: Scope) {
        self.stack.truncate(usize::from(scope.first));
    }
}

/// Returns 64 bits of a number that is already a hash.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_found_before_and_after_the_object_is_crowded() {
        for count in [1, 15, 16, 17, 18, 100] {
            let mut names = Names::default();
            let mut scope = names.open();
            for name in 0..count {
                assert!(names.insert(&mut scope, name), "{name} of {count}");
            }
            for name in 0..count {
                assert!(!names.insert(&mut scope, name), "{name} of {count}");
            }
            assert_eq!(scope.crowded, count > 16);
        }
    }

    #[test]
    fn objects_do_not_see_each_other() {
        let hash = |name: u64| u128::from(name) << 64;
        let mut names = Names::default();
        let mut outer = names.open();
        for name in 0..40 {
            assert!(names.insert(&mut outer, hash(name)));
            for count in [3, 40] {
                let mut inner = names.open();
                for name in 0..count {
                    assert!(names.insert(&mut inner, hash(name)));
                }
                assert!(!names.insert(&mut inner, hash(0)));
                names.close(inner);
            }
        }
        assert!(!names.insert(&mut outer, hash(39)));
        names.close(outer);
        assert!(names.stack.is_empty());
    }
}
