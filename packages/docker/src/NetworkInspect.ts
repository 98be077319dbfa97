/**
 * `docker network inspect`: what a network is.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Argv } from "./internal/arguments.js"
import { asJson, checks } from "./internal/arguments.js"
import * as Wire from "./internal/wire.js"

/**
 * The arguments of `network inspect` for one network.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (name: string): Argv => Either.map(check.name("the name", name), () => whole([name]))

/**
 * The arguments of `network inspect` for networks by their whole identifiers: a line for each that is still there.
 *
 * @since 0.1.0
 * @category argv
 */
export const argvOfIds = (ids: ReadonlyArray<string>): Argv =>
  Either.map(Either.all(ids.map((id) => check.identifier("an identifier", id))), () => whole(ids))

const check = checks("network inspect")

const whole = (names: ReadonlyArray<string>): ReadonlyArray<string> => ["network", "inspect", ...asJson, ...names]

/**
 * A network as docker knows it.
 *
 * @since 0.1.0
 * @category models
 */
export class Network extends Schema.Class<Network>("@bottle/docker/Network")({
  id: Schema.String,
  name: Schema.String,
  labels: Wire.Labels,
  internal: Schema.Boolean,
  /** Its subnets with the host's own address in each, where there is one. */
  subnets: Schema.Array(Schema.Struct({ subnet: Schema.String, gateway: Schema.NullOr(Schema.String) }))
}) {}

const Document = Schema.Struct({
  Id: Schema.String,
  Name: Schema.String,
  Internal: Schema.optional(Schema.Boolean),
  Labels: Wire.NullableLabels,
  IPAM: Schema.optional(
    Schema.Struct({
      Config: Wire.nullableArray(
        Schema.Struct({ Subnet: Schema.optional(Schema.String), Gateway: Schema.optional(Schema.String) })
      )
    })
  )
})

/**
 * Reads the lines that `network inspect` prints.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decode = Wire.decodeLines(
  Document,
  ({ IPAM, Id, Internal, Labels, Name }) =>
    new Network({
      id: Id,
      name: Name,
      labels: Labels ?? {},
      internal: Internal ?? false,
      subnets: (IPAM?.Config ?? []).flatMap(({ Gateway, Subnet }) =>
        Subnet === undefined ? [] : [{ subnet: Subnet, gateway: Gateway ?? null }]
      )
    })
)
