//! A real browser: the status page as a person uses it, and what a page of
//! another site may do.
//!
//! | file | holds |
//! |---|---|
//! | `chromium.rs` | the browser, driven through a pipe |
//! | `status_page.rs` | the status page of a service, open in a tab |
//! | `orders.rs`, `token.rs`, `keyboard.rs` | it is used: orders, tokens, by the keyboard alone |
//! | `charts.rs`, `overload.rs`, `away.rs` | it is honest: history and gaps, a full queue, no answer |
//! | `hostile.rs`, `policy.rs` | it executes nothing but what it brings |
//! | `other_site.rs` | another site's page gets nothing |

#[path = "../harness/mod.rs"]
mod harness;

mod away;
mod charts;
mod chromium;
mod hostile;
mod keyboard;
mod orders;
mod other_site;
mod overload;
mod policy;
mod status_page;
mod token;
