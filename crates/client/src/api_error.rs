//! EXP's refusal of a call to its HTTP API.

use std::fmt;

use expd_domain::{Payload, Quoted};

/// EXP's refusal of a call to its API.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u32,
    /// A short name for programs; empty if EXP sends none.
    pub code: String,
    /// A sentence for people; empty if EXP sends none.
    pub message: String,
    /// The whole response.
    pub payload: Payload,
    /// The call.
    pub call: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EXP answered {} to {}", self.status, self.call)?;
        if !self.message.is_empty() {
            write!(f, ": {}", Quoted(&self.message))?;
        }
        if !self.code.is_empty() {
            write!(f, " [{}]", Quoted(&self.code))?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}
