/**
 * G2: everyday commands run without a prompt. The corpus is `benign.txt`; at least 300 commands, at least 99 % allowed,
 * and every one that is not is named.
 */
import { assert } from "@std/assert";
import { type Machine, runs, sh } from "./fake_machine.ts";

interface Section {
  readonly name: string;
  allow: string[];
  homeLink: boolean;
  readonly commands: string[];
}

/** Reads the corpus: `[section]`, `allow:` and `home-link:` lines, then commands; a quote left open goes on to the next line. */
function readCorpus(text: string): Section[] {
  const sections: Section[] = [];
  let open = "";
  for (const line of text.split("\n")) {
    const section = sections.at(-1);
    const name = /^\[([a-z ]+)\]$/.exec(line)?.[1];
    if (open === "" && (line === "" || (line.startsWith("# ")))) continue;
    if (open === "" && name !== undefined) {
      sections.push({ name, allow: [], homeLink: false, commands: [] });
    } else if (open === "" && line.startsWith("allow: ") && section) {
      section.allow = line.slice(7).split(", ").map((one) => one.replaceAll('"', ""));
    } else if (open === "" && line === "home-link: yes" && section) section.homeLink = true;
    else {
      open += (open === "" ? "" : "\n") + line;
      if (isOpen(open)) continue;
      section?.commands.push(open);
      open = "";
    }
  }
  return sections;
}

function isOpen(text: string): boolean {
  return (text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, "").match(/'/g)?.length ?? 0) % 2 === 1;
}

const PROGRAMS =
  "pwd date whoami hostname df du free ps uptime mkdir cp mv stat file basename dirname realpath readlink which sleep seq diff cmp " +
  "md5sum sha256sum tee jq gzip gunzip zip unzip rsync ln chmod rm pip make cargo go gcc cmake ninja docker kubectl terraform mvn gradle deno ctest " +
  "bazel swift dotnet systemctl journalctl helm zfs zpool smartctl lsblk mdadm btrfs rclone restic borg wget openssl psql " +
  "pg_dump mysqldump sqlite3 ssh scp apt-get dpkg rpm dnf rustc ar strip nm gh ansible nginx certbot split ffmpeg gpg ip ss ping dig";

function machineOf(section: Section): Machine {
  const bins = ["tsc", "eslint", "prettier", "jest"];
  return {
    programs: PROGRAMS,
    executables: [
      ..."node npm npx pnpm yarn".split(" ").map((name) => `/usr/local/bin/${name}`),
      ...bins.flatMap((
        name,
      ) => [`/srv/app/node_modules/.bin/${name}`, `/srv/app/web/node_modules/.bin/${name}`]),
      ..."pytest python ruff".split(" ").map((name) => `/home/u/.venv/bin/${name}`),
      "/data/u/bin/tool",
      "/data/u/go/bin/gopls",
      "/opt/My Tools/bin/build tool",
      "/srv/my project/run.sh",
      "/srv/app/gradlew",
      "/srv/app/scripts/build.sh",
      "/srv/app/deploy.sh",
    ],
    directories: [
      "/srv",
      "/srv/my project",
      "/srv/app/web",
      "/srv/app/sub",
      "/srv/app/scripts",
      "/opt/My Tools",
      "/data/u",
    ],
    pathDirs: ["/home/u/bin", "/usr/local/bin", "/usr/bin", "/bin"],
    ...(section.homeLink ? { links: { "/home/u": "/data/u" } } : {}),
  };
}

const corpus = readCorpus(await Deno.readTextFile(new URL("./benign.txt", import.meta.url)));
const refused: string[] = [];
let total = 0;
for (const section of corpus) {
  for (const text of section.commands) {
    total++;
    const argv = text.startsWith('["') ? JSON.parse(text) : sh(text);
    if (!await runs({ argv, allow: section.allow, machine: machineOf(section) })) {
      refused.push(`[${section.name}] ${text}`);
    }
  }
}

Deno.test("G2: at least 99 % of the everyday commands run without a prompt", () => {
  assert(total >= 300, `the corpus has only ${total} commands`);
  assert(
    refused.length <= total * 0.01,
    `${refused.length} of ${total} refused:\n${refused.join("\n")}`,
  );
});
