//! Settings files that are cut, torn or half written when the daemon reads them again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expd_proto as proto;
use tonic::Code;

use crate::attacked_daemon::{APP, OTHER_APP, STRANGER};
use expd_test_support::http2::{channel_as, is_root};
use expd_test_support::process::{Daemon, Home};

/// One user may listen to one channel, another to another; keys stand in different orders.
const RULES: &str = r#"
[[access]]
uid = 60001
allow = ["listen", "status"]
channels = ["menu"]

[[access]]
allow = ["listen"]
channels = ["other"]
uid = 60002
"#;

/// The status with which a user's wish to listen ends.
async fn listens(socket: &Path, uid: u32, channel: &str) -> Code {
    let mut network = proto::network_client::NetworkClient::new(channel_as(socket, uid).await);
    let request = proto::ListenRequest {
        channel: Some(proto::Channel {
            name: channel.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    match network.listen(request).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

/// Nobody may do what the rules do not say.
async fn rules_hold(home: &Home, when: &str) {
    for (uid, channel) in [
        (STRANGER, "menu"),
        (STRANGER, "other"),
        (APP, "other"),
        (APP, "third"),
        (OTHER_APP, "menu"),
        // Whose number begins that of the last rule's user.
        (6000, "other"),
    ] {
        let told = listens(&home.socket(), uid, channel).await;
        assert_eq!(told, Code::PermissionDenied, "{uid} on {channel}, {when}");
    }
}

/// Reloads, and waits until that has ended; whether it was taken.
fn reloaded(daemon: &mut Daemon) -> bool {
    daemon.signal("HUP");
    daemon.said_one_of(&["settings reloaded", "reload refused: "]) == 0
}

#[tokio::test]
async fn no_reload_of_a_file_cut_at_any_line_lets_anybody_do_more() {
    if !is_root() {
        return;
    }
    let home = Home::new(RULES);
    let mut daemon = home.start();
    rules_hold(&home, "at the start").await;
    assert_eq!(listens(&home.socket(), APP, "menu").await, Code::Ok);
    let whole = std::fs::read_to_string(home.config()).unwrap();
    let mut refused = 0;
    for (end, _) in whole.match_indices('\n') {
        // The line with its end and without.
        for end in [end, end + 1] {
            std::fs::write(home.config(), &whole[..end]).unwrap();
            refused += usize::from(!reloaded(&mut daemon));
            rules_hold(&home, &format!("cut after byte {end}")).await;
            // From the whole file again each time.
            std::fs::write(home.config(), &whole).unwrap();
            assert!(reloaded(&mut daemon));
        }
    }
    assert!(refused > 10, "{refused}");
    assert_eq!(listens(&home.socket(), APP, "menu").await, Code::Ok);
}

#[tokio::test]
async fn rules_that_are_gone_stay_in_force_until_open_access_is_said_to_be_meant() {
    if !is_root() {
        return;
    }
    let home = Home::new(RULES);
    let mut daemon = home.start();
    home.write("");
    daemon.signal("HUP");
    let said = daemon.said("the access rules are gone");
    assert!(said.contains("access = \"open\" under [daemon]"), "{said}");
    daemon.said("reload refused: ");
    rules_hold(&home, "without rules").await;
    home.write("access = \"open\"\n");
    assert!(reloaded(&mut daemon));
    assert_eq!(listens(&home.socket(), STRANGER, "menu").await, Code::Ok);
    // Both say different things.
    home.write(&format!("access = \"open\"\n{RULES}"));
    daemon.signal("HUP");
    daemon.said("daemon.access: declares that there are no access rules, but there are some");
    daemon.said("reload refused: ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reload_of_a_file_that_is_being_written_lets_anybody_do_more() {
    if !is_root() {
        return;
    }
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let whole = std::fs::read(home.config()).unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (file, enough) = (home.config(), enough.clone());
        move || {
            use std::io::Write as _;
            // In place and byte by byte, as no editor should.
            while !enough.load(Ordering::Relaxed) {
                let mut file = std::fs::File::create(&file).unwrap();
                for byte in &whole {
                    file.write_all(std::slice::from_ref(byte)).unwrap();
                }
            }
        }
    });
    for turn in 0..40 {
        reloaded(&mut daemon);
        rules_hold(
            &home,
            &format!("after reload {turn} of a file in the making"),
        )
        .await;
    }
    enough.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(reloaded(&mut daemon));
    assert_eq!(listens(&home.socket(), APP, "menu").await, Code::Ok);
}
