//! `bot4 run` as a process over real sockets: what it reports, and what it does when things go wrong.
//!
//! Runs are short and run beside each other; nothing here judges a latency, only that it was measured.

mod bot4_process;
mod exchange_client;
mod shared_folder;

use bot4::host::net::NetSettings;
use bot4::host::uring::UringNet;
use bot4_process::{Bot4, Ended, Temporary};
use serde_json::Value;
use shared_folder::shared;
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use std::{panic, thread};

/// A quiet market, so that many processes fit two cores.
const QUIET: &str = "[exchange]\nrate = 300\n[report]\nstatus_ms = 100\n";
/// Long enough for a trading lane to have its quotes out.
const QUOTING: Duration = Duration::from_millis(700);

fn count(of: &Value) -> u64 {
    of.as_u64().unwrap_or_else(|| panic!("no count: {of}"))
}

/// Every order has one end and none was left.
fn settled(report: &Value) {
    let orders = &report["orders"];
    let [sent, acked, working] = ["sent", "acked", "working"].map(|key| count(&orders[key]));
    let ends = ["filled", "cancelled", "rejected", "expired"].map(|key| count(&orders[key]));
    assert!(acked <= sent && working == 0, "{orders}");
    assert_eq!(ends.iter().sum::<u64>(), sent, "{orders}");
}

fn summed(report: &Value, key: &str) -> u64 {
    let lanes = report["lanes"].as_array().expect("lanes");
    lanes.iter().map(|lane| count(&lane["inputs"][key])).sum()
}

/// Every message of the stream was measured from when the venue meant it to leave.
fn on_schedule(report: &Value) {
    let (of, spans) = (&report["open_loop"], &report["latency_ns"]);
    assert_eq!(count(&of["matched"]) + summed(report, "snapshots"), count(&report["messages"]));
    assert!(of["unmatched"] == 0 && of["arrival_rate"].as_f64() > Some(100.0), "{of}");
    for span in ["intended_to_arrival", "intended_to_handled"] {
        assert_eq!(spans[span]["count"], of["matched"]);
    }
    let maximum = |span: &str| count(&spans[span]["max"]);
    assert!(maximum("intended_to_handled") >= maximum("intended_to_order"), "{spans}");
    assert!(maximum("intended_to_order") > 0, "{spans}");
    assert_eq!(spans["intended_to_order"]["count"], spans["arrival_to_order"]["count"]);
}

fn incidents(report: &Value) -> String {
    let lanes = report["lanes"].as_array().expect("lanes");
    let all = lanes.iter().flat_map(|lane| lane["incidents"].as_array().expect("incidents"));
    all.map(|of| format!("{}\n", of[1].as_str().expect("words"))).collect()
}

/// Waits for a status line in which both lanes trade, beyond the first `after` bytes of stderr.
fn both_trade(bot: &Bot4, after: usize) -> String {
    bot.hears_where("both lanes trade", &|said| {
        said[after..].lines().any(|line| line.matches(" trading:").count() == 2)
    })
}

/// How many jobs of all tests run at once: more engines than that starve each other on two cores.
const BESIDE: usize = 4;

static PLACES: (Mutex<usize>, Condvar) = (Mutex::new(BESIDE), Condvar::new());

/// Runs jobs beside each other, as places come free; a panic of one is the test's.
fn together(jobs: Vec<Box<dyn FnOnce() + Send>>) {
    let seated = |job: Box<dyn FnOnce() + Send>| {
        let (places, freed) = &PLACES;
        let free = places.lock().expect("no job panics holding it");
        *freed.wait_while(free, |free| *free == 0).expect("no job panics holding it") -= 1;
        let ended = panic::catch_unwind(panic::AssertUnwindSafe(job));
        *places.lock().expect("no job panics holding it") += 1;
        freed.notify_one();
        ended
    };
    let running: Vec<_> = jobs.into_iter().map(|job| thread::spawn(move || seated(job))).collect();
    for job in running {
        if let Err(thrown) = job.join().expect("a job's panic is caught") {
            panic::resume_unwind(thrown);
        }
    }
}

