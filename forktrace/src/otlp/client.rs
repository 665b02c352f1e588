//! One POST at a time over HTTP/1.1.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    str::FromStr,
    time::{Duration, Instant},
};

/// For each part: connecting, writing, reading.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read; what is of use stands at its beginning.
const MOST: usize = 64 * 1024;

/// Where a collector receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: SocketAddr,
    /// Without the slash at its end.
    path: String,
}

/// What is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give the URL of a collector's OTLP/HTTP receiver by its address, as http://127.0.0.1:4318 (no TLS and no \
     host names: a collector on this host has both)"
)]
pub struct NoEndpoint;

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        let rest = text.strip_prefix("http://").ok_or(NoEndpoint)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let plain = |b: u8| b.is_ascii_graphic() && b != b'?' && b != b'#';
        if !path.bytes().all(plain) {
            return Err(NoEndpoint);
        }
        // 4318 is what the specification has for HTTP.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
                (host, port.parse().map_err(|_| NoEndpoint)?)
            }
            _ => (authority, 4318),
        };
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => {
                let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
                match v6 {
                    Some(v6) => IpAddr::V6(v6.parse().map_err(|_| NoEndpoint)?),
                    None => IpAddr::V4(host.parse().map_err(|_| NoEndpoint)?),
                }
            }
        };
        Ok(Self {
            address: SocketAddr::new(ip, port),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// Why something wasn't taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It may be taken later: the collector is away, busy, or failing.
    #[error("{why}")]
    Later {
        /// In words.
        why: String,
        /// What the collector wants to be left alone for.
        after: Option<Duration>,
    },
    /// The collector fails at it, now or always.
    #[error("{0}")]
    Failed(String),
    /// It will never be taken.
    #[error("{0}")]
    Never(String),
}

/// Sends requests to an endpoint.
pub struct Client {
    endpoint: Endpoint,
}

impl Client {
    /// To there.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Sends a request to `/v1/logs` or the like, and waits until it is taken. What the collector says that it
    /// has left out of it, in words.
    pub fn send(&self, to: &str, body: &[u8]) -> Result<Option<String>, SendError> {
        let answer = self.exchange(to, body).map_err(|error| SendError::Later {
            why: crate::model::without_numbers(&error),
            after: None,
        })?;
        judge(&answer)
    }

    fn exchange(&self, to: &str, body: &[u8]) -> io::Result<String> {
        let Endpoint { address, path } = &self.endpoint;
        let mut stream = TcpStream::connect_timeout(address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST {path}{to} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nUser-Agent: forktrace/{}\r\nConnection: close\r\n\r\n",
            body.len(),
            env!("CARGO_PKG_VERSION")
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let answer = read_answer(&mut stream)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// An answer up to its end, whether or not the connection ends there, too; of one that doesn't end, what has
/// come in time.
fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < MOST && !is_whole(&answer) {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let read = match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => stream
                .set_read_timeout(Some(left))
                .and_then(|()| stream.read(&mut piece)),
        };
        match read {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Its first line is enough.
            Err(_) if head(&answer).is_some() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// Where the body begins.
fn head(answer: &[u8]) -> Option<usize> {
    memchr::memmem::find(answer, b"\r\n\r\n").map(|at| at + 4)
}

/// As far as the answer says how long it is.
fn is_whole(answer: &[u8]) -> bool {
    let Some(body) = head(answer) else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..body]);
    let length = header(&head, "content-length").and_then(|length| length.parse::<usize>().ok());
    length.is_some_and(|length| answer.len() - body >= length)
}

fn header<'a>(answer: &'a str, wanted: &str) -> Option<&'a str> {
    let mut lines = answer.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// By the specification of OTLP/HTTP: 429, 502, 503, 504 are tried again, and whatever is no answer at all;
/// of a request that is taken in part, the rest isn't. What has failed within the collector (408, 500) may do
/// so whenever it gets this request.
fn judge(answer: &str) -> Result<Option<String>, SendError> {
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status: Option<u16> = words.next().and_then(|word| word.parse().ok());
    let Some(status) = status.filter(|_| http) else {
        return Err(SendError::Later {
            why: "what answers is no HTTP server".to_owned(),
            after: None,
        });
    };
    let after = header(answer, "retry-after").and_then(|seconds| seconds.parse().ok());
    let why = format!("the collector answers {status}");
    match status {
        200..=299 => Ok(left_out(answer)),
        429 | 502..=504 => Err(SendError::Later {
            why,
            after: after.map(Duration::from_secs),
        }),
        408 | 500 => Err(SendError::Failed(why)),
        _ => Err(SendError::Never(why)),
    }
}

/// `partialSuccess` of an answer.
fn left_out(answer: &str) -> Option<String> {
    let mut counts = ["rejectedLogRecords", "rejectedDataPoints"]
        .iter()
        .filter_map(|name| {
            let (_, rest) = answer.split_once(name)?;
            // 64-bit numbers are strings in protobuf's JSON.
            let digits = rest.trim_start_matches(['"', ':', ' ']);
            let end = digits.find(|c: char| !c.is_ascii_digit())?;
            digits[..end].parse::<u64>().ok().filter(|count| *count > 0)
        });
    let count = counts.next()?;
    Some(format!(
        "the collector has left out {count} of what it was sent"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    #[test]
    fn endpoints_are_addresses() {
        for (text, address, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318", ""),
            ("http://localhost", "127.0.0.1:4318", ""),
            ("http://[::1]:9/otlp/", "[::1]:9", "/otlp"),
            ("http://[::1]", "[::1]:4318", ""),
            ("http://10.0.0.7/a/b", "10.0.0.7:4318", "/a/b"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.address.to_string(), address, "{text}");
            assert_eq!(endpoint.path, path, "{text}");
        }
        for text in [
            "127.0.0.1:4318",
            "https://127.0.0.1",
            "http://collector:4318",
            "http://",
            "http://127.0.0.1:x",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nX: y",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(NoEndpoint), "{text:?}");
        }
    }

    #[test]
    fn answers_say_whether_to_try_again() {
        assert!(judge("HTTP/1.1 200 OK\r\n\r\n{}").is_ok());
        assert!(matches!(
            judge("HTTP/1.1 400 Bad Request\r\n\r\n"),
            Err(SendError::Never(_))
        ));
        for status in [408, 500] {
            let answer = judge(&format!("HTTP/1.1 {status} X\r\n\r\n"));
            assert!(matches!(answer, Err(SendError::Failed(_))), "{status}");
        }
        for (body, left_out) in [
            ("{}", None),
            (r#"{"partialSuccess":{}}"#, None),
            (r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#, None),
            (
                r#"{"partialSuccess":{"rejectedLogRecords":"7","errorMessage":"x"}}"#,
                Some("7 of"),
            ),
            (
                r#"{"partialSuccess": {"rejectedDataPoints": 2}}"#,
                Some("2 of"),
            ),
        ] {
            let says = judge(&format!("HTTP/1.1 200 OK\r\n\r\n{body}")).unwrap();
            assert_eq!(says.is_some(), left_out.is_some(), "{body}");
            assert!(
                says.unwrap_or_default()
                    .contains(left_out.unwrap_or_default())
            );
        }
        for again in ["HTTP/1.1 503 Busy\r\n\r\n", "", "SSH-2.0-x\r\n"] {
            let answer = judge(again);
            assert!(matches!(answer, Err(SendError::Later { .. })), "{again:?}");
        }
        let busy = judge("HTTP/1.1 429 X\r\nRetry-After: 7\r\n\r\n");
        let Err(SendError::Later { after, .. }) = busy else {
            panic!("{busy:?}");
        };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    /// A proxy that keeps the connection, though it was asked not to.
    #[test]
    fn an_answer_ends_where_it_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut piece = [0; 4096];
            let _ = stream.read(&mut piece).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(answer).unwrap();
            stream
        });
        let begun = Instant::now();
        let sent = Client::new(endpoint.parse().unwrap()).send("/v1/logs", b"{}");
        assert!(matches!(sent, Ok(None)), "{sent:?}");
        assert!(begun.elapsed() < PATIENCE);
        drop(server.join().unwrap());
    }

    #[test]
    fn a_request_is_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut piece = [0; 512];
            while !asked.ends_with(b"{\"a\":1}") {
                let n = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..n]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            String::from_utf8(asked).unwrap()
        });
        let endpoint = format!("http://{address}").parse().unwrap();
        Client::new(endpoint)
            .send("/v1/logs", b"{\"a\":1}")
            .unwrap();
        let asked = server.join().unwrap();
        assert!(asked.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nContent-Length: 7\r\n"), "{asked}");
        // Nobody there any more.
        let endpoint = format!("http://{address}").parse().unwrap();
        let gone = Client::new(endpoint).send("/v1/logs", b"{}");
        assert!(matches!(gone, Err(SendError::Later { .. })), "{gone:?}");
    }
}
