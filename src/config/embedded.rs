//! Settings for `--embedded`: a network in this process, and an identity that logs in to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use expd_domain::Secret;
use expd_hub::HubDevice;

use super::settings::{Credentials, DEFAULT_INSTANCE, InstanceSettings, Settings};

/// Adds the settings that an embedded network needs. Configured instances stay as they are. Without
/// any, the default instance logs in as the network's first device, which is generated if there is
/// none.
#[must_use]
pub fn embed(mut settings: Settings) -> Settings {
    if !settings.instances.is_empty() {
        return settings;
    }
    if settings.hub.devices.is_empty() {
        settings.hub.devices.push(HubDevice {
            uuid: uuid::Uuid::new_v4().to_string(),
            // Two UUIDs have the strength of an HMAC key, which this secret is.
            secret: Secret::new(format!(
                "{}{}",
                uuid::Uuid::new_v4().simple(),
                uuid::Uuid::new_v4().simple()
            )),
        });
    }
    if let Some(device) = settings.hub.devices.first() {
        let credentials = Credentials::Device {
            uuid: Some(device.uuid.clone()),
            secret: Some(device.secret.clone()),
            allow_pairing: false,
        };
        let instance = InstanceSettings::new(local_url(settings.hub.listen), credentials);
        settings
            .instances
            .insert(DEFAULT_INSTANCE.to_owned(), instance);
    }
    settings
}

/// Replaces the network's configured address by the bound one, in its own settings and in every
/// instance that points to it.
pub fn follow(settings: &mut Settings, bound: SocketAddr) {
    let before = local_url(settings.hub.listen);
    settings.hub.listen = bound;
    let after = local_url(bound);
    for instance in settings.instances.values_mut() {
        if instance.host == before {
            instance.host.clone_from(&after);
        }
    }
}

/// URL of an address that this host listens on.
#[must_use]
pub fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(settings: &Settings) -> (String, String, String) {
        let instance = &settings.instances[DEFAULT_INSTANCE];
        let Credentials::Device { uuid, secret, .. } = &instance.credentials else {
            panic!("{instance:?}");
        };
        let secret = secret.as_ref().unwrap().expose().to_owned();
        (instance.host.clone(), uuid.clone().unwrap(), secret)
    }

    #[test]
    fn without_settings_there_is_a_device_and_the_default_instance_is_it() {
        let settings = embed(Settings::default());
        let (host, uuid, secret) = login(&settings);
        assert_eq!(host, "http://127.0.0.1:9000");
        assert_eq!(settings.hub.devices[0].uuid, uuid);
        assert_eq!(settings.hub.devices[0].secret.expose(), secret);
        assert_ne!(login(&embed(Settings::default())).2, secret);
    }

    #[test]
    fn the_first_configured_device_is_taken() {
        let mut settings = Settings::default();
        settings.hub.devices.push(HubDevice {
            uuid: "d".into(),
            secret: Secret::new("s"),
        });
        let settings = embed(settings);
        assert_eq!(login(&settings).1, "d");
        assert_eq!(settings.hub.devices.len(), 1);
    }

    #[test]
    fn configured_instances_stay_as_they_are() {
        let mut first = embed(Settings::default());
        first.hub.devices.clear();
        let again = embed(first.clone());
        assert!(again.hub.devices.is_empty());
        assert_eq!(login(&again), login(&first));
    }

    #[test]
    fn instances_follow_the_port_that_was_bound() {
        let mut settings = Settings::default();
        settings.hub.listen = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut settings = embed(settings);
        follow(&mut settings, SocketAddr::from(([0, 0, 0, 0], 4321)));
        assert_eq!(login(&settings).0, "http://127.0.0.1:4321");
        assert_eq!(settings.hub.listen.port(), 4321);
    }
}
