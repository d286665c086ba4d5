//! What is said over a run's control socket: a word a line, and for each one line of JSON.
//!
//! `halt | reduce | activate | flatten | status` -> `Answer`. A command is answered when every lane has
//! taken it and told how it stands since, or after `TAKEN_WITHIN` without those that did not.
//! Invariants: never waits, for a talker no more than for a lane; holds at most `TALKS_MAX` talkers,
//! of which the longest silent one makes room for the next.
//! Deliberately absent: where talkers come from, and sleeping between two looks (`control`).

use crate::hot::drive::Controls;
use crate::record::{Cause, Command, Mode, Source};
use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Talkers at a time.
const TALKS_MAX: usize = 8;
/// Bytes of a line, its end included.
const LINE_MAX: usize = 64;
/// A lane looks at what is asked every ten milliseconds; one that has not for this long does not.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// The line that asks how the lanes stand and changes nothing.
pub const STATUS: &str = "status";

/// A lane that can be commanded.
#[derive(Clone, Debug)]
pub struct Commanded {
    /// Its name.
    pub name: String,
    /// Takes the commands, tells how it stands.
    pub controls: Arc<Controls>,
}

/// One line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether what was asked is so: every lane took it and stands as it says.
    pub ok: bool,
    /// What was asked.
    pub command: String,
    /// Why it was not understood.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// How the lanes stand.
    pub lanes: Vec<Standing>,
}

/// How one lane stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Whether its thread runs; one that does not has a guard, which cancels its orders.
    pub live: bool,
    /// Whether it took the command in time; true where none was given.
    pub taken: bool,
    /// `active`, `reducing` or `halted`.
    pub mode: String,
    /// Every cause that holds it back.
    pub held_by: Vec<String>,
    /// Causes that hold back at least one of its instruments.
    pub instruments_held_by: Vec<String>,
    /// Whether both links are up.
    pub connected: bool,
    /// Whether it waits for room in a rate, its own or the venue's.
    pub paced: bool,
    /// Orders that may still fill.
    pub working: u64,
    /// Equity, in the currency of the limits.
    pub equity: String,
    /// Market frames so far.
    pub frames: u64,
    /// Frames that led to orders.
    pub requests: u64,
    /// Orders filled to the last lot.
    pub filled: u64,
}

/// How far a lane is with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It has not taken it.
    Asked,
    /// It has, when it had told so often.
    Taken(u64),
    /// It has told since.
    Told,
}

/// A command on its way.
#[derive(Debug)]
struct Waiting {
    command: Command,
    since: Instant,
    lanes: Vec<Progress>,
}

/// One who talks.
#[derive(Debug)]
struct Talk<S> {
    stream: S,
    heard: Vec<u8>,
    heard_at: Instant,
    waiting: Option<Waiting>,
    answer: Vec<u8>,
    /// Bytes of the answer that have left.
    left: usize,
    /// Nothing more is heard: it ends when its answer has left.
    ends: bool,
}

/// Everyone who talks, and the lanes they talk about.
#[derive(Debug)]
pub struct Desk<S> {
    lanes: Vec<Commanded>,
    talks: Vec<Talk<S>>,
}

impl<S: Read + Write> Desk<S> {
    /// A desk for lanes, nobody at it.
    #[must_use]
    pub fn new(lanes: Vec<Commanded>) -> Desk<S> {
        Desk { lanes, talks: Vec::with_capacity(TALKS_MAX) }
    }

    /// Takes someone whose stream never blocks.
    pub fn welcome(&mut self, stream: S, now: Instant) {
        if self.talks.len() == TALKS_MAX {
            let silent = self.talks.iter().enumerate().min_by_key(|(_, talk)| talk.heard_at);
            let silent = silent.map_or(0, |(at, _)| at);
            self.talks.swap_remove(silent);
        }
        self.talks.push(Talk {
            stream,
            heard: Vec::with_capacity(LINE_MAX),
            heard_at: now,
            waiting: None,
            answer: Vec::new(),
            left: 0,
            ends: false,
        });
    }

    /// Asks all lanes.
    pub fn ask(&self, command: Command, source: Source) {
        self.lanes.iter().for_each(|lane| lane.controls.ask(command, source));
    }

