//! `bot4 key`, and a planted key on its way through a whole run: it opens, it signs, and no trace of it
//! stands in anything that the programs say, write or hold.

mod bot4_process;
mod memory_scan;

use bot4_process::{Bot4, Ended, Folder};
use memory_scan::{Needle, found};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Worth nothing, and long enough to be found by no chance.
const API_KEY: &str = "k3yThatNamesAnAccountWqKdTnVbXz0123456789";
const SECRET: &str = "s3cretThatSignsOrdersHvRmZpLcQy9876543210";
const PASSPHRASE: &str = "a passphrase nobody guesses";

/// Files of one test.
struct Keys {
    folder: Folder,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys { folder: Folder::new() };
        keys.write(
            "plain",
            &format!("# planted\napi_key = \"{API_KEY}\"\nsecret = \"{SECRET}\"\n"),
        );
        keys.write("passphrase", &format!("{PASSPHRASE}\n"));
        keys
    }

    /// With the plain key sealed as `key.age`.
    fn sealed() -> Keys {
        let keys = Keys::new();
        let sealed = keys.seal("plain", "key.age");
        assert_eq!(sealed.code, Some(0), "{}", sealed.errors);
        keys
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file of our own");
        self.chmod(name, 0o600);
    }

    fn chmod(&self, name: &str, mode: u32) {
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), rights).expect("a file of our own");
    }

    /// Runs with a file as the input, where the passphrase is read.
    fn start(&self, arguments: &[&str], input: &str) -> Bot4 {
        let input = self.path(input);
        Bot4::start_with(arguments, &|command| {
            command.stdin(Stdio::from(File::open(&input).expect("the input")));
        })
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ended {
        self.start(arguments, input).end()
    }

    fn seal(&self, plain: &str, out: &str) -> Ended {
        let (plain, out) = (self.path(plain), self.path(out));
        let arguments =
            ["key", "seal", &plain, "--out", &out, "--passphrase-fd", "0", "--work", "10"];
        self.run(&arguments, "passphrase")
    }

    fn check(&self, name: &str, input: &str) -> Ended {
        self.run(&["key", "check", &self.path(name), "--passphrase-fd", "0"], input)
    }
}

fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.errors);
    for word in words {
        assert!(ended.errors.contains(word), "no `{word}`: {}", ended.errors);
    }
    clean("a refusal", format!("{}{}", ended.out, ended.errors).as_bytes());
}

/// Nothing of what was planted stands in these bytes.
fn clean(name: &str, bytes: &[u8]) {
    for planted in [API_KEY, SECRET, PASSPHRASE] {
        let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
        assert!(!found, "{name} holds `{planted}`: {}", String::from_utf8_lossy(bytes));
    }
}

