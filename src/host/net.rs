//! Sockets behind one trait: bytes and connection changes in, bytes out, no thread of its own.
//!
//! Input: `connect`, `listen`, `join_multicast`, `send`, `close`. Output: the events of `poll`, in
//! the order the kernel reported them for each connection.
//! Invariants: nothing blocks but `poll` with [`Wait::Block`]; every bound (connections, send
//! buffer) is a setting; `send` takes all bytes or none; after construction nothing allocates; a
//! [`ConnId`] is never used twice, so an event of a closed connection cannot reach its successor.
//! Twins: [`crate::host::epoll::EpollNet`] (the meaning) and [`crate::host::uring::UringNet`].
//! Deliberately absent: names (DNS), protocols (room `net`), reconnecting (drivers).

use crate::host::epoll::EpollNet;
use crate::host::uring::UringNet;
use crate::units::Nanos;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// A connection of one [`Net`]: a slot and the generation of its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnId {
    /// The connection of a transport elsewhere: use number `generation` of its slot.
    #[must_use]
    pub const fn new(slot: u32, generation: u32) -> ConnId {
        ConnId { slot, generation }
    }

    /// Its slot.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// Which use of the slot it is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}.{}", self.slot, self.generation)
    }
}

/// A listening socket of one [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(super) u32);

impl ListenerId {
    /// The listener of a transport elsewhere.
    #[must_use]
    pub const fn new(index: u32) -> ListenerId {
        ListenerId(index)
    }
}

/// How long `poll` may wait for the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: look and return; the caller spins.
    Busy,
    /// At most this long, asleep.
    Block(Nanos),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// We called `close`.
    Local,
    /// The peer closed its sending side; what we had queued was flushed first.
    Peer,
    /// Nobody listens at the address.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer did not answer in the kernel's time.
    TimedOut,
    /// No route to the peer.
    Unreachable,
    /// Another error number of the system.
    System(i32),
}

