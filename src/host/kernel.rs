//! What the running kernel can do with io_uring, found out by doing it.
//!
//! Version numbers lie (back-ports, sandboxes, seccomp), so every feature is used once on a small
//! ring of its own, over sockets of this process. Takes a few milliseconds; leaves nothing behind.
//! Deliberately absent: judgement. Whether a missing feature matters is `cli::doctor`'s business.
#![allow(
    unsafe_code,
    reason = "io_uring takes addresses of buffers, and keeps them until completion"
)]

use io_uring::types::{BufRingEntry, Fd, Fixed, Napi, SubmitArgs, Timespec};
use io_uring::{Builder, IoUring, cqueue, opcode, squeue};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io::{Error, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Entries of each trial ring.
const ENTRIES: u32 = 8;
/// Longest wait for a completion; everything tried completes at once.
const PATIENCE: Duration = Duration::from_millis(200);
/// Buffers in the trial buffer ring.
const BUFFERS: u16 = 8;
/// Size of each.
const BUFFER_BYTES: usize = 64;
/// What is sent.
const MESSAGE: &[u8] = b"bot4";
/// The kernel wants the buffer ring on a page boundary.
const PAGE: usize = 4_096;

type Plain = Builder<squeue::Entry, cqueue::Entry>;

/// One feature and whether it worked.
#[derive(Debug)]
pub struct Feature {
    /// Short name, stable: a key for scripts.
    pub name: &'static str,
    /// First kernel that has it.
    pub since: &'static str,
    /// What happened when it was tried.
    pub tried: Result<()>,
}

/// Tries everything the transport would like to use, one feature at a time.
#[must_use]
pub fn probe_uring() -> Vec<Feature> {
    let feature = |name, since, tried| Feature { name, since, tried };
    vec![
        feature("ring", "5.1", try_setup(|b| b)),
        feature("single_issuer", "6.0", try_setup(|b| b.setup_single_issuer())),
        feature("coop_taskrun", "5.19", try_setup(|b| b.setup_coop_taskrun())),
        feature(
            "defer_taskrun",
            "6.1",
            try_setup(|b| b.setup_single_issuer().setup_defer_taskrun()),
        ),
        feature("registered_files", "5.1", try_registered_files()),
        feature("provided_buffer_ring", "5.19", try_receive(false)),
        feature("multishot_receive", "6.0", try_receive(true)),
        feature("zero_copy_send", "6.0", try_send_zero_copy()),
        feature("napi_busy_poll", "6.9", try_napi()),
    ]
}

/// A ring with these flags that also completes something.
fn try_setup(flags: impl FnOnce(&mut Plain) -> &mut Plain) -> Result<()> {
    let mut builder = IoUring::builder();
    flags(&mut builder);
    let mut ring = builder.build(ENTRIES)?;
    complete(&mut ring, &opcode::Nop::new().build()).map(drop)
}

fn try_registered_files() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut ring = IoUring::new(ENTRIES)?;
    ring.submitter().register_files(&[ours.as_raw_fd()])?;
    let send = opcode::Write::new(Fixed(0), MESSAGE.as_ptr(), MESSAGE.len() as u32).build();
    let (sent, _) = complete(&mut ring, &send)?;
    drop(theirs);
    expect(sent == MESSAGE.len() as u32, "sent a part only")
}

fn try_receive(multishot: bool) -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    theirs.write_all(MESSAGE)?;
    let buffers = BufferRing::new()?;
    let mut ring = IoUring::new(ENTRIES)?;
    // SAFETY: the entries live in `buffers`, which outlives the ring: the ring is dropped below.
    unsafe {
        ring.submitter().register_buf_ring_with_flags(buffers.entries as u64, BUFFERS, 0, 0)?;
    }
    let receive = if multishot {
        opcode::RecvMulti::new(Fd(ours.as_raw_fd()), 0).build()
    } else {
        opcode::Recv::new(Fd(ours.as_raw_fd()), std::ptr::null_mut(), BUFFER_BYTES as u32)
            .buf_group(0)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
    };
    let received = complete(&mut ring, &receive);
    // Ends a multishot receive before its buffers go: the peer hangs up, and the last completion is
    // taken. Dropping the ring then has nothing left to cancel.
    drop(theirs);
    if received.as_ref().is_ok_and(|(_, flags)| cqueue::more(*flags)) {
        let _ = wait(&mut ring);
    }
    drop(ring);
    let (len, flags) = received?;
    expect(cqueue::buffer_select(flags).is_some(), "no buffer was taken from the ring")?;
    expect(len == MESSAGE.len() as u32, "received another length")?;
    expect(!multishot || cqueue::more(flags), "the receive ended after one message")
}

