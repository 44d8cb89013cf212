//! What users say to be let in: the `auth` of the Socket.IO CONNECT.

use serde::Serialize;
use server::auth::jwt;

use crate::{plan::Plan, scenario::Token};

/// Tokens of all users.
pub struct Tokens(Token);

#[derive(Serialize)]
struct Claims<'a> {
    id: &'a str,
}

impl Tokens {
    /// As a scenario has them.
    pub fn new(token: &Token) -> Self {
        Self(token.clone())
    }

    /// The token of a user.
    pub fn of(&self, plan: &Plan, user: u32) -> String {
        let id = plan.users[user as usize].as_str();
        match &self.0 {
            Token::UserId => id.to_owned(),
            Token::Template(text) => text
                .replace("{id}", id)
                .replace("{index}", &user.to_string()),
            Token::Known(users) => users[user as usize].token.clone(),
            // Serializing a text can't fail.
            Token::Signed(secret) => {
                jwt::sign(&Claims { id }, secret.as_bytes()).unwrap_or_default()
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
        let plan = plan();
        let token = Tokens::new(&Token::Signed("hush".into())).of(&plan, 0);
        let id = |secret: &[u8]| {
            jwt::verify(&token, secret, jwt::now()).map(|claims| claims.get::<String>("id"))
        };
        assert_eq!(id(b"hush"), Ok(Ok(Some(plan.users[0].to_string()))));
        assert_eq!(id(b"other"), Err(jwt::JwtError::Signature));
    }
}
