//! Checks of the route to EXP, step by step, as the daemon takes it: proxy, DNS, connections, TLS,
//! clock, captive portal, login.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode, Url};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroize as _;

use super::finding::Findings;
use crate::cli::ages::rough;
use crate::config::{Credentials, InstanceSettings};
use crate::moment::is_unset;
use crate::upstream::credentials::{PairedStore, login_request};
use crate::upstream::transport::{Answer, HttpTransport, RouteFailure, Unbounded};
use expd_domain::LoginAnswer;
use expd_domain::excerpt::excerpt;
use expd_domain::login_answer::Claimant;
use expd_wire::diagnosis::{RouteDescription, RouteStep};
use expd_wire::dns::look_up;

/// Timeouts of a connection and of an answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// Limit of an answer, in bytes.
const LARGEST: usize = 1 << 20;

/// Difference between the clocks that affects certificates and logs.
const CLOCK_WARNING: Duration = Duration::from_secs(60);

/// Checks this host's clock without a reference.
pub(super) fn clock(findings: &mut Findings) {
    if !is_unset(SystemTime::now()) {
        return;
    }
    findings.fault(
        "clock",
        "",
        "this host's clock is before 2025, so no certificate is valid",
        "set it: timedatectl set-ntp true, or date -s",
    );
}

/// Checks an instance's route to its host. `is_online`: the daemon is logged in, so that another
/// login would tell nothing new.
pub(super) async fn instance(
    findings: &mut Findings,
    name: &str,
    settings: &InstanceSettings,
    state_dir: Option<&Path>,
    is_online: bool,
) {
    let route = RouteDescription::new(&settings.host, settings.proxy.as_deref());
    let target = match route.proxy() {
        None => {
            findings.ok("proxy", name, "none: direct connections to the host");
            settings.host.clone()
        }
        Some(proxy) => {
            let origin = match settings.proxy {
                Some(_) => "the settings",
                None => "the environment",
            };
            findings.ok("proxy", name, format!("{proxy}, from {origin}"));
            proxy.to_owned()
        }
    };
    let Some(addresses) = names(findings, name, &target).await else {
        return;
    };
    if !connections(findings, name, &addresses).await {
        return;
    }
    let transport = match HttpTransport::new(settings) {
        Ok(transport) => transport,
        Err(error) => {
            findings.fault("tls", name, error.to_string(), "correct ca_file or proxy");
            return;
        }
    };
    let Some(date) = answers(findings, name, &settings.host, &transport).await else {
        return;
    };
    if is_online {
        findings.ok("login", name, "the daemon is logged in");
    } else {
        login(findings, name, settings, state_dir, (&transport, date)).await;
    }
}

/// Resolves the host's name in both address families. None without an address.
async fn names(findings: &mut Findings, name: &str, target: &str) -> Option<Vec<SocketAddr>> {
    let url = Url::parse(target).or_else(|_| Url::parse(&format!("http://{target}")));
    let parsed = url.ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default().unwrap_or(80)))
    });
    let Some((host, port)) = parsed else {
        let remedy = "correct it in the settings";
        findings.fault("dns", name, format!("{target} is not an address"), remedy);
        return None;
    };
    let remedy = "check the host setting, /etc/resolv.conf and the cable: resolvectl query NAME, \
                  or getent ahosts NAME";
    let found = match look_up(&host, port).await {
        Ok(found) if !found.is_empty() => found,
        Ok(_) => {
            findings.fault("dns", name, format!("{host} has no address"), remedy);
            return None;
        }
        Err(error) => {
            let what = format!("the name {host} cannot be resolved: {error}");
            findings.fault("dns", name, what, remedy);
            return None;
        }
    };
    let v4 = found.iter().filter(|address| address.is_ipv4()).count();
    let v6 = found.len() - v4;
    let count = |count: usize, family| match count {
        0 => format!("no {family}"),
        count => format!("{count} {family}"),
    };
    let counts = format!(
        "{host} has {} and {} addresses",
        count(v4, "IPv4"),
        count(v6, "IPv6")
    );
    findings.ok("dns", name, counts);
    Some(found)
}

/// Connects in each address family of the name. True if one of them works.
async fn connections(findings: &mut Findings, name: &str, addresses: &[SocketAddr]) -> bool {
    let mut works = false;
    let mut broken = Vec::new();
    for family in ["IPv4", "IPv6"] {
        let of_family = |address: &&SocketAddr| address.is_ipv4() == (family == "IPv4");
        let Some(address) = addresses.iter().find(of_family) else {
            continue;
        };
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                works = true;
                findings.ok("connect", name, format!("{address} accepts ({family})"));
            }
            Ok(Err(error)) => broken.push(format!("{address}: {error}")),
            Err(_) => broken.push(format!("{address}: no answer in {}", rough(CONNECT))),
        }
    }
    for what in broken {
        if works {
            let remedy = "the other family is used; repair this one's route, or remove its addresses \
                          from the DNS";
            findings.warning("connect", name, what, remedy);
        } else {
            let remedy = "check this host's network (ip addr, ip route), its firewall, and whether \
                          the server runs";
            findings.fault("connect", name, what, remedy);
        }
    }
    works
}

