//! Access rules as the settings have them.

use super::verb::Verb;

/// `[[access]]`: one rule on who may do what. Matching is the access policy's; without any rule, whoever may open the socket
/// may do everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// Numeric user IDs.
    pub uid: Option<u32>,
    /// A user's name.
    pub user: Option<String>,
    /// A group's name.
    pub group: Option<String>,
    /// A systemd unit.
    pub unit: Option<String>,
    /// What is allowed.
    pub allow: Vec<Verb>,
    /// Channel names it is allowed on; empty for all.
    pub channels: Vec<String>,
    /// Instances it is allowed on; empty for all.
    pub instances: Vec<String>,
}
