import { isIPv4 } from "node:net"
import * as Either from "effect/Either"
import { DockerArgumentRefused } from "../DockerError.js"

/** Whether all is well, or what is refused. */
export type Checked = Either.Either<void, DockerArgumentRefused>

/** The arguments of a subcommand, or why there are none. */
export type Argv = Either.Either<ReadonlyArray<string>, DockerArgumentRefused>

/** Names and values, in their order. */
export type Pairs = Readonly<Record<string, string>>

/** The checks of one subcommand: each is `void`, or the refusal of an option, before anything runs. */
export const checks = (command: string) => {
  const refuse = (option: string, problem: string): Either.Either<never, DockerArgumentRefused> =>
    Either.left(new DockerArgumentRefused({ command, option, problem }))

  const first = (option: string, problems: Iterable<string | undefined>): Checked => {
    for (const problem of problems) if (problem !== undefined) return refuse(option, problem)
    return Either.void
  }

  const maybe = <A>(option: string, value: A | undefined, problem: (value: A) => string | undefined): Checked =>
    first(option, [value === undefined ? undefined : problem(value)])

  return {
    refuse,
    name: (option: string, name: string) => first(option, [nameProblem(name)]),
    identifier: (option: string, id: string) =>
      first(option, [fullId.test(id) ? undefined : "must be a whole identifier"]),
    image: (option: string, reference: string) => first(option, [imageProblem(reference)]),
    labels: (option: string, labels: Pairs) =>
      first(
        option,
        Object.entries(labels).map(([name, value]) => labelProblem(name) ?? textProblem(value))
      ),
    variables: (option: string, variables: Pairs | undefined) =>
      first(
        option,
        Object.entries(variables ?? {}).map(([name, value]) => variableProblem(name) ?? nulProblem(value))
      ),
    variableNames: (option: string, names: ReadonlyArray<string> | undefined) =>
      first(option, (names ?? []).map(variableProblem)),
    address: (option: string, address: string | undefined) => maybe(option, address, addressProblem),
    subnet: (option: string, subnet: string) => first(option, [subnetProblem(subnet)]),
    path: (option: string, path: string) => first(option, [pathProblem(path)]),
    number: (option: string, value: number, least: number, most: number) =>
      first(option, [
        Number.isInteger(value) && value >= least && value <= most
          ? undefined
          : `must be a whole number from ${least} to ${most}`
      ]),
    matches: (option: string, value: string, pattern: RegExp, problem: string) =>
      first(option, [pattern.test(value) ? undefined : problem]),
    words: (option: string, words: ReadonlyArray<string> | undefined) => first(option, (words ?? []).map(nulProblem))
  }
}

/** An option with its value, where there is one. The value stands apart: it must not begin with a dash. */
export const valued = (option: string, value: string | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [option, value]

/** An option repeated for each name and value. */
export const assigned = (option: string, pairs: Pairs | undefined): ReadonlyArray<string> =>
  Object.entries(pairs ?? {}).flatMap(([name, value]) => [option, `${name}=${value}`])

/** An option repeated for each value. The values must not begin with a dash. */
export const repeated = (option: string, values: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (values ?? []).flatMap((value) => [option, value])

/** A flag, where it is wanted. */
export const flag = (option: string, wanted: boolean | undefined): ReadonlyArray<string> =>
  wanted === true ? [option] : []

/** A filter for each label. */
export const labelled = (labels: Pairs): ReadonlyArray<string> =>
  Object.entries(labels).flatMap(([name, value]) => ["--filter", `label=${name}=${value}`])

/** Prints what is inspected as one line of JSON each. */
export const asJson: ReadonlyArray<string> = ["--format", "{{json .}}"]

const fullId = /^[0-9a-f]{64}$/

// Where no name matches, docker takes what looks like one for the beginning of an identifier: removing a network called
// "cafe" that is gone would remove the network whose identifier begins with it.
const isHexadecimal = (text: string): boolean => /^[0-9a-f]+$/i.test(text)

const nameProblem = (name: string): string | undefined => {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{1,127}$/.test(name)) {
    return "must be 2 to 128 letters, digits, '_', '.' and '-', and begin with a letter or digit"
  }
  return isHexadecimal(name)
    ? "must not be hexadecimal digits only, which docker would take for an identifier"
    : undefined
}

const imageProblem = (reference: string): string | undefined => {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,511}$/.test(reference)) {
    return "must be an image reference of at most 512 letters, digits and '_.:/@-', and begin with a letter or digit"
  }
  return isHexadecimal(reference) && !fullId.test(reference)
    ? "must not be hexadecimal digits only, which docker would take for an identifier"
    : undefined
}

const labelProblem = (name: string): string | undefined =>
  /^[A-Za-z0-9][A-Za-z0-9_./-]*$/.test(name)
    ? undefined
    : "needs a name of letters, digits, '_', '.', '/' and '-' that begins with a letter or digit"

const variableProblem = (name: string): string | undefined =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? undefined : "needs a name of letters, digits and '_'"

// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f]/

const textProblem = (value: string): string | undefined =>
  controls.test(value) ? "must not have a control character in it" : undefined

const nulProblem = (value: string): string | undefined =>
  value.includes("\0") ? "must not have a NUL byte in it" : undefined

const addressProblem = (address: string): string | undefined =>
  isIPv4(address) ? undefined : "must be an IPv4 address"

const subnetProblem = (subnet: string): string | undefined => {
  const [address = "", prefix = "", ...rest] = subnet.split("/")
  const isPrefix = /^(?:[89]|[12][0-9]|30)$/.test(prefix)
  return isIPv4(address) && isPrefix && rest.length === 0
    ? undefined
    : "must be an IPv4 ADDRESS/PREFIX, its prefix from 8 to 30"
}

const pathProblem = (path: string): string | undefined => {
  if (!path.startsWith("/")) return "must be an absolute path"
  return textProblem(path)
}
