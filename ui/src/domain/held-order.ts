/**
 * The order of a list that must not move under a pointer or the focus: what was there stays where it was, what is new
 * comes last, what is gone goes.
 */
export function heldOrder(held: readonly string[], wanted: readonly string[]): string[] {
  const there = new Set(wanted);
  const before = new Set(held);
  return [...held.filter((id) => there.has(id)), ...wanted.filter((id) => !before.has(id))];
}
