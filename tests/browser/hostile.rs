//! An order whose members mean ill.

use crate::chromium::Browser;
use crate::harness::{Service, post};
use crate::status_page::open_ready;

const HOSTILE: &str = r#"{"id":"evil","value":-1,"<img src=x onerror=window.ran=1>":
    "</script><script>window.ran=1</script>","\"><svg onload=window.ran=1>":"${window.ran=1}"}"#;

#[test]
fn an_order_is_shown_as_text_and_runs_nothing() {
    let service = Service::start(&["--processor", "simulate", "--simulate", "1ms..1ms,fail=0"]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    assert_eq!(post(service.http, "", HOSTILE).status, 201);
    let longest = "x".repeat(64);
    let long = format!(
        r#"{{"id":"{longest}","value":1,"m":"{}"}}"#,
        "y".repeat(20_000)
    );
    assert_eq!(post(service.http, "", &long).status, 201);
    page.until("at('newest').rows.length === 2");
    let shown = page.value("at('newest').rows[1].cells[4].textContent");
    assert!(
        shown.as_str().unwrap().contains("<img src=x onerror="),
        "{shown}"
    );
    assert_eq!(
        page.value("at('newest').querySelectorAll('*:not(tr, th, td)').length"),
        0
    );
    page.set("find-id", "evil");
    page.send("find");
    page.until("at('find-reply').textContent.startsWith('200')");
    assert_eq!(page.value("at('find-reply').children.length"), 0);
    assert_eq!(page.value("typeof window.ran"), "undefined");
    let width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(
        page.value(width),
        true,
        "a long order makes the page no wider"
    );
}
