/**
 * Why docker could not do what it was asked to, one error per cause.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * There is no such program.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerNotInstalled extends Schema.TaggedError<DockerNotInstalled>("@bottle/docker/DockerNotInstalled")(
  "DockerNotInstalled",
  { program: Schema.String }
) {
  override get message(): string {
    return `${this.program} is not installed: no such program on PATH`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install docker, or name the program to use in its place."
  }
}

/**
 * The client is there, but no daemon answers it. `reason` is the last line the client printed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonUnreachable extends Schema.TaggedError<DaemonUnreachable>("@bottle/docker/DaemonUnreachable")(
  "DaemonUnreachable",
  { program: Schema.String, clientVersion: Schema.NullOr(Schema.String), reason: Schema.String }
) {
  override get message(): string {
    const client = this.clientVersion === null ? "" : ` ${this.clientVersion}`
    return `${this.program}${client} reaches no daemon${this.reason === "" ? "" : `: ${this.reason}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Start the docker daemon, and check DOCKER_HOST and that you may use its socket."
  }
}

/**
 * The client did not end in its time, as it does when a daemon accepts and never answers.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerTimedOut extends Schema.TaggedError<DockerTimedOut>("@bottle/docker/DockerTimedOut")(
  "DockerTimedOut",
  { program: Schema.String, command: Schema.String, timeoutMillis: Schema.Number }
) {
  override get message(): string {
    return `${this.program} ${this.command} did not end within ${this.timeoutMillis} ms`
  }
  /** What to do next. */
  get suggestion(): string {
    return "See whether the docker daemon is busy or stuck."
  }
}

/**
 * The program could not be started, or printed what is not docker's. `reason` says what, without its output.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerNotUnderstood extends Schema.TaggedError<DockerNotUnderstood>("@bottle/docker/DockerNotUnderstood")(
  "DockerNotUnderstood",
  { program: Schema.String, command: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${this.program} ${this.command}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the program is docker, or one with docker's command line."
  }
}

/**
 * A value that docker could not be given safely, refused before anything runs. The value itself is not held.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerArgumentRefused extends Schema.TaggedError<DockerArgumentRefused>(
  "@bottle/docker/DockerArgumentRefused"
)("DockerArgumentRefused", { command: Schema.String, option: Schema.String, problem: Schema.String }) {
  override get message(): string {
    return `docker ${this.command}: ${this.option} ${this.problem}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Correct ${this.option}.`
  }
}

/**
 * The subnet overlaps that of another network of docker.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubnetOverlap extends Schema.TaggedError<SubnetOverlap>("@bottle/docker/SubnetOverlap")("SubnetOverlap", {
  network: Schema.String,
  subnet: Schema.String
}) {
  override get message(): string {
    return `network ${this.network}: ${this.subnet} overlaps the subnet of another network`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose another subnet, or remove networks that nobody uses (`docker network ls`)."
  }
}

/**
 * The daemon has no subnet left to give of its own choice.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubnetsExhausted extends Schema.TaggedError<SubnetsExhausted>("@bottle/docker/SubnetsExhausted")(
  "SubnetsExhausted",
  { network: Schema.String }
) {
  override get message(): string {
    return `network ${this.network}: docker has no subnet left to give`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Remove networks that nobody uses (`docker network ls`)."
  }
}

/**
 * A network of this name exists already.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkExists extends Schema.TaggedError<NetworkExists>("@bottle/docker/NetworkExists")("NetworkExists", {
  name: Schema.String
}) {
  override get message(): string {
    return `network ${this.name} exists already`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose another name, or remove that network first."
  }
}

/**
 * There is no such network.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkNotFound extends Schema.TaggedError<NetworkNotFound>("@bottle/docker/NetworkNotFound")(
  "NetworkNotFound",
  { name: Schema.String }
) {
  override get message(): string {
    return `network ${this.name} does not exist`
  }
  /** What to do next. */
  get suggestion(): string {
    return "List the networks with `docker network ls`."
  }
}

/**
 * Containers are in the network, so that it stays.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkInUse extends Schema.TaggedError<NetworkInUse>("@bottle/docker/NetworkInUse")("NetworkInUse", {
  name: Schema.String
}) {
  override get message(): string {
    return `network ${this.name} has containers in it`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Remove them first: \`docker network inspect ${this.name}\` names them.`
  }
}

/**
 * Another container has the address, or the host itself.
 *
 * @since 0.1.0
 * @category errors
 */
export class AddressInUse extends Schema.TaggedError<AddressInUse>("@bottle/docker/AddressInUse")("AddressInUse", {
  container: Schema.String,
  address: Schema.String
}) {
  override get message(): string {
    return `container ${this.container}: the address ${this.address} is in use`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose another address in the network."
  }
}