    /// Hears, asks, answers, as far as that goes without waiting.
    pub fn turn(&mut self, now: Instant) {
        let lanes = &self.lanes;
        self.talks.retain_mut(|talk| {
            talk.hear(now);
            talk.turn(lanes, now);
            talk.tell() && !talk.is_over()
        });
    }
}

impl<S: Read + Write> Talk<S> {
    /// Takes what has arrived, up to one line more than is worked on.
    fn hear(&mut self, now: Instant) {
        let mut bytes = [0; LINE_MAX];
        while !self.ends && self.heard.len() < LINE_MAX {
            let room = LINE_MAX - self.heard.len();
            match self.stream.read(&mut bytes[..room]) {
                Ok(0) => self.ends = true,
                Ok(more) => {
                    self.heard.extend_from_slice(&bytes[..more]);
                    self.heard_at = now;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.ends = true,
            }
        }
    }

    /// Works on what was asked, or begins with the next line.
    fn turn(&mut self, lanes: &[Commanded], now: Instant) {
        if self.waiting.is_none() && self.answer.is_empty() {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                self.begin(&String::from_utf8_lossy(&line), lanes, now);
            } else if self.heard.len() == LINE_MAX {
                self.heard.clear();
                self.ends = true;
                let error = format!("a line has at most {LINE_MAX} bytes; {}", words());
                self.say(&Answer { error: Some(error), ..Answer::of("", lanes, &[]) });
            }
        }
        let Some(waiting) = &mut self.waiting else { return };
        if waiting.is_over(lanes, now) {
            let answer = Answer::to(waiting, lanes);
            self.waiting = None;
            self.say(&answer);
        }
    }

    fn begin(&mut self, line: &str, lanes: &[Commanded], now: Instant) {
        let word = line.trim();
        if let Some(command) = Command::ALL.into_iter().find(|of| of.name() == word) {
            lanes.iter().for_each(|lane| lane.controls.ask(command, Source::Operator));
            let asked = vec![Progress::Asked; lanes.len()];
            self.waiting = Some(Waiting { command, since: now, lanes: asked });
        } else if word == STATUS {
            self.say(&Answer { ok: true, ..Answer::of(STATUS, lanes, &[]) });
        } else {
            let error = format!("`{word}` is no command; {}", words());
            self.say(&Answer { error: Some(error), ..Answer::of(word, lanes, &[]) });
        }
    }

    fn say(&mut self, answer: &Answer) {
        // Strings and numbers always have a form in JSON.
        self.answer = serde_json::to_vec(answer).unwrap_or_default();
        self.answer.push(b'\n');
        self.left = 0;
    }

