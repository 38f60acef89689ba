//! Query of an Engine.IO request.

use axum::http::Uri;

use expd_domain::{Generation, Secret};

/// Path prefix of Socket.IO.
const PATH: &str = "/socket.io";

/// Query parameters of an Engine.IO request. Of duplicates, the first counts.
#[derive(Clone, Copy, Debug)]
pub struct EngineQuery<'a> {
    query: &'a str,
}

impl<'a> EngineQuery<'a> {
    /// Parses the query of a request for a live socket; `None` for other requests.
    pub fn of(uri: &'a Uri) -> Option<Self> {
        let below = uri.path().strip_prefix(PATH)?;
        (below.is_empty() || below.starts_with('/')).then(|| Self {
            query: uri.query().unwrap_or_default(),
        })
    }

    /// Generation that the client speaks, if it is supported.
    pub fn generation(self) -> Option<Generation> {
        match self.parameter("EIO=")? {
            "3" => Some(Generation::V3),
            "4" => Some(Generation::V4),
            _ => None,
        }
    }

    pub fn session(self) -> Option<&'a str> {
        self.find("sid=")
    }

    /// True for a request that opens a session. One with an unreadable session ID does not.
    pub fn opens(self) -> bool {
        self.find("sid=").is_none()
    }

    pub fn is_websocket(self) -> bool {
        self.parameter("transport=") == Some("websocket")
    }

    pub fn is_polling(self) -> bool {
        self.parameter("transport=") == Some("polling")
    }

    /// True for a client that accepts text only.
    pub fn wants_text(self) -> bool {
        matches!(self.find("b64="), Some("1" | "true"))
    }

    /// Token of the login, percent-decoded.
    pub fn token(self) -> Option<Secret> {
        let token = self.find("token=")?;
        let plain = token.replace('+', " ");
        let token = percent_encoding::percent_decode_str(&plain);
        Some(Secret::new(token.decode_utf8().ok()?))
    }

    /// Token of a request that opens a session of long polling.
    pub fn handshake_token(uri: &'a Uri) -> Option<Secret> {
        let query = Self::of(uri)?;
        (query.is_polling() && query.opens()).then(|| query.token())?
    }

    fn find(self, prefix: &str) -> Option<&'a str> {
        let mut pairs = self.query.split('&');
        pairs.find_map(|pair| pair.strip_prefix(prefix))
    }

    fn parameter(self, prefix: &str) -> Option<&'a str> {
        // The value ends at the next equals sign.
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
        assert_eq!(query.session(), Some("AAAAAAAAAAAAAAHs"));
        assert_eq!(query.token().unwrap().expose(), "a+b");
        let bare = uri("/socket.io?EIO=%33&b64&sid=x");
        let query = EngineQuery::of(&bare).unwrap();
        assert_eq!(query.generation(), None);
        assert!(!query.is_polling() && query.token().is_none() && !query.wants_text());
        assert!(query.session() == Some("x") && !query.opens());
        for other in ["/api/devices?EIO=3", "/socket.ioxyz?EIO=3"] {
            assert!(EngineQuery::of(&uri(other)).is_none(), "{other}");
        }
    }
}
