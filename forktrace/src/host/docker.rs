//! What has had Docker create a container, by the labels in the file that its daemon keeps of each.
//!
//! The daemon isn't asked: it may be one that can't start a thread either. Its file is
//! `containers/ID/config.v2.json` in its data root (moby: daemon/container/container.go).

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    passwd::Passwd,
    remembered::Remembered,
    setter::{self, Kind, Runtime},
};

/// Bytes of a file that is read; Docker's have some thousand.
const LONGEST: u64 = 1 << 20;
/// Containers that are remembered.
const REMEMBERED: usize = 256;

/// What creates the container that takes this one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creator {
    /// A service of a swarm.
    Swarm {
        /// The service's name.
        service: String,
        /// `docker stack deploy` has made the service, from a Compose file.
        of_stack: bool,
    },
    /// Docker Compose.
    Compose {
        /// The service's name in the files.
        service: String,
        /// The files, one or several with commas between.
        files: Option<String>,
    },
    /// GitLab Runner's Docker executor, for a job.
    GitLabRunner {
        /// It is one of the job's `services:`.
        is_service: bool,
    },
}

/// A container's id, and the uid whose own Docker it is.
type Key = (String, Option<u32>);

/// Finds it, and remembers each container's for a minute.
pub struct Docker {
    root: PathBuf,
    known: Remembered<Key, Option<Creator>>,
}

impl Docker {
    /// Of the host whose files are below `root`.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            known: Remembered::new(REMEMBERED),
        }
    }

    /// What has created the container that has the cgroup of this path, or around it is the only one. `None` where
    /// that is no container of Docker's, or somebody has run it by hand.
    pub fn creator(&mut self, path: &str) -> Option<Creator> {
        let root = &self.root;
        self.known
            .get(container(path)?, |(id, user)| read(root, id, *user))
    }
}

/// The files of a Docker in a container are in that container.
fn container(path: &str) -> Option<Key> {
    let setter = setter::of(path);
    let is_container = matches!(setter.kind, Kind::Container { .. });
    let kind = match &*setter.around() {
        [] => setter.kind,
        [within] if !is_container => setter::of(&within.path).kind,
        _ => return None,
    };
    let Kind::Container {
        runtime: Runtime::Docker | Runtime::Unknown,
        name,
        user,
        pod: None,
        scheduler: None,
        ..
    } = kind
    else {
        return None;
    };
    let is_id = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then_some((name, user))
}

fn read(root: &Path, id: &str, user: Option<u32>) -> Option<Creator> {
    let mut files = data_roots(root, user)
        .into_iter()
        .filter_map(|folder| json(&folder.join(format!("containers/{id}/config.v2.json"))));
    creator(files.next()?.pointer("/Config/Labels")?)
}

/// Folders in which the daemon may have its files: what it is told, its default, snap's.
fn data_roots(root: &Path, user: Option<u32>) -> Vec<PathBuf> {
    let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    if let Some(uid) = user {
        let users = Passwd::from_file(&root.join("etc/passwd")).unwrap_or_default();
        let home = users.home(uid).into_iter();
        return home
            .map(|home| below(&home).join(".local/share/docker"))
            .collect();
    }
    let told = json(&root.join("etc/docker/daemon.json"));
    let told = told.and_then(|daemon| Some(PathBuf::from(daemon.get("data-root")?.as_str()?)));
    let usual = ["var/lib/docker", "var/snap/docker/common/var-lib-docker"];
    told.into_iter()
        .map(|folder| below(&folder))
        .chain(usual.map(|folder| root.join(folder)))
        .collect()
}