/// Sends a request that needs no login: it shows faults of TLS, of the clock, and captive portals.
/// If an EXP API answers, returns the time for the login: EXP's, or this host's if EXP tells none.
async fn answers(
    findings: &mut Findings,
    name: &str,
    host: &str,
    transport: &HttpTransport,
) -> Option<SystemTime> {
    let url = format!("{}/api/devices?limit=1", host.trim_end_matches('/'));
    let answer = match transport.request(Method::GET, url) {
        Ok(request) => transport.probe(request, ANSWER, LARGEST).await,
        // Only the setup of TLS can fail here.
        Err(error) => Err(RouteFailure {
            step: RouteStep::Tls,
            error,
        }),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            // The failure's own text says what to check at its step.
            let (check, remedy) = match failure.step {
                // A wrong clock makes every certificate invalid.
                RouteStep::Tls => ("tls", "check the host's clock first (`date`)"),
                RouteStep::Proxy => (
                    "proxy",
                    "check the proxy setting, and what the proxy allows",
                ),
                RouteStep::Host => (
                    "http",
                    "check the host setting, and whether the server runs",
                ),
            };
            findings.fault(check, name, failure.to_string(), remedy);
            return None;
        }
    };
    if host.starts_with("https:") {
        findings.ok("tls", name, "the certificate is valid");
    } else {
        findings.note("tls", name, "not used: the host is http");
    }
    compare_clocks(findings, name, answer.date);
    let date = answer.date.unwrap_or_else(SystemTime::now);
    portal(findings, name, &answer).then_some(date)
}

fn portal(findings: &mut Findings, name: &str, answer: &Answer) -> bool {
    if let Some(stranger) = answer.stranger() {
        findings.fault(
            "portal",
            name,
            format!("no answer from EXP, but {stranger}"),
            "log in to this network's portal, have it admit this device, or correct the host setting",
        );
        return false;
    }
    if answer.status.is_server_error() {
        let what = format!("EXP answers {}", answer.status);
        findings.warning(
            "portal",
            name,
            what,
            "wait; if it persists, ask EXP's operator",
        );
        return true;
    }
    findings.ok("portal", name, "none: an API answers");
    true
}

fn compare_clocks(findings: &mut Findings, name: &str, date: Option<SystemTime>) {
    let Some(date) = date else {
        findings.note("clock", name, "EXP's answer has no date to compare with");
        return;
    };
    let now = SystemTime::now();
    let (apart, word) = match now.duration_since(date) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart < CLOCK_WARNING {
        findings.ok("clock", name, "agrees with EXP's");
        return;
    }
    findings.warning(
        "clock",
        name,
        format!("this host's clock is {} {word} EXP's", rough(apart)),
        "set it (timedatectl set-ntp true): logins tolerate the difference, certificates do not",
    );
}

/// Logs in as the daemon would, by EXP's clock, and discards the token.
async fn login(
    findings: &mut Findings,
    name: &str,
    settings: &InstanceSettings,
    state_dir: Option<&Path>,
    (transport, date): (&HttpTransport, SystemTime),
) {
    let stored = state_dir.and_then(|folder| PairedStore::new(folder, name).read().ok().flatten());
    let key = stored.as_ref().map(|stored| &stored.key);
    let uuid = match (&settings.credentials, key) {
        (Credentials::Device { .. }, Some(key)) => Some(key.uuid.clone()),
        (
            Credentials::Device {
                uuid: Some(uuid),
                secret: Some(_),
                ..
            }
            | Credentials::ConsumerApp { uuid, .. },
            _,
        ) => Some(uuid.clone()),
        (Credentials::Device { .. }, None) => {
            findings.note(
                "login",
                name,
                "not tried: the device has no credentials that this user may read; it has to be \
                 paired (expd status shows the code)",
            );
            return;
        }
        (Credentials::User { .. }, _) => None,
    };
    let now = date.duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let body = login_request(&settings.credentials, key, now.saturating_sub(1));
    let url = format!("{}/api/auth/login", settings.host.trim_end_matches('/'));
    let answer = match transport.request(Method::POST, url) {
        Ok(request) => {
            let request = request.json(&body);
            transport
                .exchange(request, ANSWER, LARGEST, &Unbounded)
                .await
        }
        Err(error) => Err(error),
    };
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let remedy = "try again; if it persists, ask EXP's operator";
            findings.fault("login", name, error.to_string(), remedy);
            return;
        }
    };
    if answer.status == StatusCode::UNAUTHORIZED {
        findings.fault(
            "login",
            name,
            format!("EXP refuses the credentials: {}", answer.message()),
            "check uuid, secret and organization in the settings; the clock, where it is wrong; \
             or pair the device again (allow_pairing = true)",
        );
        return;
    }
    if !answer.status.is_success() {
        let what = format!("EXP answers {}: {}", answer.status, answer.message());
        let remedy = "check the host setting: it must be the API's own address";
        findings.fault("login", name, what, remedy);
        return;
    }
    let claimant = Claimant {
        kind: settings.credentials.kind(),
        uuid: uuid.as_deref(),
    };
    let read = LoginAnswer::read(&answer.body, claimant);
    // The body contains tokens.
    answer.body.zeroize();
    match read {
        Ok(login) => {
            let who = &login.identity;
            let organization = excerpt(&who.organization);
            findings.ok("login", name, format!("as {} of {organization}", who.kind));
        }
        Err(error) => {
            let what = format!("EXP's answer to the login cannot be used: {error}");
            findings.fault("login", name, what, "check the host setting");
        }
    }
}
