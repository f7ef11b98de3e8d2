/** F36: a listener whose accept loop ended for want of descriptors listens anew, and says so once. */
import { assertEquals } from "@std/assert";
import { within } from "../../../net/raw.ts";

const FIXTURE = new URL("./revived_fixture.ts", import.meta.url).pathname;

Deno.test({
  name:
    "F36 variant: descriptors that somebody else used up end the accept loop; the listener is opened again and told",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const child = new Deno.Command("sh", {
      args: ["-c", `ulimit -n 100; exec "$0" run -A --no-check "$1"`, Deno.execPath(), FIXTURE],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const writer = child.stdin.getWriter();
    const tell = (word: string) => writer.write(new TextEncoder().encode(`${word}\n`));
    let text = "";
    const said = async (wanted: RegExp): Promise<string> => {
      while (!wanted.test(text)) {
        text += (await within(10_000, reader.read(), `${wanted}`)).value ?? "";
      }
      return wanted.exec(text)?.[1] ?? "";
    };
    try {
      const port = Number(await said(/port (\d+)/));
      await tell("fill");
      await said(/full/);
      const waiting = await Deno.connect({ hostname: "127.0.0.1", port });
      await tell("free");
      await said(/revived/);
      const url = `http://127.0.0.1:${port}/`;
      assertEquals(await (await within(5_000, fetch(url), "an answer")).text(), "hi");
      assertEquals(text.split("revived").length - 1, 1);
      waiting.close();
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await writer.close().catch(() => {});
      await reader.cancel();
    }
  },
});
