import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BackendError } from "../src/backend/backend";
import type { SearchPage } from "../src/backend/gen";
import { Find } from "../src/domain/find.svelte";
import { HITS, noFilters, Search, SEARCH_WAIT_MS } from "../src/domain/search.svelte";
import { addDays, addMonths, dayOf, firstWeekday, startOf, weeksOf } from "../src/shared/days";
import { excerpt } from "../src/shared/excerpt";
import { fold, foldedPlaces, searchWords } from "../src/shared/text";
import type { FakeBackend } from "./fake/backend";
import { longWorld } from "./fake/world";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const pause = () => vi.advanceTimersByTimeAsync(SEARCH_WAIT_MS);
const asked = (fake: FakeBackend) => fake.calls.filter((one) => one.name === "search").map((one) => one.args);

describe("a search", () => {
  test("begins when the typing pauses, once", async () => {
    const fake = longWorld(200);
    const search = new Search(fake);
    for (const query of ["#", "#1", "#19"]) search.look(query);
    expect(search.phase).toBe("searching");
    await pause();
    expect(asked(fake)).toMatchObject([{ q: "#19", limit: HITS }]);
    expect([search.phase, search.total, search.more]).toEqual(["found", 11, false]);
  });

  test("is that of the last word: an answer that comes late changes nothing", async () => {
    const fake = longWorld(10);
    const search = new Search(fake);
    const answers: ((page: SearchPage) => void)[] = [];
    fake.call = (() => new Promise((resolve) => answers.push(resolve as never))) as never;
    const page = (total: number): SearchPage => ({ items: [], nextBefore: null, total, indexing: false });
    search.look("first");
    await pause();
    search.look("second");
    await pause();
    answers[1]?.(page(2));
    answers[0]?.(page(1));
    await pause();
    expect(search.total).toBe(2);
    search.look("");
    expect([search.phase, search.total]).toEqual(["idle", 0]);
  });

  test("fetches older hits, each once", async () => {
    const search = new Search(longWorld(100));
    search.look("#");
    await pause();
    expect([search.hits.length, search.total, search.more]).toEqual([HITS, 100, true]);
    for (let n = 0; n < 9; n++) await search.loadMore();
    expect(search.more).toBe(false);
    expect(new Set(search.hits.map((one) => one.message.id)).size).toBe(100);
    search.drop("message-7");
    search.drop("message-7");
    expect([search.hits.length, search.total], "because a deleted message is found no more").toEqual([99, 99]);
  });

  test("takes whole local days, the last one to its end", async () => {
    const fake = longWorld(10);
    const search = new Search(fake);
    search.look("x", { ...noFilters, from: "landline1anna", since: "2026-03-01", until: "2026-03-02" });
    await pause();
    expect(asked(fake)).toMatchObject([
      {
        from: "landline1anna",
        since: new Date(2026, 2, 1).toISOString(),
        until: new Date(2026, 2, 2, 23, 59, 59, 999).toISOString(),
      },
    ]);
  });

  test("says why it failed, and is well again with the next word", async () => {
    const fake = longWorld(10);
    const search = new Search(fake);
    fake.refusals.set("search", new BackendError({ code: "invalid_value", message: "Too long." }));
    search.look("a");
    await pause();
    expect([search.phase, search.error?.message]).toEqual(["found", "Too long."]);
    search.look("#1");
    await pause();
    expect([search.error, search.hits.length]).toEqual([null, 1]);
  });
});

