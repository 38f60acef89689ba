//! Which functions an idle daemon runs, as the linker is told them.
//!
//! Counted by callgrind, which sees every function that runs. A daemon that has met what a day brings is idle again, too, so it meets
//! that here: a login with and without TLS, programs that come and go, broadcasts, pings, a new token, and a connection that breaks.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use tokio::time::sleep;

use super::apps::Apps;
use super::daemon::{Daemon, Home};
use super::front::Front;

/// What `build.rs` hands to the linker.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/link/idle.ld");

const HEAD: &str = "\
/* The functions that an idle daemon runs, for the linker to lay side by side (see build.rs and docs/performance.md, \"Footprint\").
   Not written by hand:

       CARGO_PROFILE_RELEASE_STRIP=none cargo bench --profile release --bench footprint -- --order

   An asterisk stands for what differs between compilers and versions of crates. What is missing costs memory and nothing else. */
SECTIONS
{
  .text.idle :
  {
";

/// Beside the table of the C library's functions, which is needed, too.
const FOOT: &str = "  }
}
INSERT AFTER .text;
";

/// ring's assembler has no sections by function, but these objects are wanted.
const ASSEMBLED: [&str; 9] = [
    "aes-gcm-avx2-x86_64",
    "aesni-gcm-x86_64",
    "aesni-x86_64",
    "ghash-x86_64",
    "p256-x86_64-asm",
    "sha256-x86_64",
    "sha512-x86_64",
    "x86_64-mont",
    "x86_64-mont5",
];

/// What runs on other days than this one.
const BESIDES: [&str; 6] = [
    // What valgrind's processor does not choose where a real one does: the same work for other processors.
    ".text*_R*Cs*_6memchr*",
    ".text*_R*Cs*_4sha1*",
    ".text*_R*Cs*_4sha2*",
    // Threads that meet at a lock, which valgrind runs by turns.
    ".text*_R*Cs*_3std3sys4sync*",
    // The allocator, of which all is small.
    ".text*._rjem_*",
    ".text.startup.*",
];

/// The same: its objects whose functions are not all named so.
const ALLOCATOR: [&str; 6] = ["arena", "base", "extent", "jemalloc", "large", "tcache"];

/// What starts the program: the C compiler's and library's, without sections by function.
const STARTING: [&str; 4] = [
    "*/*crt1.o",
    "*/*crtbegin*.o",
    "*:pthread_atfork.oS",
    // OpenSSL is there for the Socket.IO library, and looks at the processor even where that one is not used.
    "*:libcrypto-lib-x86_64cpuid.o",
];

/// So long a token lives: a new one comes within [`PING`].
pub const TOKEN_SECONDS: u32 = 20;

/// The hub pings every 25 s.
const PING: Duration = Duration::from_secs(28);

/// What a daemon meets while it is counted.
#[derive(Clone, Copy)]
enum Life {
    /// One app, and nothing happens.
    Quiet,
    /// Programs come and go, and the connection breaks.
    Busy,
}

/// Runs daemons in the homes, and writes down what ran: first what every idle daemon needs, then what those need that encrypt, then the rest of
/// a busy life, then a network's own, so that each has its own in as few places as possible. `front` is on the way of the second.
pub async fn write(plain: &Home, encrypted: &Home, embedded: &Home, front: &Front) {
    let folder = tempfile::tempdir().unwrap();
    let lives = [
        (plain, Life::Quiet),
        (encrypted, Life::Quiet),
        (plain, Life::Busy),
        (encrypted, Life::Busy),
        (embedded, Life::Quiet),
    ];
    // Which functions are inlined differs from build to build. The next one may have again what this one lacks.
    let before = fs::read_to_string(FILE).unwrap_or_default();
    let mut written = BTreeSet::new();
    let mut script = HEAD.to_owned();
    for (number, (home, life)) in lives.into_iter().enumerate() {
        let out = folder.path().join(number.to_string());
        let daemon = Daemon::start_counted(home, &out);
        live(life, home, front).await;
        daemon.stop();
        let functions = read(&fs::read_to_string(out).unwrap());
        assert!(
            functions.iter().any(|name| name.starts_with("_R")),
            "the binary has no names; build it with CARGO_PROFILE_RELEASE_STRIP=none"
        );
        let sections: BTreeSet<String> = functions.iter().map(|name| section(name)).collect();
        for section in &sections - &written {
            writeln!(script, "    *({section})").unwrap();
            written.insert(section);
        }
    }
    let told_before = before.lines().filter_map(|line| {
        let section = line.strip_prefix("    *(")?.strip_suffix(')')?;
        (!BESIDES.contains(&section)).then(|| section.to_owned())
    });
    for section in told_before.collect::<BTreeSet<_>>().difference(&written) {
        writeln!(script, "    *({section})").unwrap();
    }
    for section in BESIDES {
        writeln!(script, "    *({section})").unwrap();
    }
    for object in ALLOCATOR {
        writeln!(script, "    *jemalloc_sys-*:{object}.pic.o(.text.*)").unwrap();
    }
    for object in STARTING {
        writeln!(script, "    {object}(.text)").unwrap();
    }
    for object in ASSEMBLED {
        writeln!(script, "    *libring-*:*-{object}-elf.o(.text)").unwrap();
    }
    fs::write(FILE, script + FOOT).unwrap();
    eprintln!("{} patterns are in {FILE}", written.len());
}

async fn live(life: Life, home: &Home, front: &Front) {
    let mut apps = Apps::of(home);
    apps.listen(1, 1, "menu").await;
    // Another client, which does not say goodbye.
    home.listen_and_be_killed().await;
    if matches!(life, Life::Busy) {
        for round in 0..3 {
            let mut guests = Apps::of(home);
            let channel = format!("round-{round}");
            guests.listen(500, 50, &channel).await;
            guests.broadcast(&channel, 2000).await;
            guests.all_have_one_more().await;
        }
        front.cut();
        Apps::of(home).left_with_one_channel().await;
    }
    sleep(PING).await;
}

/// The functions of the binary that callgrind's file names: in `ob=` the file that holds them, in `fn=` one that ran. A name is
/// written out where it first occurs, with a number that stands for it from then on.
fn read(counted: &str) -> BTreeSet<String> {
    let (mut objects, mut names) = (HashMap::new(), HashMap::new());
    let mut functions = BTreeSet::new();
    let mut here = false;
    for line in counted.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match key {
            // Valgrind knows of one section in a file; what lies in `.text.idle` already is of no file to it.
            "ob" => {
                let object = told(value, &mut objects);
                here = object.ends_with("/expd") || object == "???";
            }
            "cob" => drop(told(value, &mut objects)),
            "cfn" => drop(told(value, &mut names)),
            "fn" => {
                let name = told(value, &mut names);
                // What has no name is in no section of its own.
                if here && !name.starts_with("0x") && !name.starts_with('(') {
                    functions.insert(name);
                }
            }
            _ => {}
        }
    }
    functions
}

