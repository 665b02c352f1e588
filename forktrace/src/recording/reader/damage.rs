//! What a file had that could not be read.

/// What was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines that are no record of this schema.
    pub unreadable: u64,
    /// Bytes of lines without an end: what a crash left.
    pub torn_bytes: u64,
    /// Places where compressed data was damaged or cut off.
    pub bad_frames: u64,
    /// Lines of damaged frames that are not believed, as far as they could be counted.
    pub lost_lines: u64,
    /// Frames without an end, of which what there is could be read: they are still being written, or
    /// a crash came between two records.
    pub open_frames: u64,
    /// Frames that ask for more memory than they get.
    pub refused_frames: u64,
    /// The most that one of them asks for, in bytes.
    pub largest_window: u64,
}

impl Damage {
    /// Whether there is anything to say.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether records were lost that were in the file.
    pub fn lost_records(&self) -> bool {
        self.unreadable > 0 || self.torn_bytes > 0 || self.bad_frames > 0
    }

    /// What has come since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let refused_frames = self.refused_frames.saturating_sub(before.refused_frames);
        Self {
            unreadable: self.unreadable.saturating_sub(before.unreadable),
            torn_bytes: self.torn_bytes.saturating_sub(before.torn_bytes),
            bad_frames: self.bad_frames.saturating_sub(before.bad_frames),
            lost_lines: self.lost_lines.saturating_sub(before.lost_lines),
            open_frames: self.open_frames.saturating_sub(before.open_frames),
            refused_frames,
            largest_window: if refused_frames > 0 {
                self.largest_window
            } else {
                0
            },
        }
    }

    /// Adds another file's.
    pub fn add(&mut self, other: Self) {
        self.unreadable += other.unreadable;
        self.torn_bytes += other.torn_bytes;
        self.bad_frames += other.bad_frames;
        self.lost_lines += other.lost_lines;
        self.open_frames += other.open_frames;
        self.refused_frames += other.refused_frames;
        self.largest_window = self.largest_window.max(other.largest_window);
    }
}
