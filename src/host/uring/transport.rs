//! The io_uring transport itself: submissions out, completions in.
//!
//! Receives and accepts are multishot and armed again whenever the kernel ends them (no `F_MORE`,
//! or no free buffer). One send per connection is in flight at a time, which keeps the bytes in
//! order. A slot is freed only when the kernel has answered every request made for it, so a
//! completion never meets a stranger and the kernel never reads a reused buffer.
//! Belongs to the thread that opened it.

#![allow(unsafe_code, reason = "submissions name memory by address")]

use crate::host::net::{
    CloseReason, ConnId, ListenerId, Net, NetError, NetEvent, NetSettings, NetStats, Wait,
};
use crate::host::socket::{self, GENERATION_BITS, RawAddr, SendBuffer, Slots};
use crate::host::uring::buffers::Buffers;
use crate::host::uring::ring::{self, BUFFER_GROUP, Features};
use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use std::io;
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Rounds of waiting for the kernel to end requests when the transport is dropped.
const DROP_ROUNDS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Request {
    Connect = 1,
    Receive = 2,
    Send = 3,
    Accept = 4,
    Cancel = 5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Multicast,
    /// The peer sent its last byte; what is queued leaves, then the connection ends.
    Draining,
    /// Waits for the kernel's last answers, then `Closed` is reported.
    Ending(CloseReason),
}

struct Conn {
    /// Held open until the slot is freed; the kernel works with the registered copy.
    _fd: OwnedFd,
    state: State,
    /// Requests that the kernel has not answered for the last time.
    in_flight: u8,
    receiving: bool,
    sending: bool,
    /// Stands in `due`.
    queued: bool,
}

/// The io_uring transport.
pub struct UringNet {
    ring: ManuallyDrop<IoUring>,
    buffers: ManuallyDrop<Buffers>,
    /// One per slot; the kernel reads them while a send is in flight.
    outgoing: ManuallyDrop<Vec<SendBuffer>>,
    /// One per slot; the kernel reads them while a connect is in flight.
    addresses: ManuallyDrop<Vec<RawAddr>>,
    slots: Slots<Conn>,
    listeners: Vec<(TcpListener, bool)>,
    listeners_bound: usize,
    /// Connections with something to submit or report; at most once each.
    due: Vec<ConnId>,
    due_next: Vec<ConnId>,
    in_flight: usize,
    features: Features,
    stats: NetStats,
}

fn tag(request: Request, slot: u32, generation: u32) -> u64 {
    (request as u64) << 56 | u64::from(generation) << 32 | u64::from(slot)
}

impl UringNet {
    /// Opens the transport and allocates all it will ever need. Polling must happen on the thread
    /// that calls this.
    pub fn new(settings: &NetSettings) -> Result<UringNet, NetError> {
        let files = (settings.connections + settings.listeners) as u32;
        let (ring, buffers, features) = ring::open(settings, files)?;
        Ok(UringNet {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            outgoing: ManuallyDrop::new(
                (0..settings.connections).map(|_| SendBuffer::new(settings.send_buffer)).collect(),
            ),
            addresses: ManuallyDrop::new(vec![RawAddr::empty(); settings.connections]),
            slots: Slots::new(settings.connections),
            listeners: Vec::with_capacity(settings.listeners),
            listeners_bound: settings.listeners,
            due: Vec::with_capacity(settings.connections),
            due_next: Vec::with_capacity(settings.connections),
            in_flight: 0,
            features,
            stats: NetStats::default(),
        })
    }

