//! What a program is built from, asked of git while it is built: for build scripts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where `cargo package` says what it packed
/// (<https://doc.rust-lang.org/cargo/commands/cargo-package.html#cargo_vcs_infojson-format>).
const PACKED: &str = ".cargo_vcs_info.json";

/// Sets three variables for the package whose build script calls this: `SOURCE_COMMIT`, see [`commit`], and
/// `SOURCE_LOCKFILE`, see [`lockfile`], both empty where they are unknown, and `SOURCE_VERSION`, the package's version with that
/// commit behind it in parentheses.
///
/// `sources` are the files and folders that are compiled into it, from the package's folder on. The script runs again when
/// one of them changes, or when the repository's HEAD moves.
#[allow(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]
pub fn compile_in(sources: &[&str]) {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = commit(&package, sources);
    let full = match &commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!(
        "cargo::rustc-env=SOURCE_COMMIT={}",
        commit.unwrap_or_default()
    );
    println!("cargo::rustc-env=SOURCE_VERSION={full}");
    println!(
        "cargo::rustc-env=SOURCE_LOCKFILE={}",
        lockfile(&package).unwrap_or_default()
    );
    let sources = sources.iter().map(|source| package.join(source));
    // Cargo runs a script at every build that names a file which is not there.
    for path in sources
        .chain(moves_with_head(&package))
        .filter(|path| path.exists())
    {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// The commit that a package is at, in twelve hexadecimal digits, with `-dirty` behind it where any of its sources differs;
/// `None` where no repository holds the package and `cargo package` did not make it, as when it was unpacked from an archive.
pub fn commit(package: &Path, sources: &[&str]) -> Option<String> {
    // The folder of an archive may lie in the repository of something else.
    if git(package, &["ls-files", "--error-unmatch", "Cargo.toml"]).is_none() {
        return packed(package);
    }
    let commit = git(package, &["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["--no-optional-locks", "status", "--porcelain", "--"];
    // Of a package that was taken out of its workspace, some are missing, and git refuses what lies beyond its repository.
    status.extend(
        sources
            .iter()
            .filter(|source| package.join(source).exists()),
    );
    Some(match git(package, &status)?.as_str() {
        "" => commit,
        _ => commit + "-dirty",
    })
}

/// The commit that `cargo package` has noted in what it packed.
fn packed(package: &Path) -> Option<String> {
    let noted = fs::read_to_string(package.join(PACKED)).ok()?;
    let (_, rest) = noted.split_once("\"sha1\": \"")?;
    let commit: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let commit = commit.get(..12)?;
    let dirty = noted.contains("\"dirty\": true");
    Some(commit.to_owned() + if dirty { "-dirty" } else { "" })
}

/// Git's name of the lockfile that a package is built with, as `git hash-object Cargo.lock` prints it: the package's own, or that
/// of its workspace. `None` where there is none, or no git.
pub fn lockfile(package: &Path) -> Option<String> {
    let mut folders = package.ancestors().take(2);
    let lockfile = folders
        .find(|folder| folder.join("Cargo.lock").is_file())?
        .join("Cargo.lock");
    git(package, &["hash-object", "--", lockfile.to_str()?])
}

/// The files of the repository that a commit, a checkout or a rebase changes.
fn moves_with_head(package: &Path) -> Vec<PathBuf> {
    let branch = git(package, &["symbolic-ref", "-q", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].map(str::to_owned);
    let paths = names.into_iter().chain(branch);
    paths
        .filter_map(|name| git(package, &["rev-parse", "--git-path", &name]))
        .map(|path| package.join(path))
        .collect()
}

/// What git prints, without its last line break; `None` where it is missing or fails.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    let output = git.current_dir(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A package in a repository with one commit.
    fn package() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path();
        fs::create_dir(package.join("src")).unwrap();
        fs::write(package.join("Cargo.toml"), "[package]").unwrap();
        fs::write(package.join("src/lib.rs"), "").unwrap();
        fs::write(package.join("README"), "").unwrap();
        git(package, &["init", "-q"]).unwrap();
        git(package, &["config", "user.name", "somebody"]).unwrap();
        git(package, &["config", "user.email", "somebody@example.org"]).unwrap();
        save(package);
        folder
    }

    fn save(package: &Path) {
        git(package, &["add", "."]).unwrap();
        git(package, &["commit", "-q", "-m", "all"]).unwrap();
    }

    fn at(package: &Path) -> String {
        commit(package, &["src", "not-there"]).unwrap()
    }

    #[test]
    fn sources_that_differ_from_the_commit_are_dirty_and_nothing_else_is() {
        let package = package();
        let package = package.path();
        let clean = at(package);
        assert_eq!(
            (clean.len(), clean.contains("dirty")),
            (12, false),
            "{clean}"
        );
        fs::write(package.join("README"), "changed").unwrap();
        assert_eq!(at(package), clean);
        fs::write(package.join("src/lib.rs"), "// changed").unwrap();
        assert_eq!(at(package), format!("{clean}-dirty"));
        fs::write(package.join("src/lib.rs"), "").unwrap();
        fs::write(package.join("src/new.rs"), "").unwrap();
        assert_eq!(at(package), format!("{clean}-dirty"), "a new file");
    }

    #[test]
    fn a_commit_moves_what_is_watched() {
        let package = package();
        let package = package.path();
        let texts = || -> Vec<String> {
            let watched = moves_with_head(package).into_iter();
            watched
                .filter_map(|path| fs::read_to_string(path).ok())
                .collect()
        };
        let (before, read) = (at(package), texts());
        assert!(read.len() > 1, "{read:?}");
        fs::write(package.join("src/lib.rs"), "// changed").unwrap();
        save(package);
        assert_ne!(at(package), before);
        assert_ne!(texts(), read);
    }

    #[test]
    fn a_lockfile_is_known_by_its_content_and_without_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        fs::create_dir(&package).unwrap();
        assert_eq!(lockfile(&package), None);
        fs::write(folder.path().join("Cargo.lock"), "of the workspace").unwrap();
        let of_workspace = lockfile(&package).unwrap();
        assert_eq!(of_workspace.len(), 40);
        fs::write(package.join("Cargo.lock"), "its own").unwrap();
        assert_ne!(lockfile(&package).unwrap(), of_workspace);
        fs::write(package.join("Cargo.lock"), "of the workspace").unwrap();
        assert_eq!(lockfile(&package).unwrap(), of_workspace);
    }

    #[test]
    fn what_no_repository_holds_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit(folder.path(), &["src"]), None);
        // Unpacked within somebody else's.
        let other = package();
        let unpacked = other.path().join("unpacked");
        fs::create_dir(&unpacked).unwrap();
        fs::write(unpacked.join("Cargo.toml"), "[package]").unwrap();
        assert_eq!(commit(&unpacked, &["src"]), None);
    }

    #[test]
    fn what_cargo_has_packed_is_of_the_commit_that_it_noted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |noted: &str| {
            fs::write(folder.path().join(PACKED), noted).unwrap();
            commit(folder.path(), &["src"])
        };
        let clean = r#"{
  "git": {
    "sha1": "0123456789abcdef0123456789abcdef01234567"
  },
  "path_in_vcs": "loadgen"
}"#;
        assert_eq!(at(clean).as_deref(), Some("0123456789ab"));
        let dirty = clean.replace("67\"\n", "67\",\n    \"dirty\": true\n");
        assert_eq!(at(&dirty).as_deref(), Some("0123456789ab-dirty"));
        assert_eq!(at("{}"), None);
        assert_eq!(at(&clean.replace("0123456789a", "-")), None);
    }
}
