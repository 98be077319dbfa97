/**
 * `docker container inspect`: what a container is and how it does.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Argv } from "./internal/arguments.js"
import { asJson, checks } from "./internal/arguments.js"
import * as Wire from "./internal/wire.js"

/**
 * The arguments of `container inspect` for one container.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (name: string): Argv => Either.map(check.name("the name", name), () => whole([name]))

/**
 * The arguments of `container inspect` for containers by their whole identifiers: a line for each that is still there.
 *
 * @since 0.1.0
 * @category argv
 */
export const argvOfIds = (ids: ReadonlyArray<string>): Argv =>
  Either.map(Either.all(ids.map((id) => check.identifier("an identifier", id))), () => whole(ids))

const check = checks("container inspect")

const whole = (names: ReadonlyArray<string>): ReadonlyArray<string> => ["container", "inspect", ...asJson, ...names]

/**
 * A container as docker knows it.
 *
 * @since 0.1.0
 * @category models
 */
export class Container extends Schema.Class<Container>("@bottle/docker/Container")({
  id: Schema.String,
  name: Schema.String,
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  status: Schema.String,
  /** What its first process ended with, 128+n where a signal ended it; 0 while it runs. */
  exitCode: Schema.Number,
  /** `starting`, `healthy` or `unhealthy`; null where the image has no health check. */
  health: Schema.NullOr(Schema.String),
  /** Its IPv4 address by the name of the network; a network that it is not in at present is left out. */
  addresses: Schema.Record({ key: Schema.String, value: Schema.String }),
  labels: Wire.Labels
}) {}

// The document holds the values of all variables: what is not named here is not kept.
const Document = Schema.Struct({
  Id: Schema.String,
  Name: Schema.String,
  State: Schema.Struct({
    Status: Schema.String,
    ExitCode: Schema.Number,
    Health: Schema.optional(Schema.NullOr(Schema.Struct({ Status: Schema.String })))
  }),
  Config: Schema.Struct({ Labels: Wire.NullableLabels }),
  NetworkSettings: Schema.Struct({
    Networks: Schema.optional(
      Schema.NullOr(
        Schema.Record({ key: Schema.String, value: Schema.Struct({ IPAddress: Schema.optional(Schema.String) }) })
      )
    )
  })
})

/**
 * Reads the lines that `container inspect` prints.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decode = Wire.decodeLines(
  Document,
  ({ Config, Id, Name, NetworkSettings, State }) =>
    new Container({
      id: Id,
      name: Name.replace(/^\//, ""),
      status: State.Status,
      exitCode: State.ExitCode,
      health: healthOf(State.Health?.Status),
      addresses: Object.fromEntries(
        Object.entries(NetworkSettings.Networks ?? {}).flatMap(([network, { IPAddress = "" }]) =>
          IPAddress === "" ? [] : [[network, IPAddress]]
        )
      ),
      labels: Config.Labels ?? {}
    })
)

const healthOf = (status: string | undefined): string | null =>
  status === undefined || status === "" || status === "none" ? null : status
