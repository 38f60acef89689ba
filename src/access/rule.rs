//! Access rules in the form of the settings.

use std::fmt;

use super::verb::Verb;

/// `[[access]]`: one rule. It applies to a caller that matches all of `uid`, `user`, `group` and
/// `unit` that it sets, or to the pages of an `app`.
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
    /// The app in the door's settings, whose pages the rule is about.
    pub app: Option<String>,
    /// The permissions.
    pub allow: Vec<Verb>,
    /// The channels on which they hold; all where empty.
    pub channels: Vec<String>,
    /// The instances on which they hold; all where empty.
    pub instances: Vec<String>,
}

impl fmt::Display for AccessRule {
    /// The rule in a line: the keys that it sets.
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
            ("channels", list(&self.channels)),
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
