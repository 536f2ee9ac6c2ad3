import type { Reaction } from "../backend/gen";

/** One emoji on a message, and who used it, the first one first. */
export interface ReactionGroup {
  emoji: string;
  userIds: readonly string[];
  own: boolean;
}

/** Gathers reactions by emoji, in the order each was first used. */
export function groupReactions(reactions: readonly Reaction[], me: string): ReactionGroup[] {
  const groups = new Map<string, string[]>();
  for (const { emoji, userId } of reactions) groups.set(emoji, [...(groups.get(emoji) ?? []), userId]);
  return [...groups].map(([emoji, userIds]) => ({ emoji, userIds, own: userIds.includes(me) }));
}