/// Every file under a folder; how many.
fn clean_folder(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += clean_folder(&path);
        } else {
            clean(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
            files += 1;
        }
    }
    files
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_and_no_other() {
    let keys = Keys::new();
    let sealed = keys.seal("plain", "key.age");
    assert_eq!(sealed.code, Some(0), "{}", sealed.errors);
    assert!(sealed.out.contains("sealed, the HMAC-SHA256 key k3yT…"), "{}", sealed.out);
    assert!(sealed.out.contains(&format!("shred -u {}", keys.path("plain"))), "{}", sealed.out);
    let file = std::fs::read(keys.path("key.age")).expect("the sealed key");
    assert!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
    clean("the sealed file", &file);
    let mode = std::fs::metadata(keys.path("key.age")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let checked = keys.check("key.age", "passphrase");
    assert_eq!(checked.code, Some(0), "{}", checked.errors);
    assert!(checked.out.contains("opens, the HMAC-SHA256 key k3yT…"), "{}", checked.out);
    clean("the check", checked.out.as_bytes());

    keys.write("another", "some other passphrase\n");
    refused(&keys.check("key.age", "another"), &["key.age: the passphrase is wrong"]);
    refused(&keys.seal("plain", "key.age"), &["key.age", "never overwritten"]);
    refused(&keys.seal("key.age", "twice.age"), &["is sealed already"]);
    keys.write("passphrase", "short\n");
    refused(&keys.seal("plain", "other.age"), &["5 letters", "12 or more"]);
    assert!(!Path::new(&keys.path("other.age")).exists());
}

#[test]
fn a_key_is_sealed_for_an_identity_that_only_its_owner_reads() {
    let keys = Keys::new();
    let identity = keys.path("identity");
    let made = Ended::of(&["key", "identity", "--out", &identity]);
    assert_eq!(made.code, Some(0), "{}", made.errors);
    let recipient = made.out.trim();
    assert!(recipient.starts_with("age1") && recipient.len() == 62, "{recipient}");

    let (plain, out) = (keys.path("plain"), keys.path("key.age"));
    let sealed = Ended::of(&["key", "seal", &plain, "--out", &out, "--for", recipient]);
    assert_eq!(sealed.code, Some(0), "{}", sealed.errors);
    let checked = Ended::of(&["key", "check", &out, "--identity", &identity]);
    assert!(checked.out.contains("opens, the HMAC-SHA256 key k3yT…"), "{}", checked.errors);

    refused(&Ended::of(&["key", "check", &out]), &["sealed for an identity", "--identity FILE"]);
    let other = keys.path("other");
    Ended::of(&["key", "identity", "--out", &other]);
    let wrong = Ended::of(&["key", "check", &out, "--identity", &other]);
    refused(&wrong, &["none of the identities opens it"]);
    keys.chmod("identity", 0o644);
    let open = Ended::of(&["key", "check", &out, "--identity", &identity]);
    refused(&open, &["can be read by others (mode 644)", "chmod 600"]);
}

#[test]
fn a_private_key_alone_is_sealed_and_named_by_a_key_file_without_secrets() {
    let keys = Keys::new();
    // Test 1 of RFC 8032, section 7.1: a published key, worth nothing.
    keys.write(
        "pem",
        "-----BEGIN PRIVATE KEY-----\n\
         MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
         -----END PRIVATE KEY-----\n",
    );
    let sealed = keys.seal("pem", "pem.age");
    assert!(sealed.out.contains("sealed, an Ed25519 private key"), "{}", sealed.errors);
    keys.write("key", "api_key = \"abcdefgh\"\nprivate_key_file = \"pem.age\"\n");
    let checked = keys.check("key", "passphrase");
    assert!(checked.out.contains("opens, the Ed25519 key abcd…"), "{}", checked.errors);
    keys.write("key", "api_key = \"abcdefgh\"\nprivate_key_file = \"pem\"\n");
    refused(&keys.check("key", "passphrase"), &["pem, line 1: a secret in the clear"]);
}

/// Whatever is wrong is said without the key.
#[test]
fn no_refusal_quotes_what_it_refuses() {
    let keys = Keys::sealed();
    refused(
        &keys.check("plain", "passphrase"),
        &["plain, line 3: a secret in the clear", "seal it"],
    );
    // A session of its own has no terminal, as under a supervisor.
    let nobody = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_bot4"), "key", "check", &keys.path("key.age")])
        .stdin(Stdio::null())
        .output();
    match nobody {
        Ok(nobody) => {
            let errors = String::from_utf8_lossy(&nobody.stderr).into_owned();
            let words = ["there is no terminal to ask on", "--passphrase-fd"];
            refused(&Ended { code: nobody.status.code(), out: String::new(), errors }, &words);
        }
        Err(why) => println!("SKIPPED (1): a passphrase with nobody to ask: no setsid: {why}"),
    }
    for (text, words) in [
        (format!("api_key = \"{API_KEY}\"\nsecert = \"{SECRET}\"\n"), "line 2: expected"),
        (format!("api_key = \"{API_KEY}\"\nsecret = {SECRET}\n"), "line 2: expected"),
        (format!("secret = \"{SECRET}\"\n"), "`api_key` is not set"),
        (format!("api_key = \"{API_KEY}!\"\nsecret = \"{SECRET}\"\n"), "letters and digits"),
        (
            format!("api_key = \"{API_KEY}\"\n-----BEGIN PRIVATE KEY-----\n{SECRET}\n"),
            "line 2: expected",
        ),
        (
            format!(
                "api_key = \"{API_KEY}\"\n-----BEGIN PRIVATE KEY-----\n{SECRET}\n\
                 -----END PRIVATE KEY-----\n"
            ),
            "private key",
        ),
    ] {
        keys.write("odd", &text);
        refused(&keys.seal("odd", "odd.age"), &[words, "nothing was sealed"]);
        refused(&keys.check("odd", "passphrase"), &[]);
    }
    let truncated = std::fs::read(keys.path("key.age")).expect("the sealed key");
    let text = String::from_utf8(truncated).expect("armor is text");
    keys.write("cut.age", &text.replacen("\n-----END", "-----END", 1));
    refused(&keys.check("cut.age", "passphrase"), &["cut.age: line", "armor"]);

    for (text, words) in [
        (format!("[venue]\nsecret = \"{SECRET}\"\n"), "never stands in a configuration"),
        (format!("[venue]\napi_key = \"{API_KEY}\"\n"), "never stands in a configuration"),
        (format!("[venue]\n{SECRET}\n"), "line 2"),
        (format!("[venue]\nkey_file = \"{}\"\nkeyring = \"x\"\n", keys.path("plain")), "one place"),
        (
            format!("[venue]\naddress = \"127.0.0.1:1\"\nkey_file = \"{}\"\n", keys.path("plain")),
            "a secret in the clear",
        ),
        (
            "[venue]\naddress = \"127.0.0.1:1\"\nkeyring = \"bot4-test:absent\"\n".to_owned(),
            "bot4-test:absent",
        ),
        (
            format!(
                "[venue]\naddress = \"127.0.0.1:1\"\nkey_file = \"{}\"\n",
                keys.path("key.age")
            ),
            "127.0.0.1:1",
        ),
    ] {
        keys.write("config.toml", &text);
        let config = keys.path("config.toml");
        let run = keys.run(&["run", "--config", &config, "--passphrase-fd", "0"], "passphrase");
        refused(&run, &[words]);
    }
}

fn config(keys: &Keys) -> String {
    let text = format!(
        "[venue]\nkey_file = \"{}\"\n[exchange]\nrate = 300\n[report]\nstatus_ms = 100\n",
        keys.path("key.age")
    );
    keys.write("config.toml", &text);
    keys.path("config.toml")
}

/// A running process's memory, environment and limits.
fn clean_process(name: &str, process: &str) {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let sizes: Vec<&str> = core.expect("a row").split_whitespace().skip(4).take(2).collect();
    assert_eq!(sizes, ["0", "0"], "{name} may dump a core");
    let needles = [
        Needle::of("the secret", SECRET.as_bytes()),
        Needle::of("the passphrase", PASSPHRASE.as_bytes()),
    ];
    match (found(process, &needles), std::fs::read(format!("/proc/{process}/environ"))) {
        (Ok((names, searched)), Ok(environment)) => {
            assert!(searched > 1 << 20, "only {searched} bytes of {name} were searched");
            assert!(names.is_empty(), "{name} holds {names:?} in its memory");
            clean(name, &environment);
        }
        // Not root: the kernel shows a process that forbade dumps to nobody else.
        (memory, environment) => println!(
            "SKIPPED (1): the memory of {name}: {:?} {:?}",
            memory.map(|_| ()),
            environment.map(|_| ())
        ),
    }
}

fn both_trade(bot: &Bot4) {
    bot.hears_where("both lanes trade", &|said| {
        said.lines().any(|line| line.matches(" trading:").count() == 2)
    });
}

#[test]
fn a_whole_run_leaves_no_trace_of_its_key() {
    let keys = Keys::sealed();
    let config = config(&keys);
    let input = File::open(keys.path("passphrase")).expect("the passphrase");
    let arguments =
        ["venue", "--listen", "127.0.0.1:0", "--config", &config, "--passphrase-fd", "0"];
    let venue = Bot4::start_with(&arguments, &|command| {
        command.stdin(Stdio::from(input.try_clone().expect("a descriptor")));
    });
    let said = venue.hears("listening at ");
    let at = said.split("listening at ").nth(1).and_then(|rest| rest.split(';').next());
    let at = at.expect("an address").to_owned();

    let (journal, report) = (keys.path("journal"), keys.path("report.json"));
    keys.write(
        "engine.toml",
        &format!(
            "{}file = \"{report}\"\n[journal]\nraw_frames = true\n",
            std::fs::read_to_string(&config).expect("the configuration")
        ),
    );
    let engine = keys.path("engine.toml");
    let arguments = [
        "run",
        "--config",
        &engine,
        "--venue",
        &at,
        "--journal",
        &journal,
        "--json",
        "--passphrase-fd",
        "0",
    ];
    let bot = keys.start(&arguments, "passphrase");
    both_trade(&bot);
    thread::sleep(Duration::from_millis(500));
    clean_process("the engine", &bot.process());
    clean_process("the venue", &venue.process());
    bot.interrupt();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.json()["orders"]["acked"].as_u64() > Some(0), "signed orders are accepted");
    venue.interrupt();
    let venue = venue.end();
    clean("the engine's words", format!("{}{}", ended.out, ended.errors).as_bytes());
    clean("the venue's words", format!("{}{}", venue.out, venue.errors).as_bytes());
    clean("the report", &std::fs::read(&report).expect("the report's file"));
    assert!(clean_folder(Path::new(&journal)) > 1, "a journal was kept");
    let shown = Ended::of(&["replay", &journal]);
    assert_eq!(shown.code, Some(0), "{}", shown.errors);
    clean("the replay", format!("{}{}", shown.out, shown.errors).as_bytes());
}

