//! Time that the hypervisor gave to someone else: /proc/stat -> nanoseconds of steal per CPU.
//!
//! A latency report from a virtual machine means little without it. Resolution is the kernel's tick
//! (usually 10 ms), so a zero over a short run says "less than a tick".
#![allow(unsafe_code, reason = "sysconf has no safe wrapper in std")]

const PATH: &str = "/proc/stat";
/// Position of steal after the name: user nice system idle iowait irq softirq steal.
const STEAL_FIELD: usize = 7;

/// Steal since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steal {
    /// All CPUs together, nanoseconds.
    pub total_ns: u64,
    /// Each CPU, nanoseconds, by its number.
    pub per_cpu: Vec<(u32, u64)>,
}

/// Why steal is unknown.
#[derive(Debug, thiserror::Error)]
pub enum StealError {
    /// The file cannot be read.
    #[error("cannot read {PATH}: {0}; mount /proc")]
    Unreadable(#[from] std::io::Error),
    /// The file has another shape.
    #[error("{PATH} line {line}: {what}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Steal {
    /// What the kernel counts now.
    ///
    /// # Errors
    /// When /proc/stat is missing or has another shape.
    pub fn read() -> Result<Steal, StealError> {
        Steal::parse(&std::fs::read_to_string(PATH)?, Steal::hertz())
    }

    /// The kernel's accounting ticks per second.
    #[must_use]
    pub fn hertz() -> u64 {
        // SAFETY: sysconf reads a constant of the system.
        let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        u64::try_from(hertz).unwrap_or(100).max(1)
    }

    /// Reads the text of /proc/stat, whose unit is one `hertz`-th of a second.
    ///
    /// # Errors
    /// When a CPU's line has no number where steal belongs, or there is no line of totals.
    pub fn parse(text: &str, hertz: u64) -> Result<Steal, StealError> {
        let tick_ns = 1_000_000_000 / hertz;
        let mut steal = Steal::default();
        let mut totals = false;
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let mut fields = text.split_ascii_whitespace();
            let Some(cpu) = fields.next().and_then(|name| name.strip_prefix("cpu")) else {
                continue;
            };
            let ticks = fields
                .nth(STEAL_FIELD)
                .and_then(|field| field.parse::<u64>().ok())
                .ok_or(StealError::Malformed { line, what: "no number in the eighth field" })?;
            let ns = ticks.saturating_mul(tick_ns);
            if cpu.is_empty() {
                (steal.total_ns, totals) = (ns, true);
            } else {
                let cpu = cpu
                    .parse()
                    .map_err(|_| StealError::Malformed { line, what: "no number after `cpu`" })?;
                steal.per_cpu.push((cpu, ns));
            }
        }
        if totals { Ok(steal) } else { Err(StealError::Malformed { line: 1, what: "no totals" }) }
    }

    /// Steal of one CPU, nanoseconds.
    #[must_use]
    pub fn of(&self, cpu: u32) -> Option<u64> {
        self.per_cpu.iter().find(|(id, _)| *id == cpu).map(|(_, ns)| *ns)
    }

    /// What was stolen since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Steal) -> Steal {
        let per_cpu = self
            .per_cpu
            .iter()
            .map(|(cpu, ns)| (*cpu, ns.saturating_sub(earlier.of(*cpu).unwrap_or(0))))
            .collect();
        Steal { total_ns: self.total_ns.saturating_sub(earlier.total_ns), per_cpu }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cpu  10 0 20 300 4 0 1 7 0 0\ncpu0 5 0 10 150 2 0 1 3 0 0\n\
                        cpu1 5 0 10 150 2 0 0 4 0 0\nintr 123 4\nctxt 5\n";

    #[test]
    fn reads_the_eighth_field() {
        let steal = Steal::parse(TEXT, 100).expect("well-formed");
        assert_eq!(steal.total_ns, 70_000_000);
        assert_eq!(
            (steal.of(0), steal.of(1), steal.of(2)),
            (Some(30_000_000), Some(40_000_000), None)
        );
    }

    #[test]
    fn a_difference_is_per_cpu() {
        let earlier = Steal { total_ns: 50_000_000, per_cpu: vec![(1, 30_000_000)] };
        let since = Steal::parse(TEXT, 100).expect("well-formed").since(&earlier);
        assert_eq!(since.total_ns, 20_000_000);
        assert_eq!(since.per_cpu, [(0, 30_000_000), (1, 10_000_000)]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, expected) in [
            ("cpu 1 2 3\n", "/proc/stat line 1: no number in the eighth field"),
            (
                "cpu 0 0 0 0 0 0 0 0\ncpuX 0 0 0 0 0 0 0 0",
                "/proc/stat line 2: no number after `cpu`",
            ),
            ("", "/proc/stat line 1: no totals"),
        ] {
            let error = Steal::parse(text, 100).expect_err("malformed");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no /proc")]
    fn this_machine_has_a_row_per_cpu() {
        let steal = Steal::read().expect("Linux has /proc/stat");
        assert!(!steal.per_cpu.is_empty());
    }
}
