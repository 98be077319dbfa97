// Which errors a subcommand can fail with, found by letting the code meet each cause.
import { everywhere, failures } from "./failures.mjs"
import { refused } from "./probe.mjs"

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
const refusals = (reference, module, subcommand) => {
  const { options, positionals } = subcommand
  const found = new Set(refused(reference, module, subcommand).map(({ _tag }) => _tag))
  // What is no flag has values that are wrong by themselves.
  if (options.some(({ kind }) => kind === "value" || kind === "list") || positionals.length > 0) {
    found.add("InvalidArgument")
  }
  return ["InvalidArgument", "UnsupportedCommand", "UnsupportedOption", "IgnoredOption"].filter((tag) => found.has(tag))
}

/** What smolvm's own words become. */
const said = ({ mapping }, subcommand) =>
  failures
    .filter(({ isSaid }) => isSaid(subcommand))
    .map((failure) => ended({ errors: mapping }, subcommand.command, failure))
