//! The status page of a service, open in a tab.

use serde_json::{Value, json};

use crate::chromium::{Browser, Tab};
use crate::harness::Service;

/// Opens the page; it may not have an answer yet.
pub(crate) fn open<'a>(browser: &'a Browser, service: &Service) -> StatusPage<'a> {
    let tab = browser.tab();
    tab.open(&format!("http://{}/", service.http));
    let page = StatusPage(tab);
    page.until("document.readyState === 'complete' && CHARTS.every((chart) => chart.plot)");
    page
}

/// The page of a service that is ready, with its first figures.
pub(crate) fn open_ready<'a>(browser: &'a Browser, service: &Service) -> StatusPage<'a> {
    let page = open(browser, service);
    page.until_state("Ready");
    page
}

pub(crate) struct StatusPage<'a>(pub(crate) Tab<'a>);

impl StatusPage<'_> {
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.0.value(expression)
    }

    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        self.0.until(expression);
    }

    /// Waits until the word at the top is this one.
    #[track_caller]
    pub(crate) fn until_state(&self, word: &str) {
        self.until(&format!("{} === {word:?}", text("state")));
    }

    /// The text of an element.
    #[track_caller]
    pub(crate) fn text(&self, id: &str) -> String {
        let text = self.value(&text(id));
        text.as_str().expect("a text").to_owned()
    }

    /// Enters a value into a field of a form.
    pub(crate) fn set(&self, id: &str, value: &str) {
        self.value(&format!(
            "document.getElementById({id:?}).value = {}",
            json!(value)
        ));
    }

    pub(crate) fn send(&self, form: &str) {
        self.value(&format!(
            "document.getElementById({form:?}).requestSubmit()"
        ));
    }

    /// Loads it anew.
    pub(crate) fn reload(&self) {
        self.value("window.isOld = true");
        self.0.command("Page.reload", json!({}));
        self.until("window.isOld === undefined && document.readyState === 'complete' && poll");
    }
}

fn text(id: &str) -> String {
    format!("document.getElementById({id:?}).textContent")
}
