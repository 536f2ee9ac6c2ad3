import type { Attachment, RelayCopy, Transfer } from "../../src/backend/gen";
import { FakeBackend, ME, START, person } from "./backend";
import { attachment, picture } from "./files";
import { quote } from "./operations";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A desktop in use: some conversations, a request, all states. */
export function busyWorld(now = Date.now()): FakeBackend {
  const fake = new FakeBackend();
  const anna = person("anna", "Anna Sjöberg", { statusText: "Back at two", colour: 4, trust: "verified" });
  const omar = person("omar", "Omar", { status: "offline", lastSeen: new Date(now - 3 * HOUR).toISOString(), colour: 1, nearby: false, path: "none" });
  const mei = person("mei7", "美玲", { status: "away", colour: 8, device: "工作站" });
  const dana = person("dana", "Dana Whitfield-Ashcroft of the Long Names Department", { colour: 10, nearby: false, status: "offline", lastSeen: new Date(now - 2 * DAY).toISOString() });
  const stranger = person("zzk4", "Anna Sjöberg", { trust: "requested", nameClash: true, colour: 2, device: "unknown-pc" });
  const kim = person("kim2", "Kim", { trust: "unknown", colour: 5, statusText: "New here" });
  const lev = person("lev9", "ליאור", { trust: "unknown", colour: 7, device: "lior-mac" });
  fake.user({ ...anna });
  fake.user(kim);
  fake.user(lev);

  fake.now = now - 2 * DAY;
  const a = fake.session(anna, { pinned: true }).sessionId;
  fake.put(a, anna.userId, "Hello Bea! I moved into the office next door, so now we are on the same network.");
  fake.put(a, ME, "Welcome! No more files by mail then.");
  fake.now = now - DAY - HOUR;
  fake.put(a, anna.userId, "Did you see the plan for the workshop? https://example.org/plan?day=3 has the newest one.");
  fake.now += MINUTE;
  fake.put(a, anna.userId, "The room is booked from 9 to 12.");
  fake.now += 2 * MINUTE;
  fake.put(a, ME, "Read it. Two things:\n\n1. we need a projector\n2. lunch");
  fake.now = now - 40 * MINUTE;
  fake.put(a, anna.userId, "Projector is on its way. For lunch there is the place around the corner; they take groups up to twenty if one calls before ten. Shall I?");
  fake.now += MINUTE;
  fake.put(a, ME, "Yes please.");
  fake.put(a, ME, "And thanks for taking care of it 🙏");
  fake.now += 5 * MINUTE;
  fake.put(a, anna.userId, "Done.");

  fake.now = now - 3 * HOUR;
  const o = fake.session(omar, { waitingCount: 2 }).sessionId;
  fake.put(o, omar.userId, "I am off to the train. Write me here, I get it when I am back.");
  fake.now = now - 2 * HOUR;
  fake.put(o, ME, "Safe travels!");
  fake.put(o, ME, "The offer must go out today, could you look at the last page?", { state: "queued", deliveredAt: null });
  fake.put(o, ME, "I put the file on the share.", { state: "failed", failure: "Omar's machine has no room left on its disk.", deliveredAt: null });
  fake.put(o, ME, "Call me when you are there.", { state: "queued", deliveredAt: null });

  fake.now = now - 10 * MINUTE;
  const me = fake.session(mei).sessionId;
  fake.put(me, ME, "你好！");
  const unread = fake.put(me, mei.userId, "你好，Bea。明天的会议改到十点了。");
  fake.put(me, mei.userId, "请告诉其他人。");
  fake.sessions.set(me, { ...fake.row(me), unreadCount: 2, firstUnread: unread.id });

  fake.now = now - 9 * DAY;
  const d = fake.session(dana, { draft: "About the invoice: ", mutedUntil: "9999-12-31T23:59:59.000Z" }).sessionId;
  fake.put(d, dana.userId, "We have received your note and will come back to you.");

  fake.now = now - 4 * MINUTE;
  const s = fake.session(stranger, { request: true, unreadCount: 1 }).sessionId;
  fake.put(s, stranger.userId, "Hi Bea, it is Anna from my new computer. Please accept.");

  const record = fake.notifications;
  for (let day = 29; day >= 2; day--) {
    fake.now = now - day * DAY;
    for (let n = 0; n < (day * 7) % 5; n++) {
      record.put("message", n % 2 === 0 ? "Anna Sjöberg" : "Omar", { body: "See you there.", sessionId: n % 2 === 0 ? a : o, read: true });
    }
  }
  fake.now = now - DAY;
  record.put("network", "This network keeps machines apart", { body: "Nothing was heard for an hour on wlan0.", read: true });
  record.put("security", "Another key under the name Anna Sjöberg", { body: "A machine with the key zzk4 uses the name of someone you know.", fromUserId: stranger.userId, sessionId: s });
  fake.now = now - HOUR;
  record.put("transfer", "holiday.mov from Omar", { body: "Omar's machine has no room left on its disk.", sessionId: o });
  record.put("request", "Anna Sjöberg", { body: "Hi Bea, it is Anna from my new computer. Please accept.", sessionId: s, fromUserId: stranger.userId });
  fake.now = now - 10 * MINUTE;
  record.put("message", "美玲", { body: "请告诉其他人。", sessionId: me, fromUserId: mei.userId, messageId: unread.id, count: 2 });
  record.put("mention", "Anna Sjöberg", { body: "@Bea could you ask them?", sessionId: a, fromUserId: anna.userId });

  fake.network = { ...fake.network, discovered: 4, links: 3 };
  fake.now = now;
  return fake;
}

