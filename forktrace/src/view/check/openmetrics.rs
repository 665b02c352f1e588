//! `check` for Prometheus: every limit that applies, in OpenMetrics.

use crate::{
    headroom::Headroom,
    metrics::limits_only,
    view::output::{Format, How},
};

pub(crate) const FORMAT: Format<Headroom> = Format {
    name: "openmetrics",
    about: "Numbers for Prometheus",
    for_people: false,
    how: How::Document(|headroom, _| limits_only(headroom)),
};
