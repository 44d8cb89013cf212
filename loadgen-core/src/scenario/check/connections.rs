//! Checks of how users connect: the transport, the token, and where in a request what stands.

use std::collections::BTreeMap;

use super::Checker;
use crate::scenario::{
    Connections, Located, Pattern, Template, Token,
    file::{FileAuth, FileConnections, FileText, FileToken},
    template::Known,
    written::Placed,
};

/// Parameters of the query that Engine.IO has itself.
pub const OWN_PARAMETERS: [&str; 5] = ["EIO", "transport", "sid", "t", "b64"];
/// Headers that the client writes itself.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Checker<'_> {
    pub(super) fn connections(
        &mut self,
        file: FileConnections,
        users: u32,
        own_events: bool,
    ) -> Result<Connections, Located> {
        let token = match file.token {
            None => Token::UserId,
            Some(token) => self.token(token, users, own_events)?,
        };
        let columns: Vec<String> = match &token {
            Token::Known(known) => known
                .first()
                .map(|user| user.columns.keys().cloned().collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let known = Known {
            token: true,
            columns: &columns,
        };
        Ok(Connections {
            transport: file.transport,
            path: file.path.map(|path| self.path(&path, known)).transpose()?,
            query: self.query(file.query, known)?,
            headers: self.headers(file.headers, known)?,
            auth: file.auth.map(|auth| self.auth(&auth, known)).transpose()?,
            token,
        })
    }

    fn path(&self, path: &Placed<String>, known: Known<'_>) -> Result<Template, Located> {
        check_path(&path.value).map_err(|message| self.wrong(&path.span, message))?;
        Template::parse(&path.value, known).map_err(|message| self.wrong(&path.span, message))
    }

    fn query(
        &self,
        query: BTreeMap<String, Placed<FileText>>,
        known: Known<'_>,
    ) -> Result<Vec<(String, Template)>, Located> {
        query
            .into_iter()
            .map(|(name, value)| {
                if OWN_PARAMETERS.contains(&name.as_str()) {
                    let what = format!("`{name}` is Engine.IO's own: leave it out");
                    return Err(self.wrong(&value.span, what));
                }
                let template = Template::parse(&value.value.0, known)
                    .map_err(|message| self.wrong(&value.span, message))?;
                Ok((name, template))
            })
            .collect()
    }

    fn headers(
        &self,
        headers: BTreeMap<String, Placed<FileText>>,
        known: Known<'_>,
    ) -> Result<Vec<(String, Template)>, Located> {
        let mut checked: Vec<(String, Template)> = Vec::new();
        for (name, value) in headers {
            let wrong = |message: String| self.wrong(&value.span, message);
            let name = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(wrong(format!(
                    "{name:?} is no name of a header: letters, digits and - make one"
                )));
            }
            if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("sec-websocket-") {
                return Err(wrong(format!(
                    "the client writes `{name}` itself: leave it out"
                )));
            }
            if checked.iter().any(|(earlier, _)| *earlier == name) {
                return Err(wrong(format!("`{name}` is there twice: write it once")));
            }
            let text = &value.value.0;
            if text.chars().any(char::is_control) {
                return Err(wrong(
                    "a header has no line end and no other control character".to_owned(),
                ));
            }
            checked.push((name, Template::parse(text, known).map_err(wrong)?));
        }
        Ok(checked)
    }

    fn auth(&self, auth: &Placed<FileAuth>, known: Known<'_>) -> Result<Pattern, Located> {
        let object = &auth.value.0;
        // What TOML calls a date comes as a table of this one key.
        if object.to_string().contains("$__toml_private_datetime") {
            return Err(self.wrong(&auth.span, "JSON has no dates: write it as a text"));
        }
        Pattern::parse(object, known).map_err(|message| self.wrong(&auth.span, message))
    }

    fn token(
        &mut self,
        token: Placed<FileToken>,
        users: u32,
        own_events: bool,
    ) -> Result<Token, Located> {
        match token.value {
            FileToken {
                template: Some(template),
                file: None,
                secret: None,
            } => self
                .token_template(&template, own_events)
                .map(Token::Template),
            FileToken {
                template: None,
                file: Some(file),
                secret: None,
            } => self.known_users(&file, users).map(Token::Known),
            FileToken {
                template: None,
                file: None,
                secret: Some(secret),
            } if !secret.value.is_empty() => Ok(Token::Signed(secret.value)),
            FileToken {
                template: None,
                file: None,
                secret: Some(secret),
            } => Err(self.wrong(&secret.span, "a secret is not empty")),
            _ => Err(self.wrong(
                &token.span,
                "a token comes from one of `template`, `file` and `secret`",
            )),
        }
    }

    fn token_template(
        &self,
        template: &Placed<String>,
        own_events: bool,
    ) -> Result<Template, Located> {
        let known = Known {
            token: false,
            columns: &[],
        };
        let wrong = |message: String| self.wrong(&template.span, message);
        let parsed = Template::parse(&template.value, known).map_err(wrong)?;
        // Where the token is the user's id, as it is for the dialects, all would be one user.
        if parsed.is_plain() && !own_events {
            return Err(wrong(
                "all users would have one token, and be one user: put {id} or {index} into it"
                    .to_owned(),
            ));
        }
        Ok(parsed)
    }
}

/// Whether a text can be the path of a server on its host.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(format!(
            "the path {path:?} begins with no single /: write \"/socket.io/\" or where else the server listens"
        ));
    }
    match path
        .chars()
        .find(|&c| c == '?' || c == '#' || c.is_control() || c.is_whitespace())
    {
        Some('?') => Err(format!(
            "the path {path:?} has a query: write it as `query` of [connections]"
        )),
        Some(other) => Err(format!("a path has no {other:?}: write \"/socket.io/\"")),
        None => Ok(()),
    }
}

/// A character of a header's name (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
