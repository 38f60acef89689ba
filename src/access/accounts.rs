//! Users and groups, as the system's name service knows them.

use std::io;

use nix::unistd::{Gid, Group, Uid, User};

/// The numeric ID of a group.
///
/// # Errors
/// When the system's name service fails.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// The numeric ID of a user.
///
/// # Errors
/// When the system's name service fails.
pub fn user_id(name: &str) -> io::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// A group. Its members do not include users whose primary group it is.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    /// The name.
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
        assert_eq!(group_id("no-such-group-here").unwrap(), None);
        assert_eq!(user_id("no-such-user-here").unwrap(), None);
    }
}
