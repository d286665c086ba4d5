//! Logon, signing, rate budgets, reconnects, REST requests and answers. Plain data and pure state:
//! sockets, files and clocks belong to the driver.

pub mod answer;
mod budget;
mod encoding;
mod key_text;
mod lifecycle;
pub mod logon;
pub mod paths;
pub mod rest;
mod signing;

#[cfg(test)]
mod tests;

pub use budget::{Budget, Cost, Wait, own_orders_per_second};
pub use key_text::{KeyText, Material};
pub use lifecycle::{Event, Line, Output, PONG_TIMEOUT, Phase, SILENCE_MAX, Session, Settings};
pub use signing::{KeyError, SignatureText, Signer, private_document};
