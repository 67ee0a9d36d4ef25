//! The headers that every answer carries: what a page may load, who may frame it, and that a type is a type.

use actix_web::middleware::DefaultHeaders;

/// The headers, for a media server that browsers reach at `media_url`.
#[must_use]
pub fn security(media_url: &str) -> DefaultHeaders {
    let connect = sources(media_url).join(" ");
    let policy = format!(
        "default-src 'self'; connect-src 'self' {connect}; img-src 'self' data: blob:; media-src 'self' blob:; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    DefaultHeaders::new()
        .add(("content-security-policy", policy))
        .add(("x-content-type-options", "nosniff"))
        .add(("referrer-policy", "same-origin"))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
        .add(("permissions-policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()"))
}

/// The media server's origin for sockets and for requests; its browser library uses both.
fn sources(media_url: &str) -> Vec<String> {
    let Ok(url) = url::Url::parse(media_url) else { return vec![] };
    let Some(host) = url.host_str() else { return vec![] };
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let secure = matches!(url.scheme(), "wss" | "https");
    let schemes = if secure { ["wss", "https"] } else { ["ws", "http"] };
    schemes.iter().map(|scheme| format!("{scheme}://{authority}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_servers_origin_is_named_for_sockets_and_requests() {
        assert_eq!(sources("ws://127.0.0.1:7800"), ["ws://127.0.0.1:7800", "http://127.0.0.1:7800"]);
        assert_eq!(sources("wss://live.example/x"), ["wss://live.example", "https://live.example"]);
    }
}
