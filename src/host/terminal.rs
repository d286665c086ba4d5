//! A secret from the terminal or a file descriptor: a line that nobody sees.
//!
//! Echo and signals are off while the line is typed, so that Ctrl-C cannot leave the terminal mute; it
//! is read as a byte and answered with `Interrupted`. The terminal is put back as it was on every way
//! out. Invariant: what was typed stands in one buffer, made once, wiped when dropped.
#![allow(unsafe_code, reason = "tcgetattr and tcsetattr have no safe wrapper in std")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use zeroize::Zeroizing;

/// Longest line; the buffer never grows, so that no copy is left behind.
const LINE_MAX: usize = 1_024;

const TOO_LONG: &str = "longer than 1 024 bytes";

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const BACKSPACES: [u8; 2] = [8, 127];

/// Asks on the process's terminal; `None` where it has none.
///
/// # Errors
/// When the terminal cannot be read, the line is longer than 1 024 bytes or not UTF-8, or Ctrl-C ends it.
pub fn ask(prompt: &str) -> io::Result<Option<Zeroizing<String>>> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    ask_on(&terminal, prompt).map(Some)
}

/// Asks on an open terminal.
///
/// # Errors
/// As `ask`.
pub fn ask_on(mut terminal: &File, prompt: &str) -> io::Result<Zeroizing<String>> {
    let _mute = Mute::of(terminal.as_raw_fd())?;
    terminal.write_all(prompt.as_bytes())?;
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
    let outcome = read_line(terminal, &mut line);
    terminal.write_all(b"\r\n")?;
    outcome?;
    text_of(&line)
}

/// The first line of a file descriptor that the caller inherited, which stays open: how a program hands
/// a passphrase to another, `bot4 run --passphrase-fd 3 3<file`.
///
/// # Errors
/// When it cannot be read, or the line is longer than 1 024 bytes or not UTF-8.
pub fn line_of(descriptor: RawFd) -> io::Result<Zeroizing<String>> {
    // SAFETY: F_GETFD only asks whether the number is an open descriptor.
    if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open; the File is never dropped, so that it stays its owner's.
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
    loop {
        // Byte by byte: what follows the line is the next reader's.
        let mut byte = Zeroizing::new([0]);
        match (&*file).read(&mut *byte)? {
            0 => break,
            _ if byte[0] == b'\n' => break,
            _ if line.len() == LINE_MAX => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, TOO_LONG));
            }
            _ => line.push(byte[0]),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    text_of(&line)
}

/// The line as text, in a buffer of its own that never grew.
fn text_of(line: &[u8]) -> io::Result<Zeroizing<String>> {
    let text = std::str::from_utf8(line);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
    let mut typed = Zeroizing::new(String::with_capacity(LINE_MAX));
    typed.push_str(text);
    Ok(typed)
}

fn read_line(mut terminal: &File, line: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut byte = [0];
        if terminal.read(&mut byte)? == 0 {
            return Ok(());
        }
        match byte[0] {
            b'\r' | b'\n' | CTRL_D => return Ok(()),
            CTRL_C => return Err(io::Error::new(io::ErrorKind::Interrupted, "Ctrl-C")),
            CTRL_U => line.clear(),
            byte if BACKSPACES.contains(&byte) => {
                // A letter beyond ASCII is one stroke and several bytes.
                while line.pop().is_some_and(|gone| gone & 0xC0 == 0x80) {}
            }
            byte if line.len() < LINE_MAX => line.push(byte),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, TOO_LONG)),
        }
    }
}

/// The terminal without echo, line editing and signals; as it was when dropped.
struct Mute {
    terminal: RawFd,
    before: libc::termios,
}

