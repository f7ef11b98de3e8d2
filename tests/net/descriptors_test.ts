import { assert, assertEquals } from "@std/assert";
import { freeDescriptors } from "../../src/platform/descriptors.ts";
import { eventually } from "../e2e/program.ts";
import { RawPeer, textFrame, within } from "./raw.ts";

Deno.test({
  name: "freeDescriptors() counts what is open",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // The runtime and tests beside this one open and close some of their own meanwhile: one quiet moment is enough.
    await eventually("40 descriptors are counted", async () => {
      const before = await freeDescriptors() ?? 0;
      const files = Array.from({ length: 40 }, () => Deno.openSync("/dev/null"));
      const after = await freeDescriptors() ?? 0;
      for (const file of files) file.close();
      return after > 0 && Math.abs(before - after - files.length) < 10;
    });
  },
});

Deno.test({
  name: "F36: with 64 descriptors newcomers are refused, the old keep working, and it recovers",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const fixture = new URL("./descriptors_fixture.ts", import.meta.url).pathname;
    const child = new Deno.Command("sh", {
      args: ["-c", `ulimit -n 64; exec "$0" run -A --no-check "$1"`, Deno.execPath(), fixture],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    try {
      const { value } = await within(10_000, reader.read(), "the port");
      const port = Number(new TextDecoder().decode(value));
      const old = await RawPeer.upgraded(port);
      const crowd: RawPeer[] = [];
      let refused = 0;
      // One after the other, each waiting to see whether it was refused: no two are in the queue at once.
      for (let i = 0; i < 80; i++) {
        const peer = await RawPeer.open(port);
        await peer.write("GET / HT");
        let timer: ReturnType<typeof setTimeout> | undefined;
        const waited = new Promise<boolean>((r) => timer = setTimeout(() => r(false), 15));
        if (await Promise.race([peer.rest().then(() => true), waited])) refused++;
        clearTimeout(timer);
        crowd.push(peer);
      }
      assert(refused > 20, `${refused} refused`);
      await old.write(textFrame("old"));
      assertEquals((await within(2_000, old.frame()))?.opcode, 1);
      for (const peer of crowd) peer.close();
      // Deno 2.8 keeps a half-sent request until the header deadline, so recovery may take those 5 s.
      const recovered = async () => {
        for (;;) {
          const text = await fetch(`http://127.0.0.1:${port}/`).then((r) => r.text(), () => "");
          if (text) return text;
        }
      };
      assertEquals(await within(12_000, recovered(), "recovery"), "hi");
      old.close();
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    }
  },
});
