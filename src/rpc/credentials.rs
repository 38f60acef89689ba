//! Settings of an instance that a program brings along, from its request.

use tonic::Status;

use super::error;
use crate::bridge::Bridges;
use crate::config::settings::{INSTANCE_NAME_RULE, is_instance_name};
use crate::config::{ApiHost, Credentials, InstanceSettings};
use expd_domain::{Quoted, Secret};
use expd_proto as proto;

/// Reads the settings of the requested instance. If a configured instance has the same host, its
/// connection settings are used.
///
/// # Errors
/// `INVALID_ARGUMENT`; the message contains no secret.
pub(super) fn settings_in(
    request: proto::RunInstanceRequest,
    bridges: &Bridges,
) -> Result<InstanceSettings, Status> {
    let proto::RunInstanceRequest {
        name,
        host,
        credentials,
        network,
    } = request;
    if !is_instance_name(&name) {
        let name = Quoted(&name);
        return Err(error::invalid(format_args!(
            "name is {name}, which cannot name an instance; {INSTANCE_NAME_RULE}"
        )));
    }
    let credentials = credentials.and_then(|credentials| credentials.kind);
    let credentials = credentials.ok_or_else(|| {
        error::invalid(
            "the request has no credentials; set credentials.device, credentials.user or credentials.consumer_app",
        )
    })?;
    let credentials = credentials_in(credentials)?;
    let network = network.unwrap_or(true);
    let pairs = matches!(
        credentials,
        Credentials::Device {
            allow_pairing: true,
            ..
        }
    );
    if !network && pairs {
        return Err(error::invalid(
            "network is false, but a device receives its credentials over the live socket; leave it out, or allow_pairing",
        ));
    }
    let host = host_in(&name, &host, bridges)?;
    let mut setups = bridges.iter().map(|bridge| bridge.session.setup());
    let same_host = setups.find(|setup| setup.settings.host == host);
    let settings = same_host.map(|setup| setup.settings.clone());
    let settings = settings.unwrap_or_else(|| InstanceSettings::new(host, credentials.clone()));
    Ok(InstanceSettings {
        network,
        credentials,
        ..settings
    })
}

fn host_in(name: &str, host: &str, bridges: &Bridges) -> Result<String, Status> {
    if host.is_empty() {
        let default = bridges.get("").map(|bridge| bridge.session.setup());
        let default = default.map(|setup| setup.settings.host.clone());
        return Ok(default.unwrap_or_else(|| InstanceSettings::DEFAULT_HOST.to_owned()));
    }
    let host = ApiHost::parse(host);
    let host = host.map_err(|fault| error::invalid(format_args!("host {fault}")))?;
    if host.is_exposed {
        log::warn!(instance = name; "an instance that a program runs has an http:// host: its token is sent unencrypted; use https://");
    }
    Ok(host.url)
}

fn credentials_in(credentials: proto::credentials::Kind) -> Result<Credentials, Status> {
    use proto::credentials::Kind;
    Ok(match credentials {
        Kind::Device(device) => {
            let allow_pairing = device.allow_pairing;
            let text = |field, text: String| match text {
                text if text.is_empty() && allow_pairing => Ok(None),
                text => required("device", field, text).map(Some),
            };
            Credentials::Device {
                uuid: text("uuid", device.uuid)?,
                secret: text("secret", device.secret)?.map(Secret::new),
                allow_pairing,
            }
        }
        Kind::User(user) => Credentials::User {
            username: required("user", "username", user.username)?,
            password: Secret::new(required("user", "password", user.password)?),
            organization: required("user", "organization", user.organization)?,
        },
        Kind::ConsumerApp(app) => Credentials::ConsumerApp {
            uuid: required("consumer_app", "uuid", app.uuid)?,
            api_key: Secret::new(required("consumer_app", "api_key", app.api_key)?),
        },
    })
}

fn required(kind: &str, field: &str, text: String) -> Result<String, Status> {
    if text.is_empty() {
        let hint = match kind {
            "device" => ", or set allow_pairing",
            _ => "",
        };
        return Err(error::invalid(format_args!(
            "credentials.{kind}.{field} is empty; set it{hint}"
        )));
    }
    Ok(text)
}
