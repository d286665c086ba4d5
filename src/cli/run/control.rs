//! How a run is commanded from outside: signals, the kill file, the control socket.
//!
//! SIGUSR1 | SIGUSR2 | a file that appears | words on a socket -> `Controls` of every lane.
//! One thread hears signals and the socket, another looks for the file, and neither does anything that
//! could wait for a lane, a venue or a journal: a disk that hangs can hold up the look for a file on it,
//! and nothing else. What the lanes do is theirs; a lane that does nothing has a guard.

use super::RunError;
use super::talk::{Commanded, Desk};
use crate::cli::config::Config;
use crate::host::local::{LocalError, LocalListener};
use crate::host::signal;
use crate::record::{Cause, Command, Source};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Name of the socket in a run's folder.
pub const SOCKET: &str = "control.sock";
/// Between two looks at signals and talkers: what a lane's own timer takes.
const LOOK: Duration = Duration::from_millis(10);
/// Between two looks for the kill file.
const LOOK_FOR_FILE: Duration = Duration::from_millis(100);

/// Why a run cannot be commanded, and so does not begin.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket.
    #[error("control socket {0}")]
    Socket(#[from] LocalError),
    /// The folder it would stand in.
    #[error(
        "control socket: folder {}: {problem}; --journal says where a run's files go, and control.socket \
         where this one goes",
        folder.display()
    )]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file is there.
    #[error("kill file {} exists; nothing trades until it is removed", .0.display())]
    KillFile(PathBuf),
    /// It cannot be looked for.
    #[error("control.kill_file {}: cannot be looked for ({source}); its folder must exist", path.display())]
    Unseen {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// The ways in, open before anything trades.
#[derive(Debug)]
pub struct Doors {
    listener: LocalListener,
    kill_file: Option<PathBuf>,
}

/// The threads that listen.
pub struct Control {
    stop: Arc<AtomicBool>,
    listener: JoinHandle<()>,
    socket: PathBuf,
}

/// Opens the socket and sees to it that the kill file can be looked for; `folder` is the run's.
///
/// # Errors
/// When a way in is not to be had, or the kill file is there already.
pub fn open(config: &Config, folder: Option<&Path>) -> Result<Doors, ControlError> {
    let kill_file = config.control.kill_file.clone();
    if let Some(path) = &kill_file {
        // A file in a folder that is not there would never be seen.
        let parent = path.parent().filter(|of| !of.as_os_str().is_empty());
        let seen = fs::metadata(parent.unwrap_or(Path::new("."))).and_then(|_| exists(path));
        if seen.map_err(|source| ControlError::Unseen { path: path.clone(), source })? {
            return Err(ControlError::KillFile(path.clone()));
        }
    }
    let socket = match (&config.control.socket, folder) {
        (Some(socket), _) => socket.clone(),
        (None, Some(folder)) => {
            fs::create_dir_all(folder).map_err(|cause| unusable(folder, &cause))?;
            folder.join(SOCKET)
        }
        (None, None) => private_folder()?.join(format!("{}.sock", std::process::id())),
    };
    Ok(Doors { listener: LocalListener::bind(&socket)?, kill_file })
}

fn unusable(folder: &Path, cause: &io::Error) -> ControlError {
    ControlError::Folder { folder: folder.to_owned(), problem: cause.to_string() }
}

/// A folder of this user alone.
fn private_folder() -> Result<PathBuf, ControlError> {
    let own = fs::metadata("/proc/self").map(|of| of.uid());
    let own = own.map_err(|cause| unusable(Path::new("/proc/self"), &cause))?;
    let folder = match std::env::var_os("XDG_RUNTIME_DIR").filter(|of| !of.is_empty()) {
        Some(runtime) => PathBuf::from(runtime).join("bot4"),
        None => std::env::temp_dir().join(format!("bot4-{own}")),
    };
    let made = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
    made.map_err(|cause| unusable(&folder, &cause))?;
    let of = fs::symlink_metadata(&folder).map_err(|cause| unusable(&folder, &cause))?;
    if !of.is_dir() || of.uid() != own || of.mode() & 0o022 != 0 {
        let problem = "is not a folder that only this user can write to".to_owned();
        return Err(ControlError::Folder { folder, problem });
    }
    Ok(folder)
}

/// Whether the file is there. A disk that cannot say so is an error, not a no.
fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Doors {
    /// Listens for the lanes' sake.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn watch(self, lanes: Vec<Commanded>) -> Result<Control, RunError> {
        let stop = Arc::new(AtomicBool::new(false));
        if let Some(path) = self.kill_file {
            let (stop, lanes) = (Arc::clone(&stop), lanes.clone());
            // Nobody waits for its end: the disk it looks at may hang.
            Builder::new()
                .name("kill-file".to_owned())
                .spawn(move || look_for(&path, &lanes, &stop))
                .map_err(RunError::Thread)?;
        }
        let (socket, until) = (self.listener.path().to_owned(), Arc::clone(&stop));
        let listener = Builder::new()
            .name("control".to_owned())
            .spawn(move || listen(&self.listener, lanes, &until))
            .map_err(RunError::Thread)?;
        Ok(Control { stop, listener, socket })
    }
}

