//! Terms of a listener's subscription: its state, its gaps, and its overflow policy.

use std::fmt;

use serde::Serialize;

/// State of a channel's subscription at the network. Serializes as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionState {
    /// Not confirmed by the network, or no longer: broadcasts may be missed.
    Pending,
    /// Confirmed by the network: broadcasts arrive from now on.
    Confirmed,
}

impl SubscriptionState {
    /// The state as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Reason why a listener may have missed events. Serializes as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GapReason {
    /// The channel was not subscribed for a while.
    Offline,
    /// The listener was too slow, or the channel's log too small.
    Overflow,
    /// Events grew too old before they were delivered.
    Expired,
    /// The log to resume no longer exists: the daemon restarted, or the channel was unused for too
    /// long.
    Restarted,
    /// A newer daemon's reason, which this version does not know.
    Unknown,
}

impl GapReason {
    /// The reason as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Overflow => "overflow",
            Self::Expired => "expired",
            Self::Restarted => "restarted",
            Self::Unknown => "unknown",
        }
    }

    /// The reason as a phrase for people.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Offline => "the channel was not subscribed",
            Self::Overflow => "this listener was too slow for the channel's log",
            Self::Expired => "events grew too old before they were delivered",
            Self::Restarted => "the daemon was restarted, or nobody had listened for a while",
            Self::Unknown => "the daemon is newer than this program, and has another reason",
        }
    }
}

/// Policy for a listener that falls behind its channel's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The listener gets a gap and continues with the oldest event still in the log.
    #[default]
    Skip,
    /// The listener ends.
    Cancel,
}

impl Overflow {
    /// The policy as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(word: &str) -> String {
        format!("\"{}\"", word.to_ascii_uppercase())
    }

    #[test]
    fn states_and_reasons_have_one_word_in_two_spellings() {
        for state in [SubscriptionState::Pending, SubscriptionState::Confirmed] {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, upper(state.as_str()));
        }
        for reason in [
            GapReason::Offline,
            GapReason::Overflow,
            GapReason::Expired,
            GapReason::Restarted,
            GapReason::Unknown,
        ] {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, upper(reason.as_str()));
        }
    }
}
