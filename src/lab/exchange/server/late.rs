//! What a fault sends later than it should be: frames, events and answers by the time they leave.

use super::floor::Floor;
use super::streams::Channel;
use crate::host::net::ConnId;
use crate::lab::exchange::ClientId;
use crate::net::http::Response;
use crate::units::{InstrumentId, Nanos};
use std::collections::BTreeMap;

/// Messages that may be late at a time; further ones are lost.
const LATE_MAX: usize = 4_096;

enum Message {
    Frame(InstrumentId, Channel, Vec<u8>),
    Event(ClientId, Vec<u8>),
    Answer(ConnId, Vec<u8>),
    Response(ConnId, Response),
}

/// Late messages, by the time they leave and the order they were delayed in.
#[derive(Default)]
pub(super) struct Late {
    waiting: BTreeMap<(Nanos, u64), Message>,
    delayed: u64,
}

impl Late {
    pub(super) fn frame(&mut self, due: Nanos, of: InstrumentId, channel: Channel, raw: Vec<u8>) {
        self.put(due, Message::Frame(of, channel, raw));
    }

    pub(super) fn event(&mut self, due: Nanos, client: ClientId, text: Vec<u8>) {
        self.put(due, Message::Event(client, text));
    }

    pub(super) fn answer(&mut self, due: Nanos, conn: ConnId, text: Vec<u8>) {
        self.put(due, Message::Answer(conn, text));
    }

    pub(super) fn response(&mut self, due: Nanos, conn: ConnId, response: Response) {
        self.put(due, Message::Response(conn, response));
    }

    fn put(&mut self, due: Nanos, message: Message) {
        if self.waiting.len() < LATE_MAX {
            self.delayed += 1;
            self.waiting.insert((due, self.delayed), message);
        }
    }

    /// When the next one leaves.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    fn pop(&mut self, now: Nanos) -> Option<Message> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

impl Floor {
    /// Sends what was late and is due now.
    pub(super) fn send_late(&mut self) {
        while let Some(message) = self.late.pop(self.now) {
            match message {
                Message::Frame(of, channel, raw) => self.fan_out(of, channel, &raw, None),
                Message::Event(client, text) => self.send_event(client, &text),
                Message::Answer(conn, text) => self.send_answer(conn, &text),
                Message::Response(conn, response) => self.send_response(conn, &response),
            }
        }
    }
}
