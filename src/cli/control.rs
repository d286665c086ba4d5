//! `bot4 halt | reduce | resume | flatten | status RUN`: commands to a run on this machine.
//!
//! RUN's control socket takes the word and answers in one line of JSON; it is printed as it came, or in
//! words. Exit code 0: every lane took it and stands as it says; 1: not so, or nobody answered.

use crate::cli::run::control::SOCKET;
use crate::cli::run::talk::{Answer, STATUS, Standing};
use crate::host::local;
use crate::record::Command;
use clap::Args;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take: lanes have one second, see `cli::run::talk`.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer: sixteen lanes, held by everything there is.
const ANSWER_MAX: u64 = 1 << 16;

/// Arguments of the commands to a run.
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// The run's folder or its control socket, as `bot4 run` prints it
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The answer as one line of JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Why a command did not do what it says.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "{}: no run answers here ({source}); name a run's folder or its control socket, or end the \
         process: `kill -USR1 PID` halts, `kill PID` cancels all orders and ends",
        socket.display()
    )]
    Unreachable {
        /// Which socket.
        socket: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// What came is no answer.
    #[error("{}: the answer makes no sense ({problem}); is the run of this version?", socket.display())]
    Nonsense {
        /// Which socket.
        socket: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Not every lane did.
    #[error("`{command}` did not come to its end: {problems}")]
    Not {
        /// The command.
        command: &'static str,
        /// By lane.
        problems: String,
    },
    /// Output could not be written.
    #[error("the answer cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Sends a command, or without one asks how the lanes stand.
///
/// # Errors
/// When nobody answers, or not every lane does what is asked.
pub fn run(
    command: Option<Command>,
    args: &ControlArgs,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let word = command.map_or(STATUS, Command::name);
    let socket = if args.run.is_dir() { args.run.join(SOCKET) } else { args.run.clone() };
    let line = ask(&socket, word)
        .map_err(|source| ControlError::Unreachable { socket: socket.clone(), source })?;
    let answer: Answer = serde_json::from_str(&line)
        .map_err(|error| ControlError::Nonsense { socket, problem: error.to_string() })?;
    if args.json {
        writeln!(out, "{}", line.trim_end())?;
    } else {
        answer.lanes.iter().try_for_each(|lane| print(lane, out))?;
    }
    if answer.ok {
        return Ok(());
    }
    let problems = answer.lanes.iter().map(|lane| problem(lane, command)).collect::<Vec<_>>();
    let problems = answer.error.unwrap_or_else(|| problems.join("; "));
    Err(ControlError::Not { command: command.map_or(STATUS, word_of), problems })
}

/// The command line's word.
const fn word_of(command: Command) -> &'static str {
    match command {
        Command::Activate => "resume",
        other => other.name(),
    }
}

fn ask(socket: &Path, word: &str) -> io::Result<String> {
    let mut stream = local::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{word}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut line)?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}

fn print(lane: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let held = if lane.held_by.is_empty() {
        String::new()
    } else {
        format!(" by {}", lane.held_by.join(", "))
    };
    let instruments = if lane.instruments_held_by.is_empty() {
        String::new()
    } else {
        format!("; instruments held by {}", lane.instruments_held_by.join(", "))
    };
    let links = if lane.connected { "connected" } else { "not connected" };
    let pace = if lane.paced { ", waits for room in a rate" } else { "" };
    let (name, mode) = (&lane.name, if lane.live { lane.mode.as_str() } else { "dead" });
    writeln!(
        out,
        "{name:<12} {mode}{held}{instruments}; {links}{pace}, {} working, {} filled, equity {}",
        lane.working, lane.filled, lane.equity
    )
}

fn problem(lane: &Standing, command: Option<Command>) -> String {
    let name = &lane.name;
    if !lane.live {
        return format!("lane `{name}` has died, and its guard cancels its orders");
    }
    if !lane.taken {
        return format!("lane `{name}` did not take it within a second, and its guard will act");
    }
    match command {
        Some(Command::Activate) if !lane.held_by.is_empty() => {
            format!("lane `{name}` is still {} by {}", lane.mode, lane.held_by.join(", "))
        }
        _ => format!("lane `{name}` is {}", lane.mode),
    }
}
