import { describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { focusedId, openSession, start, usePages } from "./pages";

usePages();

/** Waits until a message stands wholly within the list. */
async function onScreen(page: Page, id: string): Promise<void> {
  await page.waitForFunction((wanted) => {
    const box = document.querySelector(".scroller.placed")?.getBoundingClientRect();
    const row = document.querySelector(`[data-id="${wanted}"]`)?.getBoundingClientRect();
    return box !== undefined && row !== undefined && row.top >= box.top && row.bottom <= box.bottom;
  }, id);
}

describe("searching", () => {
  test("in all messages, by keyboard, opens the hit in its conversation", async () => {
    const page = await start("world=busy");
    await page.getByTestId("session-item").first().waitFor();
    await page.keyboard.press("Control+Shift+f");
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["testid"] === "search-input");
    await page.keyboard.type("projector");
    await page.getByText("2 messages found").waitFor();
    expect(await page.getByTestId("search-hit").locator("mark").allInnerTexts()).toEqual(["Projector", "projector"]);
    const asked = await page.evaluate(() => window.fake.calls.filter((one) => one.name === "search").length);
    expect(asked, "because a search waits for a pause of the typing").toBeLessThan("projector".length);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    const id = await page.evaluate(() => (document.activeElement as HTMLElement).dataset["id"] ?? "");
    await page.keyboard.press("Enter");
    await onScreen(page, id);
    expect(await page.getByTestId("conversation").getAttribute("data-session")).toBe("session-landline1anna");
    // Coming back, the search is as it was left.
    await page.keyboard.press("Control+Shift+f");
    expect(await page.getByTestId("search-input").inputValue()).toBe("projector");
    await page.getByTestId("search-in").selectOption({ label: "Omar" });
    await page.getByText("Nothing found").waitFor();
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.getByText("2 messages found").waitFor();
  });

  test("says what the node refuses", async () => {
    const page = await start("world=busy");
    await page.getByTestId("search-open").click();
    await page.evaluate(() => window.refuse("search", "A search holds 256 bytes."));
    await page.getByTestId("search-input").fill("x");
    await page.getByRole("alert").filter({ hasText: "A search holds 256 bytes." }).waitFor();
  });

  test("finds in a long conversation, far back, one hit after the other", async () => {
    const page = await start("world=long&count=5000");
    await openSession(page);
    await page.keyboard.press("Control+f");
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["testid"] === "find-input");
    await page.keyboard.type("#42");
    await page.getByText("1 of 111").waitFor();
    await onScreen(page, "message-4300");
    for (let n = 0; n < 40; n++) await page.keyboard.press("Enter");
    await page.getByText("41 of 111").waitFor();
    await onScreen(page, "message-4260");
    await page.keyboard.press("Shift+Enter");
    await onScreen(page, "message-4261");
    const marks = await page.evaluate(() => [CSS.highlights.get("found")?.size ?? 0, CSS.highlights.get("found-here")?.size ?? 0]);
    expect(marks[0], "because every hit on screen is marked").toBeGreaterThan(2);
    expect(marks[1], "because the one that is shown stands out").toBe(1);
    await page.keyboard.press("Escape");
    await page.getByTestId("find").waitFor({ state: "detached" });
    expect(await focusedId(page)).toBe("composer");
    expect(await page.evaluate(() => CSS.highlights.size)).toBe(0);
    // Where it was found is where one stays.
    await onScreen(page, "message-4261");
  });

  test("goes to a day, chosen by keyboard", async () => {
    const page = await start("world=long&count=5000");
    await openSession(page);
    await page.getByTestId("conversation-menu").click();
    await page.getByRole("menuitem", { name: "Go to a day" }).click();
    await page.getByTestId("date-dialog").waitFor();
    const day = await page.evaluate(() => (document.activeElement as HTMLElement).dataset["day"] ?? "");
    expect(day, "because it opens at the day that is being read").toBe("2026-11-09");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.getByTestId("date-dialog").waitFor({ state: "detached" });
    const first = await page.evaluate(() => {
      const from = new Date(2026, 10, 1).toISOString();
      return [...window.fake.messages.values()][0]?.find((one) => one.timestamp >= from)?.id ?? "";
    });
    await onScreen(page, first);
  });
});

