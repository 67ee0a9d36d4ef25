//! Finds what an address means: by the names of today, by those that were given up, and by other ways to write them.

use futures_util::FutureExt;

use super::{
    Catalog,
    core::{experience::Experience, pass::Pass, slug::Slug},
    store::{
        experience, pass,
        public::{self, Offer},
    },
};
use crate::{
    ids::UserId,
    store::StoreError,
    web::problem::{Code, Problem},
};

impl Catalog {
    /// The space that is meant by `asked`, as it shows itself to `viewer`.
    ///
    /// # Errors
    /// 404 when there is none, or none that shows itself.
    pub async fn offer_meant(&self, viewer: Option<UserId>, asked: &str) -> Result<Offer, Problem> {
        let slug = Slug::meant_by(asked).ok_or(Code::NotFound)?;
        let now = self.now();
        let found: Result<_, StoreError> = self
            .store
            .run(move |connection| async move { public::offer(connection, now, viewer, &slug).await }.boxed())
            .await;
        found?.ok_or_else(|| Code::NotFound.into())
    }

    /// The pass of an offer that is meant by `asked`.
    ///
    /// # Errors
    /// 404 when there is none, or none that is shown.
    pub async fn pass_meant<'o>(&self, offer: &'o Offer, asked: &str) -> Result<&'o Pass, Problem> {
        let slug = Slug::meant_by(asked).ok_or(Code::NotFound)?;
        if let Some(pass) = offer.passes.iter().find(|pass| pass.fields.slug == slug) {
            return Ok(pass);
        }
        let space = offer.seen.space.id;
        let former: Result<_, StoreError> = self
            .store
            .run(move |connection| async move { pass::find_former(connection, space, &slug).await }.boxed())
            .await;
        let former = former?.ok_or(Code::NotFound)?;
        offer.passes.iter().find(|pass| pass.id == former).ok_or_else(|| Code::NotFound.into())
    }

    /// The experience of an offer that is meant by `asked`.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn experience_meant<'o>(&self, offer: &'o Offer, asked: &str) -> Result<&'o Experience, Problem> {
        let slug = Slug::meant_by(asked).ok_or(Code::NotFound)?;
        if let Some(one) = offer.experiences.iter().find(|one| one.fields.slug == slug) {
            return Ok(one);
        }
        let space = offer.seen.space.id;
        let former: Result<_, StoreError> = self
            .store
            .run(move |connection| async move { experience::find_former(connection, space, &slug).await }.boxed())
            .await;
        let former = former?.ok_or(Code::NotFound)?;
        offer.experiences.iter().find(|one| one.id == former).ok_or_else(|| Code::NotFound.into())
    }
}
