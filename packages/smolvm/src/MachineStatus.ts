/**
 * `smolvm machine status --json`: one machine, in the shape of an element of `machine ls`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * Which machine to ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStatusOptions {
  readonly name: string
}

/**
 * The arguments of `machine status`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { name }: MachineStatusOptions,
  _capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(name)
    return ["machine", "status", "--name", name, "--json"]
  })

const check = checks("machine status")

const absentOr = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

/**
 * A machine as smolvm describes it. Fields that are not named here are ignored, and all but `name` and `state` may be
 * missing: releases add fields.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Machine = Schema.Struct({
  name: Schema.String,
  /** `created`, `running`, `stopped`, `failed`, `unreachable`, from 1.3.0 `frozen`; newer releases have other words. */
  state: Schema.String,
  cpus: absentOr(Schema.Number),
  memoryMib: absentOr(Schema.Number).pipe(Schema.fromKey("memory_mib")),
  pid: absentOr(Schema.Number),
  /** Seconds since 1970. */
  createdAtSeconds: absentOr(Schema.Number).pipe(Schema.fromKey("created_at")),
  image: absentOr(Schema.String),
  network: absentOr(Schema.Boolean),
  /** From 1.8.0. */
  labels: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), {
    default: () => ({}),
    nullable: true
  })
})

/**
 * A machine as smolvm describes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Machine = typeof Machine.Type

/**
 * What it prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Machine)
