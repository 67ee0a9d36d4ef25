//! The studio's pages: a person's teams and spaces, one space, one pass, its people. They show; the JSON API changes.

use actix_web::{
    HttpRequest,
    web::{self, Data, Path},
};
use futures_util::FutureExt;

use super::{cue, grant_state, name_of, on_air, source_words, words::price_words};
use crate::{
    access::store::{
        bans::{self, BanRecord},
        grants::GrantRecord,
    },
    clock::Timestamp,
    identity::{
        Signed,
        core::role::{Permission, Role, permits},
    },
    limits::HOLDERS_SHOWN_MAX,
    store::StoreError,
    storefront::{
        Catalog,
        core::{
            pass::{self, Pass},
            price::PriceOf,
            question::Question,
            space,
        },
        store::{price, public::Offer, studio},
    },
    web::{
        page::Pages,
        problem::{Code, Problem},
        view::{
            layout::Section,
            parts::{Moment, initials_of},
            studio::{
                BanRow, Holder, Included, May, MemberRow, PassStatus, PriceRow, SpaceStatus, StockForm,
                StudioExperienceRow, StudioHomePage, StudioPassPage, StudioPassRow, StudioPeoplePage, StudioSpace,
                StudioSpaceCard, StudioSpacePage, StudioTeam,
            },
        },
    },
};

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/studio", web::get().to(home))
        .route("/studio/{space}", web::get().to(space))
        .route("/studio/{space}/people", web::get().to(people))
        .route("/studio/{space}/passes/{pass}", web::get().to(pass));
}

fn may(role: Role) -> May {
    May { edit: permits(role, Permission::EditContent), admit: permits(role, Permission::ManageAccess) }
}

fn status(status: space::SpaceStatus) -> SpaceStatus {
    match status {
        space::SpaceStatus::Draft => SpaceStatus::Draft,
        space::SpaceStatus::Published => SpaceStatus::Published,
        space::SpaceStatus::Archived => SpaceStatus::Archived,
    }
}

fn pass_status(status: pass::PassStatus) -> PassStatus {
    match status {
        pass::PassStatus::Draft => PassStatus::Draft,
        pass::PassStatus::OnSale => PassStatus::OnSale,
        pass::PassStatus::Withdrawn => PassStatus::Withdrawn,
    }
}

async fn home(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
) -> Result<StudioHomePage, Problem> {
    let (now, user) = (catalog.now(), signed.user);
    let found: Result<_, StoreError> =
        catalog.store.run(move |connection| studio::home(connection, now, user).boxed()).await;
    let card = |home: studio::SpaceHome| StudioSpaceCard {
        on_air: on_air(&catalog, home.open.first(), &home.space.fields.name),
        slug: home.space.fields.slug.to_string(),
        name: home.space.fields.name,
        status: status(home.space.fields.status),
        holders: home.holders,
    };
    let teams = found?.into_iter().map(|home| StudioTeam {
        id: home.team.id.to_string(),
        name: home.team.name,
        role: home.team.role.word().to_owned(),
        may: may(home.team.role),
        spaces: home.spaces.into_iter().map(card).collect(),
    });
    let teams = teams.collect();
    Ok(StudioHomePage { layout: pages.layout(&request, Some(&signed), "Studio", Section::Studio), teams })
}

/// The space as its team sees it; for everybody else it has no studio.
async fn inside(catalog: &Catalog, signed: &Signed, asked: &str) -> Result<(Offer, Role), Problem> {
    let offer = catalog.offer_meant(Some(signed.user), asked).await?;
    let role = offer.seen.role.ok_or(Code::NotFound)?;
    Ok((offer, role))
}

fn studio_space(offer: &Offer, role: Role) -> StudioSpace {
    let fields = &offer.seen.space.fields;
    StudioSpace {
        id: offer.seen.space.id.to_string(),
        team: offer.seen.space.team.to_string(),
        slug: fields.slug.to_string(),
        name: fields.name.clone(),
        tagline: fields.tagline.clone().unwrap_or_default(),
        description: fields.description.clone().unwrap_or_default(),
        status: status(fields.status),
        private: fields.visibility == space::Visibility::Private,
        may: may(role),
        stage: offer.experiences.first().map(|one| one.fields.slug.to_string()),
    }
}

async fn space(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
    asked: Path<String>,
) -> Result<StudioSpacePage, Problem> {
    let (offer, role) = inside(&catalog, &signed, &asked).await?;
    let (now, id) = (catalog.now(), offer.seen.space.id);
    let counted: Result<_, StoreError> =
        catalog.store.run(move |connection| studio::holders_of_passes(connection, now, id).boxed()).await;
    let counted = counted?;
    let experiences = offer.experiences.iter().map(|one| {
        let open = offer.open.iter().find(|open| open.experience == one.id);
        let passes = offer.passes.iter().filter(|pass| pass.experiences.contains(&one.id));
        StudioExperienceRow {
            id: one.id.to_string(),
            slug: one.fields.slug.to_string(),
            name: one.fields.name.clone(),
            cue: cue(open.map(|open| open.state.as_str())),
            on_air: on_air(&catalog, open, name_of(&offer.experiences, one.id)),
            opened_by: passes.map(|pass| pass.fields.name.clone()).collect(),
        }
    });
    let passes = offer.passes.iter().map(|pass| StudioPassRow {
        id: pass.id.to_string(),
        slug: pass.fields.slug.to_string(),
        name: pass.fields.internal_name.clone().unwrap_or_else(|| pass.fields.name.clone()),
        price: price_of(&offer, pass),
        holders: counted.get(&pass.id.0).copied().unwrap_or(0),
        status: pass_status(pass.fields.status),
    });
    Ok(StudioSpacePage {
        layout: pages.layout(&request, Some(&signed), &offer.seen.space.fields.name, Section::Studio),
        space: studio_space(&offer, role),
        experiences: experiences.collect(),
        passes: passes.collect(),
    })
}

