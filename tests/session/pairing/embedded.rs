//! Pairing with the embedded network.

use expd_hub::{Hub, HubDevice, HubError, HubSettings, operator};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

/// Key that the operator proves itself with.
fn operator_key() -> Secret {
    Secret::new("operator key")
}

/// The embedded network, with what it needs to run.
struct PairingServer {
    url: String,
    _serving: JoinSet<Result<(), HubError>>,
}

impl PairingServer {
    async fn start(token_ttl: Duration) -> Self {
        let settings = HubSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            token_ttl,
            devices: vec![HubDevice {
                uuid: "device-1".into(),
                secret: Secret::new("its secret"),
            }],
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        let hub = Hub::bind(&settings).await.unwrap();
        let url = format!("http://{}", hub.local_addr());
        let mut serving = JoinSet::new();
        serving.spawn(hub.serve(CancellationToken::new()));
        Self {
            url,
            _serving: serving,
        }
    }
}

#[tokio::test]
async fn the_embedded_network_logs_in_refreshes_refuses_and_unpairs() {
    let network = PairingServer::start(Duration::from_secs(2)).await;
    let home = TempDir::new().unwrap();
    let known = settings(&network.url, device("device-1", "its secret"));
    let instance = Instance::start(&known);
    let first = instance.logs_in().await;
    assert_eq!(first.authentication.identity.uuid, "device-1");
    instance.newer_than(2).await;
    assert_eq!(
        (
            instance.counters.logins.get(),
            instance.counters.refreshes.get()
        ),
        (1, 2)
    );

    let wrong = Instance::start(&settings(&network.url, device("device-1", "wrong")));
    let SessionState::Refused { reason, .. } = wrong.becomes(is_refused).await else {
        unreachable!();
    };
    assert!(reason.contains("secret is wrong"), "{reason}");

    let waiting = start(
        &settings(&network.url, configured("device-1", "wrong")),
        home.path(),
    );
    let state = waiting.becomes(|state| code(state).is_some()).await;
    let paired = operator::pair(&network.url, Some(&operator_key()), code(&state).unwrap())
        .await
        .unwrap();
    // What the operator gave reaches the device over its socket, which is the link's; here its
    // refresh shows the code is used.
    assert_ne!(paired.uuid, "");
    operator::unpair(&network.url, Some(&operator_key()), "device-1")
        .await
        .unwrap();
    instance.becomes(is_refused).await;
}
