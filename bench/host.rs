//! Rings against each other across two pinned threads, and the price of what every input pays for.
//!
//! `cargo bench --bench host`. Each ring is checked (every message, in order) while it is timed,
//! all of them are used the same way (non-blocking, spin a little, then yield), and the medians are
//! printed as ratios at the end. Clocks, cell, histogram and probe run on one thread beside their
//! rivals.

use bot4::host::cell::cell;
use bot4::host::clock::{Clock, TscClock};
use bot4::host::histogram::Histogram;
use bot4::host::pin;
use bot4::host::probe::{Probe, Stage, StageProbe};
use bot4::host::ring;
use bot4::record::Plan;
use criterion::{Criterion, Throughput};
use crossbeam::channel;
use crossbeam::queue::ArrayQueue;
use std::cell::RefCell;
use std::hint::{black_box, spin_loop};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A market event is about a cache line.
type Message = [u64; 8];
/// Messages a ring holds.
const CAPACITY: usize = 1_024;
/// Spins before a thread yields: the machine may have fewer free cores than threads.
const SPINS: u32 = 256;

/// One way to carry messages from a thread to another.
trait Pipe {
    const NAME: &'static str;
    type Sender: Send;
    type Receiver: Send;
    fn new() -> (Self::Sender, Self::Receiver);
    fn push(sender: &mut Self::Sender, message: Message) -> Result<(), Message>;
    fn pop(receiver: &mut Self::Receiver) -> Option<Message>;
}

struct Ring;
struct Queue;
struct Channel;
struct StdChannel;

impl Pipe for Ring {
    const NAME: &'static str = "host_ring_rtrb";
    type Sender = ring::Producer<Message>;
    type Receiver = ring::Consumer<Message>;
    fn new() -> (Self::Sender, Self::Receiver) {
        ring::ring(CAPACITY)
    }
    fn push(sender: &mut Self::Sender, message: Message) -> Result<(), Message> {
        sender.push(message).map_err(|ring::Full(message)| message)
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.pop()
    }
}

impl Pipe for Queue {
    const NAME: &'static str = "crossbeam_array_queue";
    type Sender = Arc<ArrayQueue<Message>>;
    type Receiver = Arc<ArrayQueue<Message>>;
    fn new() -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(ArrayQueue::new(CAPACITY));
        (Arc::clone(&queue), queue)
    }
    fn push(sender: &mut Self::Sender, message: Message) -> Result<(), Message> {
        sender.push(message)
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.pop()
    }
}

impl Pipe for Channel {
    const NAME: &'static str = "crossbeam_channel";
    type Sender = channel::Sender<Message>;
    type Receiver = channel::Receiver<Message>;
    fn new() -> (Self::Sender, Self::Receiver) {
        channel::bounded(CAPACITY)
    }
    fn push(sender: &mut Self::Sender, message: Message) -> Result<(), Message> {
        sender.try_send(message).map_err(channel::TrySendError::into_inner)
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.try_recv().ok()
    }
}

impl Pipe for StdChannel {
    const NAME: &'static str = "std_sync_channel";
    type Sender = mpsc::SyncSender<Message>;
    type Receiver = mpsc::Receiver<Message>;
    fn new() -> (Self::Sender, Self::Receiver) {
        mpsc::sync_channel(CAPACITY)
    }
    fn push(sender: &mut Self::Sender, message: Message) -> Result<(), Message> {
        sender.try_send(message).map_err(|error| match error {
            mpsc::TrySendError::Full(message) | mpsc::TrySendError::Disconnected(message) => {
                message
            }
        })
    }
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.try_recv().ok()
    }
}

/// Tries until it works.
fn insist<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut spins = 0;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        spins += 1;
        if spins % SPINS == 0 { std::thread::yield_now() } else { spin_loop() }
    }
}

fn send<P: Pipe>(sender: &mut P::Sender, message: Message) {
    let mut waiting = Some(message);
    insist(|| {
        waiting = P::push(sender, waiting.take()?).err();
        waiting.is_none().then_some(())
    });
}

fn receive<P: Pipe>(receiver: &mut P::Receiver, expected: u64) -> Message {
    let message = insist(|| P::pop(receiver));
    assert_eq!(message, [expected; 8], "{}: lost, doubled or out of order", P::NAME);
    message
}

fn pin_to(cpu: u32) {
    pin::current_thread(cpu).expect("the CPU was listed as allowed");
}

/// Time for `messages` to cross from one CPU to the other.
fn stream<P: Pipe>(cpus: [u32; 2], messages: u64) -> Duration {
    let (mut sender, mut receiver) = P::new();
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin_to(cpus[0]);
            start.wait();
            (0..messages).for_each(|value| send::<P>(&mut sender, [value; 8]));
        });
        let receiving = scope.spawn(|| {
            pin_to(cpus[1]);
            start.wait();
            let began = Instant::now();
            for value in 0..messages {
                black_box(receive::<P>(&mut receiver, value));
            }
            began.elapsed()
        });
        receiving.join().expect("the receiver does not panic")
    })
}

