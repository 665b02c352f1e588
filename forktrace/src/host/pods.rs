//! Names of Kubernetes pods and their containers, by the files that kubelet keeps on the node. The API server
//! is asked nothing.
//!
//! `/var/log/pods/NAMESPACE_NAME_UID/CONTAINER/` has the logs (kubelet, `BuildPodLogsDirectory`), and
//! `/var/log/containers/NAME_NAMESPACE_CONTAINER-ID.log` leads to them (`legacyLogSymlink`, which CRI
//! runtimes' logs still get). Namespaces, pods and containers have names without `_`.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::model::Cgroup;

/// What isn't known is looked for again so much later.
const PAUSE: Duration = Duration::from_secs(5);

/// Entries of a folder that are read: a node runs 110 pods, and may be told to run more.
const MOST: usize = 16_384;

/// Names that have been found.
pub struct Pods {
    logs: PathBuf,
    /// Namespace and name of pods.
    by_uid: HashMap<String, (String, String)>,
    /// Names of containers.
    by_id: HashMap<String, String>,
    read: Option<Instant>,
}

impl Default for Pods {
    fn default() -> Self {
        Self::below(Path::new("/var/log"))
    }
}

impl Pods {
    /// `logs`: where the folders `pods` and `containers` are.
    fn below(logs: &Path) -> Self {
        Self {
            logs: logs.to_owned(),
            by_uid: HashMap::new(),
            by_id: HashMap::new(),
            read: None,
        }
    }

    /// Adds to a cgroup of a pod how the pod and the container are called, as far as it is known.
    pub fn name(&mut self, cgroup: &mut Cgroup) {
        let Some(uid) = &cgroup.pod else {
            return;
        };
        let known = self.by_uid.contains_key(uid)
            && cgroup
                .container
                .as_ref()
                .is_none_or(|id| self.by_id.contains_key(id));
        if !known && self.read.is_none_or(|read| read.elapsed() >= PAUSE) {
            self.read();
        }
        if let Some((namespace, name)) = self.by_uid.get(uid) {
            cgroup.namespace = Some(namespace.clone());
            cgroup.pod_name = Some(name.clone());
        }
        let container = cgroup.container.as_ref();
        cgroup.container_name = container.and_then(|id| self.by_id.get(id).cloned());
    }

    fn read(&mut self) {
        self.read = Some(Instant::now());
        let pods = names(&self.logs.join("pods"));
        add(
            &mut self.by_uid,
            pods.filter_map(|name| pod(&name.into_string().ok()?)),
        );
        let containers = names(&self.logs.join("containers"));
        let containers = containers.filter_map(|name| container(&name.into_string().ok()?));
        add(&mut self.by_id, containers);
    }
}

/// Whether names can be read at all.
///
/// # Errors
///
/// Why they can't.
pub fn readable() -> io::Result<()> {
    fs::read_dir("/var/log/pods").map(|_| ())
}

/// Whose files are gone keeps its name: kubelet removes them while the last tasks still end. Uids and ids are
/// not given twice.
fn add<T>(known: &mut HashMap<String, T>, found: impl Iterator<Item = (String, T)>) {
    if known.len() >= MOST {
        known.clear();
    }
    known.extend(found);
}

fn names(folder: &Path) -> impl Iterator<Item = OsString> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.take(MOST).map(|entry| entry.file_name())
}

