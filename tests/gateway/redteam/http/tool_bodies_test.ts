/** N16, N17, N20: bodies of `POST /tools/invoke` that are no honest JSON object. */
import { assert, assertEquals } from "@std/assert";
import { TOKEN, withGateway } from "../../../support/gateway.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const args = (text: string) => `{"tool":"health","args":${text}}`;

const BODIES: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  "nothing": "",
  "a list": `[{"tool":"health"}]`,
  "a text": `"health"`,
  "null": "null",
  "two values": `{"tool":"health"}{"tool":"node.invoke"}`,
  "a tool twice": `{"tool":"health","tool":"node.invoke"}`,
  "a tool twice, once escaped": `{"tool":"health","to\\u006fl":"node.invoke"}`,
  "__proto__": `{"__proto__":{"tool":"health"}}`,
  "__proto__ escaped": `{"tool":"health","args":{"\\u005f_proto__":{}}}`,
  "a tool that is a list": `{"tool":["health"]}`,
  "a tool that is an object": `{"tool":{"toString":"health"}}`,
  "a blank tool": `{"tool":"  "}`,
  "100,000 arrays": args("[".repeat(100_000)),
  "65 arrays": args("[".repeat(65) + "]".repeat(65)),
  "60,000 keys": args(`{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":0`)}}`),
  "a key of 5,000": args(`{"${"k".repeat(5_000)}":0}`),
  "500 digits": args("9".repeat(500)),
  "NaN": args("NaN"),
  "a comment": `{/**/"tool":"health"}`,
  "a trailing comma": `{"tool":"health",}`,
  "more than 2 MiB": `{"tool":"health","x":"${"x".repeat(2 * 1024 * 1024)}"}`,
  "UTF-16": new Uint8Array([0xff, 0xfe, 0x7b, 0x00]),
};

/** Read, but no tool of this gateway. */
const NO_TOOLS = [
  "exec",
  "system.run",
  "__proto__",
  "constructor",
  "toString",
  "HEALTH",
  "health ",
];

Deno.test("N16, N17 variant: a body that is no honest JSON object is refused before a tool is looked for", () =>
  withGateway(async ({ http }) => {
    const post = async (body: string | Uint8Array<ArrayBuffer>) => {
      const response = await fetch(`${http}/tools/invoke`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
        body,
      });
      return { status: response.status, text: await response.text() };
    };
    for (const [name, body] of Object.entries(BODIES)) {
      const { status, text } = await post(body);
      assertEquals(status, 400, name);
      assert(text.includes("invalid_request_error") && text.length < 500, name);
    }
    for (const tool of NO_TOOLS) {
      assertEquals((await post(JSON.stringify({ tool }))).status, 404, tool);
    }
    const plain: Record<string, unknown> = {};
    assertEquals(plain.tool, undefined, "nothing global changed");
    assertEquals((await post(utf8(`\ufeff{"tool":"health"}`))).status, 200, "a byte order mark");
  }));
