/**
 * What a release of smolvm can do, as data: known from the version up to the newest release line, and read from
 * `--help` after that.
 *
 * Every "since" below was read in smolvm's source, tests and change log at its public tags; nothing was guessed from a
 * version that is not named.
 *
 * @since 0.1.0
 */
import * as HelpText from "./HelpText.js"
import { allSubcommands, firstVersion, optionsOf } from "./internal/releases.js"
import * as Line from "./Line.js"

/**
 * What one release of smolvm can do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** The version as `X.Y.Z`. */
  readonly version: string
  /** The first line that `--version` printed; another program with smolvm's command line may say more in it. */
  readonly versionText: string
  /** The release line whose grammar this version has; for a newer one, the newest that is known. */
  readonly line: Line.Line
  /** Whether the version is newer than every release line that is known. */
  readonly newerThanKnown: boolean
  /**
   * The long options (`--net`) of each subcommand (`machine create`) that this release has; a subcommand that it lacks has
   * no entry. Of a known release all of them, also those that its help hides; of a newer one those that its `--help` lists,
   * so that nothing is offered which was not seen.
   */
  readonly options: Readonly<Record<string, ReadonlyArray<string>>>

  /** How create and delete take a name: a positional up to 1.0.1, `--name` from 1.0.2 (`create_rejects_bare_positional_name`). */
  readonly nameStyle: "positional" | "flag"
  /** `machine create --label`: from 1.8.0. */
  readonly label: boolean
  /** `--secret-env` on create and exec: from 1.0.0. */
  readonly secretEnv: boolean
  /** `machine exec --detach`: from 1.3.0. */
  readonly execDetach: boolean
  /** `machine create --mount-socket`: from 1.6.4. */
  readonly mountSocket: boolean
  /** `--image` takes an archive, a rootfs directory or `-`: from 1.1.0. */
  readonly localImages: boolean
  /** `machine egress-events`: from 1.8.1. */
  readonly egressEvents: boolean
  /** `machine create --egress-proxy`: on no known release; on a newer one where its help lists it. */
  readonly egressProxy: boolean
  /** `machine start --egress-interceptor`: on no known release; on a newer one where its help lists it. */
  readonly egressInterceptor: boolean
  /** `machine create --credential`: on no known release; on a newer one where its help lists it. */
  readonly credential: boolean
  /** `pack create -o X.smolmachine` is refused: from 1.7.0. Before, it wrote `X.smolmachine.smolmachine`. */
  readonly packSuffixRefused: boolean

  /**
   * Which machines' commands see a mounted socket: none before 1.6.4; from 1.6.4 those of bare machines; from 1.8.0
   * also those of images and packs (`inject_into_container`).
   */
  readonly socketReachesWorkload: "none" | "bare" | "all"
  /** Whether `create --from` honours the allow options: from 1.8.0 (PR #892). Before, they are dropped in silence. */
  readonly policyHeldWithFrom: boolean
  /** `machine create` takes a command of the machine: from 1.0.0. */
  readonly createCommand: boolean
  /** Whether `create --from` honours that command: from 1.6.4. Before, it is ignored. */
  readonly commandHeldWithFrom: boolean
  /** `machine create -v` takes remote sources (`s3://`, rclone): from 1.9.3. */
  readonly remoteVolumes: boolean
  /**
   * The backend that publishes ports. `any`: up to 1.0.1. `virtio-net-on-request`: 1.0.2 and 1.0.3, where `-p` without
   * `--net-backend virtio-net` is an error. `virtio-net`: from 1.0.4, which chooses it by itself. From 1.0.2 on `-p`
   * refuses TSI.
   */
  readonly portBackend: "any" | "virtio-net-on-request" | "virtio-net"
  /**
   * The backend that holds an egress policy. `none`: up to 1.0.1 virtio-net refuses a policy and TSI does not hold one.
   * `virtio-net-on-request`: 1.0.2 to 1.1.2, only where `--net-backend virtio-net` is given. `virtio-net`: from 1.1.3,
   * which chooses it by itself and refuses TSI (`src/network/launch.rs`).
   */
  readonly policyBackend: "none" | "virtio-net-on-request" | "virtio-net"
  /**
   * Whether private addresses are refused whatever the policy allows, unless `SMOLVM_EGRESS_ALLOW_PRIVATE=1` is set at
   * `machine start`: 1.0.4 to 1.1.2 (`floor_mode`).
   */
  readonly policyFloorsPrivate: boolean
  /** Whether `machine create` already refuses a registry image without a network: from 1.7.3. Before, start fails. */
  readonly createRefusesOfflineImage: boolean

  /** Whether `machine delete` stops a running machine first: from 0.8.1. 0.8.0 orphans it. */
  readonly deleteStopsFirst: boolean
  /** Whether `machine stop` fails for a machine that does not exist: from 0.8.1. 0.8.0 exits 0. */
  readonly stopFailsWhenMissing: boolean
  /** Whether a command that a signal ended exits 128+n: from 0.8.1. 0.8.0 exits 255. */
  readonly execSignalCodes: boolean
  /** Whether `exec --timeout` ends the command in machines made from images: not from 1.4.1 to 1.6.13 (PR #684). */
  readonly execTimeoutEnforcedForImages: boolean
  /** The most bytes that `exec --stream` carries, both streams together: 11534336 from 1.3.8, `null` for no limit. */
  readonly streamCapBytes: number | null
  /** Whether more output than a buffered exec keeps is an error: from 1.0.0, for bare machines. Before, it is cut in silence. */
  readonly bufferedOverflowFails: boolean
  /** Whether `exec -i` takes more than 256 KiB of stdin without a deadlock: from 1.8.1 (PR #931). */
  readonly stdinLargeSafe: boolean
  /** Whether `machine cp` writes where commands of an image machine see it: from 1.7.3 (PR #810); before, `/workspace` only. */
  readonly cpReachesWorkload: boolean
  /** Whether `create --from` seeds a pack of a bare machine correctly: from 1.2.2 (`seed_vm_mode_disks`). */
  readonly vmPacksSeeded: boolean
}