    /// What the kernel granted.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    fn submit(&mut self, entry: &squeue::Entry) -> Result<(), NetError> {
        // SAFETY: every entry names memory that outlives its request: send buffers, addresses and
        // receive buffers are freed only by `drop`, after the last answer.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.enter(Wait::Busy, true)?;
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Submits what is queued and lets the kernel post completions.
    fn enter(&mut self, wait: Wait, must: bool) -> Result<(), NetError> {
        let (work, queued) = {
            let submission = self.ring.submission();
            let work = submission.taskrun() || submission.cq_overflow();
            (work, submission.len())
        };
        if !self.ring.completion().is_empty() && queued == 0 {
            return Ok(());
        }
        let blocking = matches!(wait, Wait::Block(_)) && self.ring.completion().is_empty();
        // With the flag, an idle spin costs two loads and no system call.
        if !blocking && !must && queued == 0 && !work && self.features.taskrun_flag {
            return Ok(());
        }
        self.stats.syscalls += 1;
        let result = match wait {
            Wait::Block(span) if blocking => {
                let time = Timespec::from(Duration::from_nanos(span.0));
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
            _ => {
                let flags = EnterFlags::GETEVENTS.bits();
                // SAFETY: no argument is passed; the counts come from the ring itself.
                unsafe {
                    self.ring.submitter().enter::<libc::sigset_t>(queued as u32, 0, flags, None)
                }
            }
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time is up, a signal came, or the kernel wants completions taken first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                Some(libc::EEXIST) => Err(NetError::Unsupported {
                    what: "polling on another thread than the one that opened io_uring",
                    source: error,
                }),
                _ => Err(NetError::System { what: "enter io_uring", source: error }),
            },
        }
    }

    fn mark_due(&mut self, id: ConnId) {
        if let Some(conn) = self.slots.get_mut(id)
            && !conn.queued
        {
            conn.queued = true;
            self.due.push(id);
        }
    }

    /// Puts a descriptor into the ring's table and into a slot.
    fn adopt(&mut self, fd: OwnedFd, state: State) -> Result<ConnId, NetError> {
        let raw = fd.as_raw_fd();
        let conn =
            Conn { _fd: fd, state, in_flight: 0, receiving: false, sending: false, queued: false };
        let id = self.slots.insert(conn)?;
        self.outgoing[id.slot as usize].clear();
        if let Err(source) = self.ring.submitter().register_files_update(id.slot, &[raw]) {
            self.slots.remove(id);
            return Err(NetError::System { what: "register a socket with io_uring", source });
        }
        self.mark_due(id);
        Ok(id)
    }

    fn end(&mut self, id: ConnId, reason: CloseReason) {
        if let Some(conn) = self.slots.get_mut(id)
            && !matches!(conn.state, State::Ending(_))
        {
            conn.state = State::Ending(reason);
            self.mark_due(id);
        }
    }

