/**
 * The variables that must not reach smolvm by accident: they weaken or replace what a machine may reach.
 *
 * @since 0.1.0
 */

/**
 * Variables of smolvm that change its egress policy or its way of booting, by name. The one that is ever needed
 * (`SMOLVM_EGRESS_ALLOW_PRIVATE`, 1.0.4 to 1.1.2) is set for single starts; see `MachineStart.environment`.
 *
 * - `SMOLVM_PUBLISH_ADDR`: being set at all forces virtio-net and, from 1.0.4, the strict floor.
 * - `SMOLVM_EGRESS_FLOOR`: `metadata` is weaker than the default of newer releases, `off` removes the floor.
 * - `SMOLVM_EGRESS_ALLOW_PRIVATE`: removes the floor.
 * - `SMOLVM_ALLOW_HOST_LOOPBACK`: opens the host's loopback.
 * - `SMOLVM_GUEST_HOST_SERVICE`: opens the way from the guest to the host's services.
 * - `SMOLVM_BOOT_BINARY`: replaces what boots, and arms the end of the machine with its parent.
 *
 * @since 0.1.0
 * @category constants
 */
export const scrubbed: ReadonlyArray<string> = [
  "SMOLVM_PUBLISH_ADDR",
  "SMOLVM_EGRESS_FLOOR",
  "SMOLVM_EGRESS_ALLOW_PRIVATE",
  "SMOLVM_ALLOW_HOST_LOOPBACK",
  "SMOLVM_GUEST_HOST_SERVICE",
  "SMOLVM_BOOT_BINARY"
]

/**
 * The proxy variables, in upper case; smolvm's own pull in the guest would use them in either case.
 *
 * @since 0.1.0
 * @category constants
 */
export const proxies: ReadonlyArray<string> = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "FTP_PROXY",
  "RSYNC_PROXY",
  "WS_PROXY",
  "WSS_PROXY"
]

/**
 * The variables without those of `scrubbed` and, in whatever case, those of `proxies`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const scrub = (variables: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).filter(
      ([name]) => !scrubbed.includes(name.toUpperCase()) && !proxies.includes(name.toUpperCase())
    )
  )