impl Mute {
    fn of(terminal: RawFd) -> io::Result<Mute> {
        // SAFETY: an all-zero termios is plain data, and tcgetattr fills it.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live termios of ours.
        if unsafe { libc::tcgetattr(terminal, &raw mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut mute = before;
        mute.c_lflag &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG | libc::IEXTEN);
        mute.c_cc[libc::VMIN] = 1;
        mute.c_cc[libc::VTIME] = 0;
        // SAFETY: the pointer is to a live termios of ours; what was typed ahead is dropped.
        if unsafe { libc::tcsetattr(terminal, libc::TCSAFLUSH, &raw const mute) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Mute { terminal, before })
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        // SAFETY: the pointer is to a live termios of ours. A terminal that is gone needs no echo.
        unsafe { libc::tcsetattr(self.terminal, libc::TCSAFLUSH, &raw const self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    /// A terminal and the keyboard behind it.
    fn pair() -> Option<(File, File)> {
        // SAFETY: plain calls that make and name a pseudo-terminal; the number is owned by the File.
        let keyboard = unsafe {
            let number = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
            if number < 0 || libc::grantpt(number) != 0 || libc::unlockpt(number) != 0 {
                return None;
            }
            File::from_raw_fd(number)
        };
        let mut name = [0; 64];
        // SAFETY: the buffer is ours and as long as the call is told; the name in it ends in a zero.
        let name = unsafe {
            if libc::ptsname_r(keyboard.as_raw_fd(), name.as_mut_ptr(), name.len()) != 0 {
                return None;
            }
            std::ffi::CStr::from_ptr(name.as_ptr()).to_str().ok()?.to_owned()
        };
        let mut options = OpenOptions::new();
        let terminal =
            options.read(true).write(true).custom_flags(libc::O_NOCTTY).open(name).ok()?;
        Some((terminal, keyboard))
    }

    /// Types after the prompt has been seen; what the asker got and everything the screen showed.
    fn typed(keys: &[u8]) -> Option<(io::Result<Zeroizing<String>>, String)> {
        let Some((terminal, mut keyboard)) = pair() else {
            eprintln!("SKIPPED (1): asking on a terminal: no pseudo-terminal to be had");
            return None;
        };
        let asking = std::thread::spawn(move || {
            let answer = ask_on(&terminal, "Passphrase: ");
            (answer, terminal)
        });
        let mut shown = Vec::new();
        let mut piece = [0; 256];
        while !shown.ends_with(b"Passphrase: ") {
            let len = keyboard.read(&mut piece).expect("the prompt");
            shown.extend_from_slice(&piece[..len]);
        }
        keyboard.write_all(keys).expect("keys");
        let (answer, terminal) = asking.join().expect("no panic");
        // Echo is on again, so that this is shown, and ends what the screen showed.
        keyboard.write_all(b"end\n").expect("keys");
        while !String::from_utf8_lossy(&shown).contains("end") {
            let len = keyboard.read(&mut piece).expect("the rest");
            shown.extend_from_slice(&piece[..len]);
        }
        drop(terminal);
        Some((answer, String::from_utf8_lossy(&shown).into_owned()))
    }

    #[test]
    fn a_line_is_read_and_not_shown() {
        let Some((answer, shown)) = typed(b"wrong\x15hunt\xC3\xA9\x7fer2\r") else { return };
        assert_eq!(**answer.expect("a line"), *"hunter2");
        assert!(
            shown.starts_with("Passphrase: ") && shown.trim_end().ends_with("end"),
            "{shown:?}"
        );
        assert!(!shown.contains("hunt") && !shown.contains("wrong"), "{shown:?}");
    }

    #[test]
    fn a_descriptor_gives_its_first_line_and_stays_open() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"hunter2\r\nthe rest\n").expect("room");
        drop(writer);
        assert_eq!(**line_of(reader.as_raw_fd()).expect("a line"), *"hunter2");
        assert_eq!(**line_of(reader.as_raw_fd()).expect("the next"), *"the rest");
        assert_eq!(**line_of(reader.as_raw_fd()).expect("the end"), *"");
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(&[b'x'; LINE_MAX + 1]).expect("room");
        assert_eq!(line_of(reader.as_raw_fd()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(line_of(9_999).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn ctrl_c_is_an_error_and_the_terminal_speaks_again() {
        let Some((answer, shown)) = typed(b"abc\x03") else { return };
        assert_eq!(answer.expect_err("Ctrl-C").kind(), io::ErrorKind::Interrupted);
        assert!(shown.contains("end") && !shown.contains("abc"), "{shown:?}");
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let Some((answer, _)) = typed(&[b'x'; LINE_MAX + 1]) else { return };
        assert_eq!(answer.expect_err("too long").kind(), io::ErrorKind::InvalidData);
    }
}
