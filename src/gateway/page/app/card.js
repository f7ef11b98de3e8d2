/**
 * What all cards are made of: a title, a body, buttons that answer, times that go on.
 */
import { el, moved, movedJustNow } from "./dom.js";
import { duration, showable, shownName } from "./text.js";

/**
 * What cards can do.
 * @typedef {object} Desk
 * @property {(method: string, params: Record<string, unknown>) => Promise<any>} call
 * @property {() => void} refresh
 * @property {(text: string) => void} announce
 * @property {(nodeId: string) => string | undefined} nodeName
 * @property {() => number} nowMs Clock of the gateway.
 */

/** @typedef {readonly [label: string, style: string, run: () => Promise<unknown>, said: string]} Action */

/**
 * A card with buttons. A click right after the list moved does nothing but say so.
 * @param {Desk} desk
 * @param {string} title
 * @param {readonly (Node | undefined)[]} body
 * @param {readonly Action[]} actions
 */
export function card(desk, title, body, actions) {
  const problem = el("p", { class: "problem", role: "alert" });
  // Busy, not disabled: a disabled button would lose the focus of the keyboard.
  const row = el("div", { class: "actions" });
  const buttons = actions.map(([label, style, run, said]) => {
    const button = el("button", {
      type: "button",
      class: style,
      "aria-label": `${label}: ${title}`,
    }, label);
    button.addEventListener("click", async ({ detail }) => {
      if (row.ariaBusy === "true") return;
      if (detail > 0 && movedJustNow()) {
        problem.textContent =
          "The list moved just now, so nothing was sent. Look again, then click.";
        return;
      }
      await answer(desk, { problem, row, run, said: `${said}: ${title}` });
    });
    return button;
  });
  row.append(...buttons);
  return el(
    "li",
    {},
    el("h3", {}, title),
    ...body.filter((part) => part !== undefined),
    row,
    problem,
  );
}

/**
 * @param {Desk} desk
 * @param {{ problem: HTMLElement, row: HTMLElement, run: () => Promise<unknown>, said: string }} answer
 */
async function answer(desk, { problem, row, run, said }) {
  problem.textContent = "";
  row.ariaBusy = "true";
  try {
    await run();
    desk.announce(said);
  } catch (error) {
    problem.textContent = showable(/** @type {Error} */ (error).message);
    moved();
    row.ariaBusy = "false";
  }
  desk.refresh();
}

/** @param {readonly string[] | undefined} items */
export function listed(items) {
  return items && items.length > 0 ? items.map(shownName).join(", ") : undefined;
}

/**
 * Age of something, kept current by {@linkcode tick}.
 * @param {number} sinceMs
 */
export function age(sinceMs) {
  return el("span", { "data-since": String(sinceMs) });
}

/**
 * Brings ages and countdowns up to date; true when something has run out.
 * @param {number} nowMs
 */
export function tick(nowMs) {
  let isOver = false;
  for (const place of document.querySelectorAll("[data-since]")) {
    const since = Number(/** @type {HTMLElement} */ (place).dataset.since);
    setText(place, `${duration(nowMs - since)} ago`);
  }
  for (const place of document.querySelectorAll("[data-until]")) {
    const leftMs = Number(/** @type {HTMLElement} */ (place).dataset.until) - nowMs;
    if (leftMs <= 0) isOver = true;
    setText(place, leftMs <= 0 ? "none" : duration(leftMs));
  }
  return isOver;
}

/**
 * @param {Element} place
 * @param {string} text
 */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
