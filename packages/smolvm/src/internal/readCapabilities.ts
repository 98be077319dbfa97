import type { Captured } from "@bottle/process/Capture"
import { stdoutText } from "@bottle/process/Capture"
import * as Effect from "effect/Effect"
import * as Capabilities from "../Capabilities.js"
import * as Line from "../Line.js"
import type { SmolvmError } from "../SmolvmError.js"
import { SmolvmTooOld } from "../SmolvmError.js"
import type { Call } from "./errors.js"
import { notUnderstood } from "./errors.js"
import { plain } from "./tail.js"

/** Runs a call that must exit 0. */
export type Run = (call: Call) => Effect.Effect<Captured, SmolvmError>

/**
 * Asks a program what it can do: its version, and where that is newer than the data the options that its help lists.
 */
export const readCapabilities = (
  call: (command: string, argv: ReadonlyArray<string>) => Call,
  run: Run
): Effect.Effect<Capabilities.Capabilities, SmolvmError> =>
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
    const versionText = plain(stdoutText(captured)).split("\n")[0]?.trim().slice(0, 200) ?? ""
    const capabilities = { ...Capabilities.fromVersion(version), versionText }
    if (!capabilities.newerThanKnown) return capabilities
    const help = (command: string) =>
      Effect.map(run(call(`${command} --help`, [...command.split(" "), "--help"])), stdoutText)
    const texts = yield* Effect.all({ create: help("machine create"), exec: help("machine exec") }, { concurrency: 2 })
    return Capabilities.withHelp(capabilities, texts)
  })

const oldest: Line.Line = "0.8.0"
