//! Transport over non-blocking sockets and epoll: the plain twin of io_uring.
//!
//! Level-triggered. Each `poll` reads at most once from every ready stream, so a loud connection
//! cannot starve a quiet one. While spinning with few connections it reads the sockets directly
//! and asks epoll only now and then, which halves the system calls of a message.

#![allow(unsafe_code, reason = "epoll, recv and send are system calls without a std form")]

use crate::host::net::{
    CloseReason, ConnId, ListenerId, Net, NetError, NetEvent, NetSettings, NetStats, Wait,
};
use crate::host::socket::{self, RawAddr, SendBuffer, Slots};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Events taken from the kernel by one wait.
const EVENTS: usize = 64;
/// With at most this many connections a spinning `poll` reads the sockets directly.
const DIRECT_CONNECTIONS: usize = 2;
/// A directly reading `poll` asks epoll (for accepts, connects, writability) every so many calls.
const DIRECT_PERIOD: u32 = 16;
/// Datagrams taken from one group by one `poll`.
const DATAGRAMS: usize = 64;
/// Connections taken from one listener by one `poll`.
const ACCEPTS: usize = 16;
/// Set in the tag of a listener's events; connections use the slot number alone.
const LISTENER_TAG: u64 = 1 << 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Multicast,
    /// The peer sent its last byte; what is queued leaves, then the connection ends.
    Draining,
    /// `Closed` must still be reported.
    Ending(CloseReason),
}

struct Conn {
    fd: OwnedFd,
    state: State,
    writable_wanted: bool,
}

/// The epoll transport.
pub struct EpollNet {
    epoll: OwnedFd,
    slots: Slots<Conn>,
    /// One per slot, kept over reuse.
    outgoing: Vec<SendBuffer>,
    listeners: Vec<TcpListener>,
    listeners_bound: usize,
    incoming: Box<[u8]>,
    /// Connections in `State::Ending`.
    ending: usize,
    spins: u32,
    stats: NetStats,
}

fn check(rc: libc::c_int, what: &'static str) -> Result<libc::c_int, NetError> {
    if rc < 0 {
        return Err(NetError::System { what, source: io::Error::last_os_error() });
    }
    Ok(rc)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn is_again(errno: i32) -> bool {
    errno == libc::EAGAIN || errno == libc::EINTR
}

fn recv(fd: RawFd, into: &mut [u8], flags: libc::c_int) -> Result<usize, i32> {
    // SAFETY: the pointer and length describe `into`, which lives through the call.
    let n =
        unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), flags | libc::MSG_DONTWAIT) };
    if n < 0 { Err(errno()) } else { Ok(n as usize) }
}

fn send(fd: RawFd, bytes: &[u8]) -> Result<usize, i32> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and length describe `bytes`, which lives through the call.
    let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) };
    if n < 0 { Err(errno()) } else { Ok(n as usize) }
}