describe("finding in one conversation", () => {
  const made = async (query: string) => {
    const shown: string[] = [];
    const find = new Find(longWorld(100), "session-landline1anna", (hit) => shown.push(hit.message.id));
    find.look(query);
    await pause();
    find.settle();
    find.settle();
    return { find, shown };
  };

  test("shows the newest hit, once, and walks back and forth", async () => {
    const { find, shown } = await made("#");
    for (const by of [1, 1, -1, -1, -1] as const) await find.step(by);
    expect(shown).toEqual(["message-100", "message-99", "message-98", "message-99", "message-100", "message-100"]);
    expect(find.at, "because the oldest hit is not here yet").toBe(0);
  });

  test("fetches further hits on the way and goes round once all are here", async () => {
    const { find, shown } = await made("#");
    for (let n = 0; n < 100; n++) await find.step(1);
    expect(new Set(shown).size).toBe(100);
    expect([find.at, shown.at(-1)], "because after the oldest comes the newest").toEqual([0, "message-100"]);
    await find.step(-1);
    expect(shown.at(-1)).toBe("message-1");
  });

  test("nothing found is nothing shown", async () => {
    const { find, shown } = await made("not there");
    await find.step(1);
    expect([shown, find.at]).toEqual([[], -1]);
  });
});

describe("the line of a hit", () => {
  const written = (message: string, ranges: [number, number][]) =>
    excerpt(message, ranges).map((one) => (one.hit ? `[${one.text}]` : one.text)).join("");

  test("marks every match", () => {
    expect(written("tea for two", [[0, 3], [8, 11]])).toBe("[tea] for [two]");
  });

  test("begins at a word near the first match and ends within one line", () => {
    const message = `${"before ".repeat(50)}needle ${"after ".repeat(200)}`;
    const line = written(message, [[350, 356]]);
    expect(line).toMatch(/^… (before ){5}\[needle\] (after )+.* …$/u);
    expect(line.length).toBeLessThan(240);
    expect(written("one\n\n\ntwo", [[6, 9]])).toBe("one [two]");
  });

  test("wrong ranges do no harm", () => {
    expect(written("abc", [[2, 1], [1, 2], [1, 3], [9, 12]])).toBe("a[b]c");
    expect(written("", [[0, 4]])).toBe("");
  });

  test("never splits a character", () => {
    const line = written("😀".repeat(80) + "x", [[160, 161]]);
    expect(line).toBe(`… ${"😀".repeat(20)}[x]`);
  });
});

test("the words of a search", () => {
  expect(searchWords('  Crème "zwei  Worte" und "offen')).toEqual(["creme", "zwei  worte", "und", "offen"]);
  expect(searchWords('"" " "')).toEqual([]);
});

test("folded text is found where it stands", () => {
  const places = (text: string, query: string) => foldedPlaces(text, fold(query)).map(([from, to]) => text.slice(from, to));
  expect(places("Ärger, ärger und A\u0308rger", "ARGER")).toEqual(["Ärger", "ärger", "A\u0308rger"]);
  expect(places("ﬁne print", "fi")).toEqual(["ﬁ"]);
  expect(places("会议改到十点", "改到")).toEqual(["改到"]);
  expect(places("aaaa", "aa")).toEqual(["aa", "aa"]);
  expect(places("text", "")).toEqual([]);
});

describe("days", () => {
  test("are the local ones, and reckoned over ends of months", () => {
    expect(dayOf(new Date(2026, 0, 31, 23, 59))).toBe("2026-01-31");
    expect(addDays("2026-12-31", 1)).toBe("2027-01-01");
    expect(addMonths("2026-01-31", 1)).toBe("2026-02-28");
    expect(addMonths("2026-03-31", -13)).toBe("2025-02-28");
    expect(dayOf(startOf("0099-02-03"))).toBe("0099-02-03");
  });

  test("stand in whole weeks", () => {
    const weeks = weeksOf("2026-11-20", 1);
    expect([weeks.length, weeks[0]?.[0], weeks.at(-1)?.[6]]).toEqual([6, "2026-10-26", "2026-12-06"]);
    expect(weeksOf("2026-02-10", 0).flat()[0], "because that month begins with a Sunday").toBe("2026-02-01");
    expect([0, 1, 6]).toContain(firstWeekday("en-US"));
  });
});