/// Uid, namespace and name.
fn pod(folder: &str) -> Option<(String, (String, String))> {
    let mut parts = folder.split('_');
    let (namespace, name, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = parts.next().is_none() && is_name(namespace) && is_name(name) && is_name(uid);
    sound.then(|| (uid.to_owned(), (namespace.to_owned(), name.to_owned())))
}

/// Id and name. Where all of it is longer than file names may be, kubelet cuts the id: it is none then.
fn container(file: &str) -> Option<(String, String)> {
    let mut parts = file.strip_suffix(".log")?.split('_');
    let (_pod, _namespace, last) = (parts.next()?, parts.next()?, parts.next()?);
    let (name, id) = last.rsplit_once('-')?;
    let sound = parts.next().is_none() && is_name(name) && is_name(id);
    sound.then(|| (id.to_owned(), name.to_owned()))
}

/// As the API takes it: nothing in it harms.
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "5b8c2f9e-3d41-4a77-9c05-1f2e3d4c5b6a";
    const ID: &str = "3f1c0a5ce9b44c1f8d27ab6e05a1f3c29d8e7b60514f3a2c9e8d7b6a50413f2e";

    fn node(folders: &[&str], files: &[&str]) -> tempfile::TempDir {
        let logs = tempfile::tempdir().unwrap();
        for name in folders {
            fs::create_dir_all(logs.path().join("pods").join(name)).unwrap();
        }
        fs::create_dir_all(logs.path().join("containers")).unwrap();
        for name in files {
            fs::write(logs.path().join("containers").join(name), "").unwrap();
        }
        logs
    }

    fn named(pods: &mut Pods, uid: &str, id: Option<&str>) -> [Option<String>; 3] {
        let mut cgroup = Cgroup {
            pod: Some(uid.to_owned()),
            container: id.map(str::to_owned),
            ..Cgroup::default()
        };
        pods.name(&mut cgroup);
        [cgroup.namespace, cgroup.pod_name, cgroup.container_name]
    }

    fn texts(all: [&str; 3]) -> [Option<String>; 3] {
        all.map(|text| Some(text.to_owned()))
    }

    #[test]
    fn names_are_those_of_kubelets_files() {
        let static_uid = "0123456789abcdef0123456789abcdef";
        let logs = node(
            &[
                &format!("shop_web-7d4b9c6f5-x2x8q_{UID}"),
                &format!("kube-system_etcd-node-1_{static_uid}"),
            ],
            &[&format!("web-7d4b9c6f5-x2x8q_shop_php-fpm-{ID}.log")],
        );
        let mut pods = Pods::below(logs.path());
        let wanted = texts(["shop", "web-7d4b9c6f5-x2x8q", "php-fpm"]);
        assert_eq!(named(&mut pods, UID, Some(ID)), wanted);
        let sandbox = named(&mut pods, UID, Some(&ID.replace('3', "4")));
        assert_eq!(sandbox[2], None);
        let of_static = named(&mut pods, static_uid, None);
        assert_eq!(of_static[1].as_deref(), Some("etcd-node-1"));
    }

    #[test]
    fn what_is_no_name_is_none() {
        let logs = node(
            &[
                &format!("shop_we\u{1b}b_{UID}"),
                &format!("a_b_c_{UID}"),
                &format!("shop__{UID}"),
                UID,
            ],
            &["x.log", "a_b_c.log", "a_b_.log", &format!("a_b_C-{ID}.log")],
        );
        let mut pods = Pods::below(logs.path());
        assert_eq!(named(&mut pods, UID, Some(ID)), [None, None, None]);
        let mut elsewhere = Pods::below(Path::new("/none"));
        assert_eq!(named(&mut elsewhere, UID, None), [None, None, None]);
    }

    #[test]
    fn what_is_not_there_is_looked_for_again_later() {
        let logs = node(&[], &[]);
        let mut pods = Pods::below(logs.path());
        assert_eq!(named(&mut pods, UID, None)[0], None);
        fs::create_dir_all(logs.path().join(format!("pods/shop_web_{UID}"))).unwrap();
        assert_eq!(named(&mut pods, UID, None)[0], None, "at once again");
        pods.read = Instant::now().checked_sub(PAUSE);
        assert_eq!(named(&mut pods, UID, None)[0].as_deref(), Some("shop"));
    }

    #[test]
    fn a_pod_whose_files_are_gone_keeps_its_name() {
        let logs = node(&[&format!("shop_web_{UID}")], &[]);
        let mut pods = Pods::below(logs.path());
        assert_eq!(named(&mut pods, UID, None)[1].as_deref(), Some("web"));
        fs::remove_dir_all(logs.path().join("pods")).unwrap();
        pods.read = None;
        assert_eq!(named(&mut pods, "another", None)[1], None);
        assert_eq!(named(&mut pods, UID, None)[1].as_deref(), Some("web"));
        let many = (0..2 * MOST as u64).map(|n| (n.to_string(), n));
        let mut known = HashMap::new();
        for one in many {
            add(&mut known, std::iter::once(one));
            assert!(known.len() <= MOST);
        }
    }
}
