//! The clients' accounts: names of orders, facts of working ones, fills, balances, listen keys.

use super::report::AccountReport;
use crate::lab::exchange::ClientId;
use crate::lab::exchange::wire::answers::{Holding, OrderFacts};
use crate::lab::exchange::wire::names::Names;
use crate::ledger::Ledger;
use crate::record::{ExecutionKind, ExecutionReport, Instrument, InstrumentKind, Intent};
use crate::units::{Currency, InstrumentId, Lots, Money, Nanos, OrderId, UnixNanos};
use std::collections::{BTreeMap, VecDeque};

/// Fills kept per account for `userTrades`.
const FILLS_MAX: usize = 100_000;
/// Orders that are over, kept per account for queries.
const ENDED_MAX: usize = 10_000;
/// Accounts at a time.
const ACCOUNTS_MAX: usize = 1_024;
/// How long a listen key lives unless it is kept.
const LISTEN_KEY_LIFE: Nanos = Nanos(3_600 * 1_000_000_000);
/// Balance of each quote and settlement currency at the start, in whole units.
const START: i128 = 1_000_000;

/// One client's account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) names: Names,
    orders: BTreeMap<(InstrumentId, OrderId), OrderFacts>,
    pub(super) fills: VecDeque<ExecutionReport>,
    /// Last reports of orders that are over, oldest first.
    ended: VecDeque<(ExecutionReport, OrderFacts)>,
    books: Ledger,
    start: BTreeMap<Currency, Money>,
    /// Instruments on which the dead man's switch is armed, and when it fires.
    pub(super) dead_man: BTreeMap<InstrumentId, Nanos>,
}

/// All accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
    by_key: BTreeMap<String, ClientId>,
    per_key: bool,
    listen_keys: BTreeMap<String, (ClientId, Nanos)>,
    keys_made: u64,
}

impl Account {
    fn new(instruments: &[Instrument]) -> Account {
        let mut start = BTreeMap::new();
        for of in instruments {
            for asset in [of.quote, of.settle, of.base] {
                start.insert(asset, Money(START * Money::ONE));
            }
        }
        Account {
            names: Names::default(),
            orders: BTreeMap::new(),
            fills: VecDeque::new(),
            ended: VecDeque::new(),
            books: Ledger::new(instruments),
            start,
            dead_man: BTreeMap::new(),
        }
    }

    /// Facts of an order that was just accepted.
    pub(super) fn open(&mut self, intent: &Intent, report: &ExecutionReport) {
        let facts = OrderFacts {
            order_type: intent.order_type,
            time_in_force: intent.time_in_force,
            reduce_only: intent.reduce_only,
            placed: report.venue_time,
            notional_filled: Money(0),
        };
        self.orders.insert((report.instrument, report.order), facts);
    }

    pub(super) fn facts(&self, instrument: InstrumentId, order: OrderId) -> Option<OrderFacts> {
        self.orders.get(&(instrument, order)).copied()
    }

    /// Books a report; facts of an order that ended come back for the last time.
    pub(super) fn book(&mut self, report: &ExecutionReport) -> Option<OrderFacts> {
        let key = (report.instrument, report.order);
        if report.kind == ExecutionKind::Fill {
            self.books.on_report(report);
            if self.fills.len() == FILLS_MAX {
                self.fills.pop_front();
            }
            self.fills.push_back(*report);
            let account = self.books.account(report.instrument);
            let notional =
                account.map(|of| of.valuation().notional(report.last_lots, report.last_price));
            if let Some(facts) = self.orders.get_mut(&key) {
                let more = notional.unwrap_or_default();
                facts.notional_filled = facts.notional_filled.plus(more);
            }
        }
        let ended = match report.kind {
            ExecutionKind::Cancelled | ExecutionKind::Expired => true,
            ExecutionKind::Fill => report.filled_lots >= report.lots,
            _ => false,
        };
        if !ended {
            return self.facts(report.instrument, report.order);
        }
        let facts = self.orders.remove(&key);
        if let Some(facts) = facts {
            if self.ended.len() == ENDED_MAX {
                self.ended.pop_front();
            }
            self.ended.push_back((*report, facts));
        }
        facts
    }

    /// The last report of an order that is over, while it is remembered.
    pub(super) fn ended(
        &self,
        instrument: InstrumentId,
        order: OrderId,
    ) -> Option<&(ExecutionReport, OrderFacts)> {
        let is = |of: &&(ExecutionReport, OrderFacts)| {
            of.0.instrument == instrument && of.0.order == order
        };
        self.ended.iter().rev().find(is)
    }

    /// Orders of an instrument that are over, oldest first.
    pub(super) fn ended_on(
        &self,
        instrument: InstrumentId,
    ) -> impl Iterator<Item = &(ExecutionReport, OrderFacts)> {
        self.ended.iter().filter(move |of| of.0.instrument == instrument)
    }

    /// Average price at which the open position was entered; zero where there is none.
    pub(super) fn entry_price(&self, instrument: &Instrument) -> f64 {
        let account = self.books.account(instrument.id);
        let ticks = account.and_then(|of| of.entry_ticks()).unwrap_or(0.0);
        ticks * instrument.tick.step().to_f64()
    }

    /// Signed position by the fills booked here.
    pub(super) fn position(&self, instrument: InstrumentId) -> Lots {
        self.books.account(instrument).map_or(Lots(0), |of| of.position())
    }