/**
 * The first version from which on every known release has a subcommand (`machine fork`), or an option of it (`--port`);
 * `null` where no known release has it. `0.8.0` is the oldest that is known: it may be there for longer.
 *
 * @since 0.1.0
 * @category constants
 */
export const neededVersion = (command: string, option?: string): string | null => firstVersion(command, option)

/**
 * The version to update to for a subcommand or an option that a release lacks: as `neededVersion`, but `null` for a release
 * that is not older than it. That one is newer than the data and its help does not list it: it has lost it, or hides it.
 *
 * @since 0.1.0
 * @category constants
 */
export const updateFor = (
  { version }: Pick<Capabilities, "version">,
  command: string,
  option?: string
): string | null => {
  const needed = neededVersion(command, option)
  return needed !== null && Line.compare(version, needed) < 0 ? needed : null
}

/**
 * Whether a release has a subcommand, or an option of it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const has = ({ options }: Pick<Capabilities, "options">, command: string, option?: string): boolean => {
  const longs = Object.hasOwn(options, command) ? options[command] : undefined
  return longs !== undefined && (option === undefined || longs.includes(option))
}

/**
 * What a version can do, from the version alone. A release newer than the data gets what the newest known one has; text
 * that is not a version gets what the oldest has.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromVersion = (version: string): Capabilities => {
  const since = (first: string): boolean => Line.compare(version, first) >= 0
  const between = (first: string, last: string): boolean => since(first) && Line.compare(version, last) <= 0
  const options = optionsOf(version)
  return {
    version,
    versionText: `smolvm ${version}`,
    line: Line.ofVersion(version),
    newerThanKnown: Line.compare(version, Line.newest) > 0,
    options,

    ...fromOptions(options),
    localImages: since("1.1.0"),
    packSuffixRefused: since("1.7.0"),

    socketReachesWorkload: since("1.8.0") ? "all" : since("1.6.4") ? "bare" : "none",
    policyHeldWithFrom: since("1.8.0"),
    createCommand: since("1.0.0"),
    commandHeldWithFrom: since("1.6.4"),
    remoteVolumes: since("1.9.3"),
    portBackend: since("1.0.4") ? "virtio-net" : since("1.0.2") ? "virtio-net-on-request" : "any",
    policyBackend: since("1.1.3") ? "virtio-net" : since("1.0.2") ? "virtio-net-on-request" : "none",
    policyFloorsPrivate: between("1.0.4", "1.1.2"),
    createRefusesOfflineImage: since("1.7.3"),

    deleteStopsFirst: since("0.8.1"),
    stopFailsWhenMissing: since("0.8.1"),
    execSignalCodes: since("0.8.1"),
    execTimeoutEnforcedForImages: !between("1.4.1", "1.6.13"),
    streamCapBytes: since("1.3.8") ? 11_534_336 : null,
    bufferedOverflowFails: since("1.0.0"),
    stdinLargeSafe: since("1.8.1"),
    cpReachesWorkload: since("1.7.3"),
    vmPacksSeeded: since("1.2.2")
  }
}

/**
 * Every public subcommand that some known release has: those whose help a newer release is asked for.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommands: ReadonlyArray<string> = allSubcommands

/**
 * The options that help texts list, by subcommand: `texts` has what `--help` printed for each. A text that is no help, or
 * that of a group, is as if it were not there.
 *
 * @since 0.1.0
 * @category parsing
 */
