//! `grpc.health.v1`: every service is SERVING until the daemon stops. A watch of an unknown service
//! stays open, as the protocol requires.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use expd_proto::health::health_check_response::ServingStatus;
use expd_proto::health::health_server;
use expd_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use expd_proto::{api_server, daemon_server, network_server};

/// The services with a health status; the empty name stands for all of them.
const NAMES: [&str; 4] = [
    "",
    network_server::SERVICE_NAME,
    api_server::SERVICE_NAME,
    daemon_server::SERVICE_NAME,
];

/// The health status of all services.
pub struct Health(watch::Sender<ServingStatus>);

impl Health {
    /// Reports `NOT_SERVING` at `stop` and ends the watches.
    pub async fn until(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.0.send_replace(ServingStatus::NotServing);
    }
}

/// The service that reports the health.
#[derive(Clone)]
pub(super) struct HealthService(watch::Receiver<ServingStatus>);

/// A health status that begins as SERVING, and its service.
pub(super) fn health() -> (Health, HealthService) {
    let (status, told) = watch::channel(ServingStatus::Serving);
    (Health(status), HealthService(told))
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl health_server::Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        if !NAMES.contains(&service.as_str()) {
            return Err(Status::not_found(format!(
                "no service is named {service:?}; there are: {}",
                NAMES.map(|name| format!("{name:?}")).join(", ")
            )));
        }
        Ok(Response::new(answer(*self.0.borrow())))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let status = *self.0.borrow();
        let statuses = NAMES.map(|name| (name.to_owned(), answer(status)));
        Ok(Response::new(HealthListResponse {
            statuses: statuses.into(),
        }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = NAMES.contains(&request.into_inner().service.as_str());
        // Ends with the sender, when the daemon stops.
        let changes = WatchStream::new(self.0.clone());
        Ok(Response::new(if known {
            changes.map(|status| Ok(answer(status))).boxed()
        } else {
            // The set of services never changes, so no change follows.
            let silence = changes.filter_map(|_| std::future::ready(None));
            stream::once(async { Ok(answer(ServingStatus::ServiceUnknown)) })
                .chain(silence)
                .boxed()
        }))
    }
}
