//! Bugs that the simulator plants, to see that its judge finds them: each a question asked at the one
//! place where the engine could go wrong.
//!
//! A lane, its pipeline, driver and replica are made with a type that answers. Invariant: the shipped
//! ones are made with `Sound`, to whom every answer is a constant no, so that nothing of a bug is left
//! in them. Deliberately absent: a type that answers yes (`lab::sim` has it).

use std::fmt::Debug;

/// Says which bugs there are.
pub trait Flaws: Copy + Debug + Default + 'static {
    /// Whether the engine has this one.
    fn has(flaw: Flaw) -> bool;
}

/// None.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sound;

impl Flaws for Sound {
    #[inline(always)]
    fn has(_: Flaw) -> bool {
        false
    }
}

macro_rules! flaws {
    ($($flaw:ident $name:literal $class:literal $words:literal,)*) => {
        /// A bug, one of each class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flaw {
            $(#[doc = $words] $flaw,)*
        }

        impl Flaw {
            /// Every bug.
            pub const ALL: [Flaw; [$($name),*].len()] = [$(Flaw::$flaw,)*];

            /// The name used in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Flaw::$flaw => $name,)* }
            }

            /// What it is a bug of.
            #[must_use]
            pub const fn class(self) -> &'static str {
                match self { $(Flaw::$flaw => $class,)* }
            }

            /// What it does.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Flaw::$flaw => $words,)* }
            }
        }
    };
}

flaws! {
    ForgetPartialFill "forget_partial_fill" "fills"
        "A fill that leaves a rest is not booked.",
    BookFillTwice "book_fill_twice" "repeated messages"
        "A fill that comes again is booked again.",
    ResendUnderNewId "resend_under_new_id" "resending"
        "An order that the venue is not sure of is sent again under another client order id.",
    ReuseOrderIds "reuse_order_ids" "order ids"
        "A life numbers its orders as the one before it did.",
    UnknownIsDead "unknown_is_dead" "unknown fate"
        "An order that the venue is not sure of counts as over at once.",
    SkipReconciliation "skip_reconciliation" "restart"
        "A life trades without having asked the venue what became of the orders before it.",
    AdoptNothing "adopt_nothing" "unremembered orders"
        "Orders that left after the last record of a life stay unknown to the next.",
    LoseJournalRecord "lose_journal_record" "journal"
        "Some reports of the venue are not recorded.",
    SendBeforeDurable "send_before_durable" "durability"
        "Orders leave before what led to them is on the disk.",
    SkipStalePlanCheck "skip_stale_plan_check" "age of the plan"
        "A plan serves for ever.",
    TakeAbsurdPlan "take_absurd_plan" "sense of the plan"
        "A plan is adopted without a look at its numbers.",
    AcceptCrossedBook "accept_crossed_book" "state of the book"
        "A book whose bid is above its ask is quoted on, as if the two had changed places.",
    IgnoreGap "ignore_gap" "chain of diffs"
        "A diff is applied although the one before it is missing.",
    TradeWhileHalted "trade_while_halted" "standing"
        "What holds the lane back is not asked.",
    CountWithoutInFlight "count_without_in_flight" "position limit"
        "The position limit counts the position alone, without what works or is under way.",
    NeverCountOrders "never_count_orders" "order rate"
        "Orders that leave are not counted in the rate window.",
    IgnoreLoss "ignore_loss" "loss limits"
        "A loss that is reached holds nobody back.",
    SkipExposureCheck "skip_exposure_check" "exposure of orders"
        "An order is not asked what it does to the exposures.",
    IgnoreExposure "ignore_exposure" "exposure limits"
        "An exposure that prices have moved above its limit holds nobody back.",
    StaySilent "stay_silent" "liveness"
        "A life that follows another quotes nothing, and nothing says so.",
    HoardFrames "hoard_frames" "memory"
        "Every market frame leaves something behind, and nothing bounds it.",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_bug_is_of_a_class_of_its_own_and_a_sound_engine_has_none() {
        let names: BTreeSet<_> = Flaw::ALL.map(Flaw::name).into();
        let classes: BTreeSet<_> = Flaw::ALL.map(Flaw::class).into();
        assert_eq!((names.len(), classes.len()), (Flaw::ALL.len(), Flaw::ALL.len()));
        assert!(Flaw::ALL.into_iter().all(|flaw| !Sound::has(flaw)));
        assert!(Flaw::ALL.into_iter().all(|flaw| flaw.words().ends_with('.')));
        assert!(size_of::<Sound>() == 0, "and costs nothing");
    }
}
