/** The avatar colours; white text stands on all of them. A profile names one by its index. */
export const avatarColours = [
  "#B3261E", "#A8410A", "#7A5200", "#4C6600", "#166B3A", "#00696B",
  "#0B64A0", "#3F51C4", "#6A3FC0", "#8E24AA", "#AD1457", "#546070",
] as const;

/** The colour of a profile; an index of a newer version still gets one. */
export function avatarColour(index: number): string {
  return avatarColours[Math.abs(Math.trunc(index)) % avatarColours.length] ?? avatarColours[0];
}
