//! How many requests one client may send, and how long one may take: a bucket for each address, and a deadline, in front of every
//! page and every route of the API. What operators and providers ask is not counted, nor are files that are built in; sockets
//! have a turnstile of their own.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    Error, FromRequest, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use futures_util::FutureExt;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, Reference},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};

use tokio::time::timeout;

use super::{
    client_address::ClientAddress,
    problem::{Code, Problem},
};
use crate::{
    clock::SharedClock,
    config::LimitProfile,
    limits::{
        CLIENTS_COUNTED_MAX, CLIENTS_FORGOTTEN_EVERY, REQUEST_WAIT, REQUESTS_OPEN, REQUESTS_STRICT, RequestLimits,
    },
};

/// Whose requests are not counted: of Prometheus, of whoever looks whether we live, of providers, and for built-in files.
const EXEMPT: [&str; 4] = ["/metrics", "/health/", "/hooks/", "/assets/"];

/// Our monotonic clock, as the buckets want it.
#[derive(Clone)]
struct Monotonic(SharedClock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Buckets = RateLimiter<ClientAddress, DashMapStateStore<ClientAddress>, Monotonic, NoOpMiddleware<Duration>>;

/// The buckets of this node, as `web::Data`. Cheap to clone.
#[derive(Clone)]
pub struct RequestLimit(Arc<Desk>);

struct Desk {
    buckets: Buckets,
    clock: Monotonic,
    /// When full buckets were last forgotten, in milliseconds of the monotonic clock.
    swept_at: AtomicU64,
}

impl RequestLimit {
    /// Every bucket is full.
    #[must_use]
    pub fn new(profile: LimitProfile, clock: SharedClock) -> Self {
        let RequestLimits { every, burst } = match profile {
            LimitProfile::Open => REQUESTS_OPEN,
            LimitProfile::Strict => REQUESTS_STRICT,
        };
        let burst = NonZeroU32::MIN.saturating_add(burst.saturating_sub(1));
        let quota = Quota::with_period(every).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst);
        let clock = Monotonic(clock);
        let buckets = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self(Arc::new(Desk { buckets, clock, swept_at: AtomicU64::new(0) }))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 with the time until the next one fits.
    pub fn admit(&self, client: ClientAddress) -> Result<(), Problem> {
        let desk = &self.0;
        // whoever holds so many addresses at once is met by the limits of what they ask for
        if desk.buckets.len() >= CLIENTS_COUNTED_MAX && !desk.sweep() {
            return Ok(());
        }
        desk.buckets.check_key(&client).map_err(|until| {
            let wait = until.wait_time_from(desk.clock.now());
            Problem::new(Code::TooManyRequests).retry_after(wait)
        })
    }
}

impl Desk {
    /// Forgets whoever has not been here lately; whether there is room now.
    fn sweep(&self) -> bool {
        let now = self.clock.now();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let before = self.swept_at.load(Ordering::Relaxed);
        let since: Duration = now.duration_since(Duration::from_millis(before)).into();
        let ours = since >= CLIENTS_FORGOTTEN_EVERY
            && self.swept_at.compare_exchange(before, millis, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if ours {
            self.buckets.retain_recent();
        }
        self.buckets.len() < CLIENTS_COUNTED_MAX
    }
}

/// The middleware: `App::wrap(from_fn(limit::guard))`.
///
/// # Errors
/// What the handler answers with; a refusal is an answer.
pub async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match judge(&request) {
        // a body that trickles in would hold its handler for ever
        Ok(()) => match timeout(REQUEST_WAIT, next.call(request)).await {
            Ok(answer) => answer.map(ServiceResponse::map_into_left_body),
            Err(_) => Err(Problem::new(Code::TooSlow).into()),
        },
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

fn judge(request: &ServiceRequest) -> Result<(), Problem> {
    let path = request.path();
    if EXEMPT.iter().any(|exempt| path.starts_with(exempt)) {
        return Ok(());
    }
    let limit = request.app_data::<web::Data<RequestLimit>>().ok_or(Code::Internal)?;
    let client = ClientAddress::from_request(request.request(), &mut Payload::None).now_or_never();
    limit.admit(client.ok_or(Code::Internal)??)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::atomic::AtomicU64,
    };

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::{Clock, Timestamp};

    /// Time that stands still until it is moved, in milliseconds.
    #[derive(Default)]
    struct Still(AtomicU64);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }

        fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
            std::future::pending().boxed()
        }
    }

    fn client(number: u32) -> ClientAddress {
        ClientAddress(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn strict() -> (Arc<Still>, RequestLimit) {
        let clock = Arc::<Still>::default();
        (clock.clone(), RequestLimit::new(LimitProfile::Strict, clock))
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds_for_each_client_by_itself() {
        let (clock, limit) = strict();
        let admitted = (0..1_000).filter(|_| limit.admit(client(1)).is_ok()).count();
        assert_eq!(admitted, REQUESTS_STRICT.burst as usize);
        let refused = limit.admit(client(1)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(REQUESTS_STRICT.every)));
        assert!(limit.admit(client(2)).is_ok(), "another client");
        clock.0.fetch_add(1_000, Ordering::SeqCst);
        let admitted = (0..1_000).filter(|_| limit.admit(client(1)).is_ok()).count();
        assert_eq!(admitted, 50, "what a second brings back");
    }

    #[test]
    fn whoever_comes_from_everywhere_at_once_costs_a_bounded_memory() {
        let (clock, limit) = strict();
        let most = u32::try_from(CLIENTS_COUNTED_MAX).unwrap();
        for number in 0..most + 1_000 {
            assert!(limit.admit(client(number)).is_ok());
        }
        assert_eq!(limit.0.buckets.len(), CLIENTS_COUNTED_MAX);
        clock.0.fetch_add(60_000, Ordering::SeqCst);
        assert!(limit.admit(client(most + 5_000)).is_ok());
        assert_eq!(limit.0.buckets.len(), 1, "who was not here lately is forgotten");
    }
}
