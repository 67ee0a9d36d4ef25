//! Starting with nothing: what a laptop does not have (Postgres, the providers, a media server) runs as our children.

mod child;
mod error;
pub mod keep;
pub mod livekit;
mod postgres;
pub mod postgres_binaries;
pub mod probe;
mod process;
pub mod secret_file;
pub mod serve_json;
pub mod standins;
mod warden;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

pub use child::OURSELVES;
pub use error::LocalError;
use postgres::{Claim, LocalPostgres};
pub use postgres_binaries::Place;
use serve_json::{ServeFile, Served, ServedLiveKit};
use standins::StandIns;
use warden::Warden;

use crate::config::{self, Config, LiveKitMode, Mode};
use crate::entropy::Entropy;

/// What a command needs to have around it.
#[derive(Debug, Clone)]
pub enum Need {
    /// The database alone, shared with a running engine: `migrate`, `seed`, `token create`, `doctor`.
    Database,
    /// Everything: `serve`. The base URL of our own listener is where LiveKit reports to.
    Engine {
        /// Such as `http://127.0.0.1:8080`.
        own_url: String,
    },
}

/// The media server that we use.
#[derive(Debug, Clone)]
pub struct MediaServer {
    /// Where the engine calls it.
    pub url: String,
    /// Where browsers connect.
    pub public_url: String,
    /// The name of the key.
    pub key: String,
    /// What signs.
    pub secret: SecretString,
    /// False when it is the stand-in, which shows no picture.
    pub real: bool,
}

/// What was configured, completed by what we started ourselves. Dropping it ends what we started.
pub struct LocalStack {
    mode: Mode,
    state_dir: PathBuf,
    database_url: SecretString,
    mail_url: Option<SecretString>,
    standins_url: Option<String>,
    media: Option<MediaServer>,
    // Dropped in this order: first nobody finds us any more, then the children end, then others may have what we held.
    served: Option<ServeFile>,
    warden: Option<Warden>,
    postgres: Option<LocalPostgres>,
    _state_lock: Option<File>,
}

impl LocalStack {
    /// Starts what is needed and not configured. Blocks for as long as that takes, so call it before any event loop runs.
    ///
    /// # Errors
    /// One sentence that says what is missing and how to mend it.
    pub fn start(config: &Config, need: &Need, entropy: &dyn Entropy) -> Result<Self, LocalError> {
        Self::start_with(config, need, entropy, Path::new(OURSELVES))
    }

    /// The same with another executable that has the `keep` command, for tests that are not the engine themselves.
    ///
    /// # Errors
    /// As [`LocalStack::start`].
    pub fn start_with(config: &Config, need: &Need, entropy: &dyn Entropy, keeper: &Path) -> Result<Self, LocalError> {
        let made = fs::create_dir_all(&config.state_dir).and_then(|()| config.state_dir.canonicalize());
        let state_dir = made.map_err(|error| LocalError::directory(&config.state_dir, error))?;
        let state_lock = match need {
            Need::Database => None,
            Need::Engine { .. } => Some(lock_state(&state_dir)?),
        };
        let mut stack = Self {
            mode: config.mode,
            state_dir,
            database_url: config.database.url.clone(),
            mail_url: given(&config.mail.url),
            standins_url: None,
            media: configured_media(config),
            served: None,
            warden: None,
            postgres: None,
            _state_lock: state_lock,
        };
        if config.mode == Mode::Local {
            stack.complete(config, need, entropy, keeper)?;
        }
        Ok(stack)
    }

    fn complete(
        &mut self,
        config: &Config,
        need: &Need,
        entropy: &dyn Entropy,
        keeper: &Path,
    ) -> Result<(), LocalError> {
        let place = Place { search: config::search_path(), cache: config::cache_dir() };
        let warden = self.warden.insert(Warden::new().map_err(|error| LocalError::start("a thread", error))?);
        if self.database_url.expose_secret().is_empty() {
            let claim = if matches!(need, Need::Database) { Claim::Share } else { Claim::Own };
            let postgres = LocalPostgres::start(warden, &self.state_dir.join("postgres"), &place, keeper, claim)?;
            self.database_url = SecretString::from(postgres.url().to_owned());
            self.postgres = Some(postgres);
        }
        let Need::Engine { own_url } = need else { return Ok(()) };
        let hook = format!("{own_url}/hooks/livekit");
        let standins = if config.standins.url.is_empty() {
            standins::start(warden, &self.state_dir.join("standins"), keeper, config.standins.port, &hook)?
        } else {
            standins::elsewhere(&config.standins.url, &hook)?
        };
        if self.mail_url.is_none() {
            self.mail_url = Some(SecretString::from(format!("smtp://{}", standins.smtp)));
        }
        self.standins_url = Some(standins.http.clone());
        if self.media.is_none() {
            let real = match config.livekit.mode {
                LiveKitMode::Standin => None,
                LiveKitMode::Auto | LiveKitMode::Real => livekit::find(&config.livekit.program, &place),
            };
            self.media = Some(match real {
                Some(program) => {
                    let desk = self.state_dir.join("livekit");
                    own_media(config, livekit::start(warden, &desk, keeper, program, &hook, entropy)?)
                }
                None if config.livekit.mode == LiveKitMode::Real => {
                    let built = place.cache.join("bin").join(format!("livekit-server-{}", livekit::VERSION));
                    return Err(LocalError::LiveKitMissing { built });
                }
                None => stand_in_media(config, &standins)?,
            });
        }
        Ok(())
    }

