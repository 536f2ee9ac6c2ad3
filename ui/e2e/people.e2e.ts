// Adding people: by the own code, by invitations that came as text, link or picture, and by address.
import { describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { focusedId, start, usePages } from "./pages";

usePages();

const token = `&token=${"a".repeat(26)}`;
/** An invitation of Tove, whose machine does this with it. */
const invitation = (page: Page, does: "counts" | "late" | "away" = "counts", more = token) =>
  page.evaluate(
    ([what, rest]) => {
      const id = window.invitationId("t4v7");
      window.fake.invitations.others.set(id, what);
      return `landline://add/${id}?name=Tove%20Ekdahl&addr=10.1.2.3:4281${rest}`;
    },
    [does, more] as const,
  );
const asked = (page: Page) => page.evaluate(() => window.fake.calls.filter((one) => one.name === "add_contact").map((one) => one.args));
const ready = async (query = "world=busy") => {
  const page = await start(query);
  await page.getByTestId("session-item").first().waitFor();
  return page;
};
const openLink = (page: Page, link: string) => page.evaluate((text) => window.fake.emit({ type: "openInvitation", link: text }), link);
const dialog = (page: Page) => page.getByTestId("add-dialog");
/** Pastes as the browser does: a text, or a picture and no text. */
const paste = (page: Page, on: string, text: string) =>
  page.locator(on).evaluate((target, what) => {
    const data = new DataTransfer();
    data.setData("text/plain", what);
    target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, text);

describe("the own code", () => {
  test("counts down, runs out, and another is made", async () => {
    const page = await start("world=busy");
    await page.clock.install();
    await page.reload();
    await page.getByTestId("session-item").first().waitFor();
    await page.getByTestId("code-open").first().click();
    await page.getByTestId("code").waitFor();
    await page.getByTestId("code-left").getByText("9:5").or(page.getByTestId("code-left").getByText("10:00")).waitFor();
    const first = await page.getByTestId("code-link").inputValue();
    await page.clock.runFor(596_000);
    await page.getByTestId("code-left").getByText("0:0").waitFor();
    await page.clock.runFor(10_000);
    await page.getByRole("status").getByText("This code no longer counts").waitFor();
    expect(await page.getByTestId("code").count(), "because nobody is to scan what does not count").toBe(0);
    await page.getByTestId("code-again").click();
    await page.getByTestId("code").waitFor();
    expect(await page.getByTestId("code-link").inputValue()).not.toBe(first);
    await page.keyboard.press("Escape");
    expect(await focusedId(page)).toBe("code-open");
  });

  test("says who opened it, and that it counted once", async () => {
    const page = await ready();
    await page.getByTestId("code-open").first().click();
    await page.getByTestId("code").waitFor();
    await page.evaluate(() => window.fake.trust("landline1kim2", "accepted"));
    await page.evaluate(() => window.fake.trust("landline1kim2", "verified"));
    await page.getByTestId("code-used").filter({ hasText: "Kim" }).waitFor();
    expect(await page.getByTestId("code").count()).toBe(0);
  });

  test("that cannot be made says why", async () => {
    const page = await ready();
    await page.evaluate(() => window.refuse("create_invitation", "The disk is full."));
    await page.getByTestId("code-open").first().click();
    await page.getByRole("alert").filter({ hasText: "The disk is full." }).waitFor();
    await page.getByTestId("code-again").click();
    await page.getByTestId("code").waitFor();
  });

  test("is read from a picture of it: chosen, dropped and pasted", async () => {
    const page = await ready();
    await page.getByTestId("code-open").first().click();
    const link = await page.getByTestId("code-link").inputValue();
    // What another person would have: the whole dialog, in the dark theme.
    await page.emulateMedia({ colorScheme: "dark" });
    const shot = await page.screenshot({ clip: await page.getByTestId("code-dialog").boundingBox() ?? undefined });
    await page.keyboard.press("Escape");
    await page.getByTestId("add-open").first().click();
    const field = page.getByTestId("add-input");
    await dialog(page).locator("input[type=file]").setInputFiles({ name: "code.png", mimeType: "image/png", buffer: shot });
    await page.waitForFunction((want) => document.querySelector<HTMLInputElement>("[data-testid=add-input]")?.value === want, link);
    await page.getByTestId("invitation").filter({ hasText: "Bea Lindqvist" }).waitFor();
    await page.evaluate(() => {
      const me = { ...window.fake.me, machineId: window.invitationId("bea") };
      window.fake.emit({ type: "change", change: { type: "meChanged", me } });
    });
    await page.getByRole("alert").filter({ hasText: "This is your own invitation" }).waitFor();
    expect(await page.getByTestId("add-submit").isDisabled()).toBe(true);
    for (const way of ["drop", "shell-drop", "paste"]) {
      await field.fill("");
      await page.evaluate(
        ([how, base64]) => {
          const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
          const file = new File([bytes], "code.png", { type: "image/png" });
          const target = document.querySelector("[data-testid=add-dialog]");
          if (how === "drop") {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(file);
            target?.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
          } else if (how === "shell-drop") {
            window.fake.files.pictures.set("/srv/bea/code.png", file);
            window.fake.emit({ type: "filesDropped", paths: ["/srv/bea/code.png"] });
          } else {
            window.fake.files.pictures.set("clipboard", file);
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: new DataTransfer(), bubbles: true, cancelable: true }));
          }
        },
        [way, shot.toString("base64")] as const,
      );
      await page.waitForFunction((want) => document.querySelector<HTMLInputElement>("[data-testid=add-input]")?.value === want, link);
    }
    await field.fill("");
    const nothing = await page.screenshot({ clip: { x: 0, y: 0, width: 300, height: 300 } });
    await dialog(page).locator("input[type=file]").setInputFiles({ name: "list.png", mimeType: "image/png", buffer: nothing });
    await page.getByRole("alert").filter({ hasText: "No code was found" }).waitFor();
  });
});

