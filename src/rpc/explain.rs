//! `Daemon.Explain`: the access decision, with the rule that it rests on.

use std::io;

use tokio::task::spawn_blocking;
use tonic::Status;

use super::context::ServiceContext;
use super::{convert, error};
use crate::access::{Action, Caller, Grant, Miss, PageIdentity, Refusal, Verb};
use crate::bridge::Bridges;
use expd_domain::{ApiPath, Channel, Quoted};
use expd_proto as proto;
use expd_proto::explain_request::Caller as Asked;

/// Most rules that a refusal names.
const MOST_RULES: usize = 5;

/// The operation in question, parsed.
struct Question {
    verb: Verb,
    instance: String,
    channel: Option<Channel>,
    path: Option<ApiPath>,
    /// The event's name.
    name: Option<String>,
    method: String,
}

/// Explains the decision on a caller to an asker who may know it.
pub(super) async fn explain(
    context: &ServiceContext,
    asker: &Caller,
    request: proto::ExplainRequest,
) -> Result<proto::Explanation, Status> {
    let meant = request.caller.clone();
    let question = Question::new(request)?;
    let subject = subject(context, asker, meant, &question.instance).await?;
    let policy = context.access.borrow().clone();
    let rights = policy.rights(&subject);
    let administers = (policy.rights(asker)).permits(&question.instance, &Action::Administer(None));
    let decided = rights.explain(&question.instance, &question.action()?, administers);
    let (reason, rules, missed) = match decided {
        Ok(grants) => (allowed(&grants), Some(grants), Vec::new()),
        Err((refusal, missed)) => (refused(&refusal, &missed), None, missed),
    };
    Ok(proto::Explanation {
        allowed: rules.is_some(),
        caller: subject.to_string(),
        reason,
        rules: rules.into_iter().flatten().map(rule).collect(),
        missed: missed.into_iter().map(missed_rule).collect(),
    })
}

/// The caller in question. Explaining other users' programs needs `admin`: their units and groups,
/// and the rules on them, are not public.
async fn subject(
    context: &ServiceContext,
    asker: &Caller,
    meant: Option<Asked>,
    instance: &str,
) -> Result<Caller, Status> {
    let own = asker.user();
    let check = || context.allow_explaining(asker, instance);
    let found = match &meant {
        None => {
            asker.resolve_name().await;
            return Ok(asker.clone());
        }
        Some(Asked::Token(name)) => {
            if asker.token().is_none_or(|own| **own != **name) {
                check().await?;
            }
            let bearer = context.access.borrow().bearer(name);
            return bearer.ok_or_else(|| {
                let name = Quoted(name);
                error::not_found(format_args!("there is no token {name} in the settings"))
            });
        }
        Some(Asked::App(app)) => {
            check().await?;
            return Ok(Caller::of_page(PageIdentity {
                app: app.as_str().into(),
                origin: "any origin".into(),
            }));
        }
        // Checked before the lookup, whose result reveals whether the user exists.
        Some(Asked::Uid(uid)) => {
            let uid = *uid;
            if own != Some(uid) {
                check().await?;
            }
            looked_up(move || Caller::of_user(uid)).await
        }
        Some(Asked::Pid(pid)) => {
            let pid = *pid;
            let found = looked_up(move || Caller::of_process(pid)).await;
            let is_own = |caller: &Caller| own.is_some() && caller.user() == own;
            if !found.as_ref().is_ok_and(is_own) {
                check().await?;
            }
            found
        }
    };
    found.map_err(|reason| match meant {
        Some(Asked::Pid(pid)) if is_absent(&reason) => {
            error::not_found(format_args!("there is no process {pid}"))
        }
        Some(Asked::Pid(pid)) => {
            error::internal(format_args!("cannot inspect process {pid}: {reason}"))
        }
        _ => error::internal(format_args!("cannot look up the user's account: {reason}")),
    })
}

