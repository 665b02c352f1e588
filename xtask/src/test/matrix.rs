//! The table of what was named how: one for each attach style, cause by kernel.

use std::collections::{BTreeMap, BTreeSet};

/// What the scenario runners reported in their `MATRIX` lines.
#[derive(Default)]
pub(super) struct Matrix {
    /// Columns, in the order of the runs' kernels.
    kernels: Vec<String>,
    /// Style, cause, kernel → verdict → the cgroup layouts that it was given on.
    cells: BTreeMap<(String, String, String), BTreeMap<String, BTreeSet<String>>>,
}

impl Matrix {
    /// Whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Takes lines `MATRIX <cause> <style> <certainty> <named>`, separated by tabs. The last
    /// column is `right`, or what else became of the cause's name.
    pub(super) fn read(&mut self, kernel: &str, layout: &str, output: &str) {
        for line in output.lines() {
            let mut columns = line.split('\t');
            if columns.next() != Some("MATRIX") {
                continue;
            }
            let (Some(cause), Some(style), Some(certainty)) =
                (columns.next(), columns.next(), columns.next())
            else {
                continue;
            };
            let verdict = match columns.next() {
                None | Some("" | "right") => certainty.to_owned(),
                Some(named) => format!("**{named}** ({certainty})"),
            };
            if !self.kernels.iter().any(|known| known == kernel) {
                self.kernels.push(kernel.to_owned());
                self.kernels.sort_by_key(|name| order(name));
            }
            let cell = (style.to_owned(), cause.to_owned(), kernel.to_owned());
            let verdicts = self.cells.entry(cell).or_default();
            verdicts
                .entry(verdict)
                .or_default()
                .insert(layout.to_owned());
        }
    }

    /// One table for each style.
    pub(super) fn markdown(&self) -> String {
        let styles: BTreeSet<&String> = self.cells.keys().map(|(style, ..)| style).collect();
        let mut text = String::new();
        for style in styles {
            text.push_str(&format!(
                "### {style}\n\n| cause | {} |\n",
                self.kernels.join(" | ")
            ));
            text.push_str(&format!("|---|{}\n", "---|".repeat(self.kernels.len())));
            let rows = self.cells.keys().filter(|(of, ..)| of == style);
            let causes: BTreeSet<&String> = rows.map(|(_, cause, _)| cause).collect();
            for cause in causes {
                let cells = self
                    .kernels
                    .iter()
                    .map(|kernel| self.cell(style, cause, kernel));
                text.push_str(&format!(
                    "| {cause} | {} |\n",
                    cells.collect::<Vec<_>>().join(" | ")
                ));
            }
            text.push('\n');
        }
        text
    }

    /// What each kernel came to in each style: how many causes were named, and how surely.
    pub(super) fn support(&self) -> String {
        let styles: BTreeSet<&String> = self.cells.keys().map(|(style, ..)| style).collect();
        let names: Vec<&str> = styles.iter().map(|style| style.as_str()).collect();
        let mut text = format!("| kernel | {} |\n", names.join(" | "));
        text.push_str(&format!("|---|{}\n", "---|".repeat(styles.len())));
        for kernel in &self.kernels {
            let cells = styles.iter().map(|style| self.summary(style, kernel));
            let cells: Vec<String> = cells.collect();
            text.push_str(&format!("| {kernel} | {} |\n", cells.join(" | ")));
        }
        text
    }

    /// `31 causes: 24 observed, 7 inferred`; a verdict that was only sometimes given counts as the least
    /// sure.
    fn summary(&self, style: &str, kernel: &str) -> String {
        let cells = self.cells.iter();
        let cells = cells.filter(|((s, _, k), _)| s == style && k == kernel);
        let mut counts = [
            ("wrong", 0),
            ("unknown", 0),
            ("inferred", 0),
            ("observed", 0),
        ];
        for (_, verdicts) in cells {
            let has = |what: &str| verdicts.keys().any(|verdict| verdict.contains(what));
            if let Some((_, count)) = counts.iter_mut().find(|(what, _)| has(what)) {
                *count += 1;
            }
        }
        let all: u32 = counts.iter().map(|(_, count)| count).sum();
        let counts = counts.iter().rev().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(what, n)| format!("{n} {what}")).collect();
        match all {
            0 => "not run".to_owned(),
            all => format!("{all} causes: {}", counts.join(", ")),
        }
    }

    /// One verdict where all agree; else each with the layouts that it was given on.
    fn cell(&self, style: &str, cause: &str, kernel: &str) -> String {
        let key = (style.to_owned(), cause.to_owned(), kernel.to_owned());
        let Some(verdicts) = self.cells.get(&key) else {
            return "–".to_owned();
        };
        if verdicts.len() == 1 {
            return verdicts.keys().cloned().collect();
        }
        let each = verdicts.iter().map(|(verdict, layouts)| {
            let layouts: Vec<&str> = layouts.iter().map(String::as_str).collect();
            format!("{} {verdict}", layouts.join("+")).trim().to_owned()
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// This machine first, then the kernels by age, those of a special kind (`6.1-rt`, `6.18
/// preempt=full`) behind the plain one.
fn order(kernel: &str) -> (u32, u32, u32, bool) {
    let (version, kind) = match kernel.find(['-', ' ']) {
        Some(at) => kernel.split_at(at),
        None => (kernel, ""),
    };
    let mut numbers = version.split('.').map(str::parse);
    let special = !kind.is_empty();
    match (version, numbers.next(), numbers.next()) {
        ("native", ..) => (0, 0, 0, special),
        (_, Some(Ok(major)), Some(Ok(minor))) => (1, major, minor, special),
        _ => (2, 0, 0, special),
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, order};

    #[test]
    fn kernels_are_ordered_by_age_and_kind() {
        let wanted = [
            "native",
            "5.10",
            "6.1",
            "6.1-rt",
            "6.12",
            "6.12-rt",
            "6.18",
            "6.18 preempt=full",
            "newest",
        ];
        let mut sorted = wanted;
        sorted.reverse();
        sorted.sort_by_key(|name| order(name));
        assert_eq!(sorted, wanted);
    }

    #[test]
    fn makes_a_table_for_each_style() {
        let mut matrix = Matrix::default();
        matrix.read("newest", "v2", "MATRIX\tpid_max\tfexit\tobserved\tright\n");
        matrix.read(
            "6.1",
            "v2",
            "MATRIX\tpid_max\tfexit\tobserved\tright\nother\n",
        );
        matrix.read("6.1", "v1", "MATRIX\tpid_max\tfexit\tunknown\twrong\n");
        assert_eq!(
            matrix.support(),
            "| kernel | fexit |\n|---|---|\n| 6.1 | 1 causes: 1 wrong |\n\
             | newest | 1 causes: 1 observed |\n"
        );
        let text = matrix.markdown();
        assert!(text.contains("| cause | 6.1 | newest |"), "{text}");
        assert!(
            text.contains("| pid_max | v1 **wrong** (unknown), v2 observed | observed |"),
            "{text}"
        );
    }
}
