//! Arguments of `top`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Attach, Color, FilterArgs, RangeArgs, TimesArgs, TraceArgs, monitor::MonitorArgs};

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// A recording to show in time, in place of this host; plain or compressed.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// How fast a recording passes; times without records are cut short.
    #[arg(long, value_name = "N", value_parser = parse_speed, default_value = "1", requires = "file", help_heading = "Output")]
    pub speed: f64,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
    #[command(flatten)]
    pub times: TimesArgs,
    /// How to attach; auto takes the best that this kernel accepts.
    #[arg(long, value_enum, default_value_t = Attach::Auto, help_heading = "Tracing", hide_short_help = true)]
    pub attach: Attach,
    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
}

impl TopArgs {
    /// What tracing is asked for.
    pub(crate) fn tracing(&self) -> TraceArgs {
        TraceArgs {
            filter: self.filter.clone(),
            thread_stacks: false,
            attach: self.attach,
            seccomp: false,
            duration: None,
            count: None,
            fail: false,
            monitor: MonitorArgs::default(),
            ring_size: 1 << 20,
            verbose: false,
            btf: None,
            host: None,
            command: Vec::new(),
        }
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    let speed: Option<f64> = number.parse().ok();
    speed
        .filter(|speed| (0.125..=1e6).contains(speed))
        .ok_or_else(|| "give how many times as fast, from 0.125 to 1000000".to_owned())
}
