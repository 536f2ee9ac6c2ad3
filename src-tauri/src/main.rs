//! The `landline-desktop` program.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    landline_desktop::run()
}
