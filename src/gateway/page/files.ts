/**
 * The files of the device page. They are text imports, so that the executable has them too, and each is loaded at its
 * first request: the page costs nothing at the start of a gateway.
 */

type Load = () => Promise<{ readonly default: string }>;

/** One file: its media type and its text. */
export interface PageFile {
  readonly type: string;
  readonly load: Load;
}

const html = (load: Load): PageFile => ({ type: "text/html; charset=utf-8", load });
const css = (load: Load): PageFile => ({ type: "text/css; charset=utf-8", load });
const script = (load: Load): PageFile => ({ type: "text/javascript; charset=utf-8", load });

/** Path below the page's own address → file. */
export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ["", html(() => import("./app/index.html", { with: { type: "text" } }))],
  ["page/page.css", css(() => import("./app/page.css", { with: { type: "text" } }))],
  ["page/main.js", script(() => import("./app/main.js", { with: { type: "text" } }))],
  ["page/board.js", script(() => import("./app/board.js", { with: { type: "text" } }))],
  ["page/card.js", script(() => import("./app/card.js", { with: { type: "text" } }))],
  [
    "page/approval_card.js",
    script(() => import("./app/approval_card.js", { with: { type: "text" } })),
  ],
  [
    "page/device_cards.js",
    script(() => import("./app/device_cards.js", { with: { type: "text" } })),
  ],
  ["page/dom.js", script(() => import("./app/dom.js", { with: { type: "text" } }))],
  ["page/key.js", script(() => import("./app/key.js", { with: { type: "text" } }))],
  ["page/session.js", script(() => import("./app/session.js", { with: { type: "text" } }))],
  ["page/text.js", script(() => import("./app/text.js", { with: { type: "text" } }))],
]);
