//! Patterns of names, as access rules write them: `*` stands for any text, everything else for
//! itself.

use std::fmt;
use std::sync::Arc;

/// A pattern of names: `*` matches any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the pattern matches the whole name.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }

    /// True if the pattern matches every name.
    pub fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of names, for example of the events that a listener may receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameSet {
    /// All names.
    #[default]
    All,
    /// The names that at least one of these patterns matches.
    Matching(Arc<[NamePattern]>),
}

impl NameSet {
    /// True if the name is in the set.
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
        }
    }
}

/// True if the pattern's text matches the whole name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` always yields a first part.
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        // The pattern has no `*`.
        return rest.is_empty();
    };
    // Matching each part as far left as possible leaves the most for the parts after it.
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, name) in [
            ("menu", "menu"),
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("docker-*.scope", "docker-0af3.scope"),
            ("docker-*.scope", "docker-.scope"),
            ("a*b*c", "abc"),
            ("a*b*c", "a-b-b-c-c"),
            ("**", "x"),
            ("*ab", "aab"),
            ("ä*", "äö"),
        ] {
            assert!(matches(pattern, name), "{pattern:?} {name:?}");
        }
        for (pattern, name) in [
            ("menu", "menus"),
            ("menu", "Menu"),
            ("", "x"),
            ("docker-*.scope", "docker-1.service"),
            ("docker-*.scope", "my-docker-1.scope"),
            ("aba*aba", "ababa"),
            ("a*b*c", "acb"),
            ("a?c", "abc"),
            ("a.c", "abc"),
            ("[ab]*", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern:?} {name:?}");
        }
    }

    #[test]
    fn a_set_has_the_names_of_each_of_its_patterns() {
        assert!(NameSet::default().contains("anything"));
        let some = NameSet::Matching(["price-*", "stop"].map(NamePattern::new).into());
        assert!(some.contains("price-3") && some.contains("stop"));
        assert!(!some.contains("stopped") && !some.contains(""));
        assert!(!NameSet::Matching(Arc::new([])).contains(""));
        for (pattern, any) in [("*", true), ("**", true), ("", false), ("a*", false)] {
            assert_eq!(NamePattern::new(pattern).is_any(), any, "{pattern}");
        }
    }
}