    /// Lets the answer leave; whether someone may still read it.
    fn tell(&mut self) -> bool {
        while self.left < self.answer.len() {
            match self.stream.write(&self.answer[self.left..]) {
                Ok(0) => return false,
                Ok(more) => self.left += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        self.answer.clear();
        true
    }

    /// Whether there is nothing more to hear, to do and to say.
    fn is_over(&self) -> bool {
        let has_line = self.heard.contains(&b'\n');
        self.ends && !has_line && self.waiting.is_none() && self.answer.is_empty()
    }
}

impl Waiting {
    /// Looks how far the lanes are; whether there is nothing more to wait for.
    fn is_over(&mut self, lanes: &[Commanded], now: Instant) -> bool {
        for (progress, lane) in self.lanes.iter_mut().zip(lanes) {
            let (controls, told) = (&lane.controls, lane.controls.status.told());
            if *progress == Progress::Asked && !controls.is_asked(self.command, Source::Operator) {
                *progress = Progress::Taken(told);
            } else if matches!(*progress, Progress::Taken(before) if told > before) {
                *progress = Progress::Told;
            }
        }
        let told = |(progress, lane): (&Progress, &Commanded)| {
            *progress == Progress::Told || !lane.controls.pulse.is_live()
        };
        self.lanes.iter().zip(lanes).all(told) || now.duration_since(self.since) >= TAKEN_WITHIN
    }
}

impl Answer {
    fn of(command: &str, lanes: &[Commanded], progress: &[Progress]) -> Answer {
        let taken = |at: usize| progress.get(at).is_none_or(|of| *of == Progress::Told);
        let standing = |(at, lane): (usize, &Commanded)| Standing::of(lane, taken(at));
        let lanes = lanes.iter().enumerate().map(standing).collect();
        Answer { ok: false, command: command.to_owned(), error: None, lanes }
    }

    fn to(waiting: &Waiting, lanes: &[Commanded]) -> Answer {
        let answer = Answer::of(waiting.command.name(), lanes, &waiting.lanes);
        let obeys = |lane: &Commanded| match (waiting.command, lane.controls.status.mode()) {
            (Command::Activate, mode) => mode == Mode::Active,
            (Command::Reduce, mode) => mode != Mode::Active,
            (Command::Halt | Command::Flatten, mode) => mode == Mode::Halted,
        };
        let ok = answer.lanes.iter().all(|of| of.taken) && lanes.iter().all(obeys);
        Answer { ok, ..answer }
    }
}

impl Standing {
    fn of(lane: &Commanded, taken: bool) -> Standing {
        let status = &lane.controls.status;
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let names = |causes: &mut dyn Iterator<Item = Cause>| {
            causes.map(|cause| cause.name().to_owned()).collect()
        };
        Standing {
            name: lane.name.clone(),
            live: lane.controls.pulse.is_live(),
            taken,
            mode: status.mode().name().to_owned(),
            held_by: names(&mut status.holds().causes()),
            instruments_held_by: names(&mut status.instrument_holds().causes()),
            connected: status.trading.load(Ordering::Relaxed),
            paced: status.paced.load(Ordering::Relaxed),
            working: count(&status.working),
            equity: Money(status.equity.load(Ordering::Relaxed).into()).to_string(),
            frames: count(&status.frames),
            requests: count(&status.requests),
            filled: count(&status.filled),
        }
    }
}

fn words() -> String {
    let names: Vec<_> = Command::ALL.into_iter().map(Command::name).chain([STATUS]).collect();
    format!("a line is one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::state::Holds;
    use std::os::unix::net::UnixStream;

    fn lanes() -> Vec<Commanded> {
        let lane = |name: &str| {
            let controls = Arc::new(Controls::default());
            controls.status.tell(Holds::NONE, Holds::NONE);
            Commanded { name: name.to_owned(), controls }
        };
        vec![lane("one"), lane("two")]
    }

    /// A talker's end of a talk with the desk.
    fn come(desk: &mut Desk<UnixStream>, now: Instant) -> UnixStream {
        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        desk.welcome(other, now);
        one
    }

    fn answers(stream: &mut UnixStream) -> Vec<Answer> {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text); // up to where it would block
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// What a lane does at its timer.
    fn obey(lane: &Commanded, holds: Holds) -> Vec<(Command, Source)> {
        let taken = lane.controls.take().collect();
        lane.controls.status.tell(holds, Holds::NONE);
        taken
    }

    #[test]
    fn a_command_is_answered_when_every_lane_has_taken_it_and_told_how_it_stands() {
        let (lanes, now) = (lanes(), Instant::now());
        let mut desk = Desk::new(lanes.clone());
        let mut stream = come(&mut desk, now);
        stream.write_all(b"halt\n").unwrap();
        desk.turn(now);
        assert!(answers(&mut stream).is_empty(), "nobody took it yet");
        let halted = Holds::NONE.with(Cause::OperatorHalt);
        assert_eq!(obey(&lanes[0], halted), [(Command::Halt, Source::Operator)]);
        desk.turn(now);
        obey(&lanes[0], halted);
        desk.turn(now);
        assert!(answers(&mut stream).is_empty(), "one of them has not");
        obey(&lanes[1], halted);
        desk.turn(now);
        assert!(answers(&mut stream).is_empty(), "what it told may be of before it took it");
        obey(&lanes[1], halted);
        desk.turn(now);
        let [answer] = &answers(&mut stream)[..] else { panic!("one answer") };
        assert!(answer.ok && answer.lanes.iter().all(|of| of.taken && of.mode == "halted"));
        assert_eq!(answer.lanes[1].held_by, ["operator_halt"]);
    }

    #[test]
    fn a_lane_that_takes_nothing_or_stands_otherwise_makes_the_answer_a_no() {
        let (lanes, begun) = (lanes(), Instant::now());
        let mut desk = Desk::new(lanes.clone());
        let mut stream = come(&mut desk, begun);
        stream.write_all(b"activate\n").unwrap();
        desk.turn(begun);
        for _ in 0..2 {
            obey(&lanes[0], Holds::NONE.with(Cause::DailyLoss));
            desk.turn(begun);
        }
        desk.turn(begun + TAKEN_WITHIN - Duration::from_millis(1));
        assert!(answers(&mut stream).is_empty());
        desk.turn(begun + TAKEN_WITHIN);
        let [answer] = &answers(&mut stream)[..] else { panic!("one answer") };
        assert!(!answer.ok && answer.lanes[0].taken && !answer.lanes[1].taken, "{answer:?}");
        assert_eq!(answer.lanes[0].held_by, ["daily_loss"]);
        obey(&lanes[1], Holds::NONE);

        stream.write_all(b"activate\n").unwrap();
        for _ in 0..3 {
            desk.turn(begun);
            obey(&lanes[0], Holds::NONE.with(Cause::DailyLoss));
            obey(&lanes[1], Holds::NONE);
        }
        desk.turn(begun);
        let [answer] = &answers(&mut stream)[..] else { panic!("one answer") };
        assert!(!answer.ok && answer.lanes.iter().all(|of| of.taken), "the loss still holds");

        lanes[0].controls.pulse.die();
        stream.write_all(b"halt\n").unwrap();
        for _ in 0..3 {
            desk.turn(begun);
            obey(&lanes[1], Holds::NONE.with(Cause::OperatorHalt));
        }
        desk.turn(begun);
        let [answer] = &answers(&mut stream)[..] else { panic!("the dead are not waited for") };
        assert!(!answer.ok && !answer.lanes[0].live && answer.lanes[1].taken);
    }

    #[test]
    fn status_changes_nothing_and_nonsense_is_answered_with_what_there_is() {
        let (lanes, now) = (lanes(), Instant::now());
        let mut desk = Desk::new(lanes.clone());
        let mut stream = come(&mut desk, now);
        stream.write_all(b"status\r\nstat").unwrap();
        desk.turn(now);
        stream.write_all(b"ute\n").unwrap();
        desk.turn(now);
        let [status, nonsense] = &answers(&mut stream)[..] else { panic!("two answers") };
        assert!(status.ok && status.lanes.iter().all(|of| of.mode == "active" && of.live));
        let error = nonsense.error.as_deref().unwrap();
        assert!(!nonsense.ok && error.contains("`statute` is no command"), "{error}");
        assert!(error.contains("activate, reduce, halt, flatten, status"), "{error}");
        assert!(lanes.iter().all(|lane| lane.controls.take().count() == 0));
        stream.write_all(&[b'x'; 4 * LINE_MAX]).unwrap();
        desk.turn(now);
        assert!(answers(&mut stream)[0].error.as_deref().unwrap().contains("at most 64 bytes"));
        assert!(desk.talks.is_empty(), "whoever sends no lines is not listened to");
    }

    #[test]
    fn the_longest_silent_makes_room_and_one_who_never_reads_holds_nobody_up() {
        let (lanes, begun) = (lanes(), Instant::now());
        let mut desk = Desk::new(lanes);
        let mut deaf = come(&mut desk, begun);
        for _ in 0..10_000 {
            if deaf.write_all(b"status\n").is_err() {
                break;
            }
            desk.turn(begun);
        }
        assert!(desk.talks[0].answer.len() < 4_096, "one answer at a time");
        let others: Vec<_> = (1..=TALKS_MAX as u64)
            .map(|at| come(&mut desk, begun + Duration::from_secs(at)))
            .collect();
        assert_eq!(desk.talks.len(), TALKS_MAX);
        for mut stream in others {
            stream.write_all(b"status\n").unwrap();
            desk.turn(begun + Duration::from_secs(9));
            assert!(answers(&mut stream)[0].ok);
        }
    }
}
