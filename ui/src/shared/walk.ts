/**
 * Lets up and down walk the rows of a list, and up from the first go where `before` says. Tells whether the key was
 * one of these.
 */
export function walkRows(event: KeyboardEvent, rows: readonly HTMLElement[], before?: HTMLElement): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
  const at = rows.findIndex((row) => row.contains(event.target as Node));
  const to =
    event.key === "ArrowDown" ? rows[at + 1]
    : event.key === "ArrowUp" ? (rows[at - 1] ?? before)
    : event.key === "Home" ? rows[0]
    : event.key === "End" ? rows.at(-1)
    : null;
  if (at < 0 || to === null) return false;
  event.preventDefault();
  to?.focus();
  return true;
}