fn try_send_zero_copy() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let _theirs = listener.accept()?;
    let mut ring = IoUring::new(ENTRIES)?;
    let send = opcode::SendZc::new(Fd(ours.as_raw_fd()), MESSAGE.as_ptr(), MESSAGE.len() as u32);
    let (sent, _) = complete(&mut ring, &send.build())?;
    expect(sent == MESSAGE.len() as u32, "sent a part only")
}

fn try_napi() -> Result<()> {
    let ring = IoUring::new(ENTRIES)?;
    let mut napi = Napi::new().set_busy_poll_timeout(1);
    ring.submitter().register_napi(&mut napi)
}

/// Submits one entry whose buffers live long enough and waits: its result and flags.
fn complete(ring: &mut IoUring, entry: &squeue::Entry) -> Result<(u32, u32)> {
    // SAFETY: every caller keeps what the entry points at alive until the ring is gone (the message
    // is static, the buffer ring is dropped after the ring).
    let pushed = unsafe { ring.submission().push(entry) };
    pushed.map_err(|_| Error::other("the submission queue is full"))?;
    wait(ring)?;
    let completion = ring.completion().next();
    let completion = completion.ok_or_else(|| Error::other("nothing completed"))?;
    let result = completion.result();
    if result < 0 {
        return Err(Error::from_raw_os_error(-result));
    }
    Ok((result as u32, completion.flags()))
}

/// Submits and waits for one completion, with patience.
fn wait(ring: &mut IoUring) -> Result<usize> {
    let patience = Timespec::from(PATIENCE);
    ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&patience))
}

fn expect(holds: bool, otherwise: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::other(otherwise)) }
}

/// A page of ring entries and the buffers they name.
struct BufferRing {
    entries: *mut BufRingEntry,
    _buffers: Vec<u8>,
}

impl BufferRing {
    const LAYOUT: Layout = match Layout::from_size_align(PAGE, PAGE) {
        Ok(layout) => layout,
        Err(_) => panic!("Invariant: a page is a valid layout"),
    };

    fn new() -> Result<BufferRing> {
        // SAFETY: the layout is one page, not zero.
        let entries: *mut BufRingEntry = unsafe { alloc_zeroed(BufferRing::LAYOUT) }.cast();
        if entries.is_null() {
            return Err(Error::other("no memory for a buffer ring"));
        }
        let mut buffers = vec![0u8; usize::from(BUFFERS) * BUFFER_BYTES];
        for (id, buffer) in buffers.chunks_mut(BUFFER_BYTES).enumerate() {
            // SAFETY: `id` is below BUFFERS, and BUFFERS entries of 16 bytes fit the zeroed page.
            let entry = unsafe { &mut *entries.add(id) };
            entry.set_addr(buffer.as_mut_ptr() as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id as u16);
        }
        // SAFETY: `entries` is the base of the ring, where the kernel keeps the tail; nobody else
        // looks at it before it is registered.
        unsafe { *BufRingEntry::tail(entries).cast_mut() = BUFFERS };
        Ok(BufferRing { entries, _buffers: buffers })
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.entries.cast(), BufferRing::LAYOUT) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no io_uring")]
    fn every_feature_is_tried_and_names_are_unique() {
        let features = probe_uring();
        for feature in &features {
            eprintln!("{}: {:?}", feature.name, feature.tried);
        }
        let names: std::collections::BTreeSet<_> = features.iter().map(|f| f.name).collect();
        assert_eq!((names.len(), features[0].name), (9, "ring"));
        // Without a ring nothing else can work.
        let works = |feature: &Feature| feature.tried.is_ok();
        assert!(works(&features[0]) || !features.iter().any(works));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no io_uring")]
    fn canary_a_refused_feature_is_seen() {
        // DEFER_TASKRUN without SINGLE_ISSUER is an error on every kernel.
        let tried = try_setup(|builder| builder.setup_defer_taskrun());
        assert!(tried.is_err());
    }
}
