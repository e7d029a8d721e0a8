//! The user that a check is made as.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};

use super::unit::{NAME, Unit};
use crate::process::Failure;

/// Becomes a user, by name or number, with that user's groups and without any capability. Only root can.
pub(super) fn act_as(name: &str) -> Result<(), Failure> {
    let user = find(name).map_err(|errno| failed("look the user up", errno))?;
    // A uid needs no name, as in a container: its group has the same number.
    let number = || name.parse().ok().map(|id| (Uid::from_raw(id), Gid::from_raw(id)));
    let ids = user.as_ref().map(|user| (user.uid, user.gid)).or_else(number);
    let (uid, gid) = ids.ok_or_else(|| {
        Failure::Usage(format!(
            "--user {name}: there is no such user on this host; create it, or name another"
        ))
    })?;
    if uid == geteuid() && !geteuid().is_root() {
        return Ok(());
    }
    if !geteuid().is_root() {
        let message = format!("--user {name} needs root: run it as root, or leave --user out to check as yourself");
        return Err(Failure::Usage(message));
    }
    let failed = |errno| failed("become the user that --user names", errno);
    let groups = user.as_ref().map_or_else(|| Ok(vec![gid]), groups_of).map_err(failed)?;
    setgroups(&groups)
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(failed)
}

fn find(name: &str) -> nix::Result<Option<User>> {
    match (User::from_name(name)?, name.parse()) {
        (None, Ok(uid)) => User::from_uid(Uid::from_raw(uid)),
        (user, _) => Ok(user),
    }
}

fn groups_of(user: &User) -> nix::Result<Vec<Gid>> {
    let name = CString::new(user.name.as_str()).map_err(|_| nix::errno::Errno::EINVAL)?;
    getgrouplist(&name, user.gid)
}

fn failed(what: &'static str, errno: nix::errno::Errno) -> Failure {
    Failure::system(what)(errno.into())
}

/// Returns a line that names the user of the check and, if it differs, the daemon's user.
pub(super) fn checked_as(unit: Option<&Unit>) -> String {
    let own = geteuid();
    let name = User::from_uid(own).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| own.to_string());
    let of_unit = unit.map(|unit| match &*unit.user {
        "" => "root",
        user => user,
    });
    match of_unit {
        Some(user) if user != name => format!(
            "checked as the user {name}; {NAME} runs the daemon as {user}: as root, jwtkeeperd --check --user {user} checks as that user"
        ),
        None if own.is_root() => {
            "checked as root, who may read every file; if the daemon runs as another user, name it with --user"
                .to_owned()
        }
        _ => format!("checked as the user {name}"),
    }
}