/**
 * The address is in none of the network's subnets.
 *
 * @since 0.1.0
 * @category errors
 */
export class AddressOutsideSubnet extends Schema.TaggedError<AddressOutsideSubnet>(
  "@bottle/docker/AddressOutsideSubnet"
)("AddressOutsideSubnet", { container: Schema.String, address: Schema.String }) {
  override get message(): string {
    return `container ${this.container}: the address ${this.address} is in no subnet of its network`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose an address in the network's subnet."
  }
}

/**
 * A file or directory that the container was to see is not there for the daemon, though it may be here.
 *
 * @since 0.1.0
 * @category errors
 */
export class MountSourceMissing extends Schema.TaggedError<MountSourceMissing>("@bottle/docker/MountSourceMissing")(
  "MountSourceMissing",
  { container: Schema.String, sources: Schema.Array(Schema.String) }
) {
  override get message(): string {
    return `container ${this.container}: the docker daemon does not see ${this.sources.join(", or ")} of this machine`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Use a daemon of this machine that sees its files: check DOCKER_HOST and `docker context ls`."
  }
}

/**
 * A container of this name exists already.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContainerExists extends Schema.TaggedError<ContainerExists>("@bottle/docker/ContainerExists")(
  "ContainerExists",
  { name: Schema.String }
) {
  override get message(): string {
    return `container ${this.name} exists already`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Choose another name, or remove that container first."
  }
}

/**
 * There is no such container.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContainerNotFound extends Schema.TaggedError<ContainerNotFound>("@bottle/docker/ContainerNotFound")(
  "ContainerNotFound",
  { name: Schema.String }
) {
  override get message(): string {
    return `container ${this.name} does not exist`
  }
  /** What to do next. */
  get suggestion(): string {
    return "List the containers with `docker container ls --all`."
  }
}

/**
 * The container is there but does not run.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContainerNotRunning extends Schema.TaggedError<ContainerNotRunning>("@bottle/docker/ContainerNotRunning")(
  "ContainerNotRunning",
  { name: Schema.String }
) {
  override get message(): string {
    return `container ${this.name} is not running`
  }
  /** What to do next. */
  get suggestion(): string {
    return `See what it said: \`docker logs ${this.name}\`.`
  }
}

/**
 * There is no such image here; none is fetched.
 *
 * @since 0.1.0
 * @category errors
 */
export class ImageNotFound extends Schema.TaggedError<ImageNotFound>("@bottle/docker/ImageNotFound")("ImageNotFound", {
  image: Schema.String
}) {
  override get message(): string {
    return `image ${this.image} is not here`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Build it, or fetch it yourself with `docker pull`."
  }
}

/**
 * The image could not be built. `output` is the end of what the builder printed.
 *
 * @since 0.1.0
 * @category errors
 */
export class BuildFailed extends Schema.TaggedError<BuildFailed>("@bottle/docker/BuildFailed")("BuildFailed", {
  tag: Schema.String,
  reason: Schema.String,
  output: Schema.String
}) {
  override get message(): string {
    return `image ${this.tag} could not be built${this.reason === "" ? "" : `: ${this.reason}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Read the rest of what the builder said in `output`."
  }
}

/**
 * docker failed for a reason that has no error of its own. `reason` is the line that says why, `stderr` the last lines.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerCommandFailed extends Schema.TaggedError<DockerCommandFailed>("@bottle/docker/DockerCommandFailed")(
  "DockerCommandFailed",
  {
    program: Schema.String,
    command: Schema.String,
    exitCode: Schema.Number,
    reason: Schema.String,
    stderr: Schema.optionalWith(Schema.String, { default: () => "" })
  }
) {
  override get message(): string {
    return `${this.program} ${this.command} failed with exit code ${this.exitCode}${this.reason === "" ? "" : `: ${this.reason}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "See what the daemon says in its own log."
  }
}

/**
 * Everything that can go wrong with docker.
 *
 * @since 0.1.0
 * @category errors
 */
export type DockerError =
  | DockerNotInstalled
  | DaemonUnreachable
  | DockerTimedOut
  | DockerNotUnderstood
  | DockerArgumentRefused
  | SubnetOverlap
  | SubnetsExhausted
  | NetworkExists
  | NetworkNotFound
  | NetworkInUse
  | AddressInUse
  | AddressOutsideSubnet
  | MountSourceMissing
  | ContainerExists
  | ContainerNotFound
  | ContainerNotRunning
  | ImageNotFound
  | BuildFailed
  | DockerCommandFailed
