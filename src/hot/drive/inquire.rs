//! What the clerk asks when a lane must be brought in line with the venue: cancel all, then every list
//! page by page, oldest first.

use super::clerk::{Clerk, Findings, Inquiry, NOTHING_OPEN, Trouble};
use crate::host::clock::Clock;
use crate::record::Instrument;
use crate::units::UnixNanos;
use crate::venue::binance::orders::client_id;
use crate::venue::binance::session::answer::{self, AccountTrade, VenueOrder};
use crate::venue::binance::session::rest::{self, From, PAGE};
use std::sync::atomic::AtomicBool;

/// Pages of one list that are asked for.
pub(super) const PAGES_MAX: usize = 256;

impl<C: Clock> Clerk<C> {
    /// Cancels all, makes sure that nothing works, looks up the orders whose venue's ids are not known,
    /// and then asks for fills and the account: what filled in between is in them. An order that came to
    /// work after the cancel is trouble, since the lane takes the answer for the end of every order.
    pub(super) async fn reconcile(
        &mut self,
        inquiry: &Inquiry,
        stop: &AtomicBool,
    ) -> Result<Findings, Trouble> {
        let signer = self.signer()?.clone();
        let instruments = self.settings.instruments.clone();
        for instrument in &instruments {
            let symbol = &instrument.symbol;
            let request = |family, wall| rest::cancel_all(family, symbol, &signer, wall);
            match self.call(request, stop).await {
                Ok(_) => {}
                Err(Trouble::Answer(refused)) if refused.code() == Some(NOTHING_OPEN) => {}
                Err(error) => return Err(error),
            }
        }
        for instrument in &instruments {
            let symbol = &instrument.symbol;
            let request = |family, wall| rest::open_orders(family, symbol, &signer, wall);
            let response = self.call(request, stop).await?;
            let open = answer::orders(&response.body, &instruments)?;
            if let Some(works) = open.iter().find(|of| of.state.is_working()) {
                return Err(still_works(works));
            }
        }
        let mut found = Findings::default();
        for (instrument, order) in &inquiry.unnamed {
            found.orders.extend(self.look_up(*instrument, *order, stop).await?);
        }
        let asked = inquiry.since.unwrap_or_default();
        let since = self.reach(asked);
        let looks_back = inquiry.since.is_some();
        if inquiry.all_orders && looks_back {
            for instrument in &instruments {
                let orders = self.orders_since(instrument, since, stop).await?;
                found.orders.extend(orders.iter().filter(|of| of.order.is_some()));
            }
        }
        if let Some(works) = found.orders.iter().find(|of| of.state.is_working()) {
            return Err(still_works(works));
        }
        for instrument in instruments.iter().filter(|_| looks_back) {
            let last = inquiry.last_trades.iter().find(|of| of.0 == instrument.id);
            let from = match last {
                Some((_, last)) if since > asked => From::Id(last + 1),
                _ => From::Time(since),
            };
            if since > asked && last.is_none() {
                found.gaps.push(format!(
                    "{}: the venue lists no fills as old as the last record; positions are taken \
                     from the account",
                    instrument.symbol
                ));
            }
            found.fills.extend(self.fills_since(instrument, from, stop).await?);
        }
        let response = self.call(|family, wall| rest::account(family, &signer, wall), stop).await?;
        found.account = answer::account(&response.body, &instruments)?;
        Ok(found)
    }

    /// The earliest time that a list may begin at, a minute of doubt about clocks apart.
    fn reach(&self, since: UnixNanos) -> UnixNanos {
        const DOUBT: u64 = 60_000_000_000;
        let span = rest::look_back_max(self.settings.family).0 - DOUBT;
        since.max(UnixNanos(self.wall().0.saturating_sub(span)))
    }

    async fn orders_since(
        &mut self,
        instrument: &Instrument,
        since: UnixNanos,
        stop: &AtomicBool,
    ) -> Result<Vec<VenueOrder>, Trouble> {
        let (signer, listed) = (self.signer()?.clone(), [*instrument]);
        let symbol = &instrument.symbol;
        let (mut all, mut from) = (Vec::new(), From::Time(since));
        for _ in 0..PAGES_MAX {
            let request = |family, wall| rest::orders_from(family, symbol, from, &signer, wall);
            let response = self.call(request, stop).await?;
            let page = answer::orders(&response.body, &listed)?;
            let last = page.iter().map(|of| of.venue_order).max();
            let full = page.len() >= PAGE;
            all.extend(page);
            match last {
                Some(last) if full => from = From::Id(last + 1),
                _ => return Ok(all),
            }
        }
        Err(Trouble::Endless("orders", instrument.symbol))
    }

    async fn fills_since(
        &mut self,
        instrument: &Instrument,
        mut from: From,
        stop: &AtomicBool,
    ) -> Result<Vec<AccountTrade>, Trouble> {
        let (signer, listed) = (self.signer()?.clone(), [*instrument]);
        let symbol = &instrument.symbol;
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let request = |family, wall| rest::trades_from(family, symbol, from, &signer, wall);
            let response = self.call(request, stop).await?;
            let page = answer::trades(&response.body, &listed)?;
            let last = page.iter().map(|of| of.trade_id).max();
            let full = page.len() >= PAGE;
            all.extend(page);
            match last {
                Some(last) if full => from = From::Id(last + 1),
                _ => return Ok(all),
            }
        }
        Err(Trouble::Endless("fills", instrument.symbol))
    }
}

fn still_works(order: &VenueOrder) -> Trouble {
    match order.order {
        Some(id) => Trouble::StillWorks(String::from_utf8_lossy(&client_id(id)).into_owned()),
        None => Trouble::StillWorks(format!("{} of the venue", order.venue_order)),
    }
}
