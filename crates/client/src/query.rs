//! Filters and limits of a search.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of a path segment that need no encoding (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a text as one path segment.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Parameters of a search: which documents, how many, in which order.
///
/// ```
/// use expd_client::Query;
///
/// let query = Query::new().filter("location.uuid", "a-uuid").sort("name").limit(10);
/// let same = [("location.uuid", "a-uuid"), ("sort", "name"), ("limit", "10")];
/// assert_eq!(query, Query::from(same));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a query does nothing by itself"]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// No filters, and the network's default page size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only documents whose field, by its dotted path, has this value.
    pub fn filter(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(field.into(), value.into());
        self
    }

    /// At most this many; 0 returns their number alone ([`Found::total`](crate::Found::total)).
    pub fn limit(self, limit: u64) -> Self {
        self.filter("limit", limit.to_string())
    }

    /// Skips the first ones.
    pub fn skip(self, skip: u64) -> Self {
        self.filter("skip", skip.to_string())
    }

    /// Sorts by this field; `-FIELD` reverses the order.
    pub fn sort(self, field: impl Into<String>) -> Self {
        self.filter("sort", field)
    }
}

impl From<()> for Query {
    fn from((): ()) -> Self {
        Self::new()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Query {
    fn from(parameters: [(&str, &str); N]) -> Self {
        let owned = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.into())
    }
}

impl From<BTreeMap<String, String>> for Query {
    fn from(parameters: BTreeMap<String, String>) -> Self {
        Self(parameters)
    }
}

impl From<Query> for BTreeMap<String, String> {
    fn from(query: Query) -> Self {
        query.0
    }
}
