//! `[[access]]`, checked.

use crate::access::{AccessRule, Verb, accounts};

use super::keys;
use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::section::Section;
use super::settings::{DEFAULT_INSTANCE, DaemonSettings, WebApp};

/// Notes a mistake where rules are set although the settings declare that there are none.
pub(super) fn check_open(reader: &mut Reader, daemon: &DaemonSettings, access: &[AccessRule]) {
    if daemon.open && access.iter().any(|rule| rule.app.is_none()) {
        let mut section = Section::new(reader, Route::default().key("daemon"));
        section.mistake(
            keys::ACCESS,
            "says that there are no access rules, and there are",
            "remove it, or the [[access]] rules",
        );
    }
}

/// Warns where there are rules about programs, and none lets anybody see the status: the operator's
/// tools and monitoring then show nothing, not even to root.
pub(super) fn check_status(reader: &mut Reader, access: &[AccessRule]) {
    let mut programs = access.iter().filter(|rule| rule.app.is_none()).peekable();
    if programs.peek().is_none() || programs.any(|rule| rule.allow.contains(&Verb::Status)) {
        return;
    }
    let mut section = Section::new(reader, Route::default());
    section.warning(
        keys::ACCESS,
        "no rule lets anybody see the status, root included",
        "give \"status\" to who operates this device, as in user = \"root\" with allow = [\"status\", \"admin\"]",
    );
}

/// Reads the access rules. A rule on an instance that is not among `instances` is a mistake,
/// and one on an app that is not among `apps` matches nobody.
pub(super) fn read(reader: &mut Reader, instances: &[String], apps: &[WebApp]) -> Vec<AccessRule> {
    let routes = reader.items(&Route::default().key("access"));
    routes
        .into_iter()
        .map(|route| {
            let mut section = Section::new(reader, route);
            let rule = AccessRule {
                uid: section.count("uid").and_then(|uid| u32::try_from(uid).ok()),
                user: section.text("user"),
                group: section.text("group"),
                unit: section.text("unit"),
                app: section.text("app"),
                // Unknown words have been reported.
                allow: section
                    .choices("allow")
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|verb| Verb::from_name(verb))
                    .collect(),
                channels: section.texts("channels").unwrap_or_default(),
                instances: section.texts("instances").unwrap_or_default(),
            };
            if rule.allow.is_empty() {
                if section.texts("allow").is_some_and(|verbs| verbs.is_empty()) {
                    section.mistake(
                        "allow",
                        "allows nothing",
                        "name what is allowed, or remove the rule",
                    );
                } else if !section.is_set("allow") {
                    section.missing(
                        "allow",
                        "name what is allowed, as in [\"listen\", \"status\"]",
                    );
                }
            }
            check_app(&mut section, &rule, apps);
            if rule.allow.contains(&Verb::Request) && !rule.channels.is_empty() {
                section.mistake(
                    "channels",
                    "a request of the API is not about channels: this rule would never allow one",
                    "give \"request\" a rule of its own, without channels",
                );
            }
            let runs = rule.allow.contains(&Verb::Run);
            let is_known = |name: &String| name == DEFAULT_INSTANCE || instances.contains(name);
            if runs && !rule.instances.is_empty() && rule.instances.iter().all(is_known) {
                section.mistake(
                    "instances",
                    "\"run\" is about identities that programs bring along, and these names are configured: this rule would never allow one",
                    "give \"run\" a rule of its own, or name here what may be run",
                );
            }
            // A rule with `run` names what is run, which no settings know.
            for instance in rule.instances.iter().filter(|_| !runs) {
                if instance != DEFAULT_INSTANCE && !instances.contains(instance) {
                    section.mistake(
                        "instances",
                        format!("there is no instance {}", quoted(instance)),
                        format!("add [instances.{instance}], or name another"),
                    );
                }
            }
            // Accounts come and go while the settings stay, and a rule that matches nobody admits
            // nobody: a warning suffices.
            if let Some(user) = &rule.user
                && !matches!(accounts::user_id(user), Ok(Some(_)))
            {
                let what = format!("there is no user {}: the rule matches nobody", quoted(user));
                section.warning("user", what, "create the user, or name another");
            }
            if let Some(group) = &rule.group
                && !matches!(accounts::group_id(group), Ok(Some(_)))
            {
                let what = format!(
                    "there is no group {}: the rule matches nobody",
                    quoted(group)
                );
                section.warning("group", what, "create the group, or name another");
            }
            rule
        })
        .collect()
}

/// Checks a rule about the pages of an app.
fn check_app(section: &mut Section<'_>, rule: &AccessRule, apps: &[WebApp]) {
    let Some(app) = &rule.app else {
        return;
    };
    for other in ["uid", "user", "group", "unit"] {
        if section.is_set(other) {
            section.mistake(
                other,
                "a page has no user and no unit: a rule with app and this would never apply",
                "remove one of them",
            );
        }
    }
    for verb in [Verb::Run, Verb::Status, Verb::Admin] {
        if rule.allow.contains(&verb) {
            let what = format!("a page cannot use {}", quoted(verb.name()));
            section.mistake("allow", what, "give it listen, broadcast, respond, request");
        }
    }
    if !apps.iter().any(|known| known.name == *app) {
        let what = format!("there is no app {}: the rule matches nobody", quoted(app));
        section.warning("app", what, "add it to [[web.apps]], or name another");
    }
}
