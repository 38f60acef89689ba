//! Access rules in the form of the settings.

use std::fmt;

use super::verb::Verb;

/// `[[access]]`: one rule. It applies to a caller that matches all of `uid`, `user`, `group` and
/// `unit` that it sets, to the pages of an `app`, or to the calls with a `token`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// The numeric user ID.
    pub uid: Option<u32>,
    /// The user's name.
    pub user: Option<String>,
    /// The group's name.
    pub group: Option<String>,
    /// The systemd unit.
    pub unit: Option<String>,
    /// The web app to whose pages the rule applies.
    pub app: Option<String>,
    /// The name of the bearer token to whose calls over TCP the rule applies.
    pub token: Option<String>,
    /// The permissions.
    pub allow: Vec<Verb>,
    /// Patterns of the channels on which they hold; all where empty.
    pub channels: Vec<String>,
    /// The flag `system` of these channels; either where not set.
    pub system: Option<bool>,
    /// The flag `consumer` of these channels; either where not set.
    pub consumer: Option<bool>,
    /// Patterns of the events that may be heard and broadcast; all where empty.
    pub events: Vec<String>,
    /// Methods of API requests; all where empty.
    pub methods: Vec<String>,
    /// Patterns of the paths of API requests; all where empty.
    pub paths: Vec<String>,
    /// The instances on which they hold; all where empty.
    pub instances: Vec<String>,
}

impl AccessRule {
    /// True for a rule about local programs and callers over TCP, false for one about pages.
    pub fn is_of_programs(&self) -> bool {
        self.app.is_none()
    }
}

impl fmt::Display for AccessRule {
    /// The rule on one line: the keys that it sets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |texts: &[String]| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            Some(quoted.join(" ")).filter(|list| !list.is_empty())
        };
        let allow: Vec<&str> = self.allow.iter().map(|verb| verb.name()).collect();
        let keys = [
            ("uid", self.uid.map(|uid| uid.to_string())),
            ("user", self.user.clone()),
            ("group", self.group.clone()),
            ("unit", self.unit.clone()),
            ("app", self.app.clone()),
            ("token", self.token.clone()),
            ("channels", list(&self.channels)),
            ("system", self.system.map(|flag| flag.to_string())),
            ("consumer", self.consumer.map(|flag| flag.to_string())),
            ("events", list(&self.events)),
            ("methods", list(&self.methods)),
            ("paths", list(&self.paths)),
            ("instances", list(&self.instances)),
            ("allow", Some(allow.join(" "))),
        ];
        let mut separator = "";
        for (key, value) in keys {
            if let Some(value) = value {
                write!(f, "{separator}{key} = {value}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
