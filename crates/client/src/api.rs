//! Plain calls of EXP's HTTP API.

use std::collections::BTreeMap;

use expd_domain::message::ErrorBody;
use expd_domain::{Payload, Quoted};

use crate::api_error::ApiError;
use crate::error::ClientError;
use crate::exp::Exp;
use crate::query::Query;

impl Exp {
    /// Sends a GET to EXP's API: `exp.get("/api/devices", [("name", "lobby")])`.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it; otherwise see [`ClientError::fate`].
    pub async fn get(&self, path: &str, query: impl Into<Query>) -> Result<Payload, ClientError> {
        self.call("GET", path, query.into(), None).await
    }

    /// Sends a POST.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn post(&self, path: &str, body: impl Into<Payload>) -> Result<Payload, ClientError> {
        let body = body.into();
        self.call("POST", path, Query::new(), Some(&body)).await
    }

    /// Sends a PATCH.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn patch(
        &self,
        path: &str,
        body: impl Into<Payload>,
    ) -> Result<Payload, ClientError> {
        let body = body.into();
        self.call("PATCH", path, Query::new(), Some(&body)).await
    }

    /// Sends a PUT.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn put(&self, path: &str, body: impl Into<Payload>) -> Result<Payload, ClientError> {
        let body = body.into();
        self.call("PUT", path, Query::new(), Some(&body)).await
    }

    /// Sends a DELETE.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn delete(&self, path: &str) -> Result<Payload, ClientError> {
        self.call("DELETE", path, Query::new(), None).await
    }

    /// Sends a request. A response without a document is `null`; one with an error status or
    /// without JSON is an error.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        query: Query,
        body: Option<&Payload>,
    ) -> Result<Payload, ClientError> {
        let client = self.ready().await?;
        let query: BTreeMap<_, _> = query.into();
        let request = client.request(self.instance(), method, path, query, body);
        let answer = request.await?;
        let payload = answer.body.unwrap_or_default();
        let call = || format!("{method} {path}");
        if answer.status >= 300 {
            let said: ErrorBody = serde_json::from_str(payload.as_str()).unwrap_or_default();
            return Err(ClientError::Api(Box::new(ApiError {
                status: answer.status,
                code: said.code,
                message: said.message,
                payload,
                call: call(),
            })));
        }
        if !answer.raw.is_empty() {
            return Err(ClientError::Contract(format!(
                "EXP answered {} with {}, which is not JSON; Client::request and Client::fetch take it",
                call(),
                Quoted(&answer.content_type)
            )));
        }
        Ok(payload)
    }

    /// As [`call`](Self::call), with `None` for a 404.
    pub(crate) async fn call_for_one(&self, path: &str) -> Result<Option<Payload>, ClientError> {
        match self.call("GET", path, Query::new(), None).await {
            Ok(payload) if payload.as_str() == "null" => Ok(None),
            Ok(payload) => Ok(Some(payload)),
            Err(ClientError::Api(error)) if error.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
