/**
 * All commands, in the order help shows them.
 */
import { CommandTree, group } from "../command.ts";
import { META_COMMANDS } from "./meta.ts";

/** The command tree. */
export const TREE: CommandTree = new CommandTree([
  group({ path: "", summary: "a gateway, its nodes, and commands on them" }),
  ...META_COMMANDS,
]);
