//! The session's own WebSocket requests: logon, user-data subscription. Key and time -> text.

use crate::units::UnixNanos;
use crate::venue::binance::orders::RequestId;
use crate::venue::binance::session::Signer;

/// How old a signed request may be when it reaches the venue; the venue's default.
pub const RECEIVE_WINDOW_MS: u64 = 5_000;

/// `session.logon`: afterwards requests need neither key nor signature. Ed25519 keys only.
#[must_use]
pub fn logon(number: u64, signer: &Signer, wall: UnixNanos) -> String {
    signed(number, "session.logon", signer, wall)
}

/// `userDataStream.subscribe` of a spot session that is logged on.
#[must_use]
pub fn subscribe(number: u64) -> String {
    let id = RequestId::session_text(number);
    format!(r#"{{"id":"{id}","method":"userDataStream.subscribe"}}"#)
}

/// `userDataStream.subscribe.signature`: the same for a spot session that is not logged on.
#[must_use]
pub fn subscribe_signed(number: u64, signer: &Signer, wall: UnixNanos) -> String {
    signed(number, "userDataStream.subscribe.signature", signer, wall)
}

fn signed(number: u64, method: &str, signer: &Signer, wall: UnixNanos) -> String {
    let id = RequestId::session_text(number);
    let (key, millis) = (signer.api_key(), wall.0 / 1_000_000);
    let payload = format!("apiKey={key}&recvWindow={RECEIVE_WINDOW_MS}&timestamp={millis}");
    let signature = signer.sign(payload.as_bytes());
    format!(
        concat!(
            r#"{{"id":"{id}","method":"{method}","params":{{"apiKey":"{key}","#,
            r#""recvWindow":{window},"signature":"{signature}","timestamp":{millis}}}}}"#
        ),
        id = id,
        method = method,
        key = key,
        window = RECEIVE_WINDOW_MS,
        signature = signature.as_str(),
        millis = millis
    )
}
