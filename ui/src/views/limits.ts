/** Most bytes of a name and of a device name. The node decides; these are said early. */
export const NAME_BYTES = 64;
/** Most bytes of a status text. */
export const STATUS_BYTES = 140;
/** Most bytes of a message. */
export const MESSAGE_BYTES = 65_536;
/** Most messages that are forwarded at once. */
export const FORWARD_COUNT = 100;
/** Most conversations that a message is forwarded to at once. */
export const FORWARD_SESSIONS = 20;
