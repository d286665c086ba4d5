//! A plain blocking client of the venue in a box, and a venue on a thread.
#![allow(dead_code, reason = "each test file uses its part of the client")]

use bot4::lab::exchange::server::{Server, ServerReport, ServerSettings};
use bot4::lab::exchange::{ExchangeSettings, QueueModel};
use bot4::net::http::{Method, Request, Response, ResponseReader};
use bot4::net::websocket::{Event, Socket};
use bot4::record::{Instrument, Intent, OrderAction, OrderType, TimeInForce};
use bot4::units::{InstrumentId, Lots, Nanos, OrderId, Side, Ticks, UnixNanos, VenueId};
use bot4::venue::binance::orders::{
    OrderMessage, REQUEST_LEN_MAX, ReportDecoder, RequestEncoder, Response as Answer,
};
use bot4::venue::binance::session::rest::RestRequest;
use bot4::venue::binance::{Family, metadata};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const FAMILIES: [Family; 3] = [Family::Spot, Family::UsdM, Family::CoinM];
/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn instruments(family: Family) -> Vec<Instrument> {
    let names: &[&str] = match family {
        Family::CoinM => &["BTCUSD_PERP"],
        Family::Spot | Family::UsdM => &["BTCUSDT", "ETHUSDT"],
    };
    metadata::embedded(family, VenueId(0), names).expect("embedded metadata")
}

pub fn settings(family: Family) -> ServerSettings {
    let exchange = ExchangeSettings {
        family,
        seed: 7,
        rate: 500.0,
        latency_in: Nanos(100_000),
        latency_out: Nanos(100_000),
        queue_model: QueueModel::Power(1),
        diff_period: Nanos::from_millis(20),
        wall_at_zero: UnixNanos(0),
    };
    ServerSettings::new(exchange, instruments(family))
}

pub fn wall() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UnixNanos(since.as_nanos() as u64)
}

/// A venue on a thread of its own.
pub struct Running {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<ServerReport>>,
}

impl Running {
    pub fn start(settings: ServerSettings) -> Running {
        let at = "127.0.0.1:0".parse().expect("an address");
        let server = Server::bind(settings, at).expect("a free port");
        let (address, stop) = (server.address(), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || server.run(&flag));
        Running { address, stop, thread: Some(thread) }
    }

    pub fn end(mut self) -> ServerReport {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it ends well")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One WebSocket.
pub struct Web {
    stream: TcpStream,
    socket: Socket,
    texts: VecDeque<Vec<u8>>,
    pub pings: u64,
    pub closed: Option<String>,
}

impl Web {
    pub fn open(address: SocketAddr, path: &str) -> Web {
        let stream = TcpStream::connect(address).expect("the venue listens");
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let socket = Socket::client("venue", path, [9; 16]);
        let mut out = Vec::new();
        socket.opening(&mut out);
        let mut web = Web { stream, socket, texts: VecDeque::new(), pings: 0, closed: None };
        web.raw(&out);
        let until = Instant::now() + PATIENCE;
        while !web.socket.is_open() && web.closed.is_none() && Instant::now() < until {
            web.read();
        }
        web
    }

    pub fn is_open(&self) -> bool {
        self.socket.is_open() && self.closed.is_none()
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            self.closed.get_or_insert(error.to_string());
        }
    }

    pub fn send(&mut self, text: &[u8]) {
        let mut out = Vec::new();
        self.socket.send_text(text, &mut out);
        self.raw(&out);
    }

    pub fn ping(&mut self) {
        let mut out = Vec::new();
        self.socket.send_ping(b"x", &mut out);
        self.raw(&out);
    }

    fn read(&mut self) {
        let mut bytes = vec![0; 64 << 10];
        let n = match self.stream.read(&mut bytes) {
            Ok(0) => {
                self.closed.get_or_insert("closed by the venue".to_owned());
                return;
            }
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(error) => {
                self.closed.get_or_insert(error.to_string());
                return;
            }
        };
        let (mut out, texts, pings) = (Vec::new(), &mut self.texts, &mut self.pings);
        let mut code = None;
        let read = self.socket.receive(&mut bytes[..n], &mut out, &mut |event| match event {
            Event::Text(text) => texts.push_back(text.to_vec()),
            Event::Ping(_) => *pings += 1,
            Event::Close(given) => code = Some(given),
            _ => {}
        });
        self.raw(&out);
        if let Some(code) = code {
            self.closed.get_or_insert(format!("close {code}"));
        }
        if let Err(error) = read {
            self.closed.get_or_insert(error.to_string());
        }
    }

    /// The next text within a span; none when it passes or the connection ends.
    pub fn text_within(&mut self, span: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + span;
        loop {
            if let Some(text) = self.texts.pop_front() {
                return Some(text);
            }
            if self.closed.is_some() || Instant::now() >= until {
                return None;
            }
            self.read();
        }
    }

    pub fn text(&mut self) -> Vec<u8> {
        let text = self.text_within(PATIENCE);
        text.unwrap_or_else(|| panic!("a message must come; closed: {:?}", self.closed))
    }
}

/// An order session: encoder, decoder and its socket.
pub struct Orders {
    pub web: Web,
    encoder: RequestEncoder,
    decoder: ReportDecoder,
    /// Messages that nobody has asked for yet.
    passed: VecDeque<OrderMessage>,
}

impl Orders {
    pub fn open(address: SocketAddr, family: Family) -> Orders {
        Orders::with(address, family, RequestEncoder::new(family, &instruments(family)))
    }

