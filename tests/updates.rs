//! Updates: today's program reads the settings and the state of older ones (`tests/fixtures`), and
//! serves clients of another version of the contract.
//!
//! A fixture is never changed. Each version that is released adds its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expd_test_support::process::{Daemon, Home, program};
use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Copies a fixture's files as their owner's alone, as expd left them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copied = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &copied);
        } else {
            fs::copy(entry.path(), &copied).unwrap();
            fs::set_permissions(&copied, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn expd(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .env_remove("EXPD_SOCKET")
        .output()
        .unwrap()
}

#[test]
fn settings_of_0_1_hold_to_the_letter() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("state-0.1"), folder.path());
    let settings = folder.path().join("settings.toml");
    let checked = expd(&["check-config", "--config", settings.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    for part in ["default, till", "2 rules"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_device_and_a_network_of_0_1_go_on_where_they_were() {
    let home = Home::new("");
    let folder = home.folder.path();
    copy(&fixture("state-0.1/state"), &folder.join("state"));
    copy(&fixture("state-0.1/hub"), &folder.join("hub"));
    let store = folder.join("hub/network.redb");
    let state = folder.join("state");
    let settings = |host: &str| {
        let settings = format!(
            "[daemon]\nstate_dir = {state:?}\n[hub]\nlisten = \"127.0.0.1:0\"\n\
             organization = \"demo\"\nstore = {store:?}\n[instances.default]\nhost = \"{host}\"\n\
             [instances.default.credentials]\ntype = \"device\"\nallow_pairing = true\n"
        );
        fs::write(home.config(), settings).unwrap();
    };
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(home.config());
        Daemon::spawn(command.env_remove("NOTIFY_SOCKET"))
    };
    settings("http://127.0.0.1:1");
    let mut hub = run(&["hub"]);
    let ready = hub.said("an EXP network at ");
    let address = ready.split("http://").nth(1).unwrap();
    settings(&format!("http://{}", address.split(',').next().unwrap()));
    let socket = home.socket();
    let mut daemon = run(&["serve", "--socket", socket.to_str().unwrap()]);
    // Not paired again: the key on disk is taken, and the network still knows the device.
    daemon.said("logged in as device 00000000-0000-4000-8000-000000000001");
    let things = expd(&[
        "--socket",
        socket.to_str().unwrap(),
        "things",
        "list",
        "--json",
    ]);
    let said = String::from_utf8_lossy(&things.stdout);
    assert!(said.contains("\"kept thing\""), "{things:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
}

/// Parts of the contract that an older client relies on: each method with its types and streams,
/// each field with its number, type and label, each value of an enum.
fn relied_on(descriptors: &[u8]) -> BTreeMap<String, String> {
    let set = FileDescriptorSet::decode(descriptors).unwrap();
    let mut facts = BTreeMap::new();
    let ours = |package: &str| package.starts_with("expd.");
    for file in set.file.iter().filter(|file| ours(file.package())) {
        let package = file.package();
        for message in &file.message_type {
            add_message(&mut facts, package, message);
        }
        for values in &file.enum_type {
            add_enum(&mut facts, package, values);
        }
        for service in &file.service {
            for method in &service.method {
                let name = format!("{package}.{}/{}", service.name(), method.name());
                let streams = (method.client_streaming(), method.server_streaming());
                let types = (method.input_type(), method.output_type());
                facts.insert(name, format!("{types:?} {streams:?}"));
            }
        }
    }
    facts
}

fn add_message(facts: &mut BTreeMap<String, String>, scope: &str, message: &DescriptorProto) {
    let scope = format!("{scope}.{}", message.name());
    for field in &message.field {
        // The label tells a list from a single value; names count for JSON and reflection.
        let fact = format!(
            "{} {:?} {:?} {}",
            field.name(),
            field.r#type(),
            field.label(),
            field.type_name()
        );
        facts.insert(format!("{scope} field {}", field.number()), fact);
    }
    for nested in &message.nested_type {
        add_message(facts, &scope, nested);
    }
    for values in &message.enum_type {
        add_enum(facts, &scope, values);
    }
}

fn add_enum(facts: &mut BTreeMap<String, String>, scope: &str, values: &EnumDescriptorProto) {
    for value in &values.value {
        let name = format!("{scope}.{} value {}", values.name(), value.number());
        facts.insert(name, value.name().to_owned());
    }
}

#[test]
fn a_client_of_0_1_finds_everything_that_it_relies_on() {
    let older = relied_on(&fs::read(fixture("contract-0.1.bin")).unwrap());
    let todays = relied_on(expd_proto::DESCRIPTORS);
    assert!(older.len() > 100, "{}", older.len());
    let broken: Vec<_> = older
        .iter()
        .filter(|(name, fact)| todays.get(*name) != Some(fact))
        .map(|(name, fact)| format!("{name}: was {fact}, is {:?}", todays.get(name)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A request with fields that the daemon does not know yet.
#[derive(Clone, PartialEq, prost::Message)]
struct NewerRequest {
    #[prost(string, tag = "1")]
    instance: String,
    #[prost(message, optional, tag = "2000")]
    later: Option<prost_types::Duration>,
    #[prost(int32, repeated, tag = "2001")]
    numbers: Vec<i32>,
}

#[tokio::test]
async fn a_client_that_knows_more_than_the_daemon_is_served() {
    let home = Home::new("");
    let mut daemon = home.start();
    daemon.said("logged in as");
    let socket = home.socket();
    let connector = tower::service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move {
            let stream = tokio::net::UnixStream::connect(socket).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let request = NewerRequest {
        instance: "default".to_owned(),
        later: Some(prost_types::Duration::default()),
        numbers: vec![1, 2, 3],
    };
    let path = http::uri::PathAndQuery::from_static("/expd.v1.Api/GetIdentity");
    let codec = tonic_prost::ProstCodec::<NewerRequest, expd_proto::Identity>::default();
    let answer = client
        .unary(tonic::Request::new(request), path, codec)
        .await;
    let identity = answer.unwrap().into_inner();
    assert_eq!(identity.r#type, "device", "{identity:?}");
}
