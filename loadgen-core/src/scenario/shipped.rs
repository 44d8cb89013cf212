//! The scenarios that the program carries, so that it can run them where no folder has them.

use std::path::Path;

use super::{
    ScenarioError,
    alike::alike,
    shelf::{Carried, Shelf},
};

/// Each file with its text.
macro_rules! carried {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../scenarios/", $file)))),+]
    };
}

/// All that lies in `scenarios/`, but for its README and the schema that `loadgen schema` prints.
const FILES: Carried = carried![
    "before-and-after.toml",
    "bus-outage.toml",
    "capacity/1000.toml",
    "capacity/2000.toml",
    "capacity/5000.toml",
    "capacity/10000.toml",
    "ci-gate.toml",
    "closed-model.toml",
    "concurrent-users.toml",
    "database-failover.toml",
    "database-outage.toml",
    "database-restart.toml",
    "failing-saves.toml",
    "group-channel.toml",
    "half-open.toml",
    "hot-channel.toml",
    "join-storm.toml",
    "many-rooms.toml",
    "network-jitter.toml",
    "node-kill.toml",
    "one-to-one.toml",
    "quickstart.toml",
    "reconnect-churn.toml",
    "reconnect-storm.toml",
    "reply-lost.toml",
    "server-freeze.toml",
    "server-restart.toml",
    "several-servers.toml",
    "silent-crowd.toml",
    "skewed.toml",
    "slow-database.toml",
    "slow-reader.toml",
    "slow-readers.toml",
    "soak.toml",
    "throughput-burst.toml",
];

/// Where they are read.
pub(super) const SHELF: Shelf = Shelf::Carried(FILES);

/// Files whose names begin so are parts that others include, no scenarios of their own.
pub const PART: char = '_';

const ENDING: &str = ".toml";

/// The names of all shipped scenarios, which their results have too.
pub fn shipped() -> impl Iterator<Item = String> {
    scenarios().map(|(path, _)| name(path))
}

fn scenarios() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    FILES.iter().filter(|(path, _)| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.ends_with(ENDING) && !file.starts_with(PART)
    })
}

/// What a file is asked for by: `capacity-2000` for `capacity/2000.toml`. What is no scenario keeps its path.
pub(super) fn name(path: &str) -> String {
    match path.strip_suffix(ENDING) {
        Some(stem) => stem.replace('/', "-"),
        None => path.to_owned(),
    }
}

/// The scenario of this name, or of this path without its ending: its path and its text.
pub(super) fn find(asked: &Path) -> Option<(&'static str, &'static str)> {
    let asked = asked.to_str()?;
    let mut scenarios = scenarios();
    let found =
        scenarios.find(|(path, _)| name(path) == asked || path.strip_suffix(ENDING) == Some(asked));
    found.copied()
}

/// What to say of a file that is not there: a path may be meant for a shipped scenario, and a name is one of those.
pub(super) fn not_there(asked: &Path, source: std::io::Error) -> ScenarioError {
    let names: Vec<String> = shipped().collect();
    let is_path = asked.components().count() > 1 || asked.extension().is_some_and(|e| e == "toml");
    let stem = match is_path {
        true => asked.file_stem().unwrap_or_default(),
        false => asked.as_os_str(),
    };
    let alike = alike(&stem.to_string_lossy(), names.iter().map(String::as_str));
    let message = match (is_path, alike) {
        (true, None) => source.to_string(),
        (true, Some(name)) => format!("{source}; did you mean {name}, which is shipped?"),
        (false, alike) => {
            let meant = alike.map(|name| format!("did you mean {name}? Shipped are "));
            let meant = meant.unwrap_or_else(|| "shipped are ".to_owned());
            let names = names.join(", ");
            format!("neither a file nor a shipped scenario; {meant}{names}")
        }
    };
    ScenarioError::NotThere {
        path: asked.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::PathBuf,
    };

    use super::{super::Scenario, *};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
    }

    fn files(folder: &Path, below: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                files(&path, &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn what_is_carried_is_what_lies_in_the_folder() {
        let mut there = BTreeMap::new();
        files(&folder(), "", &mut there);
        there.remove("README.md");
        there.remove("schema.json");
        let carried: BTreeMap<String, String> = FILES
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(carried.len(), FILES.len());
        let names =
            |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(
            names(&carried),
            names(&there),
            "FILES in scenario/shipped.rs is to name each file of scenarios/"
        );
        assert!(carried == there);
    }

    #[test]
    fn a_shipped_scenario_is_the_one_on_the_disk_under_its_own_name() {
        for (path, _) in scenarios() {
            let file = Scenario::load(&folder().join(path), &[]).unwrap();
            let asked = name(path);
            let shipped = Scenario::named(Path::new(&asked), &[]).unwrap();
            assert_eq!(shipped.name, asked);
            assert_eq!(shipped.path, Path::new(&format!("{asked} (shipped)")));
            assert_eq!(shipped.hash, file.hash, "{asked}");
            let by_path = Scenario::named(Path::new(path.strip_suffix(ENDING).unwrap()), &[]);
            assert_eq!(by_path.unwrap().hash, file.hash);
        }
    }

    #[test]
    fn a_mistake_is_shown_in_place() {
        let settings = [("rate".to_owned(), "-1".to_owned())];
        let error = Scenario::named(Path::new("capacity-2000"), &settings).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with("capacity-1000 (shipped):31:11: "),
            "{told}"
        );
        assert!(told.contains("ramp_to = \"${rate}/s\""), "{told}");
    }

    #[test]
    fn what_is_nothing_is_told_with_what_was_meant() {
        let told = |asked: &str| {
            Scenario::named(Path::new(asked), &[])
                .unwrap_err()
                .to_string()
        };
        let name = told("quikstart");
        let words = "quikstart: neither a file nor a shipped scenario; did you mean quickstart? Shipped are before-and-after, ";
        assert!(name.starts_with(words), "{name}");
        assert!(name.ends_with(", throughput-burst"), "{name}");
        let far = told("zzz");
        assert!(
            far.starts_with("zzz: neither a file nor a shipped scenario; shipped are "),
            "{far}"
        );
        let path = told("nowhere/quickstart.toml");
        assert!(
            path.starts_with("nowhere/quickstart.toml: No such file"),
            "{path}"
        );
        assert!(
            path.ends_with("; did you mean quickstart, which is shipped?"),
            "{path}"
        );
        assert!(told("./quickstart").starts_with("./quickstart: No such file"));
        assert!(!told("nowhere/zzz.toml").contains("shipped"));
    }
}
