//! Lookup of the instance that a request names.

use std::sync::Arc;

use tonic::Status;

use super::context::ServiceContext;
use super::error;
use crate::access::Caller;
use crate::access::Verb;
use crate::bridge::Bridge;
use expd_domain::Quoted;

impl ServiceContext {
    /// Finds the instance that a request names: a configured one, or one that the caller's user
    /// runs. A caller without any permission on it gets the same refusal whether or not it exists,
    /// and never learns the name of another.
    pub(super) async fn bridge(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<Arc<Bridge>, Status> {
        if self.stop.is_cancelled() {
            // A connection from before the stop may still send calls.
            return Err(error::refused_at_stop());
        }
        self.allow_instance(caller, verb, instance).await?;
        let found = self.bridges.get_for(caller.user(), instance);
        found.ok_or_else(|| {
            let names = self.instances_for(caller);
            error::not_found(format_args!(
                "no instance is named {}; instances for this caller: {names}",
                Quoted(instance)
            ))
        })
    }
}
