/**
 * `smolvm machine create`: registers a machine, which `machine start` boots.
 *
 * It builds the argv that is asked for. Whether a release holds a policy is the caller's judgement, by `Capabilities`:
 * before 1.8.0 `--from` drops the allow options in silence, and before 1.1.3 the default backend does not hold them.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { Mapping, SecretEnv } from "./internal/arguments.js"
import { assignments, checks, counted, flag, references, repeated, valued } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * What a machine is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineCreateOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** The image to boot; excludes `from`. Local archives and directories from 1.1.0. */
  readonly image?: string | undefined
  /** The `.smolmachine` file of a pack to boot; excludes `image`. */
  readonly from?: string | undefined
  /** Virtual processors, 1 to 255; smolvm's own default is 4, and 4 does not override a pack's own number. */
  readonly cpus?: number | undefined
  /** Memory in MiB, at least 64; smolvm's own default is 8192, and 8192 does not override a pack's own number. */
  readonly memMib?: number | undefined
  /** Size of the writable layer in GiB, at least 1. */
  readonly overlayGib?: number | undefined
  /** The directory in which commands start. Ignored with `from`. */
  readonly workdir?: string | undefined
  /** Directories of the host to mount: absolute paths without `:`. */
  readonly volumes?: ReadonlyArray<Volume> | undefined
  /** Asks for a network. Sent anyway, and only then, where `allowCidrs` is not empty; `false` refuses `allowCidrs`. */
  readonly net?: boolean | undefined
  readonly netBackend?: "tsi" | "virtio-net" | undefined
  /** Addresses and networks that the machine may reach; leaves names resolvable (DNS open). */
  readonly allowCidrs?: ReadonlyArray<string> | undefined
  /** Hosts that the machine may reach; with an address literal, that address and no DNS. */
  readonly allowHosts?: ReadonlyArray<string> | undefined
  /** Unix sockets of the host to offer in the guest, from 1.6.4; at most 64, absolute paths. */
  readonly mountSockets?: ReadonlyArray<Mapping> | undefined
  /** Variables of the guest, in order. They stand in argv: secrets go by `secretEnv`. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
  /** Variables of the guest taken from smolvm's own environment at every start and exec, from 1.0.0. */
  readonly secretEnv?: ReadonlyArray<SecretEnv> | undefined
  /** Labels, from 1.8.0; shown by `machine ls`. */
  readonly labels?: ReadonlyArray<readonly [string, string]> | undefined
}

/**
 * A directory of the host in the machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Volume {
  readonly host: string
  readonly guest: string
  readonly readonly: boolean
}

/**
 * The arguments of `machine create`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineCreateOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* validate(options)
    yield* gates(options, capabilities)
    return yield* check.whole([
      "machine",
      "create",
      // The source.
      ...valued("--image", "--image", options.image),
      ...valued("--from", "--from", options.from),
      // Single values, then numbers.
      ...valued("-w", "--workdir", options.workdir),
      ...counted("--cpus", options.cpus),
      ...counted("--mem", options.memMib),
      ...counted("--overlay", options.overlayGib),
      // The network. 0.8.0 with --from does not derive --net from --allow-cidr.
      ...flag("--net", options.net === true || (options.allowCidrs ?? []).length > 0),
      ...valued("--net-backend", "--net-backend", options.netBackend),
      ...repeated("--allow-cidr", options.allowCidrs),
      ...repeated("--allow-host", options.allowHosts),
      // Mounts.
      ...repeated("-v", options.volumes?.map(volume)),
      ...repeated(
        "--mount-socket",
        options.mountSockets?.map(({ guest, host }) => `${host}:${guest}`)
      ),
      // Variables and labels.
      ...repeated("-e", assignments(options.env)),
      ...repeated("--secret-env", references(options.secretEnv)),
      ...repeated("--label", assignments(options.labels)),
      // The name, last.
      ...(capabilities.nameStyle === "flag" ? ["--name", options.name] : [options.name])
    ])
  })

const check = checks("machine create")

const volume = ({ guest, host, readonly }: Volume): string => `${host}:${guest}${readonly ? ":ro" : ""}`

const validate = (options: MachineCreateOptions): Either.Either<void, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(options.name)
    yield* check.text("--image", options.image)
    yield* check.text("--from", options.from)
    yield* check.text("--workdir", options.workdir)
    if (options.image !== undefined && options.from !== undefined) {
      return yield* check.refuse("--from", "cannot be used together with --image")
    }
    if (options.net === false && (options.allowCidrs ?? []).length > 0) {
      return yield* check.refuse("--allow-cidr", "needs a network, which net: false refuses")
    }
    yield* check.number("--cpus", options.cpus, 1, 255)
    yield* check.number("--mem", options.memMib, 64, 4_294_967_295)
    yield* check.number("--overlay", options.overlayGib, 1, Number.MAX_SAFE_INTEGER)
    yield* check.cidrs(options.allowCidrs)
    yield* check.hosts(options.allowHosts)
    yield* check.volumes(options.volumes)
    yield* check.sockets(options.mountSockets)
    yield* check.variables("--env", options.env)
    yield* check.secrets(options.secretEnv)
    yield* check.variables("--label", options.labels)
  })

const gates = (options: MachineCreateOptions, capabilities: Capabilities): Either.Either<void, ArgumentError> =>
  Either.gen(function* () {
    const used = (list: ReadonlyArray<unknown> | undefined): boolean => (list ?? []).length > 0
    yield* check.supported(capabilities, "--mount-socket", capabilities.mountSocket, used(options.mountSockets))
    yield* check.supported(capabilities, "--secret-env", capabilities.secretEnv, used(options.secretEnv))
    yield* check.supported(capabilities, "--label", capabilities.label, used(options.labels))
  })
