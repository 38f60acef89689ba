//! Checks of this host: socket and daemon, permissions, units, disk.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::finding::Findings;
use crate::access::accounts;
use crate::cli::ages;
use crate::cli::daemon_socket::DaemonSocket;
use crate::cli::system::{command, has_systemd};
use crate::exposure;
use expd_client::{LinkState, Status};

/// Free space, in bytes and in files, below which the disk counts as full.
const LITTLE_SPACE: u64 = 16 << 20;
const FEW_FILES: u64 = 100;

/// Units of the package.
const UNITS: [&str; 2] = ["expd.service", "expd.socket"];

/// Checks the socket and the daemon behind it. Returns the daemon's status.
pub(super) async fn daemon(findings: &mut Findings, socket: &DaemonSocket) -> Option<Status> {
    let path = socket.path();
    let shown = path.display().to_string();
    match std::fs::symlink_metadata(&path) {
        Err(error) => {
            let remedy = "start the daemon (systemctl start expd.socket expd.service), or name its \
                          socket with --socket";
            findings.fault("socket", &shown, error.to_string(), remedy);
            return None;
        }
        Ok(found) if !found.file_type().is_socket() => {
            let remedy = "remove it (rm -r), and start the daemon again; in containers, mount the \
                          folder, never the file";
            findings.fault("socket", &shown, "not a socket", remedy);
            return None;
        }
        Ok(found) => {
            let group = accounts::group(found.gid()).map(|group| group.name);
            let group = group.unwrap_or_else(|| found.gid().to_string());
            let what = format!("mode {:04o}, group {group}", found.mode() & 0o7777);
            findings.ok("socket", &shown, what);
        }
    }
    let status = match socket.connect().await {
        Ok(client) => client.status().await.map_err(|error| error.to_string()),
        Err(failure) => Err(failure.to_string()),
    };
    match status {
        Ok(status) => {
            links(findings, &status);
            Some(status)
        }
        Err(error) => {
            let remedy = "see journalctl -u expd.service -n 50";
            findings.fault("daemon", "", error, remedy);
            None
        }
    }
}

fn links(findings: &mut Findings, status: &Status) {
    let own = env!("CARGO_PKG_VERSION");
    if status.version == own {
        findings.ok("daemon", "", format!("version {own} answers"));
    } else {
        let what = format!(
            "version {} is running, but {own} is installed",
            status.version
        );
        findings.warning("daemon", "", what, "systemctl restart expd.service");
    }
    let now = SystemTime::now();
    for it in &status.instances {
        let since = it.link.since.map(|since| ages::since(since, now));
        let since = since
            .map(|since| format!(" for {since}"))
            .unwrap_or_default();
        let state = format!("{}{since}", it.link.state.explain());
        match it.link.state {
            LinkState::Online => findings.ok("link", &it.instance, state),
            LinkState::Pairing => findings.warning(
                "link",
                &it.instance,
                state,
                "have an operator enter the code that expd status shows",
            ),
            _ => findings.fault(
                "link",
                &it.instance,
                format!("{state}: {}", it.link.last_error),
                "see the checks of the route to EXP below",
            ),
        }
        let pending = it.channels.iter().filter(|it| it.confirmed_at.is_none());
        let pending = pending.count();
        if pending > 0 && it.link.state == LinkState::Online {
            let what = format!("EXP has not confirmed {pending} of the channels");
            let remedy = "see expd status; if it persists, ask EXP's operator";
            findings.warning("channels", &it.instance, what, remedy);
        }
    }
}

/// Checks who may change the daemon's state folder, and its free space.
pub(super) fn state(findings: &mut Findings, folder: Option<&Path>) {
    let Some(folder) = folder else {
        let remedy = "set daemon.state_dir, or STATE_DIRECTORY";
        findings.warning("state", "", "no folder for paired credentials", remedy);
        return;
    };
    let shown = folder.display().to_string();
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.note(
                "state",
                &shown,
                "does not exist yet; the daemon or its unit creates it",
            );
        }
        Err(error) => {
            let remedy = "run this as root, or as the daemon's user";
            findings.warning("state", &shown, error.to_string(), remedy);
        }
        Ok(found) if !found.is_dir() => {
            let remedy = "move it away";
            findings.fault("state", &shown, "not a folder", remedy);
        }
        Ok(_) => match exposure::changeable(folder) {
            Some(exposure) => {
                let (what, remedy) = (exposure.to_string(), exposure.remedy());
                findings.fault("state", &shown, what, remedy);
            }
            None => findings.ok("state", &shown, "no other user may change it"),
        },
    }
    disk(findings, folder);
}

