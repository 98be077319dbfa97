/**
 * What smolvm's exit codes and texts mean: one predicate per cause, each over smolvm's own words.
 *
 * The texts are the same from 0.8.0 to 1.9.3 (`data/errors.rs`). A failure of smolvm exits 1 and ends stderr with a line
 * that begins `Error: `; a refusal of its parser exits 2.
 *
 * @since 0.1.0
 */

/**
 * How smolvm ended and what it wrote to stderr.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  readonly exitCode: number
  readonly stderr: string
}

/**
 * The last line of stderr that begins with smolvm's `Error: `, or an empty text.
 *
 * @since 0.1.0
 * @category accessors
 */
export const errorLine = (stderr: string): string =>
  stderr.split(/\r?\n/).findLast((line) => line.startsWith("Error: ")) ?? ""

/**
 * The last line of stderr that is not blank, or an empty text.
 *
 * @since 0.1.0
 * @category accessors
 */
export const lastLine = (stderr: string): string => stderr.split(/\r?\n/).findLast((line) => line.trim() !== "") ?? ""

/**
 * The parser refused the arguments: exit 2, stderr begins `error: ` and shows the usage or where to find it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUsageRefused = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 2 && /^error: /m.test(stderr) && /^(?:Usage: |For more information, try )/m.test(stderr)

/**
 * No machine has the name: `vm not found: N`, or from status `machine 'N' not found`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMachineNotFound = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && /(?:^Error: vm not found: |\bmachine '[^']*' not found)/.test(errorLine(stderr))

/**
 * The name is taken: `already exists`, from 1.0.0 `already exists or is being created`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMachineAlreadyExists = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && errorLine(stderr).includes("already exists")

/**
 * The machine is there but does not run: `machine 'N' is not running`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMachineNotRunning = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && /\bmachine '[^']*' is not running\b/.test(errorLine(stderr))

/**
 * smolvm gave up waiting: exit 124 from `--timeout`, or `timed out after Nms` from its own waits.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTimedOut = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 124 || (exitCode === 1 && /\btimed out after \d+ ?m?s\b/.test(errorLine(stderr)))

/**
 * A failure that smolvm itself reports: exit 1 and a last line of one of its families of errors.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRuntimeFailure = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 &&
  /^Error: (?:(?:agent|config|io|storage|mount|database) |vm not found: |vm |invalid vm state: )/.test(lastLine(stderr))
