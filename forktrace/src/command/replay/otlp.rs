//! `--otlp`: hands what a recording gets to an OpenTelemetry collector, and goes on from where it was.
//!
//! Nothing is read on while the collector is away, so that nothing is lost and no more than a batch is kept.
//! What has been taken stands in a file beside the recording, written after each batch: what is between the
//! two when it ends is sent once more.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    rc::Rc,
    thread::sleep,
    time::Duration,
};

use forktrace::{
    order::Order as _,
    otlp::{Client, Endpoint, Resource, SendError, Sums, logs, metrics},
    record::{Record, Session},
    recording::{FileId, Filter, Item, ReadError, Reader, Wanted, earlier_files, write_whole},
    view::{clean, without_numbers},
};
use serde::{Deserialize, Serialize};

use super::follow::Following;
use crate::exit::{Exit, UsageError};

/// Records that are sent at once.
const BATCH: usize = 512;

/// After a refusal it is tried again so much later, twice as late each time, up to the most.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);

/// How often a request is sent that the collector fails at: it may be the request.
const FAILED: u32 = 5;

/// Sends all that comes. Ends by a signal, or with what can't be read.
pub(super) fn run(path: &Path, endpoint: &Endpoint, wanted: Wanted) -> anyhow::Result<Exit> {
    if path == Path::new("-") {
        let text = "--otlp goes on from where it was, which standard input can't";
        return Err(UsageError(text.to_owned()).into());
    }
    let kept = State::file(path);
    let state = State::load(&kept)?;
    let begin = begin(path, state.as_ref()).map_err(|source| ReadError::Open {
        path: path.to_owned(),
        source,
    })?;
    let state = match (state, begin.known) {
        (Some(state), true) => state,
        // The sums go on: they are of everything that was ever sent.
        (state, _) => State {
            file: begin.id,
            begins: None,
            records: 0,
            resource: state.as_ref().and_then(|state| state.resource.clone()),
            sums: state.map(|state| state.sums).unwrap_or_default(),
        },
    };
    let mut skip = state.records;
    let mut files = Following::of(begin.file, path);
    let sender = Rc::new(RefCell::new(Sender {
        client: Client::new(endpoint.clone()),
        state,
        kept,
        file: Box::new(files.id()),
        batch: Vec::new(),
        read: 0,
        resource: Resource::default(),
        said: false,
    }));
    let idle = Rc::clone(&sender);
    files.when_idle(move || idle.borrow_mut().flush());
    let mut filter = Filter::new(wanted);
    while let Some(mut reader) = files.next()? {
        while let Some(item) = reader.next()? {
            let record = match item {
                Item::Record(record) => record,
                Item::Gap(gap) => {
                    filter.lose(&gap);
                    continue;
                }
            };
            let sent = skip > 0;
            skip = skip.saturating_sub(1);
            let mut sender = sender.borrow_mut();
            if let Record::Session(session) = &record {
                sender.begin_session(session, sent);
            }
            let record = filter.pass(record);
            if !sent {
                sender.take(record);
            }
        }
        files.ended(reader.damage());
        sender.borrow_mut().end_file();
        skip = 0;
    }
    Ok(Exit::Done)
}

fn id(file: &File) -> io::Result<FileId> {
    Ok(FileId::of(&file.metadata()?))
}

/// What is kept beside the recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// The file that `records` is about.
    file: FileId,
    /// When the session began that it begins with: another file may get its number.
    begins: Option<String>,
    /// Records that have been read from its beginning on, and sent where they were wanted.
    records: u64,
    /// Whom the sums are of; `None`: not known yet.
    #[serde(default)]
    resource: Option<Resource>,
    sums: Sums,
}

impl State {
    /// Another resource's sums begin at nothing: a collector adds up those of all.
    fn sums_of(&mut self, resource: &Resource) {
        let before = self.resource.replace(resource.clone());
        if before.is_some_and(|before| before != *resource) {
            self.sums = Sums::default();
        }
    }

    fn file(recording: &Path) -> PathBuf {
        let mut name = OsString::from(recording);
        name.push(".otlp");
        name.into()
    }

    fn load(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = path.to_owned();
                return Err(ReadError::Open { path, source }.into());
            }
        };
        let state = serde_json::from_slice(&text).map_err(|_| {
            let shown = path.to_string_lossy();
            let text = format!(
                "{}: this is no state of --otlp; without the file everything is sent anew",
                clean(&shown)
            );
            UsageError(text)
        })?;
        Ok(Some(state))
    }
}

/// Where reading begins.
struct Begin {
    file: File,
    id: FileId,
    /// It is the file that the state is about.
    known: bool,
}

