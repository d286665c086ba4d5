//! The processor's time stamp counter as a clock: ticks -> `Nanos` of CLOCK_MONOTONIC_RAW.
//!
//! Calibrated once, against CLOCK_MONOTONIC_RAW, over `CALIBRATION`. Where the counter is not
//! invariant (or the machine is no x86-64) every reading is a `clock_gettime` instead.
//! Invariant: readings of one thread never go back. Two threads may disagree by what the hardware's
//! counters disagree. A reading is not fenced: it may move by a few instructions.
//! Deliberately absent: steering by NTP. The clock measures spans, it does not know the date.
#![allow(unsafe_code, reason = "clock_gettime has no safe wrapper in std for MONOTONIC_RAW")]

use super::clock::Clock;
use crate::units::Nanos;
use std::time::Duration;

/// How long the counter is watched: a bracket of 50 ns over 40 ms is about one part in a million.
const CALIBRATION: Duration = Duration::from_millis(40);
/// Brackets tried at either end; the narrowest counts.
const BRACKETS: usize = 64;
/// Readings per batch when the clock times itself.
const OVERHEAD_READINGS: u32 = 1_000;
/// Batches; the fastest counts, the others were interrupted.
const OVERHEAD_BATCHES: usize = 16;
/// Nanoseconds per tick are kept as a fraction of 2^32: good to 6e-10 at 2.4 GHz.
const SCALE_BITS: u32 = 32;

/// A clock over the time stamp counter, or over `clock_gettime` where that cannot be trusted.
#[derive(Clone, Copy, Debug)]
pub struct TscClock {
    source: Source,
    overhead_ns: f64,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Counter {
        ticks_at_base: u64,
        base: u64,
        /// Nanoseconds per tick times 2^32.
        scale: u64,
        error_ppm: f64,
    },
    Gettime,
}

/// One bracketed reading of both clocks.
#[derive(Clone, Copy)]
struct Bracket {
    ticks: u64,
    raw: u64,
    /// Ticks between the readings around `raw`.
    width: u64,
}

impl TscClock {
    /// Watches the counter for 40 ms and measures what a reading costs.
    #[must_use]
    pub fn calibrate() -> TscClock {
        let source = if counter_is_invariant() { Source::counter() } else { None };
        TscClock { source: source.unwrap_or(Source::Gettime), overhead_ns: 0.0 }.with_overhead()
    }

    /// The twin that asks the kernel each time.
    #[must_use]
    pub fn gettime() -> TscClock {
        TscClock { source: Source::Gettime, overhead_ns: 0.0 }.with_overhead()
    }

    /// Whether readings come from the counter.
    #[must_use]
    pub const fn is_counter(&self) -> bool {
        matches!(self.source, Source::Counter { .. })
    }

    /// What one reading costs, measured at calibration, nanoseconds.
    #[must_use]
    pub const fn overhead_ns(&self) -> f64 {
        self.overhead_ns
    }

    /// Ticks per second, when readings come from the counter.
    #[must_use]
    pub fn frequency_hz(&self) -> Option<f64> {
        match self.source {
            Source::Counter { scale, .. } => Some(1e9 * (1u64 << SCALE_BITS) as f64 / scale as f64),
            Source::Gettime => None,
        }
    }

    /// Bound on the error of the frequency, from the width of the brackets; parts per million.
    #[must_use]
    pub const fn error_ppm(&self) -> Option<f64> {
        match self.source {
            Source::Counter { error_ppm, .. } => Some(error_ppm),
            Source::Gettime => None,
        }
    }

    fn with_overhead(self) -> TscClock {
        let batch = || {
            let start = monotonic_raw();
            for _ in 0..OVERHEAD_READINGS {
                std::hint::black_box(self.now());
            }
            monotonic_raw() - start
        };
        let best = (0..OVERHEAD_BATCHES).map(|_| batch()).min().unwrap_or(0);
        TscClock { overhead_ns: best as f64 / f64::from(OVERHEAD_READINGS), ..self }
    }
}

impl Clock for TscClock {
    #[inline]
    fn now(&self) -> Nanos {
        match self.source {
            Source::Counter { ticks_at_base, base, scale, .. } => {
                let ticks = counter().saturating_sub(ticks_at_base);
                let span = (u128::from(ticks) * u128::from(scale)) >> SCALE_BITS;
                Nanos(base.wrapping_add(span as u64))
            }
            Source::Gettime => Nanos(monotonic_raw()),
        }
    }
}

