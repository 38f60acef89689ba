//! Loading settings: from the sources to checked settings, or to every mistake in them.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::digests::ValueDigests;
use super::embedded::{embed, follow};
use super::file::{FileEnd, UNFINISHED};
use super::layer::Layer;
use super::mistake::{ConfigErrors, Findings, Mistake, SettingOrigin, SettingOrigins};
use super::reader::Reader;
use super::route::Route;
use super::settings::Settings;
use super::wipe::wipe;
use super::{access, daemon, hub, instance, web};
use crate::exposure;
use expd_hub::HubSettings;

/// Settings file that is read by default, if it exists.
pub const DEFAULT_FILE: &str = "/etc/expd/expd.toml";

/// Sources of settings.
#[derive(Clone, Default)]
pub struct Source {
    /// Settings file, if one is to be read.
    pub file: Option<PathBuf>,
    /// Environment variables; only those with the prefix `EXPD__` are used.
    pub environment: Vec<(String, OsString)>,
    /// Systemd's credentials directory.
    pub credentials: Option<PathBuf>,
}

impl fmt::Debug for Source {
    // Without the values of variables: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Source")
            .field("file", &self.file)
            .field("environment", &names)
            .field("credentials", &self.credentials)
            .finish()
    }
}

impl Source {
    /// Sources of this process; the file is [`DEFAULT_FILE`], if it exists, unless another is
    /// named.
    pub fn from_process(file: Option<PathBuf>) -> Self {
        let default = Path::new(DEFAULT_FILE);
        // A file that exists and cannot be accessed is a mistake to report, not a missing file.
        let exists = || !matches!(default.try_exists(), Ok(false));
        Self {
            file: file.or_else(|| exists().then(|| default.to_owned())),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// Drops the file if this user may not read it. Returns a warning about that.
    pub fn pass_over_unreadable_file(&mut self) -> Option<Mistake> {
        let file = self.file.take_if(|file| is_denied(file))?;
        Some(Mistake {
            origin: SettingOrigin::file(&file),
            key: String::new(),
            what: "this user may not read it; the defaults apply".to_owned(),
            remedy:
                "that is fine for a network of your own; to use it, run as root or as its owner"
                    .to_owned(),
        })
    }
}

/// True for a file that this user may not read.
fn is_denied(file: &Path) -> bool {
    let opened = std::fs::File::open(file);
    opened.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Checked settings, with facts about their sources.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// File that was read, if any.
    pub file: Option<PathBuf>,
    /// Warnings, to be logged once the log is open.
    pub warnings: Vec<Mistake>,
    /// Digests of all values, to find the changed keys at a reload.
    pub digests: ValueDigests,
    /// True if `hub.listen` was set; otherwise `--embedded` may fall back to a free port.
    pub hub_listen_is_set: bool,
    pub(crate) file_end: FileEnd,
}

impl Loaded {
    /// Prepares settings for a running `expd serve`. Address and accounts of its embedded network
    /// stay as they are, so that its instances can still log in.
    ///
    /// # Errors
    /// No instance is configured.
    pub fn for_running(mut self, hub: Option<&HubSettings>) -> Result<Self, ConfigErrors> {
        if let Some(hub) = hub {
            follow(&mut self.settings, hub.listen);
            self.settings.hub = hub.clone();
        }
        self.for_serving(hub.is_some())
    }

    /// Prepares settings for `expd serve`: with an embedded network if wanted, and at least one
    /// instance.
    ///
    /// # Errors
    /// No instance is configured.
    pub fn for_serving(mut self, embedded: bool) -> Result<Self, ConfigErrors> {
        if embedded {
            self.settings = embed(self.settings);
        }
        if self.settings.instances.is_empty() {
            let mut findings = Findings::default();
            findings.mistake(
                self.file.as_deref().map_or(SettingOrigin::Defaults, SettingOrigin::file),
                "instances",
                "no instance is configured",
                "add [instances.default] with its credentials, or use --embedded for a network of your own",
            );
            findings.finish()?;
        }
        Ok(self)
    }
}

/// Warns of a settings file that others can change, or can read although it contains a secret.
fn warn_of_exposure(file: &Path, secret: bool, findings: &mut Findings) {
    if let Some(exposure) = exposure::changeable(file) {
        let (what, remedy) = (exposure.to_string(), exposure.remedy());
        findings.warning(SettingOrigin::file(file), "", what, remedy);
    }
    if let Some(exposure) = exposure::readable(file).filter(|_| secret) {
        let what = format!("{exposure}, which contains a secret");
        let remedy = format!(
            "{}, or keep secrets in files of their own (secret_file, LoadCredential=)",
            exposure.remedy()
        );
        findings.warning(SettingOrigin::file(file), "", what, remedy);
    }
}

/// Reads and checks the settings.
///
/// # Errors
/// All mistakes.
pub fn load(source: &Source) -> Result<Loaded, ConfigErrors> {
    let mut findings = Findings::default();
    let file = source
        .file
        .as_ref()
        .map(|file| Layer::from_file(file, &mut findings));
    // Further checks would only report every key as missing.
    let (file, file_end) = match file {
        Some(None) => {
            return Err(findings.finish().err().unwrap_or(ConfigErrors(Vec::new())));
        }
        Some(Some(read)) => read,
        None => <(Layer, FileEnd)>::default(),
    };
    let environment =
        Layer::from_environment(&source.environment, &file.instances(), &mut findings);
    let credentials = source
        .credentials
        .as_ref()
        .map(|directory| Layer::from_credentials(directory, &mut findings))
        .unwrap_or_default();
    if let Some(path) = &source.file {
        warn_of_exposure(path, file.holds_a_secret(), &mut findings);
    }
    let layers = [file, environment, credentials];

    let listen = Route::default().key("hub").key("listen");
    let hub_listen_is_set = layers.iter().any(|layer| layer.sets(&listen));
    let mut origins = SettingOrigins::new();
    // The library's builder is not used: it clones nested values, and leaves the secrets among them
    // in freed memory.
    let mut root = ::config::Value::new(None, ::config::ValueKind::Table(::config::Map::new()));
    for layer in &layers {
        layer.note_origins(&mut origins);
        layer.collect_to(&mut root);
    }
    drop(layers);
    let mut digests = ValueDigests::default();
    digests.note_all(&Route::default(), &root);
    let mut reader = Reader {
        root,
        origins,
        findings,
        digests,
    };
    reader.check_keys();
    let daemon = daemon::read(&mut reader, source.credentials.as_deref());
    let instances = instance::read_all(&mut reader);
    let names = reader.names(&Route::default().key("instances"));
    let web = web::read(&mut reader, &names, source.credentials.as_deref());
    let known = access::KnownNames {
        instances: &names,
        apps: &web.apps,
        tokens: &daemon.tokens,
    };
    let access = access::read(&mut reader, known);
    access::check_open(&mut reader, &daemon, &access);
    access::check_status(&mut reader, &access);
    if file_end.unfinished_line && !access.is_empty() {
        let origin = source
            .file
            .as_deref()
            .map_or(SettingOrigin::Defaults, SettingOrigin::file);
        let remedy = "end it with a newline: a reload refuses the file as it is";
        reader.findings.warning(origin, "", UNFINISHED, remedy);
    }
    let hub = hub::read(&mut reader);
    wipe(&mut reader.root);
    let digests = reader.digests;
    let warnings = reader.findings.finish()?;
    Ok(Loaded {
        settings: Settings {
            daemon,
            instances,
            access,
            hub,
            web,
        },
        file: source.file.clone(),
        warnings,
        digests,
        hub_listen_is_set,
        file_end,
    })
}
