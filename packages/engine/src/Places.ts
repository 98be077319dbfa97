/**
 * Where the programs of a launch are, and keep what they make: the daemon that a container runs in, the directories in
 * which a runtime keeps its machines. They follow from the environment, and whoever takes a bottle down, or enters it,
 * may have another one: that would look where the bottle never was, find nothing, and take it for gone.
 *
 * @since 0.1.0
 */
import * as Environment from "@bottle/process/Environment"
import { lazy } from "@bottle/process/Lazy"
import { printable } from "@bottle/process/Text"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Credentials from "./Credentials.js"
import type { LaunchPlan } from "./LaunchPlan.js"

/** The variables that say where docker's daemon is, and by which files it is reached. */
const OF_DOCKER = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_CERT_PATH",
  "DOCKER_TLS_VERIFY",
  "CONTAINER_HOST"
] as const

/** Of these, a relative one is relative to where the program runs. The XDG specification has relative ones ignored. */
const OF_FILES = [
  "HOME",
  "DOCKER_CONFIG",
  "DOCKER_CERT_PATH",
  "SMOLVM_DATA_DIR",
  "SMOLVM_AGENT_ROOTFS",
  "SMOLVM_LIB_DIR",
  "SMOLVM_CONFIG",
  "SMOLVM_CGROUP_ROOT"
] as const

const OF_XDG = ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] as const

/**
 * The variables that are places, by name. No others are ever written down.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<string> = [...new Set([...OF_DOCKER, ...OF_FILES, ...OF_XDG])]

/** Longer than any path or address that something could be at. */
const VALUE_CHARS_MAX = 4096

/**
 * What is written down of a launch's places.
 *
 * - `variables`: those of `names`; `null` where it was not set
 * - `withheld`: those whose value may hold a password, without what may be one
 * - `runtime`, `container`: the programs by absolute paths, where they were found
 *
 * @since 0.1.0
 * @category models
 */
