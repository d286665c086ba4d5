//! What a fall of wealth does to the size of every position, and how size comes back: a state machine.
//!
//! ```text
//!            fall ≥ reduce          fall ≥ preserve          fall ≥ halt
//!  Normal ─────────────▶ Reduced ─────────────▶ Preserving ─────────────▶ Halted
//!    ▲                     │  ▲                     │                       │ a person resumes:
//!    │ scale 1, fall small │  └─────────────────────┘                       │ the mark is set anew
//!    └──── Recovering ◀────┘   fall well below preserve                     ▼
//!              ▲───────────────────────────────────────────────────── Recovering
//! ```
//!
//! Size falls at once and rises by steps: a step up wants so many periods in a row without a new low and no
//! more fall than the step allows. A state is left only when the fall is below its threshold by the
//! hysteresis. Wealth is per unit of capital, so that money paid in or out is neither gain nor fall.
//! Invariant: the scale never rises in a period that made a new low, and is nothing while halted.

use serde::Serialize;

/// The thresholds, as falls from the highest: positive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rules {
    /// Size begins to fall.
    pub reduce: f64,
    /// Only the least size is held.
    pub preserve: f64,
    /// Nothing is held until a person resumes.
    pub halt: f64,
    /// Size held where the fall has come to `preserve`.
    pub least: f64,
    /// Share of a threshold that the fall must be below it before its state is left.
    pub hysteresis: f64,
    /// Periods in a row without a new low before a step up.
    pub calm: u32,
    /// Size of a step up.
    pub step: f64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            reduce: 0.05,
            preserve: 0.10,
            halt: 0.15,
            least: 0.25,
            hysteresis: 0.2,
            calm: 5,
            step: 0.25,
        }
    }
}

/// Rules that are none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// Thresholds out of order.
    #[error(
        "falls of {reduce}, {preserve} and {halt}: each must be above the one before, within 0 and 1"
    )]
    Order {
        /// Reduce.
        reduce: f64,
        /// Preserve.
        preserve: f64,
        /// Halt.
        halt: f64,
    },
    /// A number that is no share.
    #[error("{what} is {value}: give a number above 0, at most 1")]
    Share {
        /// Which.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A hysteresis that is none.
    #[error("the hysteresis is {0}: give a share from 0 up to 1, 1 left out")]
    Hysteresis(f64),
    /// Wealth that is none.
    #[error("wealth is {0}: give a positive number")]
    Wealth(f64),
}

/// Where control stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Full size.
    Normal,
    /// Less, by how far wealth fell.
    Reduced,
    /// The least.
    Preserving,
    /// Nothing, until a person resumes.
    Halted,
    /// Coming back by steps.
    Recovering,
}

/// Control of size by falls of wealth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Control {
    rules: Rules,
    state: State,
    scale: f64,
    /// The highest wealth since the start or since a person resumed.
    mark: f64,
    /// The lowest since the mark.
    low: f64,
    wealth: f64,
    /// Periods since the last low or step.
    quiet: u32,
}

