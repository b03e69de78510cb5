//! `SubmitStream`: many orders, one response for each, in order.
//!
//! One state machine, driven by the response side: nothing is read while the
//! client takes no responses, or while as many orders, or bytes of them, as one
//! stream may have are without one, and HTTP/2 flow control passes that on. An
//! order that finds the queue full waits, and nothing is read behind it.
//!
//! | file | holds |
//! |---|---|
//! | `submissions` | the state machine |
//! | `intake` | requests as entries: decoded, or answered at once |
//! | `waiting_order` | an order that the queue has not taken yet |
//! | `entry`, `response_queue` | requests without a response, in order |
//! | `response` | what they are answered with |

mod entry;
mod intake;
mod response;
mod response_queue;
mod submissions;
mod waiting_order;

pub(super) use self::intake::OfCall;
pub(super) use self::submissions::{Responses, serve};
