//! Chromium, driven by the DevTools protocol through a pipe: messages of JSON,
//! each ended by a zero byte.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Directory, PATIENCE};

/// A browser, killed when dropped.
pub(crate) struct Browser {
    child: Child,
    pipe: RefCell<Pipe>,
    /// Removed last.
    _profile: Directory,
}

struct Pipe {
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    /// What tabs have said beside answers.
    events: Vec<Value>,
}

/// A tab.
pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    session: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let program = names.into_iter().find(|name| {
            let found = Command::new(name).arg("--version").output();
            found.is_ok_and(|output| output.status.success())
        });
        let program = program.expect("chromium is installed: tests/run does it");
        let profile = Directory::new();
        // It reads descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .args([
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-features=HttpsUpgrades,LocalNetworkAccessChecks",
                "--no-proxy-server",
                "--host-resolver-rules=MAP evil.test 127.0.0.1",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let commands = child.stdin.take().expect("piped, above");
        let mut answers = BufReader::new(child.stdout.take().expect("piped, above"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                let text = message.strip_suffix(b"\0").unwrap_or(&message);
                let Ok(value) = serde_json::from_slice(text) else {
                    return; // the browser has ended
                };
                if sender.send(value).is_err() {
                    return; // the test has
                }
                message.clear();
            }
        });
        Self {
            child,
            pipe: RefCell::new(Pipe {
                commands,
                messages,
                last_id: 0,
                events: Vec::new(),
            }),
            _profile: profile,
        }
    }

    /// A new tab, which reports what its pages complain of.
    pub(crate) fn tab(&self) -> Tab<'_> {
        let created = self.command(None, "Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": created["targetId"], "flatten": true});
        let attached = self.command(None, "Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().expect("an id").to_owned();
        let tab = Tab {
            browser: self,
            session,
        };
        for domain in ["Runtime", "Log", "Page"] {
            tab.command(&format!("{domain}.enable"), json!({}));
        }
        tab
    }

    fn command(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let result = self.try_command(session, method, params);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The result, or the browser's error.
    fn try_command(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        let mut pipe = self.pipe.borrow_mut();
        pipe.last_id += 1;
        let id = pipe.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let message = format!("{message}\0");
        pipe.commands
            .write_all(message.as_bytes())
            .expect("it reads");
        loop {
            let message = pipe.messages.recv_timeout(PATIENCE * 2);
            let mut message = message.unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["id"] == id {
                return match message.get("error") {
                    None => Ok(message["result"].take()),
                    Some(error) => Err(error.clone()),
                };
            }
            pipe.events.push(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

impl Tab<'_> {
    pub(crate) fn command(&self, method: &str, params: Value) -> Value {
        self.browser.command(Some(&self.session), method, params)
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression; a promise is awaited.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let value = self.try_value(expression);
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same, unless the page that was asked has gone.
    fn try_value(&self, expression: &str) -> Result<Value, Value> {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let session = Some(self.session.as_str());
        let mut said = self
            .browser
            .try_command(session, "Runtime.evaluate", params)?;
        assert!(
            said.get("exceptionDetails").is_none(),
            "{expression}: {said}"
        );
        Ok(said["result"]["value"].take())
    }

    /// Waits until an expression holds. While a page loads it may throw, or have
    /// nowhere to be evaluated.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE * 2;
        let guarded =
            format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()");
        while self.try_value(&guarded) != Ok(json!(true)) {
            let late = Instant::now() >= deadline;
            assert!(
                !late,
                "never: {expression}\n{}",
                self.value("document.body.innerText")
            );
            thread::sleep(std::time::Duration::from_millis(20)); // between two polls
        }
    }

    /// Presses a key, with its number and the text that it enters.
    pub(crate) fn press(&self, key: &str, number: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut params =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": number});
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.command("Input.dispatchKeyEvent", params);
        }
    }

    pub(crate) fn type_text(&self, text: &str) {
        self.command("Input.insertText", json!({"text": text}));
    }

    /// What its pages have complained of so far: errors of scripts, of the
    /// console, and what the policy forbids.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.value("0"); // what was on its way before is here then
        let pipe = self.browser.pipe.borrow();
        let of_tab = |event: &&Value| event["sessionId"] == *self.session;
        let complaint = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(params["args"].to_string()),
                "Log.entryAdded" => Some(params["entry"]["text"].to_string()),
                _ => None,
            }
        };
        pipe.events
            .iter()
            .filter(of_tab)
            .filter_map(complaint)
            .collect()
    }
}
