/**
 * The list of all methods. Everything about methods is derived from it.
 */
import { configMethods } from "./config.ts";
import type { MethodDefinition } from "./define.ts";
import { statusMethods } from "./status.ts";

/** Every method of this gateway. */
export const METHODS: readonly MethodDefinition[] = [
  ...statusMethods,
  ...configMethods,
];
