//! The pages everybody may open: home, a space, a pass, joining, and the short links.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Form, Path, Query},
};
use futures_util::FutureExt;
use serde::Deserialize;

use super::{
    name_of, on_air, opens, room,
    words::{price_note, price_words},
};
use crate::{
    commerce::{
        JoinThrottle,
        core::take::Refusal,
        routes::{carries_a_form, page_after, taker, wanted},
        store::{
            purchases,
            take::{self, Taken},
        },
    },
    identity::{
        Signed,
        core::role::{Permission, permits},
    },
    limits::{HOME_SPACES_MAX, STOCK_LEFT_SHOWN_MAX},
    store::{Denied, StoreError},
    storefront::{
        Catalog,
        core::{
            page::Standing,
            pass::{Pass, PassStatus},
            price::{Price, PriceKind},
            question::Question,
            space::SpaceStatus,
        },
        store::public::{self, Offer},
    },
    web::{
        auth::MaybeSigned,
        client_address::ClientAddress,
        page::{Pages, moved, page, see},
        problem::{Code, Problem},
        view::{
            layout::Section,
            member::OnwardPage,
            parts::{Moment, OnAir},
            space::{
                HomePage, JoinError, Opened, PassOffer, PassPage, PriceChoice, QuestionField, SpaceCard, SpaceHead,
                SpacePage, Way,
            },
        },
    },
};

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(home))
        .route("/m/{space}", web::get().to(first_room))
        .route("/m/{space}/{experience}", web::get().to(short_room))
        .route("/account/purchases/{purchase}/onward", web::get().to(onward))
        .service(
            web::resource("/{space}/{pass}/purchase")
                .guard(actix_web::guard::fn_guard(carries_a_form))
                .route(web::post().to(join)),
        )
        .route("/{space}", web::get().to(space))
        .route("/{space}/{pass}", web::get().to(pass));
}

async fn home(
    request: HttpRequest,
    catalog: Data<Catalog>,
    pages: Data<Pages>,
    viewer: MaybeSigned,
) -> Result<HomePage, Problem> {
    let listed: Result<_, StoreError> =
        catalog.store.run(|connection| public::listed(connection, HOME_SPACES_MAX).boxed()).await;
    let mut spaces: Vec<SpaceCard> = listed?
        .into_iter()
        .map(|listed| SpaceCard {
            on_air: on_air(&catalog, listed.open.first(), &listed.space.fields.name),
            slug: listed.space.fields.slug.to_string(),
            name: listed.space.fields.name,
            tagline: listed.space.fields.tagline.unwrap_or_default(),
            team: listed.team_name,
        })
        .collect();
    spaces.sort_by_key(|card| match card.on_air {
        OnAir::Live { .. } => 0,
        OnAir::Lobby { .. } => 1,
        OnAir::Next { .. } => 2,
        OnAir::Quiet => 3,
    });
    Ok(HomePage { layout: pages.layout(&request, viewer.0.as_ref(), "Backstage Pass", Section::Discover), spaces })
}

/// The offer of the space that is meant by `asked`, or 404.
async fn offer(catalog: &Catalog, viewer: &MaybeSigned, asked: &str) -> Result<Offer, Problem> {
    catalog.offer_meant(viewer.0.as_ref().map(|signed| signed.user), asked).await
}

fn head(offer: &Offer) -> SpaceHead {
    let fields = &offer.seen.space.fields;
    SpaceHead {
        slug: fields.slug.to_string(),
        name: fields.name.clone(),
        tagline: fields.tagline.clone().unwrap_or_default(),
        description: fields.description.clone().unwrap_or_default(),
        team: offer.seen.team_name.clone(),
        draft: fields.status != SpaceStatus::Published,
        staff: offer.seen.role.is_some_and(|role| permits(role, Permission::EditContent)),
    }
}