describe("the notification centre", () => {
  test("opens what each one tells of, and counts down", async () => {
    const page = await start("world=busy");
    expect(await page.getByTestId("notifications-badge").innerText()).toBe("5");
    await page.getByTestId("notifications-open").click();
    await page.locator("[data-testid=notification][data-kind=message][data-read=false] .open").click();
    await page.getByTestId("unread-divider").waitFor();
    expect(await page.getByTestId("conversation").getAttribute("data-session")).toBe("session-landline1mei7");
    await page.getByTestId("notifications-badge").getByText("4").waitFor();
    await page.getByTestId("notifications-open").click();
    await page.locator("[data-testid=notification][data-kind=network] .open").click();
    await page.getByTestId("why").waitFor();
  });

  test("narrows, marks one and all, deletes, cleans up", async () => {
    const page = await start("world=busy");
    await page.getByTestId("notifications-open").click();
    await page.locator("[data-testid=notification-filter][data-filter=unread]").click();
    const unread = page.locator("[data-testid=notification][data-read=false]");
    await unread.nth(4).waitFor();
    expect(await page.getByTestId("notification").count()).toBe(5);
    await unread.first().getByTestId("notification-read").click();
    await unread.nth(4).waitFor({ state: "detached" });
    await unread.first().getByTestId("notification-delete").click();
    await unread.nth(3).waitFor({ state: "detached" });
    await page.getByTestId("notifications-read-all").click();
    await page.getByText("None of these.").waitFor();
    expect(await page.getByTestId("notifications-badge").count()).toBe(0);
    await page.locator("[data-testid=notification-filter][data-filter=all]").click();
    await page.evaluate(() => (window.fake.now += 20 * 86_400_000));
    await page.getByTestId("notifications-clean").click();
    await page.getByText(/^\d+ notifications deleted\.$/u).waitFor();
  });

  test("shows what comes while it is open", async () => {
    const page = await start("world=busy");
    await page.getByTestId("notifications-open").click();
    await page.getByTestId("notification").first().waitFor();
    await page.evaluate(() => window.fake.notifications.say(window.fake.notifications.put("mention", "Kim", { body: "@Bea?" })));
    await page.getByTestId("notification").first().getByText("Kim").waitFor();
    await page.getByTestId("notifications-badge").getByText("6").waitFor();
  });
});

describe("the list of sessions", () => {
  const item = (page: Page, name: string) => page.locator(`[data-session="session-landline1${name}"]`);

  test("has a menu by key and pointer, which gives the focus back", async () => {
    const page = await start("world=busy");
    await page.getByTestId("session-item").first().waitFor();
    await page.locator("[data-testid=session-item][tabindex='0']").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Shift+F10");
    await page.getByRole("menuitem", { name: "Mark as read" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await item(page, "mei7").getByTestId("session-badge").waitFor({ state: "detached" });
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["session"] === "session-landline1mei7");
    await item(page, "omar").click({ button: "right" });
    await page.getByRole("menuitem", { name: "Mark as unread" }).click();
    await item(page, "omar").getByTestId("session-badge").waitFor();
    await item(page, "omar").click();
    await item(page, "omar").getByTestId("session-badge").waitFor({ state: "detached" });
  });

  test("puts a session aside and brings it back", async () => {
    const page = await start("world=busy");
    expect(await page.locator("[data-filter=archived]").count(), "because nothing is archived").toBe(0);
    await item(page, "omar").click({ button: "right" });
    await page.getByRole("menuitem", { name: "Archive" }).click();
    await item(page, "omar").waitFor({ state: "detached" });
    await page.locator("[data-filter=archived]").click();
    await item(page, "omar").click({ button: "right" });
    await page.getByRole("menuitem", { name: "Back into the list" }).click();
    await page.getByText("Nothing is archived.").waitFor();
    await page.locator("[data-testid=session-filter][data-filter=all]").click();
    await item(page, "omar").waitFor();
  });

  test("commands of the open session are in the quick switcher", async () => {
    const page = await start("world=busy");
    await openSession(page);
    await page.keyboard.press("Control+k");
    await page.getByTestId("switcher-input").fill("find in");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["testid"] === "find-input");
    await page.keyboard.press("Control+k");
    await page.getByTestId("switcher-input").fill("theme dark");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.documentElement.dataset["theme"] === "dark");
  });
});

