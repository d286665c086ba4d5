//! Who gets which market frame: names of streams and the frames' own first bytes -> clients.

use crate::record::Instrument;
use crate::units::InstrumentId;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Depth,
    Ticker,
    Trade,
    Aggregate,
}

const CHANNELS: usize = 4;

/// Streams of one connection, the venue's limit.
pub(super) const STREAMS_MAX: usize = 1_024;

/// One client's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The client's slot.
    pub(super) slot: usize,
    /// The name as the client gave it.
    pub(super) name: String,
    /// Whether frames come wrapped in the name.
    pub(super) combined: bool,
}

/// The wishes of all clients.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    wishes: Vec<[Vec<Wish>; CHANNELS]>,
}

impl Channel {
    /// The channel of a name such as `depth@100ms`.
    fn of_name(name: &str) -> Option<Channel> {
        Some(match name.split('@').next()? {
            "depth" => Channel::Depth,
            "bookTicker" => Channel::Ticker,
            "trade" => Channel::Trade,
            "aggTrade" => Channel::Aggregate,
            _ => return None,
        })
    }

    /// The channel of a bare frame.
    pub(super) fn of_frame(raw: &[u8]) -> Option<Channel> {
        match raw.strip_prefix(br#"{"e":""#) {
            Some([b'd', ..]) => Some(Channel::Depth),
            Some([b'b', ..]) => Some(Channel::Ticker),
            Some([b't', ..]) => Some(Channel::Trade),
            Some([b'a', ..]) => Some(Channel::Aggregate),
            Some(_) => None,
            None => raw.starts_with(br#"{"u":"#).then_some(Channel::Ticker),
        }
    }
}

impl Streams {
    pub(super) fn new(instruments: &[Instrument]) -> Streams {
        Streams { wishes: instruments.iter().map(|_| Default::default()).collect() }
    }

    /// Adds a wish; false for a stream that this venue does not have, or one too many.
    pub(super) fn add(&mut self, instruments: &[Instrument], wish: Wish) -> bool {
        let Some((symbol, channel)) = wish.name.split_once('@') else { return false };
        let symbol = symbol.to_ascii_uppercase();
        let at = instruments.iter().position(|of| of.symbol.as_str() == symbol);
        let (Some(at), Some(channel)) = (at, Channel::of_name(channel)) else { return false };
        if self.names(wish.slot).len() >= STREAMS_MAX {
            return false;
        }
        let wishes = &mut self.wishes[at][channel as usize];
        if !wishes.contains(&wish) {
            wishes.push(wish);
        }
        true
    }

    /// Drops the wishes of a client: all, or those of one name.
    pub(super) fn drop(&mut self, slot: usize, name: Option<&str>) {
        for wishes in self.wishes.iter_mut().flatten() {
            wishes.retain(|of| of.slot != slot || name.is_some_and(|name| of.name != name));
        }
    }

    /// Names of a client's streams.
    pub(super) fn names(&self, slot: usize) -> Vec<&str> {
        let all = self.wishes.iter().flatten().flatten();
        all.filter(|of| of.slot == slot).map(|of| of.name.as_str()).collect()
    }

    pub(super) fn of(&self, instrument: InstrumentId, channel: Channel) -> &[Wish] {
        self.wishes.get(instrument.0 as usize).map_or(&[], |all| &all[channel as usize])
    }
}

/// The bare frame inside one that was captured wrapped.
pub(super) fn bare(frame: &[u8]) -> &[u8] {
    const DATA: &[u8] = br#","data":"#;
    if !frame.starts_with(br#"{"stream":"#) {
        return frame;
    }
    let at = frame.windows(DATA.len()).position(|window| window == DATA);
    match (at, frame.split_last()) {
        (Some(at), Some((b'}', _))) => &frame[at + DATA.len()..frame.len() - 1],
        _ => frame,
    }
}
