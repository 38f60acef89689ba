//! The streams of `expd listen`: the updates of a listener, and the states of the links.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _, TryStreamExt as _, once, unfold};
use tokio::time::sleep;

use expd_client::{Client, ClientError, Code, LinkEvent, ListenUpdate, ResumingListener};

/// Pause before a listener that was refused because of a limit is requested again.
const OVER_LIMIT: Duration = Duration::from_secs(2);

type Updates = Pin<Box<dyn Stream<Item = (usize, Result<ListenUpdate, ClientError>)> + Send>>;

/// The updates of a listener, with the index of its channel.
pub(super) fn updates_of(index: usize, listener: ResumingListener) -> Updates {
    let begun = (listener, Duration::ZERO);
    Box::pin(unfold(begun, move |(mut listener, pause)| async move {
        sleep(pause).await;
        let update = listener.next().await;
        let is_over_limit = update.as_ref().is_err_and(is_over_limit);
        let pause = if is_over_limit {
            OVER_LIMIT
        } else {
            Duration::ZERO
        };
        Some(((index, update), (listener, pause)))
    }))
}

type Links = Pin<Box<dyn Stream<Item = Result<LinkEvent, ClientError>> + Send>>;

/// The states of the links: the current ones, then each change.
pub(super) fn watch_links(client: Client) -> Links {
    Box::pin(once(async move { client.watch_status().await }).try_flatten())
}

/// The next state of a link. Returns none once when the stream ends (as without the permission to
/// see links), then waits forever.
pub(super) async fn next_link(links: &mut Option<Links>) -> Option<LinkEvent> {
    let Some(stream) = links else {
        return std::future::pending().await;
    };
    if let Some(Ok(event)) = stream.next().await {
        return Some(event);
    }
    *links = Some(Box::pin(futures_util::stream::pending()));
    None
}

/// True if the daemon refuses the listener because of a limit, which may pass.
pub(super) fn is_over_limit(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(refusal) if refusal.code == Code::ResourceExhausted)
}
