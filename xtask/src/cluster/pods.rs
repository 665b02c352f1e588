//! What is run on the node: the DaemonSet of contrib/kubernetes, and a pod that is refused a process.

use super::{
    images::SHELL,
    node::{NAME, Node, PIDS},
};
use crate::{
    monitoring::{http, server::until},
    paths, run,
    test::Tally,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{fs, path::Path, process::Command};

const RECORDING: &str = "/var/lib/forktrace/failures.ndjson.zst";

/// Runs all of it.
pub(super) fn run(node: &Node, forktrace: &Path, tally: &mut Tally) {
    let applied = apply(node, forktrace);
    tally.step("cluster: an API server takes the DaemonSet", &applied);
    if applied.is_err() {
        return;
    }
    tally.step(
        "cluster: the DaemonSet's pod runs, and traces",
        &traces(node),
    );
    tally.step("cluster: the bounds that its pod gets", &bounds(node));
    let refused = refused(node);
    tally.step(
        "cluster: a pod's refusal is named by pod and limit",
        &refused,
    );
    tally.step("cluster: the numbers name the pod", &numbers(node));
    tally.step("cluster: it ends when it is removed", &removed(node));
}

fn apply(node: &Node, forktrace: &Path) -> Result<()> {
    let base = paths::root().join("contrib/kubernetes/base");
    let mut all = Vec::new();
    for name in ["namespace.yaml", "daemonset.yaml"] {
        all.push(fs::read_to_string(base.join(name)).with_context(|| format!("reading {name}"))?);
    }
    let mut manifests = all.join("---\n");
    let probes = run::capture(Command::new(forktrace).arg("probes"))?;
    // As the manifest says.
    if probes.contains("seen by tracepoint.") {
        const LIST: &str = "add: [BPF,";
        ensure!(manifests.contains(LIST), "the manifest has no {LIST}");
        manifests = manifests.replace(LIST, "add: [SYS_ADMIN, BPF,");
    }
    node.apply(&manifests)
}

fn traces(node: &Node) -> Result<()> {
    until("the DaemonSet's pod", || {
        let path = "jsonpath={.status.numberReady}";
        let ready = node.kubectl(&["-n", "forktrace", "get", "ds", "forktrace", "-o", path])?;
        Ok((ready == "1").then_some(()))
    })?;
    until("it says that it traces", || {
        let said = node.kubectl(&["-n", "forktrace", "logs", "ds/forktrace"])?;
        ensure!(said.contains("attached by"), "{said}");
        Ok(Some(()))
    })
}

/// What the manifest promises, as the node carries it out.
fn bounds(node: &Node) -> Result<()> {
    let status = in_pod(node, &["check", "--format", "json"]);
    ensure!(
        status.is_ok(),
        "it can't look from inside its pod: {status:?}"
    );
    let spec = node.kubectl(&["-n", "forktrace", "get", "pods", "-o", "json"])?;
    let spec: Value = serde_json::from_str(&spec)?;
    let pod = &spec["items"][0];
    ensure!(
        pod["status"]["qosClass"] == "Burstable",
        "{}",
        pod["status"]
    );
    ensure!(pod["spec"]["containers"][0]["securityContext"]["privileged"] == false);
    let mounts = &pod["spec"]["containers"][0]["volumeMounts"];
    let tokens = mounts.as_array().into_iter().flatten();
    let mut tokens = tokens.filter(|m| {
        m["mountPath"]
            .as_str()
            .is_some_and(|p| p.contains("serviceaccount"))
    });
    ensure!(tokens.next().is_none(), "it has a token: {mounts}");
    Ok(())
}

/// What forktrace prints in its pod.
fn in_pod(node: &Node, words: &[&str]) -> Result<String> {
    let exec = [
        "-n",
        "forktrace",
        "exec",
        "ds/forktrace",
        "--",
        "/forktrace",
    ];
    node.kubectl(&[&exec, words].concat())
}

fn refused(node: &Node) -> Result<()> {
    node.kubectl(&["create", "namespace", "shop"])?;
    node.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-0, namespace: shop}}\n\
         spec:\n  automountServiceAccountToken: false\n  terminationGracePeriodSeconds: 0\n  containers:\n  \
         - {{name: app, image: '{SHELL}', args: ['-c', 'while sleep 1; do for n in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; done']}}\n"
    ))?;
    let failure = until("a record of the pod's refusal", || {
        let ask = [
            "replay",
            "--format",
            "json",
            "--namespace",
            "shop",
            RECORDING,
        ];
        let printed = in_pod(node, &ask)?;
        let records = printed
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut failures = records.filter(|record| record["type"] == "failure");
        Ok(failures.next())
    })?;
    let is = |at: &str, wanted: Value| {
        let found = failure.pointer(at).unwrap_or(&Value::Null);
        ensure!(
            *found == wanted,
            "{at} is {found}, wanted {wanted}: {failure}"
        );
        Ok(())
    };
    is("/cause", "cgroup_pids_max".into())?;
    is("/errno", "EAGAIN".into())?;
    is("/limit/value", PIDS.into())?;
    is("/cgroup/namespace", "shop".into())?;
    is("/cgroup/pod_name", "web-0".into())?;
    is("/cgroup/container_name", "app".into())?;
    // The pod's limit, not the container's.
    let pod = failure["cgroup"]["pod"]
        .as_str()
        .context("no pod")?
        .to_owned();
    let scope = failure["limit"]["scope"].as_str().unwrap_or_default();
    let last = scope.rsplit('/').next().unwrap_or_default();
    ensure!(
        last.contains(&pod) || last.contains(&pod.replace('-', "_")),
        "{scope}"
    );
    let fixes = failure["fix"].to_string();
    ensure!(fixes.contains("podPidsLimit"), "{fixes}");
    let told = in_pod(node, &["replay", "--namespace", "shop", RECORDING])?;
    println!("{told}");
    // Of the node, not of the pod.
    ensure!(told.contains(&format!(" on {NAME} ")), "it names no node");
    ensure!(told.contains("pod shop/web-0"), "it names no pod");
    Ok(())
}

fn numbers(node: &Node) -> Result<()> {
    let path = "jsonpath={.items[0].status.podIP}";
    let address = node.kubectl(&["-n", "forktrace", "get", "pods", "-o", path])?;
    let metrics = http::get_from(&address, 9435, "/metrics")?;
    let of_pod = |line: &&str| {
        line.starts_with("forktrace_failures_total")
            && line.contains("pod=\"web-0\"")
            && line.contains("namespace=\"shop\"")
    };
    ensure!(metrics.lines().any(|line| of_pod(&line)), "{metrics}");
    Ok(())
}

fn removed(node: &Node) -> Result<()> {
    node.kubectl(&["delete", "namespace", "shop", "forktrace", "--timeout=60s"])
        .map(drop)
}
