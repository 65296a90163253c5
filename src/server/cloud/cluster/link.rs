//! The connection to the database: one, for statements and notifications alike, so that what is heard
//! comes in the order of what was written.

use std::future::{poll_fn, Future};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use log::{debug, warn};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, NoTls, Row};

use crate::server::cloud::cluster::schema;
use crate::server::database_url::{words, DatabaseUrl};
use crate::server::web::answer::Answer;

/// From a lost connection to the next attempt.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a statement may take: who asks the cloud gives up after 3 s. The database itself ends one after 1.5 s.
const STATEMENT_TIME: Duration = Duration::from_secs(2);
/// How long the beginning of a connection may take, the tables made included.
const SETUP_TIME: Duration = Duration::from_secs(10);

/// What is set in each connection; `callrec_cloud` is the channel of all notifications. What must survive a crash of the database turns `synchronous_commit` on
/// for itself; presence is written anew after one.
const SETTINGS: &str = "
    SET default_transaction_isolation = 'read committed';
    SET synchronous_commit = off;
    SET statement_timeout = 1500;
    LISTEN callrec_cloud;
";

/// The database cannot be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::cloud) struct Away;

impl From<Away> for Answer {
    fn from(_: Away) -> Self {
        Self::unavailable("the database is away")
    }
}

/// What the connection brings, in its order.
pub(in crate::server::cloud) enum Event {
    /// It is there. Nobody else uses it until `Link::open`.
    Up(Session),
    /// A notification's payload.
    Note(String),
    /// All that was notified before the request for this has been handed on.
    Reached(oneshot::Sender<()>),
    /// It is gone.
    Down,
}

/// An open connection.
pub(in crate::server::cloud) struct Session {
    client: Client,
    driver: AbortHandle,
}

/// A parameter of a statement, with its type: so that one round trip is enough.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

impl Session {
    /// Runs a statement.
    pub(super) async fn rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Away> {
        match timeout(STATEMENT_TIME, self.client.query_typed(sql, values)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(problem)) => {
                if self.client.is_closed() {
                    debug!("database: {}", words(&problem));
                } else {
                    warn!("database: {}", words(&problem));
                }
                Err(Away)
            }
            Err(_) => {
                warn!("database: no answer for {} s", STATEMENT_TIME.as_secs());
                self.fail();
                Err(Away)
            }
        }
    }

    /// Ends the connection; a new one will be made.
    pub(in crate::server::cloud) fn fail(&self) {
        self.driver.abort();
    }
}

/// The connection, and the attempts to have one.
pub(super) struct Link {
    url: DatabaseUrl,
    current: Mutex<Option<Arc<Session>>>,
    events: mpsc::UnboundedSender<Event>,
}

impl Link {
    pub(super) fn new(url: DatabaseUrl, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            url,
            current: Mutex::default(),
            events,
        }
    }

    /// The connection that is open.
    pub(super) fn session(&self) -> Result<Arc<Session>, Away> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or(Away)
    }

    /// From now on requests use it; `None`: it is gone.
    pub(super) fn open(&self, session: Option<Session>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = session.map(Arc::new);
    }

    /// Waits until all that was notified so far has been applied.
    pub(super) async fn settle(&self) -> Result<(), Away> {
        self.session()?.rows("SELECT 1", &[]).await?;
        let (sender, receiver) = oneshot::channel();
        let _ = self.events.send(Event::Reached(sender));
        receiver.await.map_err(|_| Away)
    }

    /// Keeps a connection, for ever.
    pub(super) async fn keep(&self) {
        let mut told = String::new();
        loop {
            match timeout(SETUP_TIME, self.connect()).await {
                Ok(Ok((session, driver))) => {
                    told.clear();
                    let _ = self.events.send(Event::Up(session));
                    let _ = driver.await;
                    let _ = self.events.send(Event::Down);
                    warn!("{}: the connection is lost", self.url);
                }
                failed => {
                    let problem = match failed {
                        Ok(Err(problem)) => words(&problem),
                        _ => "no answer in time".into(),
                    };
                    if problem != told {
                        warn!("{}: {problem}; it is tried again each second", self.url);
                        told = problem;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> Result<(Session, JoinHandle<()>), tokio_postgres::Error> {
        let (client, mut connection) = self.url.config().connect(NoTls).await?;
        let events = self.events.clone();
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(note)) => {
                        let _ = events.send(Event::Note(note.payload().into()));
                    }
                    Ok(_) => {}
                    Err(problem) => {
                        debug!("database: {}", words(&problem));
                        return;
                    }
                }
            }
        });
        let session = Session {
            client,
            driver: driver.abort_handle(),
        };
        let prepared = self.prepare(&session.client).await;
        prepared.inspect_err(|_| session.fail())?;
        Ok((session, driver))
    }

    fn prepare<'a>(
        &self,
        client: &'a Client,
    ) -> impl Future<Output = Result<(), tokio_postgres::Error>> + 'a {
        async {
            schema::make(client).await?;
            client.batch_execute(SETTINGS).await
        }
    }
}
