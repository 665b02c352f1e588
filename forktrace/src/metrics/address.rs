//! Where to serve: loopback, unless somebody asks for more.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What can't be an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give a port (on 127.0.0.1 then), or an address and a port: 9435, 10.0.0.7:9435, [::1]:9435, 0.0.0.0:9435"
)]
pub struct BadAddress;

/// `9435`, `localhost:9435`, `0.0.0.0:9435`, `[::1]:9435`. No name is looked up: that takes threads, and a
/// resolver that answers.
pub fn address(text: &str) -> Result<SocketAddr, BadAddress> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if digits {
        let port = port.parse().map_err(|_| BadAddress)?;
        return Ok(SocketAddr::new(loopback, port));
    }
    text.parse().map_err(|_| BadAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        for (text, wanted) in [
            ("9435", "127.0.0.1:9435"),
            ("localhost:9435", "127.0.0.1:9435"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:9435", "[::1]:9435"),
            ("[::]:9435", "[::]:9435"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), wanted);
        }
        // What other programs take for all addresses is not guessed at.
        for bad in [
            "",
            ":9435",
            "*:9435",
            "65536",
            "-1",
            "host:9435",
            "::1",
            "9435 ",
        ] {
            assert_eq!(address(bad), Err(BadAddress), "{bad:?}");
        }
    }
}
