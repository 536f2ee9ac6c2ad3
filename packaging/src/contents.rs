//! What a Linux package holds, the same for every kind.

use std::path::{Path, PathBuf};

use crate::icons::THEME_SIZES;

/// The application's name: desktop entry, bus name, icons.
pub const APPLICATION_ID: &str = "org.landline.Landline";

/// Name of the package.
pub const NAME: &str = "landline";

/// One line about it.
pub const SUMMARY: &str = "Chat between machines, without a server";

/// A paragraph about it.
pub const DESCRIPTION: &str = "Landline finds the other machines of your network by itself and lets you talk with \
them. There is no account and no server: messages go straight from one machine to the other and are kept on both.";

/// The licence, as an SPDX expression.
pub const LICENCE: &str = "MIT OR Apache-2.0";

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it comes from.
    pub source: PathBuf,
    /// Where it goes, absolute.
    pub target: String,
    /// Its mode.
    pub mode: u32,
}

/// All files. `root` is the repository, `programs` the folder with the two built programs.
#[must_use]
pub fn items(root: &Path, programs: &Path) -> Vec<Item> {
    let linux = root.join("packaging/linux");
    let program = |name: &str| Item { source: programs.join(name), target: format!("/usr/bin/{name}"), mode: 0o755 };
    let file = |source: PathBuf, target: String| Item { source, target, mode: 0o644 };
    let mut items = vec![
        program("landline"),
        program("landline-desktop"),
        file(
            linux.join(format!("{APPLICATION_ID}.desktop")),
            format!("/usr/share/applications/{APPLICATION_ID}.desktop"),
        ),
        file(
            linux.join(format!("{APPLICATION_ID}.service")),
            format!("/usr/share/dbus-1/services/{APPLICATION_ID}.service"),
        ),
        file(
            linux.join(format!("{APPLICATION_ID}.metainfo.xml")),
            format!("/usr/share/metainfo/{APPLICATION_ID}.metainfo.xml"),
        ),
        file(linux.join("landline-node.service"), "/usr/lib/systemd/user/landline-node.service".to_owned()),
        file(linux.join("landline-relay.service"), "/usr/lib/systemd/system/landline-relay.service".to_owned()),
    ];
    let icons = root.join("icons");
    for size in THEME_SIZES {
        items.push(file(
            icons.join(format!("{size}x{size}.png")),
            format!("/usr/share/icons/hicolor/{size}x{size}/apps/{APPLICATION_ID}.png"),
        ));
    }
    items
        .push(file(icons.join("landline.svg"), format!("/usr/share/icons/hicolor/scalable/apps/{APPLICATION_ID}.svg")));
    for (source, name) in [("landline-symbolic.svg", "-symbolic"), ("landline-unread-symbolic.svg", "-unread-symbolic")]
    {
        items.push(file(
            icons.join(source),
            format!("/usr/share/icons/hicolor/symbolic/apps/{APPLICATION_ID}{name}.svg"),
        ));
    }
    for (source, name) in [
        ("LICENSE", "copyright"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
        ("CHANGELOG.md", "CHANGELOG.md"),
    ] {
        items.push(file(root.join(source), format!("/usr/share/doc/{NAME}/{name}")));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_but_the_programs_is_in_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for item in items(root, Path::new("/nowhere")) {
            if !item.target.starts_with("/usr/bin/") {
                assert!(item.source.is_file(), "{} is missing", item.source.display());
            }
        }
    }

    #[test]
    fn the_desktop_entry_passes_links_on_and_is_named_as_the_bus_knows_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let entry = std::fs::read_to_string(root.join(format!("linux/{APPLICATION_ID}.desktop"))).unwrap();
        for line in ["Exec=landline-desktop %u", "MimeType=x-scheme-handler/landline;", "DBusActivatable=true"] {
            assert!(entry.lines().any(|found| found == line), "{line}");
        }
        let service = std::fs::read_to_string(root.join(format!("linux/{APPLICATION_ID}.service"))).unwrap();
        assert!(service.contains(&format!("Name={APPLICATION_ID}\n")));
        assert!(
            service.contains("Exec=/usr/bin/landline-desktop --hidden\n"),
            "because the call that follows opens the window"
        );
    }
}
