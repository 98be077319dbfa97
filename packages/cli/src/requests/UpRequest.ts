/**
 * What an `up` line asks for.
 *
 * @since 0.1.0
 */
import * as Settings from "@bottle/engine/Settings"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { parseIdle, parseName, parseTtl, type Surroundings, usage } from "../FlagValues.js"
import * as RunRequest from "../RunRequest.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of an `up` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpFlags extends Omit<RunRequest.LaunchFlags, "timeout" | "tty" | "noTty" | "report"> {
  readonly ttl: Option.Option<string>
  readonly idle: Option.Option<string>
}

/**
 * An `up` line, understood.
 *
 * - `launch`: as for `run`; its command is the bottle's main command, empty where it has none, and `interactive` keeps
 *   the input of that open
 * - `name`: what no other living bottle may be called
 *
 * @since 0.1.0
 * @category models
 */
export interface UpRequest {
  readonly launch: RunRequest.RunRequest
  readonly name: string | null
  readonly ttlMillis: number | null
  readonly idleMillis: number | null
}

/**
 * The request of an `up` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  flags: UpFlags,
  tail: ReadonlyArray<string> | null,
  surroundings: Surroundings,
  read: Settings.ManifestRead | null = null
): Either.Either<UpRequest, UsageError> =>
  Either.gen(function* () {
    const { idle, ttl, ...launchFlags } = flags
    const name = yield* parseName(flags.name)
    const ttlMillis = yield* parseTtl(ttl)
    const idleMillis = yield* parseIdle(idle)
    const launch = yield* RunRequest.make(
      { ...launchFlags, timeout: Option.none(), tty: false, noTty: true, report: Option.none() },
      tail,
      surroundings,
      read
    )
    if (tail !== null && (tail[0] === undefined || tail[0] === "")) {
      return yield* Either.left(usage("no command follows --", "leave out --, or bottle up [flags] -- COMMAND"))
    }
    if (launch.input !== null) {
      const agent = launch.beginning.agent ?? ""
      return yield* Either.left(
        usage(
          `${agent} takes its prompt on standard input, which a bottle that stays has none of`,
          `leave out -- and the prompt, or bottle run --agent ${agent} -- PROMPT`
        )
      )
    }
    const said = Settings.combine(
      launch.beginning.settings,
      Settings.combine(
        Settings.of({ kind: "flag", name: "ttl" }, { ttlMillis }),
        Settings.of({ kind: "flag", name: "idle" }, { idleMillis })
      )
    )
    return {
      launch: {
        ...launch,
        beginning: { ...launch.beginning, settings: said },
        // Nobody is there to ask for a prompt: the bottle is for what is run in it later.
        command: launch.isConversation ? [] : launch.command,
        timeoutMillis: undefined
      },
      name,
      ttlMillis: said.single.ttlMillis?.value ?? null,
      idleMillis: said.single.idleMillis?.value ?? null
    }
  })
