//! How people come to hold what is offered: prices, stock, purchases. What costs nothing is taken at once.

pub mod core;
pub mod limits;
pub mod routes;
pub mod store;

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    clock::Timestamp,
    config::LimitProfile,
    identity::core::window::Windows,
    limits::{JOIN_WINDOW, JOINS_A_CLIENT_OPEN, JOINS_A_CLIENT_STRICT},
    web::{
        client_address::ClientAddress,
        problem::{Code, Problem},
    },
};

/// How often one client may join with nothing but an address, as `web::Data`. Cheap to clone.
#[derive(Clone)]
pub struct JoinThrottle(Arc<Counts>);

struct Counts {
    most: u32,
    joins: Mutex<Windows<ClientAddress>>,
}

impl JoinThrottle {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new(profile: LimitProfile) -> Self {
        let most = match profile {
            LimitProfile::Open => JOINS_A_CLIENT_OPEN,
            LimitProfile::Strict => JOINS_A_CLIENT_STRICT,
        };
        Self(Arc::new(Counts { most, joins: Mutex::new(Windows::new(JOIN_WINDOW)) }))
    }

    /// Counts one more.
    ///
    /// # Errors
    /// 429 with the time to wait when there were too many.
    pub fn admit(&self, now: Timestamp, client: ClientAddress) -> Result<(), Problem> {
        let mut joins = self.0.joins.lock().unwrap_or_else(PoisonError::into_inner);
        joins.admit(now, client, self.0.most).map_err(|wait| Problem::new(Code::TooManyRequests).retry_after(wait))
    }
}
