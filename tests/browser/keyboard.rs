//! Everything can be reached and used by the keyboard.

use crate::chromium::Browser;
use crate::harness::Service;
use crate::status_page::{StatusPage, open_ready};

/// Presses Tab until the focus is on what the expression selects.
fn tab_to(page: &StatusPage<'_>, selector: &str) {
    let is_there = format!("document.activeElement.matches({selector:?})");
    for _ in 0..40 {
        page.0.press("Tab", 9, "");
        if page.value(&is_there) == true {
            return;
        }
    }
    panic!("the keyboard doesn't reach {selector}");
}

#[test]
fn the_page_is_used_by_the_keyboard_alone() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    tab_to(&page, "#spans input");
    page.0.press("ArrowRight", 39, "");
    page.until("spanSeconds === 900");
    let shown =
        page.value("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle");
    assert_eq!(shown, "solid", "where the focus is");
    tab_to(&page, "#table-rates summary");
    page.0.press("Enter", 13, "\r");
    page.until(
        "at('table-rates').open && at('table-rates').querySelector('tbody').rows.length > 0",
    );
    tab_to(&page, "#try-id");
    page.value("document.activeElement.select()");
    page.0.type_text("typed");
    page.0.press("Enter", 13, "\r");
    page.until("at('try-reply').textContent.startsWith('201')");
    tab_to(&page, "#find-id");
    page.value("document.activeElement.select()");
    page.0.type_text("typed");
    page.0.press("Enter", 13, "\r");
    page.until("at('find-reply').textContent.startsWith('200')");
    tab_to(&page, "footer a");
}

#[test]
fn each_field_and_each_table_has_a_name() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.value("document.querySelectorAll('details').forEach((e) => { e.open = true; })");
    page.until("document.querySelectorAll('details table').length === CHARTS.length");
    let nameless = "[...document.querySelectorAll('input, [role=meter], section')].filter((e) => \
        !e.labels?.length && !e.ariaLabel && !e.getAttribute('aria-labelledby')).map((e) => e.outerHTML)";
    assert_eq!(page.value(nameless), serde_json::json!([]));
    let scopeless = "[...document.querySelectorAll('th:not([scope])')].map((e) => e.outerHTML)";
    assert_eq!(page.value(scopeless), serde_json::json!([]));
}