impl Source {
    /// `None` when the counter stood still or ran backwards meanwhile.
    fn counter() -> Option<Source> {
        let first = Bracket::narrowest()?;
        std::thread::sleep(CALIBRATION);
        let last = Bracket::narrowest()?;
        let ticks = last.ticks.checked_sub(first.ticks).filter(|ticks| *ticks > 0)?;
        let nanos = last.raw.checked_sub(first.raw).filter(|nanos| *nanos > 0)?;
        let scale = (u128::from(nanos) << SCALE_BITS) / u128::from(ticks);
        let error_ppm = (first.width + last.width) as f64 / 2.0 / ticks as f64 * 1e6;
        let scale = u64::try_from(scale).ok().filter(|scale| *scale > 0)?;
        Some(Source::Counter { ticks_at_base: first.ticks, base: first.raw, scale, error_ppm })
    }
}

impl Bracket {
    fn narrowest() -> Option<Bracket> {
        (0..BRACKETS)
            .filter_map(|_| {
                let before = counter();
                let raw = monotonic_raw();
                let width = counter().checked_sub(before)?;
                Some(Bracket { ticks: before + width / 2, raw, width })
            })
            .min_by_key(|bracket| bracket.width)
    }
}

/// CPU time of this process, all its threads together, in seconds.
#[must_use]
pub fn process_time() -> f64 {
    kernel_clock(libc::CLOCK_PROCESS_CPUTIME_ID) as f64 / 1e9
}

/// CLOCK_MONOTONIC_RAW in nanoseconds.
fn monotonic_raw() -> u64 {
    kernel_clock(libc::CLOCK_MONOTONIC_RAW)
}

/// A clock of the kernel's, in nanoseconds.
fn kernel_clock(which: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec of ours; the call writes nothing else.
    let code = unsafe { libc::clock_gettime(which, &raw mut time) };
    assert_eq!(code, 0, "Invariant: Linux has these clocks since 2.6.28");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has rdtsc, and Linux leaves it open to user space.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn counter() -> u64 {
    monotonic_raw() // never asked: `counter_is_invariant` said no
}

/// Whether the counter ticks at one rate in every power state (CPUID 8000_0007h, EDX bit 8).
#[cfg(target_arch = "x86_64")]
#[must_use]
pub(crate) fn counter_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const POWER_LEAF: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    __cpuid(0x8000_0000).eax >= POWER_LEAF && __cpuid(POWER_LEAF).edx & INVARIANT_TSC != 0
}

/// Only the x86-64 counter is read directly.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub(crate) fn counter_is_invariant() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `clock` measures the same span as the kernel, to one part in a thousand.
    fn keeps_time(clock: &impl Clock) -> bool {
        let before = (monotonic_raw(), clock.now().0);
        std::thread::sleep(Duration::from_millis(50));
        let after = (clock.now().0, monotonic_raw());
        let longest = after.1 - before.0;
        let ours = after.0.saturating_sub(before.1);
        longest.abs_diff(ours) < longest / 1_000
    }

    /// A clock that runs 1 % fast.
    struct Fast(TscClock);

    impl Clock for Fast {
        fn now(&self) -> Nanos {
            let now = self.0.now().0;
            Nanos(now + now / 100)
        }
    }

    /// A neighbour may preempt us between two readings, so a true clock gets three chances.
    #[test]
    fn both_sources_keep_the_kernels_time() {
        for clock in [TscClock::calibrate(), TscClock::gettime()] {
            assert!((0..3).any(|_| keeps_time(&clock)), "{clock:?}");
        }
    }

    #[test]
    fn canary_a_fast_clock_is_caught() {
        assert!(!(0..3).any(|_| keeps_time(&Fast(TscClock::calibrate()))));
    }

    #[test]
    fn readings_never_go_back() {
        let clock = TscClock::calibrate();
        let mut last = clock.now();
        for _ in 0..200_000 {
            let now = clock.now();
            assert!(now >= last, "{now:?} after {last:?}");
            last = now;
        }
    }

    #[test]
    fn a_reading_has_a_price() {
        let clock = TscClock::calibrate();
        assert!(clock.overhead_ns() > 0.0 && clock.overhead_ns() < 10_000.0, "{clock:?}");
        assert_eq!(clock.is_counter(), clock.frequency_hz().is_some());
    }
}
