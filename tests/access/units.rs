//! Units by pattern, and users of other namespaces.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use expd_test_support::process::{Daemon, Home};

use crate::actor::Other;

/// A control group of the system, removed with this once it is empty.
struct ControlGroup(PathBuf);

impl ControlGroup {
    /// None where this machine lets nobody make one.
    fn new(name: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
        let root = roots
            .into_iter()
            .find(|root| Path::new(root).join("cgroup.procs").exists())?;
        let folder = Path::new(root).join(name);
        fs::create_dir(&folder).ok()?;
        Some(Self(folder))
    }

    /// A program of the user nobody that begins in this group.
    fn begin(&self, home: &Home) -> Other {
        let script = format!(
            "echo $$ >{}/cgroup.procs && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"",
            self.0.display()
        );
        Other::played(home, &["sh", "-c", &script, "sh"], &[])
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

#[tokio::test]
async fn a_unit_is_named_by_a_pattern() {
    let rules = "[[access]]\nunit = \"docker-*.scope\"\nallow = [\"broadcast\"]\n";
    let home = Home::new(rules);
    let _daemon = home.start();
    let own = std::process::id();
    let groups =
        ["docker-", "podman-"].map(|kind| ControlGroup::new(&format!("{kind}{own}.scope")));
    let [Some(docker), Some(podman)] = groups else {
        let mut stderr = std::io::stderr();
        writeln!(
            stderr,
            "SKIPPED: this machine lets nobody make control groups"
        )
        .unwrap();
        return;
    };
    for (group, allowed) in [(docker, true), (podman, false)] {
        let mut program = group.begin(&home);
        let said = program.told("broadcast menu");
        assert_eq!(said == "done", allowed, "{:?}: {said}", group.0);
        drop(program);
    }
}

#[tokio::test]
async fn whoever_is_of_another_user_namespace_is_nobody_known() {
    // The daemon's namespace has one user: all others show as 65534, which it knows as nobody.
    let rules = "[[access]]\nuser = \"nobody\"\nallow = [\"listen\", \"status\"]\n\
                 [[access]]\nuid = 65534\nallow = [\"broadcast\"]\n\
                 [[access]]\ngroup = \"nogroup\"\nallow = [\"request\"]\n";
    let home = Home::new(rules);
    let mut command = home.command(&["unshare", "--user", "--map-root-user"]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    for identity in [
        ["--reuid=9", "--regid=9", "--clear-groups"],
        ["--reuid=65534", "--regid=65534", "--clear-groups"],
    ] {
        let mut stranger = Other::new(&home, &identity);
        for order in [
            "listen menu",
            "broadcast menu",
            "status -",
            "request /api/devices",
        ] {
            let said = stranger.told(order);
            assert!(
                said.contains("uid 65534") && said.contains("[[access]]"),
                "{order}: {said}"
            );
        }
    }
    // Without that namespace, nobody is nobody.
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let _daemon = home.start();
    assert_eq!(Other::nobody(&home).told("broadcast menu"), "done");
}
