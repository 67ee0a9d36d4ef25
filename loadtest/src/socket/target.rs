//! Where the engine is: its address, resolved once, and how a stream to it is opened.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, bail};
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpSocket,
};
use tokio_rustls::TlsConnector;
use url::Url;

/// A byte stream to the engine, plain or inside TLS.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The engine's address and everything that is the same for all viewers of a process.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    /// What `Host` and the base of `Origin` say.
    authority: String,
    source: Option<IpAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    /// Resolves `url` (`http` or `https`). On loopback, the process number `process` connects from an address of its own,
    /// 127.0.0.1 and up, because one address offers about 28,000 local ports.
    pub async fn resolve(url: &Url, process: usize) -> anyhow::Result<Self> {
        let host = url.host_str().context("the address has no host")?;
        let port = url.port_or_known_default().context("the address has no port")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = tokio::net::lookup_host((bare, port))
            .await
            .with_context(|| format!("{host} is not known"))?
            .min_by_key(SocketAddr::is_ipv6)
            .with_context(|| format!("{host} has no address"))?;
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let config = ClientConfig::with_platform_verifier().context("no trusted certificates were found")?;
                Some((TlsConnector::from(Arc::new(config)), ServerName::try_from(bare.to_owned())?))
            }
            other => bail!("an address begins with http or https, not with {other}"),
        };
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { address, authority, source: source(address, process), tls })
    }

    /// What the `Host` header says.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The origin that a page of the engine itself would have.
    pub fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Opens one stream.
    pub async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }
}

/// The source address of a process: only on loopback, and only from the second process on.
fn source(address: SocketAddr, process: usize) -> Option<IpAddr> {
    match (address.ip(), u8::try_from(process + 1)) {
        (IpAddr::V4(ip), Ok(last @ 2..=254)) if ip.is_loopback() => Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_on_loopback_has_a_source_address_of_its_own() {
        let local: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(source(local, 0), None);
        assert_eq!(source(local, 2), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))));
        assert_eq!(source("192.0.2.1:80".parse().unwrap(), 2), None);
    }

    #[tokio::test]
    async fn the_host_header_names_a_port_only_when_the_address_does() {
        let with = Target::resolve(&Url::parse("http://127.0.0.1:8080").unwrap(), 0).await.unwrap();
        assert_eq!((with.authority(), with.origin().as_str()), ("127.0.0.1:8080", "http://127.0.0.1:8080"));
        let without = Target::resolve(&Url::parse("http://127.0.0.1/").unwrap(), 0).await.unwrap();
        assert_eq!(without.authority(), "127.0.0.1");
    }
}
