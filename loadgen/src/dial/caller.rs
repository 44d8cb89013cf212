//! Who asks: the path, the query and the headers of one user's requests, and what it says in the CONNECT.

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{Jar, Target};
use crate::scenario::Filling;

/// What stays as it is in a query: the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One user's side of all its requests.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its number, by which source addresses are chosen.
    pub user: u32,
    path: String,
    /// `&name=value` for each.
    query: String,
    headers: Vec<(String, String)>,
    /// The namespace that it connects to.
    pub namespace: String,
    /// What it says in the CONNECT, a JSON object.
    pub auth: String,
    jar: Arc<Jar>,
}

impl Caller {
    /// A user of a target, with the cookies that it was given before.
    pub fn new(target: &Target, filling: &Filling<'_>, jar: Arc<Jar>) -> Self {
        let mut query = String::new();
        for (name, value) in &target.query {
            query.push('&');
            query.push_str(name);
            query.push('=');
            query.push_str(&encode(&value.fill(filling)));
        }
        let mut headers = vec![("host".to_owned(), target.authority.clone())];
        headers.extend(
            target
                .basic
                .iter()
                .map(|basic| ("authorization".to_owned(), basic.clone())),
        );
        for (name, value) in &target.headers {
            if name == "host" {
                headers[0].1 = value.fill(filling);
            } else {
                headers.push((name.clone(), value.fill(filling)));
            }
        }
        let auth = match &target.auth {
            Some(auth) => auth.fill(filling),
            None => json!({ "token": filling.token }),
        };
        // What is written in a file need not be ASCII, and what is sent is.
        let path = target.path.fill_with(filling, encode);
        let mut path = utf8_percent_encode(&path, CONTROLS).to_string();
        // As socket.io-client writes it, and many servers insist on.
        if !path.ends_with('/') {
            path.push('/');
        }
        Self {
            user: filling.index,
            path,
            query,
            headers,
            namespace: target.namespace.clone(),
            auth: auth.to_string(),
            jar,
        }
    }

    /// Who is no user: nobody logs in by its requests.
    pub fn nobody(target: &Target) -> Self {
        let filling = Filling {
            id: "",
            index: 0,
            token: "",
            columns: None,
        };
        Self::new(target, &filling, Arc::default())
    }

    /// The request target of an Engine.IO request over a transport, with what else its query says.
    pub fn engine_io(&self, transport: &str, more: &str) -> String {
        format!(
            "{}?EIO=4&transport={transport}{}{more}",
            self.path, self.query
        )
    }

    /// Each header of its requests, `Host` first, the cookies of now among them.
    pub fn headers(&self) -> Vec<(&str, String)> {
        let mut cookies = String::new();
        let mut all: Vec<(&str, String)> = Vec::with_capacity(self.headers.len() + 1);
        for (name, value) in &self.headers {
            match name.as_str() {
                "cookie" => cookies.clone_from(value),
                name => all.push((name, value.clone())),
            }
        }
        self.jar.add_to(&mut cookies);
        if !cookies.is_empty() {
            all.push(("cookie", cookies));
        }
        all
    }

    /// Where cookies that come are kept.
    pub fn jar(&self) -> &Jar {
        &self.jar
    }
}

/// A text as it stands in a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
