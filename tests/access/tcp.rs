//! Over TCP, a token says who calls.

use std::path::PathBuf;
use std::process::{Command, Output};

use expd_proto::daemon_client::DaemonClient;
use expd_proto::health::HealthCheckRequest;
use expd_proto::health::health_client::HealthClient;
use expd_test_support::process::{Daemon, Home, program};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::actor::{Actor, Other};

const SECRET: &str = "a-secret-of-thirty-two-characters";

/// Settings with two tokens, and rules.
fn settings(rules: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n\
         [[daemon.tcp.tokens]]\nname = \"dashboard\"\ntoken = \"{SECRET}\"\n\
         [[daemon.tcp.tokens]]\nname = \"other\"\ntoken = \"another-{SECRET}\"\n{rules}"
    )
}

const RULES: &str = r#"
[[access]]
uid = 0
allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
[[access]]
token = "dashboard"
channels = ["menu"]
allow = ["listen", "status"]
"#;

/// A daemon on TCP.
struct TcpDaemon {
    home: Home,
    daemon: Daemon,
    url: String,
}

impl TcpDaemon {
    fn start(rules: &str) -> Self {
        let home = Home::new(&settings(rules));
        let mut command = home.command(&[]);
        command.arg("--socket").arg(home.socket());
        let mut daemon = Daemon::spawn(&mut command);
        let line = daemon.said("(daemon.listen)");
        let (_, address) = line.split_once("listening on ").unwrap();
        let url = format!("http://{}", address.split_once(' ').unwrap().0);
        daemon.said("serving on");
        Self { home, daemon, url }
    }

    fn token_file(&self, token: &str) -> PathBuf {
        let path = self.home.folder.path().join("token");
        std::fs::write(&path, format!("{token}\n")).unwrap();
        path
    }

    /// A program over TCP with this token.
    fn caller(&self, token: &str) -> Other {
        let environment = [("EXPD_SOCKET", &*self.url), ("EXPD_TOKEN", token)];
        Other::played(&self.home, &["env"], &environment)
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.url.clone()).unwrap();
        endpoint.connect().await.unwrap()
    }
}

