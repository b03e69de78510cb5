//! How a coroutine is woken: by the pipeline, and by time.

pub(crate) mod run_queue;
pub(crate) mod timers;

#[cfg(test)]
mod tests;
