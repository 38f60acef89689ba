//! `GET /api/connectors/feeds/UUID/data`: the data of a feed.
//!
//! The hub fetches no external source. A feed's data is the `data` of its document: `search`,
//! `details` and `items`. A dynamic feed takes its search from the request, a static one from its
//! document.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::body::{PathParams, json as json_text};
use super::error::ApiError;
use super::login::Login;
use super::resource_store::{Collection, Document, unknown};
use super::state::HubState;

pub(super) async fn data(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    parameters: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let Query(parameters) = parameters
        .map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    let feed = hub.resources.lock().get(Collection::Feeds, &uuid).cloned();
    let feed = feed.ok_or_else(|| unknown(&uuid))?;
    // Only parsed documents are stored.
    let feed: Document = serde_json::from_str(feed.as_str()).unwrap_or_default();
    Ok(json_text(Value::from(answer(feed, parameters)).to_string()))
}

fn answer(mut feed: Document, parameters: Vec<(String, String)>) -> Document {
    let mut data = match feed.remove("data") {
        Some(Value::Object(stored)) => stored,
        Some(Value::Array(items)) => Map::from_iter([("items".to_owned(), Value::from(items))]),
        _ => Map::new(),
    };
    let mut search = Map::new();
    search.insert(
        "search".to_owned(),
        feed.remove("searchValue").unwrap_or_default(),
    );
    if feed.get("dataType").and_then(Value::as_str) == Some("dynamic") {
        for (name, value) in parameters {
            match name.as_str() {
                "_rt" => {}
                "searchValue" => drop(search.insert("search".to_owned(), Value::from(value))),
                _ => drop(search.insert(name, Value::from(value))),
            }
        }
        data.remove("search");
    }
    for (name, default) in [
        ("search", Value::from(search)),
        ("details", json!({})),
        ("items", json!([])),
    ] {
        data.entry(name).or_insert(default);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(feed: Value, parameters: &[(&str, &str)]) -> Value {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let feed = serde_json::from_value(feed).unwrap();
        Value::from(answer(feed, parameters.iter().map(own).collect()))
    }

    #[test]
    fn a_static_feed_answers_what_was_stored() {
        let stored =
            json!({"search": {"search": "x"}, "details": {"page": 1}, "items": [{"text": "a"}]});
        let feed = json!({"dataType": "static", "searchValue": "19713", "data": stored});
        assert_eq!(data(feed, &[("searchValue", "other")]), stored);
        let bare = json!({"dataType": "static", "searchValue": "19713"});
        assert_eq!(
            data(bare, &[]),
            json!({"search": {"search": "19713"}, "details": {}, "items": []})
        );
    }

    #[test]
    fn a_dynamic_feed_echoes_its_search() {
        let feed = json!({"dataType": "dynamic", "searchValue": "", "data": [{"text": "a"}]});
        assert_eq!(
            data(
                feed,
                &[("searchValue", "19713"), ("max", "3"), ("_rt", "token")]
            ),
            json!({"search": {"search": "19713", "max": "3"}, "details": {}, "items": [{"text": "a"}]})
        );
    }
}
