//! Configuration: `config/default.toml` (built in) under a file under the environment. Every wrong key is named, none is guessed.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// What the defaults are; also the documentation of every key.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
const ENVIRONMENT_PREFIX: &str = "BACKSTAGE";

/// Whether missing parts may be started by ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A laptop or a test: what is missing is started.
    Local,
    /// The outside world: what is missing is an error.
    Production,
}

/// Which media server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveKitMode {
    /// Real where one is configured or can be started, else the stand-in.
    Auto,
    /// Only a real one.
    Real,
    /// Only the stand-in.
    Standin,
}

/// How tight the limits against abuse are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitProfile {
    /// Set high, for a laptop.
    Open,
    /// For the outside world.
    Strict,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    )*};
}

sections! {
    /// The whole configuration.
    Config {
        /// Local or production.
        mode: Mode,
        /// Where a node keeps what is its own.
        state_dir: PathBuf,
        /// The listener.
        server: Server,
        /// Where Prometheus looks.
        metrics: Metrics,
        /// Postgres.
        database: Database,
        /// The stand-ins of local mode.
        standins: Standins,
        /// The media server.
        livekit: LiveKit,
        /// Outgoing mail.
        mail: Mail,
        /// The key that seals what the database keeps.
        keys: Keys,
        /// Limits against abuse.
        limits: Limits,
        /// Broadcasts.
        live: Live,
        /// Failures to order.
        drills: Drills,
        /// Logs.
        log: Log,
    }
    /// The listener.
    Server {
        /// Address to bind.
        host: String,
        /// Port to bind; 0 picks one.
        port: u16,
        /// Worker threads; 0: one a core.
        workers: usize,
        /// What people type; empty: made of host and port.
        public_url: String,
        /// Proxies in front whose `X-Forwarded-For` is believed.
        trusted_proxies: usize,
    }
    /// Where Prometheus looks.
    Metrics {
        /// `host:port`; empty: the server's own address.
        address: String,
    }
    /// Postgres.
    Database {
        /// `postgres://…`; empty: a private one.
        url: SecretString,
        /// A file that holds it.
        url_file: PathBuf,
    }
    /// The stand-ins of local mode.
    Standins {
        /// Port; 0 picks one.
        port: u16,
        /// Another node's stand-ins.
        url: String,
    }
    /// The media server.
    LiveKit {
        /// Which one.
        mode: LiveKitMode,
        /// Where the engine calls it.
        url: String,
        /// Where browsers connect; empty: the same.
        public_url: String,
        /// API key.
        key: String,
        /// API secret.
        secret: SecretString,
        /// A file that holds it.
        secret_file: PathBuf,
        /// The program for local use.
        program: PathBuf,
    }
    /// Outgoing mail.
    Mail {
        /// `smtp://…`; empty: the stand-ins' mailbox.
        url: SecretString,
        /// A file that holds it.
        url_file: PathBuf,
        /// The sender.
        from: String,
    }
    /// The key that seals what the database keeps.
    Keys {
        /// 32 bytes in base64.
        seal: SecretString,
        /// A file that holds it.
        seal_file: PathBuf,
    }
    /// Limits against abuse.
    Limits {
        /// How tight.
        profile: LimitProfile,
    }
    /// Broadcasts.
    Live {
        /// Seconds after its schedule at which a broadcast that has not started is cancelled.
        not_started_secs: u32,
        /// Seconds after which a broadcast ends whose media server cannot be asked.
        unanswered_secs: u32,
    }
    /// Failures to order.
    Drills {
        /// Whether somebody who runs an experience may make its actor fail.
        enabled: bool,
    }
    /// Logs.
    Log {
        /// A `tracing` filter.
        filter: String,
        /// Text or JSON.
        format: LogFormat,
    }
}

