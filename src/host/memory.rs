//! Memory that does not fault under the lane: locked pages and huge pages, where allowed.
//!
//! Nothing here fails a program: each call says what it got, and a report passes that on.
//! Huge pages by madvise only; a hugetlb pool is detected (`cli::doctor`), not required.
#![allow(unsafe_code, reason = "mlockall, madvise and getrlimit have no safe wrapper in std")]

use std::fmt;

/// Bytes that a program may still take: what the kernel calls available, or what the control group
/// leaves, whichever is less. None where neither says.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok();
    let available = meminfo.as_deref().and_then(available_of);
    let group = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    let left = group("memory.max").zip(group("memory.current"));
    let left = left.map(|(most, used)| most.saturating_sub(used));
    [available, left].into_iter().flatten().min()
}

/// `MemAvailable:   1234 kB` of /proc/meminfo, in bytes.
fn available_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// What `lock_all` got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Every page of the process, present and future, stays in memory.
    All,
    /// The kernel refused.
    Refused {
        /// Bytes that RLIMIT_MEMLOCK allows; `None` is unlimited.
        limit: Option<u64>,
        /// What the kernel said.
        reason: String,
    },
}

/// What `advise_huge` got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Huge {
    /// The kernel backs this much of the range with huge pages now; it may add more later.
    Backed {
        /// Bytes on huge pages, as /proc/self/smaps has them.
        bytes: usize,
    },
    /// The kernel took the advice, and whether it followed cannot be read.
    Advised,
    /// The range holds no whole huge page.
    TooSmall,
    /// The kernel refused.
    Refused {
        /// What it said.
        reason: String,
    },
}

/// The size of a transparent huge page where /sys does not say.
const HUGE_DEFAULT: usize = 2 << 20;
const HUGE_SIZE_PATH: &str = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
/// Small pages are the same everywhere we run, and larger ones only touch less often.
const PAGE: usize = 4_096;

/// Locks all pages, present and future. Refused pages can still fault; the lane then jitters.
#[must_use]
pub fn lock_all() -> Locked {
    // SAFETY: mlockall takes flags only and changes no memory content.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } == 0 {
        return Locked::All;
    }
    let reason = std::io::Error::last_os_error().to_string();
    Locked::Refused { limit: lock_limit(), reason }
}

/// Undoes `lock_all`.
pub fn unlock_all() {
    // SAFETY: munlockall takes nothing and changes no memory content.
    unsafe { libc::munlockall() };
}

/// Whether `bytes` more could be locked: locks a block of its own and lets it go.
///
/// # Errors
/// What the kernel said.
pub fn lock_trial(bytes: usize) -> std::io::Result<()> {
    let block = vec![0u8; bytes];
    // SAFETY: the block is ours and lives until it is unlocked; mlock changes no content.
    let code = unsafe { libc::mlock(block.as_ptr().cast(), block.len()) };
    if code != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as above.
    unsafe { libc::munlock(block.as_ptr().cast(), block.len()) };
    Ok(())
}

/// Bytes that may be locked (RLIMIT_MEMLOCK, soft); `None` is unlimited.
#[must_use]
pub fn lock_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Asks for transparent huge pages under `memory` and touches every page, so that they are there.
///
/// Content is kept. Only whole huge pages inside the range count.
pub fn advise_huge(memory: &mut [u8]) -> Huge {
    let huge = huge_page_bytes();
    let start = memory.as_ptr() as usize;
    let skipped = start.next_multiple_of(huge) - start;
    let Some(len) = memory.len().checked_sub(skipped).map(|len| len / huge * huge) else {
        return Huge::TooSmall;
    };
    if len == 0 {
        return Huge::TooSmall;
    }
    let inner = &mut memory[skipped..skipped + len];
    // SAFETY: the range is ours and page-aligned; MADV_HUGEPAGE changes how it is backed, not what
    // it holds.
    let code = unsafe { libc::madvise(inner.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE) };
    if code != 0 {
        return Huge::Refused { reason: std::io::Error::last_os_error().to_string() };
    }
    for page in inner.chunks_mut(PAGE) {
        let first = std::hint::black_box(page[0]);
        page[0] = std::hint::black_box(first);
    }
    match std::fs::read_to_string("/proc/self/smaps") {
        Ok(maps) => Huge::Backed { bytes: huge_bytes(&maps, inner.as_ptr() as usize, len) },
        Err(_) => Huge::Advised,
    }
}

