//! JSON Web Tokens with HS256: the only algorithm that the contract knows.
//!
//! Verified as the Node.js service's library (`jsonwebtoken` 9) does it. Written here because three steps are all that
//! one algorithm takes, while the libraries bring a dozen other algorithms with them and judge times by other rules.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_URL_SAFE_NO_PAD,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::Sha256;

/// Node.js reads a part whose last character has bits beyond the last byte; the signature covers them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts in base64url, or no JSON objects in the first two.
    #[error("malformed")]
    Malformed,
    /// Another algorithm than HS256, or none.
    #[error("another algorithm than HS256")]
    Algorithm,
    /// Not signed with this secret.
    #[error("wrong signature")]
    Signature,
    /// `exp` or `nbf` is no number, or one beyond all numbers.
    #[error("exp or nbf is no number")]
    Time,
    /// `exp` has come.
    #[error("expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("not valid yet")]
    TooEarly,
    /// A claim that is asked for has another type.
    #[error("a claim of the wrong type")]
    Claim,
}

/// What a token says, by name; of two claims with one name the last counts, as in JavaScript.
#[derive(Debug, Default)]
pub struct Claims(Object);

type Object = HashMap<String, Box<RawValue>>;

impl Claims {
    /// A claim, if the token has it.
    ///
    /// # Errors
    /// [`JwtError::Claim`] if it is there and of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, JwtError> {
        self.0
            .get(name)
            .map(|raw| serde_json::from_str(raw.get()))
            .transpose()
            .map_err(|_| JwtError::Claim)
    }

    /// A time in seconds since 1970, which may have a fraction.
    fn time(&self, name: &str) -> Result<Option<f64>, JwtError> {
        self.get(name).map_err(|_| JwtError::Time)
    }
}

/// Signs claims.
///
/// # Errors
/// [`JwtError::Claim`] if they are no JSON.
pub fn sign(claims: &impl Serialize, secret: &[u8]) -> Result<String, JwtError> {
    let part = |json: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(json);
    let header = part(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = serde_json::to_vec(claims).map_err(|_| JwtError::Claim)?;
    let message = format!("{header}.{}", part(&claims));
    let signature = part(&mac(&message, secret)?.finalize().into_bytes());
    Ok(format!("{message}.{signature}"))
}

/// Verifies a token at a moment in seconds since 1970.
///
/// # Errors
/// It is not signed with this secret, not valid at that moment, or no token at all.
pub fn verify(token: &str, secret: &[u8], now: u64) -> Result<Claims, JwtError> {
    let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(JwtError::Malformed)?;
    let algorithm = Claims(object(header)?).get::<String>("alg");
    if algorithm.ok().flatten().as_deref() != Some("HS256") {
        return Err(JwtError::Algorithm);
    }
    let signature = BASE64_URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| JwtError::Signature)?;
    mac(message, secret)?
        .verify_slice(&signature)
        .map_err(|_| JwtError::Signature)?;
    let claims = Claims(object(claims)?);
    let now = now as f64;
    if claims.time("nbf")?.is_some_and(|from| from > now) {
        return Err(JwtError::TooEarly);
    }
    if claims.time("exp")?.is_some_and(|until| until <= now) {
        return Err(JwtError::Expired);
    }
    Ok(claims)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// HMAC takes a key of any length, so this does not fail.
fn mac(message: &str, secret: &[u8]) -> Result<Hmac<Sha256>, JwtError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| JwtError::Signature)?;
    mac.update(message.as_bytes());
    Ok(mac)
}

/// One part of a token: a JSON object in base64url.
fn object(part: &str) -> Result<Object, JwtError> {
    let bytes = LENIENT.decode(part).map_err(|_| JwtError::Malformed)?;
    serde_json::from_str(&String::from_utf8_lossy(&bytes)).map_err(|_| JwtError::Malformed)
}

#[cfg(test)]
mod tests;
