//! Units that systemd could not give a process, or whose program could not be executed: from what
//! `systemctl show` prints of all that are loaded.

/// Properties that [`parse`] reads, as `systemctl show --property` takes them.
pub const PROPERTIES: &str = "Id,Result,ExecMainStatus,StateChangeTimestamp";

/// `EXIT_EXEC` and `EXIT_LIMITS` (systemd.exec(5), "Process exit codes").
pub const EXIT_EXEC: i32 = 203;
/// The same manual's 205: a limit of the unit could not be set.
pub const EXIT_LIMITS: i32 = 205;

/// A unit that failed for want of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedUnit {
    /// The unit's name.
    pub unit: String,
    /// Why it failed.
    pub why: Why,
    /// As systemd prints it, in this machine's zone; when its state was last another.
    pub since: Option<String>,
}

/// Why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `Result=resources`.
    Resources,
    /// Its process ended with [`EXIT_EXEC`].
    Exec,
    /// Its process ended with [`EXIT_LIMITS`].
    Limits,
}

/// What is printed of each unit is lines of `name=value`, and an empty one between two.
pub fn parse(printed: &str) -> Vec<FailedUnit> {
    printed.split("\n\n").filter_map(unit).collect()
}

fn unit(lines: &str) -> Option<FailedUnit> {
    let of = |name: &str| {
        let mut found = lines.lines().filter_map(|line| line.split_once('='));
        found.find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
    };
    let why = match (
        of("Result")?,
        of("ExecMainStatus").and_then(|n| n.parse().ok()),
    ) {
        ("resources", _) => Why::Resources,
        ("exit-code", Some(EXIT_EXEC)) => Why::Exec,
        ("exit-code", Some(EXIT_LIMITS)) => Why::Limits,
        _ => return None,
    };
    Some(FailedUnit {
        unit: of("Id")?.to_owned(),
        why,
        since: of("StateChangeTimestamp").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_without_a_process_or_a_program() {
        let printed = "Id=a.service\nResult=resources\nStateChangeTimestamp=Sun 2026-11-29 10:00:00 UTC\nExecMainStatus=0\n\n\
                       Id=b.service\nResult=success\nExecMainStatus=0\n\n\
                       Result=exit-code\nId=c.service\nExecMainStatus=203\nStateChangeTimestamp=\n\n\
                       Id=d.service\nResult=exit-code\nExecMainStatus=1\n\n\
                       Id=e.timer\nResult=success\n\nId=f.service\nResult=exit-code\nExecMainStatus=205\n";
        let units = parse(printed);
        let names: Vec<_> = units.iter().map(|unit| (&*unit.unit, unit.why)).collect();
        assert_eq!(
            names,
            [
                ("a.service", Why::Resources),
                ("c.service", Why::Exec),
                ("f.service", Why::Limits)
            ]
        );
        assert_eq!(
            units[0].since.as_deref(),
            Some("Sun 2026-11-29 10:00:00 UTC")
        );
        assert_eq!(units[1].since, None);
        for odd in ["", "\n\n\n", "Result=resources", "=\n=\n", "Id=x\nResult"] {
            assert_eq!(parse(odd), [], "{odd:?}");
        }
    }
}
