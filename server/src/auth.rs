//! Who a client is: the token of the handshake, verified if there is a secret to verify it with.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::{protocol::inbound::Field, socket_manager::User};

/// Where the token may be instead of `auth.token`.
const HEADER: HeaderName = HeaderName::from_static("access-token");
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

/// The `auth` of a Socket.IO CONNECT packet.
#[derive(Debug, Default, Deserialize)]
pub struct Handshake {
    #[serde(default)]
    token: Field,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    id: Field,
    username: Option<String>,
    email: Option<String>,
    avatar: Option<String>,
}

/// Turns handshakes into users.
pub struct Authenticator {
    verifier: Option<(DecodingKey, Validation)>,
}

impl Authenticator {
    /// Verifies HS256 with this secret; without one, any token is a user id.
    #[must_use]
    pub fn new(secret: Option<&str>) -> Self {
        let verifier = secret.map(|secret| {
            let mut validation = Validation::new(Algorithm::HS256);
            // A token without an expiry is valid; one with an expiry is valid until then, to the second.
            validation.required_spec_claims.clear();
            validation.validate_aud = false;
            validation.leeway = 0;
            (DecodingKey::from_secret(secret.as_bytes()), validation)
        });
        Self { verifier }
    }

    /// Whether tokens are verified, so that a sender can't be made up.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        self.verifier.is_some()
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
                .get(HEADER)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let token = match handshake.token {
            Field::Text(token) | Field::Integer(token) if !token.is_empty() => token,
            _ => from_header()
                .filter(|token| !token.is_empty())
                .ok_or(AuthError::TokenRequired)?,
        };
        let Some((key, validation)) = &self.verifier else {
            if token.len() > MAX_UNVERIFIED {
                return Err(AuthError::InvalidToken);
            }
            return Ok(Arc::new(User::unnamed(token)));
        };
        let claims = jsonwebtoken::decode::<Claims>(&token, key, validation)
            .map_err(|_| AuthError::InvalidToken)?
            .claims;
        let id = claims
            .id
            .id("id")
            .ok()
            .flatten()
            .ok_or(AuthError::InvalidToken)?;
        Ok(Arc::new(User {
            id: id.into(),
            username: claims.username,
            email: claims.email,
            avatar: claims.avatar,
        }))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    fn handshake(auth: Value) -> Handshake {
        serde_json::from_value(auth).unwrap()
    }

    fn signed(claims: &Value, secret: &str, algorithm: Algorithm) -> Handshake {
        let token = encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap();
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
        let headers = HeaderMap::from_iter([(HEADER, "from-header".parse().unwrap())]);
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
        let auth = Authenticator::new(Some("s3cret"));
        let none = HeaderMap::new();
        let claims = json!({ "id": "u1", "username": "Ann", "email": "ann@example.org", "exp": 4_000_000_000_u64 });
        let user = auth
            .authenticate(signed(&claims, "s3cret", Algorithm::HS256), &none)
            .unwrap();
        assert_eq!(
            (user.id.as_ref(), user.username.as_deref()),
            ("u1", Some("Ann"))
        );
        assert_eq!(user.avatar, None);

        let expired = json!({ "id": "u1", "exp": 1_000_000_000 });
        let nobody = json!({ "username": "Ann" });
        let operator = json!({ "id": { "$ne": null } });
        let forged = [
            signed(&claims, "other", Algorithm::HS256),
            signed(&claims, "s3cret", Algorithm::HS512),
            signed(&expired, "s3cret", Algorithm::HS256),
            signed(&nobody, "s3cret", Algorithm::HS256),
            signed(&operator, "s3cret", Algorithm::HS256),
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
