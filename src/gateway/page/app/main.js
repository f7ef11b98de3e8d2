/**
 * The device page: asks for the gateway's token, proves this browser's key, waits for its approval, and then keeps one
 * connection alive and the board beside it. The token never stands in a URL that is sent anywhere.
 */
import { Board } from "./board.js";
import { byId } from "./dom.js";
import { dropDeviceToken, forgetAll, loadDeviceToken, loadKey, saveDeviceToken } from "./key.js";
import { Lost, Refused, Session } from "./session.js";
import { duration, showable, shownKey } from "./text.js";

/** Pace of asking whether this browser was approved, milliseconds. */
const APPROVAL_POLL_MS = 2_000;
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** Name in sessionStorage; gone when the browser is paired or the tab is closed. */
const SECRET = "openclaw.token";

/** @typedef {"starting" | "secret" | "pairing" | "stopped" | "live" | "away"} State */

/**
 * Shows one panel and says what is going on.
 * @param {State} state
 * @param {string} text
 */
function show(state, text) {
  document.body.dataset.state = state;
  for (const panel of ["secret", "pairing", "stopped"]) byId(panel).hidden = panel !== state;
  // What was on the board stays to be seen while the gateway is away, but cannot be answered.
  const board = byId("board");
  board.hidden = state !== "live" && (state !== "away" || board.hidden);
  board.inert = state !== "live";
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {string} id */
const clicked = (id) =>
  new Promise((resolve) => byId(id).addEventListener("click", resolve, { once: true }));

/** `#token=…` is taken once and removed from the address and the history at once. */
function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  if (given) sessionStorage.setItem(SECRET, given);
}

/**
 * Asks for the secret.
 * @param {string} problem
 */
async function askSecret(problem) {
  sessionStorage.removeItem(SECRET);
  const input = /** @type {HTMLInputElement} */ (byId("secret-input"));
  byId("secret-problem").textContent = problem;
  input.value = "";
  show("secret", "Not connected");
  input.focus();
  await new Promise((resolve) =>
    document.forms[0]?.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(undefined);
    }, { once: true })
  );
  sessionStorage.setItem(SECRET, input.value.trim());
  input.value = "";
  show("starting", "Connecting…");
}

/**
 * Says why nothing more happens by itself.
 * @param {{ title: string, text: string, command?: string | undefined }} why
 */
async function stop({ title, text, command }) {
  byId("stopped-title").textContent = title;
  byId("stopped-text").textContent = text;
  byId("stopped-command").textContent = command ?? "";
  byId("stopped-command").hidden = command === undefined;
  show("stopped", "Not connected");
  await clicked("stopped-again");
  show("starting", "Connecting…");
}

/** The request this browser waits for. @type {string | undefined} */
let askedId;

/**
 * Shows the pending request. A new id means the old one was rejected or ran out: asking on and on would only annoy.
 * @param {Refused} refused
 */
async function waitForApproval({ details }) {
  const requestId = String(details.requestId);
  const isNew = askedId !== undefined && askedId !== requestId;
  askedId = requestId;
  byId("pairing-command").textContent = `openclaw devices approve ${showable(requestId)}`;
  byId("pairing-note").textContent = isNew
    ? "The request before this one was rejected or ran out."
    : "This page goes on by itself.";
  byId("pairing-again").hidden = !isNew;
  show("pairing", isNew ? "Not approved" : "Waiting for approval");
  if (!isNew) return await wait(APPROVAL_POLL_MS);
  await clicked("pairing-again");
}

/**
 * A command line with this page's own address in it, unless the address holds what a shell could take for more than a
 * name: a host's name is chosen by whoever owns it, and the line is made to be pasted.
 * @param {string} command
 */
function pasteable(command) {
  return /^[a-z0-9.[\]:][a-z0-9.:[\]-]*$/.test(location.host) ? command : undefined;
}

