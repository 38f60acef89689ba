//! A device's life from its code to its unpairing.

use std::os::unix::fs::PermissionsExt as _;

use expd_client::LinkState;
use expd_hub::operator;

use expd_test_support::eventually;
use expd_test_support::network::operator_key;
use expd_test_support::world::{World, unpaired};

#[tokio::test]
async fn a_device_is_paired_restarted_and_unpaired() {
    let mut world = World::with(&[("default", unpaired())]).await;
    world.link("default", LinkState::Pairing).await;
    let identity = world.client().await.identity("").await.unwrap();
    assert!(!identity.paired);
    let code = identity.pairing_code.expect("a pairing code");

    let paired = operator::pair(&world.network.url(), Some(&operator_key()), &code)
        .await
        .unwrap();
    world.link("default", LinkState::Online).await;
    let identity = world.client().await.identity("").await.unwrap();
    assert_eq!(
        (identity.uuid, identity.paired),
        (paired.uuid.clone(), true)
    );
    let stored: Vec<_> = std::fs::read_dir(world.daemon.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.metadata().unwrap().is_file())
        .collect();
    assert!(!stored.is_empty());
    for file in stored {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }

    world.daemon.stop().await;
    world.daemon.start_again();
    world.link("default", LinkState::Online).await;
    let again = world.client().await.identity("").await.unwrap();
    assert_eq!(again.uuid, paired.uuid);

    operator::unpair(&world.network.url(), Some(&operator_key()), &paired.uuid)
        .await
        .unwrap();
    world.link("default", LinkState::Pairing).await;
    let client = world.client().await;
    eventually("a new code", async || {
        let identity = client
            .identity("")
            .await
            .map_err(|error| error.to_string())?;
        identity
            .pairing_code
            .filter(|new| *new != code)
            .ok_or("none".to_owned())
    })
    .await;
}