    /// Writes `serve.json`: from now on tools find us. Called when the engine answers requests.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn announce(&mut self, node: &str, http: &str, metrics: &str) -> Result<(), LocalError> {
        let local = self.mode == Mode::Local;
        let served = Served {
            pid: std::process::id(),
            node: node.to_owned(),
            http: http.to_owned(),
            metrics: metrics.to_owned(),
            standins: self.standins_url.clone(),
            livekit: self.media.as_ref().map(|media| ServedLiveKit {
                url: media.url.clone(),
                key: local.then(|| media.key.clone()),
                secret: local.then(|| media.secret.expose_secret().to_owned()),
            }),
            database: local.then(|| self.database_url.expose_secret().to_owned()),
        };
        let written = ServeFile::write(&self.state_dir, &served);
        self.served = Some(written.map_err(|error| LocalError::directory(&self.state_dir, error))?);
        Ok(())
    }

    /// The state directory, absolute.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The database, configured or ours.
    pub fn database_url(&self) -> &SecretString {
        &self.database_url
    }

    /// Whether this process started the database, so that it ends together with this value.
    pub fn owns_database(&self) -> bool {
        self.postgres.as_ref().is_some_and(LocalPostgres::is_ours)
    }

    /// Where mail is handed in; `None` when only the database was asked for and nothing is configured.
    pub fn mail_url(&self) -> Option<&SecretString> {
        self.mail_url.as_ref()
    }

    /// Base address of the stand-ins, where there are any.
    pub fn standins_url(&self) -> Option<&str> {
        self.standins_url.as_deref()
    }

    /// The media server; `None` when only the database was asked for and nothing is configured.
    pub fn media(&self) -> Option<&MediaServer> {
        self.media.as_ref()
    }

    /// How often one of our children died and was started again.
    pub fn restarts(&self) -> u64 {
        self.warden.as_ref().map_or(0, Warden::restarts)
    }
}

fn lock_state(state_dir: &Path) -> Result<File, LocalError> {
    let lock = File::create(state_dir.join("engine.lock")).map_err(|error| LocalError::directory(state_dir, error))?;
    if lock.try_lock().is_err() {
        return Err(LocalError::StateTaken { directory: state_dir.to_path_buf() });
    }
    ServeFile::clear(state_dir);
    Ok(lock)
}

fn given(secret: &SecretString) -> Option<SecretString> {
    (!secret.expose_secret().is_empty()).then(|| secret.clone())
}

fn configured_media(config: &Config) -> Option<MediaServer> {
    let livekit = &config.livekit;
    if livekit.url.is_empty() || livekit.mode == LiveKitMode::Standin {
        return None;
    }
    Some(MediaServer {
        url: livekit.url.clone(),
        public_url: public_url(config, &livekit.url),
        key: livekit.key.clone(),
        secret: livekit.secret.clone(),
        real: true,
    })
}

fn own_media(config: &Config, ours: livekit::LocalLiveKit) -> MediaServer {
    MediaServer {
        public_url: public_url(config, &ours.url),
        url: ours.url,
        key: ours.key,
        secret: SecretString::from(ours.secret),
        real: true,
    }
}

fn stand_in_media(config: &Config, standins: &StandIns) -> Result<MediaServer, LocalError> {
    let url = format!("{}/livekit", standins.http);
    let (key, secret) = match &standins.livekit {
        Some(keys) => (keys.key.clone(), SecretString::from(keys.secret.clone())),
        None => (config.livekit.key.clone(), config.livekit.secret.clone()),
    };
    if secret.expose_secret().is_empty() {
        return Err(LocalError::StandInsKey { url: standins.http.clone() });
    }
    Ok(MediaServer { public_url: as_socket(&url), url, key, secret, real: false })
}

fn public_url(config: &Config, url: &str) -> String {
    let named = &config.livekit.public_url;
    if named.is_empty() { as_socket(url) } else { named.clone() }
}

/// Browsers connect by WebSocket: `http` becomes `ws`, `https` becomes `wss`.
fn as_socket(url: &str) -> String {
    url.strip_prefix("http").map_or_else(|| url.to_owned(), |rest| format!("ws{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_the_socket_form_of_an_address() {
        assert_eq!(as_socket("http://127.0.0.1:7880"), "ws://127.0.0.1:7880");
        assert_eq!(as_socket("https://live.example"), "wss://live.example");
        assert_eq!(as_socket("wss://live.example"), "wss://live.example");
    }

    #[test]
    fn a_second_engine_is_told_that_the_state_directory_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock_state(dir.path()).unwrap();
        assert!(matches!(lock_state(dir.path()), Err(LocalError::StateTaken { .. })));
        drop(first);
        lock_state(dir.path()).unwrap();
    }
}
