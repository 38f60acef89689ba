//! `[[access]]`, checked.

use crate::access::{AccessRule, BearerToken, Verb, accounts};
use expd_domain::PathPattern;

use super::keys;
use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::section::Section;
use super::settings::{DEFAULT_INSTANCE, DaemonSettings, WebApp};

/// Reports access rules although the settings declare that there are none.
pub(super) fn check_open(reader: &mut Reader, daemon: &DaemonSettings, access: &[AccessRule]) {
    if daemon.open && access.iter().any(AccessRule::is_of_programs) {
        let mut section = Section::new(reader, Route::default().key("daemon"));
        section.mistake(
            keys::ACCESS,
            "declares that there are no access rules, but there are some",
            "remove it, or the [[access]] rules",
        );
    }
}

/// Warns if no rule about programs allows `status`: the operator's tools and monitoring then show
/// nothing, not even to root.
pub(super) fn check_status(reader: &mut Reader, access: &[AccessRule]) {
    let mut programs = access
        .iter()
        .filter(|rule| rule.is_of_programs())
        .peekable();
    if programs.peek().is_none() || programs.any(|rule| rule.allow.contains(&Verb::Status)) {
        return;
    }
    let mut section = Section::new(reader, Route::default());
    section.warning(
        keys::ACCESS,
        "no rule allows \"status\", not even to root",
        "allow it to the operator of this device, as in user = \"root\" with allow = [\"status\", \"admin\"]",
    );
}

/// Names of the settings that rules may refer to.
#[derive(Clone, Copy)]
pub(super) struct KnownNames<'a> {
    pub instances: &'a [String],
    pub apps: &'a [WebApp],
    pub tokens: &'a [BearerToken],
}

/// Reads the access rules. An unknown instance in a rule is a mistake; a rule with an unknown app
/// or token matches no caller.
pub(super) fn read(reader: &mut Reader, known: KnownNames<'_>) -> Vec<AccessRule> {
    let routes = reader.items(&Route::default().key("access"));
    routes
        .into_iter()
        .map(|route| {
            let mut section = Section::new(reader, route);
            let rule = read_one(&mut section);
            check_allow(&mut section, &rule);
            check_caller(&mut section, &rule, known);
            check_instances(&mut section, &rule, known.instances);
            check_conditions(&mut section, &rule);
            rule
        })
        .collect()
}

fn read_one(section: &mut Section<'_>) -> AccessRule {
    AccessRule {
        uid: section.count("uid").and_then(|uid| u32::try_from(uid).ok()),
        user: section.text("user"),
        group: section.text("group"),
        unit: section.text("unit"),
        app: section.text("app"),
        token: section.text("token"),
        // Unknown words are reported already.
        allow: section
            .choices("allow")
            .unwrap_or_default()
            .iter()
            .filter_map(|verb| Verb::from_name(verb))
            .collect(),
        channels: section.texts("channels").unwrap_or_default(),
        system: section.flag("system"),
        consumer: section.flag("consumer"),
        events: section.texts("events").unwrap_or_default(),
        methods: section.choices("methods").unwrap_or_default(),
        paths: section.texts("paths").unwrap_or_default(),
        instances: section.texts("instances").unwrap_or_default(),
    }
}

