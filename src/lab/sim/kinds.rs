//! The kinds of faults: what each number means, how it is drawn, and how long the fault lasts.

use crate::maths::random::Random;
use crate::units::Nanos;
use crate::venue::binance::session::{PONG_TIMEOUT, SILENCE_MAX};

/// Where a fault strikes; a storm favours one group, so that related faults meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Sockets.
    Network,
    /// Market frames and the market itself.
    Market,
    /// Orders, answers, events of the account.
    Orders,
    /// Clocks, plans, rings, commands.
    Engine,
    /// The disk under the journal.
    Disk,
    /// Death and restart.
    Life,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $group:ident $weight:literal,)*) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Kind; [$($weight),*].len()] = [$(Kind::$kind,)*];

            /// The name used in lists and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// Where it strikes.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Kind::$kind => Group::$group,)* }
            }

            const fn weight(self) -> u64 {
                match self { $(Kind::$kind => $weight,)* }
            }
        }
    };
}

kinds! {
    /// Stream A is reset.
    Reset "reset" Network 4,
    /// Stream A ends in good order.
    Close "close" Network 4,
    /// Direction B (0 out, 1 in) of stream A is silent for ever.
    HalfOpen "half_open" Network 1,
    /// Direction B (0 out, 1 in, 2 both) of stream A stands still for C ms.
    Stall "stall" Network 4,
    /// The venue refuses connections for A ms.
    Refuse "refuse" Network 2,
    /// The engine's send buffer of stream A takes B bytes for C ms.
    Narrow "send_buffer_full" Network 3,
    /// The engine's machine is cut off for A ms.
    CutOff "cut_off" Network 2,

    /// The next A market frames are lost.
    LostFrame "lost_frame" Market 2,
    /// The next A market frames come twice.
    RepeatedFrame "repeated_frame" Market 2,
    /// The next A market frames come B ms late.
    LateFrame "late_frame" Market 2,
    /// The next A market frames are no JSON.
    Garbage "garbage_frame" Market 2,
    /// The next market frame is cut in two and its connection closes.
    TornFrame "torn_frame" Market 1,
    /// Market connections stand still for A ms at the venue.
    Delay "delayed_frames" Market 2,
    /// The next A diffs are lost.
    Gap "gap" Market 3,
    /// The next diff comes after its successor.
    Swap "reordered_diff" Market 2,
    /// A ticker of instrument A shows a bid B ticks above the ask.
    CrossedTicker "crossed_ticker" Market 2,
    /// A diff of instrument A shows a bid B ticks above the ask.
    CrossedDiff "crossed_diff" Market 2,
    /// Side B of instrument A's book is empty.
    EmptyBook "empty_book" Market 2,
    /// The price of instrument A jumps by B millionths.
    Jump "price_jump" Market 3,
    /// Nobody trades instrument A for B ms.
    Halt "market_halt" Market 2,

    /// The next A order requests are refused with code B.
    Reject "reject" Orders 8,
    /// The venue refuses every order request for the next A: trading is halted.
    Refused "trading_refused" Orders 1,
    /// The next A order requests are neither carried out nor answered.
    Mute "lost_request" Orders 3,
    /// The next A order requests are carried out and answered with -1007.
    Unsure "unknown_status_done" Orders 3,
    /// The next A order requests are not carried out and answered with -1007.
    Lost "unknown_status_lost" Orders 3,
    /// The connection of the next order request closes.
    DropRequest "dropped_request" Orders 2,
    /// The next A answers are lost.
    LostAnswer "lost_answer" Orders 3,
    /// The next A answers come twice.
    RepeatedAnswer "repeated_answer" Orders 2,
    /// The next A answers come B ms late.
    LateAnswer "late_answer" Orders 3,
    /// The next answer comes after its successor.
    SwappedAnswer "reordered_answer" Orders 2,
    /// The next A events of the account are lost.
    LostEvent "lost_event" Orders 3,
    /// The next A events of the account come twice.
    RepeatedEvent "repeated_event" Orders 3,
    /// The next A events of the account come B ms late.
    LateEvent "late_event" Orders 3,
    /// The next event of the account comes after its successor.
    SwappedEvent "reordered_event" Orders 3,
    /// Limit A (0 weight, 1 orders) is used up by others.
    UsedUp "rate_limited" Orders 2,
    /// The address is banned.
    Banned "banned" Orders 1,
    /// The venue closes every WebSocket.
    Maintenance "maintenance" Orders 1,

    /// The venue's wall clock jumps by A ms.
    VenueClock "venue_clock" Engine 1,
    /// The engine's wall clock is A ms off from its next start on.
    EngineClock "engine_clock" Engine 1,
    /// No new plan comes for A ms.
    StalePlan "stale_plan" Engine 2,
    /// A plan with absurd numbers, variant A.
    AbsurdPlan "absurd_plan" Engine 3,
    /// The journal's ring is not emptied for A ms.
    FullRing "full_ring" Engine 2,
    /// The clerk's thread gets no time for A ms.
    SlowClerk "slow_clerk" Engine 1,
    /// An operator's command A (0 reduce, 1 halt, 2 flatten); activate follows after B ms.
    Command "command" Engine 2,

    /// The disk is full for A ms.
    DiskFull "disk_full" Disk 2,
    /// The next A writes are short.
    ShortWrite "short_write" Disk 3,
    /// The next A fsyncs fail.
    FsyncError "fsync_error" Disk 2,
    /// Every operation of the disk takes A ms longer, for B ms.
    SlowDisk "slow_disk" Disk 2,
    /// A bit of what is written but not synced flips (A decides which).
    BitRot "bit_rot" Disk 1,
    /// Any bit of the journal flips (A decides which); the next start must refuse it or not need it.
    SyncedRot "synced_rot" Disk 1,

    /// The engine is killed; it starts again after A ms. B: what it sent last is lost with it.
    Kill "kill" Life 3,
    /// The engine's machine loses power; it starts again after A ms. B decides which sectors survive.
    PowerLoss "power_loss" Life 2,
    /// The engine is stopped in good order and starts again after A ms.
    Restart "restart" Life 1,
}

