//! Permissions that access rules grant.

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Receive broadcasts.
    Listen,
    Broadcast,
    /// Respond to broadcasts.
    Respond,
    /// Send requests to EXP's API.
    Request,
    /// Run an identity that the caller brings along.
    Run,
    /// See the daemon's status.
    Status,
    /// Read, cancel and clear the listeners of other users.
    Admin,
}

impl Verb {
    pub const ALL: [Self; 7] = [
        Self::Listen,
        Self::Broadcast,
        Self::Respond,
        Self::Request,
        Self::Run,
        Self::Status,
        Self::Admin,
    ];

    /// Their names in the settings.
    pub const NAMES: [&str; 7] = [
        Self::Listen.name(),
        Self::Broadcast.name(),
        Self::Respond.name(),
        Self::Request.name(),
        Self::Run.name(),
        Self::Status.name(),
        Self::Admin.name(),
    ];

    /// Its name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Broadcast => "broadcast",
            Self::Respond => "respond",
            Self::Request => "request",
            Self::Run => "run",
            Self::Status => "status",
            Self::Admin => "admin",
        }
    }

    /// The verb with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// The description that follows "may not" in a message.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Broadcast => "broadcast",
            Self::Respond => "respond",
            Self::Request => "send API requests",
            Self::Run => "run an identity",
            Self::Status => "see the status",
            Self::Admin => "administer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_have_the_names_of_the_settings() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name()), Some(verb));
            assert!(Verb::NAMES.contains(&verb.name()));
        }
        assert_eq!(Verb::from_name("listn"), None);
    }
}
