//! Checks of a reload: a truncated file must not grant access that the previous one denied.
//!
//! A truncated file reads as a shorter one. Without its last rule it allows less, which is
//! harmless. Without all of its rules it would allow everything; cut within a line it may name
//! another user; cut within its last rule it may lack the keys that narrow that rule. Each of these
//! is refused here. A rule that is new in the file and cut after its `allow` cannot be told from a
//! complete one. Writing `allow` last in each rule prevents that too, since a rule without `allow`
//! is a mistake.

use super::file::UNFINISHED;
use super::keys;
use super::load::Loaded;
use super::mistake::{ConfigErrors, Findings, SettingOrigin};
use super::route::Route;
use crate::access::AccessRule;

impl Loaded {
    /// Refuses settings that must not replace those in force. `known` has the access rules in
    /// force, and all since there were none: a file that is being written may be read twice,
    /// truncated in two places.
    ///
    /// # Errors
    /// There were rules, and there would be none without `daemon.access = "open"`; or the file
    /// looks truncated, and has or had rules.
    pub fn check_reload(&self, known: &[AccessRule]) -> Result<(), ConfigErrors> {
        let mut findings = Findings::default();
        let origin = self
            .file
            .as_deref()
            .map_or(SettingOrigin::Defaults, SettingOrigin::file);
        let rules = &self.settings.access;
        // Rules about pages neither grant nor deny anything to other callers.
        if !rules.iter().any(AccessRule::is_of_programs)
            && known.iter().any(AccessRule::is_of_programs)
            && !self.settings.daemon.open
        {
            findings.mistake(
                origin.clone(),
                keys::ACCESS,
                "the access rules are gone, which would allow everything to everyone who can open the socket",
                "restore them, or set access = \"open\" under [daemon] if that is intended",
            );
        }
        if self.file_end.unfinished_line && !(rules.is_empty() && known.is_empty()) {
            findings.mistake(
                origin.clone(),
                "",
                UNFINISHED,
                "write the file to its end, and end its last line with a newline",
            );
        }
        if let Some(index) = self.file_end.rule
            && let Some(last) = rules.get(index)
            && !known.contains(last)
            && known.iter().any(|rule| lacks_some_of(last, rule))
        {
            findings.mistake(
                origin,
                Route::default().key(keys::ACCESS).item(index),
                "the file's last rule is an earlier one without the keys that narrow it: the file may be truncated",
                "write the file to its end; if the rule is intended, put it before another table, or restart expd",
            );
        }
        findings.finish().map(drop)
    }
}

