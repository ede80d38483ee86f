//! Why a configuration cannot be used.

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// File.
        path: String,
        /// Reason.
        why: String,
    },
    /// It is not what it should be.
    #[error("{path}:{line}:{column}: {message}")]
    Invalid {
        /// File.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file that it names is refused; the message names the place.
    #[error("{message}")]
    Refused {
        /// What is wrong and what to do, with the place in front.
        message: String,
        /// File and line, where there is one.
        place: Option<(String, u64)>,
    },
}

impl ConfigError {
    pub(crate) fn refused(why: &impl std::fmt::Display, file: &str, line: u64) -> ConfigError {
        let place = (line > 0).then(|| (file.to_owned(), line));
        ConfigError::Refused { message: why.to_string(), place }
    }

    /// File, line and column of it, as far as they are known.
    #[must_use]
    pub fn place(&self) -> Option<(&str, Option<u64>, Option<u64>)> {
        match self {
            ConfigError::Unreadable { path, .. } => Some((path, None, None)),
            ConfigError::Invalid { path, line, column, .. } => {
                Some((path, Some(*line as u64), Some(*column as u64)))
            }
            ConfigError::Refused { place, .. } => {
                place.as_ref().map(|(f, line)| (f.as_str(), Some(*line), None))
            }
        }
    }
}
