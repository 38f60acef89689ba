//! Times in the header fields of a response.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The server's clock (`Date`), with a resolution of one second.
pub fn now(headers: &HeaderMap) -> Option<SystemTime> {
    date(headers, &DATE)
}

/// The wait that the server requests (`Retry-After`): in seconds, or until a time by its own clock.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = now(headers).unwrap_or_else(SystemTime::now);
    date(headers, &RETRY_AFTER)?.duration_since(now).ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_by_the_servers_clock() {
        let clock = "Sun, 06 Nov 1994 08:49:37 GMT";
        let read = |text: &str| {
            let headers = [(DATE, clock), (RETRY_AFTER, text)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            retry_after(&HeaderMap::from_iter(headers))
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:50:07 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), None, "in the past");
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(
            read("18446744073709551615"),
            Some(Duration::from_secs(u64::MAX))
        );
    }
}
