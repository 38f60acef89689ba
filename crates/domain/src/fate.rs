//! The outcome of a call that failed.

use std::fmt;

/// Outcome of a broadcast, a response or a request that failed, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It was not carried out; sending it again is safe.
    Refused,
    /// It was carried out, but its answer could not be read.
    Sent,
    /// It left this host and may have been carried out.
    Unknown,
}

impl Fate {
    /// Every fate, for tables and for parsing.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Sent, Self::Unknown];

    /// The word of the contract (`fate` in the metadata of a `google.rpc.ErrorInfo`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
        }
    }

    /// The fate with this word in the contract; `None` for an unknown word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.as_str() == word)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_is_read_back_from_its_word() {
        for fate in Fate::ALL {
            assert_eq!(Fate::from_word(fate.as_str()), Some(fate));
        }
        assert_eq!(Fate::from_word("REFUSED"), None);
    }
}
