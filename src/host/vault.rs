//! A value on pages of its own: in no core dump, not swapped out, not inherited, zeros once dropped.
//!
//! For a signing key, which must live as long as orders are signed. What a dump or a swap file must
//! not hold is kept out of them by the kernel; where it refuses (an old kernel, a small
//! RLIMIT_MEMLOCK) the value is kept all the same and `Kept` says what was not to be had.
//! Invariant: after the drop no byte of the value is left on these pages. What a constructor left on
//! the stack on its way here is for `bleach_stack`, called once the value stands.
//! Deliberately absent: values that own memory elsewhere (a `String`, a `Box`): their heap is theirs.
#![allow(unsafe_code, reason = "mmap, mlock and madvise have no safe wrapper in std")]

use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use zeroize::Zeroize;

/// Pages are whole multiples of this everywhere we run.
const PAGE: usize = 4_096;
/// Bytes of stack that `bleach_stack` clears: several times what parsing and signing a key take.
const BLEACHED: usize = 64 * 1_024;

/// What the kernel granted the pages of a `Vault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Left out of core dumps (MADV_DONTDUMP).
    pub undumped: bool,
    /// Never written to swap (mlock).
    pub unswapped: bool,
    /// Zeros in a child process (MADV_WIPEONFORK).
    pub uninherited: bool,
}

/// A value nobody copies: readable in place, wiped when dropped.
pub struct Vault<T> {
    value: NonNull<T>,
    mapped: usize,
    kept: Kept,
}

// SAFETY: a Vault owns its value as a Box does, and gives out shared references only.
unsafe impl<T: Send> Send for Vault<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Vault<T> {}

impl<T> Vault<T> {
    /// Moves a value onto pages of its own.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn new(value: T) -> io::Result<Vault<T>> {
        assert!(align_of::<T>() <= PAGE, "Invariant: a page aligns the value");
        let mapped = size_of::<T>().max(1).next_multiple_of(PAGE);
        // SAFETY: a fresh anonymous mapping is asked for; nothing that exists is touched.
        let pages = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let advise = |advice| {
            // SAFETY: the range is the mapping made above; the advice changes no content of it.
            unsafe { libc::madvise(pages, mapped, advice) == 0 }
        };
        let kept = Kept {
            undumped: advise(libc::MADV_DONTDUMP),
            // SAFETY: as above.
            unswapped: unsafe { libc::mlock(pages, mapped) == 0 },
            uninherited: advise(libc::MADV_WIPEONFORK),
        };
        let place = NonNull::new(pages.cast::<T>()).expect("a mapping is not at zero");
        // SAFETY: the pages are ours, writable, aligned and long enough for one T.
        unsafe { place.write(value) };
        Ok(Vault { value: place, mapped, kept })
    }

    /// What the kernel granted.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        self.kept
    }
}

impl<T> Deref for Vault<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value was written at construction and lives until the drop.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Vault<T> {
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here; afterwards the pages are plain bytes of ours, which
        // are wiped and given back, and nobody holds a reference into them.
        unsafe {
            self.value.drop_in_place();
            let bytes =
                std::slice::from_raw_parts_mut(self.value.as_ptr().cast::<u8>(), self.mapped);
            bytes.zeroize();
            libc::munmap(self.value.as_ptr().cast(), self.mapped);
        }
    }
}

/// Clears the stack below the caller: copies that parsing a key left there.
#[inline(never)]
pub fn bleach_stack() {
    let mut depth = [0xA5u8; BLEACHED];
    std::hint::black_box(&mut depth);
    depth.zeroize();
    std::hint::black_box(&depth);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The flags of the mapping that an address lies in, as the kernel tells them.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("our own maps");
        let mut inside = false;
        for line in maps.lines() {
            let span = line.split(' ').next().and_then(|span| span.split_once('-'));
            if let Some((from, to)) = span
                && let (Ok(from), Ok(to)) =
                    (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                inside = (from..to).contains(&address);
            }
            if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        Vec::new()
    }

    #[test]
    fn what_was_granted_is_what_the_kernel_shows() {
        let vault = Vault::new([7u8; 100]).expect("a page");
        let flags = flags(std::ptr::from_ref(&*vault) as usize);
        let has = |flag: &str| flags.iter().any(|of| of == flag);
        let kept = vault.kept();
        assert_eq!(
            (has("dd"), has("lo"), has("wf")),
            (kept.undumped, kept.unswapped, kept.uninherited)
        );
        assert!(kept.undumped, "every kernel since 3.4 keeps pages out of dumps");
        assert_eq!(*vault, [7; 100]);
    }

    #[test]
    fn canary_ordinary_memory_is_dumped() {
        let plain = Box::new([7u8; 100]);
        assert!(!flags(std::ptr::from_ref(&*plain) as usize).contains(&"dd".to_owned()));
    }

    #[test]
    fn the_value_is_dropped_once_wherever_the_last_owner_is() {
        struct Counted(Arc<AtomicU32>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let drops = Arc::new(AtomicU32::new(0));
        let vault = Arc::new(Vault::new(Counted(Arc::clone(&drops))).expect("a page"));
        let other = Arc::clone(&vault);
        std::thread::spawn(move || drop(other)).join().expect("no panic");
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(vault);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}