    /// Balances: what there was, what trading brought, what fees took.
    pub(super) fn holdings(&self, instruments: &[Instrument]) -> Vec<Holding> {
        let mut amounts = self.start.clone();
        let mut add = |asset: Currency, money: Money| {
            let amount = amounts.entry(asset).or_default();
            *amount = amount.plus(money);
        };
        for (of, account) in instruments.iter().zip(self.books.accounts()) {
            if of.kind == InstrumentKind::Spot {
                add(of.base, base_units(of, account.position()));
                add(of.quote, account.cash());
            } else {
                add(of.settle, account.realised());
            }
        }
        for (asset, fee) in self.books.fees().entries() {
            add(*asset, Money(-fee.0));
        }
        amounts.into_iter().map(|(asset, amount)| Holding { asset, amount }).collect()
    }
}

fn base_units(instrument: &Instrument, lots: Lots) -> Money {
    let size = instrument.lot.decimal(lots.0);
    Money(i128::from(size.mantissa) * Money::ONE / 10i128.pow(u32::from(size.scale)))
}

impl Accounts {
    pub(super) fn new(per_key: bool) -> Accounts {
        Accounts {
            accounts: Vec::new(),
            by_key: BTreeMap::new(),
            per_key,
            listen_keys: BTreeMap::new(),
            keys_made: 0,
        }
    }

    /// The account of a key, made when it is new; beyond the bound all further keys share one.
    pub(super) fn of_key(&mut self, key: &str, instruments: &[Instrument]) -> ClientId {
        let key = if self.per_key { key } else { "" };
        if let Some(known) = self.by_key.get(key) {
            return *known;
        }
        if self.accounts.len() < ACCOUNTS_MAX {
            self.accounts.push(Account::new(instruments));
        }
        let client = ClientId(self.accounts.len() as u32);
        self.by_key.insert(key.to_owned(), client);
        client
    }

    /// Every client that has an account.
    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> {
        (1..=self.accounts.len() as u32).map(ClientId)
    }

    /// Cash, fees and balances of a client.
    pub(super) fn report(&self, client: ClientId, instruments: &[Instrument]) -> AccountReport {
        let Some(account) = self.accounts.get((client.0 as usize).wrapping_sub(1)) else {
            return AccountReport::default();
        };
        let cash = instruments.iter().zip(account.books.accounts());
        let (fees, holdings) = (account.books.fees(), account.holdings(instruments));
        AccountReport {
            cash: cash.map(|(of, a)| (of.symbol.to_string(), a.cash().to_string())).collect(),
            fees: fees
                .entries()
                .iter()
                .map(|(of, fee)| (of.to_string(), fee.to_string()))
                .collect(),
            balances: holdings
                .iter()
                .map(|of| (of.asset.to_string(), of.amount.to_string()))
                .collect(),
            ..AccountReport::default()
        }
    }

    /// The account of a client.
    pub(super) fn get(&mut self, client: ClientId) -> Option<&mut Account> {
        self.accounts.get_mut((client.0 as usize).checked_sub(1)?)
    }

    /// A listen key of an account, the same as long as it lives.
    pub(super) fn listen_key(&mut self, client: ClientId, now: Nanos) -> String {
        let until = now.plus(LISTEN_KEY_LIFE);
        if let Some((key, entry)) = self.listen_keys.iter_mut().find(|(_, of)| of.0 == client) {
            entry.1 = until;
            return key.clone();
        }
        self.keys_made += 1;
        let key = format!("bot4venue{:023}account{:025}", self.keys_made, client.0);
        self.listen_keys.insert(key.clone(), (client, until));
        key
    }

    /// The account of a live listen key.
    pub(super) fn of_listen_key(&self, key: &str) -> Option<ClientId> {
        self.listen_keys.get(key).map(|(client, _)| *client)
    }

    /// Ends the listen key of an account; whether there was one.
    pub(super) fn close_listen_key(&mut self, client: ClientId) -> bool {
        let before = self.listen_keys.len();
        self.listen_keys.retain(|_, of| of.0 != client);
        self.listen_keys.len() < before
    }

    /// Listen keys that nobody kept, and their accounts.
    pub(super) fn expired_keys(&mut self, now: Nanos) -> Vec<(String, ClientId)> {
        let over = |of: &(&String, &(ClientId, Nanos))| of.1.1 <= now;
        let expired: Vec<_> =
            self.listen_keys.iter().filter(over).map(|(key, of)| (key.clone(), of.0)).collect();
        for (key, _) in &expired {
            self.listen_keys.remove(key);
        }
        expired
    }

    /// When the next listen key ends that nobody keeps.
    pub(super) fn next_expiry(&self) -> Option<Nanos> {
        self.listen_keys.values().map(|(_, until)| *until).min()
    }

    /// Dead man's switches whose time has come, disarmed.
    pub(super) fn fired(&mut self, now: Nanos) -> Vec<(ClientId, InstrumentId)> {
        let mut fired = Vec::new();
        for (index, account) in self.accounts.iter_mut().enumerate() {
            account.dead_man.retain(|instrument, at| {
                let due = *at <= now;
                if due {
                    fired.push((ClientId(index as u32 + 1), *instrument));
                }
                !due
            });
        }
        fired
    }

    /// When the next dead man's switch fires.
    pub(super) fn next_firing(&self) -> Option<Nanos> {
        self.accounts.iter().flat_map(|of| of.dead_man.values()).min().copied()
    }
}

/// The time a listen key ended, as its event says it.
pub(super) fn expiry_event(key: &str, at: UnixNanos) -> Vec<u8> {
    let millis = at.0 / 1_000_000;
    format!(r#"{{"e":"listenKeyExpired","E":{millis},"listenKey":"{key}"}}"#).into_bytes()
}
