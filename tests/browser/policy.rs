//! The page's policy: it holds, and the page keeps to it.

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::chromium::Browser;
use crate::harness::{Service, get, on_both_engines};
use crate::status_page::open_ready;

on_both_engines!(nothing_complains);

fn nothing_complains(engine: &str) {
    let service = Service::on(engine, &[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.until("samples.length >= 2");
    page.value("document.querySelectorAll('details').forEach((e) => { e.open = true; })");
    let light = page.value("color('--text')");
    let dark = json!({"features": [
        {"name": "prefers-color-scheme", "value": "dark"},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]});
    page.0.command("Emulation.setEmulatedMedia", dark);
    page.until("samples.length >= 3");
    assert_ne!(page.value("color('--text')"), light);
    let moves = "[...document.querySelectorAll('*')].filter((e) => \
        !['0s', ''].includes(getComputedStyle(e).transitionDuration)).length";
    assert_eq!(page.value(moves), 0, "who asks for no motion gets none");
    let phone = json!({"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": true});
    page.0.command("Emulation.setDeviceMetricsOverride", phone);
    page.until("at('chart-rates').querySelector('canvas').clientWidth < 390");
    let width = "document.documentElement.scrollWidth <= 390";
    assert_eq!(page.value(width), true, "nothing is cut off on a phone");
    // The other engine has no feed: that is asked for once.
    let complaints = page.0.complaints();
    assert!(
        complaints.iter().all(|what| what.contains("status of 501")),
        "{complaints:?}"
    );
    assert_eq!(
        complaints.len(),
        usize::from(engine != "native"),
        "{complaints:?}"
    );
}

#[test]
fn a_script_or_style_that_gets_into_the_page_is_not_executed() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.value(
        "(() => { const s = document.createElement('script'); s.append('window.ran = 1'); \
         try { document.body.append(s); } catch {} })()",
    );
    let sink = "(() => { try { document.body.innerHTML += '<img src=x onerror=\"window.ran = 1\">'; \
        return 'set'; } catch { return 'refused'; } })()";
    assert_eq!(page.value(sink), "refused");
    assert_eq!(page.value("typeof window.ran"), "undefined");
    let asked = "fetch('http://127.0.0.1:9/').then(() => 'asked', () => 'refused')";
    assert_eq!(page.value(asked), "refused");
    let complaints = page.0.complaints().join("\n");
    assert!(
        complaints.contains("Content Security Policy"),
        "{complaints}"
    );
    let policy = get(service.http, "/")
        .header("content-security-policy")
        .unwrap()
        .to_owned();
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// What the page brings along is what its README says.
#[test]
fn the_vendored_files_are_those_that_were_published() {
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api/page/vendor");
    let readme = std::fs::read_to_string(vendor.join("README.md")).unwrap();
    for name in ["uPlot.iife.min.js", "uPlot.min.css"] {
        let bytes = std::fs::read(vendor.join(name)).unwrap();
        let sum = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let row = readme
            .lines()
            .find(|line| line.contains(&format!("| `{name}`")));
        assert!(row.unwrap().contains(&sum), "{name}: {sum}");
    }
}