fn way(offer: &Offer, pass: &Pass) -> Way {
    if offer.seen.banned {
        return Way::Banned;
    }
    if let Some(held) = offer.held.iter().find(|held| held.pass == Some(pass.id.0)) {
        return Way::Held { until: held.expires_at.map(Moment::from) };
    }
    if pass.fields.status == PassStatus::Withdrawn {
        return Way::Withdrawn;
    }
    if pass.fields.terms.over(offer.at) {
        return Way::Ended;
    }
    let choice = |price: &Price| PriceChoice {
        id: price.id.to_string(),
        words: price_words(price),
        note: price_note(price),
        free: price.fields.kind == PriceKind::Free,
    };
    let prices: Vec<_> = offer.prices_of(pass).map(choice).collect();
    match (prices.is_empty(), pass.stock_left) {
        (true, _) => Way::ByInvitation,
        (false, Some(0)) => Way::SoldOut,
        (false, _) => Way::Offered { prices },
    }
}

/// The host a buyer is sent on to.
fn host_of(url: &str) -> Option<String> {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned))
}

fn pass_offer(offer: &Offer, position: usize, pass: &Pass) -> PassOffer {
    let opened: Vec<_> = offer.experiences.iter().filter(|one| pass.experiences.contains(&one.id)).collect();
    let slug = offer.seen.space.fields.slug.as_str();
    PassOffer {
        slug: pass.fields.slug.to_string(),
        name: pass.fields.name.clone(),
        headline: pass.fields.headline.clone().unwrap_or_default(),
        description: pass.fields.description.clone().unwrap_or_default(),
        benefits: pass.fields.benefits.clone(),
        enter: room(slug, opened.first().map(|one| one.fields.slug.as_str())),
        opens: opened
            .into_iter()
            .map(|one| Opened {
                name: one.fields.name.clone(),
                text: one.fields.description.clone().unwrap_or_default(),
            })
            .collect(),
        position,
        way: way(offer, pass),
        left: pass.stock_left.filter(|left| *left <= STOCK_LEFT_SHOWN_MAX),
        ends: pass.fields.terms.auto_expire_at.map(Moment::from),
        leaves_to: pass.fields.terms.redirect_url.as_deref().and_then(host_of),
    }
}

/// Where somebody who may enter goes: the first experience that opens for them, else the member's page.
fn enter(offer: &Offer) -> Option<String> {
    let staff = offer.seen.standing == Standing::Member;
    if !staff && (offer.seen.banned || offer.held.is_empty()) {
        return None;
    }
    let includes = |pass: uuid::Uuid, experience| {
        offer.passes.iter().any(|one| one.id.0 == pass && one.experiences.contains(&experience))
    };
    let first = offer.experiences.iter().find(|experience| {
        staff || offer.held.iter().any(|held| opens(held, experience.id, |pass| includes(pass, experience.id)))
    });
    Some(room(offer.seen.space.fields.slug.as_str(), first.map(|one| one.fields.slug.as_str())))
}

#[derive(Deserialize)]
struct Selected {
    pass: Option<String>,
}

async fn space(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    viewer: MaybeSigned,
    asked: Path<String>,
    selected: Query<Selected>,
) -> Result<HttpResponse, Problem> {
    let offer = offer(&catalog, &viewer, &asked).await?;
    let head = head(&offer);
    if let Some(elsewhere) = moved(&request, &format!("/{}", head.slug)) {
        return Ok(elsewhere);
    }
    let shown = offer.passes.iter().filter(|pass| pass.fields.status != PassStatus::Withdrawn);
    let passes: Vec<PassOffer> = shown.enumerate().map(|(at, pass)| pass_offer(&offer, at, pass)).collect();
    let wanted = selected.into_inner().pass.unwrap_or_default();
    let named = passes.iter().find(|pass| pass.slug == wanted).or(passes.first());
    let open = offer.open.first();
    page(
        StatusCode::OK,
        &SpacePage {
            layout: pages.layout(&request, viewer.0.as_ref(), &head.name, Section::Discover),
            on_air: on_air(&catalog, open, open.map_or("", |open| name_of(&offer.experiences, open.experience))),
            enter: enter(&offer),
            selected: named.map(|pass| pass.slug.clone()).unwrap_or_default(),
            space: head,
            passes,
        },
    )
}

