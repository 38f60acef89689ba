//! Queries of collections: equality filters by dotted path, `sort`, `skip`, `limit`.
//!
//! `location.zones.key=a` matches if any zone has that key: a path applies to each element of a
//! list on its way. A path that is given more than once matches any of its values. A filter's text
//! is compared with texts, numbers as written, `true`, `false` and `null`.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;

use super::body::{PAYLOAD_BODY, json};
use super::error::ApiError;
use expd_domain::{Payload, Quoted};

/// Limit of one response: the results stop short of it, so that one document of maximum size still
/// fits. `total` counts all; `skip` gets the others.
const MAX_PAGE_BYTES: usize = PAYLOAD_BODY;

/// Collections up to this size are searched on the async thread, larger ones on a blocking thread.
const INLINE_BYTES: usize = 256 * 1024;

/// Parameters that are not filters. `_rt` is a token; JS sends `undefined` for an unset name.
const NO_FILTERS: [&str; 3] = ["_rt", "appContent", "undefined"];

/// Query of a collection.
#[derive(Debug, Default)]
pub(super) struct CollectionQuery {
    filters: Vec<Filter>,
    sort: Vec<SortField>,
    skip: usize,
    limit: Option<usize>,
}

/// Path, and the values of which one must match.
#[derive(Debug)]
struct Filter {
    path: String,
    values: Vec<String>,
}

#[derive(Debug)]
struct SortField {
    path: String,
    descending: bool,
}

/// Results of a query.
#[derive(Debug, Default)]
pub(super) struct ResultPage {
    /// Number of all matching documents, on this page or not.
    pub total: usize,
    pub results: Vec<Arc<Payload>>,
}

impl<S: Send + Sync> FromRequestParts<S> for CollectionQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
        Self::read(pairs)
    }
}

impl CollectionQuery {
    /// Reads the parameters of a request.
    pub(super) fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => query.limit = count(&name, &value)?,
                "skip" => query.skip = count(&name, &value)?.unwrap_or(0),
                "sort" => query.sort = sort_fields(&value),
                _ if NO_FILTERS.contains(&name.as_str()) => {}
                _ => match query.filters.iter_mut().find(|f| f.path == name) {
                    Some(filter) => filter.values.push(value),
                    None => query.filters.push(Filter {
                        path: name,
                        values: vec![value],
                    }),
                },
            }
        }
        Ok(query)
    }

    /// Runs the query over all documents of a collection.
    pub(super) async fn run(self, documents: Vec<Arc<Payload>>) -> Result<ResultPage, ApiError> {
        let bytes: usize = documents.iter().map(|one| one.as_str().len()).sum();
        if bytes <= INLINE_BYTES || self.filters.is_empty() && self.sort.is_empty() {
            return Ok(self.page(documents));
        }
        tokio::task::spawn_blocking(move || self.page(documents))
            .await
            .map_err(|error| ApiError::internal(format!("a search failed: {error}")))
    }

    /// The page of these documents.
    pub(super) fn page(&self, mut documents: Vec<Arc<Payload>>) -> ResultPage {
        documents.retain(|document| self.matches(document.as_str()));
        if !self.sort.is_empty() {
            documents.sort_by_cached_key(|document| SortKeys::new(&self.sort, document));
        }
        let total = documents.len();
        let mut bytes = 0;
        let results = documents
            .into_iter()
            .skip(self.skip)
            .take(self.limit.unwrap_or(usize::MAX))
            .enumerate()
            .take_while(|(n, document)| {
                bytes += document.as_str().len() + 1;
                *n == 0 || bytes <= MAX_PAGE_BYTES
            })
            .map(|(_, document)| document)
            .collect();
        ResultPage { total, results }
    }

    fn matches(&self, text: &str) -> bool {
        if !self.filters.iter().all(|filter| filter.may_match(text)) {
            return false;
        }
        // Only parsed documents are stored.
        self.filters.is_empty()
            || serde_json::from_str(text)
                .is_ok_and(|document: Value| self.filters.iter().all(|f| f.matches(&document)))
    }
}

