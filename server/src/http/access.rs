//! Who may read the debug pages, which show users, and users are tokens where there is no secret.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use subtle::ConstantTimeEq as _;

use crate::{
    config::{DebugAccess, DebugPages},
    listener::Connection,
    telemetry::Telemetry,
};

/// What a proxy adds to a request that came from elsewhere.
const FORWARDING: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Why a debug page is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There are none.
    #[error("there are no debug pages here: the server runs with --debug-pages off")]
    Off,
    /// The peer is another machine.
    #[error(
        "debug pages are shown on this machine only: --debug-pages anywhere and --debug-token open them"
    )]
    Elsewhere,
    /// The peer is this machine, but what it asks for was asked by somebody else: a page in a browser, or who is
    /// behind a proxy.
    #[error(
        "this came through a browser's page, a proxy or another host's name: debug pages need --debug-token then"
    )]
    Passed,
    /// The token is missing or wrong.
    #[error("debug pages need the header `Authorization: Bearer <the --debug-token>`")]
    Token,
}

impl DebugAccess {
    /// Whether a request from `peer` with these headers may read the debug pages.
    ///
    /// This machine needs no token, if the request is its own: no other site's page made a browser send it (`Origin`,
    /// or a `Host` that names a public host, as after a rebinding of its name), and no proxy passed it on.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Denied> {
        let here = peer.to_canonical().is_loopback();
        let refusal = match self.pages {
            DebugPages::Off => return Err(Denied::Off),
            _ if here && is_own(headers) => return Ok(()),
            DebugPages::Loopback if !here => return Err(Denied::Elsewhere),
            _ if here && self.token.is_none() => Denied::Passed,
            DebugPages::Loopback | DebugPages::Anywhere => Denied::Token,
        };
        let has_token = self.token.as_ref().is_some_and(|token| {
            bearer(headers).is_some_and(|given| given.ct_eq(token.0.as_bytes()).into())
        });
        if has_token { Ok(()) } else { Err(refusal) }
    }
}

