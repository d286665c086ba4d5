//! Local sockets: a file that others of this machine and this user talk through.
//!
//! Invariants: only our own user and root are heard, whatever the file's mode says; a path of any length
//! will do, though a socket's name holds 108 bytes; a file that nobody listens behind any more is
//! replaced, one that somebody does is not. Deliberately absent: what is said.
#![allow(unsafe_code, reason = "the other side's user is asked of the kernel, which std does not")]

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Another process listens there.
    #[error(
        "{}: another process listens there already; end it first, or name another socket",
        .0.display()
    )]
    Taken(PathBuf),
    /// Something else stands there.
    #[error("{}: this file is no socket, and is left alone; name another socket", .0.display())]
    NoSocket(PathBuf),
    /// The system refuses.
    #[error(
        "{}: no socket can be made here ({source}); name one in a folder of a local disk",
        path.display()
    )]
    System {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// A socket that listens; its file goes with it.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, so that another process's is never removed.
    file: (u64, u64),
}

/// The socket by way of its open folder, which has a short name whatever its own is.
fn by_folder<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().filter(|of| !of.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = File::open(folder)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// A connection to whoever listens.
///
/// # Errors
/// When nobody does, or may not be talked to.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    by_folder(path, |short| UnixStream::connect(short))
}

impl LocalListener {
    /// Listens behind a file, which it makes.
    ///
    /// # Errors
    /// When something else stands there, or the system refuses.
    pub fn bind(path: &Path) -> Result<LocalListener, LocalError> {
        let failed = |source| LocalError::System { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Ok(of) if !of.file_type().is_socket() => {
                return Err(LocalError::NoSocket(path.to_owned()));
            }
            Ok(_) if connect(path).is_ok() => return Err(LocalError::Taken(path.to_owned())),
            Ok(_) => fs::remove_file(path).map_err(failed)?, // of a process that was killed
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = by_folder(path, |short| UnixListener::bind(short)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let of = fs::symlink_metadata(path).map_err(failed)?;
        Ok(LocalListener { listener, path: path.to_owned(), file: (of.dev(), of.ino()) })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Someone who has come, if anyone has; never waits, and neither does talking to them.
    pub fn accept(&self) -> Option<UnixStream> {
        let (stream, _) = self.listener.accept().ok()?;
        let own = fs::metadata("/proc/self").ok()?.uid();
        let other = user_of(&stream).ok()?;
        let known = other == own || other == 0;
        (known && stream.set_nonblocking(true).is_ok()).then_some(stream)
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let ours = |of: fs::Metadata| (of.dev(), of.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // A file that stays is replaced by the next who listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The user on the other side, as of when it connected.
fn user_of(stream: &UnixStream) -> io::Result<u32> {
    let mut of = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `of` and `len` live through the call, and `len` is the size of `of`.
    let rc = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut of).cast(),
            &raw mut len,
        )
    };
    if rc == 0 { Ok(of.uid) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn folder() -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("bot4_local_{}_{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_path_of_any_length_is_listened_at_by_one() {
        let root = folder();
        let deep = root.join("a".repeat(120)).join("b".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let path = deep.join("control.sock");
        let listener = LocalListener::bind(&path).unwrap();
        assert!(listener.accept().is_none(), "nobody came");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let mut one = connect(&path).unwrap();
        one.write_all(b"hello\n").unwrap();
        let mut other = listener.accept().expect("someone came");
        let mut heard = [0; 6];
        while other.read(&mut heard).is_err() {}
        assert_eq!(&heard, b"hello\n");
        assert!(matches!(LocalListener::bind(&path), Err(LocalError::Taken(_))));
        drop(listener);
        assert!(!path.exists() && connect(&path).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_replaced_and_anything_else_is_not() {
        let root = folder();
        let path = root.join("control.sock");
        drop(UnixListener::bind(&path).unwrap()); // its file stays, as after kill -9
        assert!(path.exists());
        let first = LocalListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = LocalListener::bind(&path).unwrap();
        drop(first);
        assert!(connect(&path).is_ok(), "the first one's end took the second one's file");
        drop(second);
        fs::write(&path, "a text").unwrap();
        assert!(matches!(LocalListener::bind(&path), Err(LocalError::NoSocket(_))));
        assert!(path.exists());
        fs::remove_dir_all(root).unwrap();
    }
}
