//! A set of three MongoDBs that are started here, so that one can take over from another.

use std::{path::Path, time::Duration};

use bson::{Document, doc};

use super::{
    docker::{Fragile, MongoContainer},
    error::TargetError,
    mongo,
    mongod::{self, Mongod},
};

/// The name of the set.
const SET: &str = "loadgen";
/// How many there are: the least of which two are a majority without the third.
const MEMBERS: usize = 3;
/// How soon the others notice that the primary is gone: a second and a half, and an election.
const ELECTION: Duration = Duration::from_millis(2_000);

/// Three containers in one network.
pub(super) async fn containers(image: &str) -> Result<Vec<MongoContainer>, TargetError> {
    let failed = |error: std::io::Error| TargetError::ContainerFailed {
        image: image.to_owned(),
        reason: error.to_string(),
    };
    let ports = ports().map_err(failed)?;
    let (first, beside) = (ports[0], &ports[1..]);
    let one = member(first);
    let one = MongoContainer::start(image, Some(Fragile { beside, ..one })).await?;
    let mut others = Vec::new();
    for port in beside {
        let other = Fragile {
            within: Some(&one),
            ..member(*port)
        };
        others.push(MongoContainer::start(image, Some(other)).await?);
    }
    initiate(&ports).await?;
    Ok(std::iter::once(one).chain(others).collect())
}

/// Three processes.
pub(super) async fn processes(program: &Path) -> Result<Vec<Mongod>, TargetError> {
    let failed = |error: std::io::Error| TargetError::MongodFailed {
        program: program.to_owned(),
        reason: error.to_string(),
    };
    let ports = ports().map_err(failed)?;
    let mut processes = Vec::new();
    for port in ports {
        processes.push(Mongod::start(program, Some(member(port))).await?);
    }
    initiate(&ports).await?;
    Ok(processes)
}

/// Where the driver finds all of it, and whom of it.
pub(super) fn uri(members: &[String]) -> String {
    let hosts: Vec<&str> = members
        .iter()
        .map(|member| member.trim_start_matches("mongodb://"))
        .collect();
    format!("mongodb://{}/?replicaSet={SET}", hosts.join(","))
}

fn member(port: u16) -> Fragile<'static> {
    Fragile {
        set: Some(SET),
        ..Fragile::alone(port)
    }
}

fn ports() -> std::io::Result<[u16; MEMBERS]> {
    let mut ports = [0; MEMBERS];
    for nth in 0..MEMBERS {
        ports[nth] = loop {
            let port = mongod::lasting_port()?;
            if !ports.contains(&port) {
                break port;
            }
        };
    }
    Ok(ports)
}

/// Makes a set of them, and waits until it has a primary.
async fn initiate(ports: &[u16]) -> Result<(), TargetError> {
    let members = ports.iter().zip(0_i32..).map(|(port, id)| {
        doc! { "_id": id, "host": format!("127.0.0.1:{port}") }
    });
    let members: Vec<Document> = members.collect();
    let settings = doc! {
        "electionTimeoutMillis": i64::try_from(ELECTION.as_millis()).unwrap_or(i64::MAX),
        "heartbeatIntervalMillis": 500_i64,
    };
    let config = doc! { "_id": SET, "members": members, "settings": settings };
    let first = format!("mongodb://127.0.0.1:{}", ports[0]);
    let direct = format!("{first}/?directConnection=true");
    let (client, _) = mongo::client(&direct, mongo::PATIENCE).await?;
    let admin = client.database("admin");
    let initiated = admin.run_command(doc! { "replSetInitiate": config }).await;
    initiated.map_err(|error| TargetError::Store {
        store: format!("MongoDB at {first}"),
        action: "made the first of a set",
        reason: mongo::in_one_line(&error),
    })?;
    let members: Vec<String> = ports
        .iter()
        .map(|port| format!("mongodb://127.0.0.1:{port}"))
        .collect();
    mongo::until_it_answers(&uri(&members)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_told_all_members_and_the_set() {
        let members = [
            "mongodb://127.0.0.1:1".to_owned(),
            "mongodb://h:2".to_owned(),
        ];
        assert_eq!(
            uri(&members),
            "mongodb://127.0.0.1:1,h:2/?replicaSet=loadgen"
        );
    }

    #[test]
    fn each_member_has_its_own_port() {
        let mut ports = ports().unwrap();
        ports.sort_unstable();
        assert!(ports[0] < ports[1] && ports[1] < ports[2], "{ports:?}");
    }
}
