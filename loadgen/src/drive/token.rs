//! What users show to be let in, and where in their requests they show it.

use std::sync::Arc;

use serde::Serialize;
use server::auth::jwt;

use crate::{
    dial::{Caller, Jar, Target},
    plan::Plan,
    scenario::{Connections, Filling, KnownUser, Token},
};

/// Tokens of all users.
pub struct Tokens {
    token: Token,
    known: Arc<[KnownUser]>,
}

#[derive(Serialize)]
struct Claims<'a> {
    id: &'a str,
}

impl Tokens {
    /// As a scenario has them.
    pub fn new(connections: &Connections) -> Self {
        Self {
            token: connections.token.clone(),
            known: Arc::clone(&connections.known),
        }
    }

    /// What files say of a user, where they say who there is.
    fn known(&self, user: u32) -> Option<&KnownUser> {
        self.known.get(user as usize)
    }

    /// The token of a user.
    pub fn of(&self, plan: &Plan, user: u32) -> String {
        let id = plan.users[user as usize].as_str();
        match &self.token {
            Token::UserId => id.to_owned(),
            Token::Template(text) => text.fill(&Filling {
                id,
                index: user,
                token: "",
                columns: self.known(user).map(|known| &known.columns),
            }),
            Token::Listed => self
                .known(user)
                .map(|known| known.token.clone())
                .unwrap_or_default(),
            // Serializing a text can't fail.
            Token::Signed(secret) => {
                jwt::sign(&Claims { id }, secret.as_bytes()).unwrap_or_default()
            }
        }
    }

    /// What a user of that token puts into its requests.
    pub fn filling<'a>(&'a self, plan: &'a Plan, user: u32, token: &'a str) -> Filling<'a> {
        Filling {
            id: plan.users[user as usize].as_str(),
            index: user,
            token,
            columns: self.known(user).map(|known| &known.columns),
        }
    }

    /// One user's side of its requests to a target, with the cookies that it was given before.
    pub fn caller(&self, plan: &Plan, user: u32, target: &Target, jar: Arc<Jar>) -> Caller {
        let token = self.of(plan, user);
        Caller::new(target, &self.filling(plan, user, &token), jar)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{dial::Trust, scenario::Scenario};

    fn scenario(more: &str) -> Scenario {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 2, rooms = 1 }}\n{more}\n\
             [[phases]]\nname = \"steady\"\nduration = \"1s\"\nrate = \"20/s\"\n"
        );
        Scenario::parse(Path::new("t.toml"), &text).unwrap()
    }

    fn plan() -> Plan {
        Plan::new(&scenario("")).unwrap()
    }

    fn connections(more: &str) -> Connections {
        scenario(more).connections
    }

    #[test]
    fn a_template_names_the_user() {
        let plan = plan();
        let template = "[connections]\ntoken = { template = \"{index}:{id}\" }";
        let tokens = Tokens::new(&connections(template));
        assert_eq!(tokens.of(&plan, 1), format!("1:{}", plan.users[1]));
        let none = Connections::default();
        let plain = Tokens::new(&none);
        let target = Target::started_here("http://127.0.0.1:1", &none).unwrap();
        assert_eq!(
            plain.caller(&plan, 0, &target, Arc::default()).auth,
            format!("{{\"token\":\"{}\"}}", plan.users[0])
        );
    }

    #[test]
    fn each_part_of_a_request_holds_the_users_own() {
        let plan = plan();
        let connections = connections(
            "[connections]\npath = \"/{index}/é/socket.io/\"\ntoken = { template = \"t&{index}\" }\n\
             query = { v = 2, token = \"{token}\" }\n\
             headers = { Cookie = \"session={token}\", access-token = \"{token}\" }\n\
             auth = { deep = [{ who = \"Bearer {token}\" }], n = 1 }",
        );
        let url = "http://me:pass@[::1]:3000/ns?from=url";
        let target = Target::new(url, &connections, None, &Trust::default()).unwrap();
        let jar = Arc::new(Jar::default());
        jar.keep("sticky=1; Path=/");
        let caller = Tokens::new(&connections).caller(&plan, 1, &target, jar);
        assert_eq!(
            caller.engine_io("websocket", "&sid=x"),
            "/1/%C3%A9/socket.io/?EIO=4&transport=websocket&from=url&token=t%261&v=2&sid=x"
        );
        assert_eq!(
            caller.headers(),
            [
                ("host", "[::1]:3000".to_owned()),
                ("authorization", "Basic bWU6cGFzcw==".to_owned()),
                ("access-token", "t&1".to_owned()),
                ("cookie", "session=t&1; sticky=1".to_owned()),
            ]
        );
        assert_eq!(caller.auth, r#"{"deep":[{"who":"Bearer t&1"}],"n":1}"#);
        assert_eq!(caller.namespace, "/ns");
    }

    #[test]
    fn a_signed_token_has_the_users_id_and_is_verified_with_the_secret() {
        let plan = plan();
        let signed = "[connections]\ntoken = { secret = \"hush\" }";
        let token = Tokens::new(&connections(signed)).of(&plan, 0);
        let id = |secret: &[u8]| {
            jwt::verify(&token, secret, jwt::now()).map(|claims| claims.get::<String>("id"))
        };
        assert_eq!(id(b"hush"), Ok(Ok(Some(plan.users[0].to_string()))));
        assert_eq!(id(b"other"), Err(jwt::JwtError::Signature));
    }
}
