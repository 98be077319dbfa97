// Which errors a subcommand can fail with, found by letting the code meet each cause.
import { everywhere, failures } from "./failures.mjs"

const bytes = (text) => new TextEncoder().encode(text)

const processErrors = [
  { _tag: "ProgramNotFound" },
  { _tag: "SpawnRefused", reason: "not-executable" },
  { _tag: "OutputTooLarge", stream: "stdout", capBytes: 1 },
  { _tag: "ProcessTimedOut", timeoutMillis: 1 }
]

const ended = (mapping, command, { exitCode = 1, signal = null, text = "" }) => {
  const call = { program: "smolvm", command, argv: [], name: "box", env: {}, secrets: {} }
  const captured = { exit: { code: exitCode, signal }, stdout: bytes(""), stderr: bytes(text) }
  return mapping.fromCaptured(call, captured)._tag
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
      ...everywhere.map((failure) => ended(mapping, "machine ls", failure)),
      ended(mapping, "machine ls", { exitCode: 137, signal: "SIGKILL" })
    ])
  ]
}

/** What a subcommand can fail with besides. */
export const errorsOf = ({ reference, refusals, subcommand }) => {
  const common = new Set(commonErrors(reference))
  return [...new Set([...refusalsOf(refusals, subcommand), ...said(reference, subcommand)])].filter(
    (tag) => !common.has(tag)
  )
}

/** What is refused before anything runs. */
const refusalsOf = (refusals, { options, positionals }) => {
  const found = new Set(refusals.map(({ _tag }) => _tag))
  // What is no flag has values that are wrong by themselves.
  if (options.some(({ kind }) => kind === "value" || kind === "list") || positionals.length > 0) {
    found.add("InvalidArgument")
  }
  return ["InvalidArgument", "UnsupportedCommand", "UnsupportedOption", "IgnoredOption"].filter((tag) => found.has(tag))
}

/** What smolvm's own words become. */
const said = ({ mapping }, subcommand) =>
  failures.filter(({ isSaid }) => isSaid(subcommand)).map((failure) => ended(mapping, subcommand.command, failure))
