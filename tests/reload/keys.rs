//! The reference says of each key when a change applies; a reload says it of the keys that changed.

use std::collections::BTreeSet;

use expd_domain::Secret;
use expd_test_support::certificates::Authority;
use expd_test_support::process::Home;

const REFERENCE: &str = include_str!("../../docs/settings.md");

/// Every key, with another value than at the start. `[[access]]` and `daemon.access` exclude each
/// other; the latter is left out.
const OTHER: &str = r#"
socket = "elsewhere.sock"
socket_group = "root"
listen = "127.0.0.1:1"
log = "warn"
log_format = "json"
metrics = "127.0.0.1:1"
metrics_socket = "metrics.sock"
drain_timeout = "1s"

[daemon.limits]
log_events = 7
log_bytes = "1MiB"
log_age = "7s"
total_log_bytes = "7MiB"
max_payload = "7KiB"
max_listeners = 7
max_channels = 7
max_connections = 77
max_calls_per_connection = 77
max_call_bytes = "17MiB"
max_calls = 7
max_waiting = 7
max_waiting_bytes = "7MiB"
max_run_instances = 7

[daemon.limits.user]
max_connections = 7
max_streams = 7
max_call_bytes = "7MiB"
max_listeners = 7
max_channels = 7
max_calls = 7
broadcasts_per_second = 7
broadcast_burst = 7
bytes_per_second = "7KiB"
burst_bytes = "7KiB"

[instances.device]
host = "http://127.0.0.1:1"
hosts = "configured"
network = true
transport = "polling"
protocol = "4"
socket_library = "own"
proxy = "http://127.0.0.1:1"
ca_file = "CA"
channel_id = "standard"
broadcast_channel = "id"
[instances.device.credentials]
type = "device"
uuid = "u"
secret = "s"
allow_pairing = true

[instances.user]
host = "http://127.0.0.1:1"
[instances.user.credentials]
type = "user"
username = "ada"
password = "p"
organization = "demo"

[instances.app]
host = "http://127.0.0.1:1"
[instances.app.credentials]
type = "consumer_app"
uuid = "u"
api_key = "k"

[[access]]
uid = 0
user = "root"
group = "root"
unit = "a.service"
channels = ["menu"]
instances = ["user"]
allow = ["listen", "status"]

[[access]]
app = "board"
allow = ["listen"]

[[access]]
token = "till"
system = false
consumer = false
events = ["hi"]
allow = ["listen", "broadcast"]

[[access]]
token = "till"
methods = ["GET"]
paths = ["/api/data/**"]
allow = ["request"]

[[daemon.tcp.tokens]]
name = "till"
token = "a-token-of-twenty-letters"

[web]
listen = "127.0.0.1:1"
root = "."
[[web.apps]]
name = "board"
origins = ["https://kiosk.example"]
uuid = "u"
api_key = "a key of its own"
instance = "user"

[[hub.devices]]
uuid = "u"
secret = "s"
[[hub.users]]
username = "ada"
password = "p"
role = "guest"
[[hub.users]]
username = "bob"
password_hash = "HASH"
[[hub.consumer_apps]]
uuid = "u"
api_key = "k"
"#;

/// Keys of `[hub]`, which the home's settings begin.
const HUB: &str = r#"
organization = "other"
token_ttl = "2h"
url = "http://127.0.0.1:1"
hosts = ["hub.example"]
token_key = "t"
operator_key = "o"
content_dir = "."
content_bytes = "7MiB"
store = "hub.store"
ping_interval = "7s"
ping_timeout = "7s"
"#;

/// The keys of the reference that wait for a restart, and all others.
fn referenced() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut section = String::new();
    let (mut restart, mut reload) = (BTreeSet::new(), BTreeSet::new());
    for line in REFERENCE.lines() {
        if let Some(title) = line.strip_prefix("## `") {
            title.trim_matches(['[', ']', '`']).clone_into(&mut section);
        }
        let Some(rest) = line.strip_prefix("| `") else {
            continue;
        };
        let (name, rest) = rest.split_once('`').unwrap();
        let key = format!("{section}.{name}");
        if rest.contains(" | restart | ") {
            restart.insert(key);
        } else {
            assert!(rest.contains(" | reload | "), "{line}");
            reload.insert(key);
        }
    }
    (restart, reload)
}

/// A key of the log as the reference has it: `hub.users[1].role` is `hub.users.role`.
fn of_reference(key: &str) -> String {
    let steps = key
        .trim()
        .split('.')
        .map(|step| step.split('[').next().unwrap());
    steps.collect::<Vec<_>>().join(".")
}

#[test]
fn a_reload_names_the_keys_that_the_reference_says_wait_for_a_restart_and_no_other() {
    let home = Home::new("");
    let mut daemon = home.start();
    let authority = Authority::new();
    let hash = expd_hub::hash_password(&Secret::new("p")).unwrap();
    let ca_file = authority.file().display().to_string();
    home.write(
        &OTHER
            .replace("HASH", &hash)
            .replace("\"CA\"", &format!("{ca_file:?}")),
    );
    let settings = std::fs::read_to_string(home.config()).unwrap();
    let settings = settings
        .replace("127.0.0.1:0\"", &format!("127.0.0.1:1\"{HUB}"))
        .replace("socket_mode = \"0666\"", "socket_mode = \"0600\"")
        .replace("/state\"", "/another-state\"");
    std::fs::write(home.config(), &settings).unwrap();
    daemon.signal("HUP");
    let said = daemon.said("need a restart");
    let (_, named) = said.split_once("expd): ").unwrap();
    let named: BTreeSet<String> = named.split(',').map(of_reference).collect();
    let (restart, reload) = referenced();
    assert_eq!(named, restart);
    // Those that it does not name were changed as well.
    for key in &reload {
        let name = key.rsplit('.').next().unwrap();
        let is_there = settings
            .lines()
            .any(|line| line.starts_with(&format!("{name} = ")));
        assert!(
            is_there || key == "daemon.access",
            "{key}: add it to this test"
        );
    }
}
