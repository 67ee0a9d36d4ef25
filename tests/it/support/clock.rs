//! A clock that stands still until a test moves it.

use std::{sync::Arc, time::Duration};

use backstage::clock::{Clock, Timestamp};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Shows one time until it is moved forward; wall and monotonic time move together. Clones share it.
#[derive(Clone)]
pub struct TestClock(Arc<watch::Sender<Duration>>);

/// Where every test clock begins: noon of a day in 2026.
pub const BEGINS: Timestamp = Timestamp(1_795_262_400_000);

impl TestClock {
    /// A clock at [`BEGINS`].
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Duration::ZERO)))
    }

    /// Moves it forward and wakes who sleeps until then.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|passed| *passed += by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        BEGINS.plus(*self.0.borrow())
    }

    fn monotonic(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut moved = self.0.subscribe();
        Box::pin(async move {
            // The sender lives as long as the test; when it is gone nobody waits for this sleep any more.
            drop(moved.wait_for(|passed| BEGINS.plus(*passed) >= at).await);
        })
    }
}
