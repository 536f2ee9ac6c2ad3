//! Where the window stood, so that it opens there again.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Name of the file in the profile directory.
const FILE: &str = "window.json";

/// Smallest window, in logical pixels.
pub const MIN_SIZE: (f64, f64) = (360.0, 480.0);

/// Size of the first window, in logical pixels: list, conversation and some air.
const FIRST_SIZE: (f64, f64) = (1040.0, 720.0);

/// Size and place of the window, in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Geometry {
    /// Width of the content.
    pub width: f64,
    /// Height of the content.
    pub height: f64,
    /// Distance of the frame from the left; absent where the system doesn't tell (Wayland).
    pub x: Option<f64>,
    /// Distance of the frame from the top.
    pub y: Option<f64>,
    /// Whether it filled the screen.
    pub maximized: bool,
}

impl Default for Geometry {
    fn default() -> Self {
        Self { width: FIRST_SIZE.0, height: FIRST_SIZE.1, x: None, y: None, maximized: false }
    }
}

impl Geometry {
    /// What was remembered; the first size when nothing was, or nothing sensible.
    #[must_use]
    pub fn load(data_dir: &Path) -> Self {
        let read = std::fs::read(data_dir.join(FILE)).ok();
        let kept: Self = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        kept.sensible()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        std::fs::write(data_dir.join(FILE), text)
    }

    /// The place, when it lies within one of these screens (left, top, width, height): a screen may be gone.
    #[must_use]
    pub fn place_on(&self, screens: &[(f64, f64, f64, f64)]) -> Option<(f64, f64)> {
        let (x, y) = (self.x?, self.y?);
        // A grip of the title bar has to be reachable.
        let reachable = |&(left, top, width, height): &(f64, f64, f64, f64)| {
            x + self.width >= left + 80.0 && x <= left + width - 80.0 && y >= top - 8.0 && y <= top + height - 40.0
        };
        screens.iter().any(reachable).then_some((x, y))
    }

    fn sensible(self) -> Self {
        let side =
            |value: f64, min: f64, first: f64| if value.is_finite() { value.clamp(min, 16_384.0) } else { first };
        Self {
            width: side(self.width, MIN_SIZE.0, FIRST_SIZE.0),
            height: side(self.height, MIN_SIZE.1, FIRST_SIZE.1),
            x: self.x.filter(|x| x.is_finite()),
            y: self.y.filter(|y| y.is_finite()),
            maximized: self.maximized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Geometry::load(folder.path()), Geometry::default());
        let kept = Geometry { width: 800.0, height: 600.0, x: Some(10.0), y: Some(20.0), maximized: true };
        kept.save(folder.path()).unwrap();
        assert_eq!(Geometry::load(folder.path()), kept);
    }

    #[test]
    fn nonsense_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"width\": -5, \"height\": 1e300}").unwrap();
        let kept = Geometry::load(folder.path());
        assert_eq!((kept.width, kept.height), (MIN_SIZE.0, 16_384.0));
        std::fs::write(folder.path().join(FILE), "not json").unwrap();
        assert_eq!(Geometry::load(folder.path()), Geometry::default());
    }

    #[test]
    fn a_place_on_a_screen_that_is_gone_is_given_up() {
        let kept = Geometry { x: Some(2000.0), y: Some(100.0), ..Geometry::default() };
        let left = (0.0, 0.0, 1920.0, 1080.0);
        assert_eq!(kept.place_on(&[left]), None);
        assert_eq!(kept.place_on(&[left, (1920.0, 0.0, 1920.0, 1080.0)]), Some((2000.0, 100.0)));
    }
}
