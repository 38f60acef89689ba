//! All layers merged into one tree of values, with their origins and the mistakes found so far.

use config::{Value, ValueKind};

use super::digests::ValueDigests;
use super::keys::{self, Shape};
use super::mistake::{Findings, SettingOrigin, SettingOrigins, quoted};
use super::route::{KeyStep, Route};
use super::settings::{INSTANCE_NAME_RULE, is_instance_name};
use super::wipe::wipe;

pub(super) struct Reader {
    pub(super) root: Value,
    pub(super) origins: SettingOrigins,
    pub(super) findings: Findings,
    /// Digests of the values, and of the files that some of them name.
    pub(super) digests: ValueDigests,
}

impl Reader {
    /// Names in a table, sorted.
    pub(super) fn names(&self, route: &Route) -> Vec<String> {
        match self.get(route).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => {
                let mut names: Vec<String> = table.keys().cloned().collect();
                names.sort();
                names
            }
            _ => Vec::new(),
        }
    }

    /// The items of an array of tables.
    pub(super) fn items(&self, route: &Route) -> Vec<Route> {
        match self.get(route).map(|value| &value.kind) {
            Some(ValueKind::Array(items)) => {
                (0..items.len()).map(|index| route.item(index)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Origin of a value, else of the nearest enclosing table.
    pub(super) fn origin(&self, route: &Route) -> SettingOrigin {
        let mut route = route.clone();
        loop {
            if let Some(origin) = self.origins.get(&route.to_string()) {
                return origin.clone();
            }
            if route.0.pop().is_none() {
                return SettingOrigin::Defaults;
            }
        }
    }

    pub(super) fn get(&self, route: &Route) -> Option<&Value> {
        let mut place = &self.root;
        for step in &route.0 {
            place = match (step, &place.kind) {
                (KeyStep::Key(name), ValueKind::Table(table)) => table.get(name)?,
                (KeyStep::Index(index), ValueKind::Array(items)) => items.get(*index)?,
                _ => return None,
            };
        }
        Some(place)
    }

    /// Reports all unknown keys, and values where tables belong.
    pub(super) fn check_keys(&mut self) {
        let mut root = self.root.clone();
        self.check_table(&Route::default(), &root);
        wipe(&mut root);
    }

    fn check_table(&mut self, route: &Route, value: &Value) {
        let section = route.section();
        let table = match &value.kind {
            ValueKind::Table(table) => table,
            // An index that the environment skipped; its missing keys are reported when it is read.
            ValueKind::Nil => return,
            _ => {
                let what = "must be a table";
                let remedy = format!("write [{route}] and its keys below");
                let origin = self.origin(route);
                return self.findings.mistake(origin, route, what, remedy);
            }
        };
        for (name, value) in table {
            let route = route.key(name);
            match keys::shape(&section, name) {
                Some(Shape::Value) => {}
                Some(Shape::Table) => self.check_table(&route, value),
                Some(Shape::Tables) => self.check_tables(&route, value),
                None if section == "instances" => self.check_instance(&route, name, value),
                None => self.unknown(&route, &section, name),
            }
        }
    }

    fn check_tables(&mut self, route: &Route, value: &Value) {
        let ValueKind::Array(items) = &value.kind else {
            let origin = self.origin(route);
            let remedy = format!("write [[{route}]] once for each");
            return self
                .findings
                .mistake(origin, route, "must be an array of tables", remedy);
        };
        for (index, item) in items.iter().enumerate() {
            self.check_table(&route.item(index), item);
        }
    }

    fn check_instance(&mut self, route: &Route, name: &str, value: &Value) {
        if !is_instance_name(name) {
            let origin = self.origin(route);
            self.findings.mistake(
                origin,
                "instances",
                format!("{} cannot name an instance", quoted(name)),
                INSTANCE_NAME_RULE,
            );
        }
        self.check_table(route, value);
    }

    fn unknown(&mut self, route: &Route, section: &str, name: &str) {
        let origin = self.origin(route);
        let nearest = keys::nearest(section, name);
        let remedy = match &origin {
            SettingOrigin::Variable(_) => {
                format!("did you mean {} ({nearest})?", keys::variable(&nearest))
            }
            _ => format!("did you mean {nearest}?"),
        };
        self.findings.mistake(origin, route, "unknown key", remedy);
    }
}
