//! Input of all comparisons: the market frames of a capture, and the instruments they need.

use bot4::record::Instrument;
use bot4::units::VenueId;
use bot4::venue::binance::Family;
use bot4::venue::binance::decode::infer::GridGuess;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Captures of the three families; each has at least one frame of every kind.
pub struct Captures {
    /// Where they came from, for the reader of the figures.
    pub source: String,
    /// One stream per family.
    pub streams: Vec<Stream>,
}

/// One capture in memory.
pub struct Stream {
    /// Which market.
    pub family: Family,
    /// File name, or `generated`.
    pub name: String,
    /// Frames in file order, without their time stamps.
    pub frames: Vec<Vec<u8>>,
    /// What they trade.
    pub instruments: Vec<Instrument>,
}

const FILES: [(Family, &str); 3] = [
    (Family::UsdM, "binance-usdm/btcusdt_20240808.gz"),
    (Family::CoinM, "binance-cm/btcusd_perp_20240808.gz"),
    (Family::Spot, "binance-spot/btcusdt_20240808.gz"),
];

impl Captures {
    /// Loads from a folder, from the shared data, or generates.
    pub fn load(folder: Option<&str>) -> Captures {
        let folders: Vec<PathBuf> = match folder {
            Some(folder) => vec![folder.into()],
            None => {
                let shared = std::env::var_os("BOT4_SHARED").map(|shared| {
                    let mut path = PathBuf::from(shared);
                    path.push("data");
                    path
                });
                let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
                shared.into_iter().chain([beside.into()]).collect()
            }
        };
        for folder in folders {
            let streams: Vec<Stream> =
                FILES.iter().filter_map(|(family, name)| read(*family, &folder, name)).collect();
            if !streams.is_empty() {
                return Captures { source: folder.display().to_string(), streams };
            }
        }
        let streams = FILES.iter().map(|(family, _)| generated(*family)).collect();
        Captures { source: "generated sample (no capture found)".into(), streams }
    }

    /// The stream of a family.
    pub fn of(&self, family: Family) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.family == family)
    }
}

impl Stream {
    fn new(family: Family, name: &str, frames: Vec<Vec<u8>>) -> Stream {
        let mut guess = GridGuess::new(Some(family));
        for frame in &frames {
            if let Err(error) = guess.observe(frame) {
                eprintln!("{name}: {error}");
            }
        }
        Stream { family, name: name.into(), frames, instruments: guess.instruments(VenueId(0)) }
    }
}

fn read(family: Family, folder: &Path, name: &str) -> Option<Stream> {
    let file = std::fs::File::open(folder.join(name)).ok()?;
    let mut text = Vec::new();
    GzDecoder::new(file).read_to_end(&mut text).ok()?;
    let frames = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            line.iter().position(|byte| *byte == b' ').map(|gap| line[gap + 1..].to_vec())
        })
        .collect();
    Some(Stream::new(family, name, frames))
}

/// Frames in the venue's shape, prices on a seeded walk.
fn generated(family: Family) -> Stream {
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut draw = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (symbol, pair, price_digits, size_digits) = match family {
        Family::Spot => ("BTCUSDT", "", 8, 8),
        Family::UsdM => ("BTCUSDT", "", 2, 3),
        Family::CoinM => ("BTCUSD_PERP", r#""ps":"BTCUSD","#, 1, 0),
    };
    let price = |ticks: u64| {
        let zeros = "0".repeat(price_digits - 1);
        format!("{}.{}{zeros}", ticks / 10, ticks % 10)
    };
    let size = |lots: u64| match size_digits {
        0 => format!("{lots}"),
        digits => format!("{}.{:03}{}", lots / 1000, lots % 1000, "0".repeat(digits - 3)),
    };
    let stream = symbol.to_lowercase();
    let (mut frames, mut touch, mut update, mut time) =
        (Vec::new(), 618_000u64, 1_000u64, 1_723_161_256_000u64);
    for round in 0..20_000u64 {
        touch = touch + draw(3) - 1;
        update += 1 + draw(50);
        time += draw(5);
        let spot = family == Family::Spot;
        let frame = match round % 5 {
            0 => {
                let mut side = |sign: i64| {
                    let levels: Vec<String> = (0..1 + draw(40))
                        .map(|step| {
                            let at = touch.saturating_add_signed(sign * step as i64);
                            format!(r#"["{}","{}"]"#, price(at), size(draw(9_000)))
                        })
                        .collect();
                    levels.join(",")
                };
                let (bids, asks) = (side(-1), side(1));
                let transaction = if spot { String::new() } else { format!(r#""T":{time},"#) };
                let previous =
                    if spot { String::new() } else { format!(r#""pu":{},"#, update - 1) };
                format!(
                    r#"{{"stream":"{stream}@depth@100ms","data":{{"e":"depthUpdate","E":{time},{transaction}"s":"{symbol}",{pair}"U":{update},"u":{update},{previous}"b":[{bids}],"a":[{asks}]}}}}"#
                )
            }
            1 => {
                let (p, q) = (price(touch), size(1 + draw(5_000)));
                let fields = if spot {
                    format!(
                        r#""E":{time},"s":"{symbol}","t":{round},"p":"{p}","q":"{q}","T":{time},"m":true,"M":true"#
                    )
                } else {
                    format!(
                        r#""E":{time},"T":{time},"s":"{symbol}","t":{round},"p":"{p}","q":"{q}","X":"MARKET","m":false"#
                    )
                };
                format!(r#"{{"stream":"{stream}@trade","data":{{"e":"trade",{fields}}}}}"#)
            }
            _ => {
                let (b, a) = (price(touch), price(touch + 1));
                let (bs, az) = (size(1 + draw(5_000)), size(1 + draw(5_000)));
                let touch = format!(r#""b":"{b}","B":"{bs}","a":"{a}","A":"{az}""#);
                let fields = match family {
                    Family::Spot => format!(r#""u":{update},"s":"{symbol}",{touch}"#),
                    Family::UsdM => format!(
                        r#""e":"bookTicker","u":{update},"s":"{symbol}",{touch},"T":{time},"E":{time}"#
                    ),
                    Family::CoinM => format!(
                        r#""u":{update},"e":"bookTicker","s":"{symbol}",{pair}{touch},"T":{time},"E":{time}"#
                    ),
                };
                format!(r#"{{"stream":"{stream}@bookTicker","data":{{{fields}}}}}"#)
            }
        };
        frames.push(frame.into_bytes());
    }
    Stream::new(family, "generated", frames)
}
