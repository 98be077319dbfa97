/**
 * What the exit code of each command says, as data: the help and `docs/reference/exit-codes.md` are made from it.
 *
 * @since 0.1.0
 */
import { bySignal, ExitStatus } from "./ExitStatus.js"
import type { Subcommand } from "./Flags.js"

/**
 * One exit code of a command, or several that say the same.
 *
 * - `codes`: numbers, or `own`: the code that a command in the guest ended with, from 0 to 255
 *
 * @since 0.1.0
 * @category models
 */
export interface Exit {
  readonly codes: ReadonlyArray<number> | "own"
  readonly meaning: string
}

const { defect, launchFailed, outputClosed, success, timedOut, usage } = ExitStatus

const on = (codes: number | ReadonlyArray<number> | "own", meaning: string): Exit => ({
  codes: typeof codes === "number" ? [codes] : codes,
  meaning
})

const signals = Object.values(bySignal)

/**
 * What holds for every command.
 *
 * @since 0.1.0
 * @category constants
 */
export const common: ReadonlyArray<Exit> = [
  on(usage, "the command line says nothing that can be done; nothing was created"),
  on(defect, "a fault in bottle itself; BOTTLE_DEBUG=1 shows where"),
  on(signals, "ended by SIGHUP, SIGINT, SIGTERM"),
  on(outputClosed, "the reader of standard output went away")
]

const own = on("own", "the command's own; 128+n when signal n ended it")

const late = on(timedOut, "the command took longer than --timeout")

const noBottle = on(launchFailed, "there is no such bottle, or it does not answer")

const wrongFile = on(usage, "the document is none; the failure says where")

/**
 * What the codes of each command say beside that.
 *
 * @since 0.1.0
 * @category constants
 */
export const bySubcommand: Readonly<Record<Subcommand, ReadonlyArray<Exit>>> = {
  run: [
    own,
    late,
    on(launchFailed, "the launch failed, or the bottle did"),
    on(signals, "ended by SIGHUP, SIGINT, SIGTERM, after everything was taken down")
  ],
  plan: [on(success, "it was printed"), on(launchFailed, "the runtime does not answer, or cannot do what is asked")],
  up: [
    on(success, "the bottle is up"),
    on(launchFailed, "the launch failed, and what it had created was taken down"),
    on(signals, "ended by SIGHUP, SIGINT, SIGTERM, after everything was taken down")
  ],
  exec: [
    own,
    late,
    on(launchFailed, "there is no such bottle, or it went down while the command ran"),
    on(signals, "ended by SIGHUP, SIGINT, SIGTERM, after the command in the bottle was")
  ],
  shell: [
    on("own", "the shell's own"),
    on(launchFailed, "there is no such bottle, or it went down while the shell ran")
  ],
  attach: [
    on("own", "of the bottle's command, when that ends"),
    on(launchFailed, "there is no such bottle, or it has no such command"),
    on(signals, "ended by SIGHUP, SIGINT, SIGTERM; the command goes on")
  ],
  cp: [on(success, "all of it was copied"), on(launchFailed, "it was not, and nothing of it is there")],
  logs: [on(success, "they were printed"), on(launchFailed, "there is no such bottle, or no record of it")],
  ls: [on(success, "it was printed, also where there is no bottle"), on(launchFailed, "the bottles cannot be listed")],
  inspect: [on(success, "it was printed"), noBottle],
  down: [
    on(success, "every one is down, and nothing of it is left"),
    on(launchFailed, "something may be left, or there is no such bottle")
  ],
  wait: [
    on("own", "of the bottle's command; 0 when it had none and went down cleanly"),
    on(timedOut, "it was not down within --timeout"),
    on(launchFailed, "how it ended is not known, or there is no such bottle")
  ],
  commit: [on(success, "the pack is there"), on(launchFailed, "there is no pack; the bottle is up, or went down")],
  prune: [on(success, "what was to go is gone"), on(launchFailed, "something could not be removed")],
  cleanup: [
    on(success, "nothing is left behind that could be removed"),
    on(launchFailed, "something could not be removed, or what is left is not known")
  ],
  diff: [
    on(success, "it was printed, also where nothing was changed"),
    on(launchFailed, "there is no copy of that bottle, or it cannot be read")
  ],
  apply: [
    on(success, "all of it was taken back, or thrown away"),
    on(launchFailed, "something was left in the copy, or there is none")
  ],
  init: [on(success, "the manifest is there"), on(launchFailed, "there is one already, or it cannot be written")],
  config: [on(success, "it was printed"), on(launchFailed, "the manifest cannot be read, or is none")],
  doctor: [on(success, "a bottle can run here"), on(launchFailed, "no bottle can run here")],
  "policy check": [on(success, "the document is a policy, with warnings or without"), wrongFile],
  "policy explain": [on(success, "it was explained, whatever is decided"), wrongFile],
  "policy watch": [on(success, "the bottle went down, or you left with q"), noBottle],
  schema: [on(success, "it was printed")],
  completion: [on(success, "it was printed")]
}

/**
 * The codes as they are written.
 *
 * @since 0.1.0
 * @category conversions
 */
export const codesOf = ({ codes }: Exit): string => (codes === "own" ? "0-255" : codes.join(", "))

const HEAD = `# Exit codes

What the exit code of each command says. \`exit.origin\` of a [report](cli.md#the-report), and the
last line of a [record](cli.md#the-record), say whose a code is where a command in the guest may use
the same ones. Under \`--format json\` a failure names its code in \`failure.exitCode\`.
`

const table = (rows: ReadonlyArray<Exit>): ReadonlyArray<string> => [
  "| code | meaning |",
  "|---|---|",
  ...rows.map((exit) => `| ${codesOf(exit)} | ${exit.meaning} |`)
]

/**
 * The page in `docs/reference/exit-codes.md`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const page = (): string =>
  [
    HEAD,
    "## Every command",
    "",
    ...table(common),
    ...Object.entries(bySubcommand).flatMap(([name, rows]) => ["", `## \`bottle ${name}\``, "", ...table(rows)]),
    ""
  ].join("\n")
