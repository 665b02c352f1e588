//! Scrapers, good and bad, over real sockets.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream as Client,
    thread,
};

use super::*;
use crate::{
    metrics::SERIES,
    record::Record,
    report::tests::{failed, session},
};

fn metrics() -> Metrics {
    let Record::Session(about) = session("web1", "2026-11-29T12:00:00Z") else {
        unreachable!("it is one");
    };
    let mut metrics = Metrics::new(&about, SERIES);
    metrics.take(&failed(1, "2026-11-29T12:00:01Z"));
    metrics
}

/// Serves until the client, in a thread of its own, has ended; what it answers, and the server.
fn served<T: Send + 'static>(
    mut metrics: Metrics,
    patience: Duration,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (T, Server) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut server = Server::bind(crate::metrics::address("0").unwrap()).unwrap();
        server.patience = patience;
        let address = server.address();
        let client = thread::spawn(move || client(address));
        while !client.is_finished() {
            tokio::select! {
                () = server.step(&mut metrics) => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            assert!(server.connections.len() <= CONNECTIONS);
        }
        (client.join().unwrap(), server)
    })
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_scraper_gets_the_numbers_and_others_are_told() {
    let (answers, _) = served(metrics(), PATIENCE, |address| {
        assert!(address.ip().is_loopback());
        let head = GET.replace("GET", "HEAD");
        [GET, &head, "GET / HTTP/1.1\r\n\r\n", "hello\n\n"].map(|asked| ask(address, asked))
    });
    let (head, body) = answers[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    assert!(body.contains("forktrace_failures_by_cause_total{cause=\"cgroup_pids_max\"} 1\n"));
    let (head, body) = answers[1].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.is_empty());
    assert!(answers[2].starts_with("HTTP/1.1 404 "), "{}", answers[2]);
    assert!(answers[3].starts_with("HTTP/1.1 400 "), "{}", answers[3]);
}

#[test]
fn a_thousand_who_say_nothing_keep_nobody_out() {
    let (took, _) = served(metrics(), Duration::from_secs(60), |address| {
        let silent: Vec<Client> = (0..1000)
            .filter_map(|_| Client::connect(address).ok())
            .collect();
        assert!(silent.len() > 900, "{} connected", silent.len());
        let begun = std::time::Instant::now();
        assert!(ask(address, GET).starts_with("HTTP/1.1 200 OK"));
        begun.elapsed()
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn who_is_slow_is_left() {
    let (lasted, server) = served(metrics(), Duration::from_millis(300), |address| {
        let mut client = Client::connect(address).unwrap();
        let begun = std::time::Instant::now();
        // A byte of a header now and then, for ever.
        client.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        while client.write_all(b"x").is_ok() && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    });
    assert!(lasted < Duration::from_secs(10), "{lasted:?}");
    assert!(server.connections.is_empty());
}

#[test]
fn what_is_huge_is_refused_before_it_has_come() {
    let (answer, _) = served(metrics(), PATIENCE, |address| {
        let mut client = Client::connect(address).unwrap();
        let mut sent = 0;
        while sent < 64 << 20 && client.write_all(&[b'a'; 4096]).is_ok() {
            sent += 4096;
        }
        sent
    });
    assert!(answer < 64 << 20, "all of it was taken");
}

/// Of an answer that nobody reads, no more is made than the sockets hold, and not twice.
#[test]
fn who_reads_nothing_is_left() {
    let mut large = metrics();
    large.rendered = Some("x".repeat(32 << 20).into());
    let (lasted, _) = served(large, Duration::from_millis(300), |address| {
        let mut client = Client::connect(address).unwrap();
        client.write_all(GET.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(1500));
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        answer.len()
    });
    assert!(lasted < 32 << 20, "{lasted} bytes");
}
