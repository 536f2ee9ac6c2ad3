// A program of somebody else: talks to Landline by the usual Socket.IO client, and fails by exit code.
//
//   node client.mjs SCENARIO '{"alice": {"url", "token", "id"}, "bob": {…}, …}'
//
// A scenario may wait for the test to do something: it prints a word and waits for a line.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../../../ui/package.json", import.meta.url));
const { io } = require("socket.io-client");

const PATIENCE_MS = 30_000;
const [scenario, given] = process.argv.slice(2);
const people = JSON.parse(given);
const sockets = [];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function open(person, options = {}) {
  const socket = io(person.url, {
    auth: { token: person.token },
    transports: [people.transport ?? "websocket"],
    forceNew: true,
    reconnection: false,
    ...options,
  });
  sockets.push(socket);
  // Everything that comes is kept, so that waiting late misses nothing.
  socket.heard = [];
  socket.waiting = [];
  socket.onAny((name, value) => {
    const place = socket.waiting.findIndex((wait) => wait.fits(name, value));
    if (place === -1) socket.heard.push([name, value]);
    else socket.waiting.splice(place, 1)[0].resolve(value);
  });
  return socket;
}

async function connected(person, options) {
  const socket = open(person, options);
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

async function refused(person, options) {
  const socket = open(person, options);
  return new Promise((resolve, reject) => {
    socket.once("connect", () => reject(new Error("the connection was not refused")));
    socket.once("connect_error", resolve);
  });
}

function hears(socket, event, condition = () => true) {
  const fits = (name, value) => name === event && condition(value);
  const place = socket.heard.findIndex(([name, value]) => fits(name, value));
  if (place !== -1) return Promise.resolve(socket.heard.splice(place, 1)[0][1]);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${event} did not come; heard ${JSON.stringify(socket.heard).slice(0, 4000)}`)),
      PATIENCE_MS,
    );
    socket.waiting.push({ fits, resolve: (value) => (clearTimeout(timer), resolve(value)) });
  });
}

const ask = (socket, event, ...args) => socket.timeout(PATIENCE_MS).emitWithAck(event, ...args);

async function step(word) {
  console.log(word);
  return (await lines.next()).value;
}

const scenarios = {
  async conversation() {
    const { alice, bob } = people;
    const [a, b] = [await connected(alice), await connected(bob)];

    const registered = await ask(a, "register_user", { machineId: alice.id, userId: alice.id });
    assert.equal(registered.machineId, alice.id);
    assert.deepEqual(await hears(a, "registration_success"), registered);
    const wrong = await ask(a, "register_user", { machineId: bob.id, userId: alice.id });
    assert.deepEqual([wrong.error.code, wrong.error.field], ["wrong_machine", "machineId"]);
    assert.equal((await hears(a, "registration_error")).code, "wrong_machine");
    const forged = await ask(a, "authenticate", { token: "a.b.c" });
    assert.equal(forged.error.code, "token_malformed");
    assert.equal((await ask(a, "authenticate", { token: alice.token })).userId, alice.id);

    const online = await ask(a, "get_online_users");
    assert.deepEqual(online.items.map((user) => user.userId), [bob.id]);
    await hears(a, "online_users");
    assert.deepEqual(await ask(a, "getOnlineUsers", {}), online);

    const made = await ask(a, "create_chat_session", { receiverUserId: bob.id });
    assert.equal(made.created, true);
    const { sessionId } = made.session;
    assert.equal((await hears(a, "session_created")).session.sessionId, sessionId);
    assert.equal((await ask(a, "joinChat", { receiverUserId: bob.id })).created, false);

    const sent = await ask(a, "send_message", { sessionId, message: "Hello", messageType: "text", tempId: "t1" });
    assert.deepEqual([sent.tempId, sent.message.message], ["t1", "Hello"]);
    assert.equal((await hears(a, "message_sent")).message.id, sent.message.id);
    assert.equal((await hears(b, "new_chat_session")).sessionId, sessionId);
    const heard = await hears(b, "new_message");
    assert.deepEqual([heard.id, heard.message, heard.senderUserId], [sent.message.id, "Hello", alice.id]);
    const delivered = await hears(a, "message_delivered");
    assert.deepEqual([delivered.messageId, delivered.userId, delivered.tempId], [sent.message.id, bob.id, "t1"]);
    assert.equal((await hears(b, "unread_count")).total, 1);

    const accepted = await ask(b, "rpc", { command: "accept_user", args: { userId: alice.id } });
    assert.equal(accepted.ok.trust, "accepted");
    const read = await ask(b, "mark_message_read", { messageId: heard.id });
    assert.deepEqual([read.messageId, read.sessionId, read.unreadCount], [heard.id, sessionId, 0]);
    await hears(b, "message_read");
    assert.equal((await ask(b, "mark_session_read", { sessionId })).sessionId, sessionId);
    for (const alias of ["markMessageRead", "message_read"]) {
      assert.equal((await ask(b, alias, { messageId: heard.id })).messageId, heard.id);
    }

    const seen = await hears(a, "message_read");
    assert.deepEqual([seen.messageId, seen.userId, typeof seen.readAt], [heard.id, bob.id, "string"]);

    assert.equal((await ask(b, "typing_start", { sessionId })).ok, true);
    assert.deepEqual(await hears(a, "user_typing"), { sessionId, userId: bob.id, isTyping: true });
    assert.equal((await ask(b, "typing_stop", { sessionId })).ok, true);
    assert.equal((await hears(a, "user_typing")).isTyping, false);
    assert.equal((await ask(b, "set_status", { status: "away" })).ok, true);
    assert.equal((await hears(a, "user_status", (user) => user.status === "away")).userId, bob.id);

    const reaction = { messageId: heard.id, sessionId, userId: bob.id, emoji: "🎉", on: true };
    assert.deepEqual(await ask(b, "react", { messageId: heard.id, emoji: "🎉" }), reaction);
    assert.deepEqual(await hears(a, "reaction"), reaction);
    const edited = await ask(a, "edit_message", { messageId: heard.id, message: "Hello!" });
    assert.equal(edited.message.message, "Hello!");
    const updated = await hears(b, "message_updated", ({ message }) => message.message === "Hello!");
    assert.equal(updated.message.reactions[0].emoji, "🎉");
    assert.equal((await ask(b, "edit_message", { messageId: heard.id, message: "?" })).error.code, "not_your_message");
    const brief = await ask(a, "send_message", { sessionId, message: "Brief", replyTo: heard.id });
    assert.equal((await hears(b, "new_message", (message) => message.message === "Brief")).quote.message, "Hello!");
    const gone = await ask(a, "delete_message", { messageId: brief.message.id, for: "all" });
    assert.equal((await hears(b, "message_deleted")).messageId, gone.messageId);

    // Fired off without waiting, they arrive in the order in which they were sent.
    const texts = Array.from({ length: 100 }, (_, number) => `number ${number}`);
    const answers = texts.map((message) => ask(a, "sendMessage", { receiverUserId: bob.id, message }));
    await Promise.all(answers);
    const came = [];
    while (came.length < texts.length) came.push((await hears(b, "new_message")).message);
    assert.deepEqual(came, texts);

    const reply = await ask(b, "send_message", { sessionId, message: "All of it" });
    assert.equal((await hears(a, "new_message")).id, reply.message.id);
  },

  async notifications() {
    const { alice, bob } = people;
    const [a, b] = [await connected(alice), await connected(bob)];
    const notified = (kind, fits = () => true) => hears(b, "notification", (row) => row.kind === kind && fits(row));
    const rpc = async (command, args = {}) => (await ask(b, "rpc", { command, args })).ok;
    const rest = async (method, path) => {
      const headers = { Authorization: `Bearer ${bob.token}` };
      const answer = await fetch(`${bob.url}/api/v1/notifications${path}`, { method, headers });
      assert.equal(answer.status, 200, `${method} ${path}`);
      return answer.json();
    };

    // The first message of a stranger asks for contact.
    const { message: first } = await ask(a, "send_message", { receiverUserId: bob.id, message: "May I?" });
    const { sessionId } = first;
    const request = await notified("request");
    assert.deepEqual(
      [request.title, request.body, request.count, request.read, request.sessionId, request.fromUserId],
      ["Alice", "May I?", 1, false, sessionId, alice.id],
    );
    assert.equal((await hears(b, "notifications_unread")).total, 1);
    await rpc("accept_user", { userId: alice.id });
    await hears(b, "notifications_unread", ({ total }) => total === 0);

    await ask(a, "send_message", { sessionId, message: "One" });
    const one = await notified("message");
    assert.deepEqual([one.body, one.count], ["One", 1]);
    await ask(a, "send_message", { sessionId, message: "Two" });
    const two = await notified("message", ({ count }) => count === 2);
    assert.deepEqual([two.id, two.body], [one.id, "Two"], "because messages of a session are one record");

    const asked = await ask(a, "send_message", { sessionId, message: "Bob, look", mentions: [bob.id] });
    const mention = await notified("mention");
    assert.deepEqual([mention.messageId, mention.body, mention.count], [asked.message.id, "Bob, look", 1]);

    await rpc("update_settings", { autoAcceptBytes: 0 });
    const upload = await fetch(`${alice.url}/api/v1/attachments?name=film.mkv`, {
      method: "POST",
      headers: { Authorization: `Bearer ${alice.token}`, "Content-Type": "application/octet-stream" },
      body: new Uint8Array(5000),
    });
    const { uploadId } = await upload.json();
    const film = await ask(a, "send_message", { sessionId, message: "", attachments: [{ uploadId }] });
    const waits = await notified("transfer");
    assert.deepEqual([waits.messageId, waits.body], [film.message.id, "film.mkv waits to be accepted."]);
    assert.equal((await notified("message", ({ count }) => count === 4)).body, "film.mkv", "because it has no words");
    await rpc("accept_attachment", { attachmentId: film.message.attachments[0].attachmentId });
    const came = await notified("transfer", ({ id }) => id !== waits.id);
    assert.deepEqual([came.body, came.fromUserId], ["film.mkv has arrived.", alice.id]);

    // By HTTP: what waited and what was asked are read, because that is done.
    const ids = async (query) => (await rest("GET", query)).items.map(({ id }) => id);
    assert.deepEqual(await ids("?kind=transfer"), [came.id, waits.id]);
    assert.deepEqual(await ids("?kind=transfer&unread=true"), [came.id]);
    assert.deepEqual(await ids("?kind=mention"), [mention.id]);
    const [newest, ...others] = await ids("");
    const page = await rest("GET", "?limit=1");
    assert.deepEqual(page.items.map(({ id }) => id), [newest]);
    assert.deepEqual(await ids(`?before=${page.nextBefore}`), others);
    const stats = await rest("GET", "/stats");
    assert.deepEqual([stats.total, stats.unread], [5, 3]);
    assert.deepEqual(stats.byKind, { message: 1, mention: 1, request: 1, transfer: 2 });
    assert.equal(stats.byDay.reduce((sum, { count }) => sum + count, 0), 5);
    assert.ok(stats.byDay.every(({ day }) => /^\d{4}-\d\d-\d\d$/u.test(day)));

    assert.equal((await rest("PATCH", `/${mention.id}/read`)).read, true);
    await hears(b, "notifications_unread", ({ total }) => total === 2);
    assert.equal((await rest("DELETE", `/${mention.id}`)).ok, true);
    assert.deepEqual(await hears(b, "notifications_removed"), { ids: [mention.id] });
    assert.equal((await rest("PATCH", "/read-all")).count, 2);
    assert.deepEqual(await ids("?unread=true"), []);
    assert.equal((await rest("DELETE", "/cleanup?daysOld=1")).count, 0, "because all are of today");
    assert.equal((await rest("GET", "/stats")).total, 4);
  },

  async offline() {
    const a = await connected(people.alice);
    const sent = await ask(a, "send_message", { receiverUserId: people.bob.id, message: "For later", tempId: "t9" });
    assert.equal(sent.message.state, "queued");
    const notice = await hears(a, "receiver_unavailable");
    assert.deepEqual(
      [notice.messageId, notice.receiverUserId, notice.tempId],
      [sent.message.id, people.bob.id, "t9"],
    );
  },

  async refusals() {
    const { alice, readOnly, revoked, other } = people;
    const reason = async (options) => (await refused(alice, options)).message.split(":")[0];
    assert.equal(await reason({ auth: {} }), "token_missing");
    assert.equal(await reason({ auth: undefined }), "token_missing");
    assert.equal(await reason({ auth: { token: "a.b.c" } }), "token_malformed");
    assert.equal(await reason({ auth: { token: 7 } }), "token_malformed");
    assert.equal(await reason({ auth: { token: other } }), "token_invalid");
    assert.equal(await reason({ auth: { token: revoked } }), "token_revoked");
    // A page of another origin does not even get to show a token.
    await refused(alice, { extraHeaders: { Origin: "http://evil.example" } });
    const byHeader = await connected(alice, { auth: {}, extraHeaders: { Authorization: `Bearer ${alice.token}` } });
    assert.equal((await ask(byHeader, "rpc", { command: "me" })).ok.machineId, alice.id);

    const reader = await connected(alice, { auth: { token: readOnly } });
    const denied = await ask(reader, "send_message", { receiverUserId: people.bob.id, message: "x", tempId: "t2" });
    assert.deepEqual([denied.error.code, denied.tempId], ["scope_missing", "t2"]);
    assert.deepEqual((await hears(reader, "message_error")).tempId, "t2");
    assert.equal((await ask(reader, "rpc", { command: "tokens" })).error.code, "scope_missing");
  },

  async malformed() {
    const a = await connected(people.alice);
    const deep = JSON.parse("[".repeat(2000) + "]".repeat(2000));
    const unknown = await ask(a, "fly", { to: "the moon" });
    assert.equal(unknown.error.code, "unknown_event");
    assert.equal((await hears(a, "error")).code, "unknown_event");
    a.emit("typing_start", { sessionId: "x" });
    assert.equal((await hears(a, "error")).code, "invalid_id");

    for (const bad of [undefined, null, 7, "text", true, [], [1, 2], {}, deep]) {
      const answer = await ask(a, "send_message", ...(bad === undefined ? [] : [bad]));
      assert.ok(answer.error, JSON.stringify(bad)?.slice(0, 50));
      await hears(a, "message_error");
    }
    for (const [field, bad] of [
      ["message", { sessionId: "x" }],
      ["message", { sessionId: "x", message: 7 }],
      ["messageType", { sessionId: "x", message: "x", messageType: "hologram" }],
      ["colour", { sessionId: "x", message: "x", colour: "red" }],
      ["sessionId", { sessionId: { $ne: null }, message: "x" }],
      ["message", { receiverUserId: people.bob.id, message: "x\u0000y" }],
      ["message", { receiverUserId: people.bob.id, message: "x".repeat(70_000) }],
    ]) {
      const { error } = await ask(a, "send_message", bad);
      assert.equal(error.field, field, JSON.stringify(error));
      assert.ok(JSON.stringify(error).length < 1024);
    }
    const large = await ask(a, "send_message", { receiverUserId: people.bob.id, message: "x".repeat(300_000) });
    assert.equal(large.error.code, "body_too_large");
    const many = await ask(a, "send_message", { receiverUserId: people.bob.id, message: "x" }, "and", ["more"]);
    assert.ok(many.message, "because what follows the payload is ignored");
    for (const bad of [{}, { command: "fly" }, { command: 7 }, { command: "me", args: [] }, { command: "me", more: 1 }]) {
      assert.ok((await ask(a, "rpc", bad)).error.code);
    }
    const nothing = await ask(a, "mark_message_read", { messageId: "x" });
    assert.ok(nothing.error.code);
    assert.ok(a.connected, "because the connection stays");
    assert.equal((await ask(a, "rpc", { command: "me" })).ok.machineId, people.alice.id);
  },

  async changes() {
    const a = await connected(people.alice);
    assert.equal((await ask(a, "subscribe_changes")).ok, true);
    const sent = await ask(a, "rpc", {
      command: "send_message",
      args: { receiverUserId: people.bob.id, message: "Hello", tempId: "t3" },
    });
    assert.equal(sent.ok.tempId, "t3");
    const change = await hears(a, "change", (found) => found.type === "messageChanged");
    assert.deepEqual([change.message.id, change.incoming], [sent.ok.id, false]);
    await hears(a, "change", (found) => found.type === "messageChanged" && found.message.state === "delivered");
    assert.ok(!a.heard.some(([name]) => name === "message_delivered"), "because the plain changes say all");
    const focus = { viewer: "page", sessionId: sent.ok.sessionId, focused: true };
    assert.deepEqual((await ask(a, "rpc", { command: "focus", args: focus })).ok, { ok: true });
  },

  async revoked() {
    const a = await connected(people.alice, { auth: { token: people.short } });
    const ended = new Promise((resolve) => a.once("disconnect", resolve));
    await step("connected");
    // The next event finds out.
    a.emit("rpc", { command: "me" });
    assert.equal((await hears(a, "error")).code, "token_revoked");
    await ended;
  },

  async flood() {
    const a = await connected(people.alice, { auth: { token: people.short } });
    const answers = await Promise.all(
      Array.from({ length: 3000 }, () => ask(a, "rpc", { command: "unread_count", args: {} })),
    );
    const refused = answers.filter((answer) => answer.error?.code === "too_many_requests");
    const served = answers.filter((answer) => answer.ok);
    assert.ok(refused.length > 100, `because there is a limit: ${refused.length}`);
    assert.ok(served.length > 100, `because there is room below it: ${served.length}`);
    assert.equal(refused.length + served.length, answers.length);
    assert.ok(a.connected);
  },

  async stall() {
    const a = await connected(people.alice);
    await ask(a, "subscribe_changes");
    const stream = a.io.engine.transport.ws._socket;
    stream.pause();
    await step("stalled");
    stream.resume();
    await hears(a, "lagged");
    assert.equal((await ask(a, "rpc", { command: "me" })).ok.machineId, people.alice.id);
  },

  async ending() {
    const a = await connected(people.alice);
    const ended = new Promise((resolve) => a.once("disconnect", resolve));
    await step("connected");
    await ended;
  },
};

try {
  await scenarios[scenario]();
  console.log("done");
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const socket of sockets) socket.disconnect();
  process.stdin.destroy();
}