/// Checks the file system of a folder, which may not exist yet.
fn disk(findings: &mut Findings, folder: &Path) {
    let Some(existing) = folder.ancestors().find(|folder| folder.exists()) else {
        return;
    };
    let shown = existing.display().to_string();
    let space = match statvfs(existing) {
        Ok(space) => space,
        Err(error) => {
            findings.warning(
                "disk",
                &shown,
                error.to_string(),
                "check the mount: findmnt",
            );
            return;
        }
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        let remedy = "mount it writable, or set daemon.state_dir to a folder that is";
        findings.fault("disk", &shown, "mounted read-only", remedy);
    } else if free < LITTLE_SPACE || (space.f_files > 0 && space.f_favail < FEW_FILES) {
        let what = format!("{} KiB and {} files free", free >> 10, space.f_favail);
        let remedy = "free some (journalctl --vacuum-size=50M, df -h, df -i): paired credentials \
                      cannot be stored on a full disk";
        findings.fault("disk", &shown, what, remedy);
    } else {
        findings.ok("disk", &shown, format!("{} MiB free", free >> 20));
    }
}

/// Checks the units of the service manager.
pub(super) async fn units(findings: &mut Findings) {
    if !has_systemd() {
        findings.note("units", "", "systemd is not running");
        return;
    }
    for unit in UNITS {
        let properties = "LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,StatusText";
        let shown = command("systemctl", &["show", unit, "--property", properties]).await;
        let text = match shown {
            Ok(text) => text,
            Err(error) => {
                findings.warning("units", unit, error.to_string(), "run this as root");
                continue;
            }
        };
        unit_state(findings, unit, &text);
    }
}

fn unit_state(findings: &mut Findings, unit: &str, text: &str) {
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    };
    if value("LoadState") == "not-found" {
        findings.note("units", unit, "not installed");
        return;
    }
    if value("LoadState") == "masked" {
        findings.fault("units", unit, "masked", format!("systemctl unmask {unit}"));
        return;
    }
    let (active, sub) = (value("ActiveState"), value("SubState"));
    let state = format!("{active} ({sub}), {}", value("UnitFileState"));
    match active {
        "active" => findings.ok("units", unit, state),
        "inactive" => {
            findings.warning(
                "units",
                unit,
                state,
                format!("systemctl enable --now {unit}"),
            );
        }
        _ => {
            let reason = value("StatusText");
            let reason = if reason.is_empty() {
                value("Result")
            } else {
                reason
            };
            let remedy = format!("journalctl -u {unit} -n 50; then systemctl restart {unit}");
            findings.fault("units", unit, format!("{state}: {reason}"), remedy);
        }
    }
    let restarts = value("NRestarts");
    if !matches!(restarts, "" | "0") {
        let what = format!("restarted {restarts} times");
        findings.warning(
            "units",
            unit,
            what,
            format!("journalctl -u {unit} -p warning"),
        );
    }
    if value("UnitFileState") == "disabled" {
        let remedy = format!("systemctl enable {unit}");
        findings.warning("units", unit, "does not start at boot", remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn the_state_of_a_unit_is_told_with_the_command_that_helps() {
        let findings = |text: &str| {
            let mut findings = Findings::default();
            unit_state(&mut findings, "expd.service", text);
            findings
        };
        let up = "LoadState=loaded\nActiveState=active\nSubState=running\n\
                  UnitFileState=enabled\nNRestarts=0\n";
        assert_eq!(findings(up).count(Level::Ok), 1);
        let failed = "LoadState=loaded\nActiveState=failed\nSubState=failed\n\
                      UnitFileState=disabled\nResult=exit-code\nNRestarts=4\n";
        let failed = findings(failed);
        assert_eq!(failed.count(Level::Fault), 1);
        assert_eq!(failed.count(Level::Warning), 2);
        assert!(failed.text().contains("systemctl enable expd.service"));
        assert!(
            findings("LoadState=not-found\n")
                .text()
                .contains("not installed")
        );
    }
}