impl Group {
    const ALL: [Group; 6] =
        [Group::Network, Group::Market, Group::Orders, Group::Engine, Group::Disk, Group::Life];

    /// One of the groups.
    pub fn draw(random: &mut Random) -> Group {
        Group::ALL[random.below(Group::ALL.len() as u64) as usize]
    }
}

/// How much likelier a kind of the favoured group is.
const FAVOUR: u64 = 8;
/// Codes of rejects that are drawn, each with its own meaning to the engine: see `orders::error`.
pub const REJECT_CODES: [i64; 40] = [
    -1000, -1001, -1002, -1003, -1006, -1007, -1008, -1013, -1015, -1016, -1020, -1021, -1022,
    -1100, -1102, -1106, -1111, -1116, -1121, -2010, -2011, -2013, -2014, -2015, -2018, -2019,
    -2022, -2026, -2027, -4001, -4003, -4013, -4014, -4016, -4116, -4131, -4164, -5021, -5022,
    -5027,
];
/// How long the venue bans.
const BAN: i64 = 120_000;
/// How long a fault waits for something to strike.
const AWAITED: i64 = 10_000;
/// How long a silent line may go unnoticed: the longest silence a session bears, its ping, and the time
/// until the line is open again.
const UNNOTICED: i64 = (SILENCE_MAX.0 + PONG_TIMEOUT.0) as i64 / 1_000_000 + 10_000;

impl Kind {
    /// A kind by its weight; those of `favoured` are likelier.
    pub fn draw(random: &mut Random, favoured: Group) -> Kind {
        let weight = |kind: Kind| kind.weight() * if kind.group() == favoured { FAVOUR } else { 1 };
        let mut draw = random.below(Kind::ALL.into_iter().map(weight).sum());
        for kind in Kind::ALL {
            match draw.checked_sub(weight(kind)) {
                Some(rest) => draw = rest,
                None => return kind,
            }
        }
        Kind::Reset
    }

