//! Which address a request comes from: the peer, or what the proxies in front of us say and nobody else.

use std::{
    future::{Ready, ready},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap, web};

use crate::web::problem::Problem;

/// How many proxies stand in front (`server.trusted_proxies`), as `web::Data`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrustedProxies(pub usize);

/// Where a request comes from, as limits count it: an IPv4 address, or the /64 of an IPv6 one, which one household shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl FromRequest for ClientAddress {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proxies = request.app_data::<web::Data<TrustedProxies>>().map_or(0, |trusted| trusted.0);
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        ready(Ok(judge(peer, request.headers(), proxies)))
    }
}

/// Each trusted proxy adds the address it saw at the end of the list; what stands before those anybody may have written.
#[must_use]
pub fn judge(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> ClientAddress {
    let told: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let seen = match proxies {
        0 => None,
        _ => told.len().checked_sub(proxies).and_then(|at| told.get(at)).and_then(|text| text.parse().ok()),
    };
    ClientAddress(counted(seen.unwrap_or(peer)))
}

fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_what_trusted_proxies_added_is_believed() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        for (proxies, header, counted) in [
            (0, "1.1.1.1", "10.0.0.1"),
            (1, "1.1.1.1", "1.1.1.1"),
            (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
            (2, "1.1.1.1", "10.0.0.1"),
            (1, "nonsense", "10.0.0.1"),
            (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            (1, "::ffff:1.1.1.1", "1.1.1.1"),
        ] {
            let request = TestRequest::get().insert_header(("x-forwarded-for", header)).to_http_request();
            assert_eq!(judge(peer, request.headers(), proxies).0.to_string(), counted, "{proxies} {header}");
        }
    }
}
