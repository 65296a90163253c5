//! How a command fails.

/// The message, and by its kind the exit status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command could not be carried out: status 1.
    Failed(String),
    /// The command line is wrong: status 2.
    Usage(String),
}

impl Failure {
    /// The message and the exit status.
    pub(crate) fn into_message(self) -> (String, u8) {
        match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
        }
    }
}

/// A usage error.
pub(crate) fn usage<T>(message: &str) -> Result<T, Failure> {
    Err(Failure::Usage(message.into()))
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}