impl CloseReason {
    pub(super) fn from_errno(errno: i32) -> CloseReason {
        match errno {
            libc::ECONNREFUSED => CloseReason::Refused,
            libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => CloseReason::Reset,
            libc::ETIMEDOUT => CloseReason::TimedOut,
            libc::EHOSTUNREACH | libc::ENETUNREACH => CloseReason::Unreachable,
            other => CloseReason::System(other),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Local => f.write_str("closed by us"),
            CloseReason::Peer => f.write_str("closed by the peer"),
            CloseReason::Refused => f.write_str("refused: nobody listens at that address"),
            CloseReason::Reset => f.write_str("reset by the peer"),
            CloseReason::TimedOut => f.write_str("timed out"),
            CloseReason::Unreachable => f.write_str("no route to the peer"),
            CloseReason::System(errno) => {
                write!(f, "system error: {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

/// What `poll` reports.
#[derive(Debug)]
pub enum NetEvent<'a> {
    /// A `connect` succeeded.
    Connected(ConnId),
    /// A listener took a connection.
    Accepted {
        /// Which listener.
        listener: ListenerId,
        /// The new connection.
        conn: ConnId,
        /// The other end.
        peer: SocketAddr,
    },
    /// Bytes of a stream, or one whole datagram; the receiver may change them in place.
    Received(ConnId, &'a mut [u8]),
    /// The connection is gone; its id is dead.
    Closed(ConnId, CloseReason),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Somebody else listens there.
    #[error("address {at} is in use; choose another port or stop the program that holds it")]
    AddressInUse {
        /// The address asked for.
        at: SocketAddr,
    },
    /// The address is not one of this machine's, or the port is privileged.
    #[error("cannot listen at {at}: {source}")]
    Address {
        /// The address asked for.
        at: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// Every connection slot is taken.
    #[error("all {bound} connections are in use; raise the setting `connections`")]
    TooManyConnections {
        /// The setting.
        bound: usize,
    },
    /// Every listener slot is taken.
    #[error("all {bound} listeners are in use")]
    TooManyListeners {
        /// The setting.
        bound: usize,
    },
    /// The id names no live connection.
    #[error("{conn} is closed")]
    Closed {
        /// The id given.
        conn: ConnId,
    },
    /// The connection only receives (multicast).
    #[error("{conn} only receives: it is a multicast group")]
    ReceiveOnly {
        /// The id given.
        conn: ConnId,
    },
    /// The bytes do not fit the send buffer now; none was taken.
    #[error("{conn}: send buffer holds {queued} of {capacity} bytes, {asked} more do not fit")]
    Full {
        /// The connection.
        conn: ConnId,
        /// Bytes waiting.
        queued: usize,
        /// Size of the buffer.
        capacity: usize,
        /// Bytes asked for.
        asked: usize,
    },
    /// The group is not a multicast address.
    #[error("{group} is not a multicast group; IPv4 groups are 224.0.0.0 to 239.255.255.255")]
    NotMulticast {
        /// The address given.
        group: SocketAddrV4,
    },
    /// The kernel lacks or forbids what this transport needs.
    #[error("{what} is not available: {source}; choose the epoll transport")]
    Unsupported {
        /// What was asked of the kernel.
        what: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// Any other failure of the system.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

/// Bounds of a [`Net`]; everything is preallocated to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetSettings {
    /// Connections at a time, multicast groups included.
    pub connections: usize,
    /// Listening sockets.
    pub listeners: usize,
    /// Bytes of each connection's send buffer.
    pub send_buffer: usize,
    /// Bytes of one receive; a longer datagram is dropped and counted.
    pub receive_buffer: usize,
    /// Receive buffers that io_uring may fill before we look; a power of two up to 32 768.
    pub receive_buffers: u16,
    /// Microseconds that io_uring busy-polls the network card's queue in a blocking wait ("NAPI");
    /// zero leaves it alone.
    pub napi_busy_poll_us: u32,
}

impl Default for NetSettings {
    fn default() -> NetSettings {
        NetSettings {
            connections: 64,
            listeners: 8,
            send_buffer: 256 * 1_024,
            receive_buffer: 32 * 1_024,
            receive_buffers: 128,
            napi_busy_poll_us: 0,
        }
    }
}

/// Counters since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetStats {
    /// System calls made by `send` and `poll`.
    pub syscalls: u64,
    /// `Received` events.
    pub receives: u64,
    /// Datagrams longer than a receive buffer, dropped.
    pub datagrams_dropped: u64,
    /// Accepted connections closed at once because every slot was taken.
    pub accepts_dropped: u64,
    /// Multishot receives and accepts armed again after the kernel ended them.
    pub rearmed: u64,
    /// Times the kernel found no free receive buffer.
    pub starved: u64,
}

/// Sockets of one thread.
pub trait Net {
    /// Starts a TCP connection; `Connected` or `Closed` follows. Bytes sent before are queued.
    fn connect(&mut self, to: SocketAddr) -> Result<ConnId, NetError>;
    /// Listens for TCP connections; returns the address really bound (port 0 picks one).
    fn listen(&mut self, at: SocketAddr) -> Result<(ListenerId, SocketAddr), NetError>;
    /// Receives the datagrams of a multicast group that arrive at `interface`.
    fn join_multicast(
        &mut self,
        group: SocketAddrV4,
        interface: Ipv4Addr,
    ) -> Result<ConnId, NetError>;
    /// Copies `bytes` into the connection's send buffer, all or nothing. They leave at once or at
    /// the next `poll`.
    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), NetError>;
    /// Ends a connection without flushing; `Closed` follows. A dead id is ignored.
    fn close(&mut self, conn: ConnId);
    /// Reports what happened since the last call; returns the number of events.
    fn poll(&mut self, wait: Wait, on: &mut dyn FnMut(NetEvent<'_>)) -> Result<usize, NetError>;
    /// Counters since construction.
    fn stats(&self) -> NetStats {
        NetStats::default()
    }
    /// Name and the kernel features in use, for reports.
    fn describe(&self) -> String;
}

/// Which transport to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetKind {
    /// Non-blocking sockets and epoll: works everywhere, lowest latency on loopback.
    Epoll,
    /// io_uring: fewest system calls in bursts.
    Uring,
}

impl NetKind {
    /// The name used in configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NetKind::Epoll => "epoll",
            NetKind::Uring => "io_uring",
        }
    }
}

/// Opens a transport. It belongs to the thread that opens it (io_uring's single issuer).
pub fn open(kind: NetKind, settings: &NetSettings) -> Result<Box<dyn Net>, NetError> {
    Ok(match kind {
        NetKind::Epoll => Box::new(EpollNet::new(settings)?),
        NetKind::Uring => Box::new(UringNet::new(settings)?),
    })
}