describe("the settings", () => {
  const set = (page: Page) => page.evaluate(() => window.fake.settings);

  test("are found by a word", async () => {
    const page = await start("world=busy");
    await page.getByTestId("settings-open").click();
    await page.getByTestId("settings-search").fill("hours");
    await page.getByTestId("settings-found").getByRole("button", { name: "Quiet hours" }).click();
    await page.locator("[data-testid=settings][data-section=notifications]").waitFor();
    await page.getByRole("radio", { name: "None" }).check();
    expect(await set(page)).toMatchObject({ sound: "none" });
  });

  test("keep quiet hours, and a time between the half hours that a program set", async () => {
    const page = await start("world=busy");
    await page.evaluate(() => (window.fake.settings = { ...window.fake.settings, quietFrom: "21:45" }));
    await page.reload();
    await page.getByTestId("settings-open").click();
    await page.locator("[data-testid=settings-tab][data-section=notifications]").click();
    await page.getByRole("switch", { name: "Quiet hours" }).check();
    await page.getByTestId("quiet-from").selectOption("23:30");
    expect(await set(page)).toMatchObject({ quietEnabled: true, quietFrom: "23:30", quietTo: "07:00" });
  });

  test("say what is wrong with a folder", async () => {
    const page = await start("world=busy");
    await page.getByTestId("settings-open").click();
    await page.locator("[data-testid=settings-tab][data-section=files]").click();
    await page.getByTestId("settings-folder").fill("/nowhere");
    await page.evaluate(() => window.refuse("update_settings", "There is no folder /nowhere."));
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").filter({ hasText: "There is no folder /nowhere." }).waitFor();
    await page.getByRole("button", { name: "Choose" }).click();
    await page.getByText("Saved").waitFor();
    expect(await page.evaluate(() => window.fake.settings)).toMatchObject({ downloadFolder: "/srv/bea/Downloads/Landline" });
  });
});

test("the details of a session mute it for a while", async () => {
  const page = await start("world=busy");
  await openSession(page);
  await page.getByTestId("details-open").click();
  await page.getByTestId("session-mute").selectOption({ label: "For 8 hours" });
  await page.getByTestId("session-mute").locator("option", { hasText: / at / }).waitFor({ state: "attached" });
  await page.getByTestId("session-notify").selectOption("mentions");
  await page.getByTestId("session-retention").selectOption({ label: "30 days" });
  const row = () => page.evaluate(() => window.fake.row("session-landline1anna"));
  expect(await row()).toMatchObject({ notify: "mentions", retentionDays: 30 });
  await page.getByTestId("session-mute").selectOption({ label: "No" });
  expect(await row()).toMatchObject({ mutedUntil: null });
});

