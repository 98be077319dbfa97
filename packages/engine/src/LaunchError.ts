/**
 * Why a launch did not become a bottle. Every message is one line; `suggestion` says what to do next. None holds a
 * secret: argv is redacted by the smolvm package before it reaches an error.
 *
 * @since 0.1.0
 */
import type { DockerError } from "@bottle/docker/DockerError"
import { HostFileFailed } from "@bottle/smolvm/ArchiveError"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Schema from "effect/Schema"
import { PROGRAMS } from "./GuestRelay.js"
import * as Ran from "./Ran.js"
import type { LedgerFailed, NameTaken } from "./LedgerError.js"
import type { EgressNotEnforced, EgressUnproven } from "./ProofError.js"
import { Stage } from "./Stage.js"
import type { WorkspaceTooLarge, WorkspaceUnusable } from "./WorkspaceError.js"

/**
 * What a plan cannot be made of: an option that says nothing sensible.
 *
 * @since 0.1.0
 * @category errors
 */
export class OptionRefused extends Schema.TaggedError<OptionRefused>("@bottle/engine/OptionRefused")("OptionRefused", {
  /** The option as the library names it: a field of `LaunchOptions`. */
  option: Schema.String,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.option}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * The runtime cannot hold what the plan asks of it, so nothing is created: an allowlist that the guest could go
 * around, a secret that would have to travel by argv, an isolation that is not there.
 *
 * @since 0.1.0
 * @category errors
 */
export class RuntimeUnfit extends Schema.TaggedError<RuntimeUnfit>("@bottle/engine/RuntimeUnfit")("RuntimeUnfit", {
  version: Schema.String,
  /** What was asked for. */
  demand: Schema.String,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.demand} cannot be had from smolvm ${this.version}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * The bundle cannot be a container here, so nothing is created: there is nothing to run it with, or no network for it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContainerUnfit extends Schema.TaggedError<ContainerUnfit>("@bottle/engine/ContainerUnfit")(
  "ContainerUnfit",
  { reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `the bundle cannot be a container: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * A secret that the plan names was not given to the launch.
 *
 * @since 0.1.0
 * @category errors
 */
export class SecretMissing extends Schema.TaggedError<SecretMissing>("@bottle/engine/SecretMissing")("SecretMissing", {
  name: Schema.String
}) {
  override get message(): string {
    return `no value was given for the secret ${this.name}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Set ${this.name} in the environment, or leave it out.`
  }
}

/**
 * A launch was given no value for a credential that its plan names, or one that no header can carry; `reason` says
 * nothing of the value.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialMissing extends Schema.TaggedError<CredentialMissing>("@bottle/engine/CredentialMissing")(
  "CredentialMissing",
  { name: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `credential ${this.name}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Give the launch a value for ${this.name}: Credentials.read gets it from its source.`
  }
}

export {
  /**
   * A directory or file of the engine's own could not be made or read.
   *
   * @since 0.1.0
   * @category errors
   */
  HostFileFailed
}

/**
 * The bundle could not be started.
 *
 * @since 0.1.0
 * @category errors
 */
export class BundleFailed extends Schema.TaggedError<BundleFailed>("@bottle/engine/BundleFailed")("BundleFailed", {
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `the proxy could not be started: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * The bundle ended while the bottle was in use; the bottle is closed, not opened, by that.
 *
 * @since 0.1.0
 * @category errors
 */
export class BundleDied extends Schema.TaggedError<BundleDied>("@bottle/engine/BundleDied")("BundleDied", {
  reason: Schema.String
}) {
  override get message(): string {
    return `the proxy ended while the bottle was in use: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Launch again. If it happens again, report it with the output of `bottle doctor`."
  }
}

/** What to do about a failure that the runtime or docker has its own words for. */
const stageAdvice: Readonly<Record<Stage, string>> = {
  workspace: "Name a directory that you may read.",
  pack: "Check the image's name, and that this machine reaches its registry.",
  image:
    "Name a base image with Node.js that docker has or can fetch (--bundle-base); `bottle plan` prints the command.",
  network: "`bottle doctor` tells what this machine lacks for a container bundle.",
  bundle: "Look at what it says; `bottle doctor` tells what this machine lacks.",
  create: "Correct the option that it names; `bottle plan` prints the whole command.",
  start: "`bottle doctor` tells what this machine lacks to run a bottle.",
  ready: "`bottle doctor` tells what this machine lacks to run a bottle.",
  relay: "Try --bundle none to see whether the machine runs a command at all.",
  proof: "Try --bundle none to see whether the machine runs a command at all."
}

/**
 * A command of the launch failed.
 *
 * - `command`: what was run, the program first, without values of variables; null where nothing was
 * - `stderr`: the last lines that it wrote there, without control characters; null where that is not known
 * - `cause`: the typed error of the runtime or of docker
 *
 * @since 0.1.0
 * @category errors
 */
export class StageFailed extends Schema.TaggedError<StageFailed>("@bottle/engine/StageFailed")("StageFailed", {
  stage: Stage,
  reason: Schema.String,
  advice: Schema.String,
  command: Schema.optionalWith(Schema.NullOr(Schema.Array(Schema.String)), { default: () => null }),
  stderr: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null }),
  cause: Schema.Defect
}) {
  static of(stage: Stage): (error: SmolvmError | DockerError) => StageFailed {
    return (error) => {
      const isInOtherWords = ["CommandFailed", "DockerCommandFailed", "BuildFailed"].includes(error._tag)
      return new StageFailed({
        stage,
        reason: error.message,
        advice: isInOtherWords ? stageAdvice[stage] : error.suggestion,
        ...Ran.of(error),
        cause: error
      })
    }
  }
  /** The same without the values in its texts; an error that holds none of them is returned as it is. */
  without(clean: (text: string) => string): StageFailed {
    const { cause, command, reason, stderr } = this
    const isClean = [reason, stderr ?? "", ...(command ?? [])].every((text) => clean(text) === text)
    if (isClean) return this
    return new StageFailed({
      stage: this.stage,
      advice: clean(this.advice),
      reason: clean(reason),
      command: command === null ? null : command.map(clean),
      stderr: stderr === null ? null : clean(stderr),
      // The typed error holds the same texts.
      cause: typeof cause === "object" && cause !== null ? Reflect.get(cause, "_tag") : null
    })
  }
  override get message(): string {
    return `${this.stage}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * The machine has a network of its own although the plan asks for none: its pack was made with networking on. It is
 * refused before it starts, since what it could reach would not go through the bundle.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkNotOff extends Schema.TaggedError<NetworkNotOff>("@bottle/engine/NetworkNotOff")("NetworkNotOff", {
  machine: Schema.String
}) {
  override get message(): string {
    return "create: the machine has a network although none was asked for; its pack was made with networking on"
  }
  /** What to do next. */
  get suggestion(): string {
    return "Make the pack again without networking."
  }
}

/**
 * The runtime took a part of the egress policy and dropped it, which the plan did not know: the machine would reach more
 * than was asked for. It is removed before it starts, whatever is to be kept.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyDropped extends Schema.TaggedError<PolicyDropped>("@bottle/engine/PolicyDropped")("PolicyDropped", {
  machine: Schema.String,
  /** What was dropped: `--allow-host`. */
  option: Schema.String,
  reason: Schema.String,
  neededVersion: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return `create: the runtime does not heed ${this.option}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    const other = this.neededVersion === null ? "another release of it" : `smolvm ${this.neededVersion} or newer`
    return `Plan the launch again with the runtime that is installed now, or use ${other}.`
  }
}

/**
 * The machine has no network although its bundle is at an address: what the runtime was told about the network did not
 * arrive. It is refused before it starts, since nothing in it could reach the bundle.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkMissing extends Schema.TaggedError<NetworkMissing>("@bottle/engine/NetworkMissing")(
  "NetworkMissing",
  { machine: Schema.String }
) {
  override get message(): string {
    return "create: the machine has no network, over which it was to reach its bundle"
  }
  /** What to do next. */
  get suggestion(): string {
    return "Use --topology socket where the release takes it, or another source than a pack."
  }
}

const relayReasons = {
  "no-program": {
    text: `the guest has none of ${PROGRAMS.join(", ")} to carry its traffic to the proxy`,
    advice: "Use an image that has one of them, or --bundle none for a bottle without any network."
  },
  "no-shell": {
    text: "the guest has no POSIX shell to start the relay with",
    advice: "Use an image that has sh, or --bundle none for a bottle without any network."
  },
  "no-socket": {
    text: "the proxy's socket did not appear in the guest",
    advice: "The runtime did not mount it. Use smolvm 1.8.0 or newer, or the local runtime."
  },
  "port-taken": {
    text: "something in the guest listens on the relay's port already",
    advice: "Keep port 3128 of the guest's loopback free: no service of the image may start there by itself."
  },
  "not-listening": {
    text: "the relay was started but does not listen",
    advice: "The image's socat, node, python3 or perl does not work; run it in the image by hand to see why."
  },
  unknown: { text: "the relay could not be started", advice: "See what the command printed; try --bundle none." }
} as const

/**
 * The guest's relay to the proxy could not be started.
 *
 * @since 0.1.0
 * @category errors
 */
export class RelayFailed extends Schema.TaggedError<RelayFailed>("@bottle/engine/RelayFailed")("RelayFailed", {
  reason: Schema.Literal("no-program", "no-shell", "no-socket", "port-taken", "not-listening", "unknown"),
  exitCode: Schema.Number,
  /** The last of what it printed, without control characters. */
  output: Schema.String
}) {
  override get message(): string {
    const output = this.reason === "unknown" && this.output !== "" ? `: ${this.output}` : ""
    return `relay: ${relayReasons[this.reason].text}${output}`
  }
  /** What to do next. */
  get suggestion(): string {
    return relayReasons[this.reason].advice
  }
}

/**
 * Why a plan could not be made.
 *
 * @since 0.1.0
 * @category errors
 */
export type PlanRefused = OptionRefused | RuntimeUnfit | ContainerUnfit

/**
 * Everything that can keep a launch from becoming a bottle.
 *
 * @since 0.1.0
 * @category errors
 */
export type LaunchError =
  | PlanRefused
  | SecretMissing
  | CredentialMissing
  | LedgerFailed
  | NameTaken
  | HostFileFailed
  | WorkspaceUnusable
  | WorkspaceTooLarge
  | BundleFailed
  | BundleDied
  | StageFailed
  | NetworkNotOff
  | NetworkMissing
  | PolicyDropped
  | RelayFailed
  | EgressNotEnforced
  | EgressUnproven
