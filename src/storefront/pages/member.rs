//! The member's own pages: the spaces they hold access to, and one of them.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use futures_util::FutureExt;

use super::{cue, grant_state, name_of, on_air, source_words};
use crate::{
    access::core::Entitlement,
    clock::Timestamp,
    identity::Signed,
    ids::{ExperienceId, PassId},
    store::StoreError,
    storefront::{
        Catalog,
        core::slug::Slug,
        store::{
            public::{self, Offer},
            studio::{self, Mine},
        },
    },
    web::{
        page::{Pages, page, see},
        problem::{Code, Problem},
        view::{
            layout::Section,
            member::{GrantState, HeldGrant, HeldSpace, MemberExperience, PurchasedSpacePage, PurchasedSpacesPage},
            parts::{Moment, OnAir},
        },
    },
};

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/account/purchased_spaces", web::get().to(spaces))
        .route("/account/purchased_spaces/{space}", web::get().to(space));
}

async fn spaces(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
) -> Result<PurchasedSpacesPage, Problem> {
    let (now, user) = (catalog.now(), signed.user);
    let found: Result<_, StoreError> = catalog
        .store
        .run(move |connection| {
            async move {
                let mine = studio::mine(connection, user).await?;
                let passes = studio::pass_names(connection, user).await?;
                Ok((mine, passes))
            }
            .boxed()
        })
        .await;
    let (mine, passes) = found?;
    let mut spaces: Vec<HeldSpace> = mine.iter().map(|mine| held_space(&catalog, now, mine, &passes)).collect();
    spaces.sort_by_key(|space| !matches!(space.on_air, OnAir::Live { .. }));
    Ok(PurchasedSpacesPage { layout: pages.layout(&request, Some(&signed), "Your spaces", Section::Spaces), spaces })
}

fn held_space(catalog: &Catalog, now: Timestamp, mine: &Mine, passes: &HashMap<PassId, String>) -> HeldSpace {
    let fields = &mine.space.fields;
    let mut grants: Vec<HeldGrant> = mine
        .grants
        .iter()
        .map(|grant| HeldGrant {
            name: match (grant.pass, grant.experience) {
                (Some(pass), _) => passes.get(&pass).cloned().unwrap_or_default(),
                (None, Some(_)) => "One room".to_owned(),
                (None, None) => "The whole space".to_owned(),
            },
            source: source_words(grant.source).to_owned(),
            state: grant_state(now, grant),
            since: grant.starts_at.into(),
            until: grant.expires_at.map(Moment::from),
        })
        .collect();
    grants.sort_by_key(|grant| !matches!(grant.state, GrantState::Active | GrantState::PastDue));
    HeldSpace {
        slug: fields.slug.to_string(),
        name: fields.name.clone(),
        tagline: fields.tagline.clone().unwrap_or_default(),
        on_air: on_air(catalog, mine.open.first(), &fields.name),
        grants,
        role: mine.role.map(|role| role.word().to_owned()),
    }
}

type Found = Option<(Offer, Option<Mine>, HashMap<PassId, String>, HashMap<ExperienceId, Entitlement>)>;

async fn space(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
    asked: Path<String>,
) -> Result<HttpResponse, Problem> {
    let slug = Slug::meant_by(&asked).ok_or(Code::NotFound)?;
    let (now, user) = (catalog.now(), signed.user);
    let found: Result<Found, StoreError> = catalog
        .store
        .run(move |connection| {
            async move {
                let Some(offer) = public::offer(connection, now, Some(user), &slug).await? else { return Ok(None) };
                let mine = studio::mine(connection, user).await?;
                let mine = mine.into_iter().find(|mine| mine.space.id == offer.seen.space.id);
                let passes = studio::pass_names(connection, user).await?;
                let ids: Vec<ExperienceId> = offer.experiences.iter().map(|one| one.id).collect();
                let doors = studio::doors(connection, now, (user, &ids)).await?;
                Ok(Some((offer, mine, passes, doors)))
            }
            .boxed()
        })
        .await;
    let (offer, mine, passes, doors) = found?.ok_or(Code::NotFound)?;
    let slug = offer.seen.space.fields.slug.as_str();
    let path = format!("/account/purchased_spaces/{slug}");
    if request.path() != path {
        return Ok(see(StatusCode::PERMANENT_REDIRECT, &path));
    }
    // who holds nothing here is shown what there is to hold
    let Some(mine) = mine else { return Ok(see(StatusCode::SEE_OTHER, &format!("/{slug}"))) };
    let experiences = offer.experiences.iter().map(|one| {
        let open = offer.open.iter().find(|open| open.experience == one.id);
        MemberExperience {
            slug: one.fields.slug.to_string(),
            name: one.fields.name.clone(),
            text: one.fields.description.clone().unwrap_or_default(),
            on_air: on_air(&catalog, open, name_of(&offer.experiences, one.id)),
            cue: cue(open.map(|open| open.state.as_str())),
            open: doors.get(&one.id).is_some_and(|told| told.allowed),
        }
    });
    let shown = PurchasedSpacePage {
        layout: pages.layout(&request, Some(&signed), &offer.seen.space.fields.name, Section::Spaces),
        space: held_space(&catalog, now, &mine, &passes),
        experiences: experiences.collect(),
    };
    page(StatusCode::OK, &shown)
}
