//! The tables of the file.

/// Tables and their meanings. `NAME` stands for any name, `[]` for each item of an array of tables.
pub(in crate::config) const SECTIONS: [(&str, &str); 13] = [
    ("daemon", "The daemon and its local API."),
    (
        "daemon.limits",
        "Limits on what applications and the network can make the daemon hold. A reload applies \
         them to what is asked for from then on: whatever exceeds a lower limit stays until it \
         ends by itself, but for the events in logs, which leave theirs with the next event (a \
         listener that had not read them is told by a gap). `max_calls_per_connection` applies to \
         new connections.",
    ),
    (
        "daemon.limits.user",
        "The part of one user (all callers over TCP are one), and the rates of what it sends. Root \
         and the daemon's own user have no part and no rate: an operator gets in. What exceeds one \
         is refused with RESOURCE_EXHAUSTED and the time to try again; the log and `expd status` \
         name the program, the metric `expd_limit_hits_total` the user.",
    ),
    (
        "daemon.tcp.tokens[]",
        "A token of callers over TCP (`daemon.listen`), by which an access rule may name them \
         (`token`). Every call there brings one in the header `authorization: Bearer TOKEN`; \
         without it only the gRPC health service answers. `systemctl reload expd` applies changes: \
         streams whose token is gone end at once.",
    ),
    (
        "instances.NAME",
        "One identity and its connection to EXP. A request that names no instance means `default`. \
         A reload starts an instance that is new in the settings, and ends one that is gone, with \
         its streams (`NOT_FOUND`). One that has changed logs in anew behind its streams, which \
         stay: a second connection is confirmed before the first one closes, and only where the \
         identity is another, or the former connection was gone already, a gap tells what may have \
         been missed. Another `network` or type of credentials replaces the instance: its streams \
         end with `UNAVAILABLE`, and listen again.",
    ),
    (
        "instances.NAME.credentials",
        "The credentials of the login.",
    ),
    (
        "access[]",
        "Access rules: which callers may do what. Without rules, everyone who can open the socket \
         may do everything, and pages (`[[web.apps]]`) nothing: a rule with `app` is about the \
         pages of that app alone, and counts for nobody else. With rules that are not about apps, \
         a call is allowed if any rule allows it, and refused otherwise, root's calls included. A \
         rule applies to a caller that matches all of `uid`, `user`, `group`, `unit` and `token` \
         that it sets; one that sets none of them applies to everyone, whoever has a token over \
         TCP included. It gives its permissions where all of its conditions hold (`instances`, \
         `channels`, `system`, `consumer`, `events`, `methods`, `paths`); [access.md](access.md) \
         shows them at work. `systemctl reload expd` applies changes, to open streams too: a \
         stream that loses its permission ends at once. A reload is refused, and the rules stay in \
         force, if it would remove all of them (see `daemon.access`), or if the file looks \
         truncated: its last line has no newline, or its last rule is an earlier one without the \
         keys that narrow it. Write `allow` last in each rule: a rule that is truncated before it \
         is never valid.",
    ),
    (
        "web",
        "The door for pages: the protocol of EXP's SDKs on a loopback address, for web pages on \
         this host, which share the daemon's connection. Off where `listen` is not set. A page \
         names it as its host (`host: 'http://127.0.0.1:9980'`) and logs in as one of the apps.",
    ),
    (
        "web.apps[]",
        "A page that may log in at the door. What it may do, access rules say that name it \
         (`app`); without one it may do nothing. `systemctl reload expd` applies changes: the \
         pages of an app that is gone, or has another key or instance, are closed.",
    ),
    (
        "hub",
        "The EXP-compatible network of `expd hub` and `expd serve --embedded`.",
    ),
    ("hub.devices[]", "A device that can log in."),
    ("hub.users[]", "A user that can log in."),
    ("hub.consumer_apps[]", "A consumer app that can log in."),
];
