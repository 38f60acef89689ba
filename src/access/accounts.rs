//! Users and groups, as the system's name service knows them.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// The numeric ID of a group.
///
/// # Errors
/// The system's name service fails.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// The numeric ID of a user.
///
/// # Errors
/// The system's name service fails.
pub fn user_id(name: &str) -> io::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// A group. Its members do not include users whose primary group it is.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    pub name: String,
    /// The listed members, by name.
    pub members: Vec<String>,
}

/// The group with this ID; none where the system knows none, or the lookup fails.
pub fn group(gid: u32) -> Option<GroupInfo> {
    let group = Group::from_gid(Gid::from_raw(gid)).ok()??;
    Some(GroupInfo {
        name: group.name,
        members: group.mem,
    })
}

/// The groups of a user's account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one among them.
    pub groups: Vec<u32>,
}

/// The account of a user; none where the system knows none.
///
/// # Errors
/// The system's name service fails.
pub fn account(uid: u32) -> io::Result<Option<Account>> {
    let Some(user) = User::from_uid(Uid::from_raw(uid))? else {
        return Ok(None);
    };
    let groups = getgrouplist(&CString::new(user.name)?, user.gid)?;
    Ok(Some(Account {
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    }))
}

/// The name of a user; none where the system knows none, or the lookup fails.
pub fn user_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    Some(user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        assert_eq!(group_id("root").unwrap(), Some(0));
        assert_eq!(user_id("root").unwrap(), Some(0));
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(group(0).unwrap().name, "root");
        assert_eq!(user_name(u32::MAX - 7), None);
        assert!(account(0).unwrap().unwrap().groups.contains(&0));
        assert!(account(u32::MAX - 7).unwrap().is_none());
        assert_eq!(group_id("no-such-group-here").unwrap(), None);
        assert_eq!(user_id("no-such-user-here").unwrap(), None);
    }
}
