//! Cookies of a session over long polling. A load balancer sets them, at the handshake or later, to
//! route requests to the server with the session.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use tokio::time::Instant;

use crate::server_time;

/// Maximum size of all cookies, in bytes. Further ones are ignored.
const MAX_BYTES: usize = 8 << 10;

/// Maximum number of cookies.
const MAX_COOKIES: usize = 64;

/// Cookies in the order in which they were first set. All requests of a session go to one host and
/// path, so only the attributes for expiry matter.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    /// By the monotonic clock. It stands still while the machine sleeps, but no session outlives
    /// that.
    ends: Option<Instant>,
}

impl Cookies {
    /// Applies the cookies that an answer sets.
    pub fn update(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            if let Ok(cookie) = cookie.to_str() {
                self.set(cookie, server_time::now(headers));
            }
        }
    }

    fn set(&mut self, cookie: &str, server: Option<SystemTime>) {
        let mut parts = cookie.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return;
        }
        let now = Instant::now();
        self.0
            .retain(|known| known.ends.is_none_or(|end| end > now));
        let place = self.0.iter().position(|known| known.name == name);
        let life = life(parts, server);
        if life.is_some_and(|life| life.is_zero()) {
            if let Some(place) = place {
                self.0.remove(place);
            }
            return;
        }
        let others = self.0.iter().filter(|known| known.name != name);
        let carried: usize = others.map(|it| size(&it.name, &it.value)).sum();
        if carried + size(name, value) > MAX_BYTES {
            return;
        }
        // A lifetime beyond the clock's range never ends.
        let ends = life.and_then(|life| now.checked_add(life));
        if let Some(known) = place.and_then(|place| self.0.get_mut(place)) {
            value.clone_into(&mut known.value);
            known.ends = ends;
        } else if self.0.len() < MAX_COOKIES {
            self.0.push(Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
                ends,
            });
        }
    }

    /// The `Cookie` field; `None` if there are no cookies.
    pub fn header(&self) -> Option<HeaderValue> {
        let now = Instant::now();
        let alive = self
            .0
            .iter()
            .filter(|it| it.ends.is_none_or(|end| end > now));
        let pairs: Vec<String> = alive
            .map(|it| format!("{}={}", it.name, it.value))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        HeaderValue::from_str(&pairs.join("; ")).ok()
    }
}

/// Bytes that a cookie takes in a request, separators included.
fn size(name: &str, value: &str) -> usize {
    name.len() + value.len() + "=; ".len()
}

/// Lifetime of a cookie with these attributes; zero if they delete it, `None` for a session cookie.
/// `Max-Age` takes precedence over `Expires`, which is a date by the server's clock: the lifetime
/// is the difference to the response's `Date`. This machine's clock, which may be wrong, is used
/// only without a `Date`.
fn life<'a>(
    attributes: impl Iterator<Item = &'a str>,
    server: Option<SystemTime>,
) -> Option<Duration> {
    let (mut max_age, mut expires) = (None, None);
    for attribute in attributes {
        let Some((name, value)) = attribute.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("max-age") {
            let seconds = value.parse::<i64>().ok();
            max_age = seconds.map(|it| Duration::from_secs(u64::try_from(it).unwrap_or(0)));
        } else if name.eq_ignore_ascii_case("expires") {
            let date = httpdate::parse_http_date(value).ok();
            let now = server.unwrap_or_else(SystemTime::now);
            expires = date.map(|date| date.duration_since(now).unwrap_or_default());
        }
    }
    max_age.or(expires)
}

#[cfg(test)]
mod tests {
    use reqwest::header::DATE;

    use super::*;

    fn after(cookies: &[&str]) -> Option<String> {
        let mut jar = Cookies::default();
        for cookie in cookies {
            let value = HeaderValue::from_str(cookie).unwrap();
            jar.update(&HeaderMap::from_iter([(SET_COOKIE, value)]));
        }
        jar.header()
            .map(|header| header.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_are_carried_replaced_by_name_and_taken_back() {
        assert_eq!(after(&[]), None);
        let carried = after(&["io=abc; Path=/; HttpOnly", "LB=1"]);
        assert_eq!(carried.unwrap(), "io=abc; LB=1");
        let replaced = after(&["io=abc", "LB=1", "io=def; Path=/", "late=x==; Secure"]);
        assert_eq!(replaced.unwrap(), "io=def; LB=1; late=x==");
        assert_eq!(after(&["a=1", "b=2", "a=; Max-Age=0"]).unwrap(), "b=2");
        let long_ago = "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(after(&["a=1", long_ago]), None);
        assert_eq!(after(&["no pair", "=x", "a=1"]).unwrap(), "a=1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cookie_ends_when_its_life_has_passed_whatever_the_date_is_here() {
        // The server's clock is years behind this machine's.
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        for cookie in [
            "age=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "date=2; Expires=Sun, 06 Nov 1994 08:51:37 GMT",
            "past=3; Expires=Sun, 06 Nov 1994 08:49:37 GMT",
            "for=ever; Max-Age=9223372036854775807",
        ] {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        let mut jar = Cookies::default();
        jar.update(&headers);
        let sent = |jar: &Cookies| jar.header().unwrap().to_str().unwrap().to_owned();
        assert_eq!(sent(&jar), "age=1; date=2; for=ever");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(sent(&jar), "date=2; for=ever");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(sent(&jar), "for=ever");
        // Setting a cookie again extends its life.
        jar.set("for=a while; Max-Age=1", None);
        jar.set("for=ever", None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(sent(&jar), "for=ever");
    }

    #[test]
    fn what_is_carried_is_bounded() {
        let large = format!("large={}", "x".repeat(9000));
        assert_eq!(after(&["a=1", &large]).unwrap(), "a=1");
        let mut jar = Cookies::default();
        for n in 0..1000 {
            jar.set(&format!("cookie{n}={}", "x".repeat(100)), None);
        }
        assert!(jar.0.len() <= MAX_COOKIES);
        assert!(jar.header().unwrap().len() <= MAX_BYTES);
        // A growing cookie replaces itself, but only up to the limit.
        for n in 0..1000 {
            jar.set(&format!("cookie0={}", "x".repeat(n * 10)), None);
        }
        assert!(jar.header().unwrap().len() <= MAX_BYTES);
    }
}
