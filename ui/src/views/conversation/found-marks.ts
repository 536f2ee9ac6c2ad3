import { foldedPlaces, searchWords } from "../../shared/text";

/** The elements that hold what people wrote. */
const TEXT = "[data-testid=message-text]";

/**
 * Marks what was looked for in the messages on screen, and follows them as they come and go; `here` is the message that
 * is shown just now. The marks are drawn over the text and change nothing in it. Gives what ends them.
 */
export function watchMarks(frame: Element, query: string, here: string | undefined): () => void {
  // An engine without highlights shows the hit without marks.
  if (!("highlights" in CSS)) return () => undefined;
  const words = searchWords(query);
  const found = new Highlight();
  const foundHere = new Highlight();
  foundHere.priority = 1;
  CSS.highlights.set("found", found);
  CSS.highlights.set("found-here", foundHere);
  const mark = () => {
    found.clear();
    foundHere.clear();
    for (const text of frame.querySelectorAll(TEXT)) {
      const id = text.closest<HTMLElement>("[data-id]")?.dataset["id"];
      const marks = id === here ? foundHere : found;
      const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        for (const word of words) {
          for (const [begin, end] of foldedPlaces(node.nodeValue ?? "", word)) {
            const range = new Range();
            range.setStart(node, begin);
            range.setEnd(node, end);
            marks.add(range);
          }
        }
      }
    }
  };
  mark();
  const rows = new MutationObserver(mark);
  rows.observe(frame, { childList: true, subtree: true, characterData: true });
  return () => {
    rows.disconnect();
    CSS.highlights.delete("found");
    CSS.highlights.delete("found-here");
  };
}
