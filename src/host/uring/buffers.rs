//! Provided buffers: memory that the kernel fills on its own while a multishot receive stands.
//!
//! Two anonymous mappings: the ring of descriptors (page-aligned, as the kernel demands) and the
//! buffers. Invariant: a buffer belongs either to the kernel (between `provide` and its completion)
//! or to us (from the completion until the next `provide` of its number).

#![allow(unsafe_code, reason = "memory shared with the kernel")]

use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

struct Mapping {
    at: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Mapping> {
        // SAFETY: a fresh anonymous mapping touches no memory of ours.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { at, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `at` and `len` are those of a mapping that nobody uses any more.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// The ring of provided buffers.
pub(super) struct Buffers {
    ring: Mapping,
    memory: Mapping,
    count: u16,
    size: usize,
    tail: u16,
}

impl Buffers {
    /// `count` (a power of two) buffers of `size` bytes, not yet provided.
    pub(super) fn new(count: u16, size: usize) -> io::Result<Buffers> {
        if !count.is_power_of_two() || size == 0 || size > u32::MAX as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Buffers {
            ring: Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?,
            memory: Mapping::new(usize::from(count) * size)?,
            count,
            size,
            tail: 0,
        })
    }

    /// Where the kernel finds the descriptors.
    pub(super) fn ring_address(&self) -> u64 {
        self.ring.at.as_ptr() as u64
    }

    /// Number of buffers.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of one buffer.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Gives every buffer to the kernel; called once, after registration.
    pub(super) fn provide_all(&mut self) {
        for id in 0..self.count {
            self.provide(id);
        }
    }

    /// Gives buffer `id` back to the kernel.
    pub(super) fn provide(&mut self, id: u16) {
        debug_assert!(id < self.count, "Invariant: the kernel names buffers that exist");
        let entries = self.ring.at.cast::<BufRingEntry>();
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: index < count, the mapping holds `count` descriptors, and the kernel does not
        // read those at or beyond the published tail.
        let entry = unsafe { &mut *entries.as_ptr().add(index) };
        // SAFETY: id < count, so the offset stays inside the mapping.
        let buffer = unsafe { self.memory.at.as_ptr().add(usize::from(id) * self.size) };
        entry.set_addr(buffer as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies inside the first descriptor, is two-byte aligned and lives as long
        // as the mapping; both sides access it atomically.
        unsafe {
            let tail = BufRingEntry::tail(entries.as_ptr()).cast_mut().cast::<u16>();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// The first `len` bytes of buffer `id`, which a completion has just handed to us.
    pub(super) fn filled(&mut self, id: u16, len: usize) -> &mut [u8] {
        let id = usize::from(id.min(self.count - 1));
        let len = len.min(self.size);
        // SAFETY: the range lies inside the mapping; the kernel gave the buffer up with the
        // completion and gets it back only by `provide`, which needs `&mut self` as well.
        unsafe { std::slice::from_raw_parts_mut(self.memory.at.as_ptr().add(id * self.size), len) }
    }
}
