//! Request of a listener.

use std::time::Duration;

use expd_domain::{Channel, Overflow};
use expd_proto as proto;

use crate::convert;
use crate::error::ClientError;

/// Channel and options of a listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The configured identity; empty for the default one.
    pub instance: String,
    /// The channel.
    pub channel: Channel,
    /// Name of the events to receive; empty for all.
    pub name: String,
    /// Tag by which [`Client::clear_context`](crate::Client::clear_context) ends a group of
    /// listeners; empty for none.
    pub context: String,
    /// Age above which an event is skipped.
    pub max_age: Option<Duration>,
    /// Policy for a listener that falls behind the channel's log.
    pub overflow: Overflow,
    /// Position of an earlier listener; this one continues after it.
    pub resume: Option<Position>,
}

/// A position in a channel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// ID of the log.
    pub log_id: String,
    /// Sequence number of the last event that was handled.
    pub after: u64,
}

impl Listen {
    /// A listener for all events of a channel, on the default instance.
    pub fn to(channel: Channel) -> Self {
        Self {
            instance: String::new(),
            channel,
            name: String::new(),
            context: String::new(),
            max_age: None,
            overflow: Overflow::Skip,
            resume: None,
        }
    }

    pub(crate) fn to_wire(&self) -> Result<proto::ListenRequest, ClientError> {
        let overflow = match self.overflow {
            Overflow::Skip => proto::listener_options::Overflow::Skip,
            Overflow::Cancel => proto::listener_options::Overflow::Cancel,
        };
        Ok(proto::ListenRequest {
            instance: self.instance.clone(),
            channel: Some(convert::channel_to_wire(&self.channel)),
            name: self.name.clone(),
            context: self.context.clone(),
            options: Some(proto::ListenerOptions {
                max_age: self.max_age.map(convert::duration_to_wire).transpose()?,
                overflow: overflow.into(),
            }),
            payload_form: proto::PayloadForm::Json.into(),
            resume: self.resume.as_ref().map(|position| proto::Resume {
                log_id: position.log_id.clone(),
                after: position.after,
            }),
        })
    }
}
