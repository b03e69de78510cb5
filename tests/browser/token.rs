//! A service that asks for a token.

use std::fs;

use crate::chromium::Browser;
use crate::harness::{Directory, Service};
use crate::status_page::open;

#[test]
fn the_page_asks_for_a_token() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    let text = "a:token-that-submits scope=submit\nb:token-that-reads scope=read\n";
    fs::write(&path, text).unwrap();
    let service = Service::start(&["--token-file", path.to_str().unwrap()]);
    let browser = Browser::start();
    let page = open(&browser, &service);
    let asks_for_one = || page.value("!at('token-form').hidden");
    let enter = |token: &str| {
        page.set("token", token);
        page.send("token-form");
    };
    page.until_state("Token needed");
    let why = "The figures are shown to bearers of a token.";
    assert_eq!(
        page.value("at('main').hidden"),
        true,
        "there is nothing to show"
    );
    assert_eq!(
        (page.text("banner"), asks_for_one()),
        (why.to_owned(), true.into())
    );
    enter("token-that-is-wrong");
    page.until("at('banner').textContent.includes('not known')");
    assert_eq!(
        page.value("sessionStorage.getItem(TOKEN)"),
        serde_json::Value::Null
    );
    enter("token-that-submits");
    page.until("at('banner').textContent.includes('not for reading')");
    assert_eq!(asks_for_one(), true);
    enter("token-that-reads");
    page.until_state("Ready");
    assert_eq!(
        (page.text("total-accepted"), asks_for_one()),
        ("0".to_owned(), false.into())
    );
    // Whose requests they are.
    page.until("at('bearers').rows.length === 2");
    assert!(page.text("bearers").contains('b'));
    page.reload();
    page.until_state("Ready");
    assert_eq!(asks_for_one(), false);
    assert_eq!(page.value("location.search + location.hash"), "");
}
