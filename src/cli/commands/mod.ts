/**
 * All commands, in the order help shows them.
 */
import { CommandTree, group } from "../grammar/command.ts";
import { APPROVAL_COMMANDS } from "./approvals.ts";
import { CONFIG_COMMANDS } from "./config.ts";
import { DEVICE_COMMANDS } from "./devices.ts";
import { DOCTOR_COMMANDS } from "./doctor.ts";
import { GATEWAY_COMMANDS } from "./gateway.ts";
import { IMPORT_COMMANDS } from "./import.ts";
import { JOIN_COMMANDS } from "./join.ts";
import { META_COMMANDS } from "./meta.ts";
import { NODE_COMMANDS } from "./node.ts";
import { NODE_LIST_COMMANDS } from "./nodes.ts";
import { QUICKSTART_COMMANDS } from "./quickstart.ts";
import { SERVICE_COMMANDS } from "./services.ts";
import { STATUS_COMMANDS } from "./status.ts";
import { TUNNEL_COMMANDS } from "./tunnel.ts";

/** The command tree. */
export const TREE: CommandTree = new CommandTree([
  group({ path: "", summary: "a gateway, its nodes, and commands on them" }),
  ...QUICKSTART_COMMANDS,
  ...GATEWAY_COMMANDS,
  ...NODE_COMMANDS,
  ...SERVICE_COMMANDS,
  ...DEVICE_COMMANDS,
  ...JOIN_COMMANDS,
  ...NODE_LIST_COMMANDS,
  ...APPROVAL_COMMANDS,
  ...CONFIG_COMMANDS,
  ...STATUS_COMMANDS,
  ...DOCTOR_COMMANDS,
  ...TUNNEL_COMMANDS,
  ...IMPORT_COMMANDS,
  ...META_COMMANDS,
]);
