//! Books together are worth what each is alone, and no choice of a device changes a bit.

use super::*;
use crate::compute::cases;
use crate::compute::garch_paths::Draws;

fn engine(choice: Choice, threads: usize) -> Engine {
    Engine::open(choice).expect("a CPU").with_threads(threads)
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn books_together_are_worth_what_each_is_alone() {
    let books = [cases::book(5, 9, 5), cases::book(5, 1, 0), cases::book(5, 0, 4)];
    let books: Vec<&Book> = books.iter().collect();
    let jobs = cases::paths(11);
    let plain = |job: &&Paths| job.assets().len() == 3 && matches!(job.draws(), Draws::Plain);
    let scalar = engine(Choice::Only(Device::CpuScalar), 1);
    for count in [1, BLOCK, 5 * BLOCK + 3] {
        let tiles: Vec<f32> =
            (0..count.next_multiple_of(BLOCK) * 5).map(|i| 0.2 * (0.61 * i as f32).sin()).collect();
        let alone = |book: &&Book| scalar.revalue(book, &tiles, count).expect("room");
        let truth: Vec<Vec<f32>> = books.iter().map(alone).collect();
        for (choice, threads) in [(Choice::Auto, 3), (Choice::Only(Device::CpuScalar), 2)] {
            let found = engine(choice, threads).revalue_many(&books, &tiles, count).expect("room");
            assert_eq!(bits(&found), bits(&truth), "{count} {choice:?}");
        }
        for job in jobs.iter().filter(plain) {
            let alone = |book: &&Book| scalar.simulate(job, book, count).expect("room");
            let truth: Vec<Vec<f32>> = books.iter().map(alone).collect();
            let found = engine(Choice::Auto, 2).simulate_many(job, &books, 0, count);
            assert_eq!(bits(&found.expect("room")), bits(&truth), "{count}");
        }
    }
}

#[test]
fn a_book_that_takes_in_another_holds_both() {
    let (first, second) = (cases::book(5, 9, 5), cases::book(5, 4, 3));
    let mut both = Book::new(5);
    both.add_book(&first).expect("fits");
    assert_eq!(both, first, "an empty book takes it in as it is");
    both.add_book(&second).expect("fits");
    let tiles: Vec<f32> = (0..BLOCK * 5).map(|i| 0.2 * (0.61 * i as f32).sin()).collect();
    let engine = engine(Choice::Auto, 1);
    let worth = |book: &Book| engine.revalue(book, &tiles, BLOCK).expect("room");
    let (whole, a, b) = (worth(&both), worth(&first), worth(&second));
    for i in 0..BLOCK {
        let sum = a[i] + b[i];
        assert!((whole[i] - sum).abs() <= 1e-5 * (a[i].abs() + b[i].abs() + 1e3), "{i}");
    }
    assert!(Book::new(2).add_book(&first).is_err(), "a book of more factors does not fit");
}
