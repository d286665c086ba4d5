//! The socket's state machine.

use crate::net::http;
use crate::net::websocket::frame::{
    CONTROL_MAX, HEADER_MAX, Header, Opcode, header_len, mask, read_header, write_frame,
};
use crate::net::websocket::handshake::{
    HEAD_MAX, answer_request, base64, check_response, write_request,
};

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens the connection and masks what it sends.
    Client,
    /// Answers, and unmasks what it receives.
    Server,
}

/// What arrived. The slices live until the callback returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The handshake is done.
    Open {
        /// The path of the request.
        path: &'a str,
    },
    /// A text message; UTF-8 only if [`Settings::utf8`] asked for the check.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping; its pong stands in `out` already.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The peer closed, with this code (1005: none given); our answer stands in `out`.
    Close(u16),
}

/// Bounds and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest payload of one frame.
    pub frame_max: usize,
    /// Longest message, all fragments together; allocated when the handshake is done, so that whoever
    /// only connects costs nothing.
    pub message_max: usize,
    /// Whether text and close reasons are checked for UTF-8.
    pub utf8: bool,
}

impl Default for Settings {
    /// A depth snapshot of 5 000 levels is about 300 KiB.
    fn default() -> Settings {
        Settings { frame_max: 4 << 20, message_max: 4 << 20, utf8: false }
    }
}

/// Why the connection must end. The close frame for the peer, if one is due, stands in `out`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server answered the handshake with another status than 101.
    #[error("websocket handshake refused: {line}: {body:?}")]
    Refused {
        /// The status line.
        line: String,
        /// What came of the body, shortened.
        body: String,
    },
    /// The handshake lacks or contradicts something.
    #[error("websocket handshake: {problem}")]
    Handshake {
        /// What.
        problem: String,
    },
    /// The handshake is no HTTP.
    #[error("websocket handshake: {0}")]
    Http(#[from] http::Error),
    /// A frame breaks the protocol.
    #[error("websocket frame at byte {offset} (opcode {opcode:#x}, {len} bytes): {problem}")]
    Frame {
        /// Place of the frame's first byte in the stream after the handshake.
        offset: u64,
        /// As on the wire.
        opcode: u8,
        /// Its payload's length.
        len: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A frame or message is longer than its bound.
    #[error(
        "websocket frame at byte {offset} (opcode {opcode:#x}, {len} bytes): {what} of {asked} \
         bytes is over the bound of {bound}"
    )]
    TooLong {
        /// Place of the frame's first byte in the stream after the handshake.
        offset: u64,
        /// As on the wire.
        opcode: u8,
        /// The frame's length.
        len: u64,
        /// `frame` or `message`.
        what: &'static str,
        /// What its length would be.
        asked: u64,
        /// The setting.
        bound: usize,
    },
    /// An earlier error or close ended this socket.
    #[error("websocket already ended; open a new connection")]
    Ended,
}

impl Error {
    /// The close code that tells the peer why (RFC 6455, section 7.4.1).
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self {
            Error::TooLong { .. } => 1009,
            Error::Frame { problem, .. } if *problem == NOT_UTF8 => 1007,
            _ => 1002,
        }
    }
}

const NOT_UTF8: &str = "text is not UTF-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshake,
    Open,
    /// Failed, or the peer's close has been read: nothing more is read.
    Ended,
}

/// The frame being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    key: Option<[u8; 4]>,
    len: usize,
    got: usize,
    offset: u64,
}

/// One end of a WebSocket.
#[derive(Debug)]
pub struct Socket {
    role: Role,
    state: State,
    settings: Settings,
    host: String,
    path: String,
    key: String,
    /// State of the masking keys: a counter run through a mixer.
    mask_seed: u64,
    masks: u64,
    close_sent: bool,
    /// Bytes of the handshake's head.
    head: Vec<u8>,
    header: [u8; HEADER_MAX],
    header_have: usize,
    frame: Option<Frame>,
    /// Opcode of the message whose fragments are being gathered.
    message_opcode: Option<Opcode>,
    message: Vec<u8>,
    control: [u8; CONTROL_MAX],
    /// Bytes of the stream after the handshake that have been read.
    read: u64,
}

impl Socket {
    /// A client of `path` at `host`. `key` is the handshake's nonce and seeds the masks; take it
    /// from a random source.
    #[must_use]
    pub fn client(host: &str, path: &str, key: [u8; 16]) -> Socket {
        let mut socket = Socket::new(Role::Client);
        socket.host = host.to_owned();
        socket.path = path.to_owned();
        socket.key = base64(&key);
        let (a, b) = (u128::from_le_bytes(key) as u64, (u128::from_le_bytes(key) >> 64) as u64);
        socket.mask_seed = mix(a) ^ b;
        socket
    }

    /// A server; the path comes with [`Event::Open`].
    #[must_use]
    pub fn server() -> Socket {
        Socket::new(Role::Server)
    }

    /// A client's handshake key as it is sent; empty on a server.
    #[must_use]
    pub fn handshake_key(&self) -> &str {
        &self.key
    }

