//! The same tokens as Node.js's `jsonwebtoken` 9, with the same answers: `interop/` asks it about the same table.

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize)]
struct Table {
    secret: String,
    now: u64,
    tokens: Vec<Row>,
}

/// A token by its parts; `node` says whether Node.js accepts it, `server` what is right here where that is not the same.
#[derive(Deserialize)]
struct Row {
    what: String,
    header: Option<String>,
    payload: Option<String>,
    token: Option<String>,
    node: bool,
    server: Option<bool>,
}

impl Row {
    fn token(&self, secret: &[u8]) -> String {
        let part = |text: &Option<String>, usual: &str| {
            BASE64_URL_SAFE_NO_PAD.encode(text.as_deref().unwrap_or(usual))
        };
        let header = part(&self.header, r#"{"alg":"HS256","typ":"JWT"}"#);
        let payload = part(&self.payload, r#"{"id":"u"}"#);
        let signature = mac(&format!("{header}.{payload}"), secret).unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.finalize().into_bytes());
        self.token
            .as_deref()
            .unwrap_or("{header}.{payload}.{signature}")
            .replace("{header}", &header)
            .replace("{payload}", &payload)
            .replace("{signature}", &signature)
    }
}

#[test]
fn tokens_count_as_they_do_in_node() {
    let table: Table = serde_json::from_str(include_str!("../../../tests/tokens.json")).unwrap();
    assert!(table.tokens.len() > 90);
    let secret = table.secret.as_bytes();
    for row in table.tokens {
        let verified = verify(&row.token(secret), secret, table.now);
        let accepted = verified
            .as_ref()
            .is_ok_and(|claims| claims.get("id") == Ok(Some("u".to_owned())));
        assert_eq!(
            accepted,
            row.server.unwrap_or(row.node),
            "{}: {verified:?}",
            row.what
        );
    }
}

#[test]
fn a_signed_token_is_the_one_that_node_signs() {
    let token = sign(&json!({ "id": "u" }), b"s3cret").unwrap();
    assert_eq!(
        token,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6InUifQ.qdQrCN9Qhv208v0pFgcAhLg9TTbq7xRD_GgCC-wGmSw"
    );
    let claims = verify(&token, b"s3cret", 0).unwrap();
    assert_eq!(claims.get("id"), Ok(Some("u".to_owned())));
    assert_eq!(claims.get::<u64>("id"), Err(JwtError::Claim));
    assert_eq!(claims.get::<u64>("exp"), Ok(None));
}
