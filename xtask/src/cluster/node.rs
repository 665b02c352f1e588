//! One node, and what hands out its pods: each a process of its own, on loopback.

use super::{config::Ports, images, root::Inside, settings::Settings};
use crate::{
    monitoring::server::{Server, until},
    paths, run,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// What the node is called.
pub(super) const NAME: &str = "node1";
/// The most processes of a pod on it (`podPidsLimit`).
pub(super) const PIDS: u64 = 64;

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

fn strings(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}
