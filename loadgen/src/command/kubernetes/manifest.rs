//! The objects of a load in a cluster, as Kubernetes has them: the scenario's files, a Service, a Job of shards, a Job that merges.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{plan::Shard, scenario::Setting, shards};

/// Where the files lie in a pod.
const FILES: &str = "/scenario";
/// Where results lie in a pod.
const RESULTS: &str = "/results";
/// Where shard 1 tells its time.
const PORT: u16 = 7_070;
/// Beside all that: connecting, looking messages up, and a scheduler's moods.
const SPARE: Duration = Duration::from_secs(30 * 60);
/// What stands before the objects.
const HEAD: &str = "# Made by `loadgen kubernetes`. Not run on a cluster by those who made it.\n";

/// The files of a scenario, the one that was named first: each by its path and with its text.
pub(super) struct Files {
    pub(super) texts: Vec<(String, String)>,
    /// Whether there is a secret or a token in them.
    pub(super) secret: bool,
}

/// Where results lie, in the folder of the name.
pub(super) enum Results {
    /// On the volume of this claim.
    Claim(String),
    /// In a bucket.
    Bucket {
        /// Without a slash at its end.
        address: String,
        /// The Secret whose keys are the environment for it.
        secret: Option<String>,
    },
}

/// A load in so many pods.
pub(super) struct Load {
    pub(super) name: String,
    pub(super) shards: u16,
    pub(super) image: String,
    pub(super) target: String,
    pub(super) results: Results,
    /// RFC 3339.
    pub(super) start_at: String,
    pub(super) settings: Vec<Setting>,
    pub(super) seed: Option<u64>,
    /// From now to the end of the schedule and of what is waited for after it.
    pub(super) length: Duration,
    pub(super) files: Files,
}

/// An object of a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    #[serde(flatten)]
    pub(super) content: BTreeMap<&'static str, Value>,
}

/// What an object is called.
#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    name: String,
    labels: BTreeMap<&'static str, String>,
}

impl Load {
    /// All objects, as one text.
    ///
    /// # Errors
    /// What can't be written as YAML.
    pub(super) fn yaml(&self) -> Result<String, serde_yaml_ng::Error> {
        let mut text = HEAD.to_owned();
        for object in self.objects() {
            text += "---\n";
            text += &serde_yaml_ng::to_string(&object)?;
        }
        Ok(text)
    }

    /// All objects, in the order in which they are needed.
    pub(super) fn objects(&self) -> [Object; 4] {
        [
            self.scenario(),
            self.service(),
            self.drivers(),
            self.merger(),
        ]
    }

