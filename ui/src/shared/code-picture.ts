/** Largest side at which a picture is looked at, in pixels. A code that fills a fifth of it still has four pixels a module. */
const LOOK_PIXELS = 2_000;

/** How long a code that is hard to see is looked for, beyond the first look. */
const LOOK_MS = 1_000;

/** Largest picture that is opened, in bytes: photographs and screenshots are smaller. */
const PICTURE_BYTES = 32 * 1024 * 1024;

/** The text of the QR code in a picture; `null` when it shows none, or is no picture that the engine draws. */
export async function readCode(picture: Blob): Promise<string | null> {
  if (picture.size > PICTURE_BYTES) return null;
  let drawn: ImageBitmap;
  try {
    drawn = await createImageBitmap(picture);
  } catch {
    return null;
  }
  try {
    const { decodeQR } = await import("qr/decode.js");
    const scale = Math.min(1, LOOK_PIXELS / Math.max(drawn.width, drawn.height));
    const [width, height] = [Math.max(1, Math.round(drawn.width * scale)), Math.max(1, Math.round(drawn.height * scale))];
    const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (pen === null) return null;
    // What is transparent is seen on white.
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, width, height);
    pen.drawImage(drawn, 0, 0, width, height);
    return decodeQR(pen.getImageData(0, 0, width, height), { timeLimit: LOOK_MS });
  } catch {
    // Its way to say that it found none.
    return null;
  } finally {
    drawn.close();
  }
}
