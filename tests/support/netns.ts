/** Another machine on this one: a Linux network namespace with an address of its own, joined by a cable (veth). */

/** A namespace and the cable to it. */
export interface OtherMachine {
  /** Name for `ip netns exec`. */
  readonly name: string;
  /** Our end of the cable. */
  readonly hereAddress: string;
  /** Its end of the cable. */
  thereAddress: string;
  /** Drops what we send to it, without a word to anybody. */
  dropToThere(on: boolean): Promise<void>;
  /** Drops what it sends to us. */
  dropToHere(on: boolean): Promise<void>;
  /** Gives the other machine a new address in place of the old one. */
  moveTo(lastByte: number): Promise<void>;
  close(): Promise<void>;
}

async function ip(...args: string[]): Promise<void> {
  const result = await new Deno.Command("ip", { args, stdin: "null", stderr: "piped" }).output();
  if (!result.success) {
    throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(result.stderr).trim()}`);
  }
}

/** Makes one; `undefined` with a printed reason where this machine does not allow it. */
export async function otherMachine(): Promise<OtherMachine | undefined> {
  const id = crypto.randomUUID().slice(0, 6);
  const name = `oc${id}`;
  const [here, there] = [`och${id}`, `oct${id}`];
  const net = `10.213.${parseInt(id.slice(0, 2), 16)}`;
  try {
    await ip("netns", "add", name);
    await ip("link", "add", here, "type", "veth", "peer", "name", there);
    await ip("link", "set", there, "netns", name);
    await ip("addr", "add", `${net}.1/24`, "dev", here);
    await ip("link", "set", here, "up");
    await ip("-n", name, "addr", "add", `${net}.2/24`, "dev", there);
    await ip("-n", name, "link", "set", there, "up");
    await ip("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    console.log(
      `skipped: no network namespace here: ${error instanceof Error ? error.message : error}`,
    );
    await ip("netns", "del", name).catch(() => {});
    await ip("link", "del", here).catch(() => {});
    return undefined;
  }
  const machine: OtherMachine = {
    name,
    hereAddress: `${net}.1`,
    thereAddress: `${net}.2`,
    dropToThere: (on) => ip("route", on ? "add" : "del", "blackhole", `${machine.thereAddress}/32`),
    dropToHere: (on) => ip("-n", name, "route", on ? "add" : "del", "blackhole", `${net}.1/32`),
    async moveTo(lastByte) {
      await ip("-n", name, "addr", "del", `${machine.thereAddress}/24`, "dev", there);
      machine.thereAddress = `${net}.${lastByte}`;
      await ip("-n", name, "addr", "add", `${machine.thereAddress}/24`, "dev", there);
    },
    async close() {
      await ip("route", "del", "blackhole", `${machine.thereAddress}/32`).catch(() => {
        // Nothing was dropped at the end.
      });
      await ip("netns", "del", name);
      // The cable goes with the namespace, a little later.
      await ip("link", "del", here).catch(() => {});
    },
  };
  return machine;
}