    /// Its numbers.
    pub fn draw_args(self, random: &mut Random) -> [i64; 3] {
        let mut below = |bound: u64| random.below(bound) as i64;
        match self {
            Kind::Reset | Kind::Close => [below(8), 0, 0],
            Kind::HalfOpen => [below(8), below(2), 0],
            Kind::Stall => [below(8), below(3), 100 + below(12_000)],
            Kind::Refuse | Kind::CutOff => [500 + below(30_000), 0, 0],
            Kind::Narrow => [below(8), below(600), 100 + below(5_000)],

            Kind::LostFrame | Kind::RepeatedFrame | Kind::Garbage | Kind::Gap => {
                [1 + below(5), 0, 0]
            }
            Kind::LateFrame => [1 + below(5), 1 + below(3_000), 0],
            Kind::Delay => [10 + below(8_000), 0, 0],
            Kind::TornFrame
            | Kind::Swap
            | Kind::DropRequest
            | Kind::SwappedAnswer
            | Kind::SwappedEvent
            | Kind::Banned
            | Kind::Maintenance => [0; 3],
            Kind::CrossedTicker | Kind::CrossedDiff => [below(2), below(40), 0],
            Kind::EmptyBook => [below(2), below(2), 0],
            Kind::Jump => {
                let most: u32 = if below(3) == 0 { 200_000 } else { 500 };
                [below(2), below(2 * u64::from(most) + 1) - i64::from(most), 0]
            }
            Kind::Halt => [below(2), 1_000 + below(20_000), 0],

            Kind::Reject => {
                let code = REJECT_CODES[below(REJECT_CODES.len() as u64) as usize];
                [1 + below(4), code, 0]
            }
            Kind::Refused => [10 + below(60), 0, 0],
            Kind::Mute | Kind::Unsure | Kind::Lost => [1 + below(3), 0, 0],
            Kind::LostAnswer | Kind::RepeatedAnswer => [1 + below(4), 0, 0],
            Kind::LateAnswer => [1 + below(6), 50 + below(8_000), 0],
            Kind::LostEvent | Kind::RepeatedEvent => [1 + below(4), 0, 0],
            Kind::LateEvent => [1 + below(6), 50 + below(5_000), 0],
            Kind::UsedUp => [below(2), 0, 0],

            Kind::VenueClock | Kind::EngineClock => [below(8_001) - 4_000, 0, 0],
            Kind::StalePlan => [10_000 + below(120_000), 0, 0],
            Kind::AbsurdPlan => [below(super::plans::ABSURDITIES as u64), 0, 0],
            Kind::FullRing | Kind::SlowClerk => [50 + below(10_000), 0, 0],
            Kind::Command => [below(3), 500 + below(15_000), 0],

            Kind::DiskFull => [500 + below(20_000), 0, 0],
            Kind::ShortWrite | Kind::FsyncError => [1 + below(3), 0, 0],
            Kind::SlowDisk => [1 + below(200), 500 + below(20_000), 0],
            Kind::BitRot | Kind::SyncedRot => [below(1 << 30), 0, 0],

            Kind::Kill => [below(20_000), below(2), 0],
            Kind::PowerLoss => [1_000 + below(20_000), below(1 << 30), 0],
            Kind::Restart => [below(20_000), 0, 0],
        }
    }

    /// How long its immediate effects last; what the engine then needs to recover is `CALM`.
    #[must_use]
    pub fn span(self, args: &[i64; 3]) -> Nanos {
        let millis = match self {
            Kind::HalfOpen => UNNOTICED,
            Kind::Banned => BAN,
            Kind::UsedUp => BAN + 70_000,
            Kind::Refused => 30_000,
            Kind::Stall | Kind::Narrow => args[2],
            Kind::Refuse
            | Kind::CutOff
            | Kind::Delay
            | Kind::StalePlan
            | Kind::FullRing
            | Kind::SlowClerk
            | Kind::DiskFull
            | Kind::Kill
            | Kind::PowerLoss
            | Kind::Restart => args[0],
            Kind::LateFrame
            | Kind::LateAnswer
            | Kind::LateEvent
            | Kind::Halt
            | Kind::SlowDisk
            | Kind::Command => args[1].max(AWAITED),
            Kind::LostFrame
            | Kind::RepeatedFrame
            | Kind::Garbage
            | Kind::TornFrame
            | Kind::Gap
            | Kind::Swap
            | Kind::Reject
            | Kind::Mute
            | Kind::Unsure
            | Kind::Lost
            | Kind::DropRequest
            | Kind::LostAnswer
            | Kind::RepeatedAnswer
            | Kind::SwappedAnswer
            | Kind::LostEvent
            | Kind::RepeatedEvent
            | Kind::SwappedEvent => AWAITED,
            _ => 0,
        };
        Nanos::from_millis(millis.max(0).unsigned_abs())
    }
}
