/** F10, F11: packets vanish between the machines, both ways and one way. Two minutes. */
import { FAULTS, silenceIsNoticed } from "../e2e/remote/silence_scene.ts";

for (const fault of FAULTS) {
  Deno.test(`${fault.id} soak: packets dropped ${fault.name}: both sides notice within 45 s, back within 5 s`, () =>
    silenceIsNoticed(fault));
}
