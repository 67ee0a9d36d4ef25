//! The page of a team: who belongs to it, who may be taken in or sent away, and what each role may do.

use actix_web::{HttpRequest, web};
use futures_util::FutureExt;

use crate::{
    identity::{
        Identity, Signed,
        core::role::{Permission, Role, needed_for, permits},
        store::{members::Member, teams::Team},
        team::Refusal,
    },
    ids::TeamId,
    store::Denied,
    web::{
        page::Pages,
        problem::Problem,
        view::{
            layout::Section,
            parts::initials_of,
            team::{Allowed, RoleChoice, StudioTeamPage, TeamMember},
        },
    },
};

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/studio/teams/{team}", web::get().to(team));
}

async fn team(
    request: HttpRequest,
    identity: web::Data<Identity>,
    pages: web::Data<Pages>,
    signed: Signed,
    id: web::Path<TeamId>,
) -> Result<StudioTeamPage, Problem> {
    let (me, by, id) = (identity.clone(), signed.clone(), *id);
    let found: Result<(Team, Role, Vec<Member>), Denied<Refusal>> = identity
        .store
        .run(move |connection| {
            async move {
                let (team, mine) = me.read_team(connection, &by, id).await?;
                Ok((team, mine, me.list_members(connection, &by, id).await?))
            }
            .boxed()
        })
        .await;
    let (team, mine, members) = found?;
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    Ok(StudioTeamPage {
        layout: pages.layout(&request, Some(&signed), &team.name, Section::Studio),
        id: team.id().to_string(),
        name: team.name,
        role: mine.word().to_owned(),
        may_rename: permits(mine, Permission::EditTeam),
        members: members.iter().map(|member| row(&signed, (mine, owners), member)).collect(),
        may_add: given_by(mine).map(|role| role.word().to_owned()).collect(),
        roles: Role::ALL.map(|role| role.word().to_owned()).to_vec(),
        allowed: Permission::ALL.map(allowed).to_vec(),
    })
}

/// The roles that somebody with this one may give.
fn given_by(mine: Role) -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(move |role| permits(mine, needed_for(*role)))
}

fn row(signed: &Signed, (mine, owners): (Role, usize), member: &Member) -> TeamMember {
    let me = member.user == signed.user;
    let may_touch = permits(mine, needed_for(member.role));
    let last_owner = member.role == Role::Owner && owners == 1;
    let choice = |role: Role| RoleChoice { word: role.word().to_owned(), chosen: role == member.role };
    // one's own role is changed by somebody else, so that nobody locks themselves out by a slip
    let choices = if may_touch && !me { given_by(mine).map(choice).collect() } else { Vec::new() };
    let before_at = member.email.split('@').next().unwrap_or_default().to_owned();
    let name = member.name.clone().unwrap_or(before_at);
    TeamMember {
        id: member.id.to_string(),
        initials: initials_of(&name),
        name,
        email: member.email.clone(),
        role: member.role.word().to_owned(),
        since: member.joined_at.into(),
        me,
        choices,
        may_end: !last_owner && (me || may_touch),
    }
}

/// One line of the table of roles.
fn allowed(permission: Permission) -> Allowed {
    let words = match permission {
        Permission::ReadTeam => "See the team and its spaces, also drafts",
        Permission::EnterAsStaff => "Enter every room without a pass",
        Permission::RunBroadcast => "Run broadcasts",
        Permission::EditContent => "Change spaces, rooms and passes",
        Permission::ManageAccess => "Give and take away access, ban",
        Permission::EditTeam => "Rename the team",
        Permission::ManageMembers => "Add, change and remove members",
        Permission::ReadAudit => "Read who did what",
        Permission::ManageOwners => "Add and remove owners",
    };
    Allowed { words: words.to_owned(), by: Role::ALL.map(|role| permits(role, permission)).to_vec() }
}
