/**
 * `approvals grants`: permissions with a clock on this machine — for N runs, T minutes, a directory, some arguments or
 * one requester. They live in a file of their own and end by themselves.
 */
import { type Grant, grantText, isLive, newGrant } from "../../approvals/grants.ts";
import { statePaths } from "../../config/paths.ts";
import { systemClock } from "../../lib/clock.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { ApprovalsStore } from "../../node/approvals_store.ts";
import { ensureDir } from "../../platform/files.ts";
import type { Io } from "../io.ts";

async function withStore<T>(io: Io, use: (store: ApprovalsStore) => Promise<T>): Promise<T> {
  const paths = statePaths(io.env);
  const store = new ApprovalsStore({ ...paths, clock: systemClock, log: silentLogger });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** `approvals grants list`. */
export async function listGrants(io: Io): Promise<void> {
  const nowMs = systemClock.now();
  const grants = (await withStore(io, (store) => store.grants())).filter((one) =>
    isLive(one, nowMs)
  );
  io.out.show(grants, () => {
    if (grants.length === 0) return io.out.text("No grants.");
    io.out.table(
      [{ title: "Id", fixed: true }, { title: "Grant" }],
      grants.map((grant) => [grant.id, grantText(grant, nowMs)]),
    );
  });
}

/** Values of `approvals grants add`. */
export interface GrantValues {
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
  const grant = newGrant({
    id: crypto.randomUUID().slice(0, 8),
    createdAtMs: systemClock.now(),
    pattern,
    ...(args.length === 0 ? {} : { args }),
    ...(values.dir === undefined ? {} : { directory: values.dir }),
    ...(values.requester === undefined ? {} : { requester: values.requester }),
    ...(values.agent === undefined ? {} : { agentId: values.agent }),
    ...(values.runs === undefined ? {} : { runs: values.runs }),
    ...(values.forMs === undefined ? {} : { minutes: values.forMs / 60_000 }),
  });
  if (typeof grant === "string") {
    throw new OpenclawError("USAGE", grant, {
      exitCode: 2,
      hint: "openclaw approvals grants add --runs 3 /usr/bin/git push '**'",
    });
  }
  await withStore(io, async (store) => {
    await ensureDir(statePaths(io.env).stateDir);
    await store.changeGrants((grants) => [...live(grants), grant]);
  });
  io.out.show(
    grant,
    () => io.out.text(`Granted ${grant.id}: ${grantText(grant, systemClock.now())}`),
  );
}

/** `approvals grants revoke`. */
export async function revokeGrant(id: string, io: Io): Promise<void> {
  let removed = 0;
  await withStore(io, (store) =>
    store.changeGrants((grants) => {
      const kept = live(grants).filter((grant) => grant.id !== id);
      removed = grants.filter((grant) => grant.id === id).length;
      return kept;
    }));
  if (removed === 0) {
    throw new OpenclawError("NOT_FOUND", `There is no grant "${id}"`, {
      hint: "openclaw approvals grants list",
    });
  }
  io.out.show({ revoked: id }, () => io.out.text(`Revoked ${id}.`));
}

function live(grants: readonly Grant[]): Grant[] {
  return grants.filter((grant) => isLive(grant, systemClock.now()));
}