/// True if `cut` is `whole` without some of its narrowing keys.
fn lacks_some_of(cut: &AccessRule, whole: &AccessRule) -> bool {
    fn kept<T: PartialEq>(cut: &T, whole: &T, nothing: &T) -> bool {
        cut == whole || cut == nothing
    }
    let none = Vec::new();
    cut != whole
        && cut.allow == whole.allow
        && kept(&cut.uid, &whole.uid, &None)
        && kept(&cut.user, &whole.user, &None)
        && kept(&cut.group, &whole.group, &None)
        && kept(&cut.unit, &whole.unit, &None)
        && kept(&cut.app, &whole.app, &None)
        && kept(&cut.token, &whole.token, &None)
        && kept(&cut.system, &whole.system, &None)
        && kept(&cut.consumer, &whole.consumer, &None)
        && kept(&cut.events, &whole.events, &none)
        && kept(&cut.methods, &whole.methods, &none)
        && kept(&cut.paths, &whole.paths, &none)
        && kept(&cut.channels, &whole.channels, &none)
        && kept(&cut.instances, &whole.instances, &none)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::load::{Source, load};
    use super::*;
    use crate::access::{AccessPolicy, Caller, Peer, Scope, Target, Verb};
    use expd_domain::Channel;

    const INSTANCE: &str =
        "[instances.default.credentials]\ntype = \"device\"\nallow_pairing = true\n";

    /// Rules with their keys in the usual orders: the subject first, `allow` first, and `allow`
    /// last.
    const RULES: [&str; 3] = [
        "[[access]]\nuid = 60001\nallow = [\"listen\", \"status\"]\nchannels = [\"menu\"]\ninstances = [\"default\"]\n",
        "[[access]]\nallow = [\"broadcast\"]\nchannels = [\n  \"menu\",\n  \"other\",\n]\nuid = 60002\n",
        "[[access]]\nchannels = [\"menu\"]\nsystem = false\nevents = [\"other\"]\nuid = 60003 # the till\nallow = [\"listen\"]\n",
    ];

    fn loaded(text: &[u8]) -> Result<Loaded, ConfigErrors> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("expd.toml");
        std::fs::write(&file, text).unwrap();
        load(&Source {
            file: Some(file),
            ..Source::default()
        })
    }

    /// Everything that a policy allows to some callers on some targets.
    fn allowed(rules: &[AccessRule]) -> Vec<String> {
        let policy = AccessPolicy::new(rules);
        let channels = ["menu", "other", "third"].map(Channel::new);
        let mut all = Vec::new();
        // The users of the rules, those whose number is a prefix of theirs, strangers, and callers
        // over TCP.
        let uids = [6, 60, 600, 6000, 60_001, 60_002, 60_003, 65_534].map(|uid| {
            Caller::local(Peer {
                pid: 0,
                uid,
                gid: uid,
            })
        });
        for caller in uids.iter().chain([&Caller::unknown()]) {
            for verb in Verb::NAMES.map(|name| Verb::from_name(name).unwrap()) {
                let mut targets = vec![Target::Instance, Target::EveryChannel];
                for channel in &channels {
                    targets.push(Target::Channel(channel));
                    targets.push(Target::Event(channel, Some("price")));
                }
                let both = ["default", "second"];
                let scopes = both.map(|instance| {
                    let targets = targets.iter();
                    targets.map(move |target| Scope {
                        instance,
                        target: *target,
                    })
                });
                let scopes = scopes.into_iter().flatten();
                for scope in scopes {
                    if policy.rights(caller).allows(verb, scope) {
                        let mut what = String::new();
                        write!(what, "{caller} {} {scope}", verb.name()).unwrap();
                        all.push(what);
                    }
                }
            }
        }
        all
    }

    #[test]
    fn a_file_cut_at_any_byte_allows_nobody_more_than_before() {
        for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1]] {
            let rules: String = order.map(|index| RULES[index]).concat();
            let text = format!("{INSTANCE}[daemon]\nlog = \"warn\"\n{rules}");
            let whole = loaded(text.as_bytes()).unwrap();
            let in_force = &whole.settings.access;
            whole.check_reload(in_force).unwrap();
            let before = allowed(in_force);
            let mut taken = 0;
            for end in 0..text.len() {
                let Ok(cut) = loaded(&text.as_bytes()[..end]) else {
                    continue;
                };
                if cut.check_reload(in_force).is_err() {
                    continue;
                }
                taken += 1;
                for what in allowed(&cut.settings.access) {
                    assert!(
                        before.contains(&what),
                        "cut after byte {end}: {what}\n{}",
                        &text[..end]
                    );
                }
            }
            // Without the last one or two rules, it is a file like others.
            assert!(taken >= 2, "{taken}");
        }
    }

    #[test]
    fn rules_go_only_where_that_is_said_to_be_meant() {
        let with = loaded(format!("{INSTANCE}{}", RULES[0]).as_bytes()).unwrap();
        let rules = &with.settings.access;
        let without = loaded(INSTANCE.as_bytes()).unwrap();
        let error = without.check_reload(rules).unwrap_err().to_string();
        assert!(
            error.contains("access: the access rules are gone")
                && error.contains("access = \"open\""),
            "{error}"
        );
        without.check_reload(&[]).unwrap();
        let open = format!("[daemon]\naccess = \"open\"\n{INSTANCE}");
        let meant = loaded(open.as_bytes()).unwrap();
        meant.check_reload(rules).unwrap();
        let both = loaded(format!("{open}{}", RULES[0]).as_bytes()).unwrap_err();
        assert!(
            both.to_string().contains("expd.toml:2: daemon.access: "),
            "{both}"
        );
        let unknown = open.replace("open", "closed");
        assert!(loaded(unknown.as_bytes()).is_err());
    }

    #[test]
    fn a_rule_may_be_changed_removed_and_widened_by_whoever_says_so() {
        let text = format!("{INSTANCE}{}{}", RULES[0], RULES[1]);
        let whole = loaded(text.as_bytes()).unwrap();
        let in_force = &whole.settings.access;
        for change in [
            text.replace("60002", "60009"),
            text.replace(RULES[1], ""),
            text.replace(RULES[0], ""),
            format!("{text}[[access]]\nallow = [\"status\"]\n"),
            // Wider, and not at the end.
            text.replace("channels = [\"menu\"]\n", ""),
            format!("{}[hub]\n", text.replace("uid = 60002\n", "")),
        ] {
            let changed = loaded(change.as_bytes()).unwrap();
            changed
                .check_reload(in_force)
                .unwrap_or_else(|errors| panic!("{errors}\n{change}"));
        }
        let cut = loaded(text.replace("uid = 60002\n", "").as_bytes()).unwrap();
        let error = cut.check_reload(in_force).unwrap_err().to_string();
        assert!(
            error.contains("access[1]: ") && error.contains("put it before another table"),
            "{error}"
        );
    }
}
