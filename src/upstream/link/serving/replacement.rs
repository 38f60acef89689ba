//! Replacement of the present connection, step by step, as its rotation says.

use super::{End, Serving};
use crate::journal::JournalEvent;
use crate::router::{Incoming, Report};
use crate::upstream::link::connection::{Connection, RefusedChannels};
use crate::upstream::link::rotation::{Rotation, Step};
use crate::upstream::session::SessionState;
use expd_domain::LinkCause;

impl Serving {
    /// Takes the steps of a replacement that are due now.
    pub(super) async fn advance(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        loop {
            rotation.maintain().await;
            let recent = &self.recent;
            let is_known = |held: &Incoming| recent.knows(&held.channel, &held.broadcast.id);
            match rotation.next(connection, is_known) {
                Step::Wait => break,
                Step::RejectToken(serial) => self.parts.session.reject(serial),
                Step::Open => self.open_replacement(rotation),
                Step::AbandonUnwanted => self.abandon_unwanted(connection, rotation),
                Step::ReportRefusals(refusals) => {
                    for RefusedChannels { channels, reason } in refusals {
                        log::warn!(event = JournalEvent::SubscriptionRefused, instance = self.parts.name; "the network refuses {} channels on the replacement connection; the present one stays in use: {reason}", channels.len().max(1));
                    }
                }
                Step::ReportUnexpected(unexpected) => self.count_unexpected(&unexpected),
                Step::Fence => match connection.fence().await {
                    Ok(true) => rotation.wait_for_fence(),
                    // Nothing is subscribed, so nothing can be in transit.
                    Ok(false) => self.finish_rotation(connection, rotation).await,
                    Err(error) => {
                        return Err(End::Broken(LinkCause::Closed, error.to_string()));
                    }
                },
            }
        }
        self.ask_new_channels(connection, rotation).await
    }

    fn open_replacement(&self, rotation: &mut Rotation) {
        let Some(session) = self.states.borrow().session().cloned() else {
            return rotation.cancel();
        };
        // Includes newly wanted channels that were not asked for on the present connection yet:
        // they are asked for on both.
        let (channels, _) = self.all_wanted(&session);
        let detected = (self.detected.clone()).filter(|_| self.is_detected_with(&session));
        rotation.open(&self.parts, detected, session, channels);
    }

    /// Lets the new connection take over.
    pub(super) async fn finish_rotation(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) {
        let is_known = |held: &Incoming| self.recent.knows(&held.channel, &held.broadcast.id);
        let finished = std::mem::take(rotation).finish(connection, is_known);
        let Some((new, held)) = finished else {
            return;
        };
        let old = std::mem::replace(connection, new);
        self.new_channels.clear();
        let until = old.subscriptions.verified_until();
        let lacking = connection.subscriptions.lacking(&old.subscriptions);
        self.closing.spawn(old.close());
        self.parts.counters.connects.inc();
        log::debug!(instance = self.parts.name; "the new connection took over");
        self.publish_online(connection);
        self.report_asked(connection.subscriptions.all()).await;
        if !lacking.is_empty() {
            log::warn!(instance = self.parts.name; "the new connection took over without {} channels that the network has not confirmed; asking again", lacking.len());
            let lost = lacking.into_iter().map(|channel| (channel, until));
            self.report(Report::Lost(lost.collect())).await;
        }
        let confirmed = connection.subscriptions.confirmed_channels();
        self.report(Report::Confirmed(confirmed)).await;
        self.refusal_notice.end(connection);
        self.forward(held, connection.kind()).await;
        // The token may have changed again meanwhile.
        let newer = matches!(&*self.states.borrow(), SessionState::LoggedIn(session)
            if session.serial > connection.session.serial);
        if newer {
            rotation.start();
        }
    }
}
