//! Checks of how users connect, and the reading of users that a server knows already.

use std::collections::HashMap;

use super::Checker;
use crate::scenario::{
    Connections, KnownUser, Located, Token,
    file::{FileConnections, FileToken},
    written::Placed,
};

/// The server takes ids of 1 to 128 bytes.
const LONGEST_ID: usize = 128;

impl Checker<'_> {
    pub(super) fn connections(
        &mut self,
        file: FileConnections,
        users: u32,
        own_events: bool,
    ) -> Result<Connections, Located> {
        Ok(Connections {
            transport: file.transport,
            token: match file.token {
                None => Token::UserId,
                Some(token) => self.token(token, users, own_events)?,
            },
        })
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
            } => self.template(template, own_events).map(Token::Template),
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

    fn template(&self, template: Placed<String>, own_events: bool) -> Result<String, Located> {
        let named: Vec<&str> = template
            .value
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .collect();
        if let Some(unknown) = named.iter().find(|name| !["id", "index"].contains(name)) {
            return Err(self.wrong(
                &template.span,
                format!("{{{unknown}}} is nothing: there are {{id}} and {{index}}"),
            ));
        }
        // Where the token is the user's id, as it is for the dialects, all would be one user.
        if named.is_empty() && !own_events {
            return Err(self.wrong(
                &template.span,
                "all users would have one token, and be one user: put {id} or {index} into it",
            ));
        }
        Ok(template.value)
    }

    fn known_users(
        &mut self,
        file: &Placed<String>,
        users: u32,
    ) -> Result<Vec<KnownUser>, Located> {
        let data = self.data_file(file)?;
        let mut lines_of: HashMap<&str, usize> = HashMap::new();
        let mut known = Vec::new();
        for (span, line) in data.lines() {
            if known.is_empty() && line.trim() == "id,token" {
                continue;
            }
            let (id, token) = line
                .split_once(',')
                .map(|(id, token)| (id.trim(), token.trim()))
                .filter(|(id, token)| !id.is_empty() && !token.is_empty())
                .ok_or_else(|| {
                    data.wrong(span.clone(), "a line is a user's id, a comma and the token")
                })?;
            if id.len() > LONGEST_ID {
                return Err(data.wrong(
                    span,
                    format!(
                        "an id has at most {LONGEST_ID} bytes, this one {}",
                        id.len()
                    ),
                ));
            }
            let place = data.wrong(span.clone(), "");
            if let Some(first) = lines_of.insert(id, place.line) {
                return Err(data.wrong(
                    span,
                    format!("{id:?} is the user of line {first} already: each user has one line"),
                ));
            }
            known.push(KnownUser {
                id: id.to_owned(),
                token: token.to_owned(),
            });
        }
        if known.len() < users as usize {
            return Err(self.wrong(
                &file.span,
                format!(
                    "the file has {} users, and the population {users}",
                    known.len()
                ),
            ));
        }
        Ok(known)
    }
}