/// `(7) name`, or `(7)` for the name that 7 stood for before.
fn told(value: &str, known: &mut HashMap<String, String>) -> String {
    let (number, name) = value.split_once(' ').unwrap_or((value, ""));
    if !name.is_empty() {
        // A recursive call's depth is told after an apostrophe.
        let name = name.split('\'').next().unwrap_or(name);
        known.insert(number.to_owned(), name.to_owned());
    }
    known[number].clone()
}

/// The section that a function is compiled into. Rust's rare functions are in `.text.unlikely.`, others in `.text.`.
fn section(name: &str) -> String {
    if name.starts_with("_R") {
        return format!(".text*{}", any_version(name));
    }
    if let Some(versioned) = name.strip_prefix("ring_core_")
        && let Some((_, name)) = versioned.split_once("__")
    {
        return format!(".text.ring_core_*__{name}*");
    }
    match name.split_once('.') {
        // A variant that this C compiler has made.
        Some((name, _)) => format!(".text.{name}.*"),
        None => format!(".text.{name}"),
    }
}

/// A mangled name with an asterisk for whatever differs between builds: the hash of a crate, `Cs…_`; where in the name a part was
/// before, `B…_`, which the hashes move; which of several crates the linker has taken the function from; and a number of LLVM's.
fn any_version(name: &str) -> String {
    let name = name.split('.').next().unwrap_or(name);
    let mut rest = without_origin(name);
    let mut pattern = String::with_capacity(name.len());
    while let Some(at) = rest.find(['B', 'C']) {
        let (mark, longest) = if rest[at..].starts_with("Cs") {
            (2, 12)
        } else {
            (1, 3)
        };
        let (before, from) = rest.split_at(at + mark);
        pattern.push_str(before);
        rest = from;
        let after = from.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        // Anything else is an identifier's capital letter.
        if after.starts_with('_') && from.len() - after.len() <= longest {
            pattern.push('*');
            rest = after;
        }
    }
    pattern + rest + "*"
}

/// Without the crate at the end that an instance of a generic function was made for: `Cs…_` and a counted name, or a `B…_`.
fn without_origin(name: &str) -> &str {
    if let Some(at) = name.rfind("Cs")
        && let Some((_, named)) = name[at..].split_once('_')
        && let length = named.trim_start_matches(|c: char| c.is_ascii_digit()).len()
        && named[..named.len() - length].parse() == Ok(length)
    {
        return &name[..at];
    }
    match name.strip_suffix('_').and_then(|rest| rest.rfind('B')) {
        Some(at) if name.len() - at <= "B123_".len() => &name[..at],
        _ => name,
    }
}
