import { utf8Bytes } from "./text";

/** What an invitation link says. Whoever made it may have written anything: only the machine's own key proves who it is. */
export interface Invitation {
  /** The link alone, without what stood around it. */
  link: string;
  /** The machine to add, as its `userId` is written. */
  machineId: string;
  /** What its person is called. */
  name: string | null;
  /** The first characters of its key, to be looked at. */
  tag: string;
  /** Whether it carries a token, which shows both machines each other's key while it counts. */
  proof: boolean;
}

/** Longest link, in bytes (docs/protocol.md, 19). */
const LINK_BYTES = 2_048;

const BEGIN = /landline:\/\/add\//iu;
/** A machine ID as text: bech32m, 58 characters after its prefix. Its checksum is the node's to look at. */
const MACHINE = /^landline1[02-9ac-hj-np-z]{58}$/u;
/** 16 bytes in base32. */
const TOKEN = /^[a-z2-7]{26}$/iu;

/**
 * Reads the invitation in a text that somebody pasted, with or without words around it. `null`: there is none. "broken": it
 * begins like one and cannot be read. What is shown before the node is asked is read here; what counts is the node's reading.
 */
export function readInvitation(text: string): Invitation | "broken" | null {
  const from = text.search(BEGIN);
  if (from < 0) return null;
  const link = /^[^\s<>"]+/u.exec(text.slice(from))?.[0] ?? "";
  if (utf8Bytes(link) > LINK_BYTES || link.includes("#")) return "broken";
  const [path = "", ...queries] = link.replace(BEGIN, "").split("?");
  const id = path.replace(/\/$/u, "");
  const machineId = id.toLowerCase();
  if (!MACHINE.test(machineId) || (id !== machineId && id !== id.toUpperCase())) return "broken";
  let name: string | null = null;
  let proof = false;
  for (const pair of queries.join("?").split("&")) {
    const [field = "", ...rest] = pair.split("=");
    const value = decoded(rest.join("="));
    if (value === null) return "broken";
    if (field.toLowerCase() === "name") {
      name = value.trim();
      if (name === "") return "broken";
    } else if (field.toLowerCase() === "token") {
      if (!TOKEN.test(value)) return "broken";
      proof = true;
    }
  }
  return { link, machineId, name, tag: machineId.slice(9, 13), proof };
}

/** A plus is a plus, as in the whole link. */
function decoded(value: string): string | null {
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}
