//! Amounts for people.

use super::Unit;

/// A number of what a limit counts.
pub fn amount(n: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => bytes(n),
        Unit::Tasks
        | Unit::Ids
        | Unit::Mappings
        | Unit::Namespaces
        | Unit::Levels
        | Unit::Descriptors
        | Unit::Files
        | Unit::HugePages => n.to_string(),
    }
}

/// Bytes for people: binary units, three digits.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 99.95 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes(3 * (1 << 30) / 2), "1.5 GiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }
}
