//! Cookies of a session over long polling. A load balancer sets them, at the handshake or later, to
//! route requests to the server that holds the session.

use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// Bound on the cookies in bytes. Those beyond are ignored.
const MAX_BYTES: usize = 8 << 10;

/// Bound on the number of cookies.
const MAX_COOKIES: usize = 64;

/// Cookies by name, in the order of their first setting. All requests of a session go to one host
/// and path, so their attributes do not matter, except those that delete a cookie.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Applies the cookies that an answer sets.
    pub fn update(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            if let Ok(cookie) = cookie.to_str() {
                self.set(cookie);
            }
        }
    }

    fn set(&mut self, cookie: &str) {
        let mut parts = cookie.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return;
        }
        let place = self.0.iter().position(|(known, _)| known == name);
        if parts.any(ends) {
            if let Some(place) = place {
                self.0.remove(place);
            }
            return;
        }
        let others = self.0.iter().filter(|(known, _)| known != name);
        let carried: usize = others.map(|(name, value)| size(name, value)).sum();
        if carried + size(name, value) > MAX_BYTES {
            return;
        }
        if let Some((_, known)) = place.and_then(|place| self.0.get_mut(place)) {
            value.clone_into(known);
        } else if self.0.len() < MAX_COOKIES {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` field; `None` where there are no cookies.
    pub fn header(&self) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        HeaderValue::from_str(&pairs.join("; ")).ok()
    }
}

/// Bytes of a cookie in a request, with its separators.
fn size(name: &str, value: &str) -> usize {
    name.len() + value.len() + "=; ".len()
}

/// True for an attribute that deletes the cookie.
fn ends(attribute: &str) -> bool {
    let Some((name, value)) = attribute.split_once('=') else {
        return false;
    };
    let (name, value) = (name.trim(), value.trim());
    if name.eq_ignore_ascii_case("max-age") {
        return value.parse::<i64>().is_ok_and(|seconds| seconds <= 0);
    }
    // A wrong clock may delete a valid cookie; a session's last for days, or have no date.
    name.eq_ignore_ascii_case("expires")
        && httpdate::parse_http_date(value).is_ok_and(|date| date < SystemTime::now())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_is_carried_is_bounded() {
        let large = format!("large={}", "x".repeat(9000));
        assert_eq!(after(&["a=1", &large]).unwrap(), "a=1");
        let mut jar = Cookies::default();
        for n in 0..1000 {
            jar.set(&format!("cookie{n}={}", "x".repeat(100)));
        }
        assert!(jar.0.len() <= MAX_COOKIES);
        assert!(jar.header().unwrap().len() <= MAX_BYTES);
        // A growing cookie replaces itself, but not beyond the bound.
        for n in 0..1000 {
            jar.set(&format!("cookie0={}", "x".repeat(n * 10)));
        }
        assert!(jar.header().unwrap().len() <= MAX_BYTES);
    }
}
