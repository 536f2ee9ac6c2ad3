//! Images: how large they are, and a small one that stands for them. Decoding is bounded, whoever made the file.

use std::fs::File;
use std::io::{BufReader, Cursor, Read as _};
use std::path::Path;

use image::codecs::{gif::GifDecoder, jpeg::JpegEncoder, png::PngDecoder, webp::WebPDecoder};
use image::{
    AnimationDecoder as _, DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, metadata::Orientation,
};
use proto::Picture;
use proto::limits::{PICTURE_SIDE, THUMBNAIL_BYTES};

/// Longest side of a thumbnail in pixels.
const THUMBNAIL_SIDE: u32 = 320;

/// Memory that decoding an own image may take: 64 million pixels of four bytes. A larger one is sent without a thumbnail.
const DECODED_BYTES: u64 = 256 << 20;

/// Memory that decoding a peer's thumbnail may take.
const CHECKED_BYTES: u64 = 4 << 20;

/// What an image looks like.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) picture: Picture,
    pub(crate) thumbnail: Option<Vec<u8>>,
}

/// Looks at a file; `None` when it is no image that is known here.
pub(crate) fn look(path: &Path) -> Option<Seen> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(64).read_to_end(&mut start).ok()?;
    let format = image::guess_format(&start).ok()?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP) {
        return None;
    }
    let open = || File::open(path).ok().map(BufReader::new);
    let mut reader = ImageReader::with_format(open()?, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_SIDE);
    limits.max_image_height = Some(PICTURE_SIDE);
    limits.max_alloc = Some(DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return None;
    }
    let sideways = matches!(
        turned,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    let animated = match format {
        ImageFormat::Gif => GifDecoder::new(open()?).is_ok_and(|gif| gif.into_frames().take(2).count() > 1),
        ImageFormat::WebP => WebPDecoder::new(open()?).is_ok_and(|webp| webp.has_animation()),
        ImageFormat::Png => PngDecoder::new(open()?).is_ok_and(|png| png.is_apng().unwrap_or(false)),
        _ => false,
    };
    let within = u64::from(width) * u64::from(height) * 4 <= DECODED_BYTES;
    let thumbnail = if within { DynamicImage::from_decoder(decoder).ok() } else { None };
    let thumbnail = thumbnail.and_then(|mut image| {
        image.apply_orientation(turned);
        shrink(&image)
    });
    Some(Seen { picture: Picture { width, height, animated }, thumbnail })
}

/// A small image in at most [`THUMBNAIL_BYTES`].
fn shrink(image: &DynamicImage) -> Option<Vec<u8>> {
    let small = if image.width() > THUMBNAIL_SIDE || image.height() > THUMBNAIL_SIDE {
        image.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    } else {
        image.clone()
    };
    if small.color().has_alpha() {
        let mut png = Cursor::new(Vec::new());
        small.write_to(&mut png, ImageFormat::Png).ok()?;
        if png.get_ref().len() <= THUMBNAIL_BYTES {
            return Some(png.into_inner());
        }
    }
    [80, 60, 40, 20].into_iter().find_map(|quality| {
        let mut jpeg = Vec::new();
        small.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, quality)).ok()?;
        (jpeg.len() <= THUMBNAIL_BYTES).then_some(jpeg)
    })
}

/// The media type of a thumbnail that was checked.
pub(crate) fn kind_of(thumbnail: &[u8]) -> &'static str {
    match image::guess_format(thumbnail) {
        Ok(ImageFormat::Png) => "image/png",
        _ => "image/jpeg",
    }
}

/// The media type of a peer's thumbnail, once it has been decoded within bounds; `None` when it is not what it should be.
pub(crate) fn check_thumbnail(bytes: &[u8]) -> Option<&'static str> {
    let format = image::guess_format(bytes).ok()?;
    let kind = match format {
        ImageFormat::Png => "image/png",
        ImageFormat::Jpeg => "image/jpeg",
        _ => return None,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(THUMBNAIL_SIDE);
    limits.max_image_height = Some(THUMBNAIL_SIDE);
    limits.max_alloc = Some(CHECKED_BYTES);
    reader.limits(limits);
    reader.decode().ok().map(|_| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn file(dir: &tempfile::TempDir, name: &str, image: &DynamicImage) -> std::path::PathBuf {
        let path = dir.path().join(name);
        image.save(&path).unwrap();
        path
    }

    fn noise(width: u32, height: u32) -> DynamicImage {
        let mut state = 1_u32;
        RgbImage::from_fn(width, height, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            Rgb([a, b, c])
        })
        .into()
    }

    #[test]
    fn images_get_a_small_one_that_a_receiver_takes() {
        let dir = tempfile::tempdir().unwrap();
        let clear: DynamicImage = RgbaImage::from_pixel(1200, 400, Rgba([9, 99, 199, 77])).into();
        for (name, image) in [("a.png", noise(1000, 700)), ("b.jpg", noise(40, 900)), ("c.png", clear)] {
            let seen = look(&file(&dir, name, &image)).unwrap();
            assert_eq!((seen.picture.width, seen.picture.height), (image.width(), image.height()));
            assert!(!seen.picture.animated);
            let thumbnail = seen.thumbnail.unwrap();
            assert!(thumbnail.len() <= THUMBNAIL_BYTES, "{name}: {}", thumbnail.len());
            assert!(check_thumbnail(&thumbnail).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_no_image_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        for bytes in [&b""[..], b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
        {
            std::fs::write(&path, bytes).unwrap();
            assert!(look(&path).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn a_thumbnail_is_checked() {
        let mut large = Cursor::new(Vec::new());
        noise(400, 10).write_to(&mut large, ImageFormat::Png).unwrap();
        let mut gif = Cursor::new(Vec::new());
        noise(10, 10).write_to(&mut gif, ImageFormat::Gif).unwrap();
        let mut good = Cursor::new(Vec::new());
        noise(10, 10).write_to(&mut good, ImageFormat::Png).unwrap();
        let good = good.into_inner();
        assert_eq!(check_thumbnail(&good), Some("image/png"));
        assert_eq!(check_thumbnail(&good[..good.len() / 2]), None, "because it is cut");
        assert_eq!(check_thumbnail(large.get_ref()), None, "because it is too large");
        assert_eq!(check_thumbnail(gif.get_ref()), None, "because only still formats are taken");
        assert_eq!(check_thumbnail(b"<script>"), None);
    }
}
