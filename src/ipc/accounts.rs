//! Users and groups by name, as the system knows them.

use std::io;

use nix::unistd::{Group, User};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        assert_eq!(group_id("root").unwrap(), Some(0));
        assert_eq!(user_id("root").unwrap(), Some(0));
        assert_eq!(group_id("no-such-group-here").unwrap(), None);
        assert_eq!(user_id("no-such-user-here").unwrap(), None);
    }
}
