//! Files through two real windows: pasted, dropped, chosen, and taken back.

use std::fs;

use landline_tests::{Lab, SOON, until};
use serde_json::json;

use crate::someone::{Someone, two};
use crate::{act, message, section};

const COMPOSER: &str = "[data-testid=composer]";

/// Width and height of a picture of the screen, and of the thumbnail that is made of it.
const WHOLE: [u64; 2] = [1280, 800];
const SMALL: [u64; 2] = [320, 200];

/// Waits until everything in the tray can be sent, and sends it with this text.
fn send(who: &Someone, caption: &str) {
    who.window().see("[data-testid=tray][data-ready=true]");
    who.window().enter(COMPOSER, caption);
    until("the tray is empty", SOON, || tray(who).is_empty().then_some(()));
}

/// Sends what stands in the composer.
fn send_text(who: &Someone) {
    who.presses("Return");
    until("the composer is empty", SOON, || written(who).is_empty().then_some(()));
}

/// The names in the tray.
fn tray(of: &Someone) -> Vec<String> {
    of.window().texts("[data-testid=tray-item] .name")
}

/// What stands in the composer.
fn written(by: &Someone) -> String {
    let script = "return document.querySelector(arguments[0]).value";
    by.window().run(script, vec![COMPOSER.into()]).as_str().unwrap().to_owned()
}

/// How many files the program keeps copies of.
fn kept(by: &Someone) -> usize {
    let files = fs::read_dir(by.host.disk().join("data/files")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "file")).count()
}

/// Waits until an image is drawn from so many pixels.
fn draws(who: &Someone, image: &str, size: [u64; 2]) {
    let script = "const e = document.querySelector(arguments[0]); return [e?.naturalWidth, e?.naturalHeight]";
    until(&format!("{image} has {size:?} pixels"), SOON, || {
        (who.window().run(script, vec![image.into()]) == json!(size)).then_some(())
    });
}

#[test]
fn files_are_pasted_and_taken_back() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = two(&mut lab);
    let shot = anna.home("shot.png");
    anna.screen.photograph(&anna.host, &shot);
    let shot_path = shot.to_str().unwrap();

    section("An image on the clipboard");
    let screenshots = anna.has(&[("image", shot_path)]);
    anna.window().click(COMPOSER);
    anna.presses("ctrl+v");
    anna.window().see("[data-testid=tray-item]");
    anna.picture("20-pasted-image");
    draws(&anna, "[data-testid=tray-item] img", SMALL);
    send(&anna, "This is my screen");
    let at_ben = ben.has_file("Anna", "image.png");
    assert!(fs::read(&at_ben).unwrap() == fs::read(&shot).unwrap(), "because what was copied is what arrives");
    draws(&ben, "[data-testid=picture][data-state=complete] img", WHOLE);
    let place =
        "const r = document.querySelector('[data-testid=picture]').getBoundingClientRect(); return [r.width, r.height]";
    assert_eq!(ben.window().run(place, vec![]), json!([340, 213]), "because its place has the image's shape");
    ben.picture("21-image");
    ben.window().click("[data-testid=picture]");
    draws(&ben, "[data-testid=picture-dialog] img", WHOLE);
    ben.picture("22-image-opened");
    ben.presses("Escape");
    until("the image is closed", SOON, || ben.window().texts("[data-testid=picture-dialog]").is_empty().then_some(()));
    drop(screenshots);

    section("Plain text");
    let editor = anna.has(&[("text", "Left, not right")]);
    anna.presses("ctrl+v");
    until("the text is pasted", SOON, || (written(&anna) == "Left, not right").then_some(()));
    send_text(&anna);
    drop(editor);

    section("Text that brings an image is text");
    let spreadsheet = anna.has(&[("image", shot_path), ("text", "Total 42")]);
    anna.presses("ctrl+v");
    until("the text is pasted", SOON, || (written(&anna) == "Total 42").then_some(()));
    assert!(tray(&anna).is_empty(), "because the picture of a cell is not what was copied");
    send_text(&anna);
    drop(spreadsheet);

    section("Files copied in a file manager");
    let notes = anna.home("notes.txt");
    fs::write(&notes, "Blue goes left.\n".repeat(2_000)).unwrap();
    let files = anna.has(&[("file", notes.to_str().unwrap())]);
    anna.presses("ctrl+v");
    until("the file is in the tray", SOON, || (tray(&anna) == ["notes.txt"]).then_some(()));
    assert_eq!(written(&anna), "", "because the file was meant, not its path");
    send(&anna, "My notes");
    let notes_at_ben = ben.has_file("Anna", "notes.txt");
    assert_eq!(fs::read(&notes_at_ben).unwrap(), fs::read(&notes).unwrap());
    assert_eq!(anna.has_file("Ben", "notes.txt"), notes, "because it is sent from where it is");
    drop(files);

    section("Taken back: gone from both disks");
    assert_eq!(kept(&anna), 1, "because what was pasted is kept, and all else lies where it was");
    for caption in ["This is my screen", "My notes"] {
        let sent = message(anna.window(), caption);
        act(anna.window(), &sent, "message-menu");
        anna.window().click("[data-testid=menu-delete]");
        anna.window().click("[data-testid=delete-everywhere]");
    }
    until("both are gone at Ben", SOON, || (ben.window().texts("[data-testid=tombstone]").len() == 2).then_some(()));
    until("nothing of it is kept at Anna", SOON, || (kept(&anna) == 0).then_some(()));
    for gone in [&at_ben, &notes_at_ben] {
        until(&format!("{} is gone", gone.display()), SOON, || (!gone.exists()).then_some(()));
    }
    assert!(notes.is_file(), "because Anna's own file stays hers");
    ben.picture("28-taken-back");
}

