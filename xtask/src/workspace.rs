//! Where things are: the workspace's root and cargo's target directory, wherever the person has put it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::sh::Cmd;

/// The workspace this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo. `CARGO_TARGET_DIR` and cargo's configuration are thereby respected.
    pub(crate) fn find() -> Result<Self> {
        // What `cargo run` says at run time: two clones that share a target directory share this program too.
        let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(&own).join("../Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo metadata failed")?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
        })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where a cargo profile puts programs.
    pub(crate) fn bin_dir(&self, profile: Profile) -> PathBuf {
        self.target.join(profile.dir())
    }

    /// `cargo` with these arguments, in the root.
    pub(crate) fn cargo<I: IntoIterator<Item = S>, S: Into<String>>(&self, args: I) -> Cmd {
        // What cargo told *this* program about itself must not reach the inner cargo: build scripts that watch such
        // a variable would run again each time someone changes between `cargo xtask` and plain `cargo`.
        let inherited = std::env::vars().map(|(name, _)| name).filter(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || name == "OUT_DIR"
        });
        let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        Cmd::new(program).args(args).dir(&self.root).without(inherited)
    }

    /// `npm` with these arguments, in the interface's folder.
    pub(crate) fn npm<I: IntoIterator<Item = S>, S: Into<String>>(&self, args: I) -> Cmd {
        let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
        Cmd::new(program)
            .args(args)
            .dir(self.root.join("ui"))
            .env("npm_config_fund", "false")
            .env("npm_config_audit", "false")
            .env("npm_config_update_notifier", "false")
    }
}

/// The two cargo profiles in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build: run, test, demo.
    Dev,
    /// What people get: bench, package.
    Release,
}

impl Profile {
    fn dir(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}
