//! The counting allocator under real use: what allocates is seen, what the lane uses does not.

use bot4::host::allocation::{CountingAllocator, is_installed, thread_allocations};
use bot4::host::cell;
use bot4::host::clock::TscClock;
use bot4::host::probe::{Probe, Stage, StageProbe};
use bot4::host::ring::{Full, ring};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Allocations of this thread while `work` ran.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = thread_allocations();
    work();
    thread_allocations() - before
}

#[test]
fn every_kind_of_allocation_counts_once() {
    assert!(is_installed());
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0u8; 4_096]))), 1);
    let mut grown: Vec<u64> = Vec::with_capacity(1);
    assert_eq!(allocations(|| grown.reserve_exact(1_000)), 1, "a reallocation counts");
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn threads_count_apart() {
    let before = thread_allocations();
    let other = std::thread::spawn(|| allocations(|| drop(std::hint::black_box(Box::new(1)))));
    let spawning = thread_allocations() - before;
    assert_eq!(other.join().expect("no panic"), 1);
    assert!(spawning >= 1 && thread_allocations() - before < spawning + 3);
}

#[test]
fn ring_cell_probe_and_clock_allocate_nothing_after_construction() {
    let clock = TscClock::calibrate();
    let mut probe = StageProbe::new(clock);
    let (mut producer, mut consumer) = ring::<u64>(8);
    let (mut writer, mut readers) = cell::cell([0u64; 64], 2);
    let counted = allocations(|| {
        for value in 0..1_000 {
            probe.begin();
            while let Err(Full(back)) = producer.push(value) {
                assert_eq!(back, value);
                consumer.pop();
            }
            probe.mark(Stage::Decode);
            writer.publish(&[value; 64]);
            readers.iter_mut().for_each(|reader| assert_eq!(reader.read()[63], value));
            probe.mark(Stage::Encode);
        }
        probe.finish();
    });
    assert_eq!(counted, 0);
    assert_eq!(probe.tick_to_order().count(), 1_000);
}
