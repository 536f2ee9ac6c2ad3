//! A program beside Landline on a test's screen, as a file manager or a screenshot tool is one: it owns the clipboard, files
//! can be dragged out of its window, and it is asked to show files in their folders.
//!
//! `lab-files KIND VALUE ...`, where KIND is `file`, `image` (a PNG) or `text`. It prints `ready`, and then the address of each
//! file that it was asked to show.
#![allow(clippy::print_stdout, reason = "its output is its result")]

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::thread;

    use anyhow::{Context, Result, bail};
    use gtk::prelude::{GtkWindowExt, WidgetExt, WidgetExtManual};
    use gtk::{Clipboard, SelectionData, TargetEntry, TargetFlags, gdk, glib};

    /// How GNOME's file manager, and others after it, say that files were copied and not cut.
    const COPIED: &str = "x-special/gnome-copied-files";
    const URIS: &str = "text/uri-list";
    const PNG: &str = "image/png";
    const TEXT: &str = "text/plain;charset=utf-8";
    /// The same as programs of X11 alone ask for it.
    const X11_TEXT: &str = "UTF8_STRING";

    /// What the program has.
    #[derive(Default)]
    struct Wares {
        uris: Vec<String>,
        png: Option<Vec<u8>>,
        text: Option<String>,
    }

    impl Wares {
        fn new(args: &[String]) -> Result<Self> {
            let mut wares = Self::default();
            for pair in args.chunks(2) {
                match pair {
                    [kind, path] if kind == "file" => wares.uris.push(glib::filename_to_uri(path, None)?.into()),
                    [kind, path] if kind == "image" => wares.png = Some(std::fs::read(path)?),
                    [kind, text] if kind == "text" => wares.text = Some(text.clone()),
                    _ => bail!("usage: lab-files [file PATH | image PNG | text TEXT]..."),
                }
            }
            if !wares.uris.is_empty() {
                // A file manager gives the names to a text editor.
                wares.text = Some(wares.uris.join("\n"));
            }
            Ok(wares)
        }

        fn targets(&self) -> Vec<TargetEntry> {
            let files = !self.uris.is_empty();
            let (png, text) = (self.png.is_some(), self.text.is_some());
            [(COPIED, files), (URIS, files), (PNG, png), (TEXT, text), (X11_TEXT, text)]
                .into_iter()
                .filter(|(_, there)| *there)
                .map(|(name, _)| TargetEntry::new(name, TargetFlags::empty(), 0))
                .collect()
        }

        fn give(&self, data: &SelectionData) {
            let target = data.target();
            match target.name().as_str() {
                COPIED => data.set(&target, 8, format!("copy\n{}", self.uris.join("\n")).as_bytes()),
                URIS => self.give_uris(data),
                PNG => data.set(&target, 8, self.png.as_deref().unwrap_or_default()),
                _ => drop(data.set_text(self.text.as_deref().unwrap_or_default())),
            }
        }

        fn give_uris(&self, data: &SelectionData) {
            data.set_uris(&self.uris.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    /// What desktops call the program that shows files.
    struct Folders;

    #[zbus::interface(name = "org.freedesktop.FileManager1")]
    impl Folders {
        fn show_items(&self, uris: Vec<String>, _startup_id: &str) {
            for uri in uris {
                println!("{uri}");
            }
        }
    }

    pub(super) fn main() -> Result<()> {
        gtk::init()?;
        let args: Vec<_> = std::env::args().skip(1).collect();
        let wares = Wares::new(&args)?;
        let uris = Wares { uris: wares.uris.clone(), ..Wares::default() };
        serve()?;

        let window = gtk::Window::new(gtk::WindowType::Toplevel);
        window.set_title("Files");
        window.set_decorated(false);
        // Like a panel: it lies above, and the keyboard stays where it is.
        window.set_type_hint(gdk::WindowTypeHint::Utility);
        window.set_keep_above(true);
        window.set_accept_focus(false);
        window.set_default_size(120, 80);
        window.move_(0, 0);
        let target = TargetEntry::new(URIS, TargetFlags::empty(), 0);
        window.drag_source_set(gdk::ModifierType::BUTTON1_MASK, &[target], gdk::DragAction::COPY);
        window.connect_drag_data_get(move |_, _, data, _, _| uris.give_uris(data));
        window.connect_map_event(|_, _| {
            println!("ready");
            glib::Propagation::Proceed
        });

        let targets = wares.targets();
        if !targets.is_empty() {
            let clipboard = Clipboard::get(&gdk::SELECTION_CLIPBOARD);
            let owned = clipboard.set_with_data(&targets, move |_, data, _| wares.give(data));
            anyhow::ensure!(owned, "the clipboard can be taken");
        }
        window.show_all();
        gtk::main();
        Ok(())
    }

    /// Takes the file manager's name on the bus.
    fn serve() -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = zbus::connection::Builder::session()?
            .name("org.freedesktop.FileManager1")?
            .serve_at("/org/freedesktop/FileManager1", Folders)?;
        let connection = runtime.block_on(serving.build()).context("the file manager has its name on the bus")?;
        thread::spawn(move || {
            runtime.block_on(std::future::pending::<()>());
            drop(connection);
        });
        Ok(())
    }
}
