//! A system that is measured beside others, and the store that it alone has, as in `own@docker`.

use std::{fmt, str::FromStr};

use super::SystemChoice;
use crate::rig::StoreChoice;

/// Divides a system from its store.
const AT: char = '@';
/// So the address of a MongoDB begins behind it, which holds an `@` of its own before its host.
const AT_MONGODB: &str = "@mongodb";

/// A system beside others, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrant {
    /// The system.
    pub system: SystemChoice,
    /// Its own store; the one of all where none is named.
    pub store: Option<StoreChoice>,
}

impl Entrant {
    /// Several, with commas between them. A path, a command or the address of a store may hold commas of its own: one in it
    /// divides only where the name of a system follows.
    ///
    /// # Errors
    /// Which of them is none, and what would be right.
    pub fn several(text: &str) -> Result<Vec<Self>, String> {
        let named = divided(text, holds_commas);
        named.iter().map(|one| one.parse()).collect()
    }

    /// Where it saves, if it saves into a store of this program.
    pub fn store<'a>(&'a self, of_all: &'a StoreChoice) -> &'a StoreChoice {
        self.store.as_ref().unwrap_or(of_all)
    }
}

/// What stands between the commas of a text. What no system's name begins belongs to what is before it, where that may hold commas.
pub fn divided(text: &str, holds_commas: impl Fn(&str) -> bool) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match parts.last_mut() {
            Some(last) if holds_commas(last) && !is_named(part) => {
                last.push(',');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

/// Whether a text begins as the name of a system does, be it a right one or not.
fn is_named(text: &str) -> bool {
    let begins = [
        "own:", "own@", "peer:", "relay@", "cmd:", "http://", "https://", "ws://", "wss://",
    ];
    ["own", "relay"].contains(&text) || begins.iter().any(|one| text.starts_with(one))
}

fn holds_commas(name: &str) -> bool {
    name.starts_with("cmd:") || name.starts_with("own:") || name.contains(AT_MONGODB)
}

impl From<SystemChoice> for Entrant {
    fn from(system: SystemChoice) -> Self {
        Self {
            system,
            store: None,
        }
    }
}

impl FromStr for Entrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A command, a URL or the path of a build holds what it likes.
        let unknown = match text.parse::<SystemChoice>() {
            Ok(system) => return Ok(system.into()),
            Err(unknown) => unknown,
        };
        let divided = match text.find(AT_MONGODB) {
            Some(at) => Some((&text[..at], &text[at + 1..])),
            None => text.rsplit_once(AT),
        };
        let Some((name, store)) = divided else {
            return Err(unknown);
        };
        let store = match store.parse::<StoreChoice>() {
            Ok(store) => store,
            Err(_) if text.starts_with("own:") => return Err(unknown),
            Err(error) => return Err(format!("{text}: {error}")),
        };
        let system: SystemChoice = name.parse()?;
        match system.saves_here() {
            true => Ok(Self {
                system,
                store: Some(store),
            }),
            false => Err(format!(
                "{name} saves into no store of this program: leave @{store} out"
            )),
        }
    }
}

/// As it is named on the command line, without credentials.
impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.system)?;
        match &self.store {
            Some(store) => write!(f, "{AT}{store}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_and_a_peer_can_have_a_store_of_their_own() {
        for (text, store) in [
            ("own", None),
            ("own@docker", Some(StoreChoice::Docker)),
            ("peer:node@memory", Some(StoreChoice::Memory)),
            ("relay", None),
            ("cmd:x@docker {port}@memory", None),
        ] {
            let entrant: Entrant = text.parse().unwrap();
            assert_eq!(entrant.store, store, "{text}");
            assert_eq!(entrant.to_string(), text);
            let of_all = StoreChoice::Mongod;
            assert_eq!(
                entrant.store(&of_all),
                &store.unwrap_or(StoreChoice::Mongod)
            );
        }
        let given: Entrant = "own@mongodb://me:secret@h:1/x".parse().unwrap();
        let uri = StoreChoice::Uri("mongodb://me:secret@h:1/x".to_owned());
        assert_eq!(given.store, Some(uri));
        assert_eq!(given.to_string(), "own@mongodb://***@h:1/x");
    }

    #[test]
    fn a_build_whose_path_holds_an_at_is_that_build() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("server@docker");
        std::fs::write(&program, "").unwrap();
        let path = program.canonicalize().unwrap();
        let named = |more: &str| format!("own:{}{more}", path.display()).parse::<Entrant>();
        let build = SystemChoice::Own(Some(path.clone()));
        assert_eq!(named(""), Ok(build.clone().into()));
        let store = Some(StoreChoice::Memory);
        let system = build;
        assert_eq!(named("@memory"), Ok(Entrant { system, store }));
    }

    #[test]
    fn what_is_no_store_or_has_none_is_refused() {
        for (text, word) in [
            ("own@", "\"\""),
            ("own@redis", "\"redis\""),
            ("peer:deno@docker", "peer:python"),
            ("relay@memory", "leave @memory out"),
            ("own:/no/such@server", "/no/such@server is no file"),
            ("own:/no/such@docker", "/no/such is no file"),
            ("node", "http://host:port"),
        ] {
            let error = text.parse::<Entrant>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_comma_divides_only_where_a_system_follows() {
        let read = |text: &str| {
            let all = Entrant::several(text)?;
            Ok::<Vec<String>, String>(all.iter().map(Entrant::to_string).collect())
        };
        for (text, systems) in [
            ("own,peer:node,relay", &["own", "peer:node", "relay"][..]),
            ("own,own@docker", &["own", "own@docker"]),
            (
                "own@mongodb://a:1,b:2/?replicaSet=r,own@memory",
                &["own@mongodb://a:1,b:2/", "own@memory"],
            ),
            (
                "cmd:x --a 1,2 --port {port},own,cmd:y,z {port}",
                &["cmd:x --a 1,2 --port {port}", "own", "cmd:y,z {port}"],
            ),
            (
                "relay,cmd:x {port} owned,relays,http://h",
                &["relay", "cmd:x {port} owned,relays", "http://h"],
            ),
        ] {
            let systems: Vec<String> = systems.iter().map(|&one| one.to_owned()).collect();
            assert_eq!(read(text), Ok(systems), "{text}");
        }
        for (text, word) in [
            ("own,node", "\"node\""),
            ("own,", "\"\""),
            ("cmd:x,peer:node", "{port}"),
            ("own:/no/a,b,relay", "/no/a,b is no file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
