import { fold } from "../shared/text";
import type { Mentionable } from "../shared/markdown";

/** What is being typed that can be completed: `:smi` or `@An`, and where it stands in the text. */
export interface Completion {
  kind: "emoji" | "mention";
  query: string;
  from: number;
  to: number;
}

/** Looks at what stands before the caret. */
export function completionAt(text: string, caret: number): Completion | undefined {
  const before = text.slice(Math.max(0, caret - 80), caret);
  const emoji = /(?:^|[\s([{"'])(:([a-z0-9_+-]{2,30}))$/iu.exec(before);
  if (emoji !== null) return made("emoji", emoji, caret);
  // Names have spaces; a mention goes on as long as somebody's name does.
  const mention = /(?:^|[^\p{L}\p{N}@])(@([\p{L}\p{M}\p{N}._'-]*(?: [\p{L}\p{M}\p{N}._'-]*){0,4}))$/u.exec(before);
  return mention === null ? undefined : made("mention", mention, caret);
}

function made(kind: Completion["kind"], found: RegExpExecArray, caret: number): Completion {
  return { kind, query: found[2] ?? "", from: caret - (found[1]?.length ?? 0), to: caret };
}

/** `:name:` that was just closed, and where it stands. */
export function closedName(text: string, caret: number): Completion | undefined {
  const found = /(?:^|[\s([{"'])(:([a-z0-9_+-]{2,40}):)$/iu.exec(text.slice(Math.max(0, caret - 80), caret));
  return found === null ? undefined : made("emoji", found, caret);
}

/** Who can be meant by what was typed after the `@`: any word of the name may begin so. */
export function mentionsFor(people: readonly Mentionable[], query: string): Mentionable[] {
  const wanted = fold(query);
  return people.filter(({ name }) => {
    const own = fold(name);
    return own.startsWith(wanted) || (!/\s/u.test(wanted) && own.split(/\s+/u).some((word) => word.startsWith(wanted)));
  });
}

/** Puts a completion in place of what was typed; tells the new text and where the caret goes. */
export function complete(text: string, { kind, from, to }: Completion, insert: string): { text: string; caret: number } {
  const after = text.slice(to);
  // One goes on writing after a name.
  const whole = kind === "mention" && !/^\s/u.test(after) ? `${insert} ` : insert;
  return { text: text.slice(0, from) + whole + after, caret: from + whole.length };
}
