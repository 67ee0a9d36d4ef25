//! Throws away what nothing counts any more: old codes, ended sessions, answers kept for requests that came again.

use futures_util::FutureExt;

use super::{
    Identity,
    store::{login_codes, sessions},
};
use crate::{
    limits::{ENDED_KEPT, IDEMPOTENCY_KEPT, UPKEEP_EVERY},
    store::{StoreError, replay},
};

impl Identity {
    /// Throws old rows away once and says how many.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn tidy_up(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        self.store
            .run(move |connection| {
                async move {
                    let codes = login_codes::prune(connection, now).await?;
                    let sessions = sessions::prune(connection, now.minus(ENDED_KEPT)).await?;
                    let kept = replay::prune(connection, now.minus(IDEMPOTENCY_KEPT)).await?;
                    Ok(codes + sessions + kept)
                }
                .boxed()
            })
            .await
    }

    /// Tidies up from time to time, for as long as it is polled.
    pub async fn keep_tidy(self) {
        loop {
            if let Err(fault) = self.tidy_up().await {
                tracing::warn!(error = &fault as &dyn std::error::Error, "old rows stay until the next time");
            }
            tokio::time::sleep(UPKEEP_EVERY).await;
        }
    }
}
