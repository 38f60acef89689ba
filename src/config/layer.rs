//! Where settings come from: the file (read in `file`), the environment, the credentials directory. Each becomes a [`Layer`] of
//! entries with their origins; the `config` crate lays one over the other.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use config::{ConfigError, Map, Value, ValueKind};

use super::keys::{self, PREFIX};
use super::mistake::{Findings, Origin, Origins};
use super::route::{Route, Step};
use super::text_file::{LARGEST_SECRET, read_text, trimmed};
use super::wipe::wipe_kind;

/// Items of an array of tables that the environment may reach, so that a stray index does not fill the memory.
const MOST_ITEMS: usize = 1000;
const SEPARATOR: &str = "__";

/// One value, and where it was set. An empty table stands for the table itself.
#[derive(Clone)]
struct Entry {
    route: Route,
    kind: ValueKind,
    origin: Origin,
}

/// All that one source sets.
#[derive(Clone, Default)]
pub(super) struct Layer {
    entries: Vec<Entry>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        wipe_kind(&mut self.kind);
    }
}

impl fmt::Debug for Layer {
    // Without the values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.entries.iter().map(|entry| entry.route.to_string());
        f.debug_set().entries(keys).finish()
    }
}

impl Layer {
    /// Takes every variable whose name begins with `EXPD__`. Names of instances are matched to `instances`, the file's, whatever
    /// their case, `-` being the same as `_`.
    pub(super) fn from_environment(
        variables: &[(String, OsString)],
        instances: &[String],
        findings: &mut Findings,
    ) -> Self {
        let mut layer = Self::default();
        let mut variables: Vec<_> = variables.iter().collect();
        variables.sort();
        for (variable, value) in variables {
            let upper = variable.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix(PREFIX) else {
                continue;
            };
            let origin = Origin::Variable(variable.clone());
            let Some(value) = value.to_str() else {
                findings.mistake(origin, "", "the value is not UTF-8", "set it to UTF-8 text");
                continue;
            };
            if value.is_empty() {
                continue;
            }
            match variable_route(rest, instances) {
                Some(route) => layer.push(&route, ValueKind::String(value.to_owned()), &origin),
                None => findings.mistake(
                    origin,
                    "",
                    "the name has an empty part, or an index beyond what is taken",
                    "write EXPD__SECTION__KEY, as in EXPD__DAEMON__SOCKET",
                ),
            }
        }
        layer
    }

    /// Takes every file named `expd.INSTANCE.K` in systemd's credentials directory, and the keys of `expd.hub`.
    pub(super) fn from_credentials(directory: &Path, findings: &mut Findings) -> Self {
        let mut layer = Self::default();
        let listed = std::fs::read_dir(directory).and_then(|entries| {
            let mut names: Vec<OsString> = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<_>>()?;
            names.sort();
            Ok(names)
        });
        let names = match listed {
            Ok(names) => names,
            Err(error) => {
                findings.mistake(
                    Origin::Credential(directory.to_owned()),
                    "",
                    format!("cannot list the credentials directory: {error}"),
                    "unset CREDENTIALS_DIRECTORY, or let the daemon's user read it",
                );
                return layer;
            }
        };
        for name in names.iter().filter_map(|name| name.to_str()) {
            let Some(rest) = name.strip_prefix("expd.") else {
                continue;
            };
            // `expd.toml` and the like are somebody else's use of the directory.
            let Some((instance, key)) = rest.split_once('.') else {
                continue;
            };
            let path = directory.join(name);
            let origin = Origin::Credential(path.clone());
            let hub = Route::default().key("hub");
            let table = Route::default()
                .key("instances")
                .key(instance)
                .key("credentials");
            let route = if instance == "hub" && keys::find("hub", key).is_some() {
                hub.key(key)
            } else {
                table.key(key)
            };
            if keys::find(&route.parent().section(), key).is_none() {
                let known = keys::nearest(&table.section(), key);
                let known = known.rsplit('.').next().unwrap_or_default();
                findings.mistake(
                    origin,
                    "",
                    format!("no credential has the key {key:?}"),
                    format!("name it expd.INSTANCE.K; did you mean expd.{instance}.{known}?"),
                );
                continue;
            }
            match read_text(&path, LARGEST_SECRET) {
                Ok(text) => {
                    let text = trimmed(&text).to_owned();
                    layer.push(&route, ValueKind::String(text), &origin);
                }
                Err(error) => findings.mistake(
                    origin,
                    &route,
                    format!("cannot read the credential: {error}"),
                    "check LoadCredential= in the unit",
                ),
            }
        }
        layer
    }

