//! Pins the calling thread to one CPU, by core_affinity.

/// Why a thread stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The process may not run there (or the CPU does not exist).
    #[error(
        "CPU {cpu} is not among those this process may use ({}); widen the cpuset or start it with \
         `taskset -c {cpu}`",
        super::cpulist::format(allowed)
    )]
    NotAllowed {
        /// The CPU asked for.
        cpu: u32,
        /// CPUs that are allowed.
        allowed: Vec<u32>,
    },
    /// The kernel refused.
    #[error(
        "the kernel refused to pin this thread to CPU {cpu}: a sandbox may forbid sched_setaffinity"
    )]
    Refused {
        /// The CPU asked for.
        cpu: u32,
    },
}

/// CPUs that the calling thread may run on, ascending.
#[must_use]
pub fn allowed() -> Vec<u32> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    ids.into_iter().filter_map(|core| u32::try_from(core.id).ok()).collect()
}

/// Pins the calling thread. Threads that it starts later inherit the pin.
///
/// # Errors
/// When the CPU is not allowed or the kernel refuses; the thread then stays as it was.
pub fn current_thread(cpu: u32) -> Result<(), PinError> {
    let allowed = allowed();
    if !allowed.contains(&cpu) {
        return Err(PinError::NotAllowed { cpu, allowed });
    }
    if core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize }) {
        Ok(())
    } else {
        Err(PinError::Refused { cpu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri schedules itself")]
    fn a_pinned_thread_may_run_nowhere_else() {
        for cpu in allowed() {
            let left = std::thread::spawn(move || current_thread(cpu).map(|()| allowed()));
            assert_eq!(left.join().expect("no panic"), Ok(vec![cpu]));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri schedules itself")]
    fn a_cpu_that_is_not_there_is_named() {
        let error = current_thread(100_000).expect_err("no machine has that many");
        assert!(error.to_string().starts_with("CPU 100000 is not among"), "{error}");
    }
}
