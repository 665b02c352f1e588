//! What starting took, by stage: on a host in trouble every moment until the probes are in place is
//! missed.

use std::fmt;
use std::time::{Duration, Instant};

/// Stages in their order.
#[derive(Clone, Debug)]
pub struct StartTimes {
    stages: Vec<(&'static str, Duration)>,
    last: Instant,
}

impl StartTimes {
    /// Begins the first stage.
    pub fn begin() -> Self {
        Self {
            stages: Vec::new(),
            last: Instant::now(),
        }
    }

    /// Ends a stage, which is what came since the one before.
    pub fn end(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.stages.push((stage, now - self.last));
        self.last = now;
    }
}

impl fmt::Display for StartTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
        let total: Duration = self.stages.iter().map(|(_, time)| time).sum();
        write!(f, "started in {:.1} ms", ms(&total))?;
        for (at, (stage, time)) in self.stages.iter().enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}{stage} {:.1}", ms(time))?;
        }
        Ok(())
    }
}