    fn new(role: Role) -> Socket {
        let settings = Settings::default();
        Socket {
            role,
            state: State::Handshake,
            settings,
            host: String::new(),
            path: String::new(),
            key: String::new(),
            mask_seed: 0,
            masks: 0,
            close_sent: false,
            head: Vec::new(),
            header: [0; HEADER_MAX],
            header_have: 0,
            frame: None,
            message_opcode: None,
            message: Vec::new(),
            control: [0; CONTROL_MAX],
            read: 0,
        }
    }

    /// Replaces bounds and checks; before the first bytes.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Socket {
        self.settings = settings;
        self
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether messages may be sent: the handshake is done and neither side has closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open && !self.close_sent
    }

    /// Appends the client's handshake; nothing for a server.
    pub fn opening(&self, out: &mut Vec<u8>) {
        if self.role == Role::Client {
            write_request(&self.host, &self.path, &self.key, out);
        }
    }

    /// Takes bytes as TCP delivered them, reports what they hold, and appends answers to `out`.
    /// After an error the socket is dead: send `out`, then close the connection.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let result = match self.state {
            State::Ended => return Err(Error::Ended),
            State::Handshake => self.shake_hands(bytes, out, on),
            State::Open => self.read_frames(bytes, out, on),
        };
        if let Err(error) = &result {
            if self.state == State::Open {
                self.send_close(error.close_code(), "", out);
            }
            self.state = State::Ended;
        }
        result
    }

    fn shake_hands(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let before = self.head.len();
        let room = (HEAD_MAX + 1).saturating_sub(before).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let Some(end) = http::end_of_head(&self.head, before) else {
            if self.head.len() > HEAD_MAX {
                return Err(http::Error::HeadTooLong { bound: HEAD_MAX }.into());
            }
            return Ok(());
        };
        let rest = end - before;
        match self.role {
            Role::Client => check_response(&self.head[..end], &bytes[rest..], &self.key)?,
            Role::Server => self.path = answer_request(&self.head[..end], out)?,
        }
        self.state = State::Open;
        self.head = Vec::new();
        self.message = Vec::with_capacity(self.settings.message_max);
        on(Event::Open { path: &self.path });
        self.read_frames(&mut bytes[rest..], out, on)
    }

    fn read_frames(
        &mut self,
        mut bytes: &mut [u8],
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        loop {
            if self.frame.is_none() {
                let taken = self.read_header(bytes)?;
                self.read += taken as u64;
                bytes = &mut bytes[taken..];
            }
            let Some(frame) = &mut self.frame else { return Ok(()) };
            let n = (frame.len - frame.got).min(bytes.len());
            let (piece, rest) = bytes.split_at_mut(n);
            bytes = rest;
            if let Some(key) = frame.key {
                mask(piece, key, frame.got);
            }
            let started = frame.got > 0;
            frame.got += n;
            self.read += n as u64;
            let frame = *frame;
            let whole = frame.got == frame.len;
            if frame.opcode.is_control() {
                self.control[frame.got - n..frame.got].copy_from_slice(piece);
                if whole {
                    self.frame = None;
                    self.end_control(&frame, out, on)?;
                }
            } else if whole && !started && frame.fin && frame.opcode != Opcode::Continuation {
                self.frame = None;
                self.deliver(&frame, frame.opcode, piece, on)?;
            } else {
                self.message.extend_from_slice(piece);
                if whole {
                    self.frame = None;
                    self.end_fragment(&frame, on)?;
                }
            }
            if self.state == State::Ended || (bytes.is_empty() && self.frame.is_some()) {
                return Ok(());
            }
        }
    }

    /// Reads a header, or what has come of it; returns the bytes taken.
    fn read_header(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let have = self.header_have;
        if have == 0 && bytes.len() >= 2 && bytes.len() >= header_len(bytes[1]) {
            let (header, len) = read_header(bytes);
            self.begin(&header, self.read)?;
            return Ok(len);
        }
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            self.header[self.header_have] = byte;
            self.header_have += 1;
            taken += 1;
            if self.header_have >= 2 && self.header_have == header_len(self.header[1]) {
                let (header, _) = read_header(&self.header);
                self.header_have = 0;
                self.begin(&header, self.read - have as u64)?;
                break;
            }
        }
        Ok(taken)
    }

    /// Checks a header against the protocol and the bounds.
    fn begin(&mut self, header: &Header, offset: u64) -> Result<(), Error> {
        let fail =
            |problem| Err(Error::Frame { offset, opcode: header.opcode, len: header.len, problem });
        if header.reserved != 0 {
            return fail("reserved bits are set; no extension was agreed");
        }
        let Some(opcode) = Opcode::from_code(header.opcode) else {
            return fail("the opcode is reserved");
        };
        match (self.role, header.key.is_some()) {
            (Role::Client, true) => return fail("a server must not mask"),
            (Role::Server, false) => return fail("a client must mask"),
            _ => {}
        }
        if opcode.is_control() {
            if !header.fin {
                return fail("a control frame is fragmented");
            }
            if header.len > CONTROL_MAX as u64 {
                return fail("a control frame is longer than 125 bytes");
            }
        } else {
            match (opcode, self.message_opcode) {
                (Opcode::Continuation, None) => return fail("nothing to continue"),
                (Opcode::Text | Opcode::Binary, Some(_)) => {
                    return fail("a new message inside a fragmented one");
                }
                _ => {}
            }
            let too_long = |what, asked, bound| Error::TooLong {
                offset,
                opcode: header.opcode,
                len: header.len,
                what,
                asked,
                bound,
            };
            if header.len > self.settings.frame_max as u64 {
                return Err(too_long("frame", header.len, self.settings.frame_max));
            }
            let asked = header.len + self.message.len() as u64;
            if asked > self.settings.message_max as u64 {
                return Err(too_long("message", asked, self.settings.message_max));
            }
            if opcode != Opcode::Continuation && !header.fin {
                self.message_opcode = Some(opcode);
            }
        }
        let len = header.len as usize;
        self.frame = Some(Frame { opcode, fin: header.fin, key: header.key, len, got: 0, offset });
        Ok(())
    }

    fn deliver(
        &self,
        frame: &Frame,
        opcode: Opcode,
        payload: &[u8],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        if opcode == Opcode::Binary {
            on(Event::Binary(payload));
            return Ok(());
        }
        if self.settings.utf8 && std::str::from_utf8(payload).is_err() {
            return Err(frame.error(NOT_UTF8));
        }
        on(Event::Text(payload));
        Ok(())
    }

    /// A data frame that was gathered has ended; so has the message, if it was the last one.
    fn end_fragment(&mut self, frame: &Frame, on: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if !frame.fin {
            return Ok(());
        }
        let opcode = self.message_opcode.take().unwrap_or(frame.opcode);
        let message = std::mem::take(&mut self.message);
        let result = self.deliver(frame, opcode, &message, on);
        self.message = message;
        self.message.clear();
        result
    }

    fn end_control(
        &mut self,
        frame: &Frame,
        out: &mut Vec<u8>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let control = self.control;
        let payload = &control[..frame.len];
        match frame.opcode {
            Opcode::Ping => {
                if !self.close_sent {
                    self.write(Opcode::Pong, payload, out);
                }
                on(Event::Ping(payload));
            }
            Opcode::Close => {
                let code = match *payload {
                    [] => 1005,
                    [_] => return Err(frame.error("a close code has two bytes")),
                    [a, b, ..] => u16::from_be_bytes([a, b]),
                };
                let known = matches!(code, 1000..=1003 | 1005 | 1007..=1014 | 3000..=4999);
                if !known || (code == 1005 && !payload.is_empty()) {
                    return Err(frame.error("the close code is not one a peer may send"));
                }
                if self.settings.utf8
                    && std::str::from_utf8(payload.get(2..).unwrap_or(&[])).is_err()
                {
                    return Err(frame.error(NOT_UTF8));
                }
                if !self.close_sent {
                    self.write(Opcode::Close, &payload[..payload.len().min(2)], out);
                    self.close_sent = true;
                }
                self.state = State::Ended;
                on(Event::Close(code));
            }
            _ => on(Event::Pong),
        }
        Ok(())
    }

    fn write(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        let key = match self.role {
            Role::Server => None,
            Role::Client => {
                self.masks = self.masks.wrapping_add(1);
                let word = mix(self.mask_seed.wrapping_add(self.masks.wrapping_mul(GOLDEN)));
                Some((word as u32).to_le_bytes())
            }
        };
        write_frame(opcode, key, payload, out);
    }

    /// Appends a text message; nothing unless the socket is open.
    pub fn send_text(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_open() {
            self.write(Opcode::Text, payload, out);
        }
    }

    /// Appends a binary message; nothing unless the socket is open.
    pub fn send_binary(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_open() {
            self.write(Opcode::Binary, payload, out);
        }
    }

    /// Appends a ping of at most 125 bytes (the rest is cut); nothing unless the socket is open.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_open() {
            self.write(Opcode::Ping, &payload[..payload.len().min(CONTROL_MAX)], out);
        }
    }

    /// Appends a close; the peer's answer comes as [`Event::Close`]. Sent once, later calls do
    /// nothing. The reason is cut at 123 bytes.
    pub fn send_close(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) {
        if self.close_sent || self.state != State::Open {
            return;
        }
        let mut end = reason.len().min(CONTROL_MAX - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = [0; CONTROL_MAX];
        payload[..2].copy_from_slice(&code.to_be_bytes());
        payload[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
        self.write(Opcode::Close, &payload[..2 + end], out);
        self.close_sent = true;
    }
}

impl Frame {
    fn error(&self, problem: &'static str) -> Error {
        Error::Frame {
            offset: self.offset,
            opcode: self.opcode.code(),
            len: self.len as u64,
            problem,
        }
    }
}

/// 2^64 over the golden ratio: steps of a counter that never repeat within 2^64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Stafford's 13th mixer, as in SplitMix64.
fn mix(word: u64) -> u64 {
    let z = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
