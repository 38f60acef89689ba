//! Users that the rules give little or nothing, and what they learn of others.

use expd_proto::api_client::ApiClient;
use expd_proto::network_client::NetworkClient;
use expd_proto::{
    CancelListenerRequest, Channel, GetIdentityRequest, ListenRequest, NextEventRequest,
};
use tonic::{Code, Status};

use crate::attacked_daemon::{APP, STRANGER, daemon_of};
use expd_test_support::http2::{channel_as, is_root};
use expd_test_support::process::Home;

/// Two instances; root may do everything, and one user listen to one channel of the first.
const SETTINGS: &str = r#"
[[access]]
uid = 0
allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
[[access]]
uid = 60001
allow = ["listen"]
instances = ["default"]
channels = ["menu"]
[instances.default]
host = "http://127.0.0.1:9"
[instances.default.credentials]
type = "device"
uuid = "u"
secret = "s"
[instances.back-office]
host = "http://127.0.0.1:9"
[instances.back-office.credentials]
type = "device"
uuid = "u"
secret = "s"
"#;

fn listen(instance: &str, channel: &str) -> ListenRequest {
    ListenRequest {
        instance: instance.to_owned(),
        channel: Some(Channel {
            name: channel.to_owned(),
            ..Channel::default()
        }),
        ..ListenRequest::default()
    }
}

/// A refusal's code and words, without what the caller gave itself.
fn form(refused: &Status, given: &str) -> (Code, String) {
    (refused.code(), refused.message().replace(given, "IT"))
}

#[tokio::test]
async fn somebody_elses_listener_is_as_one_that_is_not_there() {
    if !is_root() {
        return;
    }
    let home = Home::new(SETTINGS);
    let _daemon = daemon_of(&home);
    let mut root = NetworkClient::new(channel_as(&home.socket(), 0).await);
    let mut ids = Vec::new();
    for _ in 0..8 {
        let opened = root.open_listener(listen("", "till")).await.unwrap();
        ids.push(opened.into_inner().listener_id);
    }
    // Nothing in one tells of another: 128 bits, of which each is as often one as the other.
    for (n, id) in ids.iter().enumerate() {
        let one = u128::from_str_radix(id, 16).unwrap();
        assert_eq!(id.len(), 32);
        for other in &ids[..n] {
            let differ = (one ^ u128::from_str_radix(other, 16).unwrap()).count_ones();
            assert!((20..108).contains(&differ), "{id} {other}");
        }
    }
    for uid in [APP, STRANGER] {
        let mut stranger = NetworkClient::new(channel_as(&home.socket(), uid).await);
        let never = "0123456789abcdef0123456789abcdef";
        let mut refusals = Vec::new();
        for id in [ids[0].as_str(), never] {
            let next = NextEventRequest {
                listener_id: id.to_owned(),
                ..NextEventRequest::default()
            };
            let next = stranger.next_event(next).await.unwrap_err();
            let cancel = CancelListenerRequest {
                listener_id: id.to_owned(),
            };
            let cancel = stranger.cancel_listener(cancel).await.unwrap_err();
            refusals.push([form(&next, id), form(&cancel, id)]);
        }
        assert_eq!(refusals[0], refusals[1]);
        // Who may listen nowhere is refused before anybody looks for a listener.
        let code = if uid == APP {
            Code::NotFound
        } else {
            Code::PermissionDenied
        };
        assert!(refusals[0].iter().all(|(told, _)| *told == code));
    }
    // Its owner's and an administrator's it is all the same.
    let mut owner = NetworkClient::new(channel_as(&home.socket(), APP).await);
    let opened = owner.open_listener(listen("", "menu")).await.unwrap();
    let next = NextEventRequest {
        listener_id: opened.into_inner().listener_id,
        ..NextEventRequest::default()
    };
    owner.next_event(next.clone()).await.unwrap();
    root.next_event(next).await.unwrap();
}

#[tokio::test]
async fn nobody_learns_the_name_of_an_instance_that_is_not_for_it() {
    if !is_root() {
        return;
    }
    let home = Home::new(SETTINGS);
    let _daemon = daemon_of(&home);
    for uid in [APP, STRANGER] {
        let connection = channel_as(&home.socket(), uid).await;
        let mut network = NetworkClient::new(connection.clone());
        let mut api = ApiClient::new(connection);
        let mut refusals = Vec::new();
        for name in ["back-office", "nothing-such"] {
            let opened = network
                .open_listener(listen(name, "menu"))
                .await
                .unwrap_err();
            let identity = GetIdentityRequest {
                instance: name.to_owned(),
            };
            let identity = api.get_identity(identity).await.unwrap_err();
            refusals.push([form(&opened, name), form(&identity, name)]);
        }
        assert_eq!(refusals[0], refusals[1]);
        for (code, message) in &refusals[0] {
            assert_eq!(*code, Code::PermissionDenied);
            assert!(message.contains("[[access]]"), "{message}");
            assert!(!message.contains("back-office"), "{message}");
            assert!(!message.contains("default"), "{message}");
        }
    }
    let mut root = NetworkClient::new(channel_as(&home.socket(), 0).await);
    let told = root
        .open_listener(listen("kiosk", "menu"))
        .await
        .unwrap_err();
    assert_eq!(told.code(), Code::NotFound);
    assert!(told.message().contains("default, back-office"), "{told:?}");
}