/** One conversation of many messages. */
export function longWorld(count: number, unread = 0): FakeBackend {
  const fake = new FakeBackend();
  const anna = person("anna", "Anna", { colour: 4 });
  const id = fake.session(anna).sessionId;
  fake.now = START - count * 7 * MINUTE;
  for (let n = 0; n < count; n++) {
    fake.now += (n % 9) * MINUTE;
    const length = ((n * 7919) % 23) + 1;
    fake.put(id, n % 3 === 0 ? ME : anna.userId, `#${n} ${"word ".repeat(length * (n % 11 === 0 ? 8 : 1))}`.trim());
  }
  if (unread > 0) {
    const list = fake.messages.get(id) ?? [];
    fake.sessions.set(id, { ...fake.row(id), unreadCount: unread, firstUnread: list[list.length - unread]?.id ?? null });
  }
  return fake;
}

/** A machine on its first start, alone. */
export function freshWorld(): FakeBackend {
  const fake = new FakeBackend();
  fake.me = { ...fake.me, name: "bea", welcomed: false };
  fake.network = { ...fake.network, mdns: { ok: false, reason: "Another program holds UDP port 5353." } };
  return fake;
}

/** Names and texts that try to break out. */
export function hostileWorld(): FakeBackend {
  const fake = new FakeBackend();
  const mallory = person("mal0", "M\u0061\u0300\u0301llory", { colour: 0, statusText: "x".repeat(140) });
  const id = fake.session(mallory).sessionId;
  const say = (text: string) => fake.put(id, mallory.userId, text);
  say("\u202Egnp.exe looks like exe.png\u202C and \u2067right\u2069 and back");
  say("\u202E".repeat(500) + "never closed");
  say(`a${"\u0301\u0489\u20DD".repeat(3_400)}`);
  say("zero\u200Bwidth\u200D\u2060\uFEFF joiners");
  say("W".repeat(4_000));
  say("<img src=x onerror=alert(1)> <script>alert(2)</script> javascript:alert(3) data:text/html,x");
  say("ftp://example.org //example.org file:///etc/passwd vbscript:x mailto:a@example.org http://example.org/\u202Egpj");
  say("\n".repeat(60) + "far below");
  fake.put(id, ME, "A calm line between them");
  say(`**${"Z\u0335\u0310\u0353".repeat(1_000)}** \`${"\u0301".repeat(10_000)}\``);
  const heap = say(`[${"a\u0301\u0489".repeat(3_000)}](https://example.org/) \u202E@${"\u0489".repeat(10_000)}`);
  fake.put(id, ME, "An answer to one of them", { replyTo: heap.id, quote: quote(heap) });
  say("> \u2067\u202E".repeat(200) + "\u0301".repeat(10_000) + "\n- \u202E" + "\u20DD".repeat(10_000));
  say("ﷺ".repeat(40));
  return fake;
}