/// The sales page of a pass as it stands, with what went wrong.
fn pass_page(
    (request, pages): (&HttpRequest, &Pages),
    viewer: Option<&Signed>,
    (offer, pass): (&Offer, &Pass),
    (form, error): (&JoinForm, Option<JoinError>),
) -> PassPage {
    let position = offer.passes.iter().position(|one| one.id == pass.id).unwrap_or(0);
    PassPage {
        layout: pages.layout(request, viewer, &pass.fields.name, Section::Discover),
        space: head(offer),
        pass: pass_offer(offer, position, pass),
        questions: pass.fields.terms.questions.iter().map(|question| form.field(question)).collect(),
        chosen: form.price_id.clone().unwrap_or_default(),
        email: form.email.clone().unwrap_or_default(),
        error,
    }
}

async fn pass(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    viewer: MaybeSigned,
    asked: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let offer = offer(&catalog, &viewer, &asked.0).await?;
    let pass = catalog.pass_meant(&offer, &asked.1).await?;
    if let Some(elsewhere) = moved(&request, &format!("/{}/{}", offer.seen.space.fields.slug, pass.fields.slug)) {
        return Ok(elsewhere);
    }
    let shown = (&offer, pass);
    page(StatusCode::OK, &pass_page((&request, &pages), viewer.0.as_ref(), shown, (&JoinForm::default(), None)))
}

/// What the form of a sales page carries; answers are named `answer.{question}`.
#[derive(Default)]
struct JoinForm {
    price_id: Option<String>,
    email: Option<String>,
    answers: BTreeMap<String, String>,
}

impl From<BTreeMap<String, String>> for JoinForm {
    fn from(mut fields: BTreeMap<String, String>) -> Self {
        let (price_id, email) = (fields.remove("price_id"), fields.remove("email"));
        let answers =
            fields.into_iter().filter_map(|(name, value)| Some((name.strip_prefix("answer.")?.to_owned(), value)));
        Self { price_id, email, answers: answers.collect() }
    }
}

impl JoinForm {
    fn field(&self, question: &Question) -> QuestionField {
        QuestionField {
            id: question.id.clone(),
            text: question.text.clone(),
            required: question.required,
            value: self.answers.get(&question.id).cloned().unwrap_or_default(),
        }
    }
}

/// What went wrong, where the page can say so in its own place.
fn join_error(problem: &Problem) -> Option<JoinError> {
    let field =
        |name: &str| problem.members.get("fields").and_then(|fields| fields.get(name)).and_then(|told| told.as_str());
    Some(match problem.code {
        Code::Invalid => match field("answers") {
            Some(told) => JoinError::Answers(told.to_owned()),
            None => JoinError::EmailInvalid,
        },
        Code::NotForSale => JoinError::NotOffered,
        Code::AlreadyOwned => JoinError::AlreadyOwned,
        Code::SoldOut => JoinError::SoldOut,
        Code::PaymentsUnavailable => JoinError::PaymentsUnavailable,
        Code::TooManyRequests => JoinError::TooMany,
        Code::Unavailable | Code::OutcomeUnknown => JoinError::Unavailable,
        _ => return None,
    })
}