describe("files", () => {
  const sent = (page: Page) =>
    page.evaluate(() => window.fake.calls.filter((one) => one.name === "send_message").map((one) => one.args as { message: string; attachments?: unknown[] }));

  test("go into the tray by menu, drop and paste, and leave with their caption", async () => {
    const page = await start("world=busy");
    await openSession(page);
    await page.getByTestId("attach").click();
    await page.getByRole("menuitem", { name: "Files" }).click();
    await page.getByTestId("tray-item").filter({ hasText: "slides.pdf" }).waitFor();
    await page.evaluate(() => {
      window.fake.emit({ type: "filesDragged", over: true });
    });
    await page.getByTestId("drop").waitFor();
    await page.evaluate(() => {
      window.fake.files.pasted = { paths: [], image: window.fake.files.add("image.png", 1_200, "image/png"), text: null };
      window.fake.emit({ type: "filesDropped", paths: ["/srv/bea/Holiday", "/srv/bea/missing.txt"] });
    });
    await page.getByTestId("drop").waitFor({ state: "detached" });
    await page.getByTestId("tray-item").filter({ hasText: "12 files" }).waitFor();
    expect(await page.getByTestId("send").isDisabled(), "because one of them cannot be read").toBe(true);
    await page.getByRole("button", { name: "Do not send missing.txt" }).click();
    await page.getByTestId("composer").evaluate((area) => {
      area.dispatchEvent(new ClipboardEvent("paste", { clipboardData: new DataTransfer(), bubbles: true, cancelable: true }));
    });
    await page.getByTestId("tray-item").filter({ hasText: "image.png" }).waitFor();
    expect(await page.getByTestId("tray-item").count()).toBe(3);
    await page.getByTestId("composer").fill("for tomorrow");
    await page.keyboard.press("Enter");
    await page.getByTestId("tray").waitFor({ state: "detached" });
    const row = page.getByTestId("message").filter({ hasText: "for tomorrow" });
    await row.getByTestId("file").nth(1).waitFor();
    await row.getByTestId("picture").waitFor();
    expect((await sent(page))[0]?.attachments).toHaveLength(3);
  });

  test("come back into the tray when they could not be sent, and stay with their session", async () => {
    const page = await start("world=busy");
    await openSession(page, 0);
    await page.evaluate(() => window.fake.emit({ type: "filesDropped", paths: ["/srv/bea/slides.pdf"] }));
    await page.getByTestId("tray").waitFor();
    await page.evaluate(() => window.refuse("send_message", "The disk is full."));
    await page.getByTestId("composer").press("Enter");
    await page.getByRole("alert").filter({ hasText: "The disk is full." }).waitFor();
    await page.getByTestId("tray-item").filter({ hasText: "slides.pdf" }).waitFor();
    await openSession(page, 3);
    expect(await page.getByTestId("tray").count()).toBe(0);
    await openSession(page, 0);
    await page.getByTestId("tray-item").filter({ hasText: "slides.pdf" }).waitFor();
  });

  test("of a draft are kept by the node, and stand in the tray again after a restart", async () => {
    const page = await start("world=busy");
    await openSession(page, 0);
    await page.evaluate(() => window.fake.emit({ type: "filesDropped", paths: ["/srv/bea/slides.pdf", "/srv/bea/harbour.png"] }));
    await page.locator("[data-testid=tray][data-ready=true]").waitFor();
    await page.waitForFunction(() => window.fake.row("session-landline1anna").draftAttachments.length === 2);
    await openSession(page, 2);
    await page.getByTestId("session-item").first().getByText("Draft:").waitFor();
    await page.getByTestId("session-item").first().getByText("slides.pdf").waitFor();
    // As after a restart: the window knows of these only what the node tells.
    await page.evaluate(() => {
      const { fake } = window;
      const [photo, text] = [fake.files.add("harbour.png", 1_200, "image/png"), fake.files.add("notes.txt", 12, "text/plain")];
      fake.tell("session-landline1omar", { draftAttachments: [photo, { ...text, state: "gone" }] });
    });
    await page.locator("[data-session=session-landline1omar][data-testid=session-item]").click();
    const tray = page.getByTestId("tray");
    await tray.getByRole("alert").filter({ hasText: "no longer where it was" }).waitFor();
    expect(await page.getByTestId("send").isDisabled(), "because one of them cannot be sent any more").toBe(true);
    await page.getByRole("button", { name: "Do not send notes.txt" }).click();
    await tray.locator("img").waitFor();
    await page.getByTestId("composer").press("Enter");
    await tray.waitFor({ state: "detached" });
    expect((await sent(page))[0]?.attachments).toHaveLength(1);
    await page.waitForFunction(() => window.fake.row("session-landline1omar").draftAttachments.length === 0);
  });

  test("go along when they are forwarded, and one that is not here is named", async () => {
    const page = await start("world=files");
    await openSession(page, 0);
    const forward = async (text: string) => {
      await page.getByTestId("message").filter({ hasText: text }).focus();
      await page.keyboard.press("Enter");
      await page.getByTestId("menu-forward").click();
      return page.getByTestId("forward-files");
    };
    await (await forward("Four from Sunday")).filter({ hasText: /dune\.jpg.*pier\.jpg.* and 2 more/u }).waitFor();
    await page.getByTestId("forward-target").first().check();
    await page.getByTestId("forward-send").click();
    await page.getByTestId("forward-dialog").waitFor({ state: "detached" });
    await (await forward("The plans, and all")).filter({ hasText: /Last year.? is not on this machine/u }).waitFor();
    await page.getByTestId("forward-target").first().check();
    expect(await page.getByTestId("forward-send").isDisabled(), "because nothing of it would be sent").toBe(true);
  });

  test("say how far they are, and are fetched, paused and given up", async () => {
    const page = await start("world=files");
    await openSession(page);
    const file = (name: string) => page.locator(`[data-testid=file][data-attachment="attachment-${name}"]`);
    await file("Last year").getByText("1,204 files · 42% · 18 MB/s · about 12 secs left").waitFor();
    await file("Last year").getByTestId("file-pause").click();
    await file("Last year").getByText("Paused at 42%").waitFor();
    await file("Last year").getByTestId("file-resume").click();
    await page.evaluate(() => window.fake.files.move("attachment-Last year", { state: "complete", bytesDone: 4_800_000_000 }));
    await file("Last year").getByTestId("file-open").click();
    expect(await page.evaluate(() => window.fake.files.opened)).toEqual(["attachment-Last year"]);
    await page.locator("[data-testid=picture][data-state=offered]").click();
    await page.locator("[data-testid=picture][data-attachment='attachment-tall.jpg'][data-state=transferring]").waitFor();
    await page.getByTestId("transfers-open").click();
    const row = page.getByTestId("transfer").filter({ hasText: "talk.mov" });
    await row.getByTestId("file-cancel").click();
    await page.locator("[data-testid=transfer][data-state=cancelled]").filter({ hasText: "talk.mov" }).waitFor();
  });

  test("nothing moves while images are loaded, and they are looked at one after the other", async () => {
    const page = await start("world=files", { viewport: { width: 1180, height: 2400 } });
    await page.getByTestId("session-item").waitFor();
    await page.evaluate(() => {
      window.fake.files.gate = new Promise((resolve) => Object.assign(window, { release: resolve }));
    });
    await openSession(page);
    const tops = () => page.getByTestId("message").evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().top));
    const before = await tops();
    expect(await page.locator("[data-testid=picture] img").count()).toBe(0);
    await page.evaluate(() => (window as unknown as { release: () => void }).release());
    await page.locator("[data-testid=picture] img").nth(5).waitFor();
    expect(await tops(), "because their place was kept").toEqual(before);
    await page.locator("[data-attachment='attachment-dune.jpg']").click();
    await page.getByTestId("picture-dialog").getByText("1 of 4").waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.getByTestId("picture-dialog").getByText("kite.jpg").first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByTestId("picture-dialog").waitFor({ state: "detached" });
    await page.waitForFunction(() => (document.activeElement as HTMLElement).dataset["attachment"] === "attachment-dune.jpg");
  });
});
