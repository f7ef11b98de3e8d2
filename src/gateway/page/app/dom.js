/**
 * Building and keeping elements. Text gets in as text only; there is no way to pass markup.
 */

/**
 * One element with attributes and children; strings become text nodes.
 * @param {string} name
 * @param {Record<string, string | boolean>} [attributes]
 * @param {...(Node | string | undefined)} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/**
 * The element with this id; the page's own markup has it.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new TypeError(`No element "${id}"`);
  return element;
}

/**
 * A list of facts; empty ones are left out.
 * @param {readonly (readonly [term: string, value: Node | string | null | undefined])[]} rows
 */
export function facts(rows) {
  const shown = rows.filter(([, value]) => value);
  return el(
    "dl",
    {},
    ...shown.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value ?? "")]),
  );
}

/** When something moved last; see {@linkcode movedJustNow}. */
let movedAtMs = -Infinity;

/** Something grew, came or went: what is under the pointer now may be something else than a moment ago. */
export function moved() {
  movedAtMs = performance.now();
}

/**
 * Whether the list moved under the pointer a moment ago: a click that was meant for another card must not answer this
 * one. Attack stopped: a request that arrives (or goes) just when a person clicks.
 */
export function movedJustNow() {
  return performance.now() - movedAtMs < 400;
}

/**
 * Brings a list in step with its items. Cards that are unchanged stay the same elements in the same order; new ones come
 * last. Focus of a card that goes is given to the heading, so that the keyboard is not lost.
 * @template T
 * @param {HTMLElement} list
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make
 */
export function syncList(list, items, keyOf, make) {
  /** @type {Map<string | undefined, HTMLElement>} */
  const old = new Map(
    [.../** @type {Iterable<HTMLElement>} */ (list.children)].map((c) => [c.dataset.key, c]),
  );
  for (const item of items) {
    const key = keyOf(item);
    const version = JSON.stringify(item);
    const card = old.get(key);
    old.delete(key);
    if (card?.dataset.version === version) continue;
    const fresh = make(item);
    Object.assign(fresh.dataset, { key, version });
    if (hasButtons(fresh)) moved();
    if (card === undefined) list.append(fresh);
    else replace(card, fresh);
  }
  for (const gone of old.values()) {
    if (hasButtons(gone)) moved();
    if (gone.contains(document.activeElement)) headingOf(list)?.focus();
    gone.remove();
  }
}

/** @param {HTMLElement} card */
const hasButtons = (card) => card.querySelector("button") !== null;

/**
 * @param {HTMLElement} card
 * @param {HTMLElement} fresh
 */
function replace(card, fresh) {
  const hadFocus = card.contains(document.activeElement);
  card.replaceWith(fresh);
  if (hadFocus) headingOf(fresh.parentElement)?.focus();
}

/**
 * @param {HTMLElement | null} list
 * @returns {HTMLElement | null | undefined}
 */
function headingOf(list) {
  return list?.closest("section")?.querySelector("h2");
}
