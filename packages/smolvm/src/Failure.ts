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
  lastLines(stderr).findLast((line) => line.startsWith("Error: ")) ?? ""

/**
 * The last line of stderr that is not blank, or an empty text.
 *
 * @since 0.1.0
 * @category accessors
 */
export const lastLine = (stderr: string): string => lastLines(stderr).findLast((line) => line.trim() !== "") ?? ""

/** What smolvm itself has to say is short; the rest is of commands in the guest, which can make it as long as they like. */
const charactersMax = 16_384

/** The lines at the end; one whose beginning is not among them is left out. */
const lastLines = (stderr: string): ReadonlyArray<string> => {
  const lines = stderr.slice(-charactersMax).split(/\r?\n/)
  return stderr.length > charactersMax ? lines.slice(1) : lines
}

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
 * The name that is taken, where the text gives it: that of a clone is not the one that a fork is asked of.
 *
 * @since 0.1.0
 * @category predicates
 */
export const takenName = (outcome: Outcome): string | undefined =>
  isMachineAlreadyExists(outcome)
    ? /\bmachine '([^']*)' already exists\b/.exec(errorLine(outcome.stderr))?.[1]
    : undefined

/**
 * The machine is there but does not run: `machine 'N' is not running`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMachineNotRunning = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && /\bmachine '[^']*' is not running\b/.test(errorLine(stderr))

/**
 * Another process has the machine's lock: `another process is already starting or running this VM`, from 0.7.1.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMachineBusy = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && errorLine(stderr).includes("another process is already starting or running this VM")

/**
 * The machine is in another state than is needed: `invalid vm state: expected A, got B`, or `undefined`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const wrongState = ({
  exitCode,
  stderr
}: Outcome): { readonly expected: string; readonly actual: string } | undefined => {
  const [, expected, actual] = /^Error: invalid vm state: expected (.+), got (.+)$/.exec(errorLine(stderr)) ?? []
  return exitCode === 1 && expected !== undefined && actual !== undefined ? { expected, actual } : undefined
}

/**
 * The port of the host that is taken, with the machine that has it, or `undefined`: `host port P is already in use by
 * running machine 'M'`, or for another program `cannot publish host TCP A:P to guest TCP G: Address already in use`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const portInUse = ({
  exitCode,
  stderr
}: Outcome): { readonly port: number; readonly holder: string | null } | undefined => {
  const line = exitCode === 1 ? errorLine(stderr) : ""
  const [, own, holder] = /\bhost port (\d{1,5}) is already in use by running machine '([^']*)'/.exec(line) ?? []
  if (own !== undefined && holder !== undefined) return { port: Number(own), holder }
  const [, other] =
    /\bcannot publish host TCP \S{1,100}:(\d{1,5}) to .{1,100}: Address already in use\b/.exec(line) ?? []
  return other === undefined ? undefined : { port: Number(other), holder: null }
}

/**
 * The image that cannot be pulled for want of a network, or `undefined`: from 1.7.3 `image 'I' must be pulled from a
 * registry, but this machine has no network`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const imageNeedsNetwork = ({ exitCode, stderr }: Outcome): string | undefined =>
  exitCode === 1
    ? /\bimage '([^']*)' must be pulled from a registry, but this machine has no network\b/.exec(errorLine(stderr))?.[1]
    : undefined

/**
 * smolvm gave up waiting: exit 124 from `--timeout`, or `timed out after Nms` from its own waits.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTimedOut = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 124 || (exitCode === 1 && /\btimed out after \d+ ?m?s\b/.test(errorLine(stderr)))

/**
 * The host cannot run machines, and why, or `undefined`: `kvm not available: R`, `hypervisor not available: R`, or, where
 * the user may not use it, `kvm permission denied: R`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hypervisorProblem = ({ exitCode, stderr }: Outcome): "missing" | "forbidden" | undefined => {
  const line = exitCode === 1 ? errorLine(stderr) : ""
  if (/^Error: (?:kvm|hypervisor) not available: /.test(line)) return "missing"
  return line.startsWith("Error: kvm permission denied: ") ? "forbidden" : undefined
}

/**
 * A failure that smolvm itself reports: exit 1 and a last line of one of its families of errors.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRuntimeFailure = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode === 1 && families.test(lastLine(stderr))

const families = new RegExp(
  `^Error: (?:${[
    "(?:agent|config|vm|io|storage|mount|database|rootfs) operation failed",
    "vm (?:not found|creation failed)",
    "invalid vm state",
    "(?:hypervisor|kvm|database) not available",
    "kvm permission denied",
    "invalid mount path",
    "mount source not found"
  ].join("|")}): `
)
