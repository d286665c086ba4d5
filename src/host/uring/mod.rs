//! Transport over io_uring: one ring, one thread; the fast twin of `epoll` in bursts.

mod buffers;
mod ring;
mod transport;

pub use ring::Features;
pub use transport::UringNet;
