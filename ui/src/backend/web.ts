import { io, type Socket } from "socket.io-client";
import { BackendError, isOpenable, type Backend, type BackendMessage } from "./backend";
import type { Args, Change, CommandName, ErrorBody, Result, Upload } from "./gen";

/** Where the token of this tab is kept: gone with the tab, never sent by the browser on its own. */
const TOKEN_KEY = "landline.token";

/** How long an answer may take. The node answers in milliseconds; dialling a typed address takes up to 15 s. */
const ANSWER_MS = 30_000;

type Ack = { ok: unknown } | { error: ErrorBody };

/** Takes the one-time code out of the address bar, if there is one. */
export function takeLoginCode(location: Location, history: History): string | undefined {
  const code = new URLSearchParams(location.hash.replace(/^#/u, "")).get("login");
  if (code === null || code === "") return undefined;
  // The code is used up; it must not stay in the address bar or the history.
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** Changes a one-time code for a token. */
async function logIn(code: string): Promise<string> {
  const reply = await fetch("/api/v1/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code }),
  });
  const body = (await reply.json()) as { token?: string; error?: ErrorBody };
  if (!reply.ok || body.token === undefined) {
    throw new BackendError(body.error ?? { code: "login_invalid", message: `The node answered ${reply.status}.` });
  }
  return body.token;
}

/** A node that runs headless and serves this page on loopback. */
export function webBackend(): Backend {
  let socket: Socket | undefined;

  const connect = async (): Promise<Socket> => {
    const code = takeLoginCode(location, history);
    if (code !== undefined) sessionStorage.setItem(TOKEN_KEY, await logIn(code));
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token === null) throw new BackendError({ code: "signed_out", message: "This page has no token." });
    return io({
      auth: { token },
      transports: ["websocket", "polling"],
      reconnectionDelay: 300,
      reconnectionDelayMax: 5_000,
      autoConnect: false,
    });
  };

  const ask = async (open: Socket, event: string, ...args: unknown[]): Promise<unknown> => {
    let answer: Ack;
    try {
      answer = (await open.timeout(ANSWER_MS).emitWithAck(event, ...args)) as Ack;
    } catch {
      throw new BackendError({ code: "unreachable", message: "The node does not answer." });
    }
    if ("error" in answer) throw new BackendError(answer.error);
    return answer.ok;
  };

  return {
    kind: "web",
    async call<K extends CommandName>(name: K, args: Args[K]) {
      if (socket?.connected !== true) {
        throw new BackendError({ code: "unreachable", message: "The node cannot be reached." });
      }
      return (await ask(socket, "rpc", { command: name, args })) as Result[K];
    },

    upload(file, ondone, signal) {
      const query = new URLSearchParams({ name: file.name, ...(file.type !== "" && { mime: file.type }) });
      return new Promise<Upload>((resolve, reject) => {
        // The only way that says how much has gone; the file is read as it is sent.
        const request = new XMLHttpRequest();
        request.open("POST", `/api/v1/attachments?${query.toString()}`);
        request.responseType = "json";
        request.setRequestHeader("authorization", `Bearer ${sessionStorage.getItem(TOKEN_KEY) ?? ""}`);
        request.setRequestHeader("content-type", "application/octet-stream");
        request.upload.onprogress = (event) => ondone(event.loaded);
        request.onload = () => {
          const body = request.response as (Upload & { error?: ErrorBody }) | null;
          if (request.status < 300 && body !== null) resolve(body);
          else reject(new BackendError(body?.error ?? { code: "internal", message: `The node answered ${request.status}.` }));
        };
        request.onerror = () => reject(new BackendError({ code: "unreachable", message: "The node does not answer." }));
        request.onabort = () => reject(new BackendError({ code: "cancelled", message: "It was taken away." }));
        signal.addEventListener("abort", () => request.abort());
        request.send(file);
      });
    },

    async content(attachmentId, part) {
      const path = `/api/v1/attachments/${encodeURIComponent(attachmentId)}${part === "thumbnail" ? "/thumbnail" : ""}`;
      const reply = await fetch(path, { headers: { authorization: `Bearer ${sessionStorage.getItem(TOKEN_KEY) ?? ""}` } });
      if (reply.ok) return reply.blob();
      const body = (await reply.json().catch(() => ({}))) as { error?: ErrorBody };
      throw new BackendError(body.error ?? { code: "internal", message: `The node answered ${reply.status}.` });
    },

    async subscribe(listener) {
      const open = await connect();
      socket = open;
      const emit = (message: BackendMessage) => listener(message);
      open.on("change", (change: Change) => emit({ type: "change", change }));
      open.on("lagged", () => emit({ type: "lagged" }));
      await new Promise<void>((resolve, reject) => {
        let before = false;
        open.on("connect", () => {
          ask(open, "subscribe_changes").then(
            () => {
              emit({ type: "connection", state: "connected" });
              // Whatever changed while the link was down was not heard.
              if (before) emit({ type: "lagged" });
              before = true;
              resolve();
            },
            (cause: unknown) => reject(BackendError.from(cause)),
          );
        });
        open.on("connect_error", (cause: Error & { data?: ErrorBody }) => {
          // `active`: the client will try again by itself, so the node is away. Else the node refused this page.
          if (open.active) {
            emit({ type: "connection", state: "gone" });
            return;
          }
          sessionStorage.removeItem(TOKEN_KEY);
          emit({ type: "connection", state: "signedOut" });
          reject(new BackendError({ code: "signed_out", message: cause.data?.message ?? cause.message }));
        });
        open.on("disconnect", (reason) => {
          emit({ type: "connection", state: "gone" });
          // The server ended it on purpose; the client would not come back on its own.
          if (reason === "io server disconnect") open.connect();
        });
        open.connect();
      });
      return () => {
        open.disconnect();
        socket = undefined;
      };
    },

    async openExternal(url) {
      if (isOpenable(url)) window.open(url, "_blank", "noopener,noreferrer");
    },
  };
}
