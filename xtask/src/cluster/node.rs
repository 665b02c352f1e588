//! One node, and what hands out its pods: each a process of its own, on loopback.

use super::{images, root::Inside};
use crate::{
    monitoring::{
        http::free_port,
        server::{Server, until},
    },
    paths, run,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the node is called.
pub(super) const NAME: &str = "node1";
/// The most processes of a pod on it (`podPidsLimit`).
pub(super) const PIDS: u64 = 64;
/// What pods' addresses are taken from.
const SUBNET: &str = "10.211.55.0/24";
const TOKEN: &str = "of-the-tests";

/// What kubelet (pkg/kubelet/cm/container_manager_linux.go `setupKernelTunables`) and the network's plugin set on the
/// host that they run on.
const SETTINGS: [&str; 7] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// Settings of this machine, which get their values back.
struct Settings(Vec<(PathBuf, String)>);

impl Settings {
    fn keep() -> Result<Self> {
        let all = SETTINGS.iter().map(|name| {
            let path = Path::new("/proc/sys").join(name);
            let value = fs::read_to_string(&path);
            let value = value.with_context(|| format!("reading {}", path.display()))?;
            Ok((path, value))
        });
        Ok(Self(all.collect::<Result<_>>()?))
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            if let Err(error) = fs::write(path, value) {
                eprintln!("xtask: writing {value} back to {}: {error}", path.display());
            }
        }
    }
}

/// A cluster of one node. Dropped, its containers are killed, its cgroups removed, and this machine's settings are as
/// before.
pub(super) struct Node {
    inside: Inside,
    /// In the order in which they end.
    servers: Vec<Server>,
    /// After all that changes them.
    _settings: Settings,
}

impl Node {
    /// Starts it, on a machine that is no node already.
    pub(super) fn start(root: &Path) -> Result<Self> {
        let find = ["/sys/fs/cgroup", "-type", "d", "-name", "kubepods*"];
        let there = run::capture(Command::new("find").args(find))?;
        ensure!(there.is_empty(), "this machine is a node already: {there}");
        let logs = paths::work_dir("cluster/logs")?;
        let own = root.join("k");
        for old in ["etcd", "certs", "kubelet-certs"] {
            let _ = fs::remove_dir_all(own.join(old));
        }
        for old in ["cni", "forktrace", "kubelet"] {
            let _ = fs::remove_dir_all(root.join("var/lib").join(old));
        }
        let ports = Ports::free()?;
        ports.write(root)?;
        let inside = Inside::new(root)?;
        run::quiet(inside.command("sh").args([
            "-ec",
            "openssl genrsa -out /k/sa.key 2048; openssl rsa -in /k/sa.key -pubout -out /k/sa.pub",
        ]))?;
        let mut node = Self {
            inside,
            servers: Vec::new(),
            _settings: Settings::keep()?,
        };
        node.serve(&logs, "containerd", &["--config", "/k/containerd.toml"])?;
        until("containerd", || node.quiet("ctr", &["version"]).map(Some))?;
        for image in images::ALL {
            let file = format!("/k/{image}.tar");
            let import = ["--namespace", "k8s.io", "images", "import", &file];
            node.quiet("ctr", &import)
                .with_context(|| format!("importing the image {image}"))?;
        }
        node.serve(&logs, "etcd", &strings(&ports.etcd()))?;
        node.serve(&logs, "kube-apiserver", &strings(&ports.api_server()))?;
        until("the API server", || {
            node.kubectl(&["get", "--raw", "/readyz"]).map(Some)
        })?;
        let client = [
            "--kubeconfig=/k/kubeconfig",
            "--leader-elect=false",
            "--port=0",
            "--secure-port=0",
        ];
        let key = "--service-account-private-key-file=/k/sa.key";
        node.serve(
            &logs,
            "kube-controller-manager",
            &[&client[..], &[key]].concat(),
        )?;
        node.serve(&logs, "kube-scheduler", &client)?;
        node.serve(
            &logs,
            "kubelet",
            &[
                "--kubeconfig=/k/kubeconfig",
                "--config=/k/kubelet.yaml",
                "--container-runtime=remote",
                "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
                &format!("--hostname-override={NAME}"),
                "--cert-dir=/k/kubelet-certs",
            ],
        )?;
        until("the node is ready", || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
            let ready = node.kubectl(&["get", "node", NAME, "-o", path])?;
            Ok((ready == "True").then_some(()))
        })?;
        Ok(node)
    }

    fn serve(&mut self, logs: &Path, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.inside.command(program);
        // What asks comes before what answers when they end.
        let server = Server::named(logs, program, command.args(arguments))?;
        self.servers.insert(0, server);
        Ok(())
    }

    fn quiet(&self, program: &str, arguments: &[&str]) -> Result<()> {
        run::quiet(self.inside.command(program).args(arguments))
    }

    /// What kubectl prints.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut kubectl = self.inside.command("kubectl");
        run::capture(kubectl.args(arguments).stdin(Stdio::null()))
    }

    /// Applies manifests.
    pub(super) fn apply(&self, manifests: &str) -> Result<()> {
        let mut kubectl = self.inside.command("kubectl");
        run::through(kubectl.args(["apply", "-f", "-"]), manifests.as_bytes()).map(drop)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        const SCRIPT: &str = r#"ctr -n k8s.io tasks list -q | while read -r task; do
            ctr -n k8s.io tasks kill -s KILL "$task"; ctr -n k8s.io tasks delete --force "$task"
            ctr -n k8s.io containers delete "$task"; done"#;
        // It would start them again: what was started last ends first, containerd last.
        while self.servers.len() > 1 {
            self.servers.remove(0);
        }
        let _ = self.quiet("sh", &["-c", SCRIPT]);
        self.servers.clear();
        // Empty ones, and none of anybody else's: see [`Self::start`].
        let script = "find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} +";
        let _ = run::quiet(Command::new("sh").args(["-c", script]));
    }
}

