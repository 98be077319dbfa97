/**
 * What is known of clones that were made.
 *
 * @since 0.1.0
 */

/**
 * The clones that were asked for. Only the name of a single one is known: where there is a prefix in its place, smolvm makes
 * up the rest of each name, and `machine ls` has them.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineForked {
  /** The name of the one clone; `null` where a prefix was given. */
  readonly name: string | null
  /** What the names of the clones begin with; `null` where a name was given. */
  readonly namePrefix: string | null
  /** How many clones were asked for. */
  readonly count: number
}