#[test]
fn files_are_dropped_and_chosen() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = two(&mut lab);

    section("A file and a folder are dropped");
    let (plan, folder) = (anna.home("Plan ä.pdf"), anna.home("cables"));
    fs::write(&plan, "%PDF-1.7 of no interest").unwrap();
    fs::create_dir_all(folder.join("old")).unwrap();
    fs::write(folder.join("blue.txt"), "left").unwrap();
    fs::write(folder.join("old/red.txt"), "right").unwrap();
    let files = anna.has(&[("file", plan.to_str().unwrap()), ("file", folder.to_str().unwrap())]);
    anna.screen.drag_files(&anna.host, || {
        anna.window().see("[data-testid=drop]");
        anna.picture("23-dragged");
    });
    until("both are in the tray", SOON, || (tray(&anna) == ["Plan ä.pdf", "cables"]).then_some(()));
    assert!(anna.window().texts("[data-testid=drop]").is_empty(), "because nothing is dragged any more");
    anna.picture("24-dropped");
    send(&anna, "For tomorrow");
    assert_eq!(fs::read(ben.has_file("Anna", "Plan ä.pdf")).unwrap(), fs::read(&plan).unwrap());
    let there = ben.has_file("Anna", "cables");
    assert_eq!(fs::read(there.join("blue.txt")).unwrap(), b"left");
    assert_eq!(fs::read(there.join("old/red.txt")).unwrap(), b"right", "because a folder arrives with what is in it");
    ben.window().see_text("[data-testid=message-text]", "For tomorrow");
    ben.picture("25-received");
    drop(files);

    section("A file is chosen");
    let later = anna.home("later.png");
    anna.screen.photograph(&anna.host, &later);
    anna.presses("ctrl+u");
    anna.screen.has_in_front(&anna.host, "Attach files");
    anna.picture("26-dialog");
    anna.screen.press(&anna.host, "Escape");
    anna.screen.has_in_front(&anna.host, "Landline");
    assert!(tray(&anna).is_empty(), "because nothing was chosen");
    anna.presses("ctrl+u");
    anna.screen.has_in_front(&anna.host, "Attach files");
    // Shows a field for a path.
    anna.screen.press(&anna.host, "ctrl+l");
    anna.screen.type_text(&anna.host, later.to_str().unwrap());
    anna.screen.press(&anna.host, "Return");
    until("the file is in the tray", SOON, || {
        // That may only have closed what the field proposed. Alt+O is the button Open, and nothing in Landline.
        anna.screen.press(&anna.host, "alt+o");
        (tray(&anna) == ["later.png"]).then_some(())
    });
    draws(&anna, "[data-testid=tray-item] img", SMALL);
    anna.picture("27-chosen");
    send(&anna, "Once more");
    assert_eq!(fs::read(ben.has_file("Anna", "later.png")).unwrap(), fs::read(&later).unwrap());
}
