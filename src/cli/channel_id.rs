//! `expd channel-id`: the ID of a channel on the EXP network.

use clap::Args;

use super::failure::Failure;
use super::flags::ChannelFlags;
use super::output::Output;
use expd_domain::{self, Alphabet, IdentityKind};

/// Print the ID of a channel on the EXP network
///
/// Needs no daemon. The ID is Base64 of a JSON array. EXP's specification uses the URL-safe
/// alphabet, the vendor's SDKs use the standard one; the two spellings differ only where a `-`,
/// `_`, `+` or `/` appears.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd channel-id demo menu
  expd channel-id demo menu | base64 -d              [\"demo\",\"menu\",0,0]")]
pub(super) struct ChannelId {
    /// Organization of the channel
    organization: String,
    /// Channel name
    name: String,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Use the standard Base64 alphabet, as the vendor's SDKs do
    #[arg(long)]
    standard: bool,
}

impl ChannelId {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let channel = self.flags.channel(&self.name);
        // Checks only the name: a user may listen on every channel.
        channel
            .may_listen(IdentityKind::User)
            .map_err(|rule| Failure::Usage(rule.to_string()))?;
        let alphabet = if self.standard {
            Alphabet::Standard
        } else {
            Alphabet::UrlSafe
        };
        let id = expd_domain::ChannelId::encode(&self.organization, &channel, alphabet);
        Output::new().text(id.as_str()).await
    }
}
