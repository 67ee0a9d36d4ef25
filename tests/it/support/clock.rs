//! A clock whose wall time stands still until a test moves it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backstage::clock::{Clock, Timestamp};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Shows one time until it is moved forward. Monotonic time runs as the machine's and is moved as well. Clones share it.
#[derive(Clone)]
pub struct TestClock {
    born: Instant,
    moved: Arc<watch::Sender<Duration>>,
}

/// Where every test clock begins: noon of a day in 2026.
pub const BEGINS: Timestamp = Timestamp(1_795_262_400_000);

impl TestClock {
    /// A clock at [`BEGINS`].
    #[expect(clippy::disallowed_methods, reason = "this is a Clock port's implementation")]
    pub fn new() -> Self {
        Self { born: Instant::now(), moved: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }

    /// Moves it forward and wakes who sleeps until then.
    pub fn advance(&self, by: Duration) {
        self.moved.send_modify(|passed| *passed += by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        BEGINS.plus(*self.moved.borrow())
    }

    fn monotonic(&self) -> Duration {
        self.born.elapsed() + *self.moved.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut moved = self.moved.subscribe();
        Box::pin(async move {
            // The sender lives as long as the test; when it is gone nobody waits for this sleep any more.
            drop(moved.wait_for(|passed| BEGINS.plus(*passed) >= at).await);
        })
    }
}
