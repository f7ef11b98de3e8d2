/**
 * Fetches referenced secrets from environment, files and programs (`secret_exec.ts`), grouped by provider and
 * bounded in number, size and time. Fails closed: a reference has a value or a reason, never a substitute.
 * Source: config-and-credentials.md 4.
 */
import { isObject, jsonValue } from "../../lib/objects.ts";
import { isAbsolute } from "@std/path";
import { withDeadline } from "../../lib/deadline.ts";
import { messageOf } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import { quoted } from "../../lib/text.ts";
import { IS_POSIX } from "../../platform/file_safety.ts";
import { readOwned } from "../../platform/files.ts";

import { type Env, expandHome, readEnv } from "../env.ts";
import type { Config, SecretProvider } from "../schema/schema.ts";
import { providerAlias, providerOf } from "./provider.ts";
import { askProgram, type SecretAnswer } from "./secret_exec.ts";
import type { SecretRef } from "../schema/secret_input.ts";

/** A secret, or in words why there is none. The words hold no secret. */
export type FetchedSecret = { readonly secret: Secret } | { readonly problem: string };

/** What fetching depends on. */
export interface FetcherFacts {
  readonly config: Pick<Config, "secrets">;
  readonly env: Env;
}

/** Fetches `refs`; answers in their order, never rejects, caches nothing. */
export async function fetchSecrets(
  facts: FetcherFacts,
  refs: readonly SecretRef[],
): Promise<readonly FetchedSecret[]> {
  const { maxProviderConcurrency, maxRefsPerProvider } = facts.config.secrets.resolution;
  const groups = Map.groupBy(refs, (ref) => `${ref.source}:${providerAlias(facts.config, ref)}`);
  const answers = new Map<SecretRef, SecretAnswer>();
  const queue = [...groups.values()];
  const work = async () => {
    for (let group = queue.shift(); group; group = queue.shift()) {
      const found = group.length > maxRefsPerProvider
        ? new Error(`more than ${maxRefsPerProvider} references to one provider`)
        : await fetchGroup(facts, group).catch((error: unknown) => error);
      for (const ref of group) {
        answers.set(
          ref,
          found instanceof Map
            ? found.get(ref.id) ?? { problem: "no answer" }
            : { problem: messageOf(found) },
        );
      }
    }
  };
  await Promise.all(Array.from({ length: maxProviderConcurrency }, work));
  return refs.map((ref) => {
    const answer = answers.get(ref) ?? { problem: "no answer" };
    if ("problem" in answer) return answer;
    const value = answer.value;
    return value.trim() === "" ? { problem: "the value is empty" } : { secret: new Secret(value) };
  });
}

async function fetchGroup(
  facts: FetcherFacts,
  refs: readonly SecretRef[],
): Promise<Map<string, SecretAnswer>> {
  const [first] = refs;
  if (!first) return new Map();
  const alias = providerAlias(facts.config, first);
  const ids = [...new Set(refs.map((ref) => ref.id))];
  const provider = providerOf(facts.config, first);
  if (first.source === "env") return fromEnv(provider, ids, facts.env);
  if (first.source === "file") {
    return await withDeadline(fromFile(provider, ids, facts.env), {
      timeoutMs: provider.timeoutMs,
      what: `reading ${quoted(provider.path ?? "")}`,
    });
  }
  const maxRequestBytes = facts.config.secrets.resolution.maxBatchBytes;
  return await askProgram({ alias, provider, ids, env: facts.env, maxRequestBytes });
}

function fromEnv(provider: SecretProvider, ids: readonly string[], env: Env) {
  return new Map<string, SecretAnswer>(ids.map((id) => {
    if (provider.allowlist && !provider.allowlist.includes(id)) {
      return [id, { problem: `${id} is not in the provider's allowlist` }];
    }
    const value = env[id];
    return [id, value ? { value } : { problem: `environment variable ${id} is not set` }];
  }));
}

async function fromFile(provider: SecretProvider, ids: readonly string[], env: Env) {
  const text = await readSecretFile(provider, env);
  if (provider.mode === "singleValue") {
    const value = text.replace(/[\r\n]+$/, "");
    return new Map<string, SecretAnswer>(
      ids.map((id) => [id, id === "value" ? { value } : { problem: 'the id must be "value"' }]),
    );
  }
  const root = parseObject(text);
  return new Map<string, SecretAnswer>(ids.map((id) => [id, atPointer(root, id)]));
}

/** Stops reading secrets others could have read or planted. */
async function readSecretFile(provider: SecretProvider, env: Env): Promise<string> {
  const path = expandHome(provider.path ?? "", readEnv(env).home);
  if (!isAbsolute(path)) throw new Error(`path ${quoted(path)} is not absolute`);
  const info = await Deno.lstat(path).catch(() => undefined);
  if (!info) throw new Error(`${quoted(path)} does not exist`);
  if (info.isSymlink) throw new Error(`${quoted(path)} is a symbolic link`);
  if (!info.isFile) throw new Error(`${quoted(path)} is no file`);
  return plainText(path, await readBytes(path, info, provider));
}

async function readBytes(
  path: string,
  info: Deno.FileInfo,
  { allowInsecurePath, maxBytes }: SecretProvider,
): Promise<Uint8Array> {
  if (allowInsecurePath) {
    const bytes = info.size > maxBytes ? undefined : await Deno.readFile(path);
    if (bytes && bytes.length <= maxBytes) return bytes;
    throw new Error(`${quoted(path)} is longer than ${maxBytes} bytes`);
  }
  if (IS_POSIX && ((info.mode ?? 0) & 0o077) !== 0) {
    const mode = ((info.mode ?? 0) & 0o777).toString(8);
    throw new Error(`${quoted(path)} has mode 0${mode}; others may read or write it`);
  }
  const file = await readOwned(path, { maxBytes, allowRootOwner: true });
  if (!file) throw new Error(`${quoted(path)} does not exist`);
  return file.bytes;
}

/** A damaged secret would be another one: it is refused, never mended. */
function plainText(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${quoted(path)} is not UTF-8 text`);
  }
}

function parseObject(text: string): Record<string, unknown> {
  const value = jsonValue(text);
  if (value === undefined) throw new Error("the file is not JSON");
  if (!isObject(value)) throw new Error("the file is no JSON object");
  return value;
}

function atPointer(root: Record<string, unknown>, pointer: string): SecretAnswer {
  if (!pointer.startsWith("/")) return { problem: 'the id must be a JSON pointer ("/a/b")' };
  let value: unknown = root;
  for (const part of pointer.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const inside = isObject(value) || Array.isArray(value);
    if (!inside || !Object.hasOwn(value as object, name)) {
      return { problem: `the file has nothing at ${pointer}` };
    }
    value = (value as Record<string, unknown>)[name];
  }
  return typeof value === "string" ? { value } : { problem: `the value at ${pointer} is no text` };
}
