//! Against the plain measure, against closed forms over many seeds, and against each other.

use super::*;
use crate::compute::device::Choice;
use crate::compute::engine::Engine;
use crate::compute::scenarios::{Book, Linear, OptionTerm, Right, Square};
use crate::maths::distribution::{StudentT, normal_quantile, normal_shortfall};
use crate::risk::process::{self, Process, Walk};
use crate::risk::reduction::{Drawn, Reduction, ReductionError, draw};

const ALL: [Reduction; 4] =
    [Reduction::Antithetic, Reduction::Control, Reduction::Importance, Reduction::Sobol];

fn process(seed: u64, nu: Option<f64>, steps: u32) -> Process {
    process::given(0.0, 0.02, Walk { seed, steps, nu, mean: false }).expect("sound")
}

fn linear() -> Book {
    let mut book = Book::new(1);
    book.add_linear(Linear { factor: 0, exposure: 1_000.0, currency: None }).expect("sound");
    book
}

/// A short put, a tenth of a year to go, in full and by delta and gamma.
fn short_put() -> [Book; 2] {
    let (volatility, root) = (0.3, 0.1_f64.sqrt());
    let spread = volatility * root;
    let d1 = 0.5 * spread;
    let cdf = crate::maths::distribution::normal_cdf;
    let density = (-0.5 * d1 * d1).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (mut full, mut near) = (Book::new(1), Book::new(1));
    let term = OptionTerm {
        factor: 0,
        volatility_factor: None,
        volatility_scale: 0.0,
        right: Right::Put,
        moneyness: 1.0,
        volatility: volatility as f32,
        root_time: root as f32,
        value: (2.0 * cdf(d1) - 1.0) as f32,
        scale: -1_000.0,
        in_coin: false,
        currency: None,
    };
    full.add_option(term).expect("sound");
    let delta = (1_000.0 * cdf(-d1)) as f32;
    near.add_linear(Linear { factor: 0, exposure: delta, currency: None }).expect("sound");
    let half_gamma = (-500.0 * density / spread) as f32;
    near.add_square(Square { factor: 0, half_gamma }).expect("sound");
    [full, near]
}

fn engine() -> Engine {
    Engine::open(Choice::Auto).expect("a CPU").with_threads(1)
}

fn drawn(book: &Book, control: &Book, process: &Process, how: Reduction, paths: usize) -> Drawn {
    let control = Some(control);
    draw(&engine(), book, control, process, how, paths, 0.99).expect("can be drawn")
}

#[test]
fn a_plain_sample_has_the_plain_measures() {
    let profits = engine().simulate(&process(3, Some(5.0), 2).job, &linear(), 50_000);
    let profits = profits.expect("room enough");
    let truth = engine().measure(&profits, &[0.9, 0.99]).expect("enough");
    let n = profits.len();
    // weights of one are no weights; independent pairs and strata are all independent
    for (weights, design) in [
        (Vec::new(), Design::Independent),
        (vec![1.0; n], Design::Independent),
        (Vec::new(), Design::Strata(n / 8)),
        (Vec::new(), Design::Pairs),
    ] {
        let sample = Sample { profits: profits.clone(), weights, design, control: None };
        for measure in &truth {
            let found = sample.tail(measure.level);
            let near = |a: f64, b: f64, within: f64| {
                assert!((a / b - 1.0).abs() < within, "{design:?} {}: {a} {b}", measure.level);
            };
            near(found.var.value, f64::from(measure.var), 1e-6);
            near(found.es.value, f64::from(measure.es), 1e-5);
            near(found.var.std_error, measure.var_std_error, 0.05);
            near(found.es.std_error, measure.es_std_error, 0.05);
            near(found.var.gain, 1.0, 0.05);
            near(found.es.gain, 1.0, 0.05);
        }
    }
}

/// How many of the 95 % bars over many seeds hold the truth, for VaR and ES, and the mean gain of each.
fn coverage(
    truth: (f64, f64),
    seeds: u64,
    draw: impl Fn(u64) -> TailFigures,
) -> ((f64, f64), (f64, f64)) {
    let (mut hits, mut gains) = ((0.0, 0.0), (0.0, 0.0));
    for seed in 0..seeds {
        let found = draw(seed);
        let hit = |figure: &Figure, truth: f64| {
            let is_near = (figure.value - truth).abs() <= NORMAL_95 * figure.std_error;
            f64::from(u8::from(is_near)) / seeds as f64
        };
        hits.0 += hit(&found.var, truth.0);
        hits.1 += hit(&found.es, truth.1);
        gains.0 += found.var.gain / seeds as f64;
        gains.1 += found.es.gain / seeds as f64;
    }
    (hits, gains)
}

