//! A token file with one token.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::Directory;

/// What clients send.
pub(crate) const TOKEN: &str = "a-token-of-the-tests-that-is-long-enough-0123456789";

/// A file with the token, in a directory that is removed when dropped.
pub(crate) struct TokenFile {
    pub path: String,
    _directory: Directory,
}

impl TokenFile {
    /// With these options behind the token.
    pub(crate) fn new(options: &str) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let path = directory.0.join("tokens");
        fs::write(&path, format!("shop:{TOKEN} {options}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            path: path.into_os_string().into_string().unwrap(),
            _directory: directory,
        }
    }
}
