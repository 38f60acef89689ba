//! Patterns of names: `*` stands for any text, everything else for itself.

/// True where a pattern matches a whole name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    // The first part is there always.
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        // A pattern without `*`.
        return rest.is_empty();
    };
    // The leftmost place of each part leaves the most for those that follow.
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
}
