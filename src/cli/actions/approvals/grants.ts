/**
 * `approvals grants`: permissions with a clock — for N runs, T minutes, a directory, some arguments or one requester —
 * on this machine or on a node. They live in a file of their own and end by themselves.
 */
import { CAP_EXEC_GRANTS } from "../../../protocol/hello.ts";
import {
  type Grant,
  grantText,
  type GrantWish,
  isLive,
  newGrant,
} from "../../../approvals/grants.ts";
import { statePaths } from "../../../config/paths.ts";
import { systemClock } from "../../../lib/clock.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { silentLogger } from "../../../lib/log.ts";
import { any, int, list, obj, opt, str } from "../../../lib/schema.ts";
import { ApprovalsStore } from "../../../node/files/approvals_store.ts";
import { ensureDir } from "../../../platform/files.ts";
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { readAnswer } from "../../shapes.ts";
import { chooseNode } from "../nodes/calls.ts";

/** Where the grants are. */
export interface GrantsTarget extends RpcValues {
  readonly node: string | undefined;
  readonly gateway: boolean | undefined;
}

/** One file of grants. Both calls answer with those that are live. */
interface Place {
  read(): Promise<readonly Grant[]>;
  change(edit: { add?: GrantWish; revoke?: string }): Promise<readonly Grant[]>;
}

const HINT = "openclaw approvals grants add --runs 3 -- /usr/bin/git push '**'";

async function withPlace<T>(
  values: GrantsTarget,
  io: Io,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  if (values.gateway) {
    throw new OpenclawError("USAGE", "A gateway runs no commands, so it has no grants", {
      exitCode: 2,
      hint: "openclaw approvals grants list --node build-1",
    });
  }
  return values.node === undefined ? await withLocal(io, use) : await withNode(values, io, use);
}

async function withLocal<T>(io: Io, use: (place: Place) => Promise<T>): Promise<T> {
  const paths = statePaths(io.env);
  const store = new ApprovalsStore({ ...paths, clock: systemClock, log: silentLogger });
  const live = (grants: readonly Grant[]) =>
    grants.filter((grant) => isLive(grant, systemClock.now()));
  try {
    return await use({
      read: async () => live(await store.grants()),
      async change({ add, revoke }) {
        const grant = add && madeHere(add);
        await ensureDir(paths.stateDir);
        await store.changeGrants((grants) => [
          ...live(grants).filter((one) => one.id !== revoke),
          ...(grant ? [grant] : []),
        ]);
        return live(await store.grants());
      },
    });
  } finally {
    await store.close();
  }
}

function madeHere(wish: GrantWish): Grant {
  const id = crypto.randomUUID().slice(0, 8);
  const grant = newGrant({ ...wish, id, createdAtMs: systemClock.now() });
  if (typeof grant !== "string") return grant;
  throw new OpenclawError("USAGE", grant, { exitCode: 2, hint: HINT });
}

/** A grant as a node of ours shows it. */
export const grantShape = obj({
  id: str(),
  createdAtMs: int(),
  pattern: str(),
  args: opt(list(str())),
  directory: opt(str()),
  requester: opt(str()),
  agentId: opt(str()),
  grantedBy: opt(str()),
  expiresAtMs: opt(int()),
  runsLeft: opt(int()),
}, { unknown: "drop" });
const snapshotShape = obj({ file: any(), hash: str(), grants: opt(list(grantShape)) }, {
  unknown: "drop",
});

async function withNode<T>(
  values: GrantsTarget,
  io: Io,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const scopes = ["operator.read", "operator.admin"];
  return await withGateway(io, values, { scopes, caps: [CAP_EXEC_GRANTS] }, async (gateway) => {
    const { nodeId } = await chooseNode(gateway, values.node);
    const call = async (verb: "get" | "set", params: Record<string, unknown>) => {
      const method = `exec.approvals.node.${verb}`;
      const answer = await gateway.call(method, { nodeId, ...params });
      const { file, hash, grants } = readAnswer(snapshotShape, method, answer);
      if (grants) return { file, hash, grants };
      throw new OpenclawError("NOT_SUPPORTED", `The node "${values.node}" does not know grants`);
    };
    return await use({
      read: async () => (await call("get", {})).grants,
      async change({ add, revoke }) {
        const { file, hash } = await call("get", {});
        const grantChanges = {
          ...(add ? { add: [add] } : {}),
          ...(revoke === undefined ? {} : { revoke: [revoke] }),
        };
        const changed = { ...file as Record<string, unknown>, grantChanges };
        return (await call("set", { file: changed, baseHash: hash })).grants;
      },
    });
  });
}

/** `approvals grants list`. */
export async function listGrants(values: GrantsTarget, io: Io): Promise<void> {
  const grants = await withPlace(values, io, (place) => place.read());
  io.out.show(grants, () => showGrants(grants, io));
}

/** The live grants as a table, also below a policy. */
export function showGrants(grants: readonly Grant[], io: Io): void {
  if (grants.length === 0) return io.out.text("No grants.");
  io.out.table(
    [{ title: "Id", fixed: true }, { title: "Grant" }],
    grants.map((grant) => [grant.id, grantText(grant, systemClock.now())]),
  );
}

/** Values of `approvals grants add`. */
export interface GrantValues extends GrantsTarget {
  readonly command: readonly string[];
  readonly runs: number | undefined;
  readonly forMs: number | undefined;
  readonly dir: string | undefined;
  readonly requester: string | undefined;
  readonly agent: string | undefined;
}

/** `approvals grants add`. */
export async function addGrant(values: GrantValues, io: Io): Promise<void> {
  const [pattern = "", ...args] = values.command;
  const add: GrantWish = {
    pattern,
    ...(args.length === 0 ? {} : { args }),
    ...(values.dir === undefined ? {} : { directory: values.dir }),
    ...(values.requester === undefined ? {} : { requester: values.requester }),
    ...(values.agent === undefined ? {} : { agentId: values.agent }),
    ...(values.runs === undefined ? {} : { runs: values.runs }),
    ...(values.forMs === undefined ? {} : { minutes: values.forMs / 60_000 }),
  };
  // Said before anything is sent, with the usage that helps.
  madeHere(add);
  const grant = (await withPlace(values, io, (place) => place.change({ add }))).at(-1);
  if (!grant) throw new OpenclawError("GRANT_LOST", "The grant was not kept");
  io.out.show(
    grant,
    () => io.out.text(`Granted ${grant.id}: ${grantText(grant, systemClock.now())}`),
  );
}

/** `approvals grants revoke`. */
export async function revokeGrant(
  values: GrantsTarget & { id: string },
  io: Io,
): Promise<void> {
  const { id } = values;
  await withPlace(values, io, async (place) => {
    if ((await place.read()).some((grant) => grant.id === id)) {
      return await place.change({ revoke: id });
    }
    throw new OpenclawError("NOT_FOUND", `There is no grant "${id}"`, {
      hint: "openclaw approvals grants list",
    });
  });
  io.out.show({ revoked: id }, () => io.out.text(`Revoked ${id}.`));
}
