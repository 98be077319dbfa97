/**
 * Lines of a bottle's logs as people read them: when, from where, and what. All of it may hold words of a guest or of
 * its peers, so all of it is made printable.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import { DownReason } from "@bottle/engine/ControlError"
import type { Entry } from "@bottle/engine/RecordStore"
import { lazy } from "@bottle/process/Lazy"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Printable from "./Printable.js"
import { type LogSource, sources } from "./requests/LogsRequest.js"
import { formatBytes, formatMillis } from "./Units.js"

const SOURCE_CHARS = Math.max(...sources.map((source) => source.length))
const TIME_CHARS = "2026-01-01T00:00:00.000Z".length
const TEXT_CHARS_MAX = 2000

type Value = NonNullable<Entry["value"]>

const textOf = (value: Value, key: string): string => {
  const found = value[key]
  return typeof found === "string" || typeof found === "number" ? String(found) : "?"
}

const closings: Readonly<Record<DownReason, string>> = {
  asked: "it was told to",
  ended: "its command has ended",
  "time-to-live": "its --ttl is over",
  idle: "nothing went on in it for as long as --idle says",
  "machine-gone": "its machine has stopped",
  "bundle-died": "its proxy has ended",
  signal: "its keeper was told to end by a signal"
}

const launchText = (value: Value): string | undefined => {
  const { durationMillis, error, origin, timedOut } = value
  switch (value["_tag"]) {
    case "StageStarted":
      return `${textOf(value, "stage")} ...`
    case "StageEnded": {
      const took = typeof durationMillis === "number" ? formatMillis(durationMillis) : "?"
      return `${textOf(value, "stage")} ${value["ok"] === true ? "took" : "failed after"} ${took}`
    }
    case "ReleaseSlow":
      return `still removing ${textOf(value, "resource")}`
    case "ReleaseFailed":
      return `${textOf(value, "resource")} may be left behind: ${textOf(value, "reason")}; try: ${textOf(value, "suggestion")}`
    case "Kept":
      return `kept ${textOf(value, "machine")}, without any network`
    case "Reloaded":
      return "the policy was reloaded"
    case "Closing":
      return `goes down: ${Schema.is(DownReason)(value["reason"]) ? closings[value["reason"]] : textOf(value, "reason")}`
    case "Recovered":
      return "taken down after its owner had died"
    case "Ended": {
      const why = typeof error === "string" ? `, ${error}` : ""
      if (value["code"] === null) return `ended: with what exit code is not known${why}`
      const whose = typeof origin === "string" ? ` of the ${origin}` : ""
      return `ended: exit code ${textOf(value, "code")}${whose}${timedOut === true ? ", its time was up" : ""}${why}`
    }
    default:
      return undefined
  }
}

const decodeEvent = lazy(() => Schema.decodeUnknownOption(EgressEvent))

const hostText = ({ host, port }: EgressEvent): string => {
  if (host === null) return "a request"
  const written = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  return port === null ? written : `${written}:${port}`
}

const decisionText = (value: Value): string | undefined =>
  Option.match(decodeEvent(value), {
    onNone: () => undefined,
    onSome: (event) => {
      const asked = `${event.method === null ? "" : `${event.method} `}${hostText(event)}`
      const rule = event.rule === null ? "" : ` by ${event.rule}`
      if (event.phase === "decision") {
        return event.verdict === "allow"
          ? `allowed ${asked}${rule}`
          : `refused ${asked}: ${event.reason}, ${event.detail}`
      }
      const sizes = `${formatBytes(event.bytesUp)} up, ${formatBytes(event.bytesDown)} down`
      return `closed ${asked}: ${event.reason}, ${sizes}, ${formatMillis(event.durationMillis)}`
    }
  })

const bundleText = (value: Value): string | undefined =>
  typeof value["text"] === "string"
    ? `${typeof value["daemon"] === "string" ? `${value["daemon"]}: ` : ""}${value["text"]}`
    : undefined

const texts = { launch: launchText, bundle: bundleText, decisions: decisionText }

/** What another version has written is shown as it is. */
const entryText = ({ part, value }: Entry): string => {
  if (value === null) return "a line that cannot be read"
  if (value["cut"] === true) return "the rest was not kept: it was too much"
  if (typeof value["lost"] === "number")
    return `${value["lost"]} lines were lost: they came faster than the disk took them`
  const { time: _, ...rest } = value
  return texts[part](value) ?? JSON.stringify(rest)
}

const line = (time: string, source: LogSource, text: string): string =>
  `${time.padEnd(TIME_CHARS)}  ${source.padEnd(SOURCE_CHARS)}  ${Printable.line(text, TEXT_CHARS_MAX)}`

/**
 * A line of a record.
 *
 * @since 0.1.0
 * @category conversions
 */
export const ofEntry = (entry: Entry): string =>
  line(entry.time === null ? "" : DateTime.formatIso(entry.time), entry.part, entryText(entry))

/**
 * A line that the main command wrote; when is not known.
 *
 * @since 0.1.0
 * @category conversions
 */
export const ofOutput = (text: string): string => line("", "output", text)

/**
 * A line of a record as JSON: the object that was written, with its source.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson = ({ part, value }: Entry): object => ({
  source: part,
  ...(value ?? { unreadable: true })
})
