//! `expd hub`: the EXP-compatible network without a daemon, and its operator's commands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::failure::Failure;
use super::flags::LogFlag;
use super::output::{self, BOLD, Output, printable, styled};
use super::runtime::{run_client, run_server};
use super::stop_signal::StopSignal;
use super::{password, settings};
use crate::config::{self, LogLevel, Settings, StateEnvironment};
use crate::coredump;
use crate::ipc;
use crate::logging;
use expd_domain::Secret;
use expd_hub::{MAX_CONNECTIONS, operator};

/// Run an EXP-compatible network in this process, for development and tests
///
/// Takes devices, users and consumer apps from the `[hub]` section of the settings, and keeps
/// everything but its keys in memory. Ctrl-C and SIGTERM end it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  expd hub --listen 127.0.0.1:9000
  expd hub pair abc-def                              pair the device that shows this code
  printf %s \"$PASSWORD\" | expd hub hash-password     for `password_hash` in the settings"
)]
pub(super) struct Hub {
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on [default: hub.listen of the settings]; port 0 takes a free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    log: LogFlag,
    #[command(subcommand)]
    command: Option<HubCommand>,
}

#[derive(Debug, Subcommand)]
enum HubCommand {
    /// Pair the device that shows a pairing code, and print its uuid
    #[command(after_help = "\
Examples:
  expd hub pair abc-def
  expd hub pair abcdef --network http://127.0.0.1:9000")]
    Pair {
        /// Pairing code, with or without its hyphen
        code: String,
        /// uuid for the device [default: a new one]
        #[arg(long)]
        uuid: Option<String>,
        #[command(flatten)]
        network: NetworkFlags,
    },
    /// Unpair a device: its credentials become invalid
    #[command(after_help = "\
Examples:
  expd hub unpair 5f0c1d2e-…")]
    Unpair {
        /// uuid of the device
        uuid: String,
        #[command(flatten)]
        network: NetworkFlags,
    },
    /// Hash a password from standard input, for `password_hash` in the settings
    #[command(after_help = "\
Examples:
  expd hub hash-password                             prompts, without echo
  printf %s \"$PASSWORD\" | expd hub hash-password")]
    HashPassword,
}

/// Options that select a network, and the settings with its operator's key.
#[derive(Debug, Args)]
struct NetworkFlags {
    /// Network address [default: hub.listen of the settings]
    #[arg(long, value_name = "URL")]
    network: Option<String>,
    /// Settings file, with the address and the operator's key [default: /etc/expd/expd.toml if it
    /// exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Hub {
    pub(super) fn run(self, verbose: u8) -> Result<(), Failure> {
        let log = self.log.level(verbose);
        match self.command {
            None => run_server(Box::pin(serve(self.config, self.listen, log))),
            Some(HubCommand::Pair {
                code,
                uuid,
                network,
            }) => run_client(Box::pin(pair(code, uuid, network))),
            Some(HubCommand::Unpair { uuid, network }) => {
                run_client(Box::pin(unpair(uuid, network)))
            }
            Some(HubCommand::HashPassword) => run_client(Box::pin(hash_password())),
        }
    }
}

async fn serve(
    file: Option<PathBuf>,
    listen: Option<SocketAddr>,
    log: Option<LogLevel>,
) -> Result<(), Failure> {
    let core_dumps = coredump::disable();
    let loaded = settings::load(file)?;
    let mut settings = loaded.settings;
    let level = log.unwrap_or(settings.daemon.log);
    logging::init(level, settings.daemon.log_format)?;
    core_dumps.log_failure();
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    if let Some(listen) = listen {
        settings.hub.listen = listen;
    }
    settings.hub.state_dir = config::hub_state_dir(&settings, &StateEnvironment::from_process());
    ipc::allow_open_files(MAX_CONNECTIONS);
    let mut stop = StopSignal::new()?;
    let network = expd_hub::Hub::bind(&settings.hub).await?;
    output::note(format_args!(
        "{} at http://{}, organization {}",
        styled(BOLD, "an EXP network"),
        network.local_addr(),
        printable(&settings.hub.organization)
    ));
    let shutdown = CancellationToken::new();
    let mut serving = std::pin::pin!(network.serve(shutdown.clone()));
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = stop.received() => shutdown.cancel(),
    }
    Ok(serving.await?)
}

async fn pair(code: String, uuid: Option<String>, network: NetworkFlags) -> Result<(), Failure> {
    let (url, key) = network.find()?;
    let paired = operator::pair_as(&url, Some(&key), &code, uuid.as_deref()).await?;
    Output::new().text(&printable(&paired.uuid)).await
}

async fn unpair(uuid: String, network: NetworkFlags) -> Result<(), Failure> {
    let (url, key) = network.find()?;
    operator::unpair(&url, Some(&key), &uuid).await?;
    Ok(())
}

async fn hash_password() -> Result<(), Failure> {
    let hash = expd_hub::hash_password(&password::read().await?)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Output::new().text(&hash).await
}

impl NetworkFlags {
    /// The network's URL, and its operator's key.
    fn find(self) -> Result<(String, Secret), Failure> {
        let settings = settings::load(self.config)?.settings;
        let url = match self.network {
            Some(url) if url.contains("://") => url,
            Some(address) => format!("http://{address}"),
            None => format!("http://{}", local_address(settings.hub.listen)?),
        };
        let key = match settings.hub.operator_key.clone() {
            Some(key) => key,
            None => stored_key(&url, &settings)?,
        };
        Ok((url, key))
    }
}

/// The operator's key that a network on this host keeps in its state folder.
fn stored_key(url: &str, settings: &Settings) -> Result<Secret, Failure> {
    let ip = Url::parse(url).ok().and_then(|url| match url.host()? {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(name) => (name == "localhost").then_some(Ipv4Addr::LOCALHOST.into()),
    });
    let is_local = ip.is_some_and(|ip| ip.is_loopback() || ip == settings.hub.listen.ip());
    if !is_local {
        return Err(Failure::Usage(format!(
            "{url} is not on this host, and neither is its operator's key; give the key as \
             hub.operator_key (EXPD__HUB__OPERATOR_KEY)"
        )));
    }
    let folder = config::hub_state_dir(settings, &StateEnvironment::from_process());
    let path = folder.map(|folder| expd_hub::operator_key_file(&folder));
    let path = path.ok_or_else(|| {
        Failure::Usage(
            "there is no folder for the network's state (daemon.state_dir), so there is no \
             operator's key; give the key as hub.operator_key"
                .into(),
        )
    })?;
    let read = expd_hub::read_key(&path).map_err(|source| Failure::Input {
        what: format!("the operator's key in {}", path.display()),
        source,
    })?;
    read.ok_or_else(|| {
        Failure::Failed(format!(
            "there is no operator's key at {}; start the network as this user and with these \
             settings (--config), or give its key as hub.operator_key",
            path.display()
        ))
    })
}

/// The address at which this host reaches a network that listens on `listen`.
fn local_address(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    if listen.port() == 0 {
        return Err(Failure::Usage(
            "the network takes a free port (hub.listen); name its address with --network".into(),
        ));
    }
    let host = match listen.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    Ok(SocketAddr::new(host, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_on_every_address_is_reached_on_loopback() {
        let reached = |text: &str| local_address(text.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(reached("0.0.0.0:9000").unwrap(), "127.0.0.1:9000");
        assert_eq!(reached("[::]:9000").unwrap(), "[::1]:9000");
        assert_eq!(reached("10.0.0.1:9000").unwrap(), "10.0.0.1:9000");
        assert!(reached("127.0.0.1:0").is_err());
    }
}
