/**
 * `devices …`: who is paired with the gateway and who asks to be.
 */
import { arg, bool, command, group, list, text } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

const PAIRING = ["operator.pairing"] as const;
const decide = {
  requestId: arg({ help: "Id of the request, see openclaw devices list", required: true }),
};
const byDevice = {
  device: text({
    help: "Device id, its prefix or name, see openclaw devices list",
    value: "<id>",
    required: true,
  }),
  role: text({ help: "Role of the token: operator or node", value: "<role>", required: true }),
};

/** The `devices` family. */
export const DEVICE_COMMANDS = [
  group({ path: "devices", summary: "Paired devices and pairing requests" }),
  command({
    path: "devices list",
    summary: "List pairing requests and paired devices",
    flags: { ...rpcFlags() },
    examples: [["openclaw devices list", "who waits for approval, who is in"]],
    async run(values, io) {
      const { listDevices } = await import("../actions/devices/list.ts");
      await listDevices(values, io);
    },
  }),
  command({
    path: "devices approve",
    summary: "Approve a pairing request: the device and, for a node, its commands",
    args: { requestId: arg({ help: "Id of the request; without one the newest is shown" }) },
    flags: {
      latest: bool({ help: "Approve the newest request" }),
      yes: bool({ help: "Do not ask when several requests are pending or scopes are asked for" }),
      ...rpcFlags(),
    },
    examples: [
      ["openclaw devices approve 7c1e4a02-9b1d-4d7e-8a53-0f6f9a1d2c3b", "approve this request"],
      ["openclaw devices approve --latest", "approve the newest one"],
    ],
    async run(values, io) {
      const { approveDevice } = await import("../actions/devices/approve.ts");
      return await approveDevice(values, io);
    },
  }),
  command({
    path: "devices reject",
    summary: "Reject a pairing request",
    args: decide,
    flags: { ...rpcFlags() },
    examples: [["openclaw devices reject 7c1e4a02-9b1d-4d7e-8a53-0f6f9a1d2c3b", "turn it down"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "device.pair.reject",
        params: { requestId: values.requestId },
        scopes: PAIRING,
        say: (answer) => `Rejected ${answer.deviceId ?? values.requestId}`,
      });
    },
  }),
  command({
    path: "devices remove",
    summary: "Remove a paired device; its connections are closed",
    args: { deviceId: arg({ help: "Device id, its prefix or name", required: true }) },
    flags: { ...rpcFlags() },
    examples: [["openclaw devices remove 2f9c…", "end its pairing"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "device.pair.remove",
        params: { deviceId: values.deviceId },
        scopes: PAIRING,
        namesDevice: true,
        say: (answer) => `Removed ${answer.deviceId ?? values.deviceId}`,
      });
    },
  }),
  command({
    path: "devices clear",
    summary: "Remove every paired device; with --pending also reject every request",
    flags: {
      yes: bool({ help: "Really do it" }),
      pending: bool({ help: "Reject the pending requests too" }),
      ...rpcFlags(),
    },
    examples: [["openclaw devices clear --yes --pending", "start over"]],
    async run(values, io) {
      const { clearDevices } = await import("../actions/devices/list.ts");
      await clearDevices(values, io);
    },
  }),
  command({
    path: "devices rotate",
    summary: "Give a device a new token for one role; prints JSON",
    flags: {
      ...byDevice,
      scope: list({ help: "Scope of the new token", value: "<scope>" }),
      noScopes: bool({ help: "A token without scopes" }),
      ...rpcFlags(),
    },
    exclusive: [["scope", "noScopes"]],
    examples: [["openclaw devices rotate --device 2f9c… --role node", "the old token ends"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      const scopes = values.noScopes ? [] : values.scope.length > 0 ? values.scope : undefined;
      await simpleCall(values, io, {
        method: "device.token.rotate",
        params: { deviceId: values.device, role: values.role, ...(scopes ? { scopes } : {}) },
        scopes: PAIRING,
        namesDevice: true,
        keepToken: true,
      });
    },
  }),
  command({
    path: "devices revoke",
    summary: "Revoke a device's token for one role; prints JSON",
    flags: { ...byDevice, ...rpcFlags() },
    examples: [["openclaw devices revoke --device 2f9c… --role node", "it must be approved again"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "device.token.revoke",
        params: { deviceId: values.device, role: values.role },
        scopes: PAIRING,
        namesDevice: true,
      });
    },
  }),
  command({
    path: "devices rename",
    summary: "Give a device a label of your own",
    flags: {
      device: text({ help: "Device id, its prefix or name", value: "<id>", required: true }),
      name: text({ help: "The label, 1 to 64 characters", value: "<label>", required: true }),
      ...rpcFlags(),
    },
    examples: [["openclaw devices rename --device 2f9c… --name build-1", "a name you know"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "device.pair.rename",
        params: { deviceId: values.device, label: values.name },
        scopes: PAIRING,
        namesDevice: true,
        say: () => `Renamed ${values.device} -> ${values.name}`,
      });
    },
  }),
];
