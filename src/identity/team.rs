//! What people do with teams: each act judged by the table of roles, done, and written down in one transaction.

use serde_json::{Value, json};

use super::{
    Identity, Signed,
    core::{
        address::Address,
        role::{self, Permission, Role, needed_for},
    },
    store::{
        audit::{self, Act},
        members::{self, Member},
        teams::{self, Team},
        users,
    },
};
use crate::{
    clock::Timestamp,
    ids::{MembershipId, TeamId},
    limits::MEMBERS_MAX,
    store::{Connection, Denied, StoreError},
};

/// Why a change of a team is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The table of roles says no.
    Role(role::Refusal),
    /// There is no such member.
    NoSuchMember,
    /// The person is a member already.
    AlreadyMember,
    /// The last owner cannot leave or become something else.
    LastOwner,
    /// The team has as many members as a team may have.
    TooMany,
}

impl From<role::Refusal> for Refusal {
    fn from(refusal: role::Refusal) -> Self {
        Self::Role(refusal)
    }
}

fn widened(denied: Denied<role::Refusal>) -> Denied<Refusal> {
    match denied {
        Denied::Refused(refusal) => Denied::Refused(refusal.into()),
        Denied::Fault(fault) => Denied::Fault(fault),
    }
}

impl Identity {
    async fn write_down(
        &self,
        connection: &mut Connection,
        (by, team): (&Signed, TeamId),
        (action, subject): (&'static str, String),
        details: Value,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        audit::record(connection, &Act { at, actor: Some(by.user), team: Some(team), action, subject, details }).await
    }

    /// Makes a team that belongs to whoever asks.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn make_team(
        &self,
        connection: &mut Connection,
        by: &Signed,
        name: &str,
    ) -> Result<Team, Denied<Refusal>> {
        let (now, id) = (self.clock.now(), self.ids.fresh());
        let team = teams::insert(connection, id, name, (self.ids.fresh(), by.user), now).await?;
        self.write_down(connection, (by, id), ("team.created", id.to_string()), json!({ "name": name }), now).await?;
        Ok(team)
    }

    /// The team, for its members.
    ///
    /// # Errors
    /// [`role::Refusal::Unseen`] for everybody else.
    pub async fn read_team(
        &self,
        connection: &mut Connection,
        by: &Signed,
        id: TeamId,
    ) -> Result<(Team, Role), Denied<Refusal>> {
        let role = teams::require(connection, by.user, id, Permission::ReadTeam).await.map_err(widened)?;
        let team = teams::find(connection, id).await?;
        Ok((team.ok_or(Denied::Refused(Refusal::Role(role::Refusal::Unseen)))?, role))
    }

    /// Gives a team another name.
    ///
    /// # Errors
    /// When the role does not permit it.
    pub async fn rename_team(
        &self,
        connection: &mut Connection,
        by: &Signed,
        id: TeamId,
        name: &str,
    ) -> Result<Team, Denied<Refusal>> {
        teams::require(connection, by.user, id, Permission::EditTeam).await.map_err(widened)?;
        let team = teams::rename(connection, id, name).await?;
        let now = self.clock.now();
        self.write_down(connection, (by, id), ("team.renamed", id.to_string()), json!({ "name": name }), now).await?;
        Ok(team)
    }

    /// The members, for members.
    ///
    /// # Errors
    /// When the role does not permit it.
    pub async fn list_members(
        &self,
        connection: &mut Connection,
        by: &Signed,
        team: TeamId,
    ) -> Result<Vec<Member>, Denied<Refusal>> {
        teams::require(connection, by.user, team, Permission::ReadTeam).await.map_err(widened)?;
        Ok(members::list(connection, team).await?)
    }

    /// Takes somebody into the team; who never signed in is known by the address alone until then.
    ///
    /// # Errors
    /// When the role does not permit it, they are there already, or the team is full.
    pub async fn add_member(
        &self,
        connection: &mut Connection,
        by: &Signed,
        team: TeamId,
        address: &Address,
        role: Role,
    ) -> Result<Member, Denied<Refusal>> {
        teams::require(connection, by.user, team, needed_for(role)).await.map_err(widened)?;
        let now = self.clock.now();
        if members::count(connection, team, None).await? >= MEMBERS_MAX {
            return Err(Denied::Refused(Refusal::TooMany));
        }
        let user = users::find_or_insert(connection, self.ids.fresh(), address, now).await?;
        let id: MembershipId = self.ids.fresh();
        members::insert(connection, id, team, user.id(), role, now).await.map_err(|fault| {
            if fault.breaks("one_open_membership") {
                Denied::Refused(Refusal::AlreadyMember)
            } else {
                Denied::Fault(fault)
            }
        })?;
        let details = json!({ "user": user.id(), "role": role });
        self.write_down(connection, (by, team), ("member.added", id.to_string()), details, now).await?;
        Ok(Member { id, user: user.id(), email: user.email, name: user.name, role, joined_at: now })
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// When the role does not permit it, or the last owner would be lost.
    pub async fn change_role(
        &self,
        connection: &mut Connection,
        by: &Signed,
        (team, id): (TeamId, MembershipId),
        role: Role,
    ) -> Result<Member, Denied<Refusal>> {
        teams::require(connection, by.user, team, needed_for(role)).await.map_err(widened)?;
        let member = self.member_to_change(connection, by, team, id, role != Role::Owner).await?;
        let now = self.clock.now();
        members::change_role(connection, &member, role, now).await?;
        let details = json!({ "user": member.user, "from": member.role, "to": role });
        self.write_down(connection, (by, team), ("member.role_changed", id.to_string()), details, now).await?;
        Ok(Member { role, ..member })
    }

    /// A member leaves, by themselves or sent by somebody who may. Says who it was.
    ///
    /// # Errors
    /// When the role does not permit it, or the last owner would be lost.
    pub async fn remove_member(
        &self,
        connection: &mut Connection,
        by: &Signed,
        (team, id): (TeamId, MembershipId),
    ) -> Result<Member, Denied<Refusal>> {
        let member = self.member_to_change(connection, by, team, id, true).await?;
        let now = self.clock.now();
        members::mark_left(connection, &member, now).await?;
        let details = json!({ "user": member.user, "role": member.role });
        self.write_down(connection, (by, team), ("member.removed", id.to_string()), details, now).await?;
        Ok(member)
    }

    /// The member, if whoever asks may change them, and one owner stays when `gives_up` ownership.
    async fn member_to_change(
        &self,
        connection: &mut Connection,
        by: &Signed,
        team: TeamId,
        id: MembershipId,
        gives_up: bool,
    ) -> Result<Member, Denied<Refusal>> {
        let mine = teams::require(connection, by.user, team, Permission::ReadTeam).await.map_err(widened)?;
        let owners = members::count(connection, team, Some(Role::Owner)).await?;
        let member = members::find_for_update(connection, team, id).await?;
        let member = member.ok_or(Denied::Refused(Refusal::NoSuchMember))?;
        if member.user != by.user && !role::permits(mine, needed_for(member.role)) {
            return Err(Denied::Refused(Refusal::Role(role::Refusal::NotPermitted)));
        }
        if gives_up && member.role == Role::Owner && owners <= 1 {
            return Err(Denied::Refused(Refusal::LastOwner));
        }
        Ok(member)
    }
}
