//! Settings as a whole: from sources to checked values or to mistakes.

mod examples;
mod warnings;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::access::Verb;
use expd_hub::{HubSettings, HubUser};

struct SettingsFixture {
    folder: TempDir,
    source: Source,
}

impl SettingsFixture {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("expd.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let source = Source {
            file: Some(file),
            ..Source::default()
        };
        Self { folder, source }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.source.environment.push((name.into(), value.into()));
        self
    }

    fn credential(mut self, name: &str, text: &str) -> Self {
        let folder = self.folder.path().join("credentials");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        self.source.credentials = Some(folder);
        self
    }

    fn file(self, name: &str, text: &str, mode: u32) -> Self {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        self
    }

    fn good(&self) -> Loaded {
        load(&self.source).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The mistakes, without the folder's path.
    fn bad(&self) -> Vec<String> {
        let errors = load(&self.source).expect_err("the settings should not be taken");
        let folder = format!("{}/", self.folder.path().display());
        let text = errors.to_string().replace(&folder, "");
        text.lines().map(str::to_owned).collect()
    }
}

const DEVICE: &str =
    "[instances.default.credentials]\ntype = \"device\"\nuuid = \"u\"\nsecret = \"s\"\n";

fn secret_of(loaded: &Loaded) -> String {
    match &loaded.settings.instances["default"].credentials {
        Credentials::Device { secret, .. } => secret.as_ref().unwrap().expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_set_is_the_defaults() {
    let loaded = load(&Source::default()).unwrap();
    let defaults = format!("{:?}", Settings::default());
    assert_eq!(format!("{:?}", loaded.settings), defaults);
    assert!(!loaded.hub_listen_is_set);
}

#[test]
fn every_key_of_the_table_is_read() {
    for key in keys::all() {
        // No key has the type of a date.
        let wrong = format!("{} = 1979-05-27\n", key.name);
        let (text, place) = match key.section {
            "instances.NAME.credentials" => {
                let kind = match key.name {
                    "username" | "password" | "organization" => "user",
                    "api_key" => "consumer_app",
                    _ => "device",
                };
                let kind = if key.name == "type" {
                    String::new()
                } else {
                    format!("type = \"{kind}\"\n")
                };
                let text = format!("[instances.default.credentials]\n{kind}{wrong}");
                (text, "instances.default.credentials".to_owned())
            }
            "instances.NAME" => (
                format!("[instances.default]\n{wrong}{DEVICE}"),
                "instances.default".to_owned(),
            ),
            section => match section.strip_suffix("[]") {
                Some(name) => (format!("[[{name}]]\n{wrong}"), format!("{name}[0]")),
                None => (format!("[{section}]\n{wrong}"), section.to_owned()),
            },
        };
        let wanted = format!(" {place}.{}: ", key.name);
        let mistakes = SettingsFixture::of(&text).bad();
        assert!(
            mistakes
                .iter()
                .any(|mistake| mistake.contains(&wanted) && !mistake.contains("is missing")),
            "{wanted} is not among {mistakes:#?}"
        );
    }
}

#[test]
fn each_layer_overrides_the_one_before() {
    let fixture = SettingsFixture::of(&format!("[daemon.limits]\nlog_age = \"5s\"\n{DEVICE}"));
    assert_eq!(
        fixture.good().settings.daemon.limits.log_age,
        Duration::from_secs(5)
    );
    assert_eq!(secret_of(&fixture.good()), "s");
    let fixture = fixture
        .variable("EXPD__DAEMON__LIMITS__LOG_AGE", "7s")
        .variable(
            "expd__instances__Default__credentials__secret",
            "from the environment",
        )
        .variable("EXPD__DAEMON__LOG", "")
        .variable("EXPD_SOCKET", "/elsewhere")
        .variable("HOME", "/root");
    assert_eq!(
        fixture.good().settings.daemon.limits.log_age,
        Duration::from_secs(7)
    );
    assert_eq!(secret_of(&fixture.good()), "from the environment");
    let fixture = fixture
        .credential("expd.default.secret", "from systemd\n")
        .credential("expd.hub.operator_key", "key\n")
        .credential("expd.toml", "not ours")
        .credential("other", "not ours");
    assert_eq!(secret_of(&fixture.good()), "from systemd");
    let key = fixture.good().settings.hub.operator_key.unwrap();
    assert_eq!(key.expose(), "key");
}

#[test]
fn the_environment_reaches_every_kind_of_key() {
    let fixture = SettingsFixture::of("[instances.left-screen.credentials]\ntype = \"device\"\n")
        .variable(
            "EXPD__INSTANCES__LEFT_SCREEN__CREDENTIALS__ALLOW_PAIRING",
            "true",
        )
        .variable("EXPD__INSTANCES__LEFT_SCREEN__PROTOCOL", "3")
        .variable("EXPD__ACCESS__0__ALLOW", "listen, status")
        .variable("EXPD__ACCESS__0__UID", "1000")
        .variable("EXPD__HUB__DEVICES__0__UUID", "d")
        .variable("EXPD__HUB__DEVICES__0__SECRET", "x")
        .variable("EXPD__HUB__LISTEN", "127.0.0.1:0")
        .variable("EXPD__DAEMON__SOCKET_MODE", "600")
        .variable("EXPD__DAEMON__LIMITS__LOG_EVENTS", "9")
        .variable("EXPD__DAEMON__LIMITS__MAX_PAYLOAD", "1000000");
    let loaded = fixture.good();
    let settings = loaded.settings;
    assert!(loaded.hub_listen_is_set);
    assert_eq!(
        settings.instances["left-screen"].protocol,
        ProtocolChoice::V3
    );
    assert_eq!(settings.access[0].allow, [Verb::Listen, Verb::Status]);
    assert_eq!(settings.access[0].uid, Some(1000));
    assert_eq!(settings.hub.devices[0].uuid, "d");
    assert_eq!(settings.hub.listen.port(), 0);
    assert_eq!(settings.daemon.socket_mode, 0o600);
    assert_eq!(settings.daemon.limits.log_events, 9);
    assert_eq!(settings.daemon.limits.max_payload, 1_000_000);
}

#[test]
fn every_mistake_is_told_at_once_with_line_and_remedy() {
    let fixture = SettingsFixture::of(
        r#"[daemon]
soket = "/x"
socket_mode = 660
socket_group = "no-such-group-here"
listen = "0.0.0.0:9100"
metrics = "nowhere"
log = "verbos"
drain_timeout = "soon"

[daemon.limits]
max_payload = "17MB"
log_events = 0
log_age = 60
log_bytes = "65MiB"

[instances.default]
host = "ftp://example.com"
proxy = "http://u:hunter2@proxy?x"

[instances.bare]

[instances.person.credentials]
type = "user"
username = "somebody"
allow_pairing = true

[instances.screen.credentials]
type = "device"
uuid = "u"
secret = "hunter2"
secret_file = "device.secret"

[instances.lost.credentials]
type = "device"
uuid = "u"
secret_file = "gone.secret"

[[access]]
allow = ["listn"]
instances = ["nobody"]

[[access]]
user = "root"

[hub]
token_ttl = "30d"

[[hub.devices]]
uuid = "twice"
secret = "hunter2"

[[hub.devices]]
uuid = "twice"
secret = 7

[[hub.users]]
username = "somebody"

[hubb]
listen = "x"
"#,
    )
    .variable("EXPD__DAEMON__SOKKET", "/x")
    .variable("EXPD__HUB__PING_TIMEOUT", "never")
    .variable("EXPD__HUB____X", "y")
    .credential("expd.default.sekret", "hunter2");
    let folder = fixture.folder.path().display().to_string();
    let seen = fixture.bad();
    let wanted = r#"expd.toml:2: daemon.soket: unknown key; did you mean daemon.socket?
expd.toml:3: daemon.socket_mode: a decimal number is not a permission mode; write it as in "0660" or 0o660
expd.toml:4: daemon.socket_group: there is no group "no-such-group-here"; create it (groupadd --system), or name another
expd.toml:5: daemon.listen: 0.0.0.0:9100 can be reached from other machines, and nothing would check who calls; use 127.0.0.1 or [::1]
expd.toml:6: daemon.metrics: "nowhere" is not an address with a port; write it as in "127.0.0.1:9000" or "[::1]:9000"
expd.toml:7: daemon.log: "verbos" is not a known value; write one of "error", "warn", "info", "debug", "trace"
expd.toml:8: daemon.drain_timeout: "soon" is not a duration; write a number with a unit, as in "500ms", "60s", "2m", "1h" or "1d"
expd.toml:11: daemon.limits.max_payload: "17MB" is out of range; use 1KiB to 16MB
expd.toml:12: daemon.limits.log_events: 0 is out of range; use 1 to 1000000
expd.toml:13: daemon.limits.log_age: must be a text; write it in quotes, with a unit, as in "60s"
expd.toml:14: daemon.limits.log_bytes: one channel's log would be larger than all logs together; make total_log_bytes at least as large as log_bytes
expd.toml:16: instances.default: has no credentials; add [instances.default.credentials] with a type and its keys
expd.toml:17: instances.default.host: must be an http or https URL; begin it with https://
expd.toml:18: instances.default.proxy: has a query or a fragment; end it before the ? or #
expd.toml:20: instances.bare: has no credentials; add [instances.bare.credentials] with a type and its keys
expd.toml:22: instances.person.credentials.organization: is missing; set it
expd.toml:22: instances.person.credentials.password: is missing; set it or password_file
expd.toml:25: instances.person.credentials.allow_pairing: has no meaning for the type "user"; remove it
expd.toml:30: instances.screen.credentials.secret: both secret and secret_file are set; keep one of them
expd.toml:36: instances.lost.credentials.secret_file: cannot read gone.secret: No such file or directory (os error 2); create the file, or correct the path
expd.toml:39: access[0].allow: "listn" is not a known value; use "listen", "broadcast", "respond", "request", "run", "status", "admin"; did you mean "listen"?
expd.toml:40: access[0].instances: there is no instance "nobody"; add [instances.nobody], or name another
expd.toml:42: access[1].allow: is missing; name what is allowed, as in ["listen", "status"]
expd.toml:46: hub.token_ttl: "30d" is out of range; use 1s to 24days
expd.toml:53: hub.devices[1].uuid: "twice" is used twice; give each its own
expd.toml:54: hub.devices[1].secret: must be a text; put it in quotes
expd.toml:56: hub.users[0].password_hash: is missing; set it (expd hub hash-password makes one), or password for development
expd.toml:59: hubb: unknown key; did you mean hub?
EXPD__DAEMON__SOKKET: daemon.sokket: unknown key; did you mean EXPD__DAEMON__SOCKET (daemon.socket)?
EXPD__HUB__PING_TIMEOUT: hub.ping_timeout: "never" is not a duration; write a number with a unit, as in "500ms", "60s", "2m", "1h" or "1d"
EXPD__HUB____X: the name has an empty part, or an index that is too large; write EXPD__SECTION__KEY, as in EXPD__DAEMON__SOCKET
credentials/expd.default.sekret: no credential has the key "sekret"; name it expd.INSTANCE.K; did you mean expd.default.secret?"#;
    let wanted: Vec<&str> = wanted.lines().collect();
    for (seen, wanted) in seen.iter().zip(&wanted) {
        assert_eq!(seen, wanted, "in {folder}");
    }
    assert_eq!(seen.len(), wanted.len(), "{seen:#?}");
    assert!(!seen.iter().any(|line| line.contains("hunter2")));
}

#[test]
fn broken_toml_is_told_with_line_and_column_and_without_the_line() {
    let mistakes =
        SettingsFixture::of("[daemon]\nlog = \"info\n\n[hub]\noperator_key = \"hunter2\" x\n")
            .bad();
    assert!(mistakes[0].starts_with("expd.toml:2:"), "{mistakes:#?}");
    assert!(
        mistakes
            .iter()
            .any(|line| line.starts_with("expd.toml:5:26: not TOML: ")),
        "{mistakes:#?}"
    );
    assert!(!mistakes.iter().any(|line| line.contains("hunter2")));
    let twice = SettingsFixture::of("[hub]\nlisten = \"a\"\nlisten = \"b\"\n").bad();
    assert_eq!(
        twice,
        ["expd.toml:3:1: not TOML: duplicate key; correct the syntax"]
    );
}

#[test]
fn an_unreadable_file_is_told_with_the_reason() {
    let mut fixture = SettingsFixture::of("");
    fixture.source.file = Some(fixture.folder.path().join("none.toml"));
    assert_eq!(
        fixture.bad(),
        [
            "none.toml: cannot read the settings: No such file or directory (os error 2); create it, or name another with --config"
        ]
    );
    fixture.source.file = Some(fixture.folder.path().to_owned());
    assert!(fixture.bad()[0].contains("Is a directory"));
}

#[test]
fn a_later_layer_replaces_the_other_way_to_give_a_secret() {
    let text = DEVICE.replace("secret = \"s\"", "secret_file = \"gone\"");
    let fixture = SettingsFixture::of(&text).credential("expd.default.secret", "here");
    assert_eq!(secret_of(&fixture.good()), "here");
    let user = "[[hub.users]]\nusername = \"u\"\npassword_hash = \"nonsense\"\n";
    assert!(SettingsFixture::of(user).bad()[0].contains("is not an Argon2 hash"));
    let fixture = SettingsFixture::of(user).variable("EXPD__HUB__USERS__0__PASSWORD", "p");
    assert!(
        fixture.good().settings.hub.users[0]
            .password_hash
            .starts_with("$argon2id$")
    );
}

/// The hub verifies with the parameters in the hash, so that the settings must refuse those that
/// Argon2 refuses.
#[tokio::test]
async fn a_hash_that_the_hub_refuses_is_a_mistake_of_the_settings() {
    const SALT_AND_HASH: &str = "c29tZSBzYWx0IHRleHQ$hFzl9CsXFVBeHLQ7WC8c9JGEW3vRWG0CaEDbV7i1Dgo";
    for (head, accepted) in [
        ("argon2id$v=19$m=8,t=1,p=1", true),
        ("argon2id$v=19$m=1,t=1,p=1", false),
        ("argon2id$v=19$m=64,t=0,p=1", false),
        ("argon2id$v=19$m=64,t=1,p=0", false),
        ("argon2id$v=19$m=8,t=1,p=4", false),
        ("argon2x$v=19$m=8,t=1,p=1", false),
        ("pbkdf2-sha256$i=1000", false),
    ] {
        let hash = format!("${head}${SALT_AND_HASH}");
        let mut settings = HubSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..HubSettings::default()
        };
        settings.users.push(HubUser {
            username: "u".to_owned(),
            password_hash: hash.clone(),
            role: expd_hub::DEFAULT_ROLE.into(),
        });
        let bound = expd_hub::Hub::bind(&settings).await;
        assert_eq!(bound.is_ok(), accepted, "{hash}: {:?}", bound.err());
        let text = format!("[[hub.users]]\nusername = \"u\"\npassword_hash = \"{hash}\"\n");
        let fixture = SettingsFixture::of(&text);
        if accepted {
            fixture.good();
        } else {
            let said = fixture.bad();
            assert!(said[0].contains("hub.users[0].password_hash: "), "{said:?}");
        }
    }
}

#[test]
fn a_variable_in_a_tables_place_is_told() {
    let mistakes = SettingsFixture::of("[daemon]\nlog = \"info\"\n")
        .variable("EXPD__DAEMON", "x")
        .bad();
    assert_eq!(
        mistakes,
        ["EXPD__DAEMON: daemon: must be a table; write [daemon] and its keys below"]
    );
    let mistakes = SettingsFixture::of("[hub]\ndevices = 3\n").bad();
    assert_eq!(
        mistakes,
        [
            "expd.toml:2: hub.devices: must be an array of tables; write [[hub.devices]] once for each"
        ]
    );
}

#[test]
fn inline_tables_are_tables() {
    let loaded = SettingsFixture::of(concat!(
        "hub = { devices = [{ uuid = \"d\", secret = \"s\" }] }\n",
        "instances.default.credentials = { type = \"device\", uuid = \"u\", secret = \"s\" }\n",
    ))
    .good();
    assert_eq!(loaded.settings.hub.devices.len(), 1);
    assert_eq!(secret_of(&loaded), "s");
}

#[test]
fn debug_of_checked_settings_shows_no_secret() {
    let loaded = SettingsFixture::of(concat!(
        "[instances.default]\nproxy = \"http://u:hunter2@proxy:1\"\n",
        "[instances.default.credentials]\ntype = \"user\"\nusername = \"u\"\npassword = \"hunter2\"\norganization = \"o\"\n",
        "[instances.app.credentials]\ntype = \"consumer_app\"\nuuid = \"u\"\napi_key = \"hunter2\"\n",
        "[hub]\noperator_key = \"hunter2\"\n",
        "[[hub.devices]]\nuuid = \"d\"\nsecret = \"hunter2\"\n",
        "[[hub.users]]\nusername = \"u\"\npassword = \"hunter2\"\n",
    ))
    .good();
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("$argon2"), "{shown}");
    let fixture = SettingsFixture::of("").variable("EXPD__HUB__OPERATOR_KEY", "hunter2");
    let shown = format!("{:?}", fixture.source);
    assert!(
        shown.contains("OPERATOR_KEY") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn serving_needs_an_instance_or_an_embedded_network() {
    let loaded = SettingsFixture::of("").good();
    let error = loaded.clone().for_serving(false).unwrap_err();
    assert!(
        error.to_string().contains("no instance is configured"),
        "{error}"
    );
    assert_eq!(
        loaded.for_serving(true).unwrap().settings.instances.len(),
        1
    );
}
