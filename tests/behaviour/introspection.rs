//! Reflection in both generations, and health.

use futures_util::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use expd_test_support::http2::channel;
use expd_test_support::world::World;

const SERVICES: [&str; 6] = [
    "expd.v1.Api",
    "expd.v1.Daemon",
    "expd.v1.Network",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// Asks one generation of reflection for the list of services.
macro_rules! services {
    ($world:expr, $generation:ident) => {{
        use $generation::server_reflection_client::ServerReflectionClient;
        use $generation::server_reflection_request::MessageRequest;
        use $generation::server_reflection_response::MessageResponse;
        let request = $generation::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel(&$world.socket()).await);
        let requests = futures_util::stream::iter([request]);
        let mut answers = client
            .server_reflection_info(requests)
            .await
            .unwrap()
            .into_inner();
        let answer = answers.next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("no list: {answer:?}");
        };
        let mut names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
        names.sort();
        names
    }};
}

#[tokio::test]
async fn both_generations_of_reflection_list_every_service() {
    let world = World::new().await;
    assert_eq!(services!(world, v1), SERVICES);
    assert_eq!(services!(world, v1alpha), SERVICES);
}

#[tokio::test]
async fn the_daemon_and_each_of_its_services_are_healthy() {
    let world = World::new().await;
    world.link("default", expd_client::LinkState::Online).await;
    let mut client = HealthClient::new(channel(&world.socket()).await);
    for service in ["", "expd.v1.Network", "expd.v1.Api", "expd.v1.Daemon"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = client.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
}