/** A conversation with files in every state. */
export function filesWorld(now = Date.now()): FakeBackend {
  const fake = new FakeBackend();
  const anna = person("anna", "Anna Sjöberg", { colour: 4 });
  const id = fake.session(anna).sessionId;
  fake.now = now - 50 * MINUTE;
  const send = (from: string, text: string, attachments: Attachment[], direction: "incoming" | "outgoing" = from === ME ? "outgoing" : "incoming") => {
    fake.now += MINUTE;
    const messageType = attachments.every((one) => one.width !== null) ? "image" : "file";
    const message = fake.put(id, from, text, { attachments, messageType });
    for (const one of attachments) {
      if (one.state === "complete") continue;
      const running = one.state === "transferring" ? { bytesPerSecond: 18_000_000, secondsLeft: 12 } : {};
      fake.files.put(id, message.id, one, { direction, ...running });
    }
  };
  send(anna.userId, "", [picture("harbour.jpg", 1600, 1067)]);
  send(ME, "Four from Sunday", ["dune.jpg", "pier.jpg", "boat.jpg", "kite.jpg"].map((name, index) => picture(name, 1200, 900 + index)));
  send(anna.userId, "", [picture("tall.jpg", 800, 2400, { state: "offered", bytesDone: 0, size: 31_000_000 })]);
  send(anna.userId, "The plans, and all of last year's", [
    attachment("plans.pdf", "application/pdf"),
    attachment("Last year", "inode/directory", { kind: "folder", files: 1_204, size: 4_800_000_000, state: "transferring", bytesDone: 2_016_000_000 }),
    attachment("a very long name of an archive that goes on and on and has its end only here.tar.gz", "application/gzip", { state: "offered", bytesDone: 0, size: 10_737_418_240 }),
  ]);
  send(ME, "", [
    attachment("talk.mov", "video/quicktime", { state: "paused", bytesDone: 900_000_000, size: 2_100_000_000 }),
    attachment("notes.txt", "text/plain", { state: "gone", bytesDone: 0, size: 812, failure: "the file is no longer on the other machine" }),
  ]);
  send(anna.userId, "", [attachment("song.flac", "audio/flac", { state: "failed", bytesDone: 12_000_000, size: 30_000_000, failure: "the disk is full" })]);
  fake.now = now;
  return fake;
}

/** Machines at several sites: one linked through a relay, one away for whom it keeps something, one that it sees; and relays in every state. */
export function farWorld(now = Date.now()): FakeBackend {
  const fake = new FakeBackend();
  const office = "wss://relay.example.org:4282";
  const key = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";
  const refused = { code: "not_member", message: "It refuses this machine: only members may use it. Ask whoever runs it for a membership token, and add it with that." };
  fake.relays.items = [
    fake.relays.of(`wss://relay.example.org/#${key}`, { member: true }),
    fake.relays.of("wss://relay.site-with-a-long-name.example.net:443", { state: "failed", error: refused }),
    fake.relays.of("ws://127.0.0.1:4300", { state: "connecting" }),
  ];
  fake.me = { ...fake.me, relays: [office] };
  const far = { nearby: false, relays: [office] };
  const anna = person("anna", "Anna Sjöberg", { ...far, colour: 4, path: "relay", via: office, trust: "verified" });
  const omar = person("omar", "Omar", { ...far, colour: 1, path: "none", status: "offline", lastSeen: new Date(now - 3 * HOUR).toISOString() });
  const kim = person("kim2", "Kim", { ...far, colour: 5, path: "none", status: "offline", relayed: true, lastSeen: new Date(now - DAY).toISOString() });
  fake.now = now - 3 * HOUR;
  const o = fake.session(omar, { waitingCount: 2 }).sessionId;
  fake.put(o, omar.userId, "I am off to the train.");
  fake.put(o, ME, "Safe travels!");
  fake.now = now - HOUR;
  fake.put(o, ME, "The offer must go out today.", { state: "queued", deliveredAt: null, heldBy: office });
  fake.now = now - 20 * MINUTE;
  fake.put(o, ME, "And call me when you are there.", { state: "queued", deliveredAt: null });
  fake.put(fake.session(kim).sessionId, kim.userId, "See you on Monday.");
  fake.now = now - 2 * MINUTE;
  fake.put(fake.session(anna).sessionId, anna.userId, "Hello from the other site!");
  fake.network = { ...fake.network, links: 1 };
  fake.now = now;
  return fake;
}

