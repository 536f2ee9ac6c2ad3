import { describe, expect, test, vi } from "vitest";
import { isDrawable, isPicture, Pictures, shownSize } from "../src/domain/pictures";
import { Toasts } from "../src/domain/toasts.svelte";
import { copyOf, isOpen, Transfers } from "../src/domain/transfers.svelte";
import { MOST_ATTACHMENTS, Tray } from "../src/domain/tray.svelte";
import { previewOf } from "../src/domain/preview";
import { fileSize } from "../src/shared/sizes";
import { percentDone, tileWord, transferLine } from "../src/views/attachments/words";
import { FakeBackend, person } from "./fake/backend";
import { attachment, picture } from "./fake/files";
import { farFilesWorld, filesWorld } from "./fake/world";

describe("the tray", () => {
  test("is ready when all in it can be sent", async () => {
    const fake = new FakeBackend();
    const tray = new Tray(fake);
    let release: () => void = () => undefined;
    fake.files.gate = new Promise((resolve) => (release = resolve));
    const adding = tray.addFiles([new File(["hello"], "a.txt")]);
    expect(tray.items).toMatchObject([{ name: "a.txt", size: 5, done: 2, upload: null }]);
    expect(tray.ready).toBe(false);
    release();
    await adding;
    expect(tray.ready).toBe(true);
    await tray.addPaths(["/srv/bea/missing.txt"]);
    expect([tray.ready, tray.items[1]?.problem]).toEqual([false, "There is no file /srv/bea/missing.txt."]);
    tray.remove(tray.items[1]?.key ?? 0);
    expect(tray.ready).toBe(true);
  });

  test("ends what is taken out while it is being added", async () => {
    const fake = new FakeBackend();
    const tray = new Tray(fake);
    const signals: AbortSignal[] = [];
    fake.upload = (_file, _ondone, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    void tray.addFiles([new File(["x"], "big.iso")]);
    tray.remove(tray.items[0]?.key ?? 0);
    expect([signals[0]?.aborted, tray.items.length]).toEqual([true, 0]);
  });

  test("takes as many as a message holds, and says how many were left out", async () => {
    const tray = new Tray(new FakeBackend());
    await tray.addPaths(Array.from({ length: MOST_ATTACHMENTS + 3 }, (_, n) => `D:\\bea\\file-${n}.pdf`));
    expect([tray.items.length, tray.refused]).toEqual([MOST_ATTACHMENTS, 3]);
    const taken = tray.take();
    expect([taken.length, tray.items.length, tray.refused]).toEqual([MOST_ATTACHMENTS, 0, 0]);
    tray.putBack(taken);
    expect(tray.ready).toBe(true);
  });

  test("names a path by its last part, on every system", async () => {
    const fake = new FakeBackend();
    fake.call = (async () => new Promise(() => undefined)) as typeof fake.call;
    const tray = new Tray(fake);
    void tray.addPaths(["/srv/bea/Holiday/", "D:\\bea\\a b.txt", "/"]);
    expect(tray.items.map((one) => one.name)).toEqual(["Holiday", "a b.txt", "/"]);
  });
});

describe("what is said of a file", () => {
  const now = new Date("2026-11-30T12:00:00");
  test("how far, how fast, how long", () => {
    const way = { state: "transferring", size: 1_000_000_000, bytesDone: 421_000_000, failure: null, relayCopy: null } as const;
    expect(transferLine({ ...way, bytesPerSecond: 18_000_000, secondsLeft: 32 }, false, now)).toBe("42% · 18 MB/s · about 32 sec left");
    expect(transferLine({ ...way, bytesPerSecond: 18_000_000, secondsLeft: 5_300 }, false, now)).toContain("89 min");
    expect(transferLine(way, false, now), "because a rate is not known at once").toBe("42% of 1 GB");
  });

  test("why not, in a sentence, however the node begins it", () => {
    const way = { size: 1_000, bytesDone: 0, relayCopy: null } as const;
    expect(transferLine({ ...way, state: "gone", failure: "the file has changed since it was offered" }, true, now)).toBe("The file has changed since it was offered.");
    expect(transferLine({ ...way, state: "failed", failure: "the other machine's disk is full" }, true, now)).toBe("It did not arrive. The other machine's disk is full.");
    expect(transferLine({ ...way, state: "failed", failure: "The disk is full." }, false, now)).toBe("It did not arrive. The disk is full.");
  });

  test("never done before it is", () => {
    expect(percentDone({ state: "transferring", size: 1000, bytesDone: 1000 })).toBe(99);
    expect(percentDone({ state: "complete", size: 0, bytesDone: 0 })).toBe(100);
    expect(percentDone({ state: "queued", size: 0, bytesDone: 0 })).toBe(0);
  });

  describe("while a copy lies at a relay, or is to", () => {
    const copy = { relay: "wss://relay.example.org:4282", state: "held", until: null, failure: null } as const;
    const way = { state: "offered", size: 20_000_000, bytesDone: 6_800_000, failure: null, relayCopy: copy } as const;
    // Names stand between marks that keep their direction to themselves.
    const said = (more: Partial<Parameters<typeof transferLine>[0]>) => transferLine({ ...way, ...more }, true, now).replace(/[\u2068\u2069]/gu, "");
    const sending = { ...copy, state: "sending" } as const;

    test("how far on its way there", () => {
      expect(said({ relayCopy: sending, bytesPerSecond: 2_000_000, secondsLeft: 7 })).toBe("Going to relay relay.example.org · 34% · 2 MB/s · about 7 sec left");
      expect(said({ relayCopy: sending }), "because it may only be to go on").toBe("Going to relay relay.example.org · 34% of 20 MB");
    });

    test("where it is held, and until when", () => {
      expect(said({})).toBe("20 MB · held by relay relay.example.org");
      expect(said({ relayCopy: { ...copy, until: new Date("2026-12-21T09:00:00").toISOString() } })).toBe("20 MB · held by relay relay.example.org until Mon, December 21");
      expect(said({ relayCopy: { ...copy, until: new Date("2026-11-30T18:40:00").toISOString() } })).toMatch(/until today at 6:40\sPM$/u);
    });

    test("why it is not there, and what happens then", () => {
      const rest = "It is tried again, and goes when both of you are online.";
      const refused = { ...copy, state: "refused" } as const;
      expect(said({ relayCopy: { ...refused, failure: "it has no room left" } })).toBe(`20 MB · not at relay relay.example.org: it has no room left. ${rest}`);
      expect(said({ relayCopy: { ...refused, failure: "It cannot be reached." } })).toBe(`20 MB · not at relay relay.example.org: It cannot be reached. ${rest}`);
      expect(said({ relayCopy: refused })).toBe(`20 MB · not at relay relay.example.org. ${rest}`);
    });

    test("nothing of it once it goes straight, or has ended", () => {
      expect(said({ state: "transferring" })).toBe("34% of 20 MB");
      for (const state of ["complete", "cancelled"] as const) {
        expect(copyOf({ ...way, state })).toBe(null);
        expect(said({ state })).not.toContain("relay");
      }
      expect(copyOf({ ...way, state: "paused" })).toBe(copy);
    });

    test("that it is held though it is gone here", () => {
      const failure = "the file is no longer where it was";
      const until = new Date("2026-12-21T09:00:00").toISOString();
      const held = { ...copy, until };
      const rest = "20 MB · held by relay relay.example.org until Mon, December 21";
      expect(said({ state: "gone", failure, relayCopy: held })).toBe(`The file is no longer where it was · ${rest}`);
      expect(said({ state: "failed", failure: "the file cannot be read", relayCopy: held })).toBe(`It did not arrive. The file cannot be read · ${rest}`);
      expect(said({ state: "gone", failure, relayCopy: sending })).toBe("The file is no longer where it was.");
      expect(tileWord({ ...way, state: "gone" }, true)).toBe("At relay");
    });

    test("on an image in two words", () => {
      const words = [sending, copy, { ...copy, state: "refused" } as const, null].map((relayCopy) => tileWord({ ...way, relayCopy }, true));
      expect(words).toEqual(["To relay · 34%", "At relay", "Not at relay", ""]);
      expect(tileWord({ ...way, relayCopy: null, state: "queued" }, true)).toBe("34%");
    });
  });

  test("sizes are read as people read them", () => {
    const sizes = [0, 1, 999, 1_000, 180_400, 999_999, 2_440_000, 10_737_418_240, 3e15];
    expect(sizes.map((size) => fileSize(size, "en"))).toEqual([
      "0 bytes", "1 byte", "999 bytes", "1 kB", "180 kB", "1 MB", "2.4 MB", "10.7 GB", "3,000 TB",
    ]);
  });
});

describe("images", () => {
  test("are those whose size is known and which are no documents", () => {
    expect(isPicture(picture("a.jpg", 10, 10))).toBe(true);
    expect(isPicture(attachment("a.jpg", "image/jpeg"))).toBe(false);
    expect(isPicture(attachment("a.svg", "image/svg+xml", { width: 10, height: 10 }))).toBe(false);
    expect(isPicture(picture("a", 10, 10, { kind: "folder" }))).toBe(false);
    expect(isDrawable(picture("bomb.png", 30_000, 30_000))).toBe(false);
    expect(isDrawable(picture("heavy.png", 100, 100, { size: 90_000_000 }))).toBe(false);
  });

  test("keep their shape within their box and are never enlarged", () => {
    const box = { width: 340, height: 340 };
    expect(shownSize(3400, 1700, box)).toEqual({ width: 340, height: 170 });
    expect(shownSize(100, 80, box)).toEqual({ width: 100, height: 80 });
    expect(shownSize(1, 10_000, box), "because it must be possible to hit it").toEqual({ width: 48, height: 340 });
  });

  test("are fetched once, and let go when there are many", async () => {
    const fake = new FakeBackend();
    const content = vi.fn(async () => new Blob(["x"]));
    fake.content = content;
    const gone: string[] = [];
    let made = 0;
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => `blob:${++made}`, revokeObjectURL: (url: string) => void gone.push(url) }));
    const pictures = new Pictures(fake);
    const one = picture("one.jpg", 10, 10);
    expect(await pictures.url(one, "whole")).toBe(await pictures.url(one, "whole"));
    expect(content).toHaveBeenCalledTimes(1);
    for (let n = 0; n < 100; n++) await pictures.url(picture(`${n}.jpg`, 10, 10), "thumbnail");
    expect(gone).toContain("blob:1");
    expect(gone.length).toBe(21);
    vi.unstubAllGlobals();
  });

  test("one that could not be had is asked for again", async () => {
    const fake = new FakeBackend();
    fake.content = vi.fn().mockRejectedValueOnce(new Error("away")).mockResolvedValue(new Blob(["x"]));
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:1", revokeObjectURL: () => undefined }));
    const pictures = new Pictures(fake);
    await expect(pictures.url(picture("a.jpg", 1, 1), "whole")).rejects.toThrow("away");
    expect(await pictures.url(picture("a.jpg", 1, 1), "whole")).toBe("blob:1");
    vi.unstubAllGlobals();
  });
});

