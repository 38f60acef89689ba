//! Access rules in the form of the settings.

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
