//! `[[daemon.tcp.tokens]]`, checked.

use std::collections::BTreeSet;
use std::path::Path;

use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::secret;
use super::section::Section;
use super::settings::{INSTANCE_NAME_RULE, is_instance_name};
use crate::access::BearerToken;

/// Minimum length: a shorter token could be guessed.
const SHORTEST: usize = 16;

/// Reads the tokens of callers over TCP. They may be in systemd's `credentials` folder.
pub(super) fn read(reader: &mut Reader, credentials: Option<&Path>) -> Vec<BearerToken> {
    let mut names = BTreeSet::new();
    let mut tokens = Vec::new();
    let daemon = Route::default().key("daemon");
    for route in reader.items(&daemon.key("tcp").key("tokens")) {
        let mut section = Section::new(reader, route);
        let name = section.required("name");
        if let Some(name) = &name {
            if !is_instance_name(name) {
                let what = format!("{} is not a valid token name", quoted(name));
                section.mistake("name", what, INSTANCE_NAME_RULE);
            }
            if !names.insert(name.clone()) {
                let what = format!("{} is used twice", quoted(name));
                section.mistake("name", what, "give each token its own");
            }
        }
        let credential = name.as_ref().map(|name| format!("expd.tcp.{name}.token"));
        let token = secret::named(&mut section, "token", credential, credentials);
        if let Some(token) = &token {
            let text = token.expose();
            if text.len() < SHORTEST {
                let what = format!("has fewer than {SHORTEST} characters, and could be guessed");
                section.mistake("token", what, "make one with openssl rand -hex 32");
            } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let what = "has characters that a header cannot contain";
                section.mistake("token", what, "use ASCII letters, digits and signs");
            }
        }
        if let (Some(name), Some(token)) = (name, token) {
            tokens.push(BearerToken { name, token });
        }
    }
    let listens = Section::new(reader, daemon.clone()).is_set("listen");
    let mut section = Section::new(reader, daemon);
    if listens && tokens.is_empty() {
        section.warning(
            "listen",
            "there are no tokens: over TCP, all calls but health checks are refused",
            "add [[daemon.tcp.tokens]] with a name and a token_file, or remove it",
        );
    }
    tokens
}