#[test]
fn it_reports_every_key_that_scripts_rely_on() {
    let ended = Ended::of(&["run", "--for", "3s", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    settled(&report);
    for key in ["sent", "acked", "filled", "partly_filled", "cancelled"] {
        count(&report["orders"][key]);
    }
    assert!(report["orders"]["refused"].is_object() && count(&report["orders"]["sent"]) > 0);
    for stage in ["decode", "book", "signal", "decide", "gate", "encode", "tick_to_order"] {
        let of = &report["latency_ns"][stage];
        let quantiles = ["p50", "p99", "p999", "max"].map(|key| count(&of[key]));
        assert!(quantiles.is_sorted() && quantiles[3] > 0, "{stage}: {of}");
        assert!(count(&of["count"]) > 0, "{stage}: {of}");
    }
    assert_eq!(report["latency_ns"]["decode"]["count"], report["messages"]);
    on_schedule(&report);
    assert_eq!(report["allocations_after_warmup"], 0, "{report}");
    let hash = report["state_hash"].as_str().expect("a hash");
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert!(report["arrival_rate"].as_f64() > Some(0.0) && incidents(&report).is_empty());
    for lane in report["lanes"].as_array().expect("lanes") {
        standing(lane);
    }
}

/// How a lane stood, what it risked and what its breakers did, after a run in which nothing went wrong.
fn standing(lane: &Value) {
    assert!(lane["mode"] == "halted" && lane["held_by"] == serde_json::json!(["stop"]), "{lane}");
    for name in ["volatility", "spread", "latency", "internal_latency", "rejects", "stale_data"] {
        let of = &lane["breakers"][name];
        assert!(count(&of["trips"]) == 0 && of["state"] == "closed", "{name}: {of}");
    }
    assert_eq!(lane["breakers"].as_object().expect("by name").len(), 6);
    let risk = &lane["risk"];
    let amount = |key: &str| risk[key].as_str().and_then(|of| of.parse::<f64>().ok());
    assert_eq!(risk["currency"], "USDT");
    let [equity, loss, drawdown] =
        ["equity", "loss_of_day", "drawdown"].map(|key| amount(key).expect("an amount"));
    // a lane's half of the capital; what is lost since the day began, with which the run began
    assert!((equity + loss - 50_000.0).abs() < 1e-6 && drawdown >= loss, "{risk}");
}

#[test]
fn ctrl_c_cancels_everything_and_reports() {
    let config = Temporary::holding("ctrl_c.toml", QUIET.as_bytes());
    let bot = Bot4::start(&["run", "--config", config.path()]);
    let said = both_trade(&bot, 0);
    assert!(said.contains("Ctrl-C cancels all orders and reports"), "{said}");
    thread::sleep(QUOTING);
    bot.interrupt();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("cancelling all orders"), "{}", ended.errors);
    for piece in ["stopped by a signal", " 0 working", "tick_to_order", "state      "] {
        assert!(ended.out.contains(piece), "no `{piece}`: {}", ended.out);
    }
}

#[test]
fn lanes_of_every_family_trade_what_their_configuration_says() {
    let making = |symbol: &str, quote: &str| {
        format!(
            "[lane.making.{symbol}]\ngamma = 0.02\narrival_scale = 10.0\narrival_decay = 1.0\n\
             volatility_start = 12.0\nquote = {quote}\nlevels = 1\nrequote_ticks = 2.0\n\
             half_spread_min = 1.0\n"
        )
    };
    let (bitcoin, ether) = (making("BTCUSDT", "0.002"), making("ETHUSDT", "0.05"));
    let two = format!(
        "[[lane]]\nname = \"one\"\nsymbols = [\"BTCUSDT\"]\n{bitcoin}\
         [[lane]]\nname = \"two\"\nsymbols = [\"ETHUSDT\"]\n{ether}"
    );
    let both = format!(
        "[[lane]]\nname = \"both\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\n{bitcoin}{ether}"
    );
    let contracts = making("BTCUSD_PERP", "20");
    let inverse = format!(
        "[[lane]]\nname = \"inverse\"\nsymbols = [\"BTCUSD_PERP\"]\n{contracts}\
         [limits]\norder = {{ BTCUSD_PERP = 100 }}\nposition = {{ BTCUSD_PERP = 500 }}\n"
    );
    let uring = match UringNet::new(&NetSettings::default()) {
        Ok(_) => "io-uring",
        Err(error) => {
            eprintln!("SKIPPED (1): a run over io_uring: {error}");
            "epoll"
        }
    };
    let jobs = [
        ("spot", "epoll", &["BTCUSDT", "ETHUSDT"][..], two, &["one", "two"][..]),
        ("usd-m", uring, &["BTCUSDT", "ETHUSDT"], both, &["both"]),
        ("coin-m", "epoll", &["BTCUSD_PERP"], inverse, &["inverse"]),
    ];
    let jobs = jobs.map(|(family, transport, symbols, lanes, names)| {
        let venue = format!(
            "[venue]\nfamily = \"{family}\"\ntransport = \"{transport}\"\nsymbols = {symbols:?}\n"
        );
        Box::new(move || {
            let text = format!("{venue}{lanes}\n{QUIET}");
            let file = Temporary::holding(&format!("{family}.toml"), text.as_bytes());
            let ended = Ended::of(&["run", "--config", file.path(), "--for", "2s", "--json"]);
            assert_eq!(ended.code, Some(0), "{family}: {}", ended.errors);
            let report = ended.json();
            settled(&report);
            let ran = report["lanes"].as_array().expect("lanes");
            let called: Vec<_> = ran.iter().map(|lane| &lane["name"]).collect();
            assert_eq!(called, names, "{family}");
            for lane in ran {
                assert!(count(&lane["orders"]["sent"]) > 0, "{family}: {lane}");
            }
            let traded = ran.iter().flat_map(|lane| lane["instruments"].as_array().expect("some"));
            let traded: Vec<_> = traded.map(|of| &of["symbol"]).collect();
            assert_eq!(traded, symbols, "{family}");
        }) as Box<dyn FnOnce() + Send>
    });
    together(jobs.into());
}

/// Ends with a message that holds every piece, before anything reached stdout.
fn refused(arguments: &[&str], pieces: &[&str]) {
    let ended = Ended::of(arguments);
    let Ended { code, out, errors } = &ended;
    assert!(!matches!(code, Some(0) | None), "{arguments:?} ended with {code:?}: {errors}");
    assert!(!errors.contains("panicked") && out.is_empty(), "{arguments:?}: {errors}\n{out}");
    for piece in pieces {
        assert!(errors.contains(piece), "{arguments:?}: no `{piece}` in: {errors}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_by_file_line_and_key() {
    let run = |name: &str, text: &str, pieces: &[&str]| {
        let file = Temporary::holding(name, text.as_bytes());
        let all = [&[name], pieces].concat();
        refused(&["run", "--json", "--config", file.path()], &all);
    };
    run(
        "unknown.toml",
        "[limits]\noder_rate = 5\n",
        &["line 2", "unknown key `oder_rate`", "did you mean `order_rate`"],
    );
    run("journal.toml", "[[lane]]\nname = \"a\"\njournal = \"j\"\n", &["line 3", "`journal`"]);
    run(
        "negative.toml",
        "[limits]\ncollar_bps = 50\nnotional = -5\n",
        &["line 3", "`limits.notional` is -5", "must be positive"],
    );
    run("text.toml", "[run]\nseed = \n", &["line 2", "`seed`"]);
    run(
        "symbol.toml",
        "[venue]\nsymbols = [\"BTCUSDT\"]\n",
        &["lane.1.symbols", "`ETHUSDT`, which venue.symbols does not name"],
    );
    refused(&["run", "--json", "--config", "nowhere.toml"], &["nowhere.toml", "check the path"]);
    refused(&["run", "--json", "--for", "3x"], &["`3x` is not a time such as 500ms, 90s"]);
    refused(&["run", "--json", "--for", "1s", "--quiet"], &["--quiet"]);
}

/// A captured bookTicker of the venue's USD-M market, and a later one.
fn lines(symbol: &str) -> Vec<String> {
    let line = |at: u64| {
        let (stream, millis) = (symbol.to_ascii_lowercase(), 1_700_000_000_000 + at);
        format!(
            "{millis}000000 {{\"stream\":\"{stream}@bookTicker\",\"data\":{{\"e\":\"bookTicker\",\
             \"u\":{at},\"s\":\"{symbol}\",\"b\":\"60000.10\",\"B\":\"1.000\",\"a\":\"60000.20\",\
             \"A\":\"1.000\",\"T\":{millis},\"E\":{millis}}}}}"
        )
    };
    (1..=50).map(line).collect()
}

#[test]
fn a_capture_that_is_none_is_refused_by_file_and_line() {
    let run = |name: &str, bytes: &[u8], pieces: &[&str]| {
        let file = Temporary::holding(name, bytes);
        let all = [&[name], pieces].concat();
        refused(&["run", "--json", "--capture", file.path()], &all);
        refused(&["venue", "--listen", "127.0.0.1:0", "--capture", file.path()], &all[..1]);
    };
    let good = lines("BTCUSDT").join("\n");
    run("text.gz", good.as_bytes(), &["not gzip's", "rename or recompress"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, good.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    run("cut.gz", &packed[..packed.len() / 2], &["cut or damaged", "fetch the file again"]);
    let mut spoiled = lines("BTCUSDT");
    spoiled[6] = "{\"e\":\"bookTicker\"}".to_owned();
    run("untimed", spoiled.join("\n").as_bytes(), &["line 7", "cut the line out"]);
    spoiled[6] = "1700000000000000000 {\"e\":\"bookTi".to_owned();
    run("torn", spoiled.join("\n").as_bytes(), &["line 7"]);
    run("empty", b"", &["the capture is empty"]);
    let strange = lines("NOPEUSDT").join("\n");
    let file = Temporary::holding("strange", strange.as_bytes());
    let pieces = ["strange", "`NOPEUSDT`", "only what it has metadata for", "replay-capture"];
    refused(&["run", "--json", "--capture", file.path()], &pieces);
    refused(&["run", "--json", "--capture", "nowhere.gz"], &["nowhere.gz", "check the path"]);
}

#[test]
fn a_real_capture_is_traded_to_its_end() {
    let test = "a_real_capture_is_traded_to_its_end";
    let Some(file) = shared("data/binance-usdm/btcusdt_20240808.gz", test) else { return };
    let file = file.to_str().expect("a plain name");
    let ended = Ended::of(&["run", "--capture", file, "--speed", "max", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    settled(&report);
    assert_eq!(report["ended"], "the capture has ended");
    assert_eq!(report["allocations_after_warmup"], 0, "{report}");
    assert_eq!(
        report["open_loop"],
        Value::Null,
        "as fast as its readers, a market has no schedule"
    );
    assert!(count(&report["messages"]) > 10_000 && incidents(&report).is_empty(), "{report}");
}

#[test]
fn a_venue_that_cannot_be_had_is_named() {
    let (venue, taken) = Bot4::venue(&[]);
    let taken = taken.to_string();
    refused(&["venue", "--listen", &taken, "--json"], &[&taken, "in use; choose another port"]);
    venue.interrupt();
    assert_eq!(venue.end().code, Some(0));
    let pieces = [&taken, "nobody listens", "bot4 venue --listen"];
    refused(&["run", "--json", "--for", "2s", "--venue", &taken], &pieces);
    let pieces = ["nowhere.invalid:1", "cannot be resolved"];
    refused(&["run", "--json", "--for", "2s", "--venue", "nowhere.invalid:1"], &pieces);
}

#[test]
fn a_venue_that_dies_for_good_leaves_orders_that_are_named() {
    let config = Temporary::holding("orphans.toml", QUIET.as_bytes());
    let (venue, at) = Bot4::venue(&["--config", config.path()]);
    let at = at.to_string();
    let bot = Bot4::start(&["run", "--config", config.path(), "--venue", &at, "--json"]);
    both_trade(&bot, 0);
    thread::sleep(QUOTING);
    venue.kill();
    bot.hears(" waiting:");
    bot.interrupt();
    let ended = bot.end();
    let (report, incidents) = (ended.json(), incidents(&ended.json()));
    let working = count(&report["orders"]["working"]);
    assert!(working > 0 && ended.code == Some(1), "{:?} {}", ended.code, report["orders"]);
    let told = format!("{working} orders may still work at the venue");
    assert!(ended.errors.contains(&told), "{}", ended.errors);
    assert_eq!(incidents.matches("look for it at the venue").count() as u64, working);
    assert!(incidents.contains("nobody listens at that address"), "{incidents}");
}

#[test]
fn a_venue_that_comes_back_is_traded_on_again() {
    let config = Temporary::holding("returns.toml", QUIET.as_bytes());
    let (venue, at) = Bot4::venue(&["--config", config.path()]);
    let at = at.to_string();
    let bot = Bot4::start(&["run", "--config", config.path(), "--venue", &at, "--json"]);
    both_trade(&bot, 0);
    venue.kill();
    bot.hears("ether waiting:");
    let (venue, _) = Bot4::venue_at(&at, &["--config", config.path(), "--json"]);
    let gone = bot.hears("ether waiting:").len();
    both_trade(&bot, gone);
    thread::sleep(QUOTING);
    bot.interrupt();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    settled(&report);
    assert_eq!(incidents(&report).matches("order link reconciled").count(), 2);
    for lane in report["lanes"].as_array().expect("lanes") {
        assert!(count(&lane["inputs"]["snapshots"]) >= 2, "the book was loaded again: {lane}");
    }
    venue.interrupt();
    let served = venue.end().json();
    assert!(count(&served["requests"]["place"]) > 0, "{served}");
}

#[test]
fn a_run_that_is_killed_leaves_a_venue_that_cancels_for_it() {
    let config = Temporary::holding("killed.toml", QUIET.as_bytes());
    let (venue, at) = Bot4::venue(&["--config", config.path(), "--json"]);
    let text = at.to_string();
    let bot = Bot4::start(&["run", "--config", config.path(), "--venue", &text, "--json"]);
    both_trade(&bot, 0);
    thread::sleep(QUOTING);
    bot.kill();
    assert_eq!(exchange_client::get(at, "/fapi/v1/ping").status, 200);
    // The venue has no cancel on disconnect, as Binance has none; the countdown of 10 s is armed.
    venue.hears("every order on BTCUSDT is cancelled");
    venue.hears("every order on ETHUSDT is cancelled");
    let again = ["run", "--config", config.path(), "--venue", &text, "--for", "1s", "--json"];
    let ended = Ended::of(&again);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    settled(&ended.json());
    venue.interrupt();
    let served = venue.end().json();
    assert_eq!(served["dead_man_fired"], 2, "{served}");
}

/// Trades for a while on a venue with planned faults; both reports, the venue's second.
fn faulty(faults: &[&str]) -> (Value, Value) {
    let config = Temporary::holding(&format!("{}.toml", faults[0]), QUIET.as_bytes());
    let (venue, at) =
        Bot4::venue(&[&["--config", config.path(), "--json", "--fault"], faults].concat());
    let at = at.to_string();
    let run = ["run", "--config", config.path(), "--venue", &at, "--for", "5s", "--json"];
    let ended = Ended::of(&run);
    venue.interrupt();
    let served = venue.end();
    assert_eq!((ended.code, served.code), (Some(0), Some(0)), "{faults:?}: {}", ended.errors);
    let (report, served) = (ended.json(), served.json());
    settled(&report);
    assert_eq!(report["open_loop"], Value::Null, "another process tells no schedule");
    assert!(count(&served["faults"]) > 0, "{faults:?} never struck: {served}");
    for lane in report["lanes"].as_array().expect("lanes") {
        let books = lane["instruments"].as_array().expect("instruments");
        assert!(count(&books[0]["book_updates"]) > 0, "{faults:?}: {lane}");
    }
    (report, served)
}

#[test]
fn every_planned_fault_of_the_market_is_survived_and_told() {
    let told = |fault: &'static str, words: &'static str| {
        Box::new(move || {
            let (report, _) = faulty(&[fault]);
            assert!(incidents(&report).contains(words), "{fault}: {}", incidents(&report));
            let loaded = summed(&report, "snapshots");
            assert!(loaded > 2, "{fault}: both books once, one of them again: {loaded}");
        }) as Box<dyn FnOnce() + Send>
    };
    together(vec![
        told("drop@100", "market line: closed by the peer"),
        told("torn@100", "market line: closed by the peer"),
        told("garbage@100", "market frame refused: byte 19"),
        told("gap@48", "diffs missing after update"),
        told("swap@48", "diffs missing after update"),
        Box::new(|| {
            let (report, _) = faulty(&["delay@100:800"]);
            assert_eq!((summed(&report, "gaps"), summed(&report, "faults")), (0, 0));
        }),
    ]);
}

#[test]
fn every_planned_fault_of_the_order_desk_is_survived_and_settled() {
    together(vec![
        Box::new(|| {
            let (report, served) = faulty(&["reject@3:4:-2010"]);
            assert_eq!(
                (&report["orders"]["rejected"], &served["refused"]["-2010"]),
                (&4.into(), &4.into())
            );
        }),
        Box::new(|| {
            let (report, _) = faulty(&["drop-orders@7"]);
            let said = incidents(&report);
            assert!(said.contains("orders line: closed by the peer"), "{said}");
            assert!(said.contains("order link reconciled"), "{said}");
        }),
        Box::new(|| looked_up(&["reject@3:2:-1007"])),
        Box::new(|| looked_up(&["reject@3:2:-1006"])),
        Box::new(|| looked_up(&["mute@3:2"])),
        Box::new(|| {
            // Carried out, so that the user-data stream tells what the answer does not.
            let (report, served) = faulty(&["unsure@3:4"]);
            assert_eq!((&served["faults"], &served["refused"]["-1007"]), (&4.into(), &4.into()));
            assert_eq!(report["orders"]["rejected"], 0, "{report}");
        }),
    ]);
}

/// Two orders of which nobody knows whether they live are asked for and found never to have been.
fn looked_up(faults: &[&str]) {
    let (report, served) = faulty(faults);
    let said = incidents(&report);
    assert_eq!(report["orders"]["rejected"], 2, "{faults:?}: {said}");
    assert_eq!(said.matches("the venue has no such order").count(), 2, "{faults:?}: {said}");
    assert!(!said.contains("reconciled"), "{faults:?}: {said}");
    assert!(count(&served["rest"]["order_query"]) >= 4, "each is asked for twice: {served}");
    assert!(report["seconds"].as_f64() < Some(6.5), "the end of the run waits for none: {report}");
}
