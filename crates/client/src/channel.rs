//! A channel of an identity, and broadcasts on it.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use expd_domain::{Channel, Payload};

use crate::error::ClientError;
use crate::exp::Exp;

/// Boxed future of a call that is built before it is awaited.
pub(crate) type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'a>>;

/// A channel of an identity.
#[derive(Clone, Debug)]
pub struct ChannelHandle {
    exp: Exp,
    channel: Channel,
}

impl Exp {
    /// A channel, by its name or with flags: `exp.channel("menu")`,
    /// `exp.channel(Channel::new("menu").consumer())`.
    pub fn channel(&self, channel: impl Into<Channel>) -> ChannelHandle {
        ChannelHandle {
            exp: self.clone(),
            channel: channel.into(),
        }
    }
}

impl ChannelHandle {
    /// Name and flags.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The identity.
    pub fn exp(&self) -> &Exp {
        &self.exp
    }

    /// Sends an event. Awaited, it gives the responses of 100 ms, or of the time that
    /// [`timeout`](SendBroadcast::timeout) names.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use expd_client::{Exp, json};
    /// # async fn example(exp: Exp) -> Result<(), expd_client::ClientError> {
    /// let menu = exp.channel("menu");
    /// let responses = menu.broadcast("hi", json!({"soup": "tomato"}))
    ///     .timeout(Duration::from_secs(2))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn broadcast(
        &self,
        name: impl Into<String>,
        payload: impl Into<Payload>,
    ) -> SendBroadcast<'_> {
        SendBroadcast {
            channel: self,
            name: name.into(),
            payload: payload.into(),
            timeout: None,
            wait: None,
        }
    }

    /// Asks the channel's devices to launch an app: a broadcast named `fling`.
    pub fn fling(&self, payload: impl Into<Payload>) -> SendBroadcast<'_> {
        self.broadcast("fling", payload)
    }

    /// Asks the channel's devices to identify themselves on screen: a broadcast named `identify`.
    pub fn identify(&self) -> SendBroadcast<'_> {
        self.broadcast("identify", Payload::null())
    }
}

/// A broadcast, sent when it is awaited.
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct SendBroadcast<'a> {
    channel: &'a ChannelHandle,
    name: String,
    payload: Payload,
    timeout: Option<Duration>,
    wait: Option<Duration>,
}

impl SendBroadcast<'_> {
    /// Time for which responses are collected. Default: 100 ms; at most an hour.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// While the instance is offline, waits for the connection for up to `wait`, and then sends
    /// once. Without this, the broadcast is refused.
    pub fn when_connected(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl<'a> IntoFuture for SendBroadcast<'a> {
    type Output = Result<Vec<Payload>, ClientError>;
    type IntoFuture = Call<'a, Vec<Payload>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.channel.exp.ready().await?;
            let instance = self.channel.exp.instance();
            let (channel, name, payload) = (&self.channel.channel, &self.name, &self.payload);
            let timeout = self.timeout;
            match self.wait {
                None => {
                    client
                        .broadcast(instance, channel, name, payload, timeout)
                        .await
                }
                Some(wait) => {
                    client
                        .broadcast_when_connected(instance, channel, name, payload, timeout, wait)
                        .await
                }
            }
        })
    }
}
