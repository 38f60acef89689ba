//! Opening a listener for a caller, in stream or pull form.

use tonic::Status;

use super::bounds::checked;
use super::context::ServiceContext;
use super::convert;
use super::frame::EventEncoder;
use super::permission::StreamPermission;
use super::server::{Call, program_of};
use crate::access::{Caller, Verb};
use crate::router::{ListenSpec, Listener, Resume};
use expd_domain::Overflow;
use expd_proto as proto;

/// A listener opened for a caller.
pub struct OpenedListener {
    pub listener: Listener,
    pub encoder: EventEncoder,
    pub permission: StreamPermission,
}

/// Opens a listener as a call requests, within the memory budget of its user.
pub async fn open(
    context: &ServiceContext,
    request: proto::ListenRequest,
    caller: &Caller,
    call: &Call,
) -> Result<OpenedListener, Status> {
    let request = checked(request)?;
    let verb = Verb::Listen;
    let bridge = context.bridge(caller, verb, &request.instance).await?;
    let form = request.payload_form();
    let channel = convert::channel_in(request.channel)?;
    call.note_target(&bridge.name, Some(&channel));
    let name = Some(request.name).filter(|name| !name.is_empty());
    // Created before the check, so that a reload between the two is noticed.
    let event = name.as_deref();
    let permission = context.stream_permission(caller, &bridge, &channel, event);
    let events = context.allow_listening(caller, &bridge, &channel, event);
    let events = events.await?;
    let options = request.options.unwrap_or_default();
    let overflow = match options.overflow() {
        proto::listener_options::Overflow::Skip => Overflow::Skip,
        proto::listener_options::Overflow::Cancel => Overflow::Cancel,
    };
    let max_age = convert::duration_in("options.max_age", options.max_age)?;
    let spec = ListenSpec {
        channel: channel.clone(),
        name,
        events,
        context: request.context,
        max_age: max_age.filter(|age| !age.is_zero()),
        overflow,
        resume: request.resume.map(|resume| Resume {
            log_id: resume.log_id,
            after: resume.after,
        }),
        peer: program_of(caller),
        page: None,
        token: caller.token().cloned(),
        memory: Some(call.connection().memory().clone()),
    };
    let listener = bridge.listen(spec).await?;
    let encoder = EventEncoder::new(&listener, form, move || bridge.channel_id(&channel));
    Ok(OpenedListener {
        listener,
        encoder,
        permission,
    })
}
