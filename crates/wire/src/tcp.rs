//! TCP to a name with several addresses, which are raced (RFC 8305), so that an unreachable address
//! costs only a moment.

use std::collections::VecDeque;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::dns::look_up;
use super::error::ConnectError;

/// Timeout of TCP to one address; long polling needs time as well.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Head start of an address before the next one is tried beside it: the Connection Attempt Delay
/// that RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Maximum number of addresses that are tried; a name may have any number.
const MAX_ADDRESSES: usize = 16;

/// Maximum number of failures that an error lists.
const MAX_FAILURES_SHOWN: usize = 3;

pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let addresses = look_up(host, port)
        .await
        .map_err(|source| ConnectError::Unresolved {
            host: host.to_owned(),
            source,
        })?;
    if addresses.is_empty() {
        return Err(ConnectError::NoAddresses(host.to_owned()));
    }
    let connect = |address: SocketAddr| async move {
        match timeout(TIMEOUT, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
        }
    };
    let stream = race(interleaved(addresses), connect)
        .await
        .map_err(|failures| ConnectError::Unreachable {
            host: host.to_owned(),
            failures: listed(&failures),
        })?;
    // Without this option pings are delayed; failing to set it has no other effect.
    stream.set_nodelay(true).ok();
    Ok(stream)
}

/// The addresses with alternating families, starting with the family of the first.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut order = VecDeque::new();
    while order.len() < MAX_ADDRESSES {
        let (one, other) = (preferred.next(), others.next());
        if one.is_none() && other.is_none() {
            break;
        }
        order.extend(one.into_iter().chain(other));
    }
    order.truncate(MAX_ADDRESSES);
    order
}

/// Starts an attempt per address: the next one when the latest has failed or had its head start.
/// Returns the first connection and drops the other attempts.
async fn race<T, E, F: Future<Output = Result<T, E>>>(
    mut waiting: VecDeque<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, E)>> {
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    let mut next_at = Instant::now();
    loop {
        if next_at <= Instant::now()
            && let Some(address) = waiting.pop_front()
        {
            let trying = attempt(address);
            running.push(async move { (address, trying.await) });
            next_at = Instant::now() + ATTEMPT_DELAY;
        }
        tokio::select! {
            Some((address, ended)) = running.next() => match ended {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    failures.push((address, error));
                    next_at = Instant::now();
                }
            },
            () = sleep_until(next_at), if !waiting.is_empty() => {}
            else => return Err(failures),
        }
        if running.is_empty() && waiting.is_empty() {
            return Err(failures);
        }
    }
}

/// The failures in one line: the first ones, and the number of the others.
fn listed(failures: &[(SocketAddr, impl Display)]) -> String {
    let shown: Vec<String> = failures
        .iter()
        .take(MAX_FAILURES_SHOWN)
        .map(|(address, why)| format!("at {address} failed: {why}"))
        .collect();
    let more = failures.len().saturating_sub(MAX_FAILURES_SHOWN);
    let more = if more > 0 {
        format!(", and {more} more addresses")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"];
        let order = interleaved(addresses.map(address).into());
        let expected = ["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"];
        assert_eq!(order, expected.map(address));
        let many = vec![address("10.0.0.1:1"); 1000];
        assert_eq!(interleaved(many).len(), MAX_ADDRESSES);
        assert!(interleaved(Vec::new()).is_empty());
    }

    /// Races addresses: port 1 drops packets, port 2 refuses, any other accepts after as many
    /// milliseconds. Returns the winner and when each was tried.
    async fn raced(addresses: &[&str]) -> (Result<SocketAddr, usize>, Vec<u128>) {
        let began = Instant::now();
        let tried = Mutex::new(Vec::new());
        let attempt = |address: SocketAddr| {
            tried.lock().unwrap().push(began.elapsed().as_millis());
            async move {
                match address.port() {
                    1 => {
                        tokio::time::sleep(TIMEOUT).await;
                        Err("no answer")
                    }
                    2 => Err("refused"),
                    millis => {
                        tokio::time::sleep(Duration::from_millis(millis.into())).await;
                        Ok(address)
                    }
                }
            }
        };
        let addresses = addresses.iter().map(|text| address(text)).collect();
        let ended = race(addresses, attempt).await;
        let tried = tried.lock().unwrap().clone();
        (ended.map_err(|failures| failures.len()), tried)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_costs_its_delay_and_no_more() {
        let (ended, tried) = raced(&["[::1]:1", "10.0.0.1:50"]).await;
        assert_eq!(ended, Ok(address("10.0.0.1:50")));
        assert_eq!(tried, [0, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_has_the_next_one_tried_at_once() {
        let (ended, tried) = raced(&["10.0.0.1:2", "10.0.0.2:2", "10.0.0.3:50"]).await;
        assert_eq!(ended, Ok(address("10.0.0.3:50")));
        assert_eq!(tried, [0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_may_still_win() {
        let (ended, tried) = raced(&["10.0.0.1:400", "10.0.0.2:1", "10.0.0.3:1"]).await;
        assert_eq!(ended, Ok(address("10.0.0.1:400")));
        assert_eq!(tried, [0, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_fail_together_and_none_is_waited_for_twice() {
        let began = Instant::now();
        let (ended, tried) = raced(&["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:1"]).await;
        assert_eq!(ended, Err(3));
        assert_eq!(tried, [0, 250, 250]);
        assert!(began.elapsed() <= TIMEOUT + ATTEMPT_DELAY);
        assert_eq!(raced(&[]).await.0, Err(0));
    }

    #[test]
    fn a_failure_names_the_addresses() {
        let failures: Vec<_> = (1..=5)
            .map(|n| (address(&format!("10.0.0.{n}:443")), "no answer"))
            .collect();
        let said = ConnectError::Unreachable {
            host: "exp.example".to_owned(),
            failures: listed(&failures),
        }
        .to_string();
        assert!(said.contains("exp.example at 10.0.0.1:443 failed: no answer"));
        assert!(said.ends_with("and 2 more addresses"), "{said}");
    }
}