export const Places = Schema.Struct({
  variables: Schema.Record({ key: Schema.String, value: Schema.NullOr(Schema.String) }),
  withheld: Schema.Record({ key: Schema.String, value: Schema.String }),
  runtime: Schema.NullOr(Schema.String),
  container: Schema.NullOr(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Places = typeof Places.Type

/**
 * Where something was made is not known here: a variable that says so was not written down, since it may have held a
 * password, and is another one here.
 *
 * @since 0.1.0
 * @category errors
 */
export class PlacesUnknown extends Schema.TaggedError<PlacesUnknown>("@bottle/engine/PlacesUnknown")("PlacesUnknown", {
  variable: Schema.String,
  place: Schema.String
}) {
  override get message(): string {
    return `it is at a ${this.variable} with a password, which is not written down (${printable(this.place)})`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Run \`bottle cleanup\` with the ${this.variable} that the bottle was brought up with.`
  }
}

/**
 * The environment that the programs of a launch are run in; that of this process by default. Whoever gives them another
 * one says so here.
 *
 * @since 0.1.0
 * @category services
 */
export class Surroundings extends Context.Reference<Surroundings>()("@bottle/engine/Surroundings", {
  defaultValue: (): Effect.Effect<Environment.Variables> => Environment.host
}) {}

/** An address without whatever of it may be a password. */
const stripped = (value: string): string => {
  const [, scheme = "", rest = ""] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?(.*)$/s.exec(value) ?? []
  const address = rest.slice(rest.lastIndexOf("@") + 1)
  return `${scheme}${address.replace(/[?#].*$/s, "")}`.slice(0, VALUE_CHARS_MAX)
}

/** Whether an address may hold a password: of a user (`ssh://me@host`) it may say the name alone. */
const mayHoldPassword = (value: string): boolean => {
  const user = value.slice(0, Math.max(0, value.lastIndexOf("@"))).replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, "")
  return /[:%/?#]/.test(user) || /[?#]/.test(value) || value.length > VALUE_CHARS_MAX
}

const ADDRESSES: ReadonlySet<string> = new Set(["DOCKER_HOST", "CONTAINER_HOST"])
const FILES: ReadonlySet<string> = new Set(OF_FILES)

const isProgram = (path: string): boolean => {
  try {
    Fs.accessSync(path, Fs.constants.X_OK)
    return Fs.statSync(path).isFile()
  } catch {
    return false
  }
}

/** The program that a name is for a search path, as whoever starts it finds it. */
const pathOf = (program: string, search: string): string | null => {
  if (program.includes("/")) return Path.resolve(program)
  // Without one, whoever starts it looks in the system's directories, and not where we are.
  if (search === "") return null
  return (
    search
      .split(":")
      .map((directory) => Path.resolve(directory, program))
      .find(isProgram) ?? null
  )
}

const Config = Schema.parseJson(Schema.Struct({ currentContext: Schema.optional(Schema.String) }))
const decodeConfig = lazy(() => Schema.decodeUnknownEither(Config))

/** The context that docker's own configuration chooses: somebody may choose another one meanwhile. */
const contextOf = (environment: Environment.Variables): string => {
  const directory = environment["DOCKER_CONFIG"] || Path.join(environment["HOME"] ?? "/", ".docker")
  try {
    const config = decodeConfig(Fs.readFileSync(Path.join(directory, "config.json"), "utf8"))
    return Either.getOrUndefined(config)?.currentContext || "default"
  } catch {
    return "default"
  }
}

/**
 * The places of a launch in an environment.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  environment: Environment.Variables,
  plan: Pick<LaunchPlan, "bundle" | "egress" | "guest" | "runtime">
): Places => {
  const { bundle, runtime } = plan
  const hidden = Credentials.hiddenVariables(plan)
  const variables: Record<string, string | null> = {}
  const withheld: Record<string, string> = {}
  for (const name of names) {
    const value = environment[name]
    if (value === undefined) variables[name] = null
    // Whatever else it is, it is a secret of the guest's, or what the guest is not to have.
    else if (hidden.includes(name)) withheld[name] = ""
    else if (ADDRESSES.has(name) ? mayHoldPassword(value) : value.length > VALUE_CHARS_MAX) {
      withheld[name] = stripped(value)
    } else variables[name] = FILES.has(name) && value !== "" ? Path.resolve(value) : value
  }
  const program = bundle._tag === "Container" ? bundle.program : null
  const isDocker = program !== null && Path.basename(program) === "docker"
  if (isDocker && !environment["DOCKER_HOST"] && !environment["DOCKER_CONTEXT"]) {
    variables["DOCKER_CONTEXT"] = contextOf(environment)
  }
  const search = environment["PATH"] ?? ""
  return {
    variables,
    withheld,
    runtime: pathOf(runtime.program, search),
    container: program === null ? null : pathOf(program, search)
  }
}

/**
 * The places of a launch here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const here = (plan: Pick<LaunchPlan, "bundle" | "egress" | "guest" | "runtime">): Effect.Effect<Places> =>
  Effect.flatMap(Surroundings, (environment) => Effect.map(environment, (variables) => make(variables, plan)))

/**
 * An environment that leads to these places. What they say nothing of stays as it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const apply = (environment: Environment.Variables, { variables }: Places): Record<string, string> => {
  const kept = Object.entries(environment).filter(([name]) => !(name in variables && names.includes(name)))
  const set = Object.entries(variables).flatMap(([name, value]): ReadonlyArray<readonly [string, string]> =>
    value === null || !names.includes(name) ? [] : [[name, value]]
  )
  return Object.fromEntries([...kept, ...set])
}

/**
 * As `apply`, where the container engine is to be found by it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const applyToDocker = (
  environment: Environment.Variables,
  places: Places
): Either.Either<Record<string, string>, PlacesUnknown> => {
  for (const variable of names) {
    const place = places.withheld[variable]
    if (place === undefined) continue
    const value = environment[variable]
    if (value === undefined || place === "" || stripped(value) !== place)
      return Either.left(new PlacesUnknown({ variable, place }))
  }
  return Either.right(apply(environment, places))
}
