//! Lookup of the instance that a request names.

use std::sync::Arc;

use tonic::{Code, Status};

use super::access::user_of;
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
            return Err(error::stopping());
        }
        self.allow_instance(caller, verb, instance).await?;
        let found = self.bridges.get_for(user_of(caller), instance);
        found.ok_or_else(|| {
            let names = self.instances_for(caller);
            let why = format_args!(
                "no instance is named {}; there are for this caller: {names}",
                Quoted(instance)
            );
            error::new(Code::NotFound, why)
        })
    }
}
