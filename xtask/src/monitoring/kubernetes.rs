//! The manifests, against the schemas of the API's versions. No node has run them here.

use crate::python::{self, Tool};
use crate::{paths, run};
use anyhow::Result;
use std::process::Command;

const VALIDATE: Tool = Tool {
    package: "kubernetes-validate==1.37.0",
    program: "kubernetes-validate",
};

const VERSIONS: [&str; 3] = ["1.28.0", "1.32.0", "1.37.0"];
const MANIFESTS: [&str; 2] = ["daemonset.yaml", "namespace.yaml"];

pub(super) fn check() -> Result<()> {
    let program = python::get(&VALIDATE)?.join(VALIDATE.program);
    let base = paths::root().join("contrib/kubernetes/base");
    for version in VERSIONS {
        let mut validate = Command::new(&program);
        validate.args(["--strict", "-k", version]);
        run::quiet(validate.args(MANIFESTS).current_dir(&base))?;
    }
    Ok(())
}
