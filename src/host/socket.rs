//! What both transports share: making sockets, the send buffer, the slot table.
//!
//! Invariant: a [`SendBuffer`] never moves nor grows, so the kernel may read from it while more
//! bytes are appended behind.

#![allow(unsafe_code, reason = "socket(2) and connect(2) have no non-blocking form in std")]

use crate::host::net::{ConnId, NetError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A socket address in the kernel's layout.
#[derive(Clone, Copy)]
pub(super) struct RawAddr {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddr {
    /// An address that names nothing.
    pub(super) fn empty() -> RawAddr {
        // SAFETY: sockaddr_storage is plain data; all zeros is an unspecified address.
        RawAddr { storage: unsafe { std::mem::zeroed() }, len: 0 }
    }

    pub(super) fn new(addr: SocketAddr) -> RawAddr {
        let mut raw = RawAddr::empty();
        let storage = (&raw mut raw.storage).cast::<u8>();
        match addr {
            SocketAddr::V4(v4) => {
                // SAFETY: sockaddr_in is plain data; all zeros is valid.
                let mut sin: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                sin.sin_family = libc::AF_INET as libc::sa_family_t;
                sin.sin_port = v4.port().to_be();
                sin.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                // SAFETY: sockaddr_storage is larger than and aligned for every address type.
                unsafe { storage.cast::<libc::sockaddr_in>().write(sin) };
                raw.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(v6) => {
                // SAFETY: sockaddr_in6 is plain data; all zeros is valid.
                let mut sin6: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                sin6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                sin6.sin6_port = v6.port().to_be();
                sin6.sin6_addr.s6_addr = v6.ip().octets();
                sin6.sin6_flowinfo = v6.flowinfo();
                sin6.sin6_scope_id = v6.scope_id();
                // SAFETY: as above.
                unsafe { storage.cast::<libc::sockaddr_in6>().write(sin6) };
                raw.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        raw
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(super) fn len(&self) -> libc::socklen_t {
        self.len
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> NetError {
    move |source| NetError::System { what, source }
}

fn set_flag(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` lives through the call and its size is given.
    let rc = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends small segments at once instead of gathering them.
pub(super) fn set_nodelay(fd: RawFd) -> Result<(), NetError> {
    set_flag(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY).map_err(system("set TCP_NODELAY"))
}

/// A TCP socket for `to`, not yet connected.
pub(super) fn tcp_socket(to: SocketAddr, nonblocking: bool) -> Result<OwnedFd, NetError> {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    if nonblocking {
        kind |= libc::SOCK_NONBLOCK;
    }
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(family, kind, 0) };
    if fd < 0 {
        return Err(system("open a TCP socket")(io::Error::last_os_error()));
    }
    // SAFETY: `fd` was just opened and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    set_nodelay(fd.as_raw_fd())?;
    Ok(fd)
}

/// Starts connecting a non-blocking socket: `true` when done at once, `false` when under way.
pub(super) fn start_connect(fd: RawFd, to: &RawAddr) -> io::Result<bool> {
    // SAFETY: `to` holds an address of the given length.
    let rc = unsafe { libc::connect(fd, to.as_ptr(), to.len()) };
    if rc == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINPROGRESS | libc::EINTR) => Ok(false),
        _ => Err(error),
    }
}

/// A bound, listening TCP socket and its address.
pub(super) fn tcp_listener(
    at: SocketAddr,
    nonblocking: bool,
) -> Result<(TcpListener, SocketAddr), NetError> {
    let listener = TcpListener::bind(at).map_err(|source| bind_error(at, source))?;
    listener.set_nonblocking(nonblocking).map_err(system("make a listener non-blocking"))?;
    let bound = listener.local_addr().map_err(system("read a listener's address"))?;
    Ok((listener, bound))
}

fn bind_error(at: SocketAddr, source: io::Error) -> NetError {
    if source.kind() == io::ErrorKind::AddrInUse {
        NetError::AddressInUse { at }
    } else {
        NetError::Address { at, source }
    }
}

/// A UDP socket that receives `group` at `interface`; several processes may share the port.
pub(super) fn multicast_socket(
    group: SocketAddrV4,
    interface: Ipv4Addr,
    nonblocking: bool,
) -> Result<UdpSocket, NetError> {
    if !group.ip().is_multicast() {
        return Err(NetError::NotMulticast { group });
    }
    let mut kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    if nonblocking {
        kind |= libc::SOCK_NONBLOCK;
    }
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_INET, kind, 0) };
    if fd < 0 {
        return Err(system("open a UDP socket")(io::Error::last_os_error()));
    }
    // SAFETY: `fd` was just opened and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    set_flag(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR)
        .map_err(system("set SO_REUSEADDR"))?;
    // Bound to the group itself, so that datagrams of other groups at this port stay out.
    let raw = RawAddr::new(SocketAddr::V4(group));
    // SAFETY: `raw` holds an address of the given length.
    let rc = unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.len()) };
    if rc != 0 {
        return Err(bind_error(SocketAddr::V4(group), io::Error::last_os_error()));
    }
    let socket = UdpSocket::from(fd);
    socket.join_multicast_v4(group.ip(), &interface).map_err(system("join a multicast group"))?;
    Ok(socket)
}

/// Bytes waiting to leave: a ring of fixed size.
pub(super) struct SendBuffer {
    bytes: Box<[u8]>,
    head: usize,
    len: usize,
}

impl SendBuffer {
    pub(super) fn new(capacity: usize) -> SendBuffer {
        SendBuffer { bytes: vec![0; capacity].into_boxed_slice(), head: 0, len: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// Appends all of `bytes`, or nothing and says `false`.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.bytes.len() - self.len {
            return false;
        }
        let mut tail = self.head + self.len;
        if tail >= self.bytes.len() {
            tail -= self.bytes.len();
        }
        let first = bytes.len().min(self.bytes.len() - tail);
        self.bytes[tail..tail + first].copy_from_slice(&bytes[..first]);
        self.bytes[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.len += bytes.len();
        true
    }

    /// The oldest bytes, up to where the ring wraps.
    pub(super) fn front(&self) -> &[u8] {
        let end = (self.head + self.len).min(self.bytes.len());
        &self.bytes[self.head..end]
    }

    /// Forgets the oldest `n` bytes. While the kernel reads the front, this must not be called.
    pub(super) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len, "Invariant: only queued bytes are consumed");
        self.len -= n;
        self.head += n;
        if self.head >= self.bytes.len() {
            self.head -= self.bytes.len();
        }
    }
}

/// Slots with generations; a generation never returns within 2^24 uses.
pub(super) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

/// Bits of a generation; io_uring packs it into a completion's tag.
pub(super) const GENERATION_BITS: u32 = 24;

impl<T> Slots<T> {
    pub(super) fn new(bound: usize) -> Slots<T> {
        Slots {
            slots: (0..bound).map(|_| (0, None)).collect(),
            free: (0..bound as u32).rev().collect(),
        }
    }

    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    pub(super) fn insert(&mut self, value: T) -> Result<ConnId, NetError> {
        let Some(slot) = self.free.pop() else {
            return Err(NetError::TooManyConnections { bound: self.bound() });
        };
        let entry = &mut self.slots[slot as usize];
        entry.0 = (entry.0 + 1) & ((1 << GENERATION_BITS) - 1);
        entry.1 = Some(value);
        Ok(ConnId { slot, generation: entry.0 })
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        match self.slots.get_mut(id.slot as usize) {
            Some((generation, value)) if *generation == id.generation => value.as_mut(),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<T> {
        match self.slots.get_mut(id.slot as usize) {
            Some((generation, value)) if *generation == id.generation => {
                let taken = value.take();
                if taken.is_some() {
                    self.free.push(id.slot);
                }
                taken
            }
            _ => None,
        }
    }

    /// The connection in a slot, if any.
    pub(super) fn at(&mut self, slot: usize) -> Option<(ConnId, &mut T)> {
        let (generation, value) = &mut self.slots[slot];
        let id = ConnId { slot: slot as u32, generation: *generation };
        value.as_mut().map(|value| (id, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_buffer_wraps_and_refuses_whole() {
        let mut buffer = SendBuffer::new(8);
        assert!(buffer.push(b"abcdef"));
        assert!(!buffer.push(b"xyz"), "three bytes do not fit two");
        buffer.consume(4);
        assert!(buffer.push(b"ghijkl"));
        assert_eq!(buffer.front(), b"efgh");
        buffer.consume(4);
        assert_eq!(buffer.front(), b"ijkl");
        assert_eq!((buffer.len(), buffer.capacity()), (4, 8));
    }

    #[test]
    fn dead_ids_reach_nobody() {
        let mut slots = Slots::new(1);
        let first = slots.insert('a').expect("one slot is free");
        assert!(matches!(slots.insert('b'), Err(NetError::TooManyConnections { bound: 1 })));
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('c').expect("the slot is free again");
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'c'));
    }
}
