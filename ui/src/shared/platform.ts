/** Whether ⌘ is this system's command key. */
export const isMac = /mac|iphone|ipad/iu.test(navigator.platform);

/** Marks a name inside a sentence as a unit of its own direction, as `<bdi>` does in markup. */
export function isolate(name: string): string {
  return `\u2068${name}\u2069`;
}