/// Lets a request pass to the debug pages, or answers it.
pub async fn gate(
    State((access, telemetry)): State<(DebugAccess, Arc<Telemetry>)>,
    request: Request,
    next: Next,
) -> Response {
    // Without a connection nobody knows who asks: somebody elsewhere.
    let peer = request
        .extensions()
        .get::<Arc<Connection>>()
        .map_or(Ipv4Addr::UNSPECIFIED.into(), |connection| {
            connection.peer().ip()
        });
    match access.check(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => {
            telemetry.connection_refused("debug_page");
            let status = match denied {
                Denied::Off => StatusCode::NOT_FOUND,
                _ => StatusCode::FORBIDDEN,
            };
            (status, format!("{denied}\n")).into_response()
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Whether a program on this machine sent a request of its own.
fn is_own(headers: &HeaderMap) -> bool {
    let passed_on = FORWARDING.iter().any(|name| headers.contains_key(name));
    !passed_on
        && !headers.contains_key(header::ORIGIN)
        && headers.get_all(header::HOST).iter().all(|host| {
            host.to_str()
                .is_ok_and(|host| names_this_machine(without_port(host)))
        })
}

fn without_port(host: &str) -> &str {
    if let Some((ip, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return ip;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// A loopback address, the one that stands for all of this machine's, `localhost`, or a name without a dot: this machine's own, which no public name server gives out.
fn names_this_machine(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback() || ip.is_unspecified(),
        Err(_) => {
            let name = host.strip_suffix('.').unwrap_or(host);
            !name.contains('.') || name.to_ascii_lowercase().ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::Secret;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn access(pages: DebugPages, token: Option<&str>) -> DebugAccess {
        DebugAccess {
            pages,
            token: token.map(|token| Secret(token.to_owned())),
        }
    }

    const NEAR: [&str; 5] = [
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.255",
        "::1",
        "::ffff:127.0.0.1",
    ];
    const FAR: [&str; 9] = [
        "0.0.0.0",
        "10.0.0.1",
        "128.0.0.1",
        "192.168.1.7",
        "169.254.1.1",
        "::",
        "::2",
        "::ffff:10.0.0.1",
        "fe80::1",
    ];

    #[test]
    fn by_default_only_this_machine_is_answered() {
        let access = access(DebugPages::default(), None);
        for peer in NEAR {
            let peer = peer.parse().unwrap();
            assert_eq!(access.check(peer, &HeaderMap::new()), Ok(()), "{peer}");
        }
        for peer in FAR {
            let peer = peer.parse().unwrap();
            for pretends in [
                headers(&[]),
                headers(&[("host", "localhost")]),
                headers(&[("x-forwarded-for", "127.0.0.1")]),
                headers(&[("authorization", "Bearer ")]),
            ] {
                assert_eq!(
                    access.check(peer, &pretends),
                    Err(Denied::Elsewhere),
                    "{peer}"
                );
            }
        }
    }

    #[test]
    fn a_request_that_was_passed_on_is_not_this_machines() {
        let access = access(DebugPages::Loopback, None);
        let peer = Ipv4Addr::LOCALHOST.into();
        for own in [
            headers(&[("host", "127.0.0.1:3000")]),
            headers(&[("host", "[::1]:3000")]),
            headers(&[("host", "0.0.0.0:3000")]),
            headers(&[("host", "LOCALHOST:3000")]),
            headers(&[("host", "chat.localhost")]),
            headers(&[("host", "my-machine:3000")]),
        ] {
            assert_eq!(access.check(peer, &own), Ok(()), "{own:?}");
        }
        for passed in [
            headers(&[("host", "rebound.example.org:3000")]),
            headers(&[("host", "example.org.")]),
            headers(&[("host", "localhost.example.org")]),
            headers(&[("host", "10.0.0.1:3000")]),
            headers(&[("host", "[fe80::1]:3000")]),
            headers(&[("host", "127.0.0.1"), ("host", "example.org")]),
            headers(&[("host", "localhost"), ("origin", "https://example.org")]),
            headers(&[("host", "localhost"), ("origin", "null")]),
            headers(&[("x-forwarded-for", "10.0.0.1")]),
            headers(&[("x-real-ip", "10.0.0.1")]),
            headers(&[("forwarded", "for=10.0.0.1")]),
            headers(&[("via", "1.1 proxy")]),
        ] {
            assert_eq!(
                access.check(peer, &passed),
                Err(Denied::Passed),
                "{passed:?}"
            );
        }
    }

    #[test]
    fn a_token_opens_the_pages() {
        let far: IpAddr = "10.0.0.1".parse().unwrap();
        let right = headers(&[("authorization", "Bearer t0ken"), ("host", "example.org")]);
        let open = access(DebugPages::Anywhere, Some("t0ken"));
        assert_eq!(open.check(far, &right), Ok(()));
        assert_eq!(
            open.check(Ipv4Addr::LOCALHOST.into(), &headers(&[])),
            Ok(())
        );
        for wrong in [
            headers(&[]),
            headers(&[("authorization", "Bearer t0keN")]),
            headers(&[("authorization", "Bearer t0ken1")]),
            headers(&[("authorization", "Bearer ")]),
            headers(&[("authorization", "Bearer")]),
            headers(&[("authorization", "Basic t0ken")]),
            headers(&[("authorization", "t0ken")]),
        ] {
            assert_eq!(open.check(far, &wrong), Err(Denied::Token), "{wrong:?}");
        }
        let near = access(DebugPages::Loopback, Some("t0ken"));
        assert_eq!(near.check(far, &right), Err(Denied::Elsewhere));
        assert_eq!(near.check(Ipv4Addr::LOCALHOST.into(), &right), Ok(()));
        let off = access(DebugPages::Off, Some("t0ken"));
        assert_eq!(
            off.check(Ipv4Addr::LOCALHOST.into(), &right),
            Err(Denied::Off)
        );
        let nobody = access(DebugPages::Anywhere, None);
        assert_eq!(
            nobody.check(far, &headers(&[("authorization", "Bearer ")])),
            Err(Denied::Token)
        );
    }
}