#[test]
fn a_key_in_the_environment_is_taken_out_of_it() {
    let keys = Keys::sealed();
    let config = config(&keys);
    let arguments =
        ["venue", "--listen", "127.0.0.1:0", "--config", &config, "--passphrase-fd", "0"];
    let venue = keys.start(&arguments, "passphrase");
    let said = venue.hears("listening at ");
    let at = said.split("listening at ").nth(1).and_then(|rest| rest.split(';').next());
    let at = at.expect("an address").to_owned();
    let with_key = |secret: &'static str| {
        Bot4::start_with(&["run", "--venue", &at, "--for", "20s"], &move |command| {
            command.env("BOT4_API_KEY", API_KEY).env("BOT4_API_SECRET", secret);
        })
    };
    let bot = with_key(SECRET);
    both_trade(&bot);
    clean_process("the engine", &bot.process());
    bot.interrupt();
    let ended = bot.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    clean("the engine's words", format!("{}{}", ended.out, ended.errors).as_bytes());
    let both = Bot4::start_with(&["run", "--venue", &at], &|command| {
        command.env("BOT4_API_KEY", API_KEY).env("BOT4_API_SECRET", SECRET);
        command.env("BOT4_PRIVATE_KEY_FILE", "/nowhere");
    });
    refused(&both.end(), &["BOT4_API_SECRET", "BOT4_PRIVATE_KEY_FILE", "exactly one"]);
}

/// What the searches above would find, if it were there.
#[test]
fn canary_a_planted_secret_is_found() {
    let hold = format!("kept {SECRET} here");
    let needles = [Needle::of("the secret", SECRET.as_bytes())];
    assert!(needles[0].is_in(hold.as_bytes()));
    let caught = std::panic::catch_unwind(|| clean("a log", format!("x{API_KEY}y").as_bytes()));
    assert!(caught.is_err());
    let folder = Folder::new();
    std::fs::write(format!("{}/log", folder.path()), &hold).expect("a file of our own");
    let caught = std::panic::catch_unwind(|| clean_folder(Path::new(folder.path())));
    assert!(caught.is_err());
    if let Ok((names, _)) = found("self", &needles) {
        assert_eq!(names, ["the secret"], "this program's own constant");
    }
}
