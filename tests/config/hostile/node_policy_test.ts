/** What a node takes from a file with mistakes where it says what may run: nothing is allowed by it, and it is told. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { createLogger } from "../../../src/lib/log.ts";
import { ConfigReader } from "../../../src/node/files/policy_config.ts";
import { tempState } from "../temp_state.ts";

/** A text, and the problem that is told; `undefined` = its policy holds. */
const TEXTS: Readonly<Record<string, readonly [text: string, problem: string | undefined]>> = {
  "a good policy": ["{tools: {exec: {security: 'full'}}}", undefined],
  "a mistake elsewhere": ["{tools: {exec: {security: 'full'}}, gateway: {port: 'x'}}", undefined],
  "a mistyped value": [
    "{tools: {exec: {security: 'denny'}}}",
    "tools.exec.security: Invalid input",
  ],
  "a list of values": [
    "{tools: {exec: {security: ['deny']}}}",
    "tools.exec.security: Invalid input",
  ],
  "a key twice": [
    "{tools: {exec: {security: 'deny', security: 'full'}}}",
    'tools.exec: Key "security" is given twice',
  ],
  "a section twice": [
    "{tools: {exec: {security: 'deny'}}, tools: {}}",
    'Key "tools" is given twice',
  ],
  "a list for a section": ["{tools: []}", "tools: Invalid input"],
  "a mistake for one agent": [
    "{tools: {exec: {security: 'full'}}, agents: {list: [{id: 'a', tools: {exec: {ask: 'maybe'}}}]}}",
    "agents.list.0.tools.exec.ask: Invalid input",
  ],
  "a name that is none to hand on": ["{nodeHost: {env: {pass: ['A B']}}}", "nodeHost.env.pass"],
  "an include": ['{"$include": "./policy.json"}', "$include is not supported"],
  "no text at all": ["{tools: {exec: {security: 'full'", "Unexpected end of file"],
  "a list": ["[]", "Invalid input: expected object"],
};

for (const [name, [text, problem]] of Object.entries(TEXTS)) {
  Deno.test(`node policy from ${name}`, async () => {
    await using state = await tempState({}, text);
    const said: string[] = [];
    const log = createLogger({
      subsystem: "node",
      sink: ({ message, fields }) => said.push(`${message} ${JSON.stringify(fields)}`),
    });
    const reader = new ConfigReader({ paths: state.paths, env: state.env, log });
    const { exec, agents, passEnv } = await reader.policy();
    if (problem === undefined) {
      assertEquals([exec.security, said], ["full", []]);
      return;
    }
    assertEquals([exec, agents, passEnv], [{ security: "deny" }, {}, []]);
    assertEquals(said.length, 1);
    assertStringIncludes(said[0]?.replaceAll('\\"', '"') ?? "", problem);
    await reader.policy();
    assertEquals(said.length, 1, "told once for each state of the file");
  });
}

Deno.test("node policy: every key of the row is handed on as it stands", async () => {
  const exec = {
    security: "allowlist",
    ask: "off",
    strictInlineEval: true,
    safeBins: ["jq"],
    safeBinTrustedDirs: ["/opt/bin"],
    safeBinProfiles: {
      jq: { minPositional: 0, maxPositional: 1, allowedValueFlags: ["--arg"], deniedFlags: ["-f"] },
    },
  };
  const text = {
    tools: { exec },
    agents: { list: [{ id: "a", tools: { exec: { security: "deny" } } }] },
    nodeHost: { env: { pass: ["CC"] }, maxConcurrentRuns: 3 },
    gateway: { auth: { token: "${MY_TOKEN}", password: { source: "env", id: "MY_PW" } } },
  };
  await using state = await tempState({}, JSON.stringify(text));
  const log = createLogger({ subsystem: "node", sink: () => {} });
  const policy = await new ConfigReader({ paths: state.paths, env: state.env, log }).policy();
  assertEquals(JSON.parse(JSON.stringify(policy.exec)), exec);
  assertEquals(policy.agents.a?.security, "deny");
  assertEquals([policy.passEnv, policy.maxRuns], [["CC"], 3]);
  assertEquals(policy.secretNames.toSorted(), ["MY_PW", "MY_TOKEN"]);
});