    /// Submits what each due connection needs and reports those that ended.
    fn settle(&mut self, on: &mut dyn FnMut(NetEvent<'_>)) -> Result<usize, NetError> {
        let mut events = 0;
        std::mem::swap(&mut self.due, &mut self.due_next);
        for i in 0..self.due_next.len() {
            let id = self.due_next[i];
            let Some(conn) = self.slots.get_mut(id) else { continue };
            conn.queued = false;
            match conn.state {
                State::Ending(reason) if conn.in_flight == 0 => {
                    // The slot is emptied so that the kernel drops its hold on the socket.
                    let freed = self.ring.submitter().register_files_update(id.slot, &[-1]);
                    self.slots.remove(id);
                    freed.map_err(|source| NetError::System {
                        what: "release a socket from io_uring",
                        source,
                    })?;
                    on(NetEvent::Closed(id, reason));
                    events += 1;
                }
                State::Ending(_) => self.cancel(id)?,
                State::Connecting => self.connect_now(id)?,
                State::Open | State::Multicast => {
                    self.arm_receive(id)?;
                    self.start_send(id)?;
                }
                State::Draining => {
                    self.start_send(id)?;
                    let idle = self.outgoing[id.slot as usize].is_empty();
                    if idle {
                        self.end(id, CloseReason::Peer);
                    }
                }
            }
        }
        self.due_next.clear();
        Ok(events)
    }

    fn cancel(&mut self, id: ConnId) -> Result<(), NetError> {
        let builder = CancelBuilder::fd(Fixed(id.slot)).all();
        let entry = opcode::AsyncCancel2::new(builder).build().user_data(tag(
            Request::Cancel,
            id.slot,
            id.generation,
        ));
        self.submit(&entry)
    }

    fn connect_now(&mut self, id: ConnId) -> Result<(), NetError> {
        let Some(conn) = self.slots.get_mut(id) else { return Ok(()) };
        if conn.in_flight > 0 {
            return Ok(());
        }
        conn.in_flight += 1;
        let address = &self.addresses[id.slot as usize];
        let entry = opcode::Connect::new(Fixed(id.slot), address.as_ptr(), address.len())
            .build()
            .user_data(tag(Request::Connect, id.slot, id.generation));
        self.submit(&entry)
    }

    fn arm_receive(&mut self, id: ConnId) -> Result<(), NetError> {
        let Some(conn) = self.slots.get_mut(id) else { return Ok(()) };
        if conn.receiving {
            return Ok(());
        }
        conn.receiving = true;
        conn.in_flight += 1;
        // MSG_TRUNC tells a datagram's true length, so that a cut one is not taken for whole.
        let flags = if conn.state == State::Multicast { libc::MSG_TRUNC } else { 0 };
        let entry = opcode::RecvMulti::new(Fixed(id.slot), BUFFER_GROUP)
            .flags(flags)
            .build()
            .user_data(tag(Request::Receive, id.slot, id.generation));
        self.submit(&entry)
    }

    fn start_send(&mut self, id: ConnId) -> Result<(), NetError> {
        let Some(conn) = self.slots.get_mut(id) else { return Ok(()) };
        let front = self.outgoing[id.slot as usize].front();
        if conn.sending || front.is_empty() {
            return Ok(());
        }
        conn.sending = true;
        conn.in_flight += 1;
        let entry = opcode::Send::new(Fixed(id.slot), front.as_ptr(), front.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build()
            .user_data(tag(Request::Send, id.slot, id.generation));
        self.submit(&entry)
    }

    fn arm_accepts(&mut self) -> Result<(), NetError> {
        for index in 0..self.listeners.len() {
            if self.listeners[index].1 {
                continue;
            }
            self.listeners[index].1 = true;
            let slot = (self.slots.bound() + index) as u32;
            let entry = opcode::AcceptMulti::new(Fixed(slot))
                .flags(libc::SOCK_CLOEXEC)
                .build()
                .user_data(tag(Request::Accept, index as u32, 0));
            self.submit(&entry)?;
        }
        Ok(())
    }

    fn complete(
        &mut self,
        entry: &cqueue::Entry,
        on: &mut dyn FnMut(NetEvent<'_>),
    ) -> Result<usize, NetError> {
        let data = entry.user_data();
        let more = cqueue::more(entry.flags());
        if !more {
            self.in_flight -= 1;
        }
        let slot = data as u32;
        let generation = (data >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        let id = ConnId { slot, generation };
        let request = (data >> 56) as u8;
        if request == Request::Accept as u8 {
            return self.accepted(slot as usize, entry.result(), more, on);
        }
        if request == Request::Cancel as u8 {
            return Ok(0);
        }
        let Some(conn) = self.slots.get_mut(id) else {
            debug_assert!(false, "Invariant: a slot outlives its requests");
            return Ok(0);
        };
        if !more {
            conn.in_flight -= 1;
            if conn.in_flight == 0 && matches!(conn.state, State::Ending(_)) {
                self.mark_due(id);
            }
        }
        if request == Request::Receive as u8 {
            return Ok(self.received(id, entry, more, on));
        }
        if request == Request::Send as u8 {
            self.sent(id, entry.result());
            return Ok(0);
        }
        Ok(self.connected(id, entry.result(), on))
    }

    fn connected(&mut self, id: ConnId, result: i32, on: &mut dyn FnMut(NetEvent<'_>)) -> usize {
        let Some(conn) = self.slots.get_mut(id) else { return 0 };
        if conn.state != State::Connecting {
            return 0;
        }
        if result < 0 {
            self.end(id, CloseReason::from_errno(-result));
            return 0;
        }
        conn.state = State::Open;
        self.mark_due(id);
        on(NetEvent::Connected(id));
        1
    }

    fn sent(&mut self, id: ConnId, result: i32) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.sending = false;
        if result < 0 {
            let again = result == -libc::EINTR || result == -libc::EAGAIN;
            if again {
                self.mark_due(id);
            } else {
                self.end(id, CloseReason::from_errno(-result));
            }
            return;
        }
        let draining = conn.state == State::Draining;
        let queue = &mut self.outgoing[id.slot as usize];
        queue.consume(result as usize);
        if draining || !queue.is_empty() {
            self.mark_due(id);
        }
    }

    fn received(
        &mut self,
        id: ConnId,
        entry: &cqueue::Entry,
        more: bool,
        on: &mut dyn FnMut(NetEvent<'_>),
    ) -> usize {
        let Some(conn) = self.slots.get_mut(id) else { return 0 };
        let state = conn.state;
        if !more {
            conn.receiving = false;
        }
        let result = entry.result();
        let mut events = 0;
        if let Some(buffer) = cqueue::buffer_select(entry.flags()) {
            let len = result.max(0) as usize;
            let whole = len <= self.buffers.size();
            if !whole {
                self.stats.datagrams_dropped += 1;
            } else if matches!(state, State::Open | State::Multicast)
                && (len > 0 || state == State::Multicast)
            {
                self.stats.receives += 1;
                on(NetEvent::Received(id, self.buffers.filled(buffer, len)));
                events = 1;
            }
            self.buffers.provide(buffer);
        }
        match (state, result) {
            (State::Ending(_), _) => {}
            // The end of a stream waits for the next poll, so that a reply to the bytes just
            // delivered can still be queued.
            (State::Open, 0) => {
                if let Some(conn) = self.slots.get_mut(id) {
                    conn.state = State::Draining;
                }
                self.mark_due(id);
            }
            (_, n) if n == -libc::ENOBUFS => {
                self.stats.starved += 1;
                self.rearm(id, more);
            }
            (_, n) if n == -libc::EINTR || n == -libc::EAGAIN => self.rearm(id, more),
            (_, n) if n < 0 => self.end(id, CloseReason::from_errno(-n)),
            _ => self.rearm(id, more),
        }
        events
    }

    fn rearm(&mut self, id: ConnId, more: bool) {
        if !more {
            self.stats.rearmed += 1;
            self.mark_due(id);
        }
    }

    fn accepted(
        &mut self,
        index: usize,
        result: i32,
        more: bool,
        on: &mut dyn FnMut(NetEvent<'_>),
    ) -> Result<usize, NetError> {
        if !more && let Some(listener) = self.listeners.get_mut(index) {
            listener.1 = false;
            self.stats.rearmed += 1;
        }
        if result < 0 {
            return match -result {
                errno @ (libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                    let source = io::Error::from_raw_os_error(errno);
                    Err(NetError::System { what: "accept", source })
                }
                _ => Ok(0),
            };
        }
        // SAFETY: the completion hands us a new descriptor that nobody else owns.
        let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(result) });
        if self.slots.is_full() {
            self.stats.accepts_dropped += 1;
            return Ok(0);
        }
        let (Ok(()), Ok(peer)) = (stream.set_nodelay(true), stream.peer_addr()) else {
            return Ok(0); // reset before we took it
        };
        let conn = self.adopt(OwnedFd::from(stream), State::Open)?;
        on(NetEvent::Accepted { listener: ListenerId(index as u32), conn, peer });
        Ok(1)
    }

    fn cancel_everything(&mut self) -> bool {
        if self.in_flight == 0 {
            return true;
        }
        let any = opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(tag(
            Request::Cancel,
            0,
            0,
        ));
        if self.submit(&any).is_err() {
            return false;
        }
        for _ in 0..DROP_ROUNDS {
            while let Some(entry) = self.ring.completion().next() {
                if (entry.user_data() >> 56) as u8 == Request::Accept as u8 && entry.result() >= 0 {
                    // SAFETY: as in `accepted`; nobody will take the connection, so it closes.
                    drop(unsafe { OwnedFd::from_raw_fd(entry.result()) });
                }
                if !cqueue::more(entry.flags()) {
                    self.in_flight -= 1;
                }
            }
            if self.in_flight == 0 {
                return true;
            }
            if self.enter(Wait::Block(crate::units::Nanos::from_millis(1)), true).is_err() {
                return false;
            }
        }
        false
    }
}

impl Net for UringNet {
    fn connect(&mut self, to: SocketAddr) -> Result<ConnId, NetError> {
        if self.slots.is_full() {
            return Err(NetError::TooManyConnections { bound: self.slots.bound() });
        }
        // Blocking sockets: io_uring waits for them itself and would hand EAGAIN through otherwise.
        let fd = socket::tcp_socket(to, false)?;
        let id = self.adopt(fd, State::Connecting)?;
        self.addresses[id.slot as usize] = RawAddr::new(to);
        Ok(id)
    }

    fn listen(&mut self, at: SocketAddr) -> Result<(ListenerId, SocketAddr), NetError> {
        if self.listeners.len() == self.listeners_bound {
            return Err(NetError::TooManyListeners { bound: self.listeners_bound });
        }
        let (listener, bound) = socket::tcp_listener(at, false)?;
        let index = self.listeners.len();
        let slot = (self.slots.bound() + index) as u32;
        self.ring
            .submitter()
            .register_files_update(slot, &[listener.as_raw_fd()])
            .map_err(|source| NetError::System { what: "register a listener", source })?;
        self.listeners.push((listener, false));
        Ok((ListenerId(index as u32), bound))
    }

    fn join_multicast(
        &mut self,
        group: SocketAddrV4,
        interface: Ipv4Addr,
    ) -> Result<ConnId, NetError> {
        let socket = socket::multicast_socket(group, interface, false)?;
        self.adopt(OwnedFd::from(socket), State::Multicast)
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), NetError> {
        match self.slots.get_mut(conn).map(|conn| conn.state) {
            None | Some(State::Ending(_)) => return Err(NetError::Closed { conn }),
            Some(State::Multicast) => return Err(NetError::ReceiveOnly { conn }),
            Some(_) => {}
        }
        let queue = &mut self.outgoing[conn.slot as usize];
        if !queue.push(bytes) {
            return Err(NetError::Full {
                conn,
                queued: queue.len(),
                capacity: queue.capacity(),
                asked: bytes.len(),
            });
        }
        self.mark_due(conn);
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        self.end(conn, CloseReason::Local);
    }

    fn poll(&mut self, wait: Wait, on: &mut dyn FnMut(NetEvent<'_>)) -> Result<usize, NetError> {
        self.arm_accepts()?;
        let mut events = self.settle(on)?;
        // Ended connections and the like are reported at once; only an idle poll may sleep.
        let idle = events == 0 && self.due.is_empty();
        self.enter(if idle { wait } else { Wait::Busy }, false)?;
        // Bounded by what stands in the queue now: the kernel may post more while we work.
        let posted = self.ring.completion().len();
        for _ in 0..posted {
            let Some(entry) = self.ring.completion().next() else { break };
            events += self.complete(&entry, on)?;
        }
        Ok(events)
    }

    fn stats(&self) -> NetStats {
        self.stats
    }

    fn describe(&self) -> String {
        format!("io_uring, multishot, provided buffers, {}", self.features)
    }
}

impl Drop for UringNet {
    fn drop(&mut self) {
        let ended = self.cancel_everything();
        // SAFETY: each is dropped once, here. Memory that the kernel might still touch is leaked
        // rather than freed.
        unsafe {
            ManuallyDrop::drop(&mut self.ring);
            if ended {
                ManuallyDrop::drop(&mut self.buffers);
                ManuallyDrop::drop(&mut self.outgoing);
                ManuallyDrop::drop(&mut self.addresses);
            }
        }
    }
}
