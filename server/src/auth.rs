//! Who a client is: the token of the handshake, verified if there is a secret to verify it with.

pub mod jwt;

use std::{fmt, sync::Arc};

use axum::http::{HeaderMap, HeaderName};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use self::jwt::JwtError;
use crate::{
    config::Secret, message::canonical_id, protocol::inbound::Field, socket_manager::User,
};

/// Where the token may be instead of `auth.token`.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("access-token");
/// The longest token that is taken for a user id where none is verified: a real token of the usual size.
const MAX_UNVERIFIED: usize = 4096;

/// Why nobody is let in: the message of the `connect_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Neither `auth.token` nor the header.
    #[error("Authentication error: Token is required")]
    TokenRequired,
    /// Not signed with our secret, expired, or without an id.
    #[error("Invalid auth token provided")]
    InvalidToken,
}

/// The `auth` of a Socket.IO CONNECT packet: an object, of which only the token is read.
#[derive(Debug, Default)]
pub struct Handshake {
    token: Field,
}

/// Takes an object and nothing else: a derived implementation would take `["x"]` for the token `x`.
impl<'de> Deserialize<'de> for Handshake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HandshakeVisitor)
    }
}

struct HandshakeVisitor;

impl<'de> Visitor<'de> for HandshakeVisitor {
    type Value = Handshake;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Handshake, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Key {
            Token,
            #[serde(other)]
            Other,
        }
        let mut handshake = Handshake::default();
        while let Some(key) = map.next_key()? {
            match key {
                // Of two tokens the last counts, as in JavaScript.
                Key::Token => handshake.token = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(handshake)
    }
}

/// Turns handshakes into users.
pub struct Authenticator {
    secret: Option<Secret>,
}

impl Authenticator {
    /// Verifies HS256 with this secret; without one, any token is a user id.
    #[must_use]
    pub const fn new(secret: Option<Secret>) -> Self {
        Self { secret }
    }

    /// Whether tokens are verified, so that a sender can't be made up.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        self.secret.is_some()
    }

    /// Says who connects.
    ///
    /// # Errors
    /// There is no token, or it is not one of ours.
    pub fn authenticate(
        &self,
        handshake: Handshake,
        headers: &HeaderMap,
    ) -> Result<Arc<User>, AuthError> {
        let from_header = || {
            headers
                .get(TOKEN)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let token = match handshake.token {
            Field::Text(token) | Field::Integer(token) if !token.is_empty() => token,
            _ => from_header()
                .filter(|token| !token.is_empty())
                .ok_or(AuthError::TokenRequired)?,
        };
        let Some(Secret(secret)) = &self.secret else {
            if token.len() > MAX_UNVERIFIED {
                return Err(AuthError::InvalidToken);
            }
            return Ok(Arc::new(User::unnamed(canonical_id(token))));
        };
        let user = user_of(&token, secret).map_err(|why| {
            tracing::debug!("[SocketManager] Refused a token: {why}");
            AuthError::InvalidToken
        })?;
        Ok(Arc::new(user))
    }
}

/// The user whom a token names.
fn user_of(token: &str, secret: &str) -> Result<User, JwtError> {
    let claims = jwt::verify(token, secret.as_bytes(), jwt::now())?;
    let id: Field = claims.get("id")?.unwrap_or_default();
    let id = id.id("id").ok().flatten().ok_or(JwtError::Claim)?;
    // `null` is as good as nothing.
    let text = |name| claims.get::<Option<String>>(name).map(Option::flatten);
    Ok(User {
        id: id.into(),
        username: text("username")?,
        email: text("email")?,
        avatar: text("avatar")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn handshake(auth: Value) -> Handshake {
        serde_json::from_value(auth).unwrap()
    }

    fn signed(claims: &Value, secret: &str) -> Handshake {
        let token = jwt::sign(claims, secret.as_bytes()).unwrap();
        handshake(json!({ "token": token }))
    }

    #[test]
    fn without_a_secret_any_token_is_the_user_id() {
        let auth = Authenticator::new(None);
        let none = HeaderMap::new();
        let id = |auth_payload| {
            auth.authenticate(handshake(auth_payload), &none)
                .map(|user| user.id.to_string())
        };
        assert_eq!(id(json!({ "token": "your-token" })).unwrap(), "your-token");
        assert_eq!(id(json!({ "token": 7 })).unwrap(), "7");
        assert_eq!(
            id(json!({ "token": "x".repeat(5000) })),
            Err(AuthError::InvalidToken)
        );
        for nobody in [
            json!({}),
            json!({ "token": "" }),
            json!({ "token": null }),
            json!({ "token": { "$ne": 1 } }),
        ] {
            assert_eq!(id(nobody), Err(AuthError::TokenRequired));
        }
    }

    #[test]
    fn the_header_serves_where_the_payload_has_no_token() {
        let auth = Authenticator::new(None);
        let headers = HeaderMap::from_iter([(TOKEN, "from-header".parse().unwrap())]);
        let id = |payload| {
            auth.authenticate(handshake(payload), &headers)
                .unwrap()
                .id
                .to_string()
        };
        assert_eq!(id(json!({})), "from-header");
        assert_eq!(id(json!({ "token": "from-payload" })), "from-payload");
    }

    #[test]
    fn with_a_secret_only_our_tokens_count() {
        let auth = Authenticator::new(Some(Secret("s3cret".into())));
        let none = HeaderMap::new();
        let claims = json!({ "id": "u1", "username": "Ann", "email": "ann@example.org", "exp": 4_000_000_000_u64 });
        let user = auth.authenticate(signed(&claims, "s3cret"), &none).unwrap();
        assert_eq!(
            (user.id.as_ref(), user.username.as_deref()),
            ("u1", Some("Ann"))
        );
        assert_eq!(user.avatar, None);

        let expired = json!({ "id": "u1", "exp": 1_000_000_000 });
        let nobody = json!({ "username": "Ann" });
        let operator = json!({ "id": { "$ne": null } });
        let forged = [
            signed(&claims, "other"),
            signed(&expired, "s3cret"),
            signed(&nobody, "s3cret"),
            signed(&operator, "s3cret"),
            handshake(json!({ "token": "u1" })),
        ];
        for token in forged {
            assert_eq!(
                auth.authenticate(token, &none),
                Err(AuthError::InvalidToken)
            );
        }
        assert_eq!(
            auth.authenticate(handshake(json!({})), &none),
            Err(AuthError::TokenRequired)
        );
    }
}