test("transfers: those under way first, and known by their attachment", async () => {
  const fake = filesWorld();
  const transfers = new Transfers(fake, new Toasts().attempt);
  await transfers.load();
  expect(transfers.items.map(isOpen)).toEqual([true, true, true, true, false, false]);
  expect([transfers.running.length, transfers.open.length]).toEqual([1, 4]);
  const folder = attachment("Last year", "", { state: "transferring" });
  expect(transfers.of(folder)?.bytesPerSecond).toBe(18_000_000);
  expect(transfers.of({ ...folder, state: "complete" }), "because then the message knows best").toBeUndefined();
});

test("transfers: what goes to a relay is on its way, and what lies there waits", async () => {
  const fake = farFilesWorld();
  const transfers = new Transfers(fake, new Toasts().attempt);
  await transfers.load();
  expect(transfers.running.map((one) => one.name)).toEqual(["pier.jpg", "Last year", "song.flac"]);
  expect(transfers.open).toHaveLength(10);
});

describe("the second line of a session", () => {
  const fake = new FakeBackend();
  const session = fake.session(person("anna", "Anna"));
  const message = fake.put(session.sessionId, "landline1anna", "see\n\nyou");
  const row = fake.row(session.sessionId);

  test("typing before a draft before the newest message", () => {
    expect(previewOf({ ...row, typing: ["landline1anna"], draft: "x" }, false)).toEqual({ kind: "typing" });
    expect(previewOf({ ...row, draft: "half a\nthought" }, false)).toEqual({ kind: "draft", text: "half a thought", file: null });
    expect(previewOf({ ...row, draft: "x" }, true), "because the composer shows it").toMatchObject({ kind: "message", text: "see you" });
    expect(previewOf({ ...row, lastMessage: null }, false)).toEqual({ kind: "none" });
  });

  test("files by their kind, with words or their name", () => {
    const files = (attachments: ReturnType<typeof attachment>[], text = "") => previewOf({ ...row, lastMessage: { ...message, message: text, attachments } }, false);
    expect(files([picture("a.jpg", 1, 1)])).toMatchObject({ file: "image", text: "a.jpg" });
    expect(files([attachment("b.pdf", "application/pdf")], "look")).toMatchObject({ file: "file", text: "look" });
    expect(files([attachment("c", "", { kind: "folder" })])).toMatchObject({ file: "folder" });
  });

  test("nothing of a deleted message", () => {
    const deleted = { ...message, message: "", deletedAt: "2026-01-01T00:00:00.000Z" };
    expect(previewOf({ ...row, lastMessage: deleted }, false)).toMatchObject({ kind: "deleted" });
  });
});
