//! What each role in a team may do: one table, shared by routes, pages and sockets.

use std::{fmt, str::FromStr};

/// A person's role in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers for the team.
    Owner,
    /// Runs the team.
    Admin,
    /// Makes what the team offers.
    Editor,
    /// Reads the figures.
    Analyst,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Editor, Self::Analyst];

    /// The word on the wire and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Analyst => "analyst",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(word: &str) -> Result<Self, NotARole> {
        Self::ALL.into_iter().find(|role| role.word() == word).ok_or(NotARole)
    }
}

/// Something that not every member of a team may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See the team, its members, and its spaces whatever their status.
    ReadTeam,
    /// Change the team's name.
    EditTeam,
    /// Invite, remove and change members that are not owners.
    ManageMembers,
    /// Invite, remove and change owners.
    ManageOwners,
    /// Read the team's audit log.
    ReadAudit,
    /// Change spaces, experiences, passes and prices.
    EditContent,
    /// Run broadcasts and see their health, audience and journal; enter the studio.
    RunBroadcast,
    /// Give and revoke grants, list them, ban people, ask about another person's access.
    ManageAccess,
    /// Enter experiences without a grant.
    EnterAsStaff,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 9] = [
        Self::ReadTeam,
        Self::EditTeam,
        Self::ManageMembers,
        Self::ManageOwners,
        Self::ReadAudit,
        Self::EditContent,
        Self::RunBroadcast,
        Self::ManageAccess,
        Self::EnterAsStaff,
    ];
}

/// Whether somebody with `role` in a team may do this there.
#[must_use]
pub fn permits(role: Role, permission: Permission) -> bool {
    use Permission as P;
    match permission {
        P::ReadTeam | P::EnterAsStaff => true,
        P::EditContent | P::RunBroadcast => matches!(role, Role::Owner | Role::Admin | Role::Editor),
        P::EditTeam | P::ManageMembers | P::ReadAudit | P::ManageAccess => matches!(role, Role::Owner | Role::Admin),
        P::ManageOwners => matches!(role, Role::Owner),
    }
}

/// What one needs to give somebody this role, or to change or end the membership of somebody who has it.
#[must_use]
pub fn needed_for(role: Role) -> Permission {
    match role {
        Role::Owner => Permission::ManageOwners,
        Role::Admin | Role::Editor | Role::Analyst => Permission::ManageMembers,
    }
}

/// Why a role does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a member: for this person the thing does not exist.
    Unseen,
    /// A member, but of a role that may not do this.
    NotPermitted,
}

/// The role when it permits this; `None` stands for somebody who is no member.
///
/// # Errors
/// Which of the two refusals it is.
pub fn judge(role: Option<Role>, permission: Permission) -> Result<Role, Refusal> {
    let role = role.ok_or(Refusal::Unseen)?;
    if permits(role, permission) { Ok(role) } else { Err(Refusal::NotPermitted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles_is_as_written_down() {
        let expected = |permission| match permission {
            Permission::ReadTeam | Permission::EnterAsStaff => "owner admin editor analyst",
            Permission::EditContent | Permission::RunBroadcast => "owner admin editor",
            Permission::EditTeam | Permission::ManageMembers | Permission::ReadAudit | Permission::ManageAccess => {
                "owner admin"
            }
            Permission::ManageOwners => "owner",
        };
        for permission in Permission::ALL {
            let may: Vec<_> = Role::ALL.into_iter().filter(|role| permits(*role, permission)).map(Role::word).collect();
            assert_eq!(may.join(" "), expected(permission), "{permission:?}");
        }
    }

    #[test]
    fn a_stranger_is_told_nothing_and_a_member_is_told_no() {
        assert_eq!(judge(None, Permission::ReadTeam), Err(Refusal::Unseen));
        assert_eq!(judge(Some(Role::Analyst), Permission::EditContent), Err(Refusal::NotPermitted));
        assert_eq!(judge(Some(Role::Editor), Permission::EditContent), Ok(Role::Editor));
    }
}