#[test]
fn bars_hold_the_closed_form_as_often_as_they_say() {
    let normal = (20.0 * normal_quantile(0.99), 20.0 * normal_shortfall(0.99));
    let t = StudentT::new(5.0).expect("positive");
    let student = [t.quantile(0.99), t.shortfall(0.99)].map(|loss| 20.0 * t.standardiser() * loss);
    for (nu, truth) in [(None, normal), (Some(5.0), (student[0], student[1]))] {
        for how in [Reduction::Antithetic, Reduction::Importance, Reduction::Sobol] {
            let (hits, gains) = coverage(truth, 200, |seed| {
                let book = linear();
                drawn(&book, &book, &process(seed, nu, 1), how, 20_000).sample.tail(0.99)
            });
            // 200 seeds: the share errs by 1.5 points
            let range = 0.90..=0.99;
            assert!(range.contains(&hits.0) && range.contains(&hits.1), "{nu:?} {how:?} {hits:?}");
            let least = match (how, nu) {
                (Reduction::Antithetic, _) => 0.9,
                (Reduction::Importance, None) => 8.0,
                (Reduction::Sobol, None) => 8.0,
                _ => 1.5,
            };
            assert!(gains.0 > least && gains.1 > least, "{nu:?} {how:?}: gained {gains:?}");
        }
    }
}

#[test]
fn controls_hold_a_long_run_and_gain() {
    let [full, near] = short_put();
    let long = engine().simulate(&process(999, None, 1).job, &full, 1 << 24).expect("room");
    let truth = engine().measure(&long, &[0.99]).expect("enough")[0];
    let truth = (f64::from(truth.var), f64::from(truth.es));
    let (hits, gains) = coverage(truth, 200, |seed| {
        let sample = drawn(&full, &near, &process(seed, None, 1), Reduction::Control, 20_000);
        sample.sample.tail(0.99)
    });
    let range = 0.90..=0.99;
    assert!(range.contains(&hits.0) && range.contains(&hits.1), "{hits:?}");
    // eight paths of the control for one: nine times at the very most
    assert!(gains.0 > 4.0 && gains.0 < 9.1 && gains.1 > 4.0 && gains.1 < 9.1, "{gains:?}");
}

#[test]
fn errors_are_what_seeds_scatter_by() {
    // the printed error against the scatter of the figure itself, over seeds
    let [full, near] = short_put();
    for how in ALL {
        let figures: Vec<TailFigures> = (0..120)
            .map(|seed| drawn(&full, &near, &process(seed, None, 2), how, 10_000).sample.tail(0.99))
            .collect();
        for pick in [|f: &TailFigures| f.var, |f: &TailFigures| f.es] {
            let values: Vec<Figure> = figures.iter().map(pick).collect();
            let mean = values.iter().map(|f| f.value).sum::<f64>() / 120.0;
            let scatter =
                (values.iter().map(|f| (f.value - mean).powi(2)).sum::<f64>() / 119.0).sqrt();
            let said = (values.iter().map(|f| f.std_error.powi(2)).sum::<f64>() / 120.0).sqrt();
            // 120 seeds know a deviation to 6.5 %
            assert!((said / scatter - 1.0).abs() < 0.25, "{how:?}: said {said}, is {scatter}");
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let days = crate::compute::garch_paths::Shocks::Days { rows: vec![1.0, -1.0], days: 2 };
    let normal = process(1, None, 1);
    let history = Process { job: normal.job.shocked(days).expect("sound"), ..normal.clone() };
    let book = linear();
    let draws = |process: &Process, how, control: Option<&Book>| {
        draw(&engine(), &book, control, process, how, 1_000, 0.99).map(|drawn| drawn.extra)
    };
    for how in [Reduction::Antithetic, Reduction::Importance] {
        assert_eq!(draws(&history, how, None), Err(ReductionError::Days));
    }
    assert_eq!(draws(&history, Reduction::Sobol, None), Ok(0));
    assert_eq!(draws(&normal, Reduction::Control, None), Err(ReductionError::NothingCurved));
    assert_eq!(draws(&normal, Reduction::Control, Some(&book)), Err(ReductionError::NothingCurved));
    let long = process(1, None, 2_000);
    assert!(matches!(draws(&long, Reduction::Sobol, None), Err(ReductionError::Sobol(_))));
}
