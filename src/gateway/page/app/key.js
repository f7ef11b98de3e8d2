/**
 * This browser's identity: an Ed25519 key that cannot be read out, not even by this page, and the device token the
 * gateway gave it. Both live in IndexedDB; where that is closed, in memory. Source: gateway-protocol.md 3.
 */

/** @typedef {{ deviceId: string, publicKey: string, privateKey: CryptoKey }} DeviceKey */

/** @type {Map<string, unknown>} */
const memory = new Map();

/** @returns {Promise<IDBDatabase | undefined>} */
function openStore() {
  return new Promise((resolve) => {
    try {
      const opening = indexedDB.open("openclaw", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("device");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => resolve(undefined);
    } catch {
      resolve(undefined); // closed by the browser's settings: memory does for this visit
    }
  });
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} act
 */
async function inStore(mode, act) {
  const database = await openStore();
  if (database === undefined) return undefined;
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction("device", mode);
      const request = act(transaction.objectStore("device"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} name */
async function load(name) {
  return await inStore("readonly", (store) => store.get(name)) ?? memory.get(name);
}

/**
 * @param {string} name
 * @param {unknown} value
 */
async function save(name, value) {
  memory.set(name, value);
  await inStore("readwrite", (store) => store.put(value, name));
}

/** @param {ArrayBuffer} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {ArrayBuffer} bytes */
function hex(bytes) {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The key of this browser; made at the first visit. Throws where the browser has no Ed25519.
 * @returns {Promise<DeviceKey>}
 */
export async function loadKey() {
  const known = await load("key");
  if (known) return /** @type {DeviceKey} */ (known);
  const made = /** @type {CryptoKeyPair} */ (
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])
  );
  const raw = await crypto.subtle.exportKey("raw", made.publicKey);
  const key = {
    deviceId: hex(await crypto.subtle.digest("SHA-256", raw)),
    publicKey: base64url(raw),
    privateKey: made.privateKey,
  };
  await save("key", key);
  return key;
}

/**
 * Signs a text; base64url.
 * @param {DeviceKey} key
 * @param {string} text
 */
export async function sign(key, text) {
  const bytes = new TextEncoder().encode(text);
  return base64url(await crypto.subtle.sign({ name: "Ed25519" }, key.privateKey, bytes));
}

/** @returns {Promise<string | undefined>} */
export async function loadDeviceToken() {
  return /** @type {string | undefined} */ (await load("token"));
}

/** @param {string} token */
export async function saveDeviceToken(token) {
  await save("token", token);
}

/** The gateway does not take it any more. */
export async function dropDeviceToken() {
  memory.delete("token");
  await inStore("readwrite", (store) => store.delete("token"));
}

/** Forgets key and token: this browser is a stranger afterwards. */
export async function forgetAll() {
  memory.clear();
  await inStore("readwrite", (store) => store.clear());
}
