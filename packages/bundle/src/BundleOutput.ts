/**
 * What a bundle's container prints: one line for each thing that happened, made and read by the same module.
 *
 * Every line is `NAME | TEXT` or `NAME ! TEXT`. The name is the daemon's, or `init`, and is put there by init alone; the
 * bar says that the text was said on standard output, where only what is listed below has a meaning, and the mark that it
 * is nothing but words. Lines are visible ASCII of a bounded length, so that no text can begin another line.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/**
 * One line of the container.
 *
 * - `Ready`: every chosen daemon listens, said once (`init | ready NAME...`).
 * - `DaemonEnded`: a daemon is no more; exactly one of `code` and `signal` is not null
 *   (`init | ended NAME code N`, `init | ended NAME signal SIGNAME`).
 * - `Listening`: a daemon has begun to listen (`NAME | listening on WHERE`).
 * - `Reloaded`: a daemon follows its new policy, whose digest it names (`NAME | reloaded POLICY`).
 * - `ReloadRefused`: a daemon keeps its old policy, whatever it was that it read (`NAME | reload refused POLICY: REASON`);
 *   `policy` is null where it could read none (`NAME | reload refused: REASON`).
 * - `Event`: an entry of the decision log (`NAME | {JSON}`).
 * - `Said`: anything else (`NAME ! TEXT`); the name is null where init has put none.
 *
 * @since 0.1.0
 * @category models
 */
export type Line =
  | { readonly _tag: "Ready"; readonly daemons: ReadonlyArray<string> }
  | {
      readonly _tag: "DaemonEnded"
      readonly name: string
      readonly code: number | null
      readonly signal: string | null
    }
  | { readonly _tag: "Listening"; readonly name: string; readonly at: string }
  | { readonly _tag: "Reloaded"; readonly name: string; readonly policy: string }
  | { readonly _tag: "ReloadRefused"; readonly name: string; readonly policy: string | null; readonly reason: string }
  | { readonly _tag: "Event"; readonly name: string; readonly event: EgressEvent }
  | { readonly _tag: "Said"; readonly name: string | null; readonly text: string }

/**
 * The name under which init itself speaks; no daemon has it.
 *
 * @since 0.1.0
 * @category models
 */
export const INIT = "init"

/**
 * The longest line, in characters and so in bytes, without its newline. Docker writes what is longer than 16 KiB as two
 * records.
 *
 * @since 0.1.0
 * @category models
 */
export const maxLineLength = 16_000

const cutMark = " [cut]"

const invisible = /[^\x20-\x7e]/g

/**
 * The text as one line may hold it: every character that is not visible ASCII is a question mark, and what is beyond the
 * length is cut off with ` [cut]` in its place.
 *
 * @since 0.1.0
 * @category conversions
 */
export const visible = (text: string, maxLength: number = maxLineLength): string =>
  text.length <= maxLength
    ? text.replace(invisible, "?")
    : text.slice(0, maxLength - cutMark.length).replace(invisible, "?") + cutMark

/**
 * A daemon's own line with its name in front, as init prints it: `isWords` is for what came on standard error.
 *
 * @since 0.1.0
 * @category conversions
 */
export const prefix = (name: string, text: string, isWords: boolean): string =>
  visible(`${name} ${isWords ? "!" : "|"} ${text}`)

const eventJson = (event: EgressEvent): string =>
  JSON.stringify(Schema.encodeSync(EgressEvent)(event), (_key, value: unknown) =>
    typeof value === "string" ? visible(value) : value
  )

/**
 * What a daemon prints on its standard output for a line, without its name: init puts that in front. `Said` has no such
 * form, because words belong on standard error.
 *
 * @since 0.1.0
 * @category conversions
 */
export const daemonText = (
  line: Extract<Line, { _tag: "Listening" | "Reloaded" | "ReloadRefused" | "Event" }>
): string => {
  switch (line._tag) {
    case "Listening":
      return `listening on ${line.at}`
    case "Reloaded":
      return `reloaded ${line.policy}`
    case "ReloadRefused":
      return `reload refused${line.policy === null ? "" : ` ${line.policy}`}: ${line.reason}`
    case "Event":
      return eventJson(line.event)
  }
}

/**
 * The line as the container prints it, without a newline.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = (line: Line): string => {
  switch (line._tag) {
    case "Ready":
      return prefix(INIT, ["ready", ...line.daemons].join(" "), false)
    case "DaemonEnded":
      return prefix(
        INIT,
        `ended ${line.name} ${line.signal === null ? `code ${line.code ?? 0}` : `signal ${line.signal}`}`,
        false
      )
    case "Said":
      return line.name === null ? visible(line.text) : prefix(line.name, line.text, true)
    default:
      return prefix(line.name, daemonText(line), false)
  }
}

const lineForm = /^([a-z][a-z0-9-]{0,31}) ([|!]) (.*)$/
const readyForm = /^ready((?: [a-z][a-z0-9-]{0,31})*)$/
const endedForm = /^ended ([a-z][a-z0-9-]{0,31}) (?:code (0|[1-9][0-9]{0,2})|signal (SIG[A-Z0-9]{1,12}))$/
const listeningForm = /^listening on (.+)$/
const reloadedForm = /^reloaded ([0-9a-f]{16})$/
const refusedForm = /^reload refused(?: ([0-9a-f]{16}))?: (.*)$/

// All text of an event is visible ASCII, so no other escapes occur; one such as \u001b would bring a control character.
const plainJson = /^\{(?:[^\\]|\\["\\])*\}$/

const EventJson = Schema.parseJson(EgressEvent)

const parseInit = (text: string): Line | undefined => {
  const ready = readyForm.exec(text)?.[1]
  if (ready !== undefined) return { _tag: "Ready", daemons: ready === "" ? [] : ready.slice(1).split(" ") }
  const [, name, code, signal] = endedForm.exec(text) ?? []
  if (name === undefined) return undefined
  return { _tag: "DaemonEnded", name, code: code === undefined ? null : Number(code), signal: signal ?? null }
}

/**
 * Whether a daemon that prints this text on its standard output, without its name, has begun to listen.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isListening = (text: string): boolean => listeningForm.test(text)

const parseDaemon = (name: string, text: string): Line | undefined => {
  const followed = reloadedForm.exec(text)?.[1]
  if (followed !== undefined) return { _tag: "Reloaded", name, policy: followed }
  const at = listeningForm.exec(text)?.[1]
  if (at !== undefined) return { _tag: "Listening", name, at }
  const [, refused, reason] = refusedForm.exec(text) ?? []
  if (reason !== undefined) return { _tag: "ReloadRefused", name, policy: refused ?? null, reason }
  if (!plainJson.test(text)) return undefined
  const event = Schema.decodeUnknownEither(EventJson)(text)
  return Either.isRight(event) ? { _tag: "Event", name, event: event.right } : undefined
}

/**
 * The meaning of one line that the container printed, without its newline. It is never an error: a line that fits nothing
 * is `Said`, and its text is visible ASCII whatever came.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (line: string): Line => {
  const clean = visible(line)
  const [, name, mark, text] = lineForm.exec(clean) ?? []
  if (name === undefined || text === undefined) return { _tag: "Said", name: null, text: clean }
  const said: Line = { _tag: "Said", name, text }
  if (mark === "!") return said
  return (name === INIT ? parseInit(text) : parseDaemon(name, text)) ?? said
}