describe("an invitation", () => {
  test("is recognised as it is pasted, and its worth is said", async () => {
    const page = await ready();
    await page.getByTestId("add-open").first().click();
    await page.getByTestId("add-input").fill(`Look: ${await invitation(page)} see you`);
    await page.getByTestId("invitation").filter({ hasText: "Tove Ekdahl" }).filter({ hasText: "t4v7" }).waitFor();
    await page.getByTestId("add-submit").click();
    await page.locator("[data-testid=add-outcome][data-outcome=verified]").waitFor();
    expect(await asked(page)).toEqual([{ link: await invitation(page) }]);
    expect(await focusedId(page)).toBe("add-write");
    await page.keyboard.press("Enter");
    await page.getByTestId("conversation-title").filter({ hasText: "Tove Ekdahl" }).waitFor();
    await page.locator("[data-testid=session-item][aria-selected=true]").getByText("verified").waitFor();
  });

  test("that no longer counted, or carried no token, makes a contact and claims no more", async () => {
    for (const [does, more, outcome] of [["late", token, "late"], ["counts", "", "contact"]] as const) {
      const page = await ready();
      await openLink(page, await invitation(page, does, more));
      await page.getByTestId("add-submit").click();
      await page.locator(`[data-testid=add-outcome][data-outcome=${outcome}]`).getByText("Nothing was verified").waitFor();
    }
  });

  test("of whom nobody reaches is kept, and what happens later is seen", async () => {
    const page = await ready();
    await openLink(page, await invitation(page, "away"));
    await page.getByTestId("add-submit").click();
    await page.locator("[data-testid=add-outcome][data-outcome=waiting]").getByText("was not reached").waitFor();
    await page.evaluate(() => window.fake.trust(window.invitationId("t4v7"), "verified"));
    await page.locator("[data-testid=add-outcome][data-outcome=verified]").waitFor();
  });
});

describe("a link that was opened", () => {
  test("adds nobody without the person's word", async () => {
    const page = await ready();
    await openLink(page, await invitation(page));
    await dialog(page).getByRole("heading", { name: /Add .?Tove Ekdahl.?\?/u }).waitFor();
    expect(await focusedId(page), "because Enter alone must not add").not.toBe("add-submit");
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    expect(await asked(page)).toEqual([]);
  });

  test("that cannot be read says so in a line, and one opened after it takes its place", async () => {
    const page = await ready();
    await openLink(page, "landline://add/landline1abc");
    await page.getByRole("alert").filter({ hasText: "This invitation is not whole" }).waitFor();
    expect(await page.getByTestId("add-submit").isDisabled()).toBe(true);
    await openLink(page, await invitation(page));
    await dialog(page).getByRole("heading", { name: /Tove Ekdahl/u }).waitFor();
  });

  test("before the first run is over waits for it", async () => {
    const page = await start("world=fresh");
    await page.getByTestId("welcome").waitFor();
    await openLink(page, await invitation(page));
    await page.getByTestId("welcome-start").click();
    await dialog(page).getByRole("heading", { name: /Tove Ekdahl/u }).waitFor();
  });
});

test("an invitation that is pasted where nothing takes a text asks too, and so does the switcher", async () => {
  const page = await ready();
  const link = await invitation(page);
  await paste(page, "body", "only words");
  await paste(page, "body", link);
  await page.getByTestId("invitation").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByTestId("switcher-input").fill(link);
  expect(await page.getByTestId("switcher-item").count()).toBe(1);
  await page.keyboard.press("Enter");
  await page.getByTestId("invitation").waitFor();
  expect(await asked(page)).toEqual([]);
});
