//! Checks of how users connect: the transport, the token, and where in a request what stands.

use std::{collections::BTreeMap, ops::Range as ByteRange};

use super::Checker;
use crate::scenario::{
    Connections, KnownUser, Located, Pattern, Template, Token,
    file::{FileAuth, FileConnections, FileText, FileToken},
    template::Known,
    written::Placed,
};

/// Parameters of the query that Engine.IO has itself.
pub const OWN_PARAMETERS: [&str; 5] = ["EIO", "transport", "sid", "t", "b64"];
/// Headers that the client writes itself.
pub const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Users as a file has them, and where the file is named.
pub(super) struct Listing {
    pub(super) users: Vec<KnownUser>,
    pub(super) span: ByteRange<usize>,
}

/// Who users say they are.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) token: Token,
    /// `None`: no file of users says who there is.
    pub(super) known: Option<Listing>,
    /// Where the secret stands that signs tokens.
    pub(super) secret: Option<ByteRange<usize>>,
}

impl Checker<'_> {
    pub(super) fn connections(
        &mut self,
        file: FileConnections,
        token: Token,
        users: Vec<KnownUser>,
    ) -> Result<Connections, Located> {
        let columns = columns(&users);
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
            known: users.into(),
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

    /// Who the users are, as far as a file says it, and where their tokens come from.
    pub(super) fn identity(
        &mut self,
        token: Option<Placed<FileToken>>,
        own_events: bool,
    ) -> Result<Identity, Located> {
        let Some(Placed { value: token, span }) = token else {
            return Ok(Identity::default());
        };
        let FileToken {
            template,
            file,
            secret,
        } = token;
        if template.is_some() == secret.is_some() && (template.is_some() || file.is_none()) {
            let what = "a token comes from one of `template`, `file` and `secret`, or from one of the others for the users of `file`";
            return Err(self.wrong(&span, what));
        }
        let with_tokens = template.is_none() && secret.is_none();
        let known = match file {
            None => None,
            Some(file) => Some(Listing {
                users: self.known_users(&file, with_tokens)?,
                span: file.span,
            }),
        };
        let columns = known.as_ref().map(|known| columns(&known.users));
        let place = secret.as_ref().map(|secret| secret.span.clone());
        let token = match (template, secret) {
            (Some(template), _) => {
                let columns = columns.unwrap_or_default();
                Token::Template(self.token_template(&template, &columns, own_events)?)
            }
            (None, Some(secret)) => {
                let empty = "a secret is not empty";
                self.demand(!secret.value.is_empty(), &secret.span, empty)?;
                Token::Signed(secret.value)
            }
            (None, None) => Token::Listed,
        };
        Ok(Identity {
            token,
            known,
            secret: place,
        })
    }

    fn token_template(
        &self,
        template: &Placed<String>,
        columns: &[String],
        own_events: bool,
    ) -> Result<Template, Located> {
        let known = Known {
            token: false,
            columns,
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

/// The columns that a users' file has beside `id` and `token`.
fn columns(users: &[KnownUser]) -> Vec<String> {
    let first = users.first();
    first.map_or_else(Vec::new, |user| user.columns.keys().cloned().collect())
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