impl EpollNet {
    /// Opens the transport and allocates all it will ever need.
    pub fn new(settings: &NetSettings) -> Result<EpollNet, NetError> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }, "open epoll")?;
        Ok(EpollNet {
            // SAFETY: `fd` was just opened and nobody else owns it.
            epoll: unsafe { OwnedFd::from_raw_fd(fd) },
            slots: Slots::new(settings.connections),
            outgoing: (0..settings.connections)
                .map(|_| SendBuffer::new(settings.send_buffer))
                .collect(),
            listeners: Vec::with_capacity(settings.listeners),
            listeners_bound: settings.listeners,
            incoming: vec![0; settings.receive_buffer].into_boxed_slice(),
            ending: 0,
            spins: 0,
            stats: NetStats::default(),
        })
    }

    fn watch(&self, op: libc::c_int, fd: RawFd, events: i32, tag: u64) -> Result<(), NetError> {
        let mut event = libc::epoll_event { events: events as u32, u64: tag };
        // SAFETY: `event` lives through the call; both descriptors are open.
        let rc = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), op, fd, &raw mut event) };
        check(rc, "change what epoll watches").map(drop)
    }

    fn adopt(&mut self, fd: OwnedFd, state: State) -> Result<ConnId, NetError> {
        let raw = fd.as_raw_fd();
        let connecting = state == State::Connecting;
        let id = self.slots.insert(Conn { fd, state, writable_wanted: connecting })?;
        self.outgoing[id.slot as usize].clear();
        let events = if connecting { libc::EPOLLOUT } else { libc::EPOLLIN };
        if let Err(error) = self.watch(libc::EPOLL_CTL_ADD, raw, events, u64::from(id.slot)) {
            self.slots.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Reports the end of a connection at the next `poll`.
    fn end(&mut self, id: ConnId, reason: CloseReason) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        if matches!(conn.state, State::Ending(_)) {
            return;
        }
        conn.state = State::Ending(reason);
        self.ending += 1;
        let fd = conn.fd.as_raw_fd();
        // The descriptor closes when the slot is freed; a failure here changes nothing.
        let _ = self.watch(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn report_ended(&mut self, on: &mut dyn FnMut(NetEvent<'_>)) -> usize {
        let mut events = 0;
        for slot in 0..self.slots.bound() {
            if self.ending == 0 {
                break;
            }
            if let Some((id, Conn { state: State::Ending(reason), .. })) = self.slots.at(slot) {
                let reason = *reason;
                self.slots.remove(id);
                self.ending -= 1;
                on(NetEvent::Closed(id, reason));
                events += 1;
            }
        }
        events
    }

    /// Sends what is queued and asks for writability while something stays.
    fn flush(&mut self, id: ConnId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let fd = conn.fd.as_raw_fd();
        let queue = &mut self.outgoing[id.slot as usize];
        let mut failed = None;
        while !queue.is_empty() {
            self.stats.syscalls += 1;
            match send(fd, queue.front()) {
                Ok(n) => queue.consume(n),
                Err(errno) if is_again(errno) => break,
                Err(errno) => {
                    failed = Some(errno);
                    break;
                }
            }
        }
        let wanted = !queue.is_empty();
        let draining = conn.state == State::Draining;
        let changed = wanted != conn.writable_wanted;
        conn.writable_wanted = wanted;
        if let Some(errno) = failed {
            self.end(id, CloseReason::from_errno(errno));
        } else if draining && !wanted {
            self.end(id, CloseReason::Peer);
        } else if changed {
            let mut events = if draining { 0 } else { libc::EPOLLIN };
            if wanted {
                events |= libc::EPOLLOUT;
            }
            if self.watch(libc::EPOLL_CTL_MOD, fd, events, u64::from(id.slot)).is_err() {
                self.end(id, CloseReason::System(errno()));
            }
        }
    }

    fn finish_connect(&mut self, id: ConnId, on: &mut dyn FnMut(NetEvent<'_>)) -> usize {
        let Some(conn) = self.slots.get_mut(id) else { return 0 };
        let fd = conn.fd.as_raw_fd();
        let mut error: libc::c_int = 0;
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: `error` and `len` live through the call and `len` is the size of `error`.
        let rc = unsafe {
            let into = (&raw mut error).cast();
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, into, &raw mut len)
        };
        if rc != 0 {
            error = errno();
        }
        if error != 0 {
            self.end(id, CloseReason::from_errno(error));
            return 0;
        }
        conn.state = State::Open;
        if self.watch(libc::EPOLL_CTL_MOD, fd, libc::EPOLLIN, u64::from(id.slot)).is_err() {
            self.end(id, CloseReason::System(errno()));
            return 0;
        }
        if let Some(conn) = self.slots.get_mut(id) {
            conn.writable_wanted = false;
        }
        on(NetEvent::Connected(id));
        self.flush(id);
        1
    }

    fn receive_stream(&mut self, id: ConnId, on: &mut dyn FnMut(NetEvent<'_>)) -> usize {
        let Some(conn) = self.slots.get_mut(id) else { return 0 };
        self.stats.syscalls += 1;
        match recv(conn.fd.as_raw_fd(), &mut self.incoming, 0) {
            Ok(0) => {
                conn.state = State::Draining;
                // Forces `flush` to settle what epoll watches: reading is over.
                conn.writable_wanted = self.outgoing[id.slot as usize].is_empty();
                self.flush(id);
                0
            }
            Ok(n) => {
                self.stats.receives += 1;
                on(NetEvent::Received(id, &mut self.incoming[..n]));
                1
            }
            Err(errno) if is_again(errno) => 0,
            Err(errno) => {
                self.end(id, CloseReason::from_errno(errno));
                0
            }
        }
    }

    fn receive_datagrams(&mut self, id: ConnId, on: &mut dyn FnMut(NetEvent<'_>)) -> usize {
        let Some(conn) = self.slots.get_mut(id) else { return 0 };
        let fd = conn.fd.as_raw_fd();
        let mut events = 0;
        for _ in 0..DATAGRAMS {
            self.stats.syscalls += 1;
            // MSG_TRUNC tells the true length, so that a cut datagram is not taken for a whole one.
            match recv(fd, &mut self.incoming, libc::MSG_TRUNC) {
                Ok(n) if n > self.incoming.len() => self.stats.datagrams_dropped += 1,
                Ok(n) => {
                    self.stats.receives += 1;
                    on(NetEvent::Received(id, &mut self.incoming[..n]));
                    events += 1;
                }
                Err(errno) if is_again(errno) => break,
                Err(errno) => {
                    self.end(id, CloseReason::from_errno(errno));
                    break;
                }
            }
        }
        events
    }

    fn accept(
        &mut self,
        index: usize,
        on: &mut dyn FnMut(NetEvent<'_>),
    ) -> Result<usize, NetError> {
        let mut events = 0;
        for _ in 0..ACCEPTS {
            self.stats.syscalls += 1;
            let (stream, peer) = match self.listeners[index].accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                        return Err(NetError::System { what: "accept", source: error });
                    }
                    // Nothing waits, or the peer gave up first.
                    _ => break,
                },
            };
            if self.slots.is_full() {
                self.stats.accepts_dropped += 1;
                continue;
            }
            let prepared = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if prepared.is_err() {
                continue; // reset before we took it
            }
            let conn = self.adopt(OwnedFd::from(stream), State::Open)?;
            on(NetEvent::Accepted { listener: ListenerId(index as u32), conn, peer });
            events += 1;
        }
        Ok(events)
    }

    fn ready(
        &mut self,
        tag: u64,
        bits: u32,
        on: &mut dyn FnMut(NetEvent<'_>),
    ) -> Result<usize, NetError> {
        if tag & LISTENER_TAG != 0 {
            return self.accept((tag & !LISTENER_TAG) as usize, on);
        }
        let Some((id, conn)) = self.slots.at(tag as usize) else { return Ok(0) };
        let writable = bits & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
        Ok(match conn.state {
            State::Connecting => self.finish_connect(id, on),
            State::Multicast => self.receive_datagrams(id, on),
            State::Open => {
                if writable {
                    self.flush(id);
                }
                let still_open =
                    self.slots.get_mut(id).is_some_and(|conn| conn.state == State::Open);
                if still_open { self.receive_stream(id, on) } else { 0 }
            }
            State::Draining => {
                self.flush(id);
                0
            }
            State::Ending(_) => 0,
        })
    }

    fn wait(
        &mut self,
        wait: Wait,
        into: &mut [libc::epoll_event; EVENTS],
    ) -> Result<usize, NetError> {
        self.stats.syscalls += 1;
        let fd = self.epoll.as_raw_fd();
        let mut timeout_ms = 0;
        if let Wait::Block(span) = wait {
            let time = libc::timespec {
                tv_sec: (span.0 / 1_000_000_000) as libc::time_t,
                tv_nsec: (span.0 % 1_000_000_000) as libc::c_long,
            };
            // SAFETY: `into` has room for EVENTS events and `time` lives through the call; a null
            // signal mask changes nothing.
            let n = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    fd,
                    into.as_mut_ptr(),
                    EVENTS as libc::c_int,
                    &raw const time,
                    std::ptr::null::<libc::sigset_t>(),
                    0_usize,
                )
            };
            if n >= 0 {
                return Ok(n as usize);
            }
            match errno() {
                libc::EINTR => return Ok(0),
                // A kernel before 5.11 waits in whole milliseconds, rounded up.
                libc::ENOSYS => {
                    timeout_ms = span.0.div_ceil(1_000_000).min(i32::MAX as u64) as libc::c_int;
                }
                _ => return check(-1, "wait for sockets").map(|_| 0),
            }
        }
        // SAFETY: `into` has room for EVENTS events.
        let n =
            unsafe { libc::epoll_wait(fd, into.as_mut_ptr(), EVENTS as libc::c_int, timeout_ms) };
        if n < 0 && errno() == libc::EINTR {
            return Ok(0);
        }
        check(n, "wait for sockets").map(|n| n as usize)
    }

    /// Reads few open connections without asking epoll; `None` when epoll's turn has come.
    fn poll_directly(&mut self, on: &mut dyn FnMut(NetEvent<'_>)) -> Option<usize> {
        self.spins = self.spins.wrapping_add(1);
        let live = self.slots.live();
        if live == 0 || live > DIRECT_CONNECTIONS || self.spins.is_multiple_of(DIRECT_PERIOD) {
            return None;
        }
        let mut events = 0;
        let mut seen = 0;
        for slot in 0..self.slots.bound() {
            if seen == live {
                break;
            }
            let Some((id, conn)) = self.slots.at(slot) else { continue };
            seen += 1;
            match conn.state {
                State::Open => events += self.receive_stream(id, on),
                State::Multicast => events += self.receive_datagrams(id, on),
                _ => return (events > 0).then_some(events),
            }
        }
        Some(events)
    }
}

impl Net for EpollNet {
    fn connect(&mut self, to: SocketAddr) -> Result<ConnId, NetError> {
        if self.slots.is_full() {
            return Err(NetError::TooManyConnections { bound: self.slots.bound() });
        }
        let fd = socket::tcp_socket(to, true)?;
        // A connection that stands or fails at once is still reported by the next `poll`: epoll
        // sees it writable.
        match socket::start_connect(fd.as_raw_fd(), &RawAddr::new(to)) {
            Ok(_) => self.adopt(fd, State::Connecting),
            Err(error) => {
                let id = self.adopt(fd, State::Connecting)?;
                self.end(id, CloseReason::from_errno(error.raw_os_error().unwrap_or(libc::EIO)));
                Ok(id)
            }
        }
    }

    fn listen(&mut self, at: SocketAddr) -> Result<(ListenerId, SocketAddr), NetError> {
        if self.listeners.len() == self.listeners_bound {
            return Err(NetError::TooManyListeners { bound: self.listeners_bound });
        }
        let (listener, bound) = socket::tcp_listener(at, true)?;
        let index = self.listeners.len();
        let tag = LISTENER_TAG | index as u64;
        self.watch(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), libc::EPOLLIN, tag)?;
        self.listeners.push(listener);
        Ok((ListenerId(index as u32), bound))
    }

    fn join_multicast(
        &mut self,
        group: SocketAddrV4,
        interface: Ipv4Addr,
    ) -> Result<ConnId, NetError> {
        let socket = socket::multicast_socket(group, interface, true)?;
        self.adopt(OwnedFd::from(socket), State::Multicast)
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), NetError> {
        let state = match self.slots.get_mut(conn).map(|conn| conn.state) {
            None | Some(State::Ending(_)) => return Err(NetError::Closed { conn }),
            Some(State::Multicast) => return Err(NetError::ReceiveOnly { conn }),
            Some(state) => state,
        };
        let queue = &mut self.outgoing[conn.slot as usize];
        let idle = queue.is_empty();
        if !queue.push(bytes) {
            return Err(NetError::Full {
                conn,
                queued: queue.len(),
                capacity: queue.capacity(),
                asked: bytes.len(),
            });
        }
        // Behind queued bytes the socket is full; epoll will say when it is not.
        if idle && state != State::Connecting {
            self.flush(conn);
        }
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        self.end(conn, CloseReason::Local);
    }

    fn poll(&mut self, wait: Wait, on: &mut dyn FnMut(NetEvent<'_>)) -> Result<usize, NetError> {
        let mut events = self.report_ended(on);
        let wait = if events > 0 { Wait::Busy } else { wait };
        if wait == Wait::Busy
            && let Some(direct) = self.poll_directly(on)
        {
            return Ok(events + direct + self.report_ended(on));
        }
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let n = self.wait(wait, &mut ready)?;
        for event in &ready[..n] {
            events += self.ready(event.u64, event.events, on)?;
        }
        Ok(events + self.report_ended(on))
    }

    fn stats(&self) -> NetStats {
        self.stats
    }

    fn describe(&self) -> String {
        format!("epoll, level-triggered, direct reads up to {DIRECT_CONNECTIONS} connections")
    }
}
