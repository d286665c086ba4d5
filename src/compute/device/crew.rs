//! Threads that share a job block by block: one a CPU, each pinned, each with room of its own.
//!
//! Invariant: a block's result depends on the block alone, so neither the number of threads nor who
//! takes which block changes a bit. The blocks of a vector are dealt out to NUMA nodes in one piece
//! each; a thread takes from its own node's piece, and from another's end when its own is done.

use crate::compute::reduce::BLOCK;
use crate::host::{pin, topology::Topology};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Where a thread sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its CPU; none leaves the thread to the scheduler.
    pub cpu: Option<u32>,
    /// The node of that CPU.
    pub node: u32,
}

/// Working numbers of a thread.
#[derive(Clone, Debug, Default)]
pub struct Room(Vec<f32>);

impl Room {
    /// At least `length` numbers, whatever they are.
    pub(crate) fn take(&mut self, length: usize) -> &mut [f32] {
        if self.0.len() < length {
            self.0.resize(length, 0.0);
        }
        &mut self.0[..length]
    }
}

/// The threads of the CPU back-end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    seats: Vec<Seat>,
}

impl Crew {
    /// One thread on every CPU that this process may use.
    #[must_use]
    pub fn of_machine() -> Crew {
        let allowed = pin::allowed();
        let topology = Topology::discover().ok();
        let node = |cpu| topology.as_ref().and_then(|t| t.core_of(cpu)).map_or(0, |core| core.node);
        let seats: Vec<Seat> =
            allowed.into_iter().map(|cpu| Seat { cpu: Some(cpu), node: node(cpu) }).collect();
        if seats.is_empty() { Crew::of(1) } else { Crew { seats } }
    }

    /// So many threads, wherever they run; at least one.
    #[must_use]
    pub fn of(threads: usize) -> Crew {
        Crew { seats: vec![Seat { cpu: None, node: 0 }; threads.max(1)] }
    }

    /// At most so many threads, the first ones.
    #[must_use]
    pub fn limited(&self, threads: usize) -> Crew {
        Crew { seats: self.seats[..threads.clamp(1, self.seats.len())].to_vec() }
    }

    /// Threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.seats.len()
    }

    /// Runs `work(room, block, numbers)` over every block of `BLOCK` numbers.
    pub fn blocks<T: Send>(
        &self,
        numbers: &mut [T],
        work: impl Fn(&mut Room, usize, &mut [T]) + Sync,
    ) {
        self.pieces(numbers, BLOCK, work);
    }

    /// Runs `work(room, piece, numbers)` over every piece of `size` numbers.
    pub fn pieces<T: Send>(
        &self,
        numbers: &mut [T],
        size: usize,
        work: impl Fn(&mut Room, usize, &mut [T]) + Sync,
    ) {
        let count = numbers.len().div_ceil(size);
        let threads = self.seats.len().min(count);
        if threads <= 1 {
            let mut room = Room::default();
            numbers.chunks_mut(size).enumerate().for_each(|(i, piece)| work(&mut room, i, piece));
            return;
        }
        let mut nodes: Vec<u32> = self.seats[..threads].iter().map(|seat| seat.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut queues: Vec<Queue<(usize, &mut [T])>> =
            nodes.iter().map(|_| Queue::default()).collect();
        for (i, piece) in numbers.chunks_mut(size).enumerate() {
            let queue = queues[i * nodes.len() / count].get_mut();
            queue.unwrap_or_else(|poisoned| poisoned.into_inner()).push_back((i, piece));
        }
        let (queues, work) = (&queues, &work);
        std::thread::scope(|scope| {
            for seat in &self.seats[..threads] {
                let own = nodes.iter().position(|&node| node == seat.node).unwrap_or(0);
                scope.spawn(move || {
                    // a CPU taken away since is no reason to stop: the scheduler finds another
                    let _pinned = seat.cpu.map(pin::current_thread);
                    let mut room = Room::default();
                    while let Some((i, piece)) = take(queues, own) {
                        work(&mut room, i, piece);
                    }
                });
            }
        });
    }
}

/// Pieces that nobody has taken yet.
type Queue<T> = Mutex<VecDeque<T>>;

/// The next piece of one's own node, or the last of another's.
fn take<T>(queues: &[Queue<T>], own: usize) -> Option<T> {
    let lock = |i: usize| queues[i].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mine = lock(own).pop_front();
    mine.or_else(|| {
        (0..queues.len()).filter(|&other| other != own).find_map(|other| lock(other).pop_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_worked_once_whoever_works() {
        let two_nodes = Crew { seats: (0..5).map(|i| Seat { cpu: None, node: i / 3 }).collect() };
        for crew in [Crew::of(1), Crew::of(3), two_nodes, Crew::of_machine()] {
            for length in [0, 1, BLOCK, 10 * BLOCK + 17] {
                let mut numbers = vec![0_u64; length];
                crew.blocks(&mut numbers, |_, block, piece| {
                    piece
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, x)| *x += (block * BLOCK + i) as u64);
                });
                let wrong = numbers.iter().enumerate().position(|(i, &x)| x != i as u64);
                assert_eq!(wrong, None, "{crew:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_a_block_reaches_the_caller() {
        let mut numbers = vec![0_u8; 10 * BLOCK];
        Crew::of(2).blocks(&mut numbers, |_, block, _| assert!(block != 7, "planted"));
    }
}
