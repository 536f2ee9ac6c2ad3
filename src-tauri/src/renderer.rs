//! Which way WebKitGTK draws, chosen by what this machine has. Linux only.
//!
//! Handing buffers over by DMA-BUF pays off with a GPU. Without one WebKit still takes that way, which measured here
//! as 265 MB instead of 184 MB for the same page and six times the processor time at start. On the proprietary NVIDIA
//! driver under Wayland it may leave the window blank.

use std::path::Path;

/// WebKitGTK's own switch.
const SWITCH: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// GDK's switch. Without a GPU it would load a renderer in software only to see what there is, which measured here as
/// 103 MB instead of 71 MB in the tray.
const GDK_SWITCH: (&str, &str) = ("GDK_GL", "disable");

/// Sets the switches for this process where they help; a value that somebody set stays.
///
/// Call it first of all: the environment may only change while the program has one thread.
pub(crate) fn choose() {
    let gpu = has_gpu(Path::new("/dev/dri"));
    if !gpu {
        set(GDK_SWITCH.0, GDK_SWITCH.1);
    }
    let wayland = std::env::var_os("WAYLAND_DISPLAY").is_some();
    if !gpu || (wayland && Path::new("/proc/driver/nvidia/version").exists()) {
        set(SWITCH, "1");
    }
}

/// Sets a variable that is not set.
fn set(name: &str, value: &str) {
    let set = gtk::glib::setenv(name, value, false);
    debug_assert!(set.is_ok(), "the name and the value are plain words");
}

/// Whether the folder of graphics devices holds a render node.
fn has_gpu(devices: &Path) -> bool {
    std::fs::read_dir(devices).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(b"renderD"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_node_is_a_gpu() {
        let devices = tempfile::tempdir().unwrap();
        assert!(!has_gpu(&devices.path().join("absent")));
        std::fs::write(devices.path().join("card0"), "").unwrap();
        assert!(!has_gpu(devices.path()), "because a display controller alone cannot render");
        std::fs::write(devices.path().join("renderD128"), "").unwrap();
        assert!(has_gpu(devices.path()));
    }
}