    fn object(
        &self,
        api_version: &'static str,
        kind: &'static str,
        name: &str,
        content: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Object {
        Object {
            api_version,
            kind,
            metadata: Metadata {
                name: name.to_owned(),
                labels: [
                    ("app.kubernetes.io/name", "loadgen".to_owned()),
                    ("app.kubernetes.io/instance", self.name.clone()),
                ]
                .into(),
            },
            content: content.into_iter().collect(),
        }
    }

    fn scenario(&self) -> Object {
        let texts = self.files.texts.iter().enumerate();
        let texts: BTreeMap<String, &str> = texts
            .map(|(at, (_, text))| (key(at), text.as_str()))
            .collect();
        match self.files.secret {
            true => self.object("v1", "Secret", &self.name, [("stringData", json!(texts))]),
            false => self.object("v1", "ConfigMap", &self.name, [("data", json!(texts))]),
        }
    }

    /// Gives the first pod a name that the others find, before it is ready, too.
    fn service(&self) -> Object {
        let spec = json!({
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": { "batch.kubernetes.io/job-name": self.name },
            "ports": [{ "name": "clock", "port": PORT }],
        });
        self.object("v1", "Service", &self.name, [("spec", spec)])
    }

    /// A pod for each shard. None is started again: a shard that begins later is no part of the run.
    fn drivers(&self) -> Object {
        let mut args = vec![
            "run".to_owned(),
            self.scenario_path(),
            "--target".to_owned(),
            self.target.clone(),
            "--shard".to_owned(),
            // Pods are counted from 0.
            format!("$(SHARD_INDEX)+1/{}", self.shards),
            // In one word, or YAML takes it for a time.
            format!("--start-at={}", self.start_at),
            "--sync".to_owned(),
            format!("{0}-0.{0}:{PORT}", self.name),
            "--out".to_owned(),
            self.folder(),
        ];
        for (name, value) in &self.settings {
            args.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        if let Some(seed) = self.seed {
            args.extend(["--seed".to_owned(), seed.to_string()]);
        }
        let index = json!({
            "name": "SHARD_INDEX",
            "valueFrom": { "fieldRef": { "fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']" } },
        });
        let spread = json!({
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": { "batch.kubernetes.io/job-name": self.name } },
        });
        let items: Vec<Value> = self
            .files
            .texts
            .iter()
            .enumerate()
            .map(|(at, (path, _))| json!({ "key": key(at), "path": path }))
            .collect();
        let files = match self.files.secret {
            true => {
                json!({ "name": "scenario", "secret": { "secretName": self.name, "items": items } })
            }
            false => {
                json!({ "name": "scenario", "configMap": { "name": self.name, "items": items } })
            }
        };
        let (mut volumes, mut mounts) = self.results.volume();
        volumes.insert(0, files);
        mounts.insert(
            0,
            json!({ "name": "scenario", "mountPath": FILES, "readOnly": true }),
        );
        let spec = json!({
            "completionMode": "Indexed",
            "completions": self.shards,
            "parallelism": self.shards,
            "backoffLimit": 0,
            "template": { "spec": {
                "subdomain": self.name,
                "restartPolicy": "Never",
                "topologySpreadConstraints": [spread],
                "containers": [{
                    "name": "loadgen",
                    "image": self.image,
                    "command": ["loadgen"],
                    "args": args,
                    "env": [index],
                    "envFrom": self.results.environment(),
                    "ports": [{ "containerPort": PORT }],
                    "volumeMounts": mounts,
                }],
                "volumes": volumes,
            } },
        });
        self.object("batch/v1", "Job", &self.name, [("spec", spec)])
    }

    /// The pod that waits for what the others leave; how it ends is the verdict.
    fn merger(&self) -> Object {
        let shards = (1..=self.shards).filter_map(|number| Shard::new(number, self.shards));
        let mut args = vec!["merge".to_owned()];
        args.extend(shards.map(|shard| format!("{}/{}", self.folder(), shards::file_name(shard))));
        let wait = format!("{}s", self.patience().as_secs());
        args.extend([
            // Those of an earlier load of this name may lie there.
            format!("--start-at={}", self.start_at),
            "--wait".to_owned(),
            wait,
            "--out".to_owned(),
            self.folder(),
        ]);
        let (volumes, mounts) = self.results.volume();
        let spec = json!({
            "backoffLimit": 0,
            "template": { "spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "merge",
                    "image": self.image,
                    "command": ["loadgen"],
                    "args": args,
                    "envFrom": self.results.environment(),
                    "volumeMounts": mounts,
                }],
                "volumes": volumes,
            } },
        });
        self.object(
            "batch/v1",
            "Job",
            &format!("{}-merge", self.name),
            [("spec", spec)],
        )
    }

    /// How long the shards' files are waited for: the pod that waits is started with the others.
    pub(super) fn patience(&self) -> Duration {
        self.length.saturating_add(SPARE)
    }

    fn folder(&self) -> String {
        format!("{}/{}", self.results.root(), self.name)
    }

    fn scenario_path(&self) -> String {
        let path = self.files.texts.first().map_or("", |(path, _)| path);
        format!("{FILES}/{path}")
    }
}

impl Results {
    fn root(&self) -> &str {
        match self {
            Self::Claim(_) => RESULTS,
            Self::Bucket { address, .. } => address,
        }
    }

    /// What a pod needs for it: volumes, and where they are mounted.
    fn volume(&self) -> (Vec<Value>, Vec<Value>) {
        let Self::Claim(claim) = self else {
            return (Vec::new(), Vec::new());
        };
        let volume = json!({ "name": "results", "persistentVolumeClaim": { "claimName": claim } });
        let mount = json!({ "name": "results", "mountPath": RESULTS });
        (vec![volume], vec![mount])
    }