impl Control {
    /// At full size, with this wealth as the highest.
    ///
    /// # Errors
    /// Rules out of order, wealth that is none.
    pub fn new(rules: Rules, wealth: f64) -> Result<Control, RulesError> {
        let Rules { reduce, preserve, halt, .. } = rules;
        if !(0.0 < reduce && reduce < preserve && preserve < halt && halt < 1.0) {
            return Err(RulesError::Order { reduce, preserve, halt });
        }
        if !(0.0..1.0).contains(&rules.hysteresis) {
            return Err(RulesError::Hysteresis(rules.hysteresis));
        }
        for (what, value) in [("the least size", rules.least), ("a step", rules.step)] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(RulesError::Share { what, value });
            }
        }
        positive(wealth)?;
        Ok(Control {
            rules,
            state: State::Normal,
            scale: 1.0,
            mark: wealth,
            low: wealth,
            wealth,
            quiet: 0,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What sizes are multiplied by, from 0 to 1.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// How far wealth stands below its mark, from 0 to 1.
    #[must_use]
    pub fn fall(&self) -> f64 {
        1.0 - self.wealth / self.mark
    }

    /// Size that a fall leaves: 1 up to `reduce`, then straight down to `least` at `preserve`, 0 at `halt`.
    fn allowed(&self, fall: f64) -> f64 {
        let Rules { reduce, preserve, halt, least, .. } = self.rules;
        if fall < reduce {
            1.0
        } else if fall < preserve {
            1.0 - (1.0 - least) * (fall - reduce) / (preserve - reduce)
        } else if fall < halt {
            least
        } else {
            0.0
        }
    }

    /// The next period's wealth per unit of capital; says the state that it leads to.
    ///
    /// # Errors
    /// Wealth that is none; nothing has changed then.
    pub fn observe(&mut self, wealth: f64) -> Result<State, RulesError> {
        positive(wealth)?;
        self.wealth = wealth;
        let is_low = wealth < self.low;
        if wealth >= self.mark {
            (self.mark, self.low) = (wealth, wealth);
        } else if is_low {
            self.low = wealth;
        }
        self.quiet = if is_low { 0 } else { self.quiet.saturating_add(1) };
        if self.state == State::Halted {
            return Ok(State::Halted);
        }
        let fall = self.fall();
        let now = self.allowed(fall);
        if now < self.scale {
            self.scale = now;
            self.quiet = 0;
            self.state = self.named(fall);
        } else if self.scale < 1.0 {
            self.rise(fall);
        }
        // after a resume the least is held already: the state follows the fall all the same
        if self.state == State::Recovering && fall >= self.rules.preserve {
            self.state = State::Preserving;
        }
        Ok(self.state)
    }

    /// A step up where it has been quiet and the fall, seen a little deeper than it is, allows it.
    fn rise(&mut self, fall: f64) {
        let Rules { reduce, preserve, hysteresis, calm, step, .. } = self.rules;
        // a fall just below a threshold counts as at it
        let seen = fall / (1.0 - hysteresis);
        let target = self.allowed(seen.min(self.rules.halt * (1.0 - hysteresis)));
        if self.state == State::Preserving && seen < preserve {
            self.state = State::Recovering;
        }
        if self.quiet < calm || target <= self.scale {
            return;
        }
        self.scale = (self.scale + step).min(target);
        self.quiet = 0;
        self.state =
            if self.scale >= 1.0 && seen < reduce { State::Normal } else { State::Recovering };
    }

    fn named(&self, fall: f64) -> State {
        let Rules { reduce, preserve, halt, .. } = self.rules;
        if fall >= halt {
            State::Halted
        } else if fall >= preserve {
            State::Preserving
        } else if fall >= reduce {
            State::Reduced
        } else {
            State::Normal
        }
    }

    /// A person lets a halted book trade again: from the least size, falls counted from here.
    pub fn resume(&mut self) {
        if self.state == State::Halted {
            self.state = State::Recovering;
            self.scale = self.rules.least.min(self.rules.step);
            (self.mark, self.low, self.quiet) = (self.wealth, self.wealth, 0);
        }
    }
}

fn positive(wealth: f64) -> Result<(), RulesError> {
    if wealth.is_finite() && wealth > 0.0 { Ok(()) } else { Err(RulesError::Wealth(wealth)) }
}

/// What control would have made of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Controlled {
    /// Returns under control.
    pub returns: Vec<f64>,
    /// Scale that each was held at.
    pub scales: Vec<f64>,
    /// Row after which the state changed, what it was, what it became, the fall then.
    pub changes: Vec<(usize, State, State, f64)>,
    /// Where it ends.
    pub control: Control,
}

