//! The instance that a request names.

use std::sync::Arc;

use tonic::{Code, Status};

use super::context::ServiceContext;
use super::error;
use crate::access::Caller;
use crate::access::Verb;
use crate::bridge::Bridge;
use expd_domain::Quoted;

impl ServiceContext {
    /// The instance that a request names; none any more once the daemon stops. A caller whom no rule gives anything there hears
    /// the same of one that is there and one that is not, and of none that it did not name.
    pub(super) async fn bridge(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<&Arc<Bridge>, Status> {
        if self.stop.is_cancelled() {
            // A connection that was open before may bring one more call.
            return Err(error::stopping());
        }
        self.allow_instance(caller, verb, instance).await?;
        self.bridges.get(instance).ok_or_else(|| {
            let names = self.instances_for(caller);
            let why = format_args!(
                "no instance is named {}; configured for this caller are: {names}",
                Quoted(instance)
            );
            error::new(Code::NotFound, why)
        })
    }
}