/** @param {Refused} refused */
async function afterRefusal(refused) {
  switch (refused.code) {
    case "AUTH_TOKEN_MISSING":
    case "AUTH_PASSWORD_MISSING":
      return await askSecret("");
    case "AUTH_TOKEN_MISMATCH":
    case "AUTH_PASSWORD_MISMATCH":
      return await askSecret("Wrong token: the gateway does not take it.");
    case "AUTH_RATE_LIMITED":
      return await askSecret(
        `Too many wrong tokens: the gateway takes none for ${
          duration(refused.retryAfterMs ?? 60_000)
        }.`,
      );
    case "AUTH_DEVICE_TOKEN_MISMATCH":
    case "AUTH_SCOPE_MISMATCH":
      await dropDeviceToken();
      return await wait(300);
    case "PAIRING_REQUIRED":
      return await waitForApproval(refused);
    case "CONTROL_UI_ORIGIN_NOT_ALLOWED":
      return await stop({
        title: "This address is not allowed",
        text:
          "The gateway answers pages on its own machine and on private addresses only. To allow this one:",
        command: pasteable(
          `openclaw config set gateway.controlUi.allowedOrigins '["${location.origin}"]'`,
        ),
      });
    case "UNAVAILABLE":
      show("away", "The gateway is starting or stopping");
      return await wait(refused.retryAfterMs ?? 1_000);
    default:
      return await stop({ title: "The gateway refused", text: showable(refused.message) });
  }
}

/** The session in force. @type {Session | undefined} */
let live;

/** The shared secret first: it is what the person just gave. */
async function credentials() {
  const token = sessionStorage.getItem(SECRET);
  if (token) return { token };
  const deviceToken = await loadDeviceToken();
  return deviceToken === undefined ? {} : { deviceToken };
}

/** @param {import("./key.js").DeviceKey} key */
async function liveOnce(key) {
  const session = await Session.open(key, await credentials());
  const { auth, server } = session.hello;
  if (auth?.deviceToken) {
    await saveDeviceToken(auth.deviceToken);
    // From here on this browser proves itself; the owner's secret is not needed any more.
    sessionStorage.removeItem(SECRET);
  }
  askedId = undefined;
  live = session;
  show("live", `Connected to gateway ${showable(server?.version)}`);
  const board = new Board(session);
  await session.ended;
  live = undefined;
  board.stop();
}

/** @param {import("./key.js").DeviceKey} key */
async function stayConnected(key) {
  for (let failures = 0;;) {
    try {
      await liveOnce(key);
      failures = 0;
      show("away", "The gateway is gone; reconnecting…");
      await wait(BACKOFF_MS[0] ?? 500);
    } catch (error) {
      if (error instanceof Refused) {
        failures = 0;
        await afterRefusal(error);
      } else if (error instanceof Lost) {
        show("away", "The gateway is gone; reconnecting…");
        await wait(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)] ?? 8_000);
      } else throw error;
    }
  }
}

/** @returns {Promise<import("./key.js").DeviceKey>} */
async function ownKey() {
  while (!isSecureContext) {
    await stop({
      title: "This page needs https",
      text:
        "Browsers keep keys only for pages of the own machine or over https. Run the gateway with TLS, or forward its port and open http://127.0.0.1:18789/ here:",
      command: pasteable(
        `ssh -N -L 18789:127.0.0.1:${location.port || "80"} ${
          location.hostname.replace(/^\[|\]$/g, "")
        }`,
      ),
    });
  }
  for (;;) {
    try {
      return await loadKey();
    } catch (error) {
      await stop({
        title: "No key could be made",
        text:
          `This browser has no Ed25519 keys (Chrome 137, Firefox 129 and Safari 17 have them): ${error}`,
      });
    }
  }
}

takeFragment();
const key = await ownKey();
byId("forget").addEventListener("click", async () => {
  sessionStorage.removeItem(SECRET);
  // The gateway forgets it too, when it can be told; else `openclaw devices remove` does that.
  await live?.call("device.pair.remove", { deviceId: key.deviceId }).catch(() => {});
  await forgetAll();
  location.reload();
});
byId("own-key").textContent = byId("pairing-key").textContent = shownKey(key.deviceId);
await stayConnected(key);