    pub fn with(address: SocketAddr, family: Family, encoder: RequestEncoder) -> Orders {
        let path = match family {
            Family::Spot => "/ws-api/v3",
            Family::UsdM => "/ws-fapi/v1",
            Family::CoinM => "/ws-dapi/v1",
        };
        let decoder = ReportDecoder::new(family, &instruments(family));
        Orders { web: Web::open(address, path), encoder, decoder, passed: VecDeque::new() }
    }

    pub fn send(&mut self, intent: &Intent) {
        let mut out = [0; REQUEST_LEN_MAX];
        let length = self.encoder.encode(intent, wall(), &mut out).expect("a request");
        self.web.send(&out[..length]);
    }

    pub fn message(&mut self) -> OrderMessage {
        let text = self.web.text();
        let shown = String::from_utf8_lossy(&text).into_owned();
        self.decoder.decode(&text).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// The first message for which `pick` has something; others stay for later.
    pub fn find<T>(&mut self, mut pick: impl FnMut(&OrderMessage) -> Option<T>) -> T {
        let at = self.passed.iter().position(|message| pick(message).is_some());
        if let Some(found) = at.and_then(|at| self.passed.remove(at)).and_then(|of| pick(&of)) {
            return found;
        }
        for _ in 0..1_000 {
            let message = self.message();
            if let Some(found) = pick(&message) {
                return found;
            }
            self.passed.push_back(message);
        }
        panic!("a thousand other messages came");
    }

    pub fn answer(&mut self) -> Answer {
        self.find(|message| match message {
            OrderMessage::Response(answer) => Some(*answer),
            _ => None,
        })
    }

    pub fn report(&mut self, kind: bot4::record::ExecutionKind) -> bot4::record::ExecutionReport {
        self.find(|message| match message {
            OrderMessage::Report(report) if report.kind == kind => Some(*report),
            _ => None,
        })
    }
}

/// One REST request on a connection of its own.
pub fn rest(address: SocketAddr, request: &RestRequest) -> Response {
    let mut asked = Request::new(request.method, "venue", &request.target);
    for (name, value) in &request.headers {
        asked = asked.with_header(name, value);
    }
    exchange(address, &asked)
}

pub fn get(address: SocketAddr, target: &str) -> Response {
    exchange(address, &Request::new(Method::Get, "venue", target))
}

fn exchange(address: SocketAddr, request: &Request) -> Response {
    let mut stream = TcpStream::connect(address).expect("the venue listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut out = Vec::new();
    request.write(&mut out);
    stream.write_all(&out).expect("the venue reads");
    let mut reader = ResponseReader::new(bot4::net::http::Limits::default());
    let mut bytes = vec![0; 64 << 10];
    loop {
        let n = stream.read(&mut bytes).expect("the venue answers");
        assert!(n > 0, "the venue closed without an answer to {}", request.target);
        reader.receive(&bytes[..n]);
        if let Some(response) = reader.next_response().expect("HTTP") {
            return response;
        }
    }
}

/// A limit order that rests far from the touch.
pub fn resting(order: u64, side: Side, price: Ticks, lots: Lots) -> Intent {
    Intent {
        action: OrderAction::Place,
        instrument: InstrumentId(0),
        order: OrderId::new(1, order),
        replaces: OrderId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        reduce_only: false,
        price,
        lots,
    }
}
