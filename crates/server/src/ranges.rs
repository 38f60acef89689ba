//! Conditional and range requests for one file (RFC 9110, sections 13 and 14).
//!
//! Only single ranges are served. A request for several gets the whole file, as the RFC allows:
//! joining them would cost more than it saves.

use std::ops::Range;
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderValue, header};

/// State of the file when the request arrives.
#[derive(Clone, Debug)]
pub struct Representation {
    pub length: u64,
    pub modified: Option<SystemTime>,
    /// Strong validator, quotes included.
    pub etag: String,
}

/// Answer to a request for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection {
    Whole,
    Part(Range<u64>),
    /// The client's copy is current.
    NotModified,
    /// The range starts beyond the end.
    Unsatisfiable,
}

impl Representation {
    pub fn select(&self, headers: &HeaderMap) -> Selection {
        if self.is_known_to(headers) {
            return Selection::NotModified;
        }
        let mut ranges = headers.get_all(header::RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return Selection::Whole;
        };
        if !self.allows_range(headers) {
            return Selection::Whole;
        }
        range
            .to_str()
            .ok()
            .and_then(|text| self.parse_range(text))
            .unwrap_or(Selection::Whole)
    }

    pub fn last_modified(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(httpdate::fmt_http_date(self.modified?)).ok()
    }

    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        if let Some(known) = headers.get(header::IF_NONE_MATCH) {
            let known = known.to_str().unwrap_or_default();
            return known
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == self.etag);
        }
        let since = headers.get(header::IF_MODIFIED_SINCE);
        let since = since.and_then(|since| httpdate::parse_http_date(since.to_str().ok()?).ok());
        // The header has a resolution of one second.
        matches!((since, self.modified_second()), (Some(since), Some(at)) if at <= since)
    }

    /// Checks `If-Range`: the range applies only if the client's part is of the current file.
    fn allows_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(header::IF_RANGE) else {
            return true;
        };
        let condition = condition.to_str().unwrap_or_default();
        if condition.starts_with('"') {
            return condition == self.etag;
        }
        let date = httpdate::parse_http_date(condition).ok();
        date.is_some() && date == self.modified_second()
    }

    fn modified_second(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(&httpdate::fmt_http_date(self.modified?)).ok()
    }

    /// Parses `bytes=FIRST-LAST`, `bytes=FIRST-` and `bytes=-LENGTH`; `None` for anything else,
    /// which is ignored.
    fn parse_range(&self, text: &str) -> Option<Selection> {
        let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(first) || !is_number(last) || (first.is_empty() && last.is_empty()) {
            return None;
        }
        // A number that overflows is beyond every end.
        let number = |text: &str| text.parse().unwrap_or(u64::MAX);
        let range = if first.is_empty() {
            self.length.saturating_sub(number(last))..self.length
        } else if last.is_empty() {
            number(first)..self.length
        } else if number(last) < number(first) {
            return None;
        } else {
            number(first)..number(last).saturating_add(1).min(self.length)
        };
        if range.is_empty() {
            return Some(Selection::Unsatisfiable);
        }
        Some(Selection::Part(range))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn file() -> Representation {
        Representation {
            length: 100,
            modified: Some(UNIX_EPOCH + Duration::from_millis(1_000_000_500)),
            etag: "\"a\"".to_owned(),
        }
    }

    fn select(headers: &[(&'static str, &str)]) -> Selection {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        file().select(&map)
    }

    #[test]
    fn a_range_is_cut_to_the_file_and_nonsense_is_ignored() {
        for (range, selection) in [
            ("bytes=0-0", Selection::Part(0..1)),
            ("bytes=10-", Selection::Part(10..100)),
            ("bytes=-10", Selection::Part(90..100)),
            ("bytes=-1000", Selection::Part(0..100)),
            ("bytes=90-99999999999999999999999", Selection::Part(90..100)),
            ("bytes=100-", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=5-4", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=0-1,5-6", Selection::Whole),
            ("bytes=+1-5", Selection::Whole),
            ("lines=1-5", Selection::Whole),
        ] {
            assert_eq!(select(&[("range", range)]), selection, "{range}");
        }
        assert_eq!(
            select(&[("range", "bytes=0-1"), ("range", "bytes=5-6")]),
            Selection::Whole
        );
        let empty = Representation {
            length: 0,
            ..file()
        };
        let range = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-"))]);
        assert_eq!(empty.select(&range), Selection::Unsatisfiable);
    }

    #[test]
    fn conditions_are_heeded() {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(1_000_000));
        let earlier = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(999_999));
        assert_eq!(
            select(&[("if-none-match", "\"b\", W/\"a\"")]),
            Selection::NotModified
        );
        assert_eq!(select(&[("if-none-match", "\"b\"")]), Selection::Whole);
        assert_eq!(
            select(&[("if-modified-since", &date)]),
            Selection::NotModified
        );
        assert_eq!(select(&[("if-modified-since", &earlier)]), Selection::Whole);
        // The tag takes precedence over the date.
        let both = [("if-none-match", "\"b\""), ("if-modified-since", &*date)];
        assert_eq!(select(&both), Selection::Whole);
        let part = Selection::Part(1..3);
        for (condition, selection) in [
            ("\"a\"", &part),
            (&*date, &part),
            ("\"b\"", &Selection::Whole),
            ("W/\"a\"", &Selection::Whole),
            (&*earlier, &Selection::Whole),
        ] {
            let headers = [("range", "bytes=1-2"), ("if-range", condition)];
            assert_eq!(&select(&headers), selection, "{condition}");
        }
    }
}
