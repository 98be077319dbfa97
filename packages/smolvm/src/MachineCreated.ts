/**
 * What a machine that was created is called, and what of its options smolvm has taken without heeding it.
 *
 * @since 0.1.0
 */
import type { DroppedOption } from "./MachineCreate.js"
import * as MachineName from "./MachineName.js"

/**
 * A machine that was created, by create or by a detached run.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineCreated {
  /** The name that was asked for, or the one that smolvm made up. */
  readonly name: string
  /**
   * The options that the release drops in silence, or may. A machine that has lost a policy (`isPolicy`) reaches more than
   * was asked for: delete it.
   */
  readonly dropped: ReadonlyArray<DroppedOption>
}

/**
 * The name in what `machine create` prints on stdout (`Created machine: vm-0f3a`), or `undefined`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const nameIn = (stdout: string): string | undefined => {
  const name = /^Created machine: (\S+)\s*$/m.exec(stdout)?.[1]
  return name === undefined || MachineName.problem(name) !== undefined ? undefined : name
}
