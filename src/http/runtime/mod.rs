//! How a coroutine is woken: by the pipeline, and by time.

mod deadlines;
#[cfg(all(test, orders_loom))]
mod loom_models;
pub(crate) mod relay;
pub(crate) mod run_queue;
pub(crate) mod timers;

#[cfg(test)]
mod tests;