fn is_absent(error: &io::Error) -> bool {
    // ESRCH: the process ended during the lookup.
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// A caller with its name, looked up off the async threads.
async fn looked_up(
    find: impl FnOnce() -> io::Result<Caller> + Send + 'static,
) -> io::Result<Caller> {
    let lookup = spawn_blocking(move || {
        let caller = find()?;
        caller.look_up_name();
        Ok(caller)
    });
    lookup.await.map_err(io::Error::other)?
}

impl Question {
    fn new(request: proto::ExplainRequest) -> Result<Self, Status> {
        let verb = Verb::from_name(&request.verb).ok_or_else(|| {
            let verbs = Verb::NAMES.join(", ");
            let verb = Quoted(&request.verb);
            error::invalid(format_args!(
                "{verb} is not a permission; use one of {verbs}"
            ))
        })?;
        let lacks = |field: &str| {
            let verb = verb.name();
            error::invalid(format_args!("{verb} needs {field}; set it"))
        };
        let channel = request.channel;
        match verb {
            Verb::Listen | Verb::Broadcast if channel.is_none() => return Err(lacks("channel")),
            Verb::Request if request.path.is_empty() => return Err(lacks("path")),
            Verb::Run if request.instance.is_empty() => return Err(lacks("instance")),
            _ => {}
        }
        let path = Some(request.path).filter(|_| verb == Verb::Request);
        Ok(Self {
            verb,
            instance: Bridges::full_name(&request.instance).to_owned(),
            channel: channel
                .map(|channel| convert::channel_in(Some(channel)))
                .transpose()?,
            path: path
                .map(|path| ApiPath::parse(&path).map_err(error::invalid))
                .transpose()?,
            name: Some(request.name).filter(|name| !name.is_empty()),
            method: if request.method.is_empty() {
                "GET".to_owned()
            } else {
                request.method
            },
        })
    }

    fn action(&self) -> Result<Action<'_>, Status> {
        let (channel, name) = (self.channel.as_ref(), self.name.as_deref());
        Ok(match (self.verb, channel, &self.path) {
            (Verb::Listen, Some(channel), _) => Action::Listen(channel, name),
            (Verb::Broadcast, Some(channel), _) => Action::Broadcast(channel, name),
            (Verb::Request, _, Some(path)) => Action::Request(&self.method, path),
            (Verb::Respond, channel, _) => Action::Respond(channel.cloned()),
            (Verb::Run, ..) => Action::Run,
            (Verb::Status, Some(channel), _) => Action::ReadChannelStatus(channel),
            (Verb::Status, None, _) => Action::ReadStatus,
            (Verb::Admin, channel, _) => Action::Administer(channel),
            // `Self::new` refuses these.
            (Verb::Listen | Verb::Broadcast, None, _) => {
                return Err(error::internal("the question has no channel"));
            }
            (Verb::Request, _, None) => return Err(error::internal("the question has no path")),
        })
    }
}

fn allowed(grants: &[Grant]) -> String {
    match grants {
        [] => "allowed: there are no access rules, so everybody may".to_owned(),
        [grant] => format!("allowed by {} ({})", grant.rule, grant.text),
        grants => {
            let rules = grants.iter().map(|grant| {
                let verb = grant.verb.name();
                format!("{verb} by {} ({})", grant.rule, grant.text)
            });
            format!("allowed: {}", rules.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The refusal, with the rules that apply to this caller but do not grant the permission.
fn refused(refusal: &Refusal, missed: &[Miss]) -> String {
    let own: Vec<&Miss> = missed.iter().filter(|miss| miss.is_for_caller).collect();
    let named: Vec<String> = own
        .iter()
        .take(MOST_RULES)
        .map(ToString::to_string)
        .collect();
    let named = named.join("; ");
    let rules = match own.len() {
        _ if !matches!(refusal, Refusal::Denied { .. }) => String::new(),
        0 => "; no rule applies to this caller".to_owned(),
        1..=MOST_RULES => format!("; rules for this caller: {named}"),
        all => format!(
            "; rules for this caller: {named}, and {} more",
            all - MOST_RULES
        ),
    };
    format!("refused: {refusal}{rules}")
}

fn missed_rule(miss: Miss) -> proto::MissedRule {
    proto::MissedRule {
        rule: miss.rule,
        text: miss.text,
        conditions: miss.conditions,
        for_caller: miss.is_for_caller,
    }
}

fn rule(grant: Grant) -> proto::DecidingRule {
    proto::DecidingRule {
        rule: grant.rule,
        verb: grant.verb.name().to_owned(),
        text: grant.text,
    }
}
