//! `kubernetes`: prints what a cluster needs to drive a scenario in shards and to merge them. Nothing is sent anywhere.

mod manifest;

use std::{
    fs,
    path::{self, Component, Path, PathBuf},
    time::Duration,
};

use self::manifest::{Files, Load, Results};
use super::{
    arguments::{moment, setting},
    bucket,
    exit_code::Exit,
    named,
    output::{self, print},
};
use crate::{
    dial::{Target, Trust},
    experiment::WallClock,
    plan::{Part, Plan, Shard},
    scenario::{Scenario, Setting, SourceFile, Span, Token},
};

/// As much as a cluster keeps of a scenario's files in one object, in bytes: less than the 1 MiB of etcd.
const MOST_BYTES: usize = 1_000_000;
/// How long pods may take to be scheduled, to fetch an image, and to connect their users, where nobody says otherwise.
const HEAD_START: u64 = 3 * 60 * 1_000_000_000;

/// Flags of `kubernetes`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("place").required(true))]
pub struct Args {
    /// The scenario file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// How many pods drive it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub shards: u16,
    /// The image with this program in it, on the PATH as `loadgen`.
    #[arg(long)]
    pub image: String,
    /// Where the server is, as the pods reach it: http://service:port.
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// A volume claim that all pods can write to (ReadWriteMany): results lie there, in the folder of the name.
    #[arg(long, group = "place")]
    pub claim: Option<String>,
    /// A bucket instead of a volume, as in s3://bucket/folder; the image's program was built with `object-store`.
    #[arg(long, group = "place", value_name = "ADDRESS")]
    pub bucket: Option<PathBuf>,
    /// A Secret of the cluster whose keys are the environment for the bucket: AWS_ACCESS_KEY_ID and so on.
    #[arg(
        long,
        requires = "bucket",
        conflicts_with = "claim",
        value_name = "NAME"
    )]
    pub bucket_secret: Option<String>,
    /// What all objects are called [default: loadgen-, and the scenario's name].
    #[arg(long)]
    pub name: Option<String>,
    /// When the schedule begins, as in 2026-11-26T12:00:00Z [default: in three minutes].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<u64>,
    /// The value of a variable of the scenario, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// `loadgen kubernetes`: YAML on standard output.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let scenario = named::scenario(&args.scenario, &args.set);
    let scenario = scenario.map_err(|error| output::all_wrong(&error))?;
    let scenario = Scenario {
        seed: args.seed.unwrap_or(scenario.seed),
        ..scenario
    };
    let plan = Plan::new(&scenario).map_err(output::wrong)?;
    // What no process could drive is found here, and not in a pod.
    if let Some(last) = Shard::new(args.shards, args.shards) {
        Part::of(&plan, last).map_err(output::wrong)?;
    }
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| format!("loadgen-{}", scenario.name.replace('_', "-")));
    let name = name.to_lowercase();
    check_name(&name).map_err(output::wrong)?;
    Target::new(&args.target, &scenario.connections, None, &Trust::default())
        .map_err(output::wrong)?;
    let files = files(&scenario, &args.set).map_err(output::wrong)?;
    let results = results(args)?;
    let now = WallClock::default().now();
    let start_at = args.start_at.unwrap_or(now + HEAD_START);
    let head_start = start_at.checked_sub(now).filter(|left| *left > 0);
    let head_start = head_start
        .ok_or("--start-at: that is past: name a moment at which all pods can be there")
        .map_err(output::wrong)?;
    let load = Load {
        name,
        shards: args.shards,
        image: args.image.clone(),
        target: args.target.clone(),
        results,
        start_at: rfc3339(start_at),
        settings: args.set.clone(),
        seed: args.seed,
        length: Duration::from_nanos(head_start)
            .saturating_add(scenario.duration())
            .saturating_add(scenario.drain),
        files,
    };
    if load.patience() > Span::LONGEST.0 {
        return Err(output::wrong(
            "the run would be over more than 365d from now, and `merge` waits no longer: let it begin earlier, or make it shorter",
        ));
    }
    let yaml = load.yaml().map_err(output::wrong)?;
    Ok(print(&yaml))
}

