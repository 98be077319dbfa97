/* What a copy asks of the guest, and what the guest says. */

import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Endpoint, EndpointCommand } from "../../Transfer.js"

// The guest's own words steer nothing: what its variables could change of tar is set here.
const ENV = [
  ["LC_ALL", "C"],
  ["TAR_OPTIONS", ""]
] as const

/** What every command of a copy is run with. */
export const command = (words: ReadonlyArray<string>): EndpointCommand => ({ command: words, env: ENV, workdir: "/" })

const Kind = Schema.Literal("directory", "file", "other", "missing")

export type Kind = typeof Kind.Type

const PROBE = `if command -v tar >/dev/null 2>&1; then echo tar; else echo none; fi
for path; do
  if [ -d "$path" ]; then echo directory
  elif [ -f "$path" ]; then echo file
  elif [ -e "$path" ] || [ -L "$path" ]; then echo other
  else echo missing; fi
done`

/** What the guest says is there; nothing where it has no shell to ask. */
export interface Probed {
  readonly hasTar: boolean
  readonly kinds: ReadonlyArray<Kind>
}

const isKind = Schema.is(Kind)

const PROBE_TIMEOUT_MILLIS = 30_000

/** Whether the guest has tar, and what is at each of the paths; links are followed. */
export const probe = <E>(
  endpoint: Endpoint<E>,
  paths: ReadonlyArray<string>
): Effect.Effect<Option.Option<Probed>, E> =>
  Effect.map(
    endpoint.exec({ ...command(["sh", "-c", PROBE, "sh", ...paths]), timeoutMillis: PROBE_TIMEOUT_MILLIS }),
    ({ exit, stdout }) => {
      const [tar, ...lines] = new TextDecoder().decode(stdout.subarray(0, 256)).trimEnd().split("\n")
      const kinds = lines.filter(isKind)
      return exit.exitCode === 0 && (tar === "tar" || tar === "none") && kinds.length === paths.length
        ? Option.some({ hasTar: tar === "tar", kinds })
        : Option.none()
    }
  )

const CLEAN = `[ ! -e "$1" ] || { chmod -R u+rwx "$1"; rm -rf -- "$1"; } 2>/dev/null`

const CLEAN_MILLIS = 15_000

/** Takes away what an unpacking has left in the guest; false where that is not certain. */
export const clean = <E>(endpoint: Endpoint<E>, path: string): Effect.Effect<boolean> =>
  endpoint.exec({ ...command(["sh", "-c", CLEAN, "sh", path]), timeoutMillis: CLEAN_MILLIS }).pipe(
    Effect.map(({ exit }) => exit.exitCode === 0),
    Release.within(2 * CLEAN_MILLIS),
    Effect.map(Option.getOrElse(() => false)),
    Effect.catchAllCause(() => Effect.succeed(false))
  )