/// Where each listens.
struct Ports {
    etcd: u16,
    peers: u16,
    api_server: u16,
    kubelet: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self {
            etcd: free_port()?,
            peers: free_port()?,
            api_server: free_port()?,
            kubelet: free_port()?,
        })
    }

    fn etcd(&self) -> Vec<String> {
        let (clients, peers) = (
            format!("http://127.0.0.1:{}", self.etcd),
            format!("http://127.0.0.1:{}", self.peers),
        );
        vec![
            "--data-dir=/k/etcd".to_owned(),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ]
    }

    fn api_server(&self) -> Vec<String> {
        let all = [
            &format!("--etcd-servers=http://127.0.0.1:{}", self.etcd),
            "--bind-address=127.0.0.1",
            // Loopback isn't an address that it advertises.
            "--advertise-address=10.211.55.1",
            &format!("--secure-port={}", self.api_server),
            "--insecure-port=0",
            "--cert-dir=/k/certs",
            "--service-account-key-file=/k/sa.pub",
            "--service-account-signing-key-file=/k/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--token-auth-file=/k/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged",
            // Nobody resolves its name.
            "--kubelet-preferred-address-types=InternalIP",
        ];
        all.map(str::to_owned).into()
    }

    /// The files that they are started with.
    fn write(&self, root: &Path) -> Result<()> {
        let own = root.join("k");
        let put = |path: PathBuf, text: String| -> Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        };
        put(
            own.join("tokens.csv"),
            format!("{TOKEN},admin,1,\"system:masters\"\n"),
        )?;
        put(
            own.join("kubeconfig"),
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
                 clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{}', insecure-skip-tls-verify: true}}}}]\n\
                 users: [{{name: u, user: {{token: {TOKEN}}}}}]\n\
                 contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n",
                self.api_server
            ),
        )?;
        put(
            own.join("kubelet.yaml"),
            format!(
                "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                 authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}\n\
                 authorization: {{mode: AlwaysAllow}}\n\
                 cgroupDriver: cgroupfs\nfailSwapOn: false\npodPidsLimit: {PIDS}\n\
                 hairpinMode: none\nmakeIPTablesUtilChains: false\n\
                 evictionHard: {{nodefs.available: '1%', imagefs.available: '1%', memory.available: 100Mi}}\n\
                 port: {}\nhealthzPort: 0\nreadOnlyPort: 0\n",
                self.kubelet
            ),
        )?;
        put(
            own.join("containerd.toml"),
            format!(
                "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{}\"\n\
                 disable_apparmor = true\nrestrict_oom_score_adj = true\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = \"/k/cni\"\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n",
                images::PAUSE
            ),
        )?;
        put(
            own.join("cni/10-tests.conflist"),
            format!(
                "{{\"cniVersion\":\"0.4.0\",\"name\":\"tests\",\"plugins\":[{{\"type\":\"ptp\",\"ipMasq\":false,\
                 \"ipam\":{{\"type\":\"host-local\",\"ranges\":[[{{\"subnet\":\"{SUBNET}\"}}]],\
                 \"routes\":[{{\"dst\":\"0.0.0.0/0\"}}]}}}}]}}\n"
            ),
        )
    }
}

fn strings(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}
