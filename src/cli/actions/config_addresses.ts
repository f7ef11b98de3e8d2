/**
 * Addresses that `config set` is given: what could never be dialled is refused while the person who typed it is there.
 * A file that holds such a value is still read, since other programs write to it, too.
 */
import type { EditOutcome } from "../../config/file/edit.ts";
import { requireFingerprint } from "../../identity/fingerprint.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { parseEndpoint } from "../../net/endpoint.ts";
import { parseSshTarget } from "../../remote/ssh_target.ts";

type Remote = EditOutcome["after"]["config"]["gateway"]["remote"];

const CHECKS: Readonly<Partial<Record<keyof Remote, (text: string) => unknown>>> = {
  url: parseEndpoint,
  sshTarget: parseSshTarget,
  tlsFingerprint: (text) => requireFingerprint(text, "gateway.remote.tlsFingerprint"),
};

/** Refuses a new address that is none. @throws {OpenclawError} `CONFIG_INVALID` with the reason and hint of its parser. */
export function refuseBadAddresses({ before, after }: EditOutcome): void {
  for (const [name, parse] of Object.entries(CHECKS)) {
    const key = name as keyof Remote;
    const value = after.config.gateway.remote[key];
    if (typeof value !== "string" || value.trim() === "") continue;
    if (value === before.config.gateway.remote[key]) continue;
    try {
      parse(value);
    } catch (error) {
      if (!isOpenclawError(error)) throw error;
      const message = `Config validation failed: gateway.remote.${name}: ${error.message}`;
      const { hint } = error;
      throw new OpenclawError("CONFIG_INVALID", message, { ...(hint ? { hint } : {}) });
    }
  }
}
