//! Who holds a data directory: the content of the file `lock`.

use std::fmt;
use std::time::SystemTime;

/// The length of the file: it is overwritten and never cut, so that it is whole
/// however short the next holder's names are.
const LEN: usize = 512;

/// A process, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub(crate) pid: u32,
    /// The host's name: in a container, the container's.
    host: String,
    /// When it opened the directory.
    started: String,
    /// The namespace in which the process has this id.
    namespace: String,
}

impl Holder {
    pub(crate) fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            namespace: pid_namespace(),
        }
    }

    /// Lines of text, padded with empty ones.
    pub(super) fn encode(&self) -> String {
        let Self {
            pid,
            host,
            started,
            namespace,
        } = self;
        let mut text =
            format!("{pid}\nhost {host}\nstarted {started}\npid-namespace {namespace}\n");
        let missing = LEN.saturating_sub(text.len());
        text.extend(std::iter::repeat_n('\n', missing));
        text
    }

    /// Of earlier versions there is the process id only.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let value = |name| {
            let mut lines = text.lines();
            let found = lines.find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim().to_owned()
        };
        Some(Self {
            pid: text.lines().next()?.trim().parse().ok()?,
            host: value("host "),
            started: value("started "),
            namespace: value("pid-namespace "),
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if !self.host.is_empty() {
            write!(f, " on host {}", self.host)?;
        }
        if !self.started.is_empty() {
            write!(f, ", started {}", self.started)?;
        }
        if !self.namespace.is_empty() && self.namespace != pid_namespace() {
            write!(
                f,
                ", in another container or pid namespace, where alone this id means something"
            )?;
        }
        Ok(())
    }
}

/// Empty where there are none.
fn pid_namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid");
    link.map_or_else(
        |_| String::new(),
        |link| link.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_back_and_described() {
        let this = Holder::this_process();
        let text = this.encode();
        assert_eq!(text.len(), LEN);
        assert_eq!(Holder::decode(&text), Some(this.clone()));
        let told = this.to_string();
        let pid = std::process::id();
        assert!(
            told.starts_with(&format!("process {pid} on host ")),
            "{told}"
        );
        assert!(
            told.contains(", started 20") && !told.contains("namespace"),
            "{told}"
        );
        let elsewhere = Holder {
            namespace: "pid:[1]".into(),
            ..this
        };
        assert!(
            elsewhere.to_string().contains("pid namespace"),
            "{elsewhere}"
        );
        let earlier = Holder::decode("123\n").unwrap();
        assert_eq!(earlier.to_string(), "process 123");
        assert_eq!(Holder::decode(""), None);
        assert_eq!(Holder::decode("\n\n"), None);
    }
}