fn huge_page_bytes() -> usize {
    std::fs::read_to_string(HUGE_SIZE_PATH)
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok())
        .filter(|bytes| bytes.is_power_of_two())
        .unwrap_or(HUGE_DEFAULT)
}

/// Sums AnonHugePages of the mappings that overlap the range; a mapping gives at most its overlap.
fn huge_bytes(maps: &str, start: usize, len: usize) -> usize {
    let (mut overlap, mut bytes) = (0, 0);
    for line in maps.lines() {
        if let Some((low, high)) = mapping(line) {
            overlap = high.min(start + len).saturating_sub(low.max(start));
        } else if let Some(text) = line.strip_prefix("AnonHugePages:") {
            let kib = text.trim().trim_end_matches(" kB").parse().unwrap_or(0usize);
            bytes += kib.saturating_mul(1_024).min(overlap);
        }
    }
    bytes
}

/// `7f00-7f10 rw-p …` -> the addresses.
fn mapping(line: &str) -> Option<(usize, usize)> {
    let (low, high) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(low, 16).ok()?, usize::from_str_radix(high, 16).ok()?))
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Locked::All => write!(f, "all pages locked"),
            Locked::Refused { limit: Some(bytes), reason } => {
                write!(f, "not locked: {reason} (limit {} KiB)", bytes / 1_024)
            }
            Locked::Refused { limit: None, reason } => write!(f, "not locked: {reason}"),
        }
    }
}

impl fmt::Display for Huge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Huge::Backed { bytes } => write!(f, "{} KiB on huge pages", bytes / 1_024),
            Huge::Advised => write!(f, "huge pages advised"),
            Huge::TooSmall => write!(f, "too small for a huge page"),
            Huge::Refused { reason } => write!(f, "no huge pages: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no madvise")]
    fn advice_keeps_the_content() {
        let mut memory: Vec<u8> = (0..12u32 << 20).map(|i| (i % 251) as u8).collect();
        let got = advise_huge(&mut memory);
        assert!(memory.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
        assert!(!matches!(got, Huge::TooSmall), "{got}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no madvise")]
    fn small_ranges_are_told_so() {
        assert_eq!(advise_huge(&mut [0; 64]), Huge::TooSmall);
        assert_eq!(advise_huge(&mut []), Huge::TooSmall);
    }

    #[test]
    fn huge_bytes_count_only_inside_the_range() {
        let maps = "1000-3000 rw-p 0 0:0 0\nSize: 8 kB\nAnonHugePages:         4 kB\n\
                    3000-9000 rw-p 0 0:0 0 [heap]\nAnonHugePages:        24 kB\n\
                    9000-a000 rw-p 0 0:0 0\nAnonHugePages:         4 kB\n";
        assert_eq!(huge_bytes(maps, 0x2000, 0x3000), 4_096 + 2 * 4_096);
        assert_eq!(huge_bytes(maps, 0x10_000, 0x1000), 0);
    }

    #[test]
    fn what_was_got_reads_well() {
        let refused = Locked::Refused { limit: Some(8 << 20), reason: "not permitted".to_owned() };
        assert_eq!(refused.to_string(), "not locked: not permitted (limit 8192 KiB)");
        assert_eq!(Huge::Backed { bytes: 4 << 20 }.to_string(), "4096 KiB on huge pages");
    }
}