fn json(file: &Path) -> Option<Value> {
    let mut text = Vec::new();
    let file = File::open(file).ok()?;
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Labels are whatever who creates the container says.
fn creator(labels: &Value) -> Option<Creator> {
    let label = |name: &str| labels.get(name)?.as_str().map(str::to_owned);
    if let Some(service) = label("com.docker.swarm.service.name") {
        return Some(Creator::Swarm {
            service,
            of_stack: label("com.docker.stack.namespace").is_some(),
        });
    }
    if let Some(service) = label("com.docker.compose.service") {
        return Some(Creator::Compose {
            service,
            files: label("com.docker.compose.project.config_files"),
        });
    }
    let is_service = label("com.gitlab.gitlab-runner.type").as_deref() == Some("service");
    label("com.gitlab.gitlab-runner.job.id").map(|_| Creator::GitLabRunner { is_service })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn container_file(labels: &str) -> String {
        format!(r#"{{"ID":"{ID}","State":{{"Pid":7}},"Config":{{"Labels":{labels},"Tty":false}}}}"#)
    }

    fn of(data_root: &str, labels: &str, path: &str) -> Option<Creator> {
        let root = tempfile::tempdir().unwrap();
        let file = format!("{data_root}/containers/{ID}/config.v2.json");
        made_up::write(root.path(), file, &container_file(labels));
        let daemon = r#"{"log-driver":"local","data-root":"/srv/docker"}"#;
        made_up::write(root.path(), "etc/docker/daemon.json", daemon);
        let users = "x:x:7:7::/home/x:/bin/sh\n";
        made_up::write(root.path(), "etc/passwd", users);
        Docker::new(root.path().to_owned()).creator(&path.replace("ID", ID))
    }

    #[test]
    fn labels_say_what_has_created_a_container() {
        let swarm = |of_stack| {
            Some(Creator::Swarm {
                service: "app_web".to_owned(),
                of_stack,
            })
        };
        let compose = |files: Option<&str>| {
            Some(Creator::Compose {
                service: "web".to_owned(),
                files: files.map(str::to_owned),
            })
        };
        for (labels, wanted) in [
            ("null", None),
            ("{}", None),
            (r#"{"maintainer":"x","org.label":"y"}"#, None),
            (
                r#"{"com.docker.swarm.service.name":"app_web","com.docker.swarm.task":""}"#,
                swarm(false),
            ),
            (
                r#"{"com.docker.stack.namespace":"app","com.docker.swarm.service.name":"app_web"}"#,
                swarm(true),
            ),
            (r#"{"com.docker.compose.service":"web"}"#, compose(None)),
            (
                r#"{"com.docker.compose.project.config_files":"/srv/a.yml,/srv/b.yml",
                    "com.docker.compose.service":"web"}"#,
                compose(Some("/srv/a.yml,/srv/b.yml")),
            ),
            (
                r#"{"com.gitlab.gitlab-runner.job.id":"12","com.gitlab.gitlab-runner.type":"build"}"#,
                Some(Creator::GitLabRunner { is_service: false }),
            ),
            (
                r#"{"com.gitlab.gitlab-runner.job.id":"12","com.gitlab.gitlab-runner.type":"service"}"#,
                Some(Creator::GitLabRunner { is_service: true }),
            ),
            // No file of Docker's.
            (r#"{"com.docker.compose.service":7}"#, None),
            ("[", None),
        ] {
            assert_eq!(
                of("var/lib/docker", labels, "/docker/ID"),
                wanted,
                "{labels}"
            );
        }
    }

    #[test]
    fn the_file_is_the_host_s_docker_s() {
        let labels = r#"{"com.docker.compose.service":"web"}"#;
        for (data_root, path, is_found) in [
            ("var/lib/docker", "/system.slice/docker-ID.scope", true),
            ("srv/docker", "/system.slice/docker-ID.scope", true),
            ("var/snap/docker/common/var-lib-docker", "/docker/ID", true),
            // By --cgroup-parent, whatever that is called.
            ("var/lib/docker", "/batch/ID", true),
            // What its own systemd has set up.
            ("var/lib/docker", "/docker/ID/system.slice/x.service", true),
            ("var/lib/docker", "/docker/ID/docker/ID", false),
            ("var/lib/docker", "/system.slice/libpod-ID.scope", false),
            ("var/lib/docker", "/system.slice/x.service", false),
            (
                "var/lib/docker",
                "/ecs/0123456789abcdef0123456789abcdef/ID",
                false,
            ),
            ("elsewhere", "/docker/ID", false),
            (
                "home/x/.local/share/docker",
                "/user.slice/user-7.slice/user@7.service/user.slice/docker-ID.scope",
                true,
            ),
            // Root's of the same id isn't the user's.
            (
                "var/lib/docker",
                "/user.slice/user-7.slice/user@7.service/user.slice/docker-ID.scope",
                false,
            ),
        ] {
            let found = of(data_root, labels, path);
            assert_eq!(found.is_some(), is_found, "{data_root} {path}");
        }
    }
}