fn check_allow(section: &mut Section<'_>, rule: &AccessRule) {
    if !rule.allow.is_empty() {
        return;
    }
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

/// Checks the keys that select the callers of a rule.
fn check_caller(section: &mut Section<'_>, rule: &AccessRule, known: KnownNames<'_>) {
    if let Some(app) = &rule.app {
        let others = ["uid", "user", "group", "unit", "token"];
        check_alone(
            section,
            "a page has no user, no unit and no token",
            "app",
            &others,
        );
        for verb in [Verb::Run, Verb::Status, Verb::Admin] {
            if rule.allow.contains(&verb) {
                let what = format!("a page cannot use {}", quoted(verb.name()));
                section.mistake("allow", what, "give it listen, broadcast, respond, request");
            }
        }
        if !known.apps.iter().any(|known| known.name == *app) {
            let what = format!("there is no app {}: the rule matches nobody", quoted(app));
            section.warning("app", what, "add it to [[web.apps]], or name another");
        }
    } else if let Some(token) = &rule.token {
        let others = ["uid", "user", "group", "unit"];
        check_alone(
            section,
            "a caller over TCP has no user and no unit",
            "token",
            &others,
        );
        if rule.allow.contains(&Verb::Run) {
            let what = "\"run\" is for local users: over TCP this rule would never allow it";
            section.warning("allow", what, "leave it out");
        }
        if !known.tokens.iter().any(|known| known.name == *token) {
            let what = format!(
                "there is no token {}: the rule matches nobody",
                quoted(token)
            );
            section.warning(
                "token",
                what,
                "add it to [[daemon.tcp.tokens]], or name another",
            );
        }
    }
    // Accounts come and go while the settings stay, and a rule that matches no caller admits none:
    // a warning suffices.
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
}

fn check_alone(section: &mut Section<'_>, because: &str, key: &str, others: &[&str]) {
    for other in others {
        if section.is_set(other) {
            let what = format!("{because}: a rule with {key} and this would never apply");
            section.mistake(other, what, "remove one of them");
        }
    }
}

fn check_instances(section: &mut Section<'_>, rule: &AccessRule, known: &[String]) {
    let is_known = |name: &String| name == DEFAULT_INSTANCE || known.contains(name);
    let runs = rule.allow.contains(&Verb::Run);
    if runs && !rule.instances.is_empty() && rule.instances.iter().all(is_known) {
        section.mistake(
            "instances",
            "\"run\" is for identities that programs bring along, but these instances are configured: this rule would never allow one",
            "give \"run\" a rule of its own, or name here what may be run",
        );
    }
    // A rule with `run` names instances that programs bring along, which the settings do not list.
    for instance in rule
        .instances
        .iter()
        .filter(|name| !runs && !is_known(name))
    {
        section.mistake(
            "instances",
            format!("there is no instance {}", quoted(instance)),
            format!("add [instances.{instance}], or name another"),
        );
    }
}

/// Checks that the conditions of a rule can apply to each of its permissions.
fn check_conditions(section: &mut Section<'_>, rule: &AccessRule) {
    let of_channels = [
        Verb::Listen,
        Verb::Broadcast,
        Verb::Respond,
        Verb::Run,
        Verb::Status,
        Verb::Admin,
    ];
    let conditions: [(&str, bool, &[Verb]); 6] = [
        ("channels", !rule.channels.is_empty(), &of_channels),
        ("system", rule.system.is_some(), &of_channels),
        ("consumer", rule.consumer.is_some(), &of_channels),
        (
            "events",
            !rule.events.is_empty(),
            &[Verb::Listen, Verb::Broadcast],
        ),
        ("methods", !rule.methods.is_empty(), &[Verb::Request]),
        ("paths", !rule.paths.is_empty(), &[Verb::Request]),
    ];
    for (key, is_set, fitting) in conditions {
        let strange = rule.allow.iter().find(|verb| !fitting.contains(verb));
        if let Some(verb) = strange.filter(|_| is_set) {
            let verb = quoted(verb.name());
            section.mistake(
                key,
                format!("{key} does not apply to {verb}: this rule would never allow it"),
                format!("give {verb} a rule of its own, without {key}"),
            );
        }
    }
    if rule.system == Some(true) && rule.allow.contains(&Verb::Broadcast) {
        section.warning(
            "allow",
            "broadcasts on system channels are never allowed, not even by this rule",
            "leave \"broadcast\" out, or give it a rule of its own",
        );
    }
    for path in &rule.paths {
        if let Err(fault) = PathPattern::new(path).check() {
            let what = format!("{} never matches: {fault}", quoted(path));
            let remedy = "name paths as in \"/api/devices\" and \"/api/devices/*\"";
            section.warning("paths", what, remedy);
        }
    }
}
