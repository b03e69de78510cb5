//! The charts and their history: bounded, and honest about gaps.

use crate::chromium::Browser;
use crate::harness::Service;
use crate::status_page::open_ready;

#[test]
fn an_hour_is_kept_and_no_more() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.value(
        "(() => { const now = Date.now(); for (let i = 20000; i > 0; i -= 1) \
         remember({ t: now - i * 500, accepted: 1, processed: 1, failed: 0, rejected: 0, depth: 1, p50: 0.01, p99: 0.1 }); })()",
    );
    assert_eq!(page.value("samples.length <= SAMPLES_MAX"), true);
    assert_eq!(
        page.value("samples.at(-1).t - samples[0].t <= HISTORY_MS"),
        true
    );
    // All of it can be drawn, shown as a table, and kept.
    page.value("document.querySelector('#spans [value=\"3600\"]').click()");
    page.value("at('table-latency').open = true");
    page.until("at('table-latency').querySelector('tbody').rows.length > 0");
    let kept = page.value("samples.length");
    page.reload();
    page.until_state("Ready");
    let now = page.value("samples.length");
    assert!(
        now.as_u64() >= kept.as_u64().map(|n| n - 1),
        "{now} of {kept}"
    );
}

#[test]
fn nothing_is_asked_in_the_background_and_the_gap_is_shown() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.until("samples.length >= 2");
    let hide = |hidden: bool| {
        page.value(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    hide(true);
    page.until_state("Paused");
    assert_eq!(page.value("request"), serde_json::Value::Null);
    let before = page.value("samples.length");
    // As if it had been hidden for a while, with its timers throttled.
    page.value("samples.forEach((s) => { s.t -= 20000; })");
    hide(false);
    page.until_state("Ready");
    page.until(&format!("samples.length > {before}"));
    assert_eq!(
        page.value(&format!("samples[{before}].accepted")),
        serde_json::Value::Null
    );
    let rows = page.value("columns(['depth'], 120)[1].filter((n) => n === null).length");
    // A browser that was held up has one more.
    assert!(
        rows.as_u64() >= Some(1),
        "a gap between what was before and what came after"
    );
}

#[test]
fn the_cursor_says_what_was_then() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.until("samples.length >= 3");
    let at = page.value("(() => { const r = at('chart-rates').querySelector('.u-over').getBoundingClientRect(); return [r.right - 2, r.top + 50]; })()");
    let (x, y) = (&at[0], &at[1]);
    let params = serde_json::json!({"type": "mouseMoved", "x": x, "y": y});
    page.0.command("Input.dispatchMouseEvent", params);
    page.until(r"/^\d\d:\d\d:\d\d$/.test(CHARTS[0].time.textContent)");
    // All charts point at the same moment.
    page.until(r"/^\d\d:\d\d:\d\d$/.test(CHARTS[1].time.textContent)");
    assert!(page.text("legend-queue").contains("in the queue 0"));
}
