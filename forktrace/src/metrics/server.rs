//! Serves the numbers to who asks, on one thread, beside the tracing and after it.
//!
//! All is bounded: connections, the bytes of a request, the time that each may take, and how often the text
//! is made anew. A new connection takes the place of the one that has waited longest, so that those who
//! connect and say nothing keep nobody out: who asks at once is answered at once. [`Server::step`] does one
//! small thing and returns, so that records come first however many ask.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

use super::{
    Metrics,
    request::{self, Request, Status},
};

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// How long one may last, from its first byte to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks again within this time gets the text that was made for the one before.
const FRESH: Duration = Duration::from_millis(500);

/// Connections that are taken within a tenth of a second: who does nothing but connect gets no more of this
/// task's time than that takes.
const TAKEN: u32 = 50;
const WINDOW: Duration = Duration::from_millis(100);

/// Bytes that are written at once.
const PIECE: usize = 64 * 1024;

/// After an error of accept(2), which is for want of descriptors or memory.
const RETRY: Duration = Duration::from_secs(1);

/// A socket that listens, and who has connected.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    connections: Vec<Connection>,
    text: Option<(Rc<str>, Instant)>,
    not_before: Option<Instant>,
    /// When [`WINDOW`] began, and how many have been taken since.
    window: Instant,
    taken: u32,
    patience: Duration,
}

struct Connection {
    stream: TcpStream,
    deadline: Instant,
    state: State,
}

enum State {
    Asking(Vec<u8>),
    Answering {
        head: Rc<str>,
        body: Rc<str>,
        done: usize,
    },
    Over,
}

impl Server {
    /// Binds, within the event loop that is going to serve.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            connections: Vec::new(),
            text: None,
            not_before: None,
            window: Instant::now(),
            taken: 0,
            patience: PATIENCE,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until somebody wants something, and does a part of it. To be called again and again.
    pub async fn step(&mut self, metrics: &mut Metrics) {
        let first = self.connections.iter().map(|c| c.deadline).min();
        let due = first.into_iter().chain(self.not_before).min();
        tokio::select! {
            biased;
            () = std::future::poll_fn(|context| self.poll(context, metrics)) => {}
            () = until(due) => {
                let now = Instant::now();
                self.connections.retain(|connection| connection.deadline > now);
                self.not_before = self.not_before.filter(|then| *then > now);
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, metrics: &mut Metrics) -> Poll<()> {
        // Those who are there before those who come: an answer that can be given is given.
        let mut any = false;
        for at in 0..self.connections.len() {
            any |= self.advance(at, context, metrics);
        }
        self.connections
            .retain(|connection| !matches!(connection.state, State::Over));
        if any {
            return Poll::Ready(());
        }
        if self.not_before.is_some() {
            return Poll::Pending;
        }
        if self.taken >= TAKEN {
            self.not_before = Some(self.window + WINDOW);
            self.taken = 0;
            return Poll::Ready(());
        }
        match self.listener.poll_accept(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok((stream, _))) => {
                self.take(stream);
                Poll::Ready(())
            }
            Poll::Ready(Err(error)) => {
                // One that has gone again is no reason to wait.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    self.not_before = Some(Instant::now() + RETRY);
                }
                Poll::Ready(())
            }
        }
    }

    fn take(&mut self, stream: TcpStream) {
        let now = Instant::now();
        if now.duration_since(self.window) >= WINDOW {
            self.window = now;
            self.taken = 0;
        }
        self.taken += 1;
        if self.connections.len() >= CONNECTIONS {
            // They stand in the order in which they came; those who have asked stay longer.
            let mut all = self.connections.iter();
            let oldest = all.position(|c| matches!(c.state, State::Asking(_)));
            self.connections.remove(oldest.unwrap_or(0));
        }
        self.connections.push(Connection {
            stream,
            deadline: now + self.patience,
            state: State::Asking(Vec::new()),
        });
    }

    /// Reads or writes once; whether anything came of it.
    fn advance(&mut self, at: usize, context: &mut Context<'_>, metrics: &mut Metrics) -> bool {
        let connection = &mut self.connections[at];
        match &mut connection.state {
            State::Asking(asked) => {
                let Poll::Ready(answer) = read(&mut connection.stream, context, asked) else {
                    return false;
                };
                let request = match answer {
                    Ok(0) | Err(_) => {
                        connection.state = State::Over;
                        return true;
                    }
                    Ok(_) => request::parse(asked),
                };
                if let Some(request) = request {
                    connection.state = answering(request, &mut self.text, metrics);
                }
                true
            }
            State::Answering { head, body, done } => {
                let rest = match done.checked_sub(head.len()) {
                    None => &head.as_bytes()[*done..],
                    Some(done) => &body.as_bytes()[done..],
                };
                let piece = &rest[..rest.len().min(PIECE)];
                let stream = std::pin::Pin::new(&mut connection.stream);
                match stream.poll_write(context, piece) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(n)) if n > 0 => *done += n,
                    Poll::Ready(_) => *done = usize::MAX,
                }
                if *done >= head.len() + body.len() {
                    connection.state = State::Over;
                }
                true
            }
            State::Over => false,
        }
    }
}

fn read(
    stream: &mut TcpStream,
    context: &mut Context<'_>,
    asked: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let mut piece = [0; 1024];
    let room = piece
        .len()
        .min(request::LONGEST.saturating_sub(asked.len()));
    let mut buffer = ReadBuf::new(&mut piece[..room]);
    match std::pin::Pin::new(stream).poll_read(context, &mut buffer) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Ready(Ok(())) => {
            asked.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        }
    }
}

fn answering(
    request: Request,
    cached: &mut Option<(Rc<str>, Instant)>,
    metrics: &mut Metrics,
) -> State {
    let (status, body, with_body) = match request {
        Request::Metrics { body } => (Status::Ok, fresh(cached, metrics), body),
        Request::Refused(status) => (status, Rc::from(request::text(status)), true),
    };
    State::Answering {
        head: request::head(status, body.len()).into(),
        body: if with_body { body } else { Rc::from("") },
        done: 0,
    }
}

/// The text, at most [`FRESH`] old: however many ask, it is made so often.
fn fresh(cached: &mut Option<(Rc<str>, Instant)>, metrics: &mut Metrics) -> Rc<str> {
    let now = Instant::now();
    match cached {
        Some((text, made)) if now - *made < FRESH => Rc::clone(text),
        _ => {
            let text = metrics.text();
            *cached = Some((Rc::clone(&text), now));
            text
        }
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