/// The file that was read last, by whatever name; where that has been removed, the oldest, for all that are
/// there came after it; without a state, the one that is named.
fn begin(path: &Path, state: Option<&State>) -> io::Result<Begin> {
    let mut all = earlier_files(path).unwrap_or_default();
    all.order();
    all.push(path.to_owned());
    if let Some(state) = state {
        for candidate in &all {
            let Ok(file) = File::open(candidate) else {
                continue;
            };
            if id(&file)? == state.file && begins(candidate) == state.begins {
                return Ok(Begin {
                    id: state.file,
                    file,
                    known: true,
                });
            }
        }
        let _ = writeln!(
            io::stderr(),
            "forktrace: the file that was sent last is gone; what it may have had beyond that is not sent"
        );
    }
    let first = match state {
        Some(_) => &all[0],
        None => path,
    };
    let file = File::open(first)?;
    Ok(Begin {
        id: id(&file)?,
        file,
        known: false,
    })
}

/// When the session began that a file begins with.
fn begins(path: &Path) -> Option<String> {
    match Reader::open(path).ok()?.read().ok()?? {
        Record::Session(session) => Some(session.started),
        _ => None,
    }
}

struct Sender {
    client: Client,
    state: State,
    /// Where the state is kept.
    kept: PathBuf,
    /// Which file is being read.
    file: Box<dyn Fn() -> Option<FileId>>,
    batch: Vec<Record>,
    /// Records that have been read since the state was kept.
    read: u64,
    resource: Resource,
    /// That the collector is away, or the state can't be kept, has been said.
    said: bool,
}

impl Sender {
    /// What comes is another's.
    fn end_file(&mut self) {
        self.flush();
        self.state.records = 0;
        self.state.begins = None;
    }

    /// What came before may be of another resource; `sent`: what comes is counted already.
    fn begin_session(&mut self, session: &Session, sent: bool) {
        let resource = Resource::of(session);
        if resource != self.resource {
            self.flush();
            self.resource = resource;
        }
        if !sent {
            self.state.sums_of(&self.resource);
        }
        if self.state.records + self.read == 0 {
            self.state.begins = Some(session.started.clone());
        }
    }

    /// One more; `None`: it isn't wanted.
    fn take(&mut self, record: Option<Record>) {
        self.read += 1;
        if let Some(record) = record {
            self.state.sums.add(&record);
            self.batch.push(record);
        }
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Sends what there is, however long that takes, and keeps how far it has come.
    fn flush(&mut self) {
        if self.read == 0 {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        if let Some(request) = logs(&self.resource, &batch) {
            self.send("/v1/logs", &request, batch.len());
            let sums = metrics(&self.resource, &self.state.sums);
            self.send("/v1/metrics", &sums, 0);
        }
        self.state.records += std::mem::take(&mut self.read);
        self.state.file = (self.file)().unwrap_or(self.state.file);
        let kept = serde_json::to_vec(&self.state).map_err(io::Error::other);
        let written = kept.map(|text| write_whole(&self.kept, true, &text));
        if let Ok(Err(error)) = written
            && !std::mem::replace(&mut self.said, true)
        {
            let error = anyhow::Error::from(error);
            say(&format!("{error:#}; after a restart it will be sent again"));
        }
    }

    fn send(&mut self, to: &str, request: &serde_json::Value, records: usize) {
        let body = request.to_string();
        let mut pause = FIRST;
        let mut failed = 0;
        loop {
            match self.client.send(to, body.as_bytes()) {
                Ok(left_out) => {
                    self.said = false;
                    if let Some(why) = left_out {
                        say(&format!("{to}: {why}"));
                    }
                    return;
                }
                Err(SendError::Failed(_)) if failed + 1 < FAILED => {
                    failed += 1;
                    sleep(pause);
                    pause = (pause * 2).min(MOST);
                }
                Err(SendError::Never(why) | SendError::Failed(why)) => {
                    say(&format!("{to}: {why}; {records} records are left out"));
                    return;
                }
                Err(SendError::Later { why, after }) => {
                    if !std::mem::replace(&mut self.said, true) {
                        say(&format!("{to}: {why}; it is tried again until it is taken"));
                    }
                    sleep(after.unwrap_or(pause).min(MOST));
                    pause = (pause * 2).min(MOST);
                }
            }
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "forktrace: {}", without_numbers(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_one_resource() {
        let of = |host: &str| -> Resource {
            let text = format!(r#"{{"host":"{host}","boot_id":null,"kernel":"6","version":"1"}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let text = r#"{"since":"","until":"","causes":{},"lost":{},"oom_kills":3}"#;
        let counted: Sums = serde_json::from_str(text).unwrap();
        let mut state = State {
            file: id(&File::open("/dev/null").unwrap()).unwrap(),
            begins: None,
            records: 0,
            resource: None,
            sums: counted.clone(),
        };
        // One that was kept before resources were, and one that goes on.
        state.sums_of(&of("a"));
        state.sums_of(&of("a"));
        assert_eq!(state.sums, counted);
        state.sums_of(&of("b"));
        assert_eq!(state.sums, Sums::default());
    }
}
