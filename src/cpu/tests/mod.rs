//! Plans as a table, and cgroup trees written to a temporary directory.

mod cgroup;
mod plan;
mod topology;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cpu::topology::{CoreId, Topology};

fn ids(ids: &[usize]) -> Vec<CoreId> {
    ids.iter().map(|&id| CoreId { id }).collect()
}

fn topology(allowed: &[usize], whole_machine: bool, quota_millicores: Option<u64>) -> Topology {
    Topology {
        allowed: ids(allowed),
        cores: allowed.len(),
        whole_machine,
        quota_millicores,
    }
}

/// A directory that replaces `/`, removed in the end.
struct Root(PathBuf);

impl Root {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("order-processor-affinity-{}-{number}", std::process::id());
        let root = Self(std::env::temp_dir().join(name));
        // Of an earlier process with this number, which was killed.
        let _ = fs::remove_dir_all(&root.0);
        for (path, text) in files {
            let path = root.0.join(path);
            fs::create_dir_all(path.parent().expect("every file is below the root"))
                .expect("the temporary directory can be written");
            fs::write(path, text).expect("the temporary directory can be written");
        }
        root
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A directory that is left behind does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
