import type { Captured } from "@bottle/process/Capture"
import { stdoutText } from "@bottle/process/Capture"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Capabilities from "../Capabilities.js"
import type { CapabilitiesCache, Entry, Found } from "../CapabilitiesCache.js"
import * as Line from "../Line.js"
import type { SmolvmError } from "../SmolvmError.js"
import { SmolvmTooOld } from "../SmolvmError.js"
import type { Call } from "./errors.js"
import { notUnderstood } from "./errors.js"
import { plain } from "./tail.js"

/** Runs a call that must exit 0. */
export type Run = (call: Call) => Effect.Effect<Captured, SmolvmError>

/** How a program is asked, and where its answers are kept. */
export interface Asking {
  readonly call: (command: string, argv: ReadonlyArray<string>) => Call
  readonly run: Run
  readonly cache: CapabilitiesCache
}

/**
 * Asks a program what it can do: its version, and where that is newer than the data the options that its help lists.
 * What the cache has is not asked again.
 */
export const readCapabilities = (asking: Asking): Effect.Effect<Capabilities.Capabilities, SmolvmError> =>
  Effect.gen(function* () {
    const { cache } = asking
    const found = yield* cache.find
    const kept = Option.isSome(found) ? Option.getOrUndefined(yield* cache.read(found.value)) : undefined
    const keep = (entry: Entry): Effect.Effect<void> =>
      Option.isSome(found) ? cache.write(found.value, entry) : Effect.void

    const known = keptVersion(found, kept)
    const capabilities = known ?? (yield* askVersion(asking))
    const { versionText } = capabilities
    if (!capabilities.newerThanKnown) {
      const isKept = known !== undefined || !Option.exists(found, ({ kind }) => kind === "binary")
      if (!isKept) yield* keep({ versionText, asked: [], options: {} })
      return capabilities
    }
    if (kept !== undefined && kept.versionText === versionText && askedAll(kept)) {
      return Capabilities.withOptions(capabilities, kept.options)
    }
    const { isComplete, options } = yield* askHelp(asking)
    if (isComplete) yield* keep({ versionText, asked: Capabilities.subcommands, options })
    return Capabilities.withOptions(capabilities, options)
  })

/** What the version alone says, from the cache: a script may run another program by now, and is asked. */
const keptVersion = (found: Option.Option<Found>, kept: Entry | undefined): Capabilities.Capabilities | undefined => {
  if (kept === undefined || !Option.exists(found, ({ kind }) => kind === "binary")) return undefined
  const version = Capabilities.parseVersion(kept.versionText)
  if (version === undefined || Line.compare(version, oldest) < 0) return undefined
  return fromVersion(version, kept.versionText)
}

const askVersion = ({ call, run }: Asking) =>
  Effect.gen(function* () {
    const ask = call("--version", ["--version"])
    const captured = yield* run(ask)
    const version = Capabilities.parseVersion(stdoutText(captured))
    if (version === undefined) {
      return yield* notUnderstood(ask, captured, "it does not begin with `smolvm` and a version")
    }
    if (Line.compare(version, oldest) < 0) {
      return yield* new SmolvmTooOld({ program: ask.program, version, neededVersion: oldest })
    }
    return fromVersion(version, plain(stdoutText(captured)).split("\n")[0]?.trim().slice(0, 200) ?? "")
  })

const fromVersion = (version: string, versionText: string): Capabilities.Capabilities => ({
  ...Capabilities.fromVersion(version),
  versionText
})

/** A package that knows more subcommands than the one that asked would take them for missing. */
const askedAll = ({ asked }: Entry): boolean => Capabilities.subcommands.every((command) => asked.includes(command))

/**
 * The options of every subcommand. The subcommands are asked one by one, not looked for in the help of their group: that
 * does not list one that has become a hidden alias. One that gives no help is missing; only a refusal of its words says so
 * for good, and where not one could be asked, nothing is known.
 */
const askHelp = ({ call, run }: Asking) =>
  Effect.gen(function* () {
    const answers = yield* Effect.forEach(
      Capabilities.subcommands,
      (command) =>
        Effect.map(
          Effect.either(run(call(`${command} --help`, [...command.split(" "), "--help"]))),
          (answer) => [command, answer] as const
        ),
      { concurrency: 4 }
    )
    const texts = answers.flatMap(([command, answer]) =>
      Either.isRight(answer) ? [[command, stdoutText(answer.right)] as const] : []
    )
    const failures = answers.flatMap(([, answer]) => (Either.isLeft(answer) ? [answer.left] : []))
    const [first] = failures
    if (texts.length === 0 && first !== undefined) return yield* first
    const options = Capabilities.optionsFromHelp(Object.fromEntries(texts))
    const isUnderstood = Object.keys(options).length === texts.length
    return { options, isComplete: isUnderstood && failures.every(({ _tag }) => _tag === "SmolvmUsageRefused") }
  })

const oldest: Line.Line = "0.8.0"
