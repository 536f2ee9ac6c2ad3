import type { RelayLimits } from "../../backend/gen";
import { language, m } from "../../shared/i18n.svelte";
import { fileSize } from "../../shared/sizes";
import { duration } from "../words";

/** What a relay allows: "Keeps messages for 30 days, and files up to 500 MB for 3 weeks. It has room for …". */
export function limitsLine({ bytes, keptSeconds, files }: RelayLimits): string {
  const size = (count: number) => fileSize(count, language.region);
  const time = duration(keptSeconds);
  const said =
    files === null
      ? [m.relay_keeps({ time }), m.relay_room({ size: size(bytes) })]
      : [
          m.relay_keeps_files({ time, size: size(files.fileBytes), fileTime: duration(files.keptSeconds) }),
          m.relay_room_files({ size: size(bytes), fileSize: size(files.bytes) }),
        ];
  return said.join(" ");
}
