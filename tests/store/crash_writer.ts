/**
 * A program that writes pairs of records until it is killed, and says on stdout what was acknowledged. Each transaction
 * replaces two records by the same number, so that a torn one shows.
 */
import { GatewayStore } from "../../src/store/gateway_store.ts";

const [path = ""] = Deno.args;
const store = await GatewayStore.open({ path });
const encoder = new TextEncoder();
const say = (line: string) => Deno.stdout.writeSync(encoder.encode(line + "\n"));
say("open");
for (let n = Number(store.meta.get("a") ?? "0") + 1;; n++) {
  try {
    await store.commit((tx) => {
      tx.put(store.meta, "a", String(n));
      tx.put(store.meta, `n${n % 50}`, "x".repeat(2_000));
      tx.put(store.meta, "b", String(n));
    });
    say(`acked ${n}`);
  } catch (error) {
    say(`failed ${n} ${(error as { code?: string }).code} memory=${store.meta.get("a")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    n--;
  }
}
