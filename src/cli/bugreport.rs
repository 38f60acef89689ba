//! `expd bugreport`: packs diagnostics for the vendor, without secrets.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use zeroize::Zeroizing;

use super::daemon_socket::DaemonSocket;
use super::doctor;
use super::failure::Failure;
use super::output::{self, Output, Progress, printable};
use super::redactor::{Redactor, is_secret, without_secrets};
use super::service::has_run_as_service;
use super::status_page::StatusPage;
use super::system::command;
use crate::config::{self, Credentials, Settings, Source, StateEnvironment};
use crate::upstream::credentials::PairedStore;
use expd_client::Status;

/// Number of journal lines in a report.
const JOURNAL_LINES: &str = "5000";

/// Limit of a settings file or a secret file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Collect diagnostics: versions, settings, status, journal, metrics, units, doctor
///
/// Writes an archive NAME.tar.gz, or a folder if OUTPUT ends with a slash. Secrets are removed:
/// those of the settings and of paired devices wherever they occur, and everything that has the
/// form or the name of a secret. Review the report before you send it. Run this as root, to include
/// the journal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd bugreport
  expd bugreport /tmp/report/                        a folder, for review")]
pub(super) struct BugReport {
    /// Output file, or folder; must not exist [default: expd-report-TIME.tar.gz]
    output: Option<PathBuf>,
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Files of a report: name and content.
type Files = Vec<(&'static str, String)>;

impl BugReport {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        if has_run_as_service(self.config.as_deref()).await? {
            return Ok(());
        }
        let progress = Progress::new();
        let collecting = Box::pin(self.collect(&socket));
        let files = progress.during(Some("collecting"), collecting).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        let output = self.output.clone();
        let output = output.unwrap_or_else(|| format!("expd-report-{seconds}.tar.gz").into());
        let is_folder = output.as_os_str().as_encoded_bytes().ends_with(b"/");
        let written = if is_folder {
            write_folder(&output, &files)
        } else {
            write_archive(&output, &files, seconds)
        };
        written.map_err(|error| {
            let output = output.display();
            Failure::Failed(format!("cannot write the report to {output}: {error}"))
        })?;
        output::note("secrets were removed; review the report before you send it");
        let shown = output.display().to_string();
        Output::new().text(&printable(&shown)).await
    }

    async fn collect(&self, socket: &DaemonSocket) -> Files {
        let source = Source::from_process(self.config.clone());
        let loaded = config::load(&source);
        let mut redactor = Redactor::default();
        let table = source.file.as_deref().map(settings_of);
        let settings_text = match table {
            Some(Ok(mut table)) => {
                redactor.add_all(&table);
                add_secret_files(&mut redactor, &table);
                without_secrets(&mut table);
                toml::to_string(&table).unwrap_or_default()
            }
            // Invalid TOML may contain a secret anywhere.
            Some(Err(error)) => format!("# left out: {error}\n"),
            None => "# no settings file\n".to_owned(),
        };
        // Every credential with the name of a secret: invalid settings do not tell which ones are
        // used.
        let credentials = source.credentials.as_deref().map(std::fs::read_dir);
        for entry in credentials.into_iter().flatten().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_secret) {
                add_file(&mut redactor, &entry.path());
            }
        }
        let mut socket = socket.clone();
        let mut metrics = None;
        let mistakes = match &loaded {
            Ok(loaded) => {
                add_secrets(&mut redactor, &loaded.settings);
                socket.path = socket.path.or(loaded.settings.daemon.socket.clone());
                metrics = loaded.settings.daemon.metrics;
                let warnings = loaded.warnings.iter().map(ToString::to_string);
                warnings.collect::<Vec<_>>().join("\n")
            }
            Err(mistakes) => mistakes.to_string(),
        };
        for (name, value) in &source.environment {
            if let (true, Some(value)) = (name.starts_with("EXPD__"), value.to_str()) {
                let entry = toml::Value::String(value.to_owned());
                redactor.add_all(&toml::Table::from_iter([(name.clone(), entry)]));
            }
        }
        let status = match socket.connect().await {
            Ok(client) => client.status().await.map_err(|error| error.to_string()),
            Err(failure) => Err(failure.to_string()),
        };
        if let Ok(status) = &status {
            add_pairing_codes(&mut redactor, status);
        }
        let findings = Box::pin(doctor::examine(self.config.clone(), socket.clone())).await;
        let (status_text, status_json) = match &status {
            Ok(status) => {
                let page = StatusPage::new(SystemTime::now());
                let page = page.render(status, &socket.path().display().to_string());
                let page = anstream::adapter::strip_str(&page).to_string();
                (
                    page,
                    serde_json::to_string_pretty(status).unwrap_or_default(),
                )
            }
            Err(error) => (error.clone(), String::new()),
        };
        let doctor = anstream::adapter::strip_str(&findings.text()).to_string();
        let files = vec![
            ("system.txt", system().await),
            ("settings.toml", settings_text),
            ("settings-findings.txt", mistakes),
            ("status.txt", status_text),
            ("status.json", status_json),
            ("doctor.txt", doctor),
            ("metrics.txt", metrics_of(metrics).await),
            ("units.txt", units().await),
            ("journal.txt", journal().await),
        ];
        let clean = |(name, text): (_, String)| (name, redactor.clean(&text));
        files.into_iter().map(clean).collect()
    }
}