/** Files for somebody who is away, and how it stands with their copies at a relay. */
export function farFilesWorld(now = Date.now()): FakeBackend {
  const fake = new FakeBackend();
  const office = "wss://relay.example.org:4282";
  fake.relays.items = [fake.relays.of("wss://relay.example.org")];
  const omar = person("omar", "Omar", { nearby: false, relays: [office], colour: 1, path: "none", status: "offline", lastSeen: new Date(now - 3 * HOUR).toISOString() });
  const id = fake.session(omar, { waitingCount: 4 }).sessionId;
  const copy = (state: RelayCopy["state"], more: Partial<RelayCopy> = {}): RelayCopy => ({ relay: office, state, until: null, failure: null, ...more });
  const held = copy("held", { until: new Date(now + 21 * DAY).toISOString() });
  const sending = copy("sending");
  const large = copy("refused", { failure: "it takes files of at most 100 MiB" });
  const away = copy("refused", { failure: "it cannot be reached: connection refused" });
  const send = (text: string, attachments: Attachment[], heldBy: string | null, running: Partial<Transfer> = {}) => {
    fake.now += MINUTE;
    const messageType = attachments.every((one) => one.width !== null) ? "image" : "file";
    const message = fake.put(id, ME, text, { attachments, messageType, state: "queued", deliveredAt: null, heldBy });
    for (const one of attachments) fake.files.put(id, message.id, one, { direction: "outgoing", ...(one.relayCopy?.state === "sending" ? running : {}) });
  };
  const offered = { state: "offered", bytesDone: 0 } as const;
  fake.now = now - 3 * HOUR;
  fake.put(id, omar.userId, "I am off to the train. Send me the files, I look at them on Monday.");
  fake.now = now - 50 * MINUTE;
  send("", [picture("harbour.jpg", 1600, 900, { ...offered, relayCopy: held })], office);
  send(
    "Four from Sunday",
    [held, sending, away, null].map((relayCopy, index) => {
      const name = ["dune.jpg", "pier.jpg", "boat.jpg", "kite.jpg"][index] ?? "";
      return picture(name, 1200, 900 + index, { ...offered, bytesDone: relayCopy === sending ? 1_300_000 : 0, relayCopy });
    }),
    office,
  );
  send(
    "The plans, and all of last year's",
    [
      attachment("plans.pdf", "application/pdf", { ...offered, relayCopy: held }),
      attachment("Last year", "inode/directory", { ...offered, kind: "folder", files: 1_204, size: 48_000_000, bytesDone: 16_400_000, relayCopy: sending }),
      attachment("talk.mov", "video/quicktime", { ...offered, size: 2_100_000_000, relayCopy: large }),
    ],
    office,
    { bytesPerSecond: 1_800_000, secondsLeft: 18 },
  );
  send(
    "",
    [
      attachment("notes.txt", "text/plain", { ...offered, size: 812, relayCopy: away }),
      attachment("song.flac", "audio/flac", { ...offered, size: 30_000_000, bytesDone: 12_000_000, relayCopy: sending }),
      attachment("lease.pdf", "application/pdf", { ...offered, state: "gone", failure: "the file is no longer where it was", relayCopy: held }),
    ],
    null,
  );
  fake.now = now;
  return fake;
}
