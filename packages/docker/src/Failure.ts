/**
 * What docker's exit codes and texts mean: one predicate per cause, each over the sentences of daemon and client.
 *
 * The texts are those of the 20.10 daemon through the clients 20.10 and 28.2. A client that finds no such thing says so
 * in its own words (20.10: `Error: No such network: N`) or passes the daemon's on (28.2: `Error response from daemon:
 * network N not found`), and may add lines of its own after the sentence.
 *
 * @since 0.1.0
 */

/**
 * How the client ended and what it wrote to stderr.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  readonly exitCode: number
  readonly stderr: string
}

/** Whether a line is an error of docker's that goes on as told; the sentence may follow others on its line. */
const reports = (sentence: string) => {
  const line = new RegExp(`^(?:docker: )?Error(?: response from daemon)?: (?:.*: )?${sentence}`, "m")
  return ({ exitCode, stderr }: Outcome): boolean => exitCode !== 0 && line.test(stderr)
}

/**
 * No daemon answers, or not to this user.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isDaemonUnreachable = ({ exitCode, stderr }: Outcome): boolean =>
  exitCode !== 0 &&
  /^(?:docker: )?(?:Cannot connect to the Docker daemon at |permission denied while trying to connect to the Docker daemon socket at |error during connect: )/m.test(
    stderr
  )

/**
 * The subnet overlaps that of another network of docker.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSubnetOverlap = reports("Pool overlaps with other one on this address space")

/**
 * The daemon has no subnet left to choose.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSubnetsExhausted = reports(
  "could not find an available, non-overlapping IPv4 address pool among the defaults"
)

/**
 * A network of this name exists.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNetworkExists = reports("network with name \\S+ already exists")

/**
 * There is no such network; `container run` says it after it has made the container.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNetworkNotFound = reports("(?:network \\S+ not found|No such network: )")

/**
 * The network has containers in it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNetworkInUse = reports("network \\S+ id \\S+ has active endpoints")

/**
 * The address is another container's, or the gateway's.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAddressInUse = reports("Address already in use")

/**
 * The address is in none of the network's subnets.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAddressOutsideSubnet = reports(
  "Invalid address \\S+: It does not belong to any of this network's subnets"
)

/**
 * What is to be mounted is not where the daemon is: another machine's daemon, or one that is not shown all of the files.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMountSourceMissing = reports('invalid mount config for type "bind": bind source path does not exist: ')

/**
 * A container of this name exists.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isContainerExists = reports('Conflict\\. The container name "[^"]*" is already in use by container ')

/**
 * There is no such container.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isContainerNotFound = reports("No such container: ")

/**
 * The container does not run, so that it cannot be sent a signal.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isContainerNotRunning = reports("[Cc]ontainer \\S+ is not running")

/**
 * Somebody else is removing the container.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRemovalInProgress = reports("removal of container \\S+ is already in progress")

/**
 * There is no such image.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isImageNotFound = reports("No such image: ")

/**
 * The line that says why docker failed: the last one that speaks of an error, else the last that is not the client's
 * own small talk; empty where there is none.
 *
 * @since 0.1.0
 * @category accessors
 */
export const reasonLine = (stderr: string): string => {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !smallTalk.test(line))
  return (lines.findLast((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ?? "").replace(opening, "")
}

const smallTalk = /^(?:exit status \d+|(?:Run|See) 'docker .*|Usage: .*)$/
const opening = /^(?:docker: )?(?:Error response from daemon: |Error: )?/
