//! `expd hub`: the EXP-compatible network alone, and its operator's commands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::output::{self, BOLD, Output, printable, styled};
use super::stop::Stop;
use super::{Failure, on_runtime, password, start, told_of_settings};
use crate::config::{self, Loaded, Settings, Source, StateSurroundings};
use crate::coredump;
use crate::ipc;
use crate::logging;
use expd_domain::Secret;
use expd_hub::{MAX_CONNECTIONS, operator};

/// Run an EXP-compatible network in this process, for development and tests
///
/// Takes its devices, users and consumer apps from the `[hub]` section of the settings. All but its keys is kept in memory. Ctrl-C
/// and SIGTERM end it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  expd hub --listen 127.0.0.1:9000
  expd hub pair abc-def                              give the device that shows this code its credentials
  printf %s \"$PASSWORD\" | expd hub hash-password     for `password_hash` in the settings"
)]
pub struct Hub {
    /// The settings file [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, in place of the settings' address; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[command(subcommand)]
    command: Option<Operation>,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Pair the device that shows a pairing code: print the uuid it now has
    #[command(after_help = "\
Examples:
  expd hub pair abc-def
  expd hub pair abcdef --network http://127.0.0.1:9000")]
    Pair {
        /// The code, with or without its hyphen
        code: String,
        /// The uuid that the device gets [default: a new one]
        #[arg(long)]
        uuid: Option<String>,
        #[command(flatten)]
        network: Network,
    },
    /// Take a device's credentials away again
    #[command(after_help = "\
Examples:
  expd hub unpair 5f0c1d2e-…")]
    Unpair {
        /// The device's uuid
        uuid: String,
        #[command(flatten)]
        network: Network,
    },
    /// Hash a password from standard input, for `password_hash` in the settings
    #[command(after_help = "\
Examples:
  expd hub hash-password                             asks, without showing what is typed
  printf %s \"$PASSWORD\" | expd hub hash-password")]
    HashPassword,
}

/// The network that an operator means, and the settings that hold the operator's key.
#[derive(Debug, Args)]
struct Network {
    /// The network's address [default: the settings' hub.listen]
    #[arg(long, value_name = "URL")]
    network: Option<String>,
    /// The settings file, which has the address and the operator's key [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Hub {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            None => start(Box::pin(serve(self.config, self.listen))),
            Some(Operation::Pair {
                code,
                uuid,
                network,
            }) => on_runtime(Box::pin(pair(code, uuid, network))),
            Some(Operation::Unpair { uuid, network }) => {
                on_runtime(Box::pin(unpair(uuid, network)))
            }
            Some(Operation::HashPassword) => on_runtime(Box::pin(hash_password())),
        }
    }
}

async fn serve(file: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let kept = coredump::disable();
    let loaded = load(file)?;
    let mut settings = loaded.settings;
    logging::init(settings.daemon.log).map_err(|error| Failure::Failed(error.to_string()))?;
    kept.tell();
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    if let Some(listen) = listen {
        settings.hub.listen = listen;
    }
    settings.hub.state_dir = config::hub_state_dir(&settings, &StateSurroundings::from_process());
    ipc::allow_open_files(MAX_CONNECTIONS);
    let mut stop = Stop::new()?;
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
        () = stop.asked() => shutdown.cancel(),
    }
    Ok(serving.await?)
}

async fn pair(code: String, uuid: Option<String>, network: Network) -> Result<(), Failure> {
    let (url, key) = network.find()?;
    let paired = operator::pair_as(&url, Some(&key), &code, uuid.as_deref()).await?;
    Output::new().text(&printable(&paired.uuid)).await
}

async fn unpair(uuid: String, network: Network) -> Result<(), Failure> {
    let (url, key) = network.find()?;
    operator::unpair(&url, Some(&key), &uuid).await?;
    Ok(())
}

async fn hash_password() -> Result<(), Failure> {
    let hash = expd_hub::hash_password(&password::read().await?)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Output::new().text(&hash).await
}

fn load(file: Option<PathBuf>) -> Result<Loaded, Failure> {
    config::load(&Source::from_process(file)).map_err(|errors| told_of_settings(&errors))
}

impl Network {
    /// Its URL, and its operator's key.
    fn find(self) -> Result<(String, Secret), Failure> {
        let settings = load(self.config)?.settings;
        let url = match self.network {
            Some(url) if url.contains("://") => url,
            Some(address) => format!("http://{address}"),
            None => format!("http://{}", reachable(settings.hub.listen)?),
        };
        let key = match settings.hub.operator_key.clone() {
            Some(key) => key,
            None => kept_key(&url, &settings)?,
        };
        Ok((url, key))
    }
}

/// The operator's key that a network on this host keeps in its folder.
fn kept_key(url: &str, settings: &Settings) -> Result<Secret, Failure> {
    let ip = Url::parse(url).ok().and_then(|url| match url.host()? {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(name) => (name == "localhost").then_some(Ipv4Addr::LOCALHOST.into()),
    });
    let here = ip.is_some_and(|ip| ip.is_loopback() || ip == settings.hub.listen.ip());
    if !here {
        return Err(Failure::Usage(format!(
            "{url} is not on this host, so that its operator's key is not here either; give it as hub.operator_key (EXPD__HUB__OPERATOR_KEY)"
        )));
    }
    let folder = config::hub_state_dir(settings, &StateSurroundings::from_process());
    let path = folder.map(|folder| expd_hub::operator_key_file(&folder));
    let path = path.ok_or_else(|| {
        Failure::Usage(
            "there is no folder for the network's state (daemon.state_dir), and so no operator's key; give it as hub.operator_key".into(),
        )
    })?;
    let read = expd_hub::read_key(&path).map_err(|source| Failure::Input {
        what: format!("the operator's key in {}", path.display()),
        source,
    })?;
    read.ok_or_else(|| {
        Failure::Failed(format!(
            "there is no operator's key at {}; has the network been started, by this user and with these settings (--config)? Otherwise give its key as hub.operator_key",
            path.display()
        ))
    })
}

/// The address by which a network that listens on `listen` is reached from this host.
fn reachable(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    if listen.port() == 0 {
        return Err(Failure::Usage(
            "the settings let the network take a free port; name its address with --network".into(),
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
        let reached = |text: &str| reachable(text.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(reached("0.0.0.0:9000").unwrap(), "127.0.0.1:9000");
        assert_eq!(reached("[::]:9000").unwrap(), "[::1]:9000");
        assert_eq!(reached("10.0.0.1:9000").unwrap(), "10.0.0.1:9000");
        assert!(reached("127.0.0.1:0").is_err());
    }
}
