//! A reload that is asked for by a call, as `systemctl reload` does, and answered with its outcome.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use expd_client::{ClientError, Code};
use expd_test_support::process::program;

use crate::RULES;
use crate::scene::Scene;

fn expd(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("--socket").arg(socket).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_is_asked_for_by_a_call_tells_what_came_of_it() {
    let mut scene = Scene::start().await;
    let client = scene.client().await;
    let (both, socket) = (scene.both(), scene.socket());
    scene.write(&format!("{both}{RULES}"));
    // The rules are about everybody, and give nobody a right to reload: that is the process's own.
    assert_eq!(client.reload().await.unwrap(), Vec::<String>::new());
    // They apply once it has returned.
    let explained = client.explain(&question("closed")).await.unwrap();
    assert!(!explained.allowed, "{explained:?}");

    // A mistake that only the daemon sees: the rules that it had are gone.
    scene.write(&both);
    let refused = match client.reload().await {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused.code, Code::FailedPrecondition);
    assert!(
        refused.message.contains("the access rules are gone"),
        "{refused:?}"
    );
    let told = expd(&socket, &["reload"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(text.contains("the access rules are gone"), "{text}");
    let quiet = expd(&socket, &["reload", "--quiet"]);
    assert_eq!(quiet.status.code(), Some(1), "{quiet:?}");
    assert!(quiet.stderr.is_empty(), "{quiet:?}");
    scene.daemon.said("the access rules are gone");

    // Two mistakes at once, each with its line.
    scene.write(&format!(
        "{both}{RULES}[nonsense]\n[daemon.limits]\nmax_listeners = 0\n"
    ));
    let told = expd(&socket, &["reload"]);
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(
        text.contains("nonsense") && text.contains("max_listeners"),
        "{text}"
    );

    scene.write(&format!(
        "{both}[daemon]\nmetrics = \"127.0.0.1:0\"\n{RULES}"
    ));
    assert_eq!(client.reload().await.unwrap(), ["daemon.metrics"]);
    let told = expd(&socket, &["reload"]);
    assert!(told.status.success(), "{told:?}");
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(
        text.contains("after a restart") && text.contains("daemon.metrics"),
        "{text}"
    );
    scene.both_go_on().await;
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

fn question(channel: &str) -> expd_client::Explain {
    expd_client::Explain {
        verb: "listen".to_owned(),
        instance: "left".to_owned(),
        channel: Some(expd_domain::Channel::new(channel)),
        ..expd_client::Explain::default()
    }
}
