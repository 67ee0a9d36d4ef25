//! The pool of connections, and the runtime on which every statement runs, so that a busy web worker delays no query.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool},
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;

use super::error::StoreError;
use crate::limits::{
    DATABASE_CONNECT_WAIT, DATABASE_CONNECTIONS_MAX, DATABASE_RESERVED_MAX, DATABASE_WAIT, STATEMENT_TIMEOUT,
};

/// Statements to run on one connection.
pub trait Work<T, E>:
    for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static
{
}
impl<T, E, W> Work<T, E> for W where
    W: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static
{
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    /// Connections that requests cannot use up.
    reserve: Pool<AsyncPgConnection>,
    runtime: Handle,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("connections", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Store {
    /// A pool for `url` whose statements run on `runtime` (multi-threaded). Connects when first asked.
    ///
    /// # Errors
    /// When the pool cannot be built, which only a wrong limit could cause.
    pub fn new(url: &str, runtime: Handle) -> Result<Self, StoreError> {
        let (pool, reserve) = (pool(url, DATABASE_CONNECTIONS_MAX)?, pool(url, DATABASE_RESERVED_MAX)?);
        Ok(Self { pool, reserve, runtime })
    }

    /// The same database by connections that requests cannot use up: for what must go on when everything waits, such as
    /// putting people out and saying that we live.
    #[must_use]
    pub fn reserved(&self) -> Self {
        Self { pool: self.reserve.clone(), ..self.clone() }
    }

    /// Runs statements outside a transaction: for reading, and for single statements that are whole by themselves.
    pub async fn run<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: Work<T, E>,
    {
        let pool = self.pool.clone();
        self.spawn(async move {
            let mut connection = checked_out(&pool).await?;
            work(&mut connection).await
        })
        .await
    }

    /// Runs statements in one transaction, committed when `work` succeeds and rolled back when it does not.
    ///
    /// # Errors
    /// [`StoreError::OutcomeUnknown`] when the connection broke while committing.
    pub async fn transaction<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
        W: Work<T, E>,
    {
        let pool = self.pool.clone();
        self.spawn(async move {
            let mut checked = checked_out(&pool).await?;
            let connection: &mut AsyncPgConnection = &mut checked;
            let committing = Arc::new(AtomicBool::new(false));
            let seen = committing.clone();
            let done = connection
                .transaction::<T, Ended<E>, _>(async move |connection| {
                    let value = work(connection).await.map_err(Ended::Inside)?;
                    seen.store(true, Ordering::SeqCst);
                    Ok(value)
                })
                .await;
            done.map_err(|ended| match ended {
                Ended::Inside(error) => error,
                Ended::Outside(error) => match StoreError::from(error) {
                    StoreError::Unavailable(source) if AtomicBool::load(&committing, Ordering::SeqCst) => {
                        StoreError::OutcomeUnknown(*source.downcast().unwrap_or_else(|_| Box::new(broken()))).into()
                    }
                    other => other.into(),
                },
            })
        })
        .await
    }

    /// Whether the database answers within `patience`.
    pub async fn answers(&self, patience: Duration) -> bool {
        let asked = self.run(|connection| {
            async move {
                diesel::sql_query("select 1").execute(connection).await.map_err(StoreError::from)?;
                Ok::<(), StoreError>(())
            }
            .boxed()
        });
        tokio::time::timeout(patience, asked).await.is_ok_and(|answer| answer.is_ok())
    }

    async fn spawn<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        match self.runtime.spawn(work).await {
            Ok(done) => done,
            // A panic inside `work` was ours; the connection went back broken and the pool replaces it.
            Err(lost) => Err(StoreError::Unavailable(Box::new(lost)).into()),
        }
    }
}

fn pool(url: &str, size: usize) -> Result<Pool<AsyncPgConnection>, StoreError> {
    let mut config = ManagerConfig::default();
    // Whether the connection was closed is known without asking the server each time: the client hears it.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| connect(url.to_owned()).boxed());
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    Pool::builder(manager)
        .max_size(size)
        .runtime(deadpool_runtime())
        .wait_timeout(Some(DATABASE_WAIT))
        .create_timeout(Some(DATABASE_CONNECT_WAIT))
        .recycle_timeout(Some(DATABASE_WAIT))
        .build()
        .map_err(|e| StoreError::Unavailable(Box::new(e)))
}

enum Ended<E> {
    Inside(E),
    Outside(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Ended<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Outside(error)
    }
}

fn broken() -> diesel::result::Error {
    diesel::result::Error::BrokenTransactionManager
}

fn deadpool_runtime() -> deadpool::Runtime {
    deadpool::Runtime::Tokio1
}

async fn checked_out(pool: &Pool<AsyncPgConnection>) -> Result<Object<AsyncPgConnection>, StoreError> {
    pool.get().await.map_err(|e| StoreError::Unavailable(Box::new(e)))
}

/// Connects with TLS where the server asks for it (`sslmode=require` and stronger), and in plain text on a unix socket or loopback.
async fn connect(url: String) -> ConnectionResult<AsyncPgConnection> {
    let bad = |e: tokio_postgres::Error| ConnectionError::BadConnection(e.to_string());
    let parsed: tokio_postgres::Config = url.parse().map_err(bad)?;
    let mut connection = if parsed.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        let (client, connection) = parsed.connect(super::tls::connector()).await.map_err(bad)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await?
    } else {
        let (client, connection) = parsed.connect(tokio_postgres::NoTls).await.map_err(bad)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await?
    };
    let settings = format!(
        "set statement_timeout = {}; set lock_timeout = {}; set idle_in_transaction_session_timeout = {}; set time zone 'UTC'; set lc_messages = 'C'",
        STATEMENT_TIMEOUT.as_millis(),
        STATEMENT_TIMEOUT.as_millis(),
        STATEMENT_TIMEOUT.as_millis() * 2,
    );
    // `lc_messages` needs a superuser before Postgres 15 grants; without it the server's language stays, and busy rows read as faults.
    if connection.batch_execute(&settings).await.is_err() {
        let without = settings.split("; set lc_messages").next().unwrap_or_default();
        connection.batch_execute(without).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(connection)
}
