// The interface over a node that lives in the page, so that a test can make anything happen.
import "../../src/app.css";
import { mount } from "svelte";
import { BackendError } from "../../src/backend/backend";
import type { CommandName } from "../../src/backend/gen";
import Root from "../../src/views/Root.svelte";
import type { FakeBackend } from "../../tests/fake/backend";
import { person } from "../../tests/fake/backend";
import { invitationId } from "../../tests/fake/invitations";
import { attachment, picture } from "../../tests/fake/files";
import { types } from "../../tests/fake/operations";
import { richWorld } from "../../tests/fake/rich";
import { busyWorld, farFilesWorld, farWorld, filesWorld, freshWorld, hostileWorld, longWorld } from "../../tests/fake/world";

declare global {
  interface Window {
    fake: FakeBackend;
    person: typeof person;
    attachment: typeof attachment;
    picture: typeof picture;
    invitationId: typeof invitationId;
    /** Somebody begins or ends to type. */
    types: (sessionId: string, userId: string, typing: boolean) => void;
    /** Lets the next call of a command fail. */
    refuse: (name: CommandName, message: string) => void;
  }
}

const query = new URLSearchParams(location.search);
const worlds: Record<string, () => FakeBackend> = {
  busy: () => busyWorld(),
  far: () => farWorld(),
  farFiles: () => farFilesWorld(),
  files: () => filesWorld(),
  fresh: freshWorld,
  rich: () => richWorld(),
  hostile: hostileWorld,
  long: () => longWorld(Number(query.get("count") ?? "2000"), Number(query.get("unread") ?? "0")),
};
const fake = (worlds[query.get("world") ?? "busy"] ?? busyWorld)();
fake.settings = { ...fake.settings, language: query.get("language") ?? "en" };
window.fake = fake;
window.person = person;
window.attachment = attachment;
window.picture = picture;
window.invitationId = invitationId;
window.types = (sessionId, userId, typing) => types(fake, sessionId, userId, typing);
window.refuse = (name, message) => fake.refusals.set(name, new BackendError({ code: "refused", message }));
const target = document.getElementById("app");
if (target !== null) mount(Root, { target, props: { backend: fake } });
