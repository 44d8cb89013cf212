//! The chats that others would have written, to be measured beside this one: which there are, where they lie, and how each is
//! started (`interop/peers`).

use std::{
    env,
    path::{Path, PathBuf},
};

use super::error::TargetError;
use crate::model::Delivery;

/// Where they are in a checkout of this project.
const IN_CHECKOUT: &str = "interop/peers";
/// What Node.js finds in the first of these folders that is in or above a program's own.
const NODE_PACKAGES: [&str; 4] = [
    "node_modules/socket.io",
    "node_modules/mongodb",
    "node_modules/@socket.io/redis-streams-adapter",
    "node_modules/ioredis",
];
/// The Python that has what the Python chat needs, in the folder of the peers.
const PYTHON: &str = ".venv/bin/python";
/// The chat on socketioxide, once it is built, likewise.
const SOCKETIOXIDE: &str = ".bin/socketioxide-peer";

/// A chat that somebody else would have written, with the same events and the same stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Node.js and socket.io: delivered at once, then saved, then confirmed.
    Node,
    /// The same, saved first.
    NodePersistFirst,
    /// python-socketio under uvicorn: delivered at once, then saved, then confirmed.
    Python,
    /// socketioxide as it comes: delivered at once, then saved, then confirmed.
    Socketioxide,
}

impl Peer {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Node,
        Self::NodePersistFirst,
        Self::Python,
        Self::Socketioxide,
    ];

    /// Its name behind `peer:`.
    pub const fn name(self) -> &'static str {
        match self {
            Peer::Node => "node",
            Peer::NodePersistFirst => "node-persist-first",
            Peer::Python => "python",
            Peer::Socketioxide => "socketioxide",
        }
    }

    /// When it delivers.
    pub const fn delivery(self) -> Delivery {
        match self {
            Peer::Node | Peer::Python | Peer::Socketioxide => Delivery::Optimistic,
            Peer::NodePersistFirst => Delivery::PersistFirst,
        }
    }

    /// Whether several of them can be one chat.
    pub const fn meets_others(self) -> bool {
        match self {
            Peer::Node | Peer::NodePersistFirst | Peer::Socketioxide => true,
            Peer::Python => false,
        }
    }

    /// What `interop/peers/install` calls that which it needs.
    const fn language(self) -> &'static str {
        match self {
            Peer::Node | Peer::NodePersistFirst => "node",
            Peer::Python => "python",
            Peer::Socketioxide => "rust",
        }
    }

    /// The shell's command that starts it; the environment says where it listens and where it saves. `named` is the folder
    /// of the peers, where somebody has named one.
    ///
    /// # Errors
    /// [`TargetError`] when it is not there, or what it needs is not installed: it says which command installs it.
    pub fn command(self, named: Option<&Path>) -> Result<String, TargetError> {
        let folder = folder(named)?;
        let absent = |needed: &&str| !folder.join(needed).exists();
        let missing = match self {
            Peer::Node | Peer::NodePersistFirst => {
                let above =
                    |package: &&str| !folder.ancestors().any(|at| at.join(package).exists());
                NODE_PACKAGES.iter().copied().find(above)
            }
            Peer::Python => Some(PYTHON).filter(absent),
            Peer::Socketioxide => Some(SOCKETIOXIDE).filter(absent),
        };
        if let Some(missing) = missing {
            return Err(TargetError::PeerNotInstalled {
                peer: self.name(),
                missing,
                command: format!("{} {}", folder.join("install").display(), self.language()),
            });
        }
        let at = |place: &str| quoted(&folder.join(place));
        Ok(match self {
            Peer::Node | Peer::NodePersistFirst => format!("exec node {}", at("node/server.mjs")),
            Peer::Python => format!("exec {} {}", at(PYTHON), at("python/server.py")),
            Peer::Socketioxide => format!("exec {}", at(SOCKETIOXIDE)),
        })
    }
}

/// The folder that has the peers: the one that was named, or that of the checkout that this is called in.
fn folder(named: Option<&Path>) -> Result<PathBuf, TargetError> {
    let here = env::current_dir().unwrap_or_default();
    let folder = match named {
        Some(named) => Some(here.join(named)),
        None => here
            .ancestors()
            .map(|above| above.join(IN_CHECKOUT))
            .find(|folder| folder.join("install").is_file()),
    };
    match folder {
        Some(folder) if folder.join("install").is_file() => Ok(folder),
        _ => Err(TargetError::PeersAbsent {
            looked: named.map_or_else(|| here.join(IN_CHECKOUT), Path::to_owned),
        }),
    }
}

/// One word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_peer_is_started_from_its_folder_once_it_is_installed() {
        let checkout = tempfile::tempdir().unwrap();
        let peers = checkout.path().join("it's/peers");
        let error = Peer::Node.command(Some(&peers)).unwrap_err().to_string();
        assert!(
            error.contains("it's/peers") && error.contains("--peers"),
            "{error}"
        );
        fs::create_dir_all(&peers).unwrap();
        fs::write(peers.join("install"), "").unwrap();
        for peer in Peer::ALL {
            let error = peer.command(Some(&peers)).unwrap_err().to_string();
            let command = format!("it's/peers/install {}", peer.language());
            assert!(error.contains(&command) && !error.contains('\n'), "{error}");
        }
        // Above it, as a checkout has them for all its programs in Node.js.
        for package in NODE_PACKAGES {
            fs::create_dir_all(checkout.path().join(package)).unwrap();
        }
        let command = Peer::NodePersistFirst.command(Some(&peers)).unwrap();
        assert!(command.starts_with("exec node '"), "{command}");
        assert!(
            command.ends_with(r"/it'\''s/peers/node/server.mjs'"),
            "{command}"
        );
    }
}
