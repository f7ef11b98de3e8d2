/** A temporary home for programs that a service manager starts. */
import { TempHome } from "../program.ts";

/** A home that systemd, the services and the CLI share; services find the module cache of the sources there. */
export async function serviceHome(): Promise<TempHome> {
  const home = await TempHome.make();
  const cache = home.env("x")["DENO_DIR"];
  if (cache) {
    await Deno.mkdir(`${home.path}/.cache`);
    await Deno.symlink(cache, `${home.path}/.cache/deno`);
  }
  return home;
}
