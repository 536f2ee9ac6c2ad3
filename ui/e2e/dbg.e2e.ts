import { test } from "vitest";
import { launch, looks, open, serve, shoot } from "./harness";
test("dbg", async () => {
  const { server, url } = await serve();
  const browser = await launch();
  const { page } = await open(browser, url, "world=long&count=500", looks[0]);
  await page.getByTestId("session-item").first().click();
  await page.locator(".scroller.placed").waitFor();
  await page.getByTestId("message-list").hover();
  await page.mouse.wheel(0, -900);
  await page.getByTestId("new-pill").waitFor();
  for (const t of ["a","b","c"]) await page.evaluate((w) => window.fake.say("session-landline1anna", "landline1anna", w), t);
  await page.waitForTimeout(500);
  console.log(await page.evaluate(() => [document.hasFocus(), document.querySelector("[data-testid=new-pill]")?.outerHTML, document.querySelector(".scroller")?.outerHTML.slice(0,300)]));
  await shoot(page, "dbg");
  const { page: p2 } = await open(browser, url, "world=long&count=5000", looks[0]);
  await p2.getByTestId("session-item").first().click();
  await p2.locator(".scroller.placed").waitFor();
  const log = await p2.evaluate(async () => {
      const box = document.querySelector<HTMLElement>(".scroller")!;
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const out: string[] = [];
      const snap = () => `st=${box.scrollTop.toFixed(1)} sh=${box.scrollHeight} n=${box.dataset["loaded"]} ld=${box.dataset["loading"] ?? ""} first=${[...box.querySelectorAll<HTMLElement>("[data-id]")].find((o) => o.getBoundingClientRect().top >= box.getBoundingClientRect().top + 200)?.dataset["id"]}@${[...box.querySelectorAll<HTMLElement>("[data-id]")].find((o) => o.getBoundingClientRect().top >= box.getBoundingClientRect().top + 200)?.getBoundingClientRect().top.toFixed(1)}`;
      for (let step = 0; step < 40; step++) {
        out.push("--- " + snap());
        box.scrollTop -= 240;
        for (let i = 0; i < 5; i++) { await frame(); out.push(snap()); }
      }
      return out;
  });
  console.log(log.join("\n"));
  await browser.close(); await server.close();
});
