//! Names of the programs that use the daemon, from this host's `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::output::printable;
use expd_client::LimitHit;

/// Longest name of a program in a table.
const MAX_NAME: usize = 24;

/// The program of a process, as in `player 4242 (menu-board)`: its name, its ID, and its systemd
/// unit. Only its IDs if the process is not visible, or if another user's process has the ID by
/// now.
pub(super) fn program(pid: u32, uid: u32) -> String {
    if pid == 0 {
        return "over TCP".to_owned();
    }
    let folder = format!("/proc/{pid}");
    let is_same = fs::metadata(&folder).is_ok_and(|found| found.uid() == uid);
    let comm = fs::read_to_string(format!("{folder}/comm")).ok();
    let Some(comm) = comm.filter(|_| is_same) else {
        return format!("pid {pid}, uid {uid}");
    };
    let name = format!("{} {pid}", printable(comm.trim_end()));
    let cgroup = fs::read_to_string(format!("{folder}/cgroup")).unwrap_or_default();
    match unit(&cgroup) {
        Some(unit) => format!("{name} ({})", printable(&unit)),
        None => name,
    }
}

/// The program that reached a limit, or its user if several programs count together.
pub(super) fn refused_program(hit: &LimitHit) -> String {
    if hit.pid != 0 {
        return short_program(hit.pid, hit.uid);
    }
    let user = printable(&hit.user);
    let name = match user.as_ref() {
        "owner" => "root or expd's user".to_owned(),
        "tcp" => "over TCP".to_owned(),
        "others" => "other users".to_owned(),
        user => match user.strip_prefix("app:") {
            Some(app) => format!("pages of {app}"),
            None => format!("other programs of {user}"),
        },
    };
    clipped(&name, MAX_NAME)
}

/// A program, short enough for a column of a table.
pub(super) fn short_program(pid: u32, uid: u32) -> String {
    clipped(&program(pid, uid), MAX_NAME)
}

/// Cuts a text to `most` characters.
pub(super) fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The innermost service of a control group, without its suffix. The manager of a user's session
/// does not count.
fn unit(cgroup: &str) -> Option<String> {
    let lines = cgroup.lines();
    let path = lines
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .max_by_key(|path| path.len())?;
    let is_unit = |part: &&str| part.ends_with(".service") && !part.starts_with("user@");
    let unit = path.split('/').rfind(is_unit)?;
    unit.strip_suffix(".service").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reached_a_limit_has_a_name() {
        let shown = |user: &str, pid| {
            refused_program(&LimitHit {
                limit: "max_calls".to_owned(),
                user: user.to_owned(),
                pid,
                uid: u32::MAX,
                count: 1,
                last_at: None,
            })
        };
        assert_eq!(shown("60001", 0), "other programs of 60001");
        assert_eq!(shown("app:menu-board", 0), "pages of menu-board");
        assert_eq!(shown("tcp", 0), "over TCP");
        assert!(shown("60001", 7).starts_with("pid 7"));
    }

    #[test]
    fn a_program_has_its_name_and_its_unit() {
        let own = program(std::process::id(), rustix::process::geteuid().as_raw());
        let id = std::process::id().to_string();
        assert!(own.contains(&id) && !own.starts_with("pid"), "{own}");
        let other = program(std::process::id(), u32::MAX);
        assert!(other.starts_with("pid "), "{other}");
        let cgroup = "0::/system.slice/menu-board.service\n";
        assert_eq!(unit(cgroup).as_deref(), Some("menu-board"));
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/till.service\n";
        assert_eq!(unit(user).as_deref(), Some("till"));
        assert_eq!(unit("0::/\n"), None);
        assert_eq!(clipped("a long name", 7), "a long…");
    }
}