    fn environment(&self) -> Vec<Value> {
        match self {
            Self::Bucket {
                secret: Some(secret),
                ..
            } => vec![json!({ "secretRef": { "name": secret } })],
            _ => Vec::new(),
        }
    }
}

/// Keys have no slashes.
fn key(at: usize) -> String {
    format!("file-{at}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::Cli;

    fn load(secret: bool) -> Load {
        Load {
            name: "chat".to_owned(),
            shards: 3,
            image: "registry.example/loadgen:1".to_owned(),
            target: "http://chat:3000".to_owned(),
            results: Results::Claim("results".to_owned()),
            start_at: "2026-11-26T12:00:00Z".to_owned(),
            settings: vec![("rate".to_owned(), "20/s".to_owned())],
            seed: Some(7),
            length: Duration::from_secs(60),
            files: Files {
                texts: vec![
                    ("main.toml".to_owned(), "a".to_owned()),
                    ("parts/base.toml".to_owned(), "b".to_owned()),
                ],
                secret,
            },
        }
    }

    /// The command line of the first container of a Job.
    fn command_line(object: &Object) -> Vec<String> {
        let container = &object.content["spec"]["template"]["spec"]["containers"][0];
        let words = [&container["command"], &container["args"]];
        let words = words.iter().flat_map(|words| words.as_array().unwrap());
        let words = words.map(|word| word.as_str().unwrap().replace("$(SHARD_INDEX)", "2"));
        words.collect()
    }

    #[test]
    fn the_command_lines_are_ones_that_this_program_takes() {
        let [_, _, drivers, merger] = load(false).objects();
        for job in [&drivers, &merger] {
            let line = command_line(job);
            Cli::try_parse_from(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        }
        assert!(command_line(&drivers).join(" ").contains("--shard 2+1/3 "));
        assert!(
            command_line(&merger)
                .join(" ")
                .contains("/results/chat/shard-3-of-3.json ")
        );
        // Both speak of one run.
        for job in [&drivers, &merger] {
            let start = "--start-at=2026-11-26T12:00:00Z".to_owned();
            assert!(command_line(job).contains(&start));
        }
    }

    #[test]
    fn files_lie_where_the_scenario_looks_for_them_and_secrets_in_a_secret() {
        for (secret, kind, field) in [
            (false, "ConfigMap", "configMap"),
            (true, "Secret", "secret"),
        ] {
            let [files, _, drivers, _] = load(secret).objects();
            assert_eq!(files.kind, kind);
            let volume = &drivers.content["spec"]["template"]["spec"]["volumes"][0][field];
            assert_eq!(
                volume["items"][1],
                json!({ "key": "file-1", "path": "parts/base.toml" })
            );
        }
    }

    #[test]
    fn in_a_bucket_results_need_no_volume() {
        let load = Load {
            results: Results::Bucket {
                address: "s3://tests/chat".to_owned(),
                secret: Some("bucket-key".to_owned()),
            },
            ..load(false)
        };
        let [_, _, drivers, merger] = load.objects();
        assert!(
            command_line(&drivers)
                .join(" ")
                .contains("--out s3://tests/chat/chat ")
        );
        let line = command_line(&merger).join(" ");
        assert!(line.contains(" s3://tests/chat/chat/shard-3-of-3.json "));
        assert!(line.ends_with(" --out s3://tests/chat/chat"));
        for (job, volumes) in [(&drivers, 1), (&merger, 0)] {
            let pod = &job.content["spec"]["template"]["spec"];
            assert_eq!(pod["volumes"].as_array().unwrap().len(), volumes);
            let from = &pod["containers"][0]["envFrom"][0]["secretRef"]["name"];
            assert_eq!(from, "bucket-key");
        }
    }

    #[test]
    fn the_text_is_yaml_of_four_objects() {
        let yaml = load(false).yaml().unwrap();
        let kinds: Vec<String> = yaml
            .split("---\n")
            .skip(1)
            .map(|object| {
                let object: Value = serde_yaml_ng::from_str(object).unwrap();
                object["kind"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(kinds, ["ConfigMap", "Service", "Job", "Job"]);
        // By itself some readers take it for a time and no text.
        assert!(yaml.contains("- --start-at=2026-11-26T12:00:00Z\n"));
        assert!(yaml.starts_with("# Made by `loadgen kubernetes`. Not run on a cluster"));
    }
}
