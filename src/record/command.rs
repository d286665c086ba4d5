//! Who may ask what of a lane, how it stands, and why. Codes are append-only and journalled.

/// Whether a lane takes risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Trades.
    Active = 0,
    /// Only shrinks positions.
    Reducing = 1,
    /// Only cancels; closes positions where that is asked for.
    #[default]
    Halted = 2,
}

impl Mode {
    /// Every mode, mildest first.
    pub const ALL: [Mode; 3] = [Mode::Active, Mode::Reducing, Mode::Halted];

    /// The stable name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Active => "active",
            Mode::Reducing => "reducing",
            Mode::Halted => "halted",
        }
    }
}

/// What is asked of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// Trade.
    Activate = 0,
    /// Only shrink positions.
    Reduce = 1,
    /// Cancel everything and stop trading.
    Halt = 2,
    /// Halt, and close every position.
    Flatten = 3,
}

impl Command {
    /// Every command, by code.
    pub const ALL: [Command; 4] =
        [Command::Activate, Command::Reduce, Command::Halt, Command::Flatten];

    /// The word used on the control socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Command::Activate => "activate",
            Command::Reduce => "reduce",
            Command::Halt => "halt",
            Command::Flatten => "flatten",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Source {
    /// The program: it starts the lane and ends it in order.
    Run = 0,
    /// A person, over the control socket.
    Operator = 1,
    /// A signal to the process.
    Signal = 2,
    /// The kill file has appeared.
    File = 3,
    /// The guard, which found the lane silent and has cancelled its orders.
    Guard = 4,
    /// The journal cannot take what the lane would do.
    Journal = 5,
}

impl Source {
    /// Every source, by code.
    pub const ALL: [Source; 6] = [
        Source::Run,
        Source::Operator,
        Source::Signal,
        Source::File,
        Source::Guard,
        Source::Journal,
    ];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Source::Run => "run",
            Source::Operator => "operator",
            Source::Signal => "signal",
            Source::File => "file",
            Source::Guard => "guard",
            Source::Journal => "journal",
        }
    }
}

/// Why a lane does not trade freely; several may hold at a time. The code is a bit of `Causes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// A life has begun and nobody has activated it yet.
    Start = 0,
    /// The program ends the lane.
    Stop = 1,
    /// An operator reduces.
    OperatorReduce = 2,
    /// An operator halts.
    OperatorHalt = 3,
    /// A signal reduces.
    SignalReduce = 4,
    /// A signal halts.
    SignalHalt = 5,
    /// The kill file.
    KillFile = 6,
    /// The guard.
    Guard = 7,
    /// The journal.
    Journal = 8,
    /// Loss since the day began.
    DailyLoss = 9,
    /// Loss since the week began.
    WeeklyLoss = 10,
    /// Loss since the month began.
    MonthlyLoss = 11,
    /// Loss from the highest equity.
    Drawdown = 12,
    /// Gross, net, leverage, concentration, or the exposure of a venue, strategy or group.
    Exposure = 13,
    /// Breaker: volatility.
    Volatility = 14,
    /// Breaker: spread.
    Spread = 15,
    /// Breaker: age of market data against its own running level.
    Latency = 16,
    /// Breaker: time that the lane itself takes.
    InternalLatency = 17,
    /// Breaker: share of orders that the venue rejects.
    Rejects = 18,
    /// Breaker: a trusted book that nothing is heard of.
    StaleData = 19,
}

impl Cause {
    /// Every cause, by code.
    pub const ALL: [Cause; 20] = [
        Cause::Start,
        Cause::Stop,
        Cause::OperatorReduce,
        Cause::OperatorHalt,
        Cause::SignalReduce,
        Cause::SignalHalt,
        Cause::KillFile,
        Cause::Guard,
        Cause::Journal,
        Cause::DailyLoss,
        Cause::WeeklyLoss,
        Cause::MonthlyLoss,
        Cause::Drawdown,
        Cause::Exposure,
        Cause::Volatility,
        Cause::Spread,
        Cause::Latency,
        Cause::InternalLatency,
        Cause::Rejects,
        Cause::StaleData,
    ];

    /// The stable name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::Stop => "stop",
            Cause::OperatorReduce => "operator_reduce",
            Cause::OperatorHalt => "operator_halt",
            Cause::SignalReduce => "signal_reduce",
            Cause::SignalHalt => "signal_halt",
            Cause::KillFile => "kill_file",
            Cause::Guard => "guard",
            Cause::Journal => "journal",
            Cause::DailyLoss => "daily_loss",
            Cause::WeeklyLoss => "weekly_loss",
            Cause::MonthlyLoss => "monthly_loss",
            Cause::Drawdown => "drawdown",
            Cause::Exposure => "exposure",
            Cause::Volatility => "volatility",
            Cause::Spread => "spread",
            Cause::Latency => "latency",
            Cause::InternalLatency => "internal_latency",
            Cause::Rejects => "rejects",
            Cause::StaleData => "stale_data",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_stand_at_their_index() {
        for (code, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, code, "{}", cause.name());
        }
        for (code, source) in Source::ALL.iter().enumerate() {
            assert_eq!(*source as usize, code, "{}", source.name());
        }
        for (code, command) in Command::ALL.iter().enumerate() {
            assert_eq!(*command as usize, code, "{}", command.name());
        }
    }
}
