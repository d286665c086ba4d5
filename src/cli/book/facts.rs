//! What `bot4 book` reports; the JSON's keys are these fields.

use serde::Serialize;
use std::collections::BTreeMap;

/// Price and size as plain decimals.
pub type Quote = [String; 2];

/// How a book came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By the venue's procedure from this file's snapshot.
    FromSnapshot,
    /// From the previous file's synchronised book.
    Continued,
    /// Every diff applied to an empty book.
    FromEmpty,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct FileFacts {
    /// Path as given.
    pub file: String,
    /// `spot`, `usd-m` or `coin-m`.
    pub family: &'static str,
    /// Lines taken into account.
    pub lines: u64,
    /// First and last local receive time, ns since 1970.
    pub received_ns: Option<[u64; 2]>,
    /// Frames by the venue's name for them.
    pub messages: BTreeMap<String, u64>,
    /// Facts of the only symbol; with several, see `symbols`.
    #[serde(flatten)]
    pub only: Option<SymbolFacts>,
    /// By symbol, when the file holds several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub symbols: BTreeMap<String, SymbolFacts>,
}

/// One symbol of a file.
#[derive(Debug, Serialize)]
pub struct SymbolFacts {
    /// The venue's name.
    pub symbol: String,
    /// Inferred price step.
    pub tick: String,
    /// Inferred size step.
    pub lot: String,
    /// Breaks of the chain of diffs.
    pub gaps: u64,
    /// Whether the book follows the venue's without a gap; null for a book from empty, or none.
    pub synchronised: Option<bool>,
    /// Diffs dropped because the snapshot was newer.
    pub dropped_old: u64,
    /// Diffs in the file.
    pub depth_events: u64,
    /// The book.
    #[serde(flatten)]
    pub book: BookFacts,
    /// Trades on the book.
    pub trades: TradeFacts,
    /// Aggregate trades.
    pub agg_trades: TradeFacts,
    /// Comparison of the rebuilt touch with the venue's own.
    pub bookticker_cross_check: CrossCheck,
}

/// A rebuilt book; null keys where there is none yet.
#[derive(Debug, Default, Serialize)]
pub struct BookFacts {
    /// How it came to be.
    pub mode: Option<Mode>,
    /// Best bid.
    pub best_bid: Option<Quote>,
    /// Best ask.
    pub best_ask: Option<Quote>,
    /// Whether bid meets or passes ask.
    pub crossed_or_locked: Option<bool>,
    /// Levels on the bid side.
    pub n_bid_levels: Option<usize>,
    /// Levels on the ask side.
    pub n_ask_levels: Option<usize>,
    /// The venue's id of the last event applied.
    pub last_update_id: Option<u64>,
    /// Best ten of each side.
    pub top10: Option<TopTen>,
    /// SHA-256 of the canonical text.
    pub book_sha256: Option<String>,
}

/// Best ten levels of each side, best first.
#[derive(Debug, Serialize)]
pub struct TopTen {
    /// Bids.
    pub bids: Vec<Quote>,
    /// Asks.
    pub asks: Vec<Quote>,
}

/// Sums over trades.
#[derive(Debug, Default, Serialize)]
pub struct TradeFacts {
    /// How many.
    pub n: u64,
    /// Size traded.
    pub qty: String,
    /// Sum of price times size.
    pub notional: String,
    /// Average price weighted by size.
    pub vwap: Option<String>,
    /// COIN-M: contracts over the sum of contracts / price.
    pub vwap_inverse_contract: Option<String>,
    /// Size struck by buyers.
    pub buy_aggressor_qty: String,
    /// Size struck by sellers.
    pub sell_aggressor_qty: String,
    /// Lowest price.
    pub min_price: Option<String>,
    /// Highest price.
    pub max_price: Option<String>,
    /// All trades by the venue's `X` (`-` where there is none); only those on the book count above.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_x: BTreeMap<String, TradeFacts>,
}

/// Depth events after which the last ticker of at most their id was compared with the book.
#[derive(Debug, Default, Serialize)]
pub struct CrossCheck {
    /// Compared.
    pub compared: u64,
    /// Best prices and sizes both equal.
    pub equal: u64,
}
