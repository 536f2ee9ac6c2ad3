//! The system's own dialogs for files and folders.

use std::path::PathBuf;

use api::error::ErrorBody;
use tauri::AppHandle;

/// Lets the person choose files; answers their paths.
#[tauri::command]
pub(crate) async fn choose_files(app: AppHandle, title: String) -> Result<Vec<String>, ErrorBody> {
    Ok(as_text(system::choose(&app, title, false).await))
}

/// Lets the person choose a folder.
#[tauri::command]
pub(crate) async fn choose_folder(app: AppHandle, title: String) -> Result<Option<String>, ErrorBody> {
    Ok(as_text(system::choose(&app, title, true).await).into_iter().next())
}

fn as_text(paths: Vec<PathBuf>) -> Vec<String> {
    // A name that is no Unicode cannot cross to the page.
    paths.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

#[cfg(target_os = "linux")]
mod system {
    use std::cell::RefCell;
    use std::path::PathBuf;

    use gtk::prelude::{FileChooserExt as _, NativeDialogExt as _};
    use tauri::AppHandle;
    use tokio::sync::oneshot;

    use crate::window;

    /// Asks with the dialog of the desktop, through its portal where there is one.
    pub(super) async fn choose(app: &AppHandle, title: String, folder: bool) -> Vec<PathBuf> {
        let (tell, told) = oneshot::channel();
        let handle = app.clone();
        let shown = app.run_on_main_thread(move || {
            let parent = window::find(&handle).and_then(|window| window.gtk_window().ok());
            let action = if folder { gtk::FileChooserAction::SelectFolder } else { gtk::FileChooserAction::Open };
            let dialog = gtk::FileChooserNative::new(Some(&title), parent.as_ref(), action, None, None);
            dialog.set_select_multiple(!folder);
            dialog.set_modal(true);
            // The dialog lives as long as nobody has answered it.
            let open = RefCell::new(Some((dialog.clone(), tell)));
            dialog.connect_response(move |dialog, response| {
                let Some((_, tell)) = open.take() else { return };
                let chosen = if response == gtk::ResponseType::Accept { dialog.filenames() } else { Vec::new() };
                let _ = tell.send(chosen);
            });
            dialog.show();
        });
        if shown.is_err() {
            return Vec::new();
        }
        told.await.unwrap_or_default()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::PathBuf;

    use tauri::AppHandle;

    pub(super) async fn choose(_app: &AppHandle, title: String, folder: bool) -> Vec<PathBuf> {
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        let chosen = if folder {
            dialog.pick_folder().await.into_iter().collect()
        } else {
            dialog.pick_files().await.unwrap_or_default()
        };
        chosen.into_iter().map(|file| file.path().to_path_buf()).collect()
    }
}
