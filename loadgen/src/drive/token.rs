//! What users say to be let in: the `auth` of the Socket.IO CONNECT.

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use crate::{
    plan::Plan,
    scenario::{KnownUser, Token},
};

/// Tokens of all users.
pub struct Tokens(Kind);

enum Kind {
    UserId,
    Template(String),
    Known(Vec<KnownUser>),
    Signed(EncodingKey),
}

#[derive(Serialize)]
struct Claims<'a> {
    id: &'a str,
}

impl Tokens {
    /// As a scenario has them.
    pub fn new(token: &Token) -> Self {
        Self(match token {
            Token::UserId => Kind::UserId,
            Token::Template(text) => Kind::Template(text.clone()),
            Token::Known(users) => Kind::Known(users.clone()),
            Token::Signed(secret) => Kind::Signed(EncodingKey::from_secret(secret.as_bytes())),
        })
    }

    /// The token of a user.
    pub fn of(&self, plan: &Plan, user: u32) -> String {
        let id = plan.users[user as usize].as_str();
        match &self.0 {
            Kind::UserId => id.to_owned(),
            Kind::Template(text) => text
                .replace("{id}", id)
                .replace("{index}", &user.to_string()),
            Kind::Known(users) => users[user as usize].token.clone(),
            // Serializing a text can't fail, and HMAC takes any key.
            Kind::Signed(key) => {
                jsonwebtoken::encode(&Header::default(), &Claims { id }, key).unwrap_or_default()
            }
        }
    }

    /// The JSON that a user connects with.
    pub fn auth(&self, plan: &Plan, user: u32) -> String {
        serde_json::json!({ "token": self.of(plan, user) }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jsonwebtoken::{DecodingKey, Validation};
    use serde::Deserialize;

    use super::*;
    use crate::scenario::Scenario;

    fn plan() -> Plan {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
             [[phases]]\nname = \"steady\"\nduration = \"1s\"\nrate = \"20/s\"\n";
        Plan::new(&Scenario::parse(Path::new("t.toml"), text).unwrap()).unwrap()
    }

    #[test]
    fn a_template_names_the_user() {
        let plan = plan();
        let tokens = Tokens::new(&Token::Template("{index}:{id}".into()));
        assert_eq!(tokens.of(&plan, 1), format!("1:{}", plan.users[1]));
        let plain = Tokens::new(&Token::UserId);
        assert_eq!(
            plain.auth(&plan, 0),
            format!("{{\"token\":\"{}\"}}", plan.users[0])
        );
    }

    #[test]
    fn a_signed_token_has_the_users_id_and_is_verified_with_the_secret() {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        let plan = plan();
        let token = Tokens::new(&Token::Signed("hush".into())).of(&plan, 0);
        let mut validation = Validation::default();
        validation.required_spec_claims.clear();
        let decode = |secret: &[u8]| {
            jsonwebtoken::decode::<Id>(&token, &DecodingKey::from_secret(secret), &validation)
        };
        assert_eq!(decode(b"hush").unwrap().claims.id, plan.users[0]);
        assert!(decode(b"other").is_err());
    }
}
