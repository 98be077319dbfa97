/**
 * The environment that children get: the host's, without the variables that change how programs reach the network,
 * whom they trust, and how Node starts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * The names and values of an environment.
 *
 * @since 0.1.0
 * @category models
 */
export type Variables = Readonly<Record<string, string>>

/**
 * Which variables `scrub` treats otherwise than by default, by name; `*` stands for any characters. `keep` wins over
 * `drop`, and both over the defaults.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScrubOptions {
  readonly drop?: ReadonlyArray<string> | undefined
  readonly keep?: ReadonlyArray<string> | undefined
}

/**
 * The environment of this process as it is now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const host: Effect.Effect<Record<string, string>> = Effect.sync(() =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
)

/**
 * The patterns that `scrub` drops by default, without regard to case: proxies, certificate authorities, Node and npm.
 *
 * @since 0.1.0
 * @category models
 */
export const droppedByDefault: ReadonlyArray<string> = [
  "*_PROXY",
  "*_CA",
  "*_CA_*",
  "*_CAINFO",
  "*_CAPATH",
  "SSL_CERT_*",
  "NODE_*",
  "npm_*"
]

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

const matcher = (patterns: ReadonlyArray<string>, flags: string): ((name: string) => boolean) => {
  const expressions = patterns.map(
    (pattern) => new RegExp(`^${pattern.split("*").map(escape).join(".*")}$`, `s${flags}`)
  )
  return (name) => expressions.some((expression) => expression.test(name))
}

const isDroppedByDefault = matcher(droppedByDefault, "i")

/**
 * The variables without those of `droppedByDefault` and `drop`, and with those of `keep`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const scrub = (variables: Variables, options?: ScrubOptions): Record<string, string> => {
  const isKept = matcher(options?.keep ?? [], "")
  const isDropped = matcher(options?.drop ?? [], "")
  return Object.fromEntries(
    Object.entries(variables).filter(([name]) => isKept(name) || !(isDropped(name) || isDroppedByDefault(name)))
  )
}

/**
 * What a child gets when its `Program` names no environment: the host's, scrubbed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const childDefault: Effect.Effect<Record<string, string>> = Effect.map(host, (variables) => scrub(variables))