export const optionsFromHelp = (texts: Readonly<Record<string, string>>): Capabilities["options"] =>
  Object.fromEntries(
    Object.entries(texts).flatMap(([command, text]) => {
      const help = HelpText.parse(text)
      return help.usage === null || help.subcommands.length > 0 ? [] : [[command, HelpText.longs(help)]]
    })
  )

/**
 * The capabilities of a release newer than the data, with the options that it was seen to have: what is not among them
 * is not used, and what is new is known to be there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const withOptions = (capabilities: Capabilities, options: Capabilities["options"]): Capabilities => {
  const told = fromOptions(options)
  return {
    ...capabilities,
    ...told,
    options,
    socketReachesWorkload: told.mountSocket ? capabilities.socketReachesWorkload : "none"
  }
}

/**
 * As `withOptions`, with the options that help texts list, by subcommand.
 *
 * @since 0.1.0
 * @category constructors
 */
export const withHelp = (capabilities: Capabilities, texts: Readonly<Record<string, string>>): Capabilities =>
  withOptions(capabilities, optionsFromHelp(texts))

/**
 * The version that `--version` printed, or `undefined` where the text is not smolvm's. Only stdout counts: 1.7.0 prints
 * a stray note on stderr.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseVersion = (stdout: string): string | undefined =>
  /^smolvm (\d{1,9}\.\d{1,9}\.\d{1,9})(?!\d)/.exec(stdout)?.[1]

/** What can be told from the options alone, of whatever release. */
const fromOptions = (
  options: Capabilities["options"]
): Pick<
  Capabilities,
  | "nameStyle"
  | "label"
  | "secretEnv"
  | "execDetach"
  | "mountSocket"
  | "egressEvents"
  | "egressProxy"
  | "egressInterceptor"
  | "credential"
> => {
  const lists = (command: string, option?: string) => has({ options }, command, option)
  return {
    nameStyle: lists("machine create", "--name") ? "flag" : "positional",
    label: lists("machine create", "--label"),
    secretEnv: lists("machine create", "--secret-env") && lists("machine exec", "--secret-env"),
    execDetach: lists("machine exec", "--detach"),
    mountSocket: lists("machine create", "--mount-socket"),
    egressEvents: lists("machine egress-events"),
    egressProxy: lists("machine create", "--egress-proxy"),
    egressInterceptor: lists("machine start", "--egress-interceptor"),
    credential: lists("machine create", "--credential")
  }
}
