//! What the access policy speaks of. Apart from the policy, so that the settings are read without any of the room's doors.

/// What a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Hear what is broadcast.
    Listen,
    /// Broadcast.
    Broadcast,
    /// Respond to broadcasts.
    Respond,
    /// Send requests to EXP's API.
    Request,
    /// See how the daemon stands.
    Status,
    /// Deal with the listeners of other users.
    Admin,
}

impl Verb {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Listen,
        Self::Broadcast,
        Self::Respond,
        Self::Request,
        Self::Status,
        Self::Admin,
    ];

    /// As the settings spell them.
    pub const NAMES: [&str; 6] = [
        Self::Listen.name(),
        Self::Broadcast.name(),
        Self::Respond.name(),
        Self::Request.name(),
        Self::Status.name(),
        Self::Admin.name(),
    ];

    /// As the settings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Broadcast => "broadcast",
            Self::Respond => "respond",
            Self::Request => "request",
            Self::Status => "status",
            Self::Admin => "admin",
        }
    }

    /// The verb of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }
}
