import type { Args, SearchHit, SearchPage } from "../../src/backend/gen";
import { foldedPlaces, searchWords } from "../../src/shared/text";
import type { FakeBackend } from "./backend";

/** What a node's search answers: every word stands in the message, newest first. */
export function searchIn(fake: FakeBackend, args: Args["search"]): SearchPage {
  const words = searchWords(args.q ?? "");
  const all: SearchHit[] = [];
  for (const [sessionId, messages] of fake.messages) {
    if (args.in !== undefined && args.in !== sessionId) continue;
    for (const message of messages) {
      if (args.from !== undefined && message.senderUserId !== args.from) continue;
      if (args.type !== undefined && message.messageType !== args.type) continue;
      if (args.since !== undefined && message.timestamp < args.since) continue;
      if (args.until !== undefined && message.timestamp > args.until) continue;
      const places = words.map((word) => foldedPlaces(message.message, word));
      if (places.some((one) => one.length === 0)) continue;
      const ranges = places.flat().sort((a, b) => a[0] - b[0]);
      all.push({ message, session: { sessionId, title: fake.row(sessionId).title }, ranges });
    }
  }
  all.sort((a, b) => b.message.order.localeCompare(a.message.order));
  const from = args.before === undefined ? 0 : all.findIndex((one) => one.message.order === args.before) + 1;
  const items = all.slice(from, from + (args.limit ?? 50));
  const last = items.at(-1);
  const more = last !== undefined && from + items.length < all.length;
  return { items, nextBefore: more ? last.message.order : null, total: Math.min(1_000, all.length), indexing: false };
}
