//! The limits of docs/limits.md, tried from outside.

use tokio::time::timeout;

use crate::attacked_daemon::started;
use expd_test_support::DEADLINE;
use expd_test_support::http2::{connect_as, framed, http2, own_uid, post};
use expd_test_support::process::Home;

/// The bytes of header fields that docs/limits.md allows a call.
fn header_bytes() -> usize {
    let limits = include_str!("../../docs/limits.md");
    let row = limits
        .lines()
        .find_map(|line| line.strip_prefix("| a call's header fields | "))
        .unwrap();
    let kib: usize = row.split(' ').next().unwrap().parse().unwrap();
    kib << 10
}

/// Sends a call whose header fields count so many bytes (RFC 9113, section 6.5.2); returns its
/// status.
async fn with_fields(home: &Home, bytes: usize) -> Result<http::StatusCode, h2::Error> {
    let stream = connect_as(&home.socket(), own_uid()).await;
    let mut client = http2(stream, &h2::client::Builder::new()).await?;
    let mut head = post("/expd.v1.Daemon/GetStatus");
    let pseudo = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", head.uri().path()),
    ];
    let counted = |name: &str, value: &str| name.len() + value.len() + 32;
    let fields = head.headers().iter();
    let there: usize = pseudo
        .iter()
        .map(|(name, value)| counted(name, value))
        .sum::<usize>()
        + fields
            .map(|(name, value)| counted(name.as_str(), value.to_str().unwrap()))
            .sum::<usize>();
    let filling = "v".repeat(bytes - there - counted("x-filling", ""));
    head.headers_mut()
        .insert("x-filling", filling.parse().unwrap());
    client.requests = client.requests.clone().ready().await?;
    let (response, mut stream) = client.requests.send_request(head, false)?;
    let message = framed(&expd_proto::GetStatusRequest::default());
    stream.send_data(message, true)?;
    let response = timeout(DEADLINE, response).await.unwrap()?;
    Ok(response.status())
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_may_have_what_the_limits_page_says_and_no_more() {
    let (_daemon, home) = started("").await;
    let most = header_bytes();
    assert_eq!(with_fields(&home, most).await.unwrap(), 200);
    let refused = with_fields(&home, most + 1).await;
    assert!(refused.is_err() || refused.is_ok_and(|status| status == 431));
}
