//! A hint to the CPU: this memory is read soon.
//!
//! The tables that every order's id is looked up in are far larger than a
//! processor's caches. The address that a look-up reads first is known as soon
//! as the id is, some hundred nanoseconds before the look-up: time enough to
//! fetch it.

/// Has the cache line at `target` fetched, where there is an instruction for it
/// that Rust knows (x86-64); elsewhere it does nothing.
#[inline]
pub(crate) fn prefetch<T>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is part of every x86-64, changes nothing a
        // program can see, and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}

/// The same for a line that is about to be written, by this core: no other one
/// has a copy of it then.
#[inline]
pub(crate) fn prefetch_write<T>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction changes nothing a program can see, and faults at
    // no address; a processor without it does nothing (Intel SDM, PREFETCHW).
    unsafe {
        std::arch::asm!(
            "prefetchw [{}]",
            in(reg) std::ptr::from_ref(target),
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}
