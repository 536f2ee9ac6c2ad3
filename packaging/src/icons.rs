//! Icons of all sizes from one drawing.

use anyhow::{Context as _, ensure};
use resvg::{tiny_skia, usvg};

/// Sizes that the icon theme of a Linux desktop looks for, in pixels.
pub const THEME_SIZES: [u32; 8] = [16, 24, 32, 48, 64, 128, 256, 512];

/// The part of the drawing that the mark alone fills, as an SVG `viewBox`: what is outside would be an empty margin.
const MARK_VIEW: &str = "168 168 688 688";

/// Draws every icon file; gives name (relative to `icons/`) and content.
///
/// # Errors
/// When the drawing lacks one of its two groups or is not valid SVG.
pub fn all(drawing: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mark = group(drawing, "mark")?;
    group(drawing, "tile")?;
    let mut files = Vec::new();
    let mut windows = ico::IconDir::new(ico::ResourceType::Icon);
    let mut mac = icns::IconFamily::new();
    for size in THEME_SIZES {
        let pixels = draw(drawing, size)?;
        files.push((format!("{size}x{size}.png"), pixels.encode_png()?));
        if size <= 256 {
            let image = ico::IconImage::from_rgba_data(size, size, straight(&pixels));
            windows.add_entry(ico::IconDirEntry::encode(&image)?);
        }
        if matches!(size, 16 | 32 | 128 | 256 | 512) {
            mac.add_icon(&icns::Image::from_data(icns::PixelFormat::RGBA, size, size, straight(&pixels))?)?;
        }
    }
    let large = draw(drawing, 1024)?;
    mac.add_icon(&icns::Image::from_data(icns::PixelFormat::RGBA, 1024, 1024, straight(&large))?)?;
    let mut bytes = Vec::new();
    windows.write(std::io::Cursor::new(&mut bytes))?;
    files.push(("icon.ico".into(), bytes));
    let mut bytes = Vec::new();
    mac.write(&mut bytes)?;
    files.push(("icon.icns".into(), bytes));

    let quiet = symbolic(mark, false);
    let unread = symbolic(mark, true);
    // The tray of macOS colours a template image itself; those of Windows and of Linux desktops without the themed
    // icon show the coloured one, which is legible on a light and on a dark bar.
    files.push(("tray-template.png".into(), draw(&quiet, 44)?.encode_png()?));
    files.push(("tray-template-unread.png".into(), draw(&unread, 44)?.encode_png()?));
    files.push(("tray.png".into(), draw(drawing, 64)?.encode_png()?));
    files.push(("tray-unread.png".into(), draw(&with_dot(drawing)?, 64)?.encode_png()?));
    files.push(("landline-symbolic.svg".into(), quiet.into_bytes()));
    files.push(("landline-unread-symbolic.svg".into(), unread.into_bytes()));
    Ok(files)
}

/// The text of the group with this ID, tags included.
fn group<'a>(drawing: &'a str, id: &str) -> anyhow::Result<&'a str> {
    let start = drawing.find(&format!("<g id=\"{id}\"")).with_context(|| format!("the drawing has no group {id}"))?;
    let rest = drawing.get(start..).unwrap_or_default();
    let end = rest.find("</g>").with_context(|| format!("group {id} does not end"))?;
    rest.get(..end + 4).context("group ends inside a character")
}

/// The mark alone in the one colour that icon themes replace by the text colour.
fn symbolic(mark: &str, unread: bool) -> String {
    let mark = mark.replace("#ffffff", "#2e3436");
    // The drawing leaves the lower left free: there the dot stands, beside the mark and not on it.
    let dot = if unread { "<circle cx=\"316\" cy=\"708\" r=\"116\" fill=\"#2e3436\" class=\"warning\"/>" } else { "" };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"16\" height=\"16\" viewBox=\"{MARK_VIEW}\">{mark}{dot}</svg>\n"
    )
}

/// The application icon with a red dot where the mark leaves room.
fn with_dot(drawing: &str) -> anyhow::Result<String> {
    ensure!(drawing.contains("</svg>"), "the drawing does not end");
    Ok(drawing.replace(
        "</svg>",
        "<circle cx=\"308\" cy=\"716\" r=\"196\" fill=\"#ffffff\"/><circle cx=\"308\" cy=\"716\" r=\"152\" fill=\"#d93025\"/></svg>",
    ))
}

fn draw(svg: &str, size: u32) -> anyhow::Result<tiny_skia::Pixmap> {
    let tree = usvg::Tree::from_str(svg, &usvg::Options::default()).context("parse the drawing")?;
    let mut pixels = tiny_skia::Pixmap::new(size, size).context("an icon has a size")?;
    let scale = |length: f32| f32::from(u16::try_from(size).unwrap_or(u16::MAX)) / length;
    let transform = tiny_skia::Transform::from_scale(scale(tree.size().width()), scale(tree.size().height()));
    resvg::render(&tree, transform, &mut pixels.as_mut());
    Ok(pixels)
}

/// RGBA bytes without the alpha multiplied in, as ICO and ICNS want them.
fn straight(pixels: &tiny_skia::Pixmap) -> Vec<u8> {
    pixels
        .pixels()
        .iter()
        .flat_map(|pixel| {
            let colour = pixel.demultiply();
            [colour.red(), colour.green(), colour.blue(), colour.alpha()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of an image file, or the text of a drawing. Compressors differ from one build to the next.
    fn shown(name: &str, bytes: &[u8]) -> Vec<u8> {
        let Some((_, ending)) = name.rsplit_once('.') else { return Vec::new() };
        match ending {
            "png" => tiny_skia::Pixmap::decode_png(bytes).map(|pixels| pixels.data().to_vec()).unwrap_or_default(),
            "ico" => {
                let icons = ico::IconDir::read(std::io::Cursor::new(bytes));
                let entries = icons.iter().flat_map(ico::IconDir::entries);
                entries.flat_map(|entry| entry.decode().unwrap().rgba_data().to_vec()).collect()
            }
            "icns" => {
                let icons = icns::IconFamily::read(bytes);
                let each =
                    icons.iter().flat_map(|icons| icons.available_icons().into_iter().map(move |kind| (icons, kind)));
                each.flat_map(|(icons, kind)| icons.get_icon_with_type(kind).unwrap().data().to_vec()).collect()
            }
            _ => bytes.to_vec(),
        }
    }

    #[test]
    fn the_committed_icons_are_those_of_the_drawing() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../icons");
        let drawing = std::fs::read_to_string(folder.join("landline.svg")).unwrap();
        for (name, bytes) in all(&drawing).unwrap() {
            let committed = shown(&name, &std::fs::read(folder.join(&name)).unwrap_or_default());
            let drawn = shown(&name, &bytes);
            let near = committed.iter().zip(&drawn).all(|(a, b)| a.abs_diff(*b) <= 3);
            assert!(
                !drawn.is_empty() && committed.len() == drawn.len() && near,
                "{name} is not what the drawing gives: run the icons program of packaging/"
            );
        }
    }

    #[test]
    fn a_drawing_without_its_groups_is_refused() {
        assert!(all("<svg xmlns=\"http://www.w3.org/2000/svg\"/>").is_err());
    }
}
