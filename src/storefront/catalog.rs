//! What the routes and pages of the storefront hold: the database, time, fresh ids, and whom to tell about changed rights.

use std::sync::Arc;

use super::{HoldersChanged, Watching, store::By};
use crate::{
    clock::{SharedClock, Timestamp},
    entropy::Ids,
    identity::Signed,
    store::Store,
};

/// One for the node, as `web::Data`. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    /// The database.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Fresh ids.
    pub ids: Ids,
    /// Told whose rights have changed.
    pub holders: Arc<dyn HoldersChanged>,
    /// Knows how many watch now.
    pub watching: Arc<dyn Watching>,
}

impl Catalog {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// This person, now.
    #[must_use]
    pub fn by(&self, signed: &Signed) -> By {
        By { user: signed.user, at: self.clock.now() }
    }
}
