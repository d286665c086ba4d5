//! Opening the ring with the best flags this kernel takes, and saying which they were.

#![allow(unsafe_code, reason = "registering memory with the kernel")]

use crate::host::net::{NetError, NetSettings};
use crate::host::uring::buffers::Buffers;
use io_uring::types::Napi;
use io_uring::{IoUring, squeue};
use std::fmt;
use std::io;

/// Group of the provided buffers; there is only one.
pub(super) const BUFFER_GROUP: u16 = 0;
/// Submissions that fit before the kernel is entered.
const SUBMISSIONS: u32 = 256;

/// What the kernel granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// One thread submits (6.0).
    pub single_issuer: bool,
    /// Completions are worked off when we ask (6.1).
    pub defer_taskrun: bool,
    /// No interrupt of user code to work off completions (5.19).
    pub coop_taskrun: bool,
    /// The ring's flags show that work waits, so that spinning needs no system call (5.19).
    pub taskrun_flag: bool,
    /// Descriptors are looked up in a table of the ring (always).
    pub registered_files: bool,
    /// Microseconds that a blocking wait busy-polls the card's queue (6.9); zero when off or not
    /// granted.
    pub napi_busy_poll_us: u32,
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            ("SINGLE_ISSUER", self.single_issuer),
            ("DEFER_TASKRUN", self.defer_taskrun),
            ("COOP_TASKRUN", self.coop_taskrun),
            ("TASKRUN_FLAG", self.taskrun_flag),
            ("registered files", self.registered_files),
        ];
        for (i, (name, granted)) in flags.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let sign = if *granted { '+' } else { '-' };
            write!(f, "{comma}{sign}{name}")?;
        }
        match self.napi_busy_poll_us {
            0 => f.write_str(", -NAPI"),
            us => write!(f, ", +NAPI {us} us"),
        }
    }
}

/// Flag sets from best to plain.
const LADDER: [Features; 4] = [
    Features {
        single_issuer: true,
        defer_taskrun: true,
        coop_taskrun: true,
        taskrun_flag: true,
        registered_files: true,
        napi_busy_poll_us: 0,
    },
    Features {
        single_issuer: true,
        defer_taskrun: false,
        coop_taskrun: true,
        taskrun_flag: true,
        registered_files: true,
        napi_busy_poll_us: 0,
    },
    Features {
        single_issuer: false,
        defer_taskrun: false,
        coop_taskrun: true,
        taskrun_flag: true,
        registered_files: true,
        napi_busy_poll_us: 0,
    },
    Features {
        single_issuer: false,
        defer_taskrun: false,
        coop_taskrun: false,
        taskrun_flag: false,
        registered_files: true,
        napi_busy_poll_us: 0,
    },
];

fn build(features: &Features, completions: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::<squeue::Entry>::builder();
    builder.dontfork().setup_clamp().setup_cqsize(completions);
    if features.single_issuer {
        builder.setup_single_issuer();
    }
    if features.defer_taskrun {
        builder.setup_defer_taskrun();
    }
    if features.coop_taskrun {
        builder.setup_coop_taskrun();
    }
    if features.taskrun_flag {
        builder.setup_taskrun_flag();
    }
    builder.build(SUBMISSIONS)
}

/// Opens a ring, its table of `files` descriptors and its buffers.
pub(super) fn open(
    settings: &NetSettings,
    files: u32,
) -> Result<(IoUring, Buffers, Features), NetError> {
    let unsupported = |what| move |source| NetError::Unsupported { what, source };
    // A completion for each buffer, and for each connection its send, connect and cancel.
    let completions =
        (u32::from(settings.receive_buffers) + 4 * files).max(2 * SUBMISSIONS).next_power_of_two();
    let mut last = io::Error::from_raw_os_error(libc::ENOSYS);
    let mut opened = None;
    for features in LADDER {
        match build(&features, completions) {
            Ok(ring) => {
                opened = Some((ring, features));
                break;
            }
            Err(error) => last = error,
        }
    }
    let Some((ring, mut features)) = opened else {
        return Err(unsupported("io_uring")(last));
    };
    let submitter = ring.submitter();
    submitter.register_files_sparse(files).map_err(unsupported("io_uring's file table"))?;
    let mut buffers = Buffers::new(settings.receive_buffers, settings.receive_buffer)
        .map_err(unsupported("memory for receive buffers (a power of two, none empty)"))?;
    // SAFETY: the mapping holds `count` descriptors and outlives the ring: `UringNet` drops the
    // ring, with everything in flight ended, before the buffers.
    unsafe {
        let (at, count) = (buffers.ring_address(), buffers.count());
        submitter.register_buf_ring_with_flags(at, count, BUFFER_GROUP, 0)
    }
    .map_err(unsupported("io_uring's provided-buffer ring (Linux 5.19)"))?;
    buffers.provide_all();
    if settings.napi_busy_poll_us > 0 {
        let mut napi = Napi::new()
            .set_busy_poll_timeout(settings.napi_busy_poll_us)
            .set_prefer_busy_poll(true);
        if submitter.register_napi(&mut napi).is_ok() {
            features.napi_busy_poll_us = settings.napi_busy_poll_us;
        }
    }
    Ok((ring, buffers, features))
}