    pub(super) fn push(&mut self, route: &Route, kind: ValueKind, origin: &Origin) {
        self.entries.push(Entry {
            route: route.clone(),
            kind,
            origin: origin.clone(),
        });
    }

    /// The names of instances that this layer speaks of.
    pub(super) fn instances(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entry in &self.entries {
            if let [Step::Key(first), Step::Key(name), ..] = entry.route.0.as_slice()
                && first == "instances"
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// True where it sets a secret itself, not by the name of a file.
    pub(super) fn holds_a_secret(&self) -> bool {
        self.entries.iter().any(|entry| {
            let key = keys::find(&entry.route.parent().section(), entry.route.name());
            key.is_some_and(|key| matches!(key.kind, keys::Kind::Secret))
        })
    }

    /// Whether this layer sets the key.
    pub(super) fn sets(&self, route: &Route) -> bool {
        self.entries.iter().any(|entry| entry.route == *route)
    }

    /// Notes where everything was set; what an earlier layer set otherwise is forgotten.
    pub(super) fn note_origins(&self, origins: &mut Origins) {
        for entry in &self.entries {
            let is_table = matches!(&entry.kind, ValueKind::Table(_));
            if is_table && origins.contains_key(&entry.route.to_string()) {
                continue;
            }
            origins.insert(entry.route.to_string(), entry.origin.clone());
        }
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut root = Value::new(None, Map::<String, Value>::new());
        self.collect_to(&mut root)?;
        root.into_table()
    }

    fn collect_to(&self, root: &mut Value) -> Result<(), ConfigError> {
        for entry in &self.entries {
            let section = entry.route.parent();
            // A later layer's way to say it replaces an earlier one's; within one layer it is a mistake, told later.
            for rival in keys::rivals(&section.section(), entry.route.name()) {
                let rival = section.key(&rival);
                if !self.sets(&rival)
                    && let Some(table) = reach(root, &section.0)
                    && let ValueKind::Table(table) = &mut table.kind
                {
                    table.remove(rival.name());
                }
            }
            let Some(place) = reach(root, &entry.route.0) else {
                continue;
            };
            let replaces = !matches!(&entry.kind, ValueKind::Table(_))
                || !matches!(&place.kind, ValueKind::Table(_));
            if replaces {
                let origin = entry.origin.to_string();
                *place = Value::new(Some(&origin), entry.kind.clone());
            }
        }
        Ok(())
    }
}

/// The value at the end of the way, made (as nil) where it is not there yet. A value that stands where a table is needed
/// is left alone, for the reader to complain of.
fn reach<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    let mut place = root;
    for step in steps {
        place = match step {
            Step::Key(name) => {
                if matches!(place.kind, ValueKind::Nil) {
                    place.kind = ValueKind::Table(Map::new());
                }
                let ValueKind::Table(table) = &mut place.kind else {
                    return None;
                };
                table
                    .entry(name.clone())
                    .or_insert_with(|| Value::new(None, ValueKind::Nil))
            }
            Step::Index(index) => {
                if matches!(place.kind, ValueKind::Nil) {
                    place.kind = ValueKind::Array(Vec::new());
                }
                let ValueKind::Array(items) = &mut place.kind else {
                    return None;
                };
                if items.len() <= *index {
                    items.resize(index + 1, Value::new(None, ValueKind::Nil));
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(place)
}

fn variable_route(rest: &str, instances: &[String]) -> Option<Route> {
    let mut route = Route::default();
    for part in rest.split(SEPARATOR) {
        if part.is_empty() {
            return None;
        }
        let section = route.section();
        let lower = part.to_lowercase();
        let parent = route.parent().section();
        if keys::place(&parent, route.name()) == Some(keys::Place::Tables)
            && let Ok(index) = lower.parse::<usize>()
        {
            if index >= MOST_ITEMS {
                return None;
            }
            route = route.item(index);
        } else if section == "instances" {
            let same =
                |name: &&String| name.to_lowercase().replace('-', "_") == lower.replace('-', "_");
            route = route.key(instances.iter().find(same).unwrap_or(&lower));
        } else {
            route = route.key(&lower);
        }
    }
    Some(route)
}
