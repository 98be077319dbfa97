// Which errors a subcommand can fail with, found by letting the code meet each cause.
import * as Either from "effect/Either"
import { circumstances, examples } from "./examples.mjs"
import { everywhere, failures } from "./failures.mjs"

const bytes = (text) => new TextEncoder().encode(text)

const processErrors = [
  { _tag: "ProgramNotFound" },
  { _tag: "SpawnRefused", reason: "not-executable" },
  { _tag: "OutputTooLarge", stream: "stdout", capBytes: 1 },
  { _tag: "ProcessTimedOut", timeoutMillis: 1 }
]

const ended = ({ errors }, command, { exitCode = 1, signal = null, text = "" }) => {
  const call = { program: "smolvm", command, argv: [], name: "box", env: {}, secrets: {} }
  const captured = { exit: { code: exitCode, signal }, stdout: bytes(""), stderr: bytes(text) }
  return errors.fromCaptured(call, captured)._tag
}

/** The errors that do not depend on what is run, in the order in which they can happen. */
export const commonErrors = ({ mapping }) => {
  const call = { program: "smolvm", command: "machine ls", argv: [], name: undefined, env: {}, secrets: {} }
  return [
    ...new Set([
      ...processErrors.map((error) => mapping.fromProcess(call, error)._tag),
      // What the reading of the capabilities adds: a program that is too old, or that is not smolvm.
      "SmolvmTooOld",
      "OutputNotUnderstood",
      ...everywhere.map((failure) => ended({ errors: mapping }, "machine ls", failure)),
      ended({ errors: mapping }, "machine ls", { exitCode: 137, signal: "SIGKILL" })
    ])
  ]
}

export const isCommon = (reference, tag) => commonErrors(reference).includes(tag)

/** All that a subcommand can fail with. */
export const errorsOf = (reference, module, subcommand) => [
  ...new Set([...refusals(reference, module, subcommand), ...said(reference, subcommand), ...commonErrors(reference)])
]

/** What is refused before anything runs. */
const refusals = ({ capabilities, lines, modules }, module, subcommand) => {
  const { command, options, positionals } = subcommand
  const asked = options.filter(({ key }) => key !== null)
  const lacks = (long) => capabilities.neededVersion(command, long) !== "0.8.0"
  const probes = [examples[command] ?? {}, ...(circumstances[command] ?? [])]
  const found = new Set(
    lines.flatMap((line) =>
      probes.flatMap((probe) => {
        const built = modules.get(module).argv(probe, capabilities.fromVersion(line))
        return Either.isLeft(built) ? [built.left._tag] : []
      })
    )
  )
  if (asked.length + positionals.length > 0) found.add("InvalidArgument")
  if (lacks()) found.add("UnsupportedCommand")
  if (asked.some(({ long, positional }) => positional === undefined && lacks(long))) found.add("UnsupportedOption")
  return ["InvalidArgument", "UnsupportedCommand", "UnsupportedOption", "IgnoredOption"].filter((tag) => found.has(tag))
}

/** What smolvm's own words become. */
const said = ({ mapping }, subcommand) =>
  failures
    .filter(({ isSaid }) => isSaid(subcommand))
    .map((failure) => ended({ errors: mapping }, subcommand.command, failure))