impl Filter {
    /// False if the text cannot hold any of the values, which saves parsing it. Escapes may hide a
    /// value.
    fn may_match(&self, text: &str) -> bool {
        let plain = |value: &str| !value.contains(|c: char| c.is_control() || "\"\\".contains(c));
        text.contains('\\')
            || self
                .values
                .iter()
                .any(|value| !plain(value) || text.contains(value.as_str()))
    }

    fn matches(&self, document: &Value) -> bool {
        leaves(document, &self.path, &mut |leaf| {
            self.values.iter().any(|value| equals(leaf, value))
        })
    }
}

/// True if `wanted` holds for any value at a dotted path.
fn leaves(value: &Value, path: &str, wanted: &mut impl FnMut(&Value) -> bool) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(|one| leaves(one, path, wanted)),
        Value::Object(fields) => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            fields.get(name).is_some_and(|field| {
                if rest.is_empty() {
                    match field {
                        Value::Array(elements) => elements.iter().any(&mut *wanted),
                        field => wanted(field),
                    }
                } else {
                    leaves(field, rest, wanted)
                }
            })
        }
        _ => false,
    }
}

fn equals(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Number(number) => number.to_string() == text,
        Value::Bool(flag) => text == if *flag { "true" } else { "false" },
        Value::Null => text == "null",
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn count(name: &str, value: &str) -> Result<Option<usize>, ApiError> {
    if matches!(value, "" | "undefined" | "null") {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| {
        let what = format!(
            "{name} must be a number of at least 0, not {}",
            Quoted(value)
        );
        ApiError::bad_request("request.query.malformed", what)
    })
}

/// Sort fields in order of precedence, as in `name,-created`.
fn sort_fields(value: &str) -> Vec<SortField> {
    let fields = value.split(',').map(str::trim).filter(|f| !f.is_empty());
    fields
        .map(|field| {
            let (path, descending) = match field.strip_prefix('-') {
                Some(path) => (path, true),
                // A query's `+` decodes to a space, unless it was escaped.
                None => (field.trim_start_matches('+'), false),
            };
            SortField {
                path: path.to_owned(),
                descending,
            }
        })
        .collect()
}

/// Values of a document at the paths that it is sorted by.
struct SortKeys(Vec<(SortKey, bool)>);

/// Value at a path. Documents without one come first.
#[derive(PartialEq, PartialOrd)]
enum SortKey {
    Nothing,
    Number(f64),
    Text(String),
    Flag(bool),
}

impl SortKeys {
    fn new(fields: &[SortField], document: &Payload) -> Self {
        let document: Value = serde_json::from_str(document.as_str()).unwrap_or_default();
        let key = |field: &SortField| {
            let mut key = SortKey::Nothing;
            leaves(&document, &field.path, &mut |leaf| {
                key = match leaf {
                    Value::String(text) => SortKey::Text(text.clone()),
                    Value::Number(number) => {
                        number.as_f64().map_or(SortKey::Nothing, SortKey::Number)
                    }
                    Value::Bool(flag) => SortKey::Flag(*flag),
                    _ => SortKey::Nothing,
                };
                true
            });
            (key, field.descending)
        };
        Self(fields.iter().map(key).collect())
    }
}

impl Ord for SortKeys {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.0.iter().zip(&other.0);
        let mut orders = pairs.map(|((own, descending), (other, _))| {
            // JSON numbers are finite.
            let order = own.partial_cmp(other).unwrap_or(Ordering::Equal);
            if *descending { order.reverse() } else { order }
        });
        orders
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for SortKeys {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKeys {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKeys {}

impl ResultPage {
    /// Answers `{"total","results"}`.
    pub(super) fn into_response(self) -> Response {
        let results: Vec<&str> = self.results.iter().map(|one| one.as_str()).collect();
        json(format!(
            r#"{{"total":{},"results":[{}]}}"#,
            self.total,
            results.join(",")
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Result<CollectionQuery, ApiError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        CollectionQuery::read(pairs.iter().map(own).collect())
    }

    fn find(documents: &[Value], pairs: &[(&str, &str)]) -> (usize, Vec<i64>) {
        let documents = documents
            .iter()
            .map(|one| Arc::new(Payload::from(one.clone())));
        let page = query(pairs).unwrap().page(documents.collect());
        let number = |one: &Arc<Payload>| {
            let document: Value = serde_json::from_str(one.as_str()).unwrap();
            document["n"].as_i64().unwrap()
        };
        (page.total, page.results.iter().map(number).collect())
    }

    #[test]
    fn a_filter_is_equality_at_a_path_through_lists() {
        let all = [
            json!({"n": 1, "name": "a", "location": {"uuid": "x", "zones": [{"key": "1"}, {"key": "2"}]}}),
            json!({"n": 2, "name": "b\"\\é", "location": {"uuid": "x", "zones": []}, "size": 2.50}),
            json!({"n": 3, "name": null, "location": {"uuid": null}, "on": true, "tags": ["p", "q"]}),
            json!({"n": 4, "location": "x"}),
        ];
        for (filters, expected) in [
            (vec![], vec![1, 2, 3, 4]),
            (vec![("name", "a")], vec![1]),
            (vec![("name", "b\"\\é")], vec![2]),
            (vec![("name", "null")], vec![3]),
            (vec![("name", "a"), ("name", "null")], vec![1, 3]),
            (vec![("location.uuid", "x")], vec![1, 2]),
            (
                vec![("location.uuid", "x"), ("location.zones.key", "2")],
                vec![1],
            ),
            (vec![("location.zones", "2")], vec![]),
            (vec![("size", "2.5")], vec![2]),
            (vec![("on", "true"), ("tags", "q")], vec![3]),
            (vec![("nothing.of.it", "x")], vec![]),
            (
                vec![("_rt", "token"), ("undefined", "undefined")],
                vec![1, 2, 3, 4],
            ),
        ] {
            assert_eq!(find(&all, &filters).1, expected, "{filters:?}");
        }
    }

    #[test]
    fn escaped_text_is_found() {
        let document = Arc::new(Payload::parse(r#"{"key":"\u0063at"}"#).unwrap());
        let page = query(&[("key", "cat")]).unwrap().page(vec![document]);
        assert_eq!(page.total, 1);
    }

    #[test]
    fn a_page_is_sorted_and_total_counts_all() {
        let all = [
            json!({"n": 1, "name": "b", "size": 10}),
            json!({"n": 2, "name": "a", "size": 9}),
            json!({"n": 3, "name": "b", "size": 9}),
            json!({"n": 4}),
        ];
        for (pairs, expected) in [
            (vec![("sort", "name")], vec![4, 2, 1, 3]),
            (vec![("sort", "-name,size")], vec![3, 1, 2, 4]),
            (vec![("sort", " name,-size")], vec![4, 2, 1, 3]),
            (vec![("sort", "asc")], vec![1, 2, 3, 4]),
            (vec![("skip", "1"), ("limit", "2")], vec![2, 3]),
            (vec![("limit", "0")], vec![]),
            (vec![("limit", "undefined")], vec![1, 2, 3, 4]),
            (vec![("skip", "9")], vec![]),
        ] {
            assert_eq!(find(&all, &pairs), (4, expected), "{pairs:?}");
        }
        for bad in [("limit", "x"), ("limit", "-1"), ("skip", "1.5")] {
            assert_eq!(query(&[bad]).unwrap_err().code, "request.query.malformed");
        }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large() {
        let document = Payload::from(Value::from("x".repeat(MAX_PAGE_BYTES / 2 - 100)));
        let document = Arc::new(document);
        let documents = (0..5).map(|_| document.clone()).collect();
        let page = query(&[]).unwrap().page(documents);
        assert_eq!((page.total, page.results.len()), (5, 2));
        let large = Payload::parse(format!("\"{}\"", "x".repeat(15_999_000))).unwrap();
        let large = Arc::new(large);
        let page = query(&[]).unwrap().page(vec![large.clone(), large]);
        assert_eq!((page.total, page.results.len()), (2, 1));
    }
}