/// A configuration that cannot be used; one line a mistake.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Config {
    /// Reads the defaults, then `file`, then the environment, and checks what they say together.
    ///
    /// # Errors
    /// One line for each wrong key, naming it and what is allowed.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::from_layers(file, None)
    }

    /// The same with `environment` in place of the process's own, for tests.
    ///
    /// # Errors
    /// As [`Config::load`].
    #[expect(clippy::needless_pass_by_value, reason = "a test gives its whole environment")]
    pub fn from_layers(
        file: Option<&Path>,
        environment: Option<std::collections::HashMap<String, String>>,
    ) -> Result<Self, ConfigError> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let layer = || {
            config::Environment::with_prefix(ENVIRONMENT_PREFIX)
                .prefix_separator("__")
                .separator("__")
                .try_parsing(false)
                .source(environment.clone())
        };
        builder = builder.add_source(layer());
        // The one key outside a section has one underscore, as tools write it.
        let state_dir = match &environment {
            Some(given) => given.get("BACKSTAGE_STATE_DIR").cloned(),
            None => variable("BACKSTAGE_STATE_DIR"),
        };
        builder = builder.set_override_option("state_dir", state_dir).map_err(said)?;
        let mut config: Self = builder.build().map_err(said)?.try_deserialize().map_err(said)?;
        config.read_secret_files()?;
        config.check()?;
        Ok(config)
    }

    fn read_secret_files(&mut self) -> Result<(), ConfigError> {
        let mut wrong = vec![];
        let pairs = [
            ("database.url_file", &self.database.url_file, &mut self.database.url),
            ("livekit.secret_file", &self.livekit.secret_file, &mut self.livekit.secret),
            ("mail.url_file", &self.mail.url_file, &mut self.mail.url),
            ("keys.seal_file", &self.keys.seal_file, &mut self.keys.seal),
        ];
        for (key, file, secret) in pairs {
            if file.as_os_str().is_empty() {
                continue;
            }
            if !secret.expose_secret().is_empty() {
                wrong.push(format!("{key}: the secret is given twice, in the file and directly"));
            }
            match std::fs::read_to_string(file) {
                Ok(text) => *secret = SecretString::from(text.trim().to_owned()),
                Err(e) => wrong.push(format!("{key}: {} cannot be read: {e}", file.display())),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = vec![];
        let mut must = |holds: bool, line: &str| {
            if !holds {
                wrong.push(line.to_owned());
            }
        };
        let given = |secret: &SecretString| !secret.expose_secret().is_empty();
        must(self.server.host.parse::<std::net::IpAddr>().is_ok(), "server.host: must be an IP address");
        must(self.server.workers <= 256, "server.workers: must be at most 256");
        let public = &self.server.public_url;
        must(public.is_empty() || url::Url::parse(public).is_ok(), "server.public_url: must be a URL");
        let metrics = &self.metrics.address;
        must(
            metrics.is_empty() || metrics.parse::<std::net::SocketAddr>().is_ok(),
            "metrics.address: must be \"ip:port\"",
        );
        must(
            self.livekit.url.is_empty() || (!self.livekit.key.is_empty() && given(&self.livekit.secret)),
            "livekit.key, livekit.secret: needed with livekit.url",
        );
        must(
            self.mail.from.parse::<lettre::message::Mailbox>().is_ok(),
            "mail.from: must be an address, as in \"Name <a@b.example>\"",
        );
        if self.mode == Mode::Production {
            must(given(&self.database.url), "database.url: needed in production (or database.url_file)");
            must(!self.livekit.url.is_empty(), "livekit.url: needed in production");
            must(self.livekit.mode != LiveKitMode::Standin, "livekit.mode: no stand-in in production");
            must(given(&self.mail.url), "mail.url: needed in production (or mail.url_file)");
            must(given(&self.keys.seal), "keys.seal: needed in production (or keys.seal_file)");
            must(self.standins.url.is_empty(), "standins.url: no stand-ins in production");
            must(!self.drills.enabled, "drills.enabled: no drills in production");
            must(public.starts_with("https://"), "server.public_url: must be https in production");
            must(self.limits.profile == LimitProfile::Strict, "limits.profile: must be strict in production");
        }
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }
}

/// The directories of the search path, in order.
pub fn search_path() -> Vec<PathBuf> {
    variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Where this user keeps what can be fetched or built again.
pub fn cache_dir() -> PathBuf {
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| format!("{home}/.cache")));
    PathBuf::from(base.unwrap_or_else(|| "/tmp".to_owned())).join("backstage")
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::needless_pass_by_value, reason = "used as a mapping function")]
fn said(error: config::ConfigError) -> ConfigError {
    ConfigError(vec![error.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_layers(None, Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()))
    }

    #[test]
    fn the_defaults_are_a_whole_configuration() {
        let config = with(&[]).unwrap();
        assert_eq!((config.mode, config.server.port), (Mode::Local, 8080));
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config = with(&[("BACKSTAGE__SERVER__PORT", "0"), ("BACKSTAGE_STATE_DIR", "/tmp/x")]).unwrap();
        assert_eq!((config.server.port, config.state_dir), (0, PathBuf::from("/tmp/x")));
    }

    #[test]
    fn a_wrong_key_is_named() {
        for (key, value, named) in [
            ("BACKSTAGE__SERVER__PRT", "1", "prt"),
            ("BACKSTAGE__SERVER__PORT", "many", "server.port"),
            ("BACKSTAGE__LIVEKIT__MODE", "fake", "livekit.mode"),
            ("BACKSTAGE__SERVER__HOST", "nowhere", "server.host"),
            ("BACKSTAGE__KEYS__SEAL_FILE", "/no/such/file", "keys.seal_file"),
        ] {
            let told = with(&[(key, value)]).unwrap_err().to_string();
            assert!(told.contains(named), "{key}: {told}");
        }
    }

    #[test]
    fn production_names_everything_that_is_missing_at_once() {
        let told = with(&[("BACKSTAGE__MODE", "production")]).unwrap_err().to_string();
        for key in ["database.url", "livekit.url", "mail.url", "keys.seal", "server.public_url", "limits.profile"] {
            assert!(told.contains(key), "{key} is missing in {told}");
        }
    }

    #[test]
    fn drills_are_off_unless_asked_for_and_refused_in_production() {
        assert!(!with(&[]).unwrap().drills.enabled);
        let asked = [("BACKSTAGE__DRILLS__ENABLED", "true"), ("BACKSTAGE__MODE", "production")];
        assert!(with(&asked[..1]).unwrap().drills.enabled);
        let told = with(&asked).unwrap_err().to_string();
        assert!(told.contains("drills.enabled: no drills in production"), "{told}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with(&[("BACKSTAGE__KEYS__SEAL", "open sesame")]).unwrap();
        assert!(!format!("{config:?}").contains("sesame"));
    }
}
