//! The facts of a file as a table for people.

use super::facts::{FileFacts, SymbolFacts};
use std::io::{self, Write};

/// Prints one file.
pub fn file(facts: &FileFacts, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}  ({}, {} lines)", facts.file, facts.family, facts.lines)?;
    let counts: Vec<String> =
        facts.messages.iter().map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(out, "  messages   {}", counts.join(", "))?;
    for symbol in facts.only.iter().chain(facts.symbols.values()) {
        one(symbol, out)?;
    }
    Ok(())
}

fn one(facts: &SymbolFacts, out: &mut dyn Write) -> io::Result<()> {
    let SymbolFacts { symbol, tick, lot, depth_events, gaps, dropped_old, .. } = facts;
    writeln!(out, "\n  {symbol}  tick {tick}, lot {lot}")?;
    writeln!(out, "  diffs      {depth_events}, gaps {gaps}, older than the book {dropped_old}")?;
    for (name, trades) in [("trades", &facts.trades), ("aggTrades", &facts.agg_trades)] {
        if let Some(vwap) = &trades.vwap {
            writeln!(out, "  {name:<10} {}, size {}, vwap {vwap}", trades.n, trades.qty)?;
        }
        for (x, other) in trades.by_x.iter().filter(|(x, _)| !matches!(x.as_str(), "-" | "MARKET"))
        {
            writeln!(out, "  off book   {} {x}, size {}", other.n, other.qty)?;
        }
    }
    let Some(mode) = facts.book.mode else {
        return writeln!(out, "  book       none yet: no snapshot before this line");
    };
    let crossed = if facts.book.crossed_or_locked == Some(true) { ", CROSSED" } else { "" };
    let broken = if facts.synchronised == Some(false) { ", NOT SYNCHRONISED" } else { "" };
    let flags = format!("{crossed}{broken}");
    let (bids, asks) = (facts.book.n_bid_levels, facts.book.n_ask_levels);
    writeln!(
        out,
        "  book       {mode:?}, {} bids, {} asks{}",
        bids.unwrap_or(0),
        asks.unwrap_or(0),
        flags
    )?;
    if let Some(top) = &facts.book.top10 {
        writeln!(out, "  {:>14} {:>12} | {:<12} {:<14}", "size", "bid", "ask", "size")?;
        for row in 0..top.bids.len().max(top.asks.len()) {
            let empty = [String::new(), String::new()];
            let [bid, bid_size] = top.bids.get(row).unwrap_or(&empty);
            let [ask, ask_size] = top.asks.get(row).unwrap_or(&empty);
            writeln!(out, "  {bid_size:>14} {bid:>12} | {ask:<12} {ask_size:<14}")?;
        }
    }
    if let Some(hash) = &facts.book.book_sha256 {
        writeln!(out, "  sha256     {hash}")?;
    }
    Ok(())
}
