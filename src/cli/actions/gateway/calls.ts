/**
 * `gateway call` and `gateway fingerprint`.
 */
import { OpenclawError } from "../../../lib/errors.ts";
import { decideEndpoint } from "../../../config/credentials/endpoint.ts";
import { readEnv } from "../../../config/env.ts";
import { loadConfig } from "../../../config/file/load.ts";
import { statePaths } from "../../../config/paths.ts";
import { tlsPlan } from "../../../config/server/server_plan.ts";
import { fingerprintOfFile } from "../../../identity/certificate_file.ts";
import { ALL_SCOPES } from "../../../protocol/scopes.ts";
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { withRunningGateway } from "../../connect/running_gateway.ts";
import { jsonObject } from "../nodes/calls.ts";

/** `gateway call`. */
export async function gatewayCall(
  values: RpcValues & { method: string; params: string; expectFinal: boolean | undefined },
  io: Io,
): Promise<void> {
  const params = jsonObject("--params", values.params);
  const answer = await withGateway(
    io,
    values,
    { scopes: await scopesOf(values.method) },
    (gateway) => gateway.call(values.method, params),
  );
  if (!io.out.json) io.out.text(`Gateway call: ${values.method}`);
  io.out.document(answer);
}

/** The least scope of a method we know; every operator scope for one we do not. */
async function scopesOf(name: string): Promise<readonly string[]> {
  const { METHODS } = await import("../../../gateway/methods/mod.ts");
  const scope = METHODS.find((method) => method.name === name)?.scope;
  return scope === undefined ? ALL_SCOPES : scope === "none" ? [] : [scope];
}

/** `gateway fingerprint`. */
export async function gatewayFingerprint(io: Io): Promise<void> {
  const paths = statePaths(io.env);
  const loaded = await withRunningGateway(await loadConfig(paths, io.env), paths);
  const endpoint = decideEndpoint({ only: "local", env: readEnv(io.env), config: loaded.config });
  const path = tlsPlan(loaded.config, {}, paths).certPath;
  const fingerprint = await fingerprintOfFile(path);
  if (!fingerprint) {
    throw new OpenclawError(
      "CERTIFICATE_MISSING",
      `There is no certificate yet at ${path}: the gateway makes one when it first starts with TLS`,
      { hint: "openclaw gateway run --tls" },
    );
  }
  const { hostname, port } = new URL(endpoint.url.replace(/^ws/, "http"));
  const facts = { host: hostname, port: Number(port), fingerprint };
  io.out.show(facts, () =>
    io.out.lines([
      `Host         ${facts.host}`,
      `Port         ${facts.port}`,
      `Fingerprint  ${facts.fingerprint}`,
    ]));
}
