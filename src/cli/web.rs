//! `expd web`: what browsers need to call the door for pages.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use url::{Host, Url};

use super::failure::Failure;
use super::output::{self, Output};
use super::settings;
use crate::config::WebSettings;

/// Configure browsers for the door for pages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd web policy | sudo tee /etc/chromium/policies/managed/expd.json")]
pub(super) struct Web {
    #[command(subcommand)]
    command: WebCommand,
}

#[derive(Debug, Subcommand)]
enum WebCommand {
    Policy(Policy),
}

/// Print the policy that allows Chromium's pages to call the door
///
/// Chromium asks its user before a page of another host may call a loopback address; on a kiosk
/// nobody answers. The policy allows it for the origins of `web.apps`. Needs no daemon.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd web policy
  expd web policy | sudo tee /etc/chromium/policies/managed/expd.json")]
struct Policy {
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Chromium's policies; the names are Chromium's own.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChromiumPolicies<'a> {
    local_network_access_allowed_for_urls: &'a BTreeSet<String>,
    loopback_network_allowed_for_urls: &'a BTreeSet<String>,
}

impl Web {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            WebCommand::Policy(policy) => policy.run().await,
        }
    }
}

impl Policy {
    async fn run(self) -> Result<(), Failure> {
        let web = settings::load(self.config)?.settings.web;
        if web.apps.is_empty() {
            let message = "the settings have no [[web.apps]], whose origins the policy names; add the page's app, or name the file with --config";
            return Err(Failure::Failed(message.to_owned()));
        }
        let patterns = patterns(&web);
        if patterns.is_empty() {
            output::note(
                "no policy is needed: all origins of web.apps are loopback addresses, from which Chromium asks for no permission",
            );
        } else {
            output::note(EXPLANATION);
        }
        let policies = ChromiumPolicies {
            local_network_access_allowed_for_urls: &patterns,
            loopback_network_allowed_for_urls: &patterns,
        };
        Output::new().document(&policies).await
    }
}

const EXPLANATION: &str = "\
Chromium and Chrome 142 and newer ask before a page of another host calls a loopback address.
LocalNetworkAccessAllowedForUrls permits it from version 139 on, LoopbackNetworkAllowedForUrls from 146 on;
each version ignores what it does not know, so that the file may have both.
It goes to /etc/chromium/policies/managed/expd.json, for Google Chrome to
/etc/opt/chrome/policies/managed/expd.json; the page chrome://policy shows what is in force.";

/// The origins that need permission, as Chromium's patterns.
fn patterns(web: &WebSettings) -> BTreeSet<String> {
    let origins = web.apps.iter().flat_map(|app| &app.origins);
    origins.filter_map(|origin| pattern(origin)).collect()
}

/// The pattern of one origin; without its port it would match all ports. None if the origin is on
/// this host.
fn pattern(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if loopback {
        return None;
    }
    let port = url.port_or_known_default()?;
    Some(format!("{}://{}:{port}", url.scheme(), url.host_str()?))
}