#[tokio::test]
async fn without_a_token_only_the_health_answers() {
    for rules in ["", RULES] {
        let served = TcpDaemon::start(rules);
        let channel = served.channel().await;
        let mut health = HealthClient::new(channel.clone());
        let request = HealthCheckRequest::default();
        health.check(request).await.unwrap();
        let mut daemon = DaemonClient::new(channel);
        for token in [
            "",
            "Bearer wrong",
            &format!("Basic {SECRET}"),
            "Bearer dashboard",
        ] {
            let mut request = tonic::Request::new(expd_proto::GetStatusRequest::default());
            if !token.is_empty() {
                let metadata = request.metadata_mut();
                metadata.insert("authorization", token.parse().unwrap());
            }
            let refused = daemon.get_status(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
            for part in [
                "authorization: Bearer TOKEN",
                "EXPD_TOKEN_FILE",
                "[[daemon.tcp.tokens]]",
            ] {
                assert!(refused.message().contains(part), "{refused}");
            }
        }
        let explained = daemon.explain(expd_proto::ExplainRequest::default()).await;
        assert_eq!(explained.unwrap_err().code(), Code::Unauthenticated);
        assert!(!served.daemon.heard().contains(SECRET));
    }
}

#[tokio::test]
async fn a_token_has_the_rights_of_the_rules_that_name_it() {
    let served = TcpDaemon::start(RULES);
    let mut root = Actor::connect(&served.home.socket()).await;
    let mut dashboard = served.caller(SECRET);
    assert_eq!(dashboard.told("listen menu"), "done");
    assert_eq!(root.does("broadcast menu").await, "done");
    assert_eq!(dashboard.told("hear -"), "e");
    let said = dashboard.told("broadcast menu");
    for part in [
        "a caller over TCP with the token dashboard",
        "may not broadcast",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let mut other = served.caller(&format!("another-{SECRET}"));
    let said = other.told("listen menu");
    assert!(
        said.contains("with the token other") && said.contains("may not listen"),
        "{said}"
    );
    // Listeners in pull form belong to their token.
    let listener = dashboard.told("open menu -");
    assert_eq!(listener.len(), 32);
    assert!(other.told(&format!("next {listener}")).contains("may not"));
    assert_eq!(dashboard.told(&format!("next {listener}")), "done");
    let answer = root.does("explain broadcast menu token:dashboard").await;
    assert!(
        answer.starts_with("false by []: refused: a caller over TCP with the token dashboard"),
        "{answer}"
    );
    let answer = root.does("explain listen menu token:dashboard").await;
    assert!(answer.starts_with("true by [\"access[1]\"]"), "{answer}");
    assert!(
        root.does("explain listen menu token:none")
            .await
            .contains("no token")
    );
    assert!(
        dashboard
            .told("explain listen menu token:other")
            .contains("may not administer")
    );
    assert!(
        dashboard
            .told("explain listen menu token:dashboard")
            .starts_with("true")
    );
}

#[tokio::test]
async fn listeners_of_one_token_are_not_anothers_without_rules_for_either() {
    let rules = "[[access]]\nchannels = [\"menu\"]\nallow = [\"listen\"]\n";
    let served = TcpDaemon::start(rules);
    let (mut first, mut second) = (
        served.caller(SECRET),
        served.caller(&format!("another-{SECRET}")),
    );
    let listener = first.told("open menu shared");
    for order in ["next", "cancel"] {
        let said = second.told(&format!("{order} {listener}"));
        assert!(said.contains("no listener has the ID"), "{said}");
    }
    assert_eq!(second.told("clear shared"), "0");
    assert_eq!(first.told("clear shared"), "1");
}

#[tokio::test]
async fn a_reload_ends_the_streams_of_a_token_that_is_gone() {
    let served = TcpDaemon::start("");
    let mut dashboard = served.caller(SECRET);
    // Without rules, a token may do everything.
    assert_eq!(dashboard.told("broadcast menu"), "done");
    assert_eq!(dashboard.told("listen menu"), "done");
    dashboard.tell("hear -");
    let changed = settings("").replace("\"a-secret", "\"the-new-secret");
    served.home.write(&changed);
    served.daemon.signal("HUP");
    let said = dashboard.answer();
    assert!(said.starts_with("refused"), "{said}");
    let said = dashboard.told("broadcast menu");
    assert!(said.contains("is not among those"), "{said}");
    let renewed = format!("the-new{}", &SECRET[1..]);
    assert_eq!(served.caller(&renewed).told("broadcast menu"), "done");
    assert!(
        !served.daemon.heard().contains("need a restart"),
        "{}",
        served.daemon.heard()
    );
}

#[tokio::test]
async fn over_tcp_nobody_runs_an_identity() {
    let served = TcpDaemon::start("");
    let said = served.caller(SECRET).told("run mine");
    assert!(said.contains("connect to the Unix socket"), "{said}");
}

#[tokio::test]
async fn the_command_line_sends_a_token_from_a_file() {
    let served = TcpDaemon::start(RULES);
    let status = |file: Option<&PathBuf>| -> Output {
        let mut command = Command::new(program());
        command.args(["--socket", &served.url, "status", "--json"]);
        command
            .env_remove("EXPD_TOKEN")
            .env_remove("EXPD_TOKEN_FILE");
        if let Some(file) = file {
            command.env("EXPD_TOKEN_FILE", file);
        }
        command.output().unwrap()
    };
    let shown = status(Some(&served.token_file(SECRET)));
    assert!(
        shown.status.success(),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    for (output, says) in [
        (status(None), "over TCP every call needs a token"),
        (
            status(Some(&served.token_file("wrong"))),
            "is not among those",
        ),
        (
            status(Some(&served.home.folder.path().join("none"))),
            "EXPD_TOKEN_FILE",
        ),
    ] {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
