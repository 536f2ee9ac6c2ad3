import { readFileSync } from "node:fs";
import decodeQR from "qr/decode.js";
import { describe, expect, test } from "vitest";
import { BackendError } from "../src/backend/backend";
import { Adding } from "../src/domain/adding.svelte";
import { People } from "../src/domain/people.svelte";
import { readInvitation } from "../src/shared/invitation";
import { drawCode } from "../src/shared/qr-code";
import { minutesLeft } from "../src/shared/time";
import { FakeBackend } from "./fake/backend";
import { invitationId, type Invited } from "./fake/invitations";

/** The links that the protocol's own tests read and write. */
const vector = (name: string) => {
  const lines = readFileSync("../crates/proto/tests/vectors/invitation.txt", "utf8").split("\n");
  return lines.find((line) => line.split("=")[0]?.trim() === name)?.replace(/^[^=]*= /u, "") ?? "";
};
const id = invitationId("t4g6");

describe("an invitation", () => {
  test("is read as the protocol writes it", () => {
    const machineId = "landline1h37tedtrvd6l58vzgdx5veeymy3h0afmnqrfth2f6fksecfzqkjs0w0gzu";
    expect(readInvitation(vector("link"))).toEqual({ link: vector("link"), machineId, name: "Alice Müller", tag: "h37t", proof: true });
    expect(readInvitation(vector("bare"))).toMatchObject({ machineId, name: null, proof: false });
    expect(readInvitation(vector("bare").toUpperCase())).toMatchObject({ machineId });
  });

  test("is found among other words, and a plus in it is a plus", () => {
    const found = readInvitation(`Here you are: <landline://add/${id}/?NAME=A+%42&later=1> see you`);
    expect(found).toEqual({ link: `landline://add/${id}/?NAME=A+%42&later=1`, machineId: id, name: "A+B", tag: "t4g6", proof: false });
  });

  test("that is not whole is said to be so, and what is none is none", () => {
    for (const text of ["", "192.168.1.20", "landline://session/x", "https://example.org", "landline:add/x"]) {
      expect(readInvitation(text), text).toBeNull();
    }
    for (const rest of ["", id.slice(0, 60), `${id}x`, `${id}/x`, `L${id.slice(1)}`, `${id}?name=%zz`, `${id}?name=%ff`, `${id}?name=`, `${id}?token=short`, `${id}#x`, `${id}?name=${"x".repeat(2_048)}`]) {
      expect(readInvitation(`landline://add/${rest}`), rest.slice(0, 80)).toBe("broken");
    }
  });
});

describe("a code", () => {
  /** The drawing as pixels, four for a module. */
  function pixels({ side, path }: ReturnType<typeof drawCode>) {
    const [scale, wide] = [4, side * 4];
    const data = new Uint8ClampedArray(wide * wide * 4).fill(255);
    for (const [, x = 0, y = 0, length = 0] of [...path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/gu)].map((one) => one.map(Number))) {
      for (let py = y * scale; py < (y + 1) * scale; py++) {
        for (let px = x * scale; px < (x + length) * scale; px++) data.fill(0, (py * wide + px) * 4, (py * wide + px) * 4 + 3);
      }
    }
    return { width: wide, height: wide, data };
  }

  test("is read again as what was drawn, also the longest", () => {
    for (const text of [vector("link"), `landline://add/${id}?name=${"x".repeat(2_048 - 89)}`]) {
      expect(decodeQR(pixels(drawCode(text)))).toBe(text);
    }
  });

  test("has its quiet zone", () => {
    const { side, path } = drawCode("landline");
    const places = [...path.matchAll(/M(\d+) (\d+)h(\d+)/gu)].map((one) => one.slice(1).map(Number));
    const edges = places.flatMap(([x = 0, y = 0, length = 0]) => [x, y, side - x - length, side - 1 - y]);
    expect(Math.min(...edges)).toBe(4);
  });

  test("runs out as clocks say it", () => {
    expect([600_000, 59_400, 1, 0, -5].map((ms) => minutesLeft(ms, "en"))).toEqual(["10:00", "1:00", "0:01", "0:00", "0:00"]);
  });
});

describe("following an invitation", () => {
  const link = (query: string) => `landline://add/${id}${query}`;
  const token = `?name=Tove&token=${"a".repeat(26)}`;
  function world(does: Invited, query = token) {
    const fake = new FakeBackend();
    const people = new People();
    void fake.subscribe((message) => {
      if (message.type === "change" && message.change.type === "userChanged") people.apply(message.change.user);
    });
    fake.invitations.others.set(id, does);
    return { fake, people, adding: new Adding(fake, people, link(query)) };
  }

  test("says what it was worth", async () => {
    for (const [does, query, outcome] of [["counts", token, "verified"], ["late", token, "late"], ["counts", "?name=Tove", "contact"]] as const) {
      const { adding } = world(does, query);
      expect(adding.outcome).toBeNull();
      expect(await adding.add(), "because the dialog tells, instead of opening a conversation").toBeUndefined();
      expect(adding.outcome).toBe(outcome);
    }
  });

  test("of whom nobody reaches is not lost, and is verified when they come in time", async () => {
    const { fake, people, adding } = world("away");
    await adding.add();
    expect(adding.outcome).toBe("waiting");
    expect(adding.problem?.message).toContain("was not reached");
    const user = people.get(id);
    if (user !== undefined) fake.user({ ...user, trust: "verified" });
    expect(adding.outcome).toBe("verified");
  });

  test("of a verified contact that is away does not claim that it counted", async () => {
    const { fake, adding } = world("counts");
    await adding.add();
    fake.invitations.others.set(id, "away");
    await adding.add();
    expect(adding.outcome).toBe("waiting");
  });

  test("that the node refuses adds nobody, also where they are a contact", async () => {
    const { fake, adding } = world("counts");
    await adding.add();
    for (const body of [{ code: "invalid_invitation", field: "link", message: "relay: x" }, { code: "unreachable", message: "The node does not answer." }]) {
      fake.refusals.set("add_contact", new BackendError(body));
      await adding.add();
      expect([adding.outcome, adding.problem?.code]).toEqual([null, body.code]);
    }
  });

  test("is asked of the node once, whole or not at all; an address goes as it is typed", async () => {
    const { fake, adding } = world("counts");
    const asked = () => fake.calls.filter((one) => one.name === "add_contact").map((one) => one.args);
    await Promise.all([adding.add(), adding.add()]);
    expect(asked()).toEqual([{ link: link(token) }]);
    adding.text = link("?token=x");
    await adding.add();
    expect(asked()).toHaveLength(1);
    adding.text = "  192.168.1.7  ";
    await adding.add();
    expect(asked().at(-1)).toEqual({ address: "192.168.1.7" });
    expect([adding.outcome, adding.problem?.code]).toEqual([null, "refused"]);
  });
});