/// Where the pods leave what they have seen: clap has one of both.
fn results(args: &Args) -> Result<Results, Exit> {
    match &args.bucket {
        None => Ok(Results::Claim(args.claim.clone().unwrap_or_default())),
        Some(address) => {
            bucket::check_folder(address).map_err(output::wrong)?;
            let address = address.display().to_string();
            Ok(Results::Bucket {
                address: address.trim_end_matches('/').to_owned(),
                secret: args.bucket_secret.clone(),
            })
        }
    }
}

/// A DNS label, with room for the number of a pod and what the objects are told apart by.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    // A Service's name begins with a letter, and no name ends with a -.
    let ends = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    match name.len() <= 50 && ends && name.chars().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "--name: {name:?} can't be called so in a cluster: write up to 50 of a-z, 0-9 and -, a letter first, as in chat-load"
        )),
    }
}

fn rfc3339(nanos: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The scenario's files, each by its path from the folder that holds them all.
fn files(scenario: &Scenario, settings: &[Setting]) -> Result<Files, String> {
    // A file above the working folder, as ../users.csv, shares a folder with the others only by whole paths.
    let whole = |file: &SourceFile| path::absolute(&file.path).map(|path| plain(&path));
    let paths: Result<Vec<PathBuf>, _> = scenario.files.iter().map(whole).collect();
    let paths = paths.map_err(|error| format!("the working folder: {error}"))?;
    let mut folder = paths.first().and_then(|path| path.parent());
    while let Some(outer) =
        folder.filter(|folder| paths.iter().any(|path| !path.starts_with(folder)))
    {
        folder = outer.parent();
    }
    let folder = folder.unwrap_or(Path::new(""));
    let mut texts = Vec::new();
    for (file, path) in scenario.files.iter().zip(&paths) {
        let text = match scenario.connections.token {
            // What is kept of them lacks the secret, and the pods need it.
            Token::Signed(_) => fs::read_to_string(&file.path)
                .map_err(|error| format!("{}: {error}", file.path.display()))?,
            _ => file.text.clone(),
        };
        let inner = path.strip_prefix(folder).unwrap_or(path);
        texts.push((inner.display().to_string(), text));
    }
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    if bytes > MOST_BYTES {
        return Err(format!(
            "{bytes} bytes of scenario files: a cluster keeps up to {MOST_BYTES} in one object; put them into the image, or make the files of users and messages smaller"
        ));
    }
    found_in_pods(&texts, settings)?;
    let listed = scenario.connections.token == Token::Listed;
    Ok(Files {
        texts,
        secret: listed || scenario.connections.may_hold_secrets(),
    })
}

/// Whether the scenario finds all of its files where they lie in a pod: one that is named by its whole path lies elsewhere there.
fn found_in_pods(texts: &[(String, String)], settings: &[Setting]) -> Result<(), String> {
    let there = texts.iter().map(|(path, text)| SourceFile {
        path: path.into(),
        text: text.clone(),
    });
    Scenario::of_files(&there.collect(), settings)
        .map(|_| ())
        .map_err(|error| {
            format!(
                "not all files are found in a pod: name each by its path from the file that names it, and none by its path from /\n{error}"
            )
        })
}

/// Without what goes up and down again.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_cluster_takes() {
        assert!(check_name("chat-load").is_ok());
        for wrong in [
            "",
            "Chat",
            "-a",
            "a-",
            "a.b",
            "a_b",
            "2nd-run",
            &"a".repeat(51),
        ] {
            assert!(
                check_name(wrong).unwrap_err().contains("as in chat-load"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_path_is_told_without_detours() {
        assert_eq!(plain(Path::new("./a/../b/./c.toml")), Path::new("b/c.toml"));
        assert_eq!(plain(Path::new("../a.toml")), Path::new("../a.toml"));
    }
}
