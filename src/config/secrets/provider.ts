/**
 * Which entry of `secrets.providers` a reference means. Asking it is `secret_ref.ts`. Source: config-and-credentials.md 4.
 */
import { type Config, readConfig, type SecretProvider } from "../schema/schema.ts";
import type { SecretRef } from "../schema/secret_input.ts";

/** The alias a reference means: its own, `secrets.defaults.<source>`, else `default`. */
export function providerAlias(config: Pick<Config, "secrets">, ref: SecretRef): string {
  return ref.provider ?? config.secrets.defaults[ref.source] ?? "default";
}

/** The provider of a reference. Throws `Error` when there is none, or one of another source. */
export function providerOf(config: Pick<Config, "secrets">, ref: SecretRef): SecretProvider {
  const alias = providerAlias(config, ref);
  const { providers } = config.secrets;
  const found = Object.hasOwn(providers, alias) ? providers[alias] : undefined;
  if (found?.source === ref.source) return found;
  // The environment needs no entry for the alias "default".
  if (!found && ref.source === "env" && alias === "default") return defaultEnvProvider();
  throw new Error(
    found
      ? `secrets.providers.${alias} is a provider of ${
        found.source ?? "no source"
      }, not of ${ref.source}`
      : `secrets.providers.${alias} is not configured`,
  );
}

function defaultEnvProvider(): SecretProvider {
  const text = { secrets: { providers: { default: { source: "env" } } } };
  return readConfig(text).config.secrets.providers.default as SecretProvider;
}
