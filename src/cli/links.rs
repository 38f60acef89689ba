//! Links of a status, for scripts: their states, and why some are not online.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::ages;
use super::failure::Failure;
use super::output::{BOLD, printable, styled};
use super::status_page::link_state;
use expd_client::{InstanceStatus, LinkState, Status};
use expd_domain::identity::display_pairing_code;

/// Links of the configured instances, or of one named instance.
pub(super) struct Links<'s>(Vec<&'s InstanceStatus>);

impl<'s> Links<'s> {
    /// Selects the links of a status.
    ///
    /// # Errors
    /// The named instance is not configured, or this user may see none.
    pub(super) fn of(status: &'s Status, wanted: Option<&str>) -> Result<Self, Failure> {
        let configured = || status.instances.iter().filter(|it| !it.transient);
        let links: Vec<_> = match wanted {
            None => configured().collect(),
            Some(name) => status
                .instances
                .iter()
                .filter(|it| it.instance == name)
                .collect(),
        };
        if !links.is_empty() {
            return Ok(Self(links));
        }
        let Some(name) = wanted else {
            let reason = "the daemon shows this user no instance (access rules, `status`)";
            return Err(Failure::Failed(reason.to_owned()));
        };
        let names: Vec<&str> = configured().map(|it| &*it.instance).collect();
        Err(Failure::Failed(format!(
            "there is no instance {name:?}; there are: {}",
            names.join(", ")
        )))
    }

    pub(super) fn are_online(&self) -> bool {
        self.0.iter().all(|it| it.link.state == LinkState::Online)
    }

    /// Describes the links that are not online.
    pub(super) fn offline(&self) -> String {
        let offline = self
            .0
            .iter()
            .filter(|it| it.link.state != LinkState::Online);
        let described: Vec<String> = offline.map(|it| describe(it)).collect();
        described.join("; ")
    }

    pub(super) fn as_json(&self) -> Value {
        let links: Vec<Value> = (self.0.iter())
            .map(|it| json!({"instance": it.instance, "link": it.link}))
            .collect();
        json!({"online": self.are_online(), "instances": links})
    }
}

impl fmt::Display for Links<'_> {
    /// One line per link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, it) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let name = styled(BOLD, printable(&it.instance));
            write!(f, "{name}  {}", link_state(it.link.state))?;
            if let Some(since) = it.link.since {
                write!(f, " for {}", ages::since(since, SystemTime::now()))?;
            }
        }
        Ok(())
    }
}

/// Describes a link: its state, the reason, and the next attempt.
fn describe(it: &InstanceStatus) -> String {
    let mut text = format!("{} is {}", it.instance, it.link.state.explain());
    let code = it
        .identity
        .as_ref()
        .and_then(|it| it.pairing_code.as_deref());
    if let Some(code) = code.filter(|code| !code.is_empty()) {
        // Writing to a String does not fail.
        write!(text, ", code {}", display_pairing_code(code)).ok();
    }
    if !it.link.last_error.is_empty() {
        write!(text, " ({})", it.link.last_error).ok();
    }
    if let Some(next) = it.link.next_try {
        let next = ages::until(next, SystemTime::now());
        write!(text, ", next try {next}").ok();
    }
    text
}
