//! The TypeScript types of the interface, made from the same Rust types: `ui/src/backend/gen/`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ts_rs::{Config, ExportError, TS, TypeVisitor};
use utoipa::ToSchema;

use crate::commands::{self, Command, Visitor};
use crate::error::ErrorBody;
use crate::results::LoginArgs;
use node::view::{Change, Upload};

/// Writes all types into `dir`, one file a type, and `commands.ts` with the map from command to arguments and result.
/// Stray files of earlier runs are removed.
///
/// # Errors
/// When a file cannot be written.
pub fn export(dir: &Path) -> Result<(), ExportError> {
    if dir.is_dir() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "ts") {
                std::fs::remove_file(path)?;
            }
        }
    }
    std::fs::create_dir_all(dir)?;
    // Counts and byte sizes stay below 2^53, so a plain number holds them.
    let config = Config::new().with_large_int("number").with_out_dir(dir);
    let mut map = CommandMap {
        config: &config,
        args: String::new(),
        results: String::new(),
        failed: None,
        imports: BTreeSet::new(),
    };
    commands::visit(&mut map);
    if let Some(error) = map.failed {
        return Err(error);
    }
    Change::export_all(&config)?;
    ErrorBody::export_all(&config)?;
    LoginArgs::export_all(&config)?;
    Upload::export_all(&config)?;

    let mut text = String::from("// Made from crates/api by `cargo xtask types`; do not edit.\n\n");
    for name in &map.imports {
        let _ = writeln!(text, "import type {{ {name} }} from \"./{name}\";");
    }
    let _ = write!(
        text,
        "\n/** What each command takes. */\nexport interface Args {{\n{}}}\n\n/** What each command answers. */\nexport interface Result {{\n{}}}\n\n/** The name of a command. */\nexport type CommandName = keyof Args;\n",
        map.args, map.results
    );
    std::fs::write(dir.join("commands.ts"), text)?;

    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            && stem != "index"
        {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    let mut index = String::from("// Made from crates/api by `cargo xtask types`; do not edit.\n\n");
    for name in names {
        let _ = writeln!(index, "export type * from \"./{name}\";");
    }
    std::fs::write(dir.join("index.ts"), index)?;
    Ok(())
}

struct CommandMap<'a> {
    config: &'a Config,
    args: String,
    results: String,
    imports: BTreeSet<String>,
    failed: Option<ExportError>,
}

impl CommandMap<'_> {
    fn note<T: TS + 'static>(&mut self) -> Result<(), ExportError> {
        T::export_all(self.config)?;
        self.imports.insert(T::ident(self.config));
        // `Page<Session>` mentions both.
        T::visit_generics(&mut Mentioned { config: self.config, imports: &mut self.imports });
        Ok(())
    }
}

struct Mentioned<'a> {
    config: &'a Config,
    imports: &'a mut BTreeSet<String>,
}

impl TypeVisitor for Mentioned<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        self.imports.insert(T::ident(self.config));
    }
}

impl Visitor for CommandMap<'_> {
    fn visit<A, R>(&mut self, command: Command)
    where
        A: TS + ToSchema + DeserializeOwned + 'static,
        R: TS + ToSchema + Serialize + 'static,
    {
        let noted = self.note::<A>().and_then(|()| self.note::<R>());
        if let Err(error) = noted {
            self.failed.get_or_insert(error);
        }
        let _ = writeln!(self.args, "  {}: {};", command.name(), <A as TS>::name(self.config));
        let _ = writeln!(
            self.results,
            "  /** {} */\n  {}: {};",
            command.summary(),
            command.name(),
            <R as TS>::name(self.config)
        );
    }
}