/// Time for `trips` messages to go there and come back, one at a time.
fn ping_pong<P: Pipe>(cpus: [u32; 2], trips: u64) -> Duration {
    let (mut ping, mut pong_end) = P::new();
    let (mut pong, mut ping_end) = P::new();
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin_to(cpus[0]);
            start.wait();
            for value in 0..trips {
                let message = receive::<P>(&mut pong_end, value);
                send::<P>(&mut pong, message);
            }
        });
        let asking = scope.spawn(|| {
            pin_to(cpus[1]);
            start.wait();
            let began = Instant::now();
            for value in 0..trips {
                send::<P>(&mut ping, [value; 8]);
                receive::<P>(&mut ping_end, value);
            }
            began.elapsed()
        });
        asking.join().expect("the asker does not panic")
    })
}

/// What each contender took per message in each sample, nanoseconds.
#[derive(Default)]
struct Samples(RefCell<Vec<(String, &'static str, f64)>>);

impl Samples {
    fn bench<P: Pipe>(&self, c: &mut Criterion, kind: &str, time: impl Fn(u64) -> Duration) {
        let mut group = c.benchmark_group(kind);
        group.throughput(Throughput::Elements(1));
        group.bench_function(P::NAME, |bencher| {
            bencher.iter_custom(|count| {
                let took = time(count);
                let ns = took.as_nanos() as f64 / count as f64;
                // Short runs measure the start of threads, not the ring.
                if count >= 1_000 {
                    self.0.borrow_mut().push((kind.to_owned(), P::NAME, ns));
                }
                took
            });
        });
        group.finish();
    }

    fn print(&self, kind: &str, names: &[&str]) {
        let median = |name: &str| {
            let all = self.0.borrow();
            let mut ns: Vec<f64> = all
                .iter()
                .filter(|(k, n, _)| k == kind && *n == name)
                .map(|(_, _, ns)| *ns)
                .collect();
            ns.sort_by(f64::total_cmp);
            (!ns.is_empty()).then(|| ns[ns.len() / 2])
        };
        let Some(ours) = median(Ring::NAME) else { return };
        println!("\n{kind}: median ns, and how many times host::ring's");
        for name in names {
            if let Some(ns) = median(name) {
                println!("  {name:<24}{ns:>10.1}{:>8.2}", ns / ours);
            }
        }
    }
}

fn rings(c: &mut Criterion) {
    let allowed = pin::allowed();
    let [first, second, ..] = allowed[..] else {
        eprintln!("SKIPPED (1): rings: they need two CPUs, this process has {}", allowed.len());
        return;
    };
    let cpus = [first, second];
    let samples = Samples::default();
    samples.bench::<Ring>(c, "stream", |n| stream::<Ring>(cpus, n));
    samples.bench::<Queue>(c, "stream", |n| stream::<Queue>(cpus, n));
    samples.bench::<Channel>(c, "stream", |n| stream::<Channel>(cpus, n));
    samples.bench::<StdChannel>(c, "stream", |n| stream::<StdChannel>(cpus, n));
    samples.bench::<Ring>(c, "ping_pong", |n| ping_pong::<Ring>(cpus, n));
    samples.bench::<Queue>(c, "ping_pong", |n| ping_pong::<Queue>(cpus, n));
    samples.bench::<Channel>(c, "ping_pong", |n| ping_pong::<Channel>(cpus, n));
    samples.bench::<StdChannel>(c, "ping_pong", |n| ping_pong::<StdChannel>(cpus, n));
    let names = [Ring::NAME, Queue::NAME, Channel::NAME, StdChannel::NAME];
    for kind in ["stream", "ping_pong"] {
        samples.print(kind, &names);
    }
}

fn prices(c: &mut Criterion) {
    let clock = TscClock::calibrate();
    let kernel = TscClock::gettime();
    let mut group = c.benchmark_group("clock");
    group.bench_function("tsc", |b| b.iter(|| clock.now()));
    group.bench_function("clock_gettime", |b| b.iter(|| kernel.now()));
    group.bench_function("std_instant", |b| b.iter(Instant::now));
    group.finish();

    let mut plan = Plan::none();
    let (mut writer, mut readers) = cell(plan, 1);
    plan.version = 9;
    writer.publish(&plan);
    assert_eq!(*readers[0].read(), plan);
    let locked = Mutex::new(plan);
    let mut group = c.benchmark_group("plan_cell");
    group.bench_function("read_unchanged", |b| b.iter(|| readers[0].read().version));
    group.bench_function("mutex_read_unchanged", |b| {
        b.iter(|| locked.lock().expect("nobody panics with the lock").version);
    });
    group.bench_function("publish_and_read", |b| {
        b.iter(|| {
            writer.publish(black_box(&plan));
            readers[0].read().version
        });
    });
    group.finish();

    let mut group = c.benchmark_group("latency");
    let mut histogram = Histogram::new();
    let mut ns = 0u64;
    group.bench_function("histogram_record", |b| {
        b.iter(|| {
            ns = ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            histogram.record(ns >> 54);
        });
    });
    let mut probe = StageProbe::new(clock);
    group.bench_function("probe_one_input_six_stages", |b| {
        b.iter(|| {
            probe.begin();
            Stage::ALL.iter().for_each(|stage| probe.mark(*stage));
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    rings(&mut criterion);
    prices(&mut criterion);
    criterion.final_summary();
}
