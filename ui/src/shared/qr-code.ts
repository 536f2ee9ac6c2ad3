import encodeQR from "qr";

/** A QR code as it is drawn: its side in modules, the quiet zone included, and the dark ones as the path of an SVG. */
export interface Drawn {
  side: number;
  path: string;
}

/** Free modules around a code (ISO/IEC 18004, 9.1). */
const QUIET = 4;

/**
 * Draws a text of up to 2,331 bytes. A screen is neither torn nor stained: the usual correction, fewer and larger modules.
 */
export function drawCode(text: string): Drawn {
  const rows = encodeQR(text, "raw", { ecc: "medium", encoding: "byte", border: QUIET });
  const path = rows
    .map((row, y) => {
      let line = "";
      for (let x = 0; x < row.length; x++) {
        const from = x;
        while (row[x] === true) x += 1;
        if (x > from) line += `M${from} ${y}h${x - from}v1h${from - x}z`;
      }
      return line;
    })
    .join("");
  return { side: rows.length, path };
}
