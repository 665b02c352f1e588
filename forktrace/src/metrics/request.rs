//! What somebody asks for over HTTP, and the head of the answer. Of HTTP/1.1 a scrape needs one line: a
//! server of a crate's would bring keep-alive, chunks and upgrades, and with them most of its code.

/// Bytes that a request may have. A scraper's has a few hundred.
pub(super) const LONGEST: usize = 8192;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The numbers, with or without the body.
    Metrics { body: bool },
    /// Something else, and the status for it.
    Refused(Status),
}

/// Statuses that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// The request, once its head is whole; `None` until then.
pub(super) fn parse(bytes: &[u8]) -> Option<Request> {
    let Some(end) = end_of_head(bytes) else {
        let too_long = bytes.len() >= LONGEST;
        return too_long.then_some(Request::Refused(Status::TooLarge));
    };
    let head = &bytes[..end];
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(of_line(line).unwrap_or(Request::Refused(Status::BadRequest)))
}

/// Behind the first empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let crlf = memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let lf = memchr::memmem::find(bytes, b"\n\n").map(|at| at + 2);
    match (crlf, lf) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// `GET /metrics HTTP/1.1`.
fn of_line(line: &[u8]) -> Option<Request> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") {
        return None;
    }
    let body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => return Some(Request::Refused(Status::MethodNotAllowed)),
    };
    let path = target.split('?').next().unwrap_or(target);
    Some(match path {
        "/metrics" => Request::Metrics { body },
        _ => Request::Refused(Status::NotFound),
    })
}

/// The head of an answer with a body of so many bytes.
pub(super) fn head(status: Status, length: usize) -> String {
    let allow = match status {
        Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let kind = match status {
        Status::Ok => "text/plain; version=0.0.4; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    format!(
        "HTTP/1.1 {}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        status.line()
    )
}

/// What is said of what isn't there.
pub(super) fn text(status: Status) -> &'static str {
    match status {
        Status::NotFound => "forktrace has /metrics alone.\n",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_decides() {
        let asked = |text: &str| parse(text.as_bytes());
        let metrics = |body| Some(Request::Metrics { body });
        assert_eq!(
            asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
            metrics(true)
        );
        assert_eq!(asked("GET /metrics?a=b HTTP/1.0\r\n\r\n"), metrics(true));
        assert_eq!(asked("HEAD /metrics HTTP/1.1\n\n"), metrics(false));
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", Status::NotFound),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Status::NotFound),
            ("POST /metrics HTTP/1.1\r\n\r\n", Status::MethodNotAllowed),
            ("GET /metrics\r\n\r\n", Status::BadRequest),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("PRI * HTTP/2.0\r\n\r\n", Status::BadRequest),
            ("\r\n\r\n", Status::BadRequest),
            ("\n\n", Status::BadRequest),
            ("\u{16}\u{3}\u{1}\n\n", Status::BadRequest),
        ] {
            assert_eq!(asked(text), Some(Request::Refused(status)), "{text:?}");
        }
        assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(asked(""), None);
    }

    #[test]
    fn what_never_ends_is_too_large() {
        assert_eq!(parse(&[b'a'; LONGEST - 1]), None);
        let large = Some(Request::Refused(Status::TooLarge));
        assert_eq!(parse(&[b'a'; LONGEST]), large);
    }
}