/// Holds a book's returns at the scale that the rules allow before each; a person resumes after so many
/// periods of a halt (never where none is given).
///
/// # Errors
/// Rules out of order; a return that leaves nothing.
pub fn controlled(
    returns: &[f64],
    rules: Rules,
    resume_after: Option<u32>,
) -> Result<Controlled, RulesError> {
    let mut control = Control::new(rules, 1.0)?;
    let (mut wealth, mut waited) = (1.0, 0);
    let mut found =
        Controlled { returns: Vec::new(), scales: Vec::new(), changes: Vec::new(), control };
    for (row, r) in returns.iter().enumerate() {
        let scale = control.scale();
        wealth *= 1.0 + scale * r;
        found.returns.push(scale * r);
        found.scales.push(scale);
        let before = control.state();
        control.observe(wealth)?;
        let fall = control.fall();
        waited = if control.state() == State::Halted { waited + 1 } else { 0 };
        if before != control.state() {
            found.changes.push((row, before, control.state(), fall));
        }
        if resume_after.is_some_and(|after| waited > after) {
            control.resume();
            found.changes.push((row, State::Halted, control.state(), fall));
        }
    }
    found.control = control;
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    fn control() -> Control {
        Control::new(Rules::default(), 100.0).expect("sound")
    }

    #[test]
    fn size_falls_with_wealth_at_once() {
        let mut control = control();
        assert_eq!(control.observe(96.0), Ok(State::Normal));
        assert_eq!(control.observe(92.5), Ok(State::Reduced));
        assert!((control.scale() - 0.625).abs() < 1e-12);
        assert_eq!(control.observe(89.0), Ok(State::Preserving));
        assert_eq!(control.scale(), 0.25);
        assert_eq!(control.observe(85.0), Ok(State::Halted));
        assert_eq!(control.scale(), 0.0);
        // a halt is left by a person alone
        assert_eq!(control.observe(120.0), Ok(State::Halted));
        control.resume();
        assert_eq!((control.state(), control.scale()), (State::Recovering, 0.25));
    }

    #[test]
    fn size_rises_by_steps_after_calm_and_with_hysteresis() {
        let mut control = control();
        control.observe(89.0).expect("wealth");
        // 8.9 % below: under the threshold of 10 %, but not by a fifth of it
        for _ in 0..20 {
            assert_eq!(control.observe(91.1), Ok(State::Preserving));
        }
        assert_eq!(control.scale(), 0.25);
        // 3.9 % below, seen as 4.9 %: full size is allowed, a step every five quiet periods
        let mut scales = Vec::new();
        for _ in 0..16 {
            control.observe(96.1).expect("wealth");
            scales.push(control.scale());
        }
        assert_eq!(scales[0], 0.5, "twenty quiet periods have passed");
        assert_eq!((scales[4], scales[5], scales[10]), (0.5, 0.75, 1.0));
        assert_eq!(control.state(), State::Normal);
        // a new low undoes it at once
        control.observe(88.0).expect("wealth");
        assert_eq!((control.state(), control.scale()), (State::Preserving, 0.25));
    }

    #[test]
    fn after_a_resume_the_state_follows_the_fall() {
        let mut control = control();
        control.observe(80.0).expect("wealth");
        control.resume();
        assert_eq!(control.observe(75.0), Ok(State::Recovering));
        assert_eq!(control.observe(71.5), Ok(State::Preserving));
        assert_eq!(control.observe(67.0), Ok(State::Halted));
    }

    #[test]
    fn what_must_hold_holds_on_any_path() {
        for seed in 0..200 {
            let mut random = Random::new(seed, 0);
            let mut control = Control::new(Rules::default(), 1.0).expect("sound");
            let (mut wealth, mut low, mut mark) = (1.0_f64, 1.0_f64, 1.0_f64);
            for _ in 0..400 {
                wealth *= 1.0 + 0.02 * random.normal();
                let before = control.scale();
                let state = control.observe(wealth).expect("wealth");
                if wealth >= mark {
                    (mark, low) = (wealth, wealth);
                }
                let is_low = wealth < low;
                low = low.min(wealth);
                assert!(!is_low || control.scale() <= before, "seed {seed}: rose at a low");
                assert!(
                    control.scale() <= control.allowed(control.fall()),
                    "seed {seed}: too large"
                );
                assert!(control.scale() - before <= Rules::default().step, "seed {seed}: a leap");
                assert_eq!(state == State::Halted, control.scale() == 0.0, "seed {seed}");
                if state == State::Halted && random.unit() < 0.1 {
                    control.resume();
                    (mark, low) = (wealth, wealth);
                }
            }
        }
    }

    #[test]
    fn control_bounds_the_fall_of_a_losing_book() {
        let returns = [-0.01; 300];
        let found = controlled(&returns, Rules::default(), None).expect("sound");
        let wealth: f64 = found.returns.iter().map(|r| 1.0 + r).product();
        assert!(wealth > 0.845 && wealth < 0.855, "{wealth}");
        assert_eq!(found.control.state(), State::Halted);
        let states: Vec<State> = found.changes.iter().map(|change| change.2).collect();
        assert_eq!(states, [State::Reduced, State::Preserving, State::Halted]);
    }

    #[test]
    fn what_is_no_rule_is_named() {
        let rules = Rules { preserve: 0.04, ..Rules::default() };
        assert!(matches!(Control::new(rules, 1.0), Err(RulesError::Order { .. })));
        let rules = Rules { step: 0.0, ..Rules::default() };
        assert!(matches!(Control::new(rules, 1.0), Err(RulesError::Share { what: "a step", .. })));
        assert!(matches!(control().observe(f64::NAN), Err(RulesError::Wealth(_))));
    }
}
