//! What must hold in every world, and what its breach looks like.
//!
//! Deliberately absent: how each is judged (`judge`, `limits`, `world`).

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// The engine's position equals the venue's once reconciled.
    Position,
    /// The engine's cash equals the venue's once reconciled.
    Cash,
    /// The engine's fees equal the venue's once reconciled.
    Fees,
    /// The engine's open orders are the venue's once reconciled.
    OpenOrders,
    /// No order without a passing verdict.
    Verdict,
    /// No order larger than allowed.
    OrderSize,
    /// No position beyond its limit, counting what is in flight.
    PositionLimit,
    /// No more working orders than allowed, counting what is in flight.
    OrderCount,
    /// No order that leads to an exposure beyond its limit, counting what is in flight.
    ExposureLimit,
    /// The venue never has to refuse for our own rate.
    VenueRate,
    /// The lane's own rate limit.
    OwnRate,
    /// No order is sent twice.
    SentTwice,
    /// Money is conserved.
    Money,
    /// A trusted book is the venue's book.
    Book,
    /// A limit reached is acted upon by the event that shows it.
    Breach,
    /// No order while something says that there is to be none: a crossed book, an old plan, a halt.
    Forbidden,
    /// What left was journalled first, where the durability promises it.
    Durable,
    /// A replay of the journal gives the same state.
    Replay,
    /// A restart recovers.
    Recovery,
    /// Memory is bounded.
    Memory,
    /// The engine runs, its links are up and its books trusted once all is well.
    Alive,
    /// An instrument that may be traded is quoted.
    Idle,
}

/// A breach.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// What was to hold.
    pub invariant: Invariant,
    /// At which step of the world.
    pub step: u64,
    /// When, milliseconds since the world began.
    pub at_ms: u64,
    /// What was seen.
    pub words: String,
}
