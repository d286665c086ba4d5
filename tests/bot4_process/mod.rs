//! The real binary as a process: started, listened to, interrupted, killed, and asked what it said.
#![allow(dead_code, reason = "each test file uses its part of the process")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a test waits for what must be said.
const PATIENCE: Duration = Duration::from_secs(25);

/// A running `bot4`; killed when dropped.
pub struct Bot4 {
    /// Where it runs, so that what it leaves behind is nobody else's.
    _home: Folder,
    child: Child,
    said: Arc<Mutex<String>>,
    errors: Option<JoinHandle<()>>,
    out: Option<JoinHandle<String>>,
}

/// What an ended `bot4` left behind.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

impl Bot4 {
    pub fn start(arguments: &[&str]) -> Bot4 {
        Bot4::start_with(arguments, &|_| {})
    }

    /// With an input or an environment of its own.
    pub fn start_with(arguments: &[&str], prepare: &dyn Fn(&mut Command)) -> Bot4 {
        let home = Folder::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
        command
            .args(arguments)
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("the binary runs");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let errors = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = heard.lock().expect("no panic while held");
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut pipe = child.stdout.take().expect("a pipe");
        let out = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("text");
            text
        });
        Bot4 { _home: home, child, said, errors: Some(errors), out: Some(out) }
    }

    /// `bot4 venue` on a free port, and where it listens.
    pub fn venue(arguments: &[&str]) -> (Bot4, SocketAddr) {
        Bot4::venue_at("127.0.0.1:0", arguments)
    }

    pub fn venue_at(address: &str, arguments: &[&str]) -> (Bot4, SocketAddr) {
        let venue = Bot4::start(&[&["venue", "--listen", address], arguments].concat());
        let said = venue.hears("listening at ");
        let at = said.split("listening at ").nth(1).and_then(|rest| rest.split(';').next());
        (venue, at.and_then(|at| at.parse().ok()).unwrap_or_else(|| panic!("{said}")))
    }

    /// Waits until it has said `piece` on stderr; returns everything it said so far.
    pub fn hears(&self, piece: &str) -> String {
        self.hears_where(piece, &|said| said.contains(piece))
    }

    /// Waits until what it has said on stderr is as `wanted`; `words` are for the message.
    pub fn hears_where(&self, words: &str, wanted: &dyn Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.said.lock().expect("no panic while held").clone();
            if wanted(&said) {
                return said;
            }
            assert!(Instant::now() < until, "waited for `{words}`, but heard:\n{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its number.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    }

    /// Resident memory, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let out = self.out.take().expect("ended once").join().expect("text");
        self.errors.take().expect("ended once").join().expect("text");
        let code = self.child.wait().expect("it ends").code();
        let errors = self.said.lock().expect("no panic while held").clone();
        Ended { code, out, errors }
    }
}

impl Drop for Bot4 {
    fn drop(&mut self) {
        // Most have ended by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Runs to the end.
    pub fn of(arguments: &[&str]) -> Ended {
        Bot4::start(arguments).end()
    }

    /// The report: stdout is one JSON object and nothing else.
    pub fn json(&self) -> serde_json::Value {
        assert!(!self.errors.contains("panicked"), "{}", self.errors);
        let report: serde_json::Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.errors));
        assert!(report.is_object());
        report
    }
}

/// An empty folder for one test, removed with all that is in it when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bot4_{}_folder_{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder under the temporary folder");
        Folder(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a temporary folder with a plain name")
    }

    /// Writes a file into it; the file's path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("room for a small file");
        path.to_str().expect("a temporary folder with a plain name").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // As below.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small file system, unmounted when dropped.
pub struct Small(Folder);

impl Small {
    /// An empty one of this `size`; none where this user may not mount.
    pub fn mount(size: &str) -> Option<Small> {
        let folder = Folder::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs", folder.path()])
            .output()
            .is_ok_and(|of| of.status.success());
        mounted.then_some(Small(folder))
    }

    pub fn path(&self) -> &str {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A mount that stays is found by whoever cleans the temporary folder.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// A file for one test, removed when dropped.
pub struct Temporary(PathBuf);

impl Temporary {
    pub fn holding(name: &str, bytes: &[u8]) -> Temporary {
        let path = std::env::temp_dir().join(format!("bot4_{}_{name}", std::process::id()));
        let mut file = std::fs::File::create(&path).expect("a file under the temporary folder");
        file.write_all(bytes).expect("room for a small file");
        Temporary(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a temporary folder with a plain name")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The operating system empties the folder at last.
        let _ = std::fs::remove_file(&self.0);
    }
}
