//! The query of an Engine.IO request, read as the Socket.IO library reads it: what is decided here and what is carried out there
//! must never differ.

use axum::http::Uri;
use socketioxide::socket::Sid;

use expd_domain::Secret;

/// Where the library serves, with what stands below it.
const PATH: &str = "/socket.io";

/// The protocol generation that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    V3,
    V4,
}

/// What an Engine.IO request says of its session. A parameter counts where it stands first.
#[derive(Clone, Copy, Debug)]
pub(super) struct EngineQuery<'a> {
    query: &'a str,
}

impl<'a> EngineQuery<'a> {
    /// Of a request for the live socket; nothing of others.
    pub(super) fn of(uri: &'a Uri) -> Option<Self> {
        let below = uri.path().strip_prefix(PATH)?;
        (below.is_empty() || below.starts_with('/')).then(|| Self {
            query: uri.query().unwrap_or_default(),
        })
    }

    /// Which generation the client speaks; nothing where it is none that is served.
    pub(super) fn generation(self) -> Option<Generation> {
        match self.parameter("EIO=")? {
            "3" => Some(Generation::V3),
            "4" => Some(Generation::V4),
            _ => None,
        }
    }

    pub(super) fn sid(self) -> Option<Sid> {
        self.find("sid=")?.parse().ok()
    }

    /// Whether it opens a session: a session's ID that cannot be read is one nevertheless.
    pub(super) fn opens(self) -> bool {
        self.find("sid=").is_none()
    }

    pub(super) fn is_websocket(self) -> bool {
        self.parameter("transport=") == Some("websocket")
    }

    pub(super) fn is_polling(self) -> bool {
        self.parameter("transport=") == Some("polling")
    }

    /// Whether the client takes text alone.
    pub(super) fn wants_text(self) -> bool {
        matches!(self.find("b64="), Some("1" | "true"))
    }

    /// The session token, with what its spelling escaped.
    pub(super) fn token(self) -> Option<Secret> {
        let token = self.find("token=")?;
        let plain = token.replace('+', " ");
        let token = percent_encoding::percent_decode_str(&plain);
        Some(Secret::new(token.decode_utf8().ok()?))
    }

    fn find(self, prefix: &str) -> Option<&'a str> {
        let mut pairs = self.query.split('&');
        pairs.find_map(|pair| pair.strip_prefix(prefix))
    }

    fn parameter(self, prefix: &str) -> Option<&'a str> {
        // The library takes what stands between the first two signs of equality.
        self.find(prefix)?.split('=').next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_where_it_stands_first() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let of = uri(
            "/socket.io/?EIO=3&EIO=4&transport=polling=x&sid=AAAAAAAAAAAAAAHs&token=a%2Bb&token=c",
        );
        let query = EngineQuery::of(&of).unwrap();
        assert_eq!(query.generation(), Some(Generation::V3));
        assert!(query.is_polling() && !query.is_websocket() && !query.wants_text());
        assert_eq!(query.sid(), "AAAAAAAAAAAAAAHs".parse().ok());
        assert_eq!(query.token().unwrap().expose(), "a+b");
        let bare = uri("/socket.io?EIO=%33&b64&sid=x");
        let query = EngineQuery::of(&bare).unwrap();
        assert_eq!(query.generation(), None);
        assert!(!query.is_polling() && query.token().is_none() && !query.wants_text());
        assert!(query.sid().is_none() && !query.opens());
        for other in ["/api/devices?EIO=3", "/socket.ioxyz?EIO=3"] {
            assert!(EngineQuery::of(&uri(other)).is_none(), "{other}");
        }
    }
}
