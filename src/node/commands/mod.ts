/** The commands this node serves, and only those. */
import type { NodeCommand } from "./define.ts";
import { execApprovalsGet, execApprovalsSet } from "./exec_approvals.ts";
import { fsListDir } from "./fs_list_dir.ts";
import { systemRun } from "./system_run.ts";
import { systemRunPrepare } from "./system_run_prepare.ts";
import { systemWhich } from "./system_which.ts";

/** In the order they are declared. */
export const NODE_COMMANDS: readonly NodeCommand[] = [
  systemRunPrepare,
  systemRun,
  systemWhich,
  execApprovalsGet,
  execApprovalsSet,
  fsListDir,
];
