/**
 * What a command in a machine of its own ended with.
 *
 * @since 0.1.0
 */
import type { DroppedOption } from "./MachineCreate.js"
import type { ExecResult } from "./MachineExec.js"

/**
 * What a command in a machine made for it ended with. A non-zero exit code is a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunResult extends ExecResult {
  /**
   * The options that the release drops in silence, or may. Where one is part of a policy (`isPolicy`), the command could
   * reach more than was asked for: `MachineRun.dropped` tells so beforehand.
   */
  readonly dropped: ReadonlyArray<DroppedOption>
}
