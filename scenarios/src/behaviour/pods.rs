//! Kubernetes pods, by files such as kubelet has them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;
use forktrace::record::Record;

use super::{Behaviour, await_failures, count_of, in_own_mounts, provoke, record};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::cgroup::Cgroup;
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "pods_have_names",
    run: named,
}];

const ID: &str = "3f1c0a5ce9b44c1f8d27ab6e05a1f3c29d8e7b60514f3a2c9e8d7b6a50413f2e";
const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
const POD: &str = "5b8c2f9e-3d41-4a77-9c05-1f2e3d4c5b6a";

/// One of two pods is asked for, by its namespace; its names are recorded, after privileges are given up. The host
/// is called as asked: in a pod, its own name is the pod's.
fn named(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("pods")?;
    let other_pod = POD.replace('5', "6");
    // Here, where the tree removes them: what runs in mounts of its own is another process.
    let home = |pod: &str, id: &str| tree.at(&["kubepods", "burstable", &format!("pod{pod}"), id]);
    let (home, other_home) = (home(POD, ID)?, home(&other_pod, OTHER)?);
    let caller = |home: &Cgroup| -> Result<Prober> {
        let caller = Prober::start("in-a-pod", Kind::PLAIN, 2, || {
            home.enter()?;
            Ok(Vec::new())
        })?;
        home.limit(1)?;
        Ok(caller)
    };
    in_own_mounts(|| {
        let (mut one, mut other) = (caller(&home)?, caller(&other_home)?);
        let logs = Path::new("/var/log");
        sys::mount("none", logs, "tmpfs", "")?;
        fs::create_dir_all(logs.join(format!("pods/shop_web-0_{POD}/php")))?;
        fs::create_dir_all(logs.join(format!("pods/other_web-0_{other_pod}/php")))?;
        fs::create_dir(logs.join("containers"))?;
        fs::write(logs.join(format!("containers/web-0_shop_php-{ID}.log")), "")?;
        let mut tracer = record(tests, &["--namespace", "shop", "--host", "node-1"])?;
        ensure!(tracer.session.host == "node-1", "{:?}", tracer.session);
        provoke(&mut other)?;
        provoke(&mut one)?;
        await_failures(&mut tracer, one.actor.pid(), 2)?;
        let others = count_of(&tracer, other.actor.pid());
        ensure!(others == 0, "{others} failures of another namespace");
        let mut records = tracer.lines.iter().map(|line| &line.record);
        let failure = records.find_map(|record| match record {
            Record::Failure(failure) => Some(&failure.cgroup),
            _ => None,
        });
        let cgroup = failure.context("no failure")?;
        let names = [&cgroup.namespace, &cgroup.pod_name, &cgroup.container_name];
        let names = names.map(|name| name.as_deref().unwrap_or_default());
        ensure!(names == ["shop", "web-0", "php"], "{cgroup:?}");
        tracer.end()?;
        Ok(())
    })
}