/// The form of the sales page. What goes wrong is told on the page, with what was typed.
async fn join(
    request: HttpRequest,
    (catalog, pages, throttle): (Data<Catalog>, Data<Pages>, Data<JoinThrottle>),
    viewer: MaybeSigned,
    client: ClientAddress,
    asked: Path<(String, String)>,
    form: Form<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let form = JoinForm::from(form.into_inner());
    let signed = viewer.0.is_some();
    let done = joined(&catalog, &throttle, (&viewer, client), (&asked, &form)).await;
    let problem = match done {
        Ok(taken) => {
            catalog.holders.changed(&[taken.user]);
            return Ok(see(StatusCode::SEE_OTHER, &page_after(&taken, signed)));
        }
        Err(problem) => problem,
    };
    let Some(error) = join_error(&problem) else { return Err(problem) };
    let offer = offer(&catalog, &viewer, &asked.0).await?;
    let pass = catalog.pass_meant(&offer, &asked.1).await?;
    if error == JoinError::AlreadyOwned {
        // pressed twice, or on two pages: what they wanted is so
        return Ok(see(StatusCode::SEE_OTHER, &pass_offer(&offer, 0, pass).enter));
    }
    let typed = (&form, Some(error));
    page(problem.code.status(), &pass_page((&request, &pages), viewer.0.as_ref(), (&offer, pass), typed))
}

async fn joined(
    catalog: &Catalog,
    throttle: &JoinThrottle,
    (viewer, client): (&MaybeSigned, ClientAddress),
    (asked, form): (&(String, String), &JoinForm),
) -> Result<Taken, Problem> {
    let price = form.price_id.as_deref().filter(|id| !id.is_empty()).map(str::parse).transpose();
    let wanted = wanted((&asked.0, Some(&asked.1)), price.map_err(|_| Code::NotForSale)?, form.answers.clone())?;
    let (taker, _) = taker((catalog, throttle), viewer.0.as_ref(), client, form.email.as_deref())?;
    let (now, purchase) = (catalog.now(), catalog.ids.fresh());
    let done: Result<_, Denied<Refusal>> = catalog
        .store
        .transaction(move |connection| take::take(connection, now, purchase, (taker, wanted)).boxed())
        .await;
    match done {
        Err(Denied::Refused(Refusal::NotThePrice)) => Err(Code::NotForSale.into()),
        done => Ok(done?),
    }
}

/// The page between taking a pass and the site to which its seller sends people: whoever leaves is told so, and a form may not
/// lead to another site by itself.
async fn onward(
    request: HttpRequest,
    (catalog, pages): (Data<Catalog>, Data<Pages>),
    signed: Signed,
    asked: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (user, id) = (signed.user, asked.parse().map_err(|_| Code::NotFound)?);
    let found: Result<_, StoreError> =
        catalog.store.run(move |connection| purchases::onward_of(connection, id, user).boxed()).await;
    let leads = found?.and_then(|found| {
        let url = found.url?;
        Some((host_of(&url)?, url, found.pass, found.space_name, found.space))
    });
    let Some((host, url, pass, space, slug)) = leads else {
        return Ok(see(StatusCode::SEE_OTHER, "/account/purchased_spaces"));
    };
    let inside = room(&slug, None);
    let layout = pages.layout(&request, Some(&signed), &pass, Section::Spaces);
    page(StatusCode::OK, &OnwardPage { layout, space, pass, host, url, inside })
}

/// The short link of a space: its first experience in the seller's order.
async fn first_room(catalog: Data<Catalog>, viewer: MaybeSigned, asked: Path<String>) -> Result<HttpResponse, Problem> {
    let offer = offer(&catalog, &viewer, &asked).await?;
    let first = offer.experiences.first().map(|one| one.fields.slug.as_str());
    Ok(see(StatusCode::FOUND, &room(offer.seen.space.fields.slug.as_str(), first)))
}

/// The short link of an experience.
async fn short_room(
    catalog: Data<Catalog>,
    viewer: MaybeSigned,
    asked: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let offer = offer(&catalog, &viewer, &asked.0).await?;
    let found = catalog.experience_meant(&offer, &asked.1).await?;
    Ok(see(StatusCode::FOUND, &room(offer.seen.space.fields.slug.as_str(), Some(found.fields.slug.as_str()))))
}
