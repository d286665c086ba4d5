//! Which of the venue's markets a capture came from, and whose REST answers it holds.
//!
//! Nothing in a capture names the market, so its frames must tell: a diff with `pu` is futures, a `ps`
//! COIN-M; a REST answer is known by its address. A file that says nothing is spot.

use super::{BookError, refusal};
use crate::lab::capture::{Capture, Source};
use crate::venue::binance::Family;
use crate::venue::binance::decode::infer::GridGuess;

/// Frames looked at closely; later ones only where they hold the key that tells futures.
const FRAMES_AHEAD: usize = 64;

/// The market of a capture, judged by its first `until` lines.
pub fn family(capture: &Capture, until: u64) -> Result<Family, BookError> {
    let mut guess = GridGuess::new(None);
    let mut left = FRAMES_AHEAD;
    for frame in capture.frames().take_while(|frame| frame.line <= until) {
        if let Source::Rest(url) = frame.source {
            match family_of_address(url) {
                Some(family) => return Ok(family),
                None => continue,
            }
        }
        if left == 0 && !contains(frame.bytes, b"\"pu\":") {
            continue;
        }
        left = left.saturating_sub(1);
        guess.observe(frame.bytes).map_err(|error| refusal(capture, frame.line, error))?;
        if left == 0 && guess.family().is_futures() {
            break;
        }
    }
    Ok(guess.family())
}

fn family_of_address(url: &str) -> Option<Family> {
    [("/dapi/", Family::CoinM), ("/fapi/", Family::UsdM), ("/api/", Family::Spot)]
        .into_iter()
        .find_map(|(path, family)| url.contains(path).then_some(family))
}

/// The text after `key` up to the next quote, as in `"X":"MARKET"`.
pub fn text_after<'a>(frame: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let start = find(frame, key)? + key.len();
    let len = frame[start..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&frame[start..start + len]).ok()
}

fn contains(frame: &[u8], key: &[u8]) -> bool {
    find(frame, key).is_some()
}

fn find(frame: &[u8], key: &[u8]) -> Option<usize> {
    frame.windows(key.len()).position(|window| window == key)
}
