//! A test order, a look-up, the newest outcomes, and a reload.

use serde_json::json;

use crate::chromium::Browser;
use crate::harness::Directory;
use crate::status_page::open_ready;

#[test]
fn the_page_sends_an_order_and_shows_the_newest() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    let reply = |form: &str, status: u16| {
        page.until(&format!(
            "at('{form}-reply').textContent.startsWith('{status}')"
        ));
        page.text(&format!("{form}-reply"))
    };
    assert!(page.text("newest-none").contains("curl"), "a way to begin");
    assert_eq!(
        page.value("/^test-[a-z0-9]+$/.test(at('try-id').value)"),
        true
    );
    page.set("try-id", "by-hand");
    page.set("try-value", "12.50");
    page.send("try");
    reply("try", 201);
    page.send("try");
    assert!(reply("try", 200).contains(r#""duplicate":true"#));
    page.set("try-id", "<b>&");
    assert_eq!(page.value("at('try-id').validity.valid"), false);
    page.set("try-id", "fails");
    page.set("try-value", "-1");
    page.send("try");
    reply("try", 422);
    page.until("at('newest').rows.length === 2");
    let cells =
        "[...at('newest').rows].map((row) => [1, 2, 4].map((i) => row.cells[i].textContent))";
    assert_eq!(
        page.value(cells),
        json!([
            ["fails", "failed", "value must be above zero"],
            ["by-hand", "processed", r#"{"value":"12.50"}"#],
        ])
    );
    assert_eq!(page.value("at('newest-none').hidden"), true);
    page.set("find-id", "by-hand");
    page.send("find");
    assert!(reply("find", 200).contains(r#""status":"processed""#));
    page.until("at('stages-span').textContent.startsWith('last ')");
    let ledger = page.text("ledger-facts");
    for shown in [
        "Last sequence2",
        "Oldest kept1",
        "Segments with outcomes1",
        "Disk free",
    ] {
        assert!(ledger.contains(shown), "{shown} in {ledger}");
    }
    assert!(page.text("connection-facts").contains("gRPCoff"));
    assert!(page.text("connection-facts").contains(" of 10,000"));

    // What the charts show outlives a reload.
    page.until("samples.length >= 3");
    let first = page.value("samples[0].t");
    page.reload();
    page.until_state("Ready");
    assert_eq!(page.value("samples[0].t"), first);
    service.drain();
}
