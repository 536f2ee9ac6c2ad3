import { FakeBackend, ME, person } from "./backend";
import { edit, erase, pin, quote, react } from "./operations";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** One conversation with everything that a message can be. */
export function richWorld(now = Date.now()): FakeBackend {
  const fake = new FakeBackend();
  const anna = person("anna", "Anna Sjöberg", { colour: 4, trust: "verified" });
  const omar = person("omar", "Omar", { status: "away", colour: 1 });
  const lev = person("lev9", "ליאור", { colour: 7 });
  const id = fake.session(anna, { timerSeconds: 604_800 }).sessionId;
  fake.now = now - 3 * DAY;
  fake.put(fake.session(omar).sessionId, omar.userId, "Tomorrow then.");
  fake.put(fake.session(lev).sessionId, lev.userId, "שלום");
  const old = fake.put(id, anna.userId, "The room is **B 2.14**, from 9 to 12. Code of the door: `4711#`");
  const again = fake.put(id, ME, "Gone in a moment");
  fake.now = now - 50 * MINUTE;
  fake.put(id, anna.userId, "", { messageType: "system", system: { kind: "timer", seconds: 604_800 } });
  fake.put(id, anna.userId, "What is still to do:\n- the *projector*\n- lunch for ~~twelve~~ fourteen\n  - two without meat\n1. call before ten\n2. pay\n\n> Don't forget the keys\n> They are at the desk", { expiresAt: new Date(now + 6 * DAY).toISOString() });
  const read = { state: "read" as const, readAt: new Date(now - 30 * MINUTE).toISOString() };
  const plan = fake.put(id, ME, "I made a start, have a look @Anna Sjöberg: [the plan](https://plan.example/3) or https://plan.example/3", { mentions: [anna.userId], ...read });
  fake.put(id, ME, "```rust\nfn main() {\n    let people = [\"Anna\", \"Bea\"];\n    println!(\"{} come to lunch, and this line is so long that it does not fit into the bubble\", people.len());\n}\n```\nDoes that run at your place?", read);
  fake.now += 3 * MINUTE;
  fake.put(id, anna.userId, "It does!", { replyTo: plan.id, quote: quote(plan) });
  fake.put(id, anna.userId, "🎉🎉");
  fake.put(id, anna.userId, "And @Bea Lindqvist, see above for the door", { mentions: [ME], replyTo: old.id, quote: quote(old) });
  fake.put(id, anna.userId, "This one was on the list of the other department", { forwarded: true });
  const late = fake.put(id, ME, "שלום, that is how they write it there", read);
  const answered = fake.put(id, ME, "Never mind", { ...read, replyTo: again.id, quote: quote(again) });
  fake.now += MINUTE;
  edit(fake, late.id, "שלום, זה איך שכותבים את זה שם\nand this is the second paragraph");
  erase(fake, again.id);
  fake.change({ ...answered, quote: quote(fake.find(again.id)) });
  for (const [who, emoji] of [[anna.userId, "👍"], [ME, "👍"], [anna.userId, "❤️"], [ME, "🎉"]] as const) react(fake, plan.id, who, emoji, true);
  react(fake, old.id, ME, "🙏", true);
  pin(fake, old.id, true);
  pin(fake, plan.id, true);
  fake.put(id, ME, "See you at nine.", { state: "delivered" });
  fake.now = now;
  return fake;
}
