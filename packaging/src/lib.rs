//! What turns the built programs into things a person installs: icons, the `.deb` and the `.rpm`.
//!
//! Everything is made in Rust, from files of this repository, so that a package needs neither the network nor the
//! packaging tools of the distribution it is for. The other systems' packages are made by Tauri's bundler, from
//! `src-tauri/tauri.conf.json`.

pub mod contents;
pub mod deb;
pub mod icons;
pub mod needs;
pub mod rpm;
