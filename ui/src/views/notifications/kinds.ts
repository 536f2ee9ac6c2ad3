import AtSign from "@lucide/svelte/icons/at-sign";
import FileDown from "@lucide/svelte/icons/file-down";
import MessageSquare from "@lucide/svelte/icons/message-square";
import Network from "@lucide/svelte/icons/network";
import ShieldAlert from "@lucide/svelte/icons/shield-alert";
import UserPlus from "@lucide/svelte/icons/user-plus";
import type { NotificationKind } from "../../backend/gen";
import { m } from "../../shared/i18n.svelte";

/** The kinds of notifications, in the order they are offered, each with its sign and name. */
export const kinds = [
  { kind: "message", icon: MessageSquare, name: m.kind_message },
  { kind: "mention", icon: AtSign, name: m.kind_mention },
  { kind: "request", icon: UserPlus, name: m.kind_request },
  { kind: "transfer", icon: FileDown, name: m.kind_transfer },
  { kind: "security", icon: ShieldAlert, name: m.kind_security },
  { kind: "network", icon: Network, name: m.kind_network },
] as const satisfies readonly { kind: NotificationKind; icon: unknown; name: () => string }[];

/** Sign and name of one kind. */
export function kindOf(kind: NotificationKind) {
  return kinds.find((one) => one.kind === kind) ?? kinds[0];
}
