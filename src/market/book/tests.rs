//! Ladder against Tree on random events, and a canary for the comparison.

use super::{Book, Ladder, Top, Tree, WINDOW_TICKS};
use crate::record::{Level, Tape};
use crate::units::{Lots, Side, Ticks};
use proptest::prelude::*;

/// Every question of the trait, asked of both.
fn differs(a: &impl Book, b: &impl Book) -> Option<&'static str> {
    if a.top() != b.top() {
        return Some("top");
    }
    for side in [Side::Buy, Side::Sell] {
        if a.level_count(side) != b.level_count(side) {
            return Some("level_count");
        }
        let (mut left, mut right) = ([Level::default(); 7], [Level::default(); 7]);
        if a.levels(side, &mut left) != b.levels(side, &mut right) || left != right {
            return Some("levels");
        }
        for lots in [1, 10, 1_000_000] {
            if a.depth_to(side, Lots(lots)) != b.depth_to(side, Lots(lots)) {
                return Some("depth_to");
            }
        }
    }
    if a.imbalance(5).map(f64::to_bits) != b.imbalance(5).map(f64::to_bits) {
        return Some("imbalance");
    }
    if a.content_hash() != b.content_hash() {
        return Some("content_hash");
    }
    (a.refused() != b.refused()).then_some("refused")
}

#[derive(Clone, Debug)]
enum Step {
    Near(Side, i64, i64),
    Far(Side, i64, i64),
    Delete(Side, usize),
    Move(i64),
    Clear,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (side(), -200i64..200, 0i64..50).prop_map(|(s, p, l)| Step::Near(s, p, l)),
        3 => (side(), any::<i64>(), 0i64..50).prop_map(|(s, p, l)| Step::Far(s, p, l)),
        3 => (side(), -100_000i64..100_000, 0i64..5).prop_map(|(s, p, l)| Step::Near(s, p, l)),
        4 => (side(), 0usize..4).prop_map(|(s, n)| Step::Delete(s, n)),
        1 => (-3 * WINDOW_TICKS as i64..3 * WINDOW_TICKS as i64).prop_map(Step::Move),
        1 => Just(Step::Clear),
    ]
}

fn run(steps: &[Step], a: &mut impl Book, b: &mut impl Book) -> Option<(usize, &'static str)> {
    let mut mid = 1_000_000i64;
    for (at, step) in steps.iter().enumerate() {
        let mut set = |side, price: i64, lots: i64| {
            let level = Level { price: Ticks(price), lots: Lots(lots) };
            a.set(side, level);
            b.set(side, level);
        };
        match step {
            Step::Near(side, offset, lots) => set(*side, mid + offset, *lots),
            Step::Far(side, price, lots) => set(*side, *price, *lots),
            Step::Delete(side, n) => {
                let mut levels = [Level::default(); 4];
                let held = b.levels(*side, &mut levels);
                if let Some(level) = levels[..held].get(*n) {
                    a.set(*side, Level { lots: Lots(0), ..*level });
                    b.set(*side, Level { lots: Lots(0), ..*level });
                }
            }
            Step::Move(by) => mid = (mid + by).max(1_000),
            Step::Clear => {
                a.clear();
                b.clear();
            }
        }
        a.commit(at as u64);
        b.commit(at as u64);
        if let Some(what) = differs(a, b) {
            return Some((at, what));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn ladder_equals_tree(steps in prop::collection::vec(step(), 1..400)) {
        let outcome = run(&steps, &mut Ladder::new(), &mut Tree::new());
        prop_assert_eq!(outcome, None);
    }
}

/// A ladder whose size is one lot off at one price.
struct Spoiled(Ladder);

impl Book for Spoiled {
    fn walk(&mut self, tape: &mut Tape<'_>) {
        self.0.walk(tape);
    }
    fn set(&mut self, side: Side, level: Level) {
        let off = i64::from(level.price.0 == 1_000_007 && level.lots.0 > 0);
        self.0.set(side, Level { lots: Lots(level.lots.0 + off), ..level });
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn top(&self) -> Top {
        self.0.top()
    }
    fn lots_at(&self, side: Side, price: Ticks) -> Lots {
        self.0.lots_at(side, price)
    }
    fn level_count(&self, side: Side) -> usize {
        self.0.level_count(side)
    }
    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        self.0.visit(side, visit);
    }
    fn version(&self) -> u64 {
        self.0.version()
    }
    fn last_update(&self) -> u64 {
        self.0.last_update()
    }
    fn refused(&self) -> u64 {
        self.0.refused()
    }
    fn commit(&mut self, last_update: u64) {
        self.0.commit(last_update);
    }
}

#[test]
fn canary_a_spoiled_ladder_is_caught() {
    let steps = [Step::Near(Side::Buy, 3, 5), Step::Near(Side::Buy, 7, 5)];
    assert_eq!(run(&steps, &mut Spoiled(Ladder::new()), &mut Tree::new()), Some((1, "top")));
}

#[test]
fn microprice_leans_to_the_thinner_side() {
    let level = |price, lots| Some(Level { price: Ticks(price), lots: Lots(lots) });
    let top = Top { bid: level(100, 3), ask: level(102, 1) };
    assert_eq!(top.microprice().map(f64::to_bits), Some(101.5f64.to_bits()));
    assert!(!top.is_crossed());
    assert!(Top { bid: level(102, 1), ask: level(102, 1) }.is_crossed());
}
