//! A global allocator that counts, thread by thread, over mimalloc.
//!
//! The binary and the tests that prove "no allocation after warm-up" install it:
//!
//! ```
//! use bot4::host::allocation::{CountingAllocator, thread_allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::new();
//!
//! let before = thread_allocations();
//! let boxed = Box::new(7);
//! assert_eq!(thread_allocations() - before, 1);
//! # drop(boxed);
//! ```
//!
//! Invariant: counting neither allocates nor locks. Where another allocator is installed the count
//! stays zero; `is_installed` tells the two zeros apart.
#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    // A const value without a destructor: reading it can neither allocate nor come too late.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// mimalloc, counted.
#[derive(Debug, Default)]
pub struct CountingAllocator(());

impl CountingAllocator {
    /// For `#[global_allocator]`.
    #[must_use]
    pub const fn new() -> CountingAllocator {
        CountingAllocator(())
    }
}

/// Allocations and reallocations of this thread since it began.
#[inline]
#[must_use]
pub fn thread_allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Whether this program counts: allocates once and looks.
#[must_use]
pub fn is_installed() -> bool {
    let before = thread_allocations();
    drop(std::hint::black_box(Box::new(0u8)));
    thread_allocations() > before
}

#[inline]
fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes on to mimalloc unchanged; counting touches only a thread-local integer.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are mimalloc's.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are mimalloc's.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are mimalloc's.
        unsafe { MiMalloc.realloc(block, layout, size) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are mimalloc's.
        unsafe { MiMalloc.dealloc(block, layout) }
    }
}
