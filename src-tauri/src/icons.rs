//! The pictures that the program itself carries, and where to find the installed ones.

#[cfg(target_os = "linux")]
use std::path::PathBuf;

use tauri::image::Image;

#[cfg(not(target_os = "macos"))]
#[cfg(not(target_os = "macos"))]
const TRAY: &[u8] = include_bytes!("../../icons/tray.png");
#[cfg(not(target_os = "macos"))]
#[cfg(not(target_os = "macos"))]
const TRAY_UNREAD: &[u8] = include_bytes!("../../icons/tray-unread.png");
#[cfg(target_os = "macos")]
const TEMPLATE: &[u8] = include_bytes!("../../icons/tray-template.png");
#[cfg(target_os = "macos")]
const TEMPLATE_UNREAD: &[u8] = include_bytes!("../../icons/tray-template-unread.png");

/// The tray's picture: width, height, RGBA.
#[must_use]
pub fn tray(unread: bool) -> Option<(i32, i32, Vec<u8>)> {
    let image = tray_image(unread)?;
    let side = |length: u32| i32::try_from(length).ok();
    Some((side(image.width())?, side(image.height())?, image.rgba().to_vec()))
}

/// The tray's picture as Tauri takes it.
#[must_use]
pub fn tray_image(unread: bool) -> Option<Image<'static>> {
    #[cfg(target_os = "macos")]
    let bytes = if unread { TEMPLATE_UNREAD } else { TEMPLATE };
    #[cfg(not(target_os = "macos"))]
    let bytes = if unread { TRAY_UNREAD } else { TRAY };
    Image::from_bytes(bytes).ok()
}

/// The picture of notifications: by name where it is installed, else the pixels.
#[cfg(target_os = "linux")]
#[must_use]
pub fn for_notifications() -> crate::notify::linux::Icon {
    use crate::notify::linux::Icon;
    match tray(false) {
        Some((width, height, rgba))
            if !installed(&format!("icons/hicolor/128x128/apps/{}.png", crate::APPLICATION_ID)) =>
        {
            Icon::Pixels(width, height, rgba)
        }
        _ => Icon::Themed(crate::APPLICATION_ID),
    }
}

/// Whether our symbolic icons are installed, so that the desktop can colour them.
#[cfg(target_os = "linux")]
#[must_use]
pub fn themed_symbolic() -> bool {
    installed(&format!("icons/hicolor/symbolic/apps/{}-symbolic.svg", crate::APPLICATION_ID))
}

/// Whether the desktop entry is installed, under which the system knows the application.
#[cfg(target_os = "linux")]
#[must_use]
pub fn desktop_entry_installed() -> bool {
    installed(&format!("applications/{}.desktop", crate::APPLICATION_ID))
}

/// Whether a file lies in one of the data folders of the system (XDG Base Directory Specification).
#[cfg(target_os = "linux")]
fn installed(file: &str) -> bool {
    let own = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    let shared = std::env::var_os("XDG_DATA_DIRS").filter(|dirs| !dirs.is_empty());
    let shared = shared.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    own.into_iter().chain(std::env::split_paths(&shared)).any(|folder| folder.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tray_has_two_faces() {
        let (width, height, quiet) = tray(false).unwrap();
        let (_, _, unread) = tray(true).unwrap();
        assert_eq!(quiet.len(), usize::try_from(width * height * 4).unwrap());
        assert_ne!(quiet, unread);
    }
}
