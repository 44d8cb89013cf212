//! Cookies of one user: what load balancers and logins set is sent back, so that a session stays where it is.

use std::sync::{Mutex, PoisonError};

/// The cookies of one user, by name. They outlive its connection.
#[derive(Debug, Default)]
pub struct Jar(Mutex<Vec<(String, String)>>);

/// No server sets more; what goes beyond is not kept.
const MOST_COOKIES: usize = 50;
/// As browsers have it.
const MOST_BYTES: usize = 4096;

impl Jar {
    /// Keeps what a `Set-Cookie` header says, or drops what it takes back. Where it would count is not looked at: all
    /// requests go to one server.
    pub fn keep(&self, set_cookie: &str) {
        let mut parts = set_cookie.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let odd = |text: &str| text.chars().any(char::is_control);
        if name.is_empty() || odd(name) || odd(value) || name.len() + value.len() > MOST_BYTES {
            return;
        }
        let mut cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.retain(|(known, _)| known != name);
        if !parts.any(takes_back) && cookies.len() < MOST_COOKIES {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Adds all of them to a `Cookie` header's value.
    pub fn add_to(&self, header: &mut String) {
        let cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in cookies.iter() {
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.push_str(name);
            header.push('=');
            header.push_str(value);
        }
    }
}

/// Whether an attribute says that a cookie is no more.
fn takes_back(attribute: &str) -> bool {
    let Some((name, value)) = attribute.split_once('=') else {
        return false;
    };
    let (name, value) = (name.trim(), value.trim());
    // The date with which servers delete is the beginning of time.
    name.eq_ignore_ascii_case("max-age") && value.parse::<i64>().is_ok_and(|seconds| seconds <= 0)
        || name.eq_ignore_ascii_case("expires") && value.contains("1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_sent_until_it_is_taken_back() {
        let jar = Jar::default();
        for header in [
            "AWSALB=abc; Path=/; HttpOnly",
            "session = s=1 ",
            "AWSALB=def; Max-Age=60",
            "gone=1",
            "gone=; max-age=0",
            "nothing",
            "=x",
        ] {
            jar.keep(header);
        }
        let mut sent = "own=1".to_owned();
        jar.add_to(&mut sent);
        assert_eq!(sent, "own=1; session=s=1; AWSALB=def");
        jar.keep("session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        let mut sent = String::new();
        jar.add_to(&mut sent);
        assert_eq!(sent, "AWSALB=def");
    }
}
