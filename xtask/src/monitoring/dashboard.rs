//! The dashboard of `contrib/grafana`: there is no Grafana to be had here, so that its shape is checked, and
//! its queries are asked of a Prometheus.

use crate::paths;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;

const DASHBOARD: &str = "contrib/grafana/forktrace.json";

/// Columns of the grid.
const COLUMNS: u64 = 24;

fn panels() -> Result<Vec<Value>> {
    let text = fs::read_to_string(paths::root().join(DASHBOARD))?;
    let dashboard: Value = serde_json::from_str(&text).context("it is no JSON")?;
    let panels = dashboard["panels"].as_array().context("it has no panels")?;
    Ok(panels.clone())
}

/// Every query, with Grafana's variables filled in.
pub(super) fn queries() -> Result<Vec<String>> {
    let panels = panels()?;
    let all = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let queries = all.flatten().filter_map(|target| target["expr"].as_str());
    Ok(queries
        .map(|query| {
            let query = query.replace("$__rate_interval", "10m");
            query.replace("$__range", "10m").replace("$instance", ".*")
        })
        .collect())
}

/// Panels are where they can be, each with queries about metrics that there are.
pub(super) fn check(metrics: &str) -> Result<()> {
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    for panel in panels()? {
        let title = panel["title"].as_str().context("a panel without a title")?;
        ensure!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        let at = |what: &str| panel["gridPos"][what].as_u64().context("no place");
        let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
        ensure!(x + w <= COLUMNS, "{title}: off the grid");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            ensure!(taken.insert(cell), "{title}: over another panel");
        }
        let targets = panel["targets"].as_array().context("no queries")?;
        ensure!(!targets.is_empty(), "{title}: no query");
    }
    for query in queries()? {
        ensure!(!query.contains('$'), "{query}: a variable that isn't known");
        let names = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = names.filter(|name| name.starts_with("forktrace_"));
        for name in ours {
            let there = metrics.lines().any(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            ensure!(there, "{query}: there is no {name}");
        }
    }
    Ok(())
}
