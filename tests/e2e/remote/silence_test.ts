/** F10 with the real intervals; the other directions are a soak, because each takes as long. */
import { FAULTS, silenceIsNoticed } from "./silence_scene.ts";

Deno.test("F10: packets dropped both ways: both sides notice within 45 s, and are back within 5 s of the route", () =>
  silenceIsNoticed(FAULTS[0]));
