/**
 * How long each call may take.
 *
 * @since 0.1.0
 */

/**
 * How long each call may take, in milliseconds, before smolvm is ended and the call fails with `SmolvmTimedOut`. `exec`
 * is what a command's own timeout may be exceeded by; without a timeout an exec is not bounded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadlines {
  readonly version: number
  readonly packCreate: number
  readonly machineCreate: number
  readonly machineStart: number
  readonly machineStop: number
  readonly machineDelete: number
  readonly machineCp: number
  readonly machineLs: number
  readonly exec: number
}

/**
 * The deadlines where none are given. smolvm's own waits are shorter: 30 s for the agent, 600 s of silence while an image
 * is pulled (at start), 3 s for each machine that does not answer a list.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: Deadlines = {
  version: 15_000,
  packCreate: 3_600_000,
  machineCreate: 600_000,
  machineStart: 1_800_000,
  machineStop: 120_000,
  machineDelete: 120_000,
  machineCp: 3_600_000,
  machineLs: 120_000,
  exec: 15_000
}