fn price_of(offer: &Offer, pass: &Pass) -> String {
    let first = offer.prices.iter().find(|price| price.of == PriceOf::Pass(pass.id));
    first.map_or_else(|| "By invitation".to_owned(), price_words)
}

fn holder(now: Timestamp, offer: &Offer, grant: &GrantRecord) -> Holder {
    let name = grant.email.split('@').next().unwrap_or_default().to_owned();
    let pass = grant.pass.and_then(|id| offer.passes.iter().find(|pass| pass.id == id));
    let holds = match (pass, grant.experience) {
        (Some(pass), _) => pass.fields.name.clone(),
        (None, Some(experience)) => name_of(&offer.experiences, experience).to_owned(),
        (None, None) if grant.pass.is_some() => "a pass that is gone".to_owned(),
        (None, None) => "the whole space".to_owned(),
    };
    Holder {
        grant_id: grant.id.to_string(),
        initials: initials_of(&name),
        name,
        email: grant.email.clone(),
        holds,
        source: source_words(grant.source).to_owned(),
        state: grant_state(now, grant),
        until: grant.expires_at.map(Moment::from),
    }
}

fn stock_form(pass: &Pass) -> StockForm {
    StockForm { limit: pass.fields.terms.stock, left: pass.stock_left }
}

/// A question as the studio's form writes it: with a star where an answer is needed.
fn question_line(question: &Question) -> String {
    format!("{}{}", question.text, if question.required { " *" } else { "" })
}

async fn pass(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
    asked: Path<(String, String)>,
) -> Result<StudioPassPage, Problem> {
    let (offer, role) = inside(&catalog, &signed, &asked.0).await?;
    let pass = catalog.pass_meant(&offer, &asked.1).await?;
    let (space, id, admits) = (offer.seen.space.id, pass.id, may(role).admit);
    let found: Result<_, StoreError> = catalog
        .store
        .run(move |connection| {
            async move {
                let prices = price::all_of(connection, PriceOf::Pass(id)).await?;
                // who holds it is for those who may give and take it
                let held = if admits { studio::holders(connection, (space, Some(id))).await? } else { Vec::new() };
                Ok((prices, held))
            }
            .boxed()
        })
        .await;
    let (prices, held) = found?;
    let now = catalog.now();
    let fields = &pass.fields;
    Ok(StudioPassPage {
        layout: pages.layout(&request, Some(&signed), &fields.name, Section::Studio),
        space: studio_space(&offer, role),
        id: pass.id.to_string(),
        slug: fields.slug.to_string(),
        name: fields.name.clone(),
        internal_name: fields.internal_name.clone().unwrap_or_default(),
        headline: fields.headline.clone().unwrap_or_default(),
        description: fields.description.clone().unwrap_or_default(),
        benefits: fields.benefits.clone(),
        status: pass_status(fields.status),
        stock: stock_form(pass),
        questions: fields.terms.questions.iter().map(question_line).collect(),
        redirect_url: fields.terms.redirect_url.clone().unwrap_or_default(),
        ends: fields.terms.auto_expire_at.map(Moment::from),
        prices: prices
            .into_iter()
            .map(|price| PriceRow { words: price_words(&price), id: price.id.to_string(), active: price.active })
            .collect(),
        experiences: offer
            .experiences
            .iter()
            .map(|one| Included {
                id: one.id.to_string(),
                name: one.fields.name.clone(),
                yes: pass.experiences.contains(&one.id),
            })
            .collect(),
        holders: held.iter().map(|grant| holder(now, &offer, grant)).collect(),
    })
}

fn ban_row(ban: BanRecord) -> BanRow {
    BanRow { email: ban.email, reason: ban.reason.unwrap_or_default(), until: ban.until.map(Moment::from) }
}

async fn people(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
    asked: Path<String>,
) -> Result<StudioPeoplePage, Problem> {
    let (offer, role) = inside(&catalog, &signed, &asked).await?;
    if !may(role).admit {
        return Err(Code::Forbidden.into());
    }
    let (space, team) = (offer.seen.space.id, offer.seen.space.team);
    let found: Result<_, StoreError> = catalog
        .store
        .run(move |connection| {
            async move {
                let held = studio::holders(connection, (space, None)).await?;
                let members = studio::members(connection, team).await?;
                let bans = bans::list(connection, space, "", HOLDERS_SHOWN_MAX).await?;
                Ok((held, members, bans))
            }
            .boxed()
        })
        .await;
    let (held, members, bans) = found?;
    let now = catalog.now();
    let member_row = |member: crate::identity::store::members::Member| {
        let before_at = member.email.split('@').next().unwrap_or_default().to_owned();
        let name = member.name.unwrap_or(before_at);
        MemberRow { initials: initials_of(&name), name, email: member.email, role: member.role.word().to_owned() }
    };
    Ok(StudioPeoplePage {
        layout: pages.layout(&request, Some(&signed), "People", Section::Studio),
        space: studio_space(&offer, role),
        team_id: team.to_string(),
        holders: held.iter().map(|grant| holder(now, &offer, grant)).collect(),
        members: members.into_iter().map(member_row).collect(),
        bans: bans.into_iter().filter(|ban| ban.until.is_none_or(|until| until > now)).map(ban_row).collect(),
        doors: offer.experiences.iter().map(|one| (one.id.to_string(), one.fields.name.clone())).collect(),
        passes: offer.passes.iter().map(|one| (one.id.to_string(), one.fields.name.clone())).collect(),
    })
}
