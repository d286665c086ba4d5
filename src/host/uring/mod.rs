//! Transport and disk over io_uring: one ring, one thread; the fast twins of `epoll` and `plain_disk`.

mod buffers;
mod disk;
mod ring;
mod transport;

pub use disk::UringDisk;
pub use ring::Features;
pub use transport::UringNet;
