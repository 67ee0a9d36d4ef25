//! TLS to Postgres, on the one provider of this program.

use std::sync::Arc;

use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that trusts the public roots.
pub fn connector() -> MakeRustlsConnect {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}
