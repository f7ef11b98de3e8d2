/**
 * F04, F05: a full and a read-only disk under `config set`, on a small file system of its own. Needs unprivileged mount
 * namespaces (Linux); elsewhere the reason is printed.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { type TempState, tempState } from "../temp_state.ts";
import { canMount } from "../../support/mounts.ts";

const WORKER = fromFileUrl(new URL("./edit_worker.ts", import.meta.url));
const BIG = `{ channels: { note: "${"x".repeat(20_000)}" } }\n`;

const possible = await canMount();
if (!possible) {
  console.log("not run: F04, F05 of config set (no unprivileged mount namespaces here)");
}

/** Runs a script with a 128 KiB file system mounted on the state directory; `set` = one config set. */
async function onSmallDisk(state: TempState, script: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      "-rm",
      "sh",
      "-c",
      `mount -t tmpfs -o size=128k,mode=700 none "$STATE" || exit 1\n${script}`,
    ],
    env: {
      STATE: state.paths.stateDir,
      CONFIG: state.paths.configFile,
      BIG,
      SET: `${Deno.execPath()} run -A --no-check ${WORKER} ${state.home} channels.n`,
      TOKEN: `${Deno.execPath()} run -A --no-check ${WORKER} ${state.home} token`,
    },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test(
  "F04: with a full disk config set fails with DISK_FULL, keeps the old file and works again later",
  {
    ignore: !possible,
  },
  async () => {
    await using state = await tempState();
    const output = await onSmallDisk(
      state,
      `umask 077; printf %s "$BIG" > "$CONFIG"; before=$(sha256sum < "$CONFIG")
     dd if=/dev/zero of="$STATE/filler" bs=1k count=500 2>/dev/null
     $SET 1; echo "exit $?"
     [ "$before" = "$(sha256sum < "$CONFIG")" ] && echo "file intact"
     ls -A "$STATE" | grep tmp && echo "rest left behind"
     rm "$STATE/filler"; $SET 2 && echo "works again"; grep -c n: "$CONFIG"`,
    );
    assertStringIncludes(output, "DISK_FULL");
    assertStringIncludes(output, "exit 1");
    assertStringIncludes(output, "file intact");
    assertStringIncludes(output, "works again");
    assertEquals(output.includes("rest left behind"), false, output);
  },
);

Deno.test(
  "F05: on a read-only disk config set says so and the file stays",
  { ignore: !possible },
  async () => {
    await using state = await tempState();
    const output = await onSmallDisk(
      state,
      `umask 077; printf %s "$BIG" > "$CONFIG"; before=$(sha256sum < "$CONFIG")
     mount -o remount,ro "$STATE"
     $SET 1; echo "exit $?"
     [ "$before" = "$(sha256sum < "$CONFIG")" ] && echo "file intact"`,
    );
    assertStringIncludes(output, "read-only");
    assertStringIncludes(output, "exit 1");
    assertStringIncludes(output, "file intact");
  },
);

Deno.test(
  "F04: on a full disk a start makes a token for this run only and says so; later one is saved",
  { ignore: !possible },
  async () => {
    await using state = await tempState();
    const output = await onSmallDisk(
      state,
      `umask 077; printf %s "$BIG" > "$CONFIG"; before=$(sha256sum < "$CONFIG")
     dd if=/dev/zero of="$STATE/filler" bs=1k count=500 2>/dev/null
     $TOKEN; echo "exit $?"
     [ "$before" = "$(sha256sum < "$CONFIG")" ] && echo "file intact"
     ls -A "$STATE" | grep tmp && echo "rest left behind"
     rm "$STATE/filler"; $TOKEN; grep -cE 'token: "[0-9a-f]{48}"' "$CONFIG"; stat -c "mode %a" "$CONFIG"`,
    );
    assertStringIncludes(output, "token of 48 characters: this run only");
    assertStringIncludes(output, "warning: the new token could not be saved");
    assertStringIncludes(output, "no space left");
    assertStringIncludes(output, "exit 0\nfile intact");
    assertEquals(output.includes("rest left behind"), false, output);
    assertStringIncludes(output, "token of 48 characters: saved\n1\nmode 600");
  },
);