/// Reason why the settings file is left out of a report.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// The parser's own message would quote the text.
    #[error("not valid TOML")]
    NotToml,
}

/// Reads the settings file as TOML.
fn settings_of(file: &Path) -> Result<toml::Table, LeftOut> {
    read(file)?.parse().map_err(|_| LeftOut::NotToml)
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(file)?, LARGEST), &mut text)?;
    Ok(text)
}

/// Adds the secrets in the files that a document names.
fn add_secret_files(redactor: &mut Redactor, table: &toml::Table) {
    for (name, value) in table {
        match value {
            toml::Value::Table(table) => add_secret_files(redactor, table),
            toml::Value::Array(items) => {
                for table in items.iter().filter_map(toml::Value::as_table) {
                    add_secret_files(redactor, table);
                }
            }
            toml::Value::String(file) if name.strip_suffix("_file").is_some_and(is_secret) => {
                add_file(redactor, Path::new(file));
            }
            _ => {}
        }
    }
}

fn add_file(redactor: &mut Redactor, file: &Path) {
    if let Ok(secret) = read(file).map(Zeroizing::new) {
        redactor.add(secret.trim_end_matches(['\n', '\r']));
    }
}

fn add_secrets(redactor: &mut Redactor, settings: &Settings) {
    let environment = StateEnvironment::from_process();
    let state_dir = config::state_dir(settings, &environment);
    for (name, instance) in &settings.instances {
        match &instance.credentials {
            Credentials::Device { secret, .. } => {
                if let Some(secret) = secret {
                    redactor.add(secret.expose());
                }
            }
            Credentials::User { password, .. } => redactor.add(password.expose()),
            Credentials::ConsumerApp { api_key, .. } => redactor.add(api_key.expose()),
        }
        let stored = state_dir
            .as_deref()
            .map(|folder| PairedStore::new(folder, name).read());
        if let Some(Ok(Some(stored))) = stored {
            redactor.add(stored.key.secret.expose());
        }
    }
    for device in &settings.hub.devices {
        redactor.add(device.secret.expose());
    }
    for app in &settings.hub.consumer_apps {
        redactor.add(app.api_key.expose());
    }
    for key in [&settings.hub.operator_key, &settings.hub.token_key]
        .into_iter()
        .flatten()
    {
        redactor.add(key.expose());
    }
}

/// Adds the pairing codes: anybody who has one can claim the device.
fn add_pairing_codes(redactor: &mut Redactor, status: &Status) {
    for it in &status.instances {
        let code = it
            .identity
            .as_ref()
            .and_then(|it| it.pairing_code.as_deref());
        if let Some(code) = code {
            redactor.add(code);
            redactor.add(&expd_domain::identity::display_pairing_code(code));
        }
    }
}

async fn system() -> String {
    let mut text = format!(
        "expd {} ({} {})\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    for file in [
        "/etc/os-release",
        "/proc/version",
        "/proc/uptime",
        "/proc/loadavg",
    ] {
        section(&mut text, file, read(Path::new(file)));
    }
    let meminfo = read(Path::new("/proc/meminfo"));
    let first = |text: String| text.lines().take(5).collect::<Vec<_>>().join("\n");
    section(&mut text, "/proc/meminfo", meminfo.map(first));
    for (program, arguments) in [
        ("date", &["--iso-8601=seconds"][..]),
        ("ip", &["-brief", "address"]),
        ("ip", &["route"]),
        ("df", &["-h"]),
    ] {
        section(&mut text, program, command(program, arguments).await);
    }
    text
}

async fn units() -> String {
    let mut text = String::new();
    for arguments in [
        &["--version"][..],
        &[
            "status",
            "--no-pager",
            "--lines=0",
            "expd.service",
            "expd.socket",
        ],
        &["cat", "--no-pager", "expd.service", "expd.socket"],
    ] {
        section(
            &mut text,
            "systemctl",
            command("systemctl", arguments).await,
        );
    }
    text
}

async fn journal() -> String {
    let units = ["-u", "expd.service", "-u", "expd.socket"];
    let form = ["-n", JOURNAL_LINES, "-o", "short-iso", "--no-pager"];
    let arguments = [&units[..], &form[..]].concat();
    command("journalctl", &arguments)
        .await
        .unwrap_or_else(|error| error.to_string())
}

async fn metrics_of(address: Option<std::net::SocketAddr>) -> String {
    let Some(address) = address else {
        return "daemon.metrics is not set\n".to_owned();
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build();
    let got = async {
        let answer = client?
            .get(format!("http://{address}/metrics"))
            .send()
            .await?;
        answer.text().await
    };
    got.await
        .unwrap_or_else(|error: reqwest::Error| error.to_string())
}

fn section(text: &mut String, name: &str, content: Result<String, impl Display>) {
    let content = content.unwrap_or_else(|error| error.to_string());
    text.extend(["\n== ", name, "\n", content.trim_end(), "\n"]);
}

fn write_folder(folder: &Path, files: &Files) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    for (name, text) in files {
        new_file(&folder.join(name))?.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn write_archive(path: &Path, files: &Files, seconds: u64) -> io::Result<()> {
    let file = new_file(path)?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        let name = format!("expd-report/{name}");
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

/// Creates a file that only this user can read. Fails if it exists.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
