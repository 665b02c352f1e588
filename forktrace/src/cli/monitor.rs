//! Arguments of what `live` and `record` are watched by.

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgGroup, Args, ValueHint};
use forktrace::metrics::{MOST_SERIES, SERIES, address};

/// Where numbers and entries go, beside the output.
#[derive(Debug, Default, Args)]
#[command(
    next_help_heading = "Monitoring",
    group = ArgGroup::new("numbers").args(["metrics_file", "metrics"]).multiple(true)
)]
pub(crate) struct MonitorArgs {
    /// Keep what was refused, and how full the nearest limits are, as numbers in this file, for
    /// node_exporter's textfile collector; its name ends in `.prom`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
    /// Serve the same numbers to Prometheus, at /metrics: on this port of 127.0.0.1, or on this address
    /// and port.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub metrics: Option<SocketAddr>,
    /// Give so many combinations of labels a series each; the others are summed up in series that say
    /// `other`.
    #[arg(long, value_name = "N", value_parser = parse_series, default_value_t = SERIES, requires = "numbers", hide_short_help = true)]
    pub metrics_series: usize,
    /// Write each failure to systemd's journal as well, with fields: CAUSE=, ERRNO=, LIMIT=, OWNER=,
    /// UNIT=.
    #[arg(long)]
    pub journal: bool,
}

fn parse_series(text: &str) -> Result<usize, String> {
    let series = text.parse().ok().filter(|n| (1..=MOST_SERIES).contains(n));
    series.ok_or_else(|| format!("give a number of series from 1 to {MOST_SERIES}"))
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn a_number_of_series_is_of_metrics() {
        let taken = |more: &[&str]| {
            let all = [&["forktrace", "record", "-o", "x.ndjson"], more].concat();
            Cli::try_parse_from(all).is_ok()
        };
        assert!(taken(&[]));
        assert!(taken(&["--metrics", "9735", "--metrics-series", "10"]));
        assert!(taken(&[
            "--metrics-file",
            "x.prom",
            "--metrics-series",
            "10"
        ]));
        assert!(!taken(&["--metrics-series", "10"]));
    }
}
