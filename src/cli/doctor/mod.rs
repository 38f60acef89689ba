//! `expd doctor`: finds what keeps expd from working, and says what to do.

mod finding;
mod host;
mod network;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::output::{Output, Progress};
use super::service::has_run_as_service;
use crate::config::{self, Source, StateEnvironment};
use expd_client::LinkState;
pub(super) use finding::{Findings, Level};

/// Find what keeps expd from working, with a remedy for each finding
///
/// Checks the settings, the socket, the daemon, its state folder and disk, the units, and every
/// instance's route to EXP: proxy, DNS (IPv4 and IPv6), connections, TLS, clock, captive portal,
/// login. Works without a running daemon. Run as root, it sees what the service sees, including the
/// unit's environment and credentials. Changes nothing, and prints no secret.
///
/// Exit status: 0 no fault (possibly warnings), 1 at least one fault.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd doctor
  expd doctor --json | jq -r '.findings[] | select(.level == \"fault\") | .remedy'")]
pub(super) struct Doctor {
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        if has_run_as_service(self.config.as_deref()).await? {
            return Ok(());
        }
        let progress = Progress::new();
        let examining = Box::pin(examine(self.config, socket));
        let findings = progress.during(Some("examining"), examining).await;
        let (faults, warnings) = (findings.count(Level::Fault), findings.count(Level::Warning));
        let mut stdout = Output::new();
        if self.json {
            let document = json!({
                "faults": faults, "warnings": warnings, "findings": findings,
            });
            stdout.document(&document).await?;
        } else {
            stdout.text(findings.text().trim_end()).await?;
        }
        match faults {
            0 => Ok(()),
            1 => Err(Failure::Failed("1 fault".to_owned())),
            faults => Err(Failure::Failed(format!("{faults} faults"))),
        }
    }
}

/// Runs all checks.
pub(super) async fn examine(file: Option<PathBuf>, mut socket: DaemonSocket) -> Findings {
    let mut findings = Findings::default();
    let is_named = file.is_some();
    let mut source = Source::from_process(file);
    let passed_over = if is_named {
        None
    } else {
        source.pass_over_unreadable_file()
    };
    // Without the file, the environment alone would count as the complete settings.
    let loaded = if let Some(denied) = passed_over {
        let what = "this user may not read it, so its instances are not checked";
        let remedy = "run this as root, to see what the service sees";
        findings.warning("settings", &denied.origin.to_string(), what, remedy);
        None
    } else {
        Some(config::load(&source))
    };
    let settings = match loaded {
        None => None,
        Some(Ok(loaded)) => {
            for warning in &loaded.warnings {
                let subject = warning.origin.to_string();
                findings.warning("settings", &subject, &*warning.what, &*warning.remedy);
            }
            let file = match &loaded.file {
                Some(file) => file.display().to_string(),
                None => "no file".to_owned(),
            };
            findings.ok("settings", &file, "no mistakes");
            Some(loaded.settings)
        }
        Some(Err(mistakes)) => {
            for mistake in mistakes.mistakes() {
                let subject = format!("{} {}", mistake.origin, mistake.key);
                findings.fault("settings", subject.trim(), &*mistake.what, &*mistake.remedy);
            }
            None
        }
    };
    let named = settings
        .as_ref()
        .and_then(|settings| settings.daemon.socket.clone());
    if std::env::var_os("EXPD_SOCKET").is_none() {
        socket.path = socket.path.or(named);
    }
    let status = host::daemon(&mut findings, &socket).await;
    network::clock(&mut findings);
    let environment = StateEnvironment::from_process();
    let state_dir = settings
        .as_ref()
        .and_then(|settings| config::state_dir(settings, &environment));
    if settings.is_some() {
        host::state(&mut findings, state_dir.as_deref());
    }
    host::units(&mut findings).await;
    for (name, instance) in settings.iter().flat_map(|settings| &settings.instances) {
        let is_online = status
            .iter()
            .flat_map(|status| &status.instances)
            .any(|it| it.instance == *name && it.link.state == LinkState::Online);
        network::instance(
            &mut findings,
            name,
            instance,
            state_dir.as_deref(),
            is_online,
        )
        .await;
    }
    findings
}
