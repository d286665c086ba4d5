//! Seeds of files and words.

use super::super::keys::SEALED;
use super::super::market::instruments;
use super::headed;
use bot4::cli::config::Config;
use bot4::venue::binance::Family;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Both formats, plain and packed.
pub fn captures() -> Vec<Vec<u8>> {
    let plain = "1723161255030314667 {\"a\":1}\n1723161255030314668 {\"b\":2}\r\n";
    let feed = "wss://venue.test/ws <-> 1.5\n\n12\n2.25: {\"c\":3}\n\
                https://venue.test/depth?symbol=A&limit=5 -> 3.5: {}\n";
    let pack = |text: &str| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(text.as_bytes()).expect("memory");
        packed.finish().expect("memory")
    };
    let twice = [pack(plain), pack(plain)].concat();
    vec![plain.into(), feed.into(), pack(plain), pack(feed), twice]
}

/// The documented example, and small files that say little.
pub fn configs() -> Vec<Vec<u8>> {
    let coin = "[venue]\nfamily = \"coin-m\"\nsymbols = [\"BTCUSD_PERP\"]\n\
        [[lane]]\nname = \"one\"\nsymbols = [\"BTCUSD_PERP\"]\n\
        [lane.making.BTCUSD_PERP]\ngamma = 0.1\narrival_scale = 10.0\narrival_decay = 1.0\n\
        volatility_start = 1\nquote = 1\nlevels = 1\nrequote_ticks = 1\nhalf_spread_min = 1\n\
        [limits]\norder = { BTCUSD_PERP = 5 }\nposition = { BTCUSD_PERP = \"50\" }\nnotional = 1e6\n";
    // Remarks are most of the example and teach the fuzzer nothing.
    let bare: Vec<&str> = Config::example()
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.is_empty())
        .collect();
    let run =
        "[run]\nfor = \"90s\"\nseed = 7\nspeed = \"max\"\njson = true\n[report]\nstatus_ms = 0\n";
    vec![bare.join("\n").into_bytes(), coin.into(), run.into(), Vec::new()]
}

pub fn fault_plans() -> Vec<Vec<u8>> {
    let all = "drop@7\ntorn@3\ngarbage@1\ngap@2\nswap@9\ndelay@3:250\nreject@1:3:-2010\nmute@2\n\
               mute@2:4\nunsure@5:1\ndrop-orders@4";
    vec![all.into()]
}

pub fn command_values() -> Vec<Vec<u8>> {
    vec![
        b"500ms\n90s\n15m\n2h\n0s".to_vec(),
        b"max\n1\n0.5\n1e3".to_vec(),
        b"loopback\nbinance\n127.0.0.1:9000\n[::1]:443\nvenue.test:8080".to_vec(),
    ]
}

/// Grids of the embedded instruments, and numbers on and off them.
pub fn decimals() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for family in [Family::Spot, Family::UsdM, Family::CoinM] {
        for of in instruments(family) {
            for (grid, text) in [(of.tick, "61800.2"), (of.lot, "0.015"), (of.lot, "-12.5000")] {
                let step = grid.step();
                let mut bytes = vec![step.scale, grid.decimals()];
                bytes.extend_from_slice(&step.mantissa.to_le_bytes());
                bytes.push(0);
                bytes.extend_from_slice(text.as_bytes());
                all.push(bytes);
            }
        }
    }
    all.dedup();
    all
}

pub fn cpu_lists() -> Vec<Vec<u8>> {
    vec![b"0-3,8,10-11\n".to_vec(), b" 5 , 1 - 2 ".to_vec()]
}

/// The good file, one with a byte changed, and one that asks for a passphrase.
pub fn sealed_files() -> Vec<Vec<u8>> {
    let head = "age-encryption.org/v1\n";
    let mac = "--- CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\n";
    let wrapped = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\n";
    let scrypt = format!("{head}-> scrypt CQkJCQkJCQkJCQkJCQkJCQ 10\n{wrapped}{mac}payload");
    let share = format!("{head}-> X25519 {wrapped}{wrapped}-> grease a b\n\n{mac}0123456789abcdef");
    vec![
        headed(&[0], SEALED),
        headed(&[1], []),
        headed(&[1], [100, 0, 0, b'A']),
        headed(&[0], scrypt),
        headed(&[0], share),
    ]
}

pub fn key_texts() -> Vec<Vec<u8>> {
    // Test 1 of RFC 8032, section 7.1: a published key, worth nothing.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    vec![
        b"# mine\napi_key = \"k3yThatNames\"\nsecret=\"s3cretThatSigns\"\n".to_vec(),
        format!("api_key = \"k3yThatNames\"\n{pem}").into_bytes(),
        b"api_key = \"k3y\"\nprivate_key_file = \"keys/pem.age\"\n".to_vec(),
    ]
}
