//! The mask of this machine, and of `/sys` under another root.

use crate::cpu::tests::{Root, ids, topology};
use crate::cpu::topology::{CoreId, Topology, pin_current};

#[test]
fn pins_to_an_allowed_core_and_says_why_not() {
    let here = Topology::here();
    assert!(here.usable() >= 1 && here.cores >= 1);
    let core = *here
        .allowed
        .last()
        .expect("this machine's kernel tells its mask");
    // On a thread of its own, so that the test runner's threads keep their mask.
    let pinned = std::thread::spawn(move || {
        pin_current(core).map(|()| core_affinity::get_core_ids().expect("read before"))
    });
    assert_eq!(
        pinned
            .join()
            .expect("does not panic")
            .expect("the core is in the mask"),
        [core]
    );

    // 1023 is the last id of the set and not a core here; 1024 lies outside the set.
    for id in [1023, 1024] {
        assert!(
            !here.allowed.contains(&CoreId { id }),
            "needs a machine without core {id}"
        );
        let error = pin_current(CoreId { id }).expect_err("there is no such core");
        assert!(
            error
                .to_string()
                .starts_with(&format!("can't pin to core {id}, runs unpinned: "))
        );
    }
}

#[test]
fn whole_machine_and_usable() {
    let online = "sys/devices/system/cpu/online";
    for (text, allowed, want) in [
        ("0-3\n", &[0, 1, 2, 3][..], true),
        ("0-3\n", &[0, 1, 3], false),
        ("0,2\n", &[0, 2], true),
        ("unreadable\n", &[1], true),
    ] {
        let root = Root::with(&[(online, text)]);
        assert_eq!(
            Topology::under(&root.0, ids(allowed)).whole_machine,
            want,
            "{text} {allowed:?}"
        );
    }
    for (quota, want) in [
        (None, 4),
        (Some(1), 1),
        (Some(1000), 1),
        (Some(1001), 2),
        (Some(9000), 4),
    ] {
        assert_eq!(
            topology(&[0, 1, 2, 3], true, quota).usable(),
            want,
            "{quota:?}"
        );
    }
    let unknown = Topology::under(&Root::with(&[]).0, Vec::new());
    assert!(unknown.cores >= 1 && unknown.whole_machine);
}
