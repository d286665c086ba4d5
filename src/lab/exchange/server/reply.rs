//! Answers on their way to the connections that asked, as the faults let them through.

use super::fault::MessageFault;
use super::floor::Floor;
use super::link::Link;
use super::pending::Reply;
use super::report::ServerReport;
use crate::host::net::ConnId;
use crate::lab::exchange::wire::answers;
use crate::lab::exchange::wire::refusal::Refusal;
use crate::net::http::Response;
use crate::units::Nanos;
use crate::venue::binance::orders::RateCount;

impl Floor {
    fn link_of(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.links.iter_mut().flatten().find(|of| of.conn == conn)
    }

    /// Sends a result.
    pub(super) fn succeed(&mut self, conn: ConnId, reply: &Reply, body: &[u8]) {
        match reply {
            Reply::Web(id) => {
                let counts = self.meter.counts(self.now);
                let mut text = Vec::with_capacity(body.len() + 512);
                answers::success(&mut text, id, body, &counts);
                self.answer(conn, text);
            }
            Reply::Rest => self.respond(conn, 200, body, None),
            Reply::Nobody => {}
        }
    }

    /// Sends a refusal.
    pub(super) fn refuse(
        &mut self,
        conn: ConnId,
        reply: &Reply,
        refusal: &Refusal,
        data: Option<&[u8]>,
    ) {
        if *reply != Reply::Nobody {
            ServerReport::count(&mut self.report.refused, refusal.code);
        }
        match reply {
            Reply::Web(id) => {
                let counts = self.meter.counts(self.now);
                let mut text = Vec::with_capacity(1_024);
                answers::failure(&mut text, id, refusal, data, &counts);
                self.answer(conn, text);
            }
            Reply::Rest => {
                let mut body = Vec::new();
                answers::error(&mut body, refusal, data);
                self.respond(conn, refusal.status, &body, None);
            }
            Reply::Nobody => {}
        }
    }

    /// Sends a REST response with the venue's headers.
    pub(super) fn respond(&mut self, conn: ConnId, status: u16, body: &[u8], wait: Option<Nanos>) {
        let counts: [RateCount; 3] = self.meter.counts(self.now);
        let mut response = Response::new(status, reason(status), body)
            .with_header("Content-Type", "application/json;charset=UTF-8")
            .with_header("X-MBX-USED-WEIGHT", &counts[0].count.to_string())
            .with_header("X-MBX-USED-WEIGHT-1M", &counts[0].count.to_string())
            .with_header("X-MBX-ORDER-COUNT-10S", &counts[1].count.to_string());
        if let Some(wait) = wait {
            let seconds = wait.0.div_ceil(1_000_000_000).to_string();
            response = response.with_header("Retry-After", &seconds);
        }
        let fault = self.faults.answer();
        self.report.faults += u64::from(fault.is_some());
        match fault {
            // Nobody is answered on this connection any more: answers come in the order of requests.
            Some(MessageFault::Lose) => {}
            Some(MessageFault::Late(millis)) => {
                self.late.response(self.now.plus(Nanos::from_millis(millis)), conn, response);
            }
            Some(MessageFault::Repeat | MessageFault::Hold) | None => {
                self.send_response(conn, &response);
            }
        }
    }

    pub(super) fn send_response(&mut self, conn: ConnId, response: &Response) {
        if let Some(link) = self.link_of(conn) {
            link.respond(response);
            link.waits = false;
        }
    }

    /// A text that answers on a WebSocket.
    fn answer(&mut self, conn: ConnId, text: Vec<u8>) {
        let fault = self.faults.answer();
        self.report.faults += u64::from(fault.is_some());
        match fault {
            Some(MessageFault::Lose) => return,
            Some(MessageFault::Hold) if self.held_answer.is_none() => {
                self.held_answer = Some((conn, text));
                return;
            }
            Some(MessageFault::Late(millis)) => {
                return self.late.answer(self.now.plus(Nanos::from_millis(millis)), conn, text);
            }
            Some(MessageFault::Repeat) => self.send_answer(conn, &text),
            Some(MessageFault::Hold) | None => {}
        }
        self.send_answer(conn, &text);
        if let Some((whose, held)) = self.held_answer.take() {
            self.send_answer(whose, &held);
        }
    }

    pub(super) fn send_answer(&mut self, conn: ConnId, text: &[u8]) {
        if let Some(link) = self.link_of(conn) {
            link.text(text);
        }
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}