impl Control {
    /// What `bot4 halt` and its like call this run by: its folder where the socket stands in it.
    #[must_use]
    pub fn handle(&self) -> String {
        let in_folder = self.socket.file_name().is_some_and(|name| name == SOCKET);
        let handle = self.socket.parent().filter(|of| in_folder && !of.as_os_str().is_empty());
        handle.unwrap_or(&self.socket).display().to_string()
    }

    /// Listens no more.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.listener.join(); // a panic there was printed
    }
}

fn listen(listener: &LocalListener, lanes: Vec<Commanded>, stop: &AtomicBool) {
    let mut desk = Desk::new(lanes);
    while !stop.load(Ordering::Acquire) {
        let now = Instant::now();
        if signal::take_halt() {
            desk.ask(Command::Halt, Source::Signal);
        }
        if signal::take_reduce() {
            desk.ask(Command::Reduce, Source::Signal);
        }
        while let Some(stream) = listener.accept() {
            desk.welcome(stream, now);
        }
        desk.turn(now);
        std::thread::sleep(LOOK);
    }
}

/// Halts every lane that is not halted by it while the file is there, or cannot be looked for.
fn look_for(path: &Path, lanes: &[Commanded], stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        if exists(path).unwrap_or(true) {
            for lane in lanes {
                if !lane.controls.status.holds().has(Cause::KillFile) {
                    lane.controls.ask(Command::Halt, Source::File);
                }
            }
        }
        std::thread::sleep(LOOK_FOR_FILE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::drive::Controls;
    use crate::hot::state::Holds;

    #[test]
    fn a_kill_file_that_is_there_or_could_not_be_seen_keeps_a_run_from_beginning() {
        let folder = std::env::temp_dir().join(format!("bot4_control_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut config = Config::default();
        config.control.kill_file = Some(folder.join("kill"));
        let doors = open(&config, Some(&folder)).unwrap();
        assert_eq!(doors.listener.path(), folder.join(SOCKET));
        drop(doors);
        fs::write(folder.join("kill"), "").unwrap();
        assert!(matches!(open(&config, Some(&folder)), Err(ControlError::KillFile(_))));
        config.control.kill_file = Some(folder.join("nowhere/kill"));
        let said = open(&config, Some(&folder)).unwrap_err().to_string();
        assert!(said.contains("nowhere/kill") && said.contains("its folder must exist"), "{said}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_lane_is_halted_while_the_file_is_there_and_again_when_it_is_resumed() {
        let folder = std::env::temp_dir().join(format!("bot4_kill_{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("kill");
        let controls = Arc::new(Controls::default());
        controls.status.tell(Holds::NONE, Holds::NONE);
        let lanes = [Commanded { name: "one".to_owned(), controls: Arc::clone(&controls) }];
        let stop = AtomicBool::new(false);
        let (asked, patience) =
            (|| controls.is_asked(Command::Halt, Source::File), 3 * LOOK_FOR_FILE);
        let becomes = |wanted: bool| {
            let until = Instant::now() + 50 * LOOK_FOR_FILE;
            while asked() != wanted && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
            assert_eq!(asked(), wanted);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| look_for(&path, &lanes, &stop));
            std::thread::sleep(patience);
            assert!(!asked());
            fs::write(&path, "").unwrap();
            becomes(true);
            let _ = controls.take().count();
            controls.status.tell(Holds::NONE.with(Cause::KillFile), Holds::NONE);
            std::thread::sleep(patience);
            let _ = controls.take().count(); // one look may have come between
            std::thread::sleep(patience);
            assert!(!asked(), "it is halted already");
            controls.status.tell(Holds::NONE, Holds::NONE); // resumed
            becomes(true);
            fs::remove_file(&path).unwrap();
            std::thread::sleep(patience);
            let _ = controls.take().count();
            std::thread::sleep(patience);
            assert!(!asked(), "the file is gone");
            stop.store(true, Ordering::Release);
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
