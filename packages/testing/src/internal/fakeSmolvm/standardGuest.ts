import * as Reap from "@bottle/smolvm/Reap"
import * as Witness from "@bottle/smolvm/Witness"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { GuestCommand, GuestExit } from "../../FakeGuest.js"
import * as Shell from "./shell.js"

/** The programs that every guest has. */
export const guest = (command: GuestCommand): Effect.Effect<GuestExit> | undefined => {
  const program = (command.words[0] ?? "").replace(/^\/(?:usr\/)?bin\//, "")
  return Object.hasOwn(table, program) ? table[program]?.(command) : undefined
}

type Program = (command: GuestCommand) => Effect.Effect<GuestExit>

const code = (number: number): GuestExit => ({ code: number })

const exits =
  (number: number): Program =>
  () =>
    Effect.succeed(code(number))

const says = (command: GuestCommand, text: string, number = 0): Effect.Effect<GuestExit> =>
  Effect.as(command.write(number === 0 ? "stdout" : "stderr", text), code(number))

/** A path of the guest's, from the directory that a command is in. */
const at = ({ workdir }: GuestCommand, path: string): string =>
  path.startsWith("/") ? path : `${workdir.replace(/\/$/, "")}/${path}`

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\\": "\\", "0": "\0", a: "\u0007" }

const unescape = (text: string): Uint8Array => {
  const bytes: Array<Buffer> = []
  for (const [whole, octal, letter] of text.matchAll(/\\(?:0?([0-7]{1,3})|([^]))|[^\\]+/g)) {
    if (octal !== undefined) bytes.push(Buffer.of(Number.parseInt(octal, 8) & 255))
    else bytes.push(Buffer.from(letter === undefined ? whole : (escapes[letter] ?? whole)))
  }
  return Buffer.concat(bytes)
}

/** `%s`, `%d` and `%%`; the format is used again while there are arguments, as printf does. */
const printf: Program = (command) => {
  const [, format = "", ...values] = command.words
  const queue = [...values]
  const chunks: Array<Uint8Array> = []
  do {
    const text = format.replace(/%([sdb%])/g, (_, letter: string) =>
      letter === "%" ? "%" : (queue.shift() ?? (letter === "d" ? "0" : "")).replaceAll("\\", "\\\\")
    )
    chunks.push(unescape(text))
  } while (queue.length > 0 && /%[sdb]/.test(format))
  return Effect.as(command.write("stdout", Buffer.concat(chunks)), code(0))
}

const cat: Program = (command) =>
  Effect.gen(function* () {
    const paths = command.words.slice(1)
    let status = 0
    for (const path of paths.length === 0 ? ["-"] : paths) {
      if (path === "-") {
        yield* Stream.runForEach(command.stdin, (bytes) => command.write("stdout", bytes))
        continue
      }
      const found = path === "/dev/null" ? new Uint8Array(0) : command.files.read(at(command, path))
      if (found === undefined) {
        status = 1
        yield* command.write("stderr", `cat: can't open '${path}': No such file or directory\n`)
      } else yield* command.write("stdout", found)
    }
    return code(status)
  })

const remove: Program = (command) => {
  const force = command.words.includes("-f")
  const paths = command.words.slice(1).filter((word) => !word.startsWith("-"))
  const missing = paths.filter((path) => command.files.read(at(command, path)) === undefined)
  for (const path of paths) command.files.remove(at(command, path))
  return force || missing.length === 0
    ? Effect.succeed(code(0))
    : says(command, `rm: can't remove '${missing[0]}': No such file or directory\n`, 1)
}

const test: Program = (command) => {
  const isBracket = command.words[0]?.endsWith("[") === true
  const operands = command.words.slice(1, isBracket && command.words.at(-1) === "]" ? -1 : undefined)
  const result = condition(command, operands)
  return result === undefined
    ? says(command, "test: not understood by the fake guest\n", 2)
    : Effect.succeed(code(result ? 0 : 1))
}

const condition = (command: GuestCommand, [first = "", second, third]: ReadonlyArray<string>): boolean | undefined => {
  if (second === undefined) return first !== ""
  if (third !== undefined) return second === "=" ? first === third : second === "!=" ? first !== third : undefined
  switch (first) {
    case "!":
      return second === ""
    case "-n":
      return second !== ""
    case "-z":
      return second === ""
    case "-e":
    case "-f":
    case "-r":
      return command.files.read(at(command, second)) !== undefined
    case "-s":
      return (command.files.read(at(command, second))?.length ?? 0) > 0
    default:
      return undefined
  }
}

/** `head -c BYTES FILE...` */
const head: Program = (command) => {
  const [option, bytes = "0", path] = command.words.slice(1)
  if (option !== "-c" || path === undefined) return says(command, "head: not understood by the fake guest\n", 2)
  const found = command.files.read(at(command, path))
  return found === undefined
    ? says(command, `head: ${path}: No such file or directory\n`, 1)
    : Effect.as(command.write("stdout", found.subarray(0, Number(bytes))), code(0))
}

/** `timeout [-s SIGNAL] [-k SECONDS] SECONDS COMMAND...`: a command that takes too long is ended at once. */
const timeout: Program = (command) => {
  const words = command.words.slice(1)
  let isKilled = false
  while (words[0] === "-s" || words[0] === "-k") {
    const [option, value] = words.splice(0, 2)
    isKilled ||= option === "-s" && (value === "KILL" || value === "9" || value === "SIGKILL")
  }
  const [seconds, ...inner] = words
  const millis = Number((seconds ?? "").replace(/s$/, "")) * 1000
  return Effect.map(
    Effect.timeoutOption(command.run({ words: inner }), millis),
    Option.getOrElse(() => code(isKilled ? 137 : 124))
  )
}

const sleep: Program = (command) => {
  const seconds = command.words[1] === "infinity" ? Number.POSITIVE_INFINITY : Number(command.words[1])
  if (Number.isNaN(seconds)) return says(command, `sleep: invalid number '${command.words[1] ?? ""}'\n`, 1)
  return seconds === Number.POSITIVE_INFINITY ? Effect.never : Effect.as(Effect.sleep(seconds * 1000), code(0))
}

const numbers: Readonly<Record<string, number>> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, PIPE: 13, TERM: 15 }

const kill: Program = (command) =>
  Effect.gen(function* () {
    const words = command.words.slice(1)
    const given = words[0]?.startsWith("-") === true ? words[0].slice(1) : undefined
    const signal = given === undefined ? 15 : (numbers[given.replace(/^SIG/, "")] ?? Number(given))
    const pids = (given === undefined ? words : words.slice(1)).map(Number)
    if (!Number.isInteger(signal)) return yield* says(command, `kill: bad signal name '${given ?? ""}'\n`, 1)
    const reached = yield* command.signal(signal, ({ pid }) => pids.includes(pid))
    return reached > 0 ? code(0) : yield* says(command, "kill: No such process\n", 1)
  })

const variables = (command: GuestCommand): string =>
  Object.entries(command.env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("")

const env: Program = (command) => {
  const rest = command.words.slice(1)
  const first = rest.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word))
  const assigned = first < 0 ? rest : rest.slice(0, first)
  const own = Object.fromEntries(
    assigned.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
  )
  const all = { ...command.env, ...own }
  return first < 0
    ? says({ ...command, env: all }, variables({ ...command, env: all }))
    : command.run({ words: rest.slice(first), env: all })
}

const printenv: Program = (command) => {
  const names = command.words.slice(1)
  if (names.length === 0) return says(command, variables(command))
  const found = names.flatMap((name) => command.env[name] ?? [])
  return Effect.map(says(command, found.map((value) => `${value}\n`).join("")), () =>
    code(found.length === names.length ? 0 : 1)
  )
}

const shell: Program = (command) =>
  Effect.gen(function* () {
    if (isReap(command.words)) return yield* reap(command)
    if (isWatched(command.words)) return yield* watch(command)
    if (command.words[1] === "-c") {
      const [text = "", name = "sh", ...positional] = command.words.slice(2)
      return yield* runScript(command, text, name, positional)
    }
    if (command.words.length > 1) return yield* says(command, "sh: not understood by the fake guest\n", 2)
    const chunks = yield* Stream.runCollect(command.stdin)
    return yield* runScript(command, Buffer.concat([...chunks]).toString(), "sh", [])
  })

/** The script of smolvm's `Reap`, which needs more of a shell than there is here. */
const isReap = ([, option, text, , , place = ""]: ReadonlyArray<string>): boolean =>
  option === "-c" && Witness.isPlace(place) && text === Reap.command({ place })[2]

/** What that script does: ends all that has the mark, and waits for it. */
const reap: Program = (command) =>
  Effect.gen(function* () {
    const [, , , , mark = "", place = ""] = command.words
    yield* command.signal(9, ({ env, pid }) => pid !== command.pid && env[Witness.MARK] === mark)
    for (const left of [place, `${place}.in`]) command.files.remove(left)
    return yield* says(command, "gone")
  })

const wrapped = (isStaged: boolean): string | undefined => Witness.wrap("", [], { timeoutMillis: 1, isStaged })[2]

/** The script of smolvm's `Witness` that ends its command in time, which needs more of a shell too. */
const isWatched = ([, option, text]: ReadonlyArray<string>): boolean =>
  option === "-c" && (text === wrapped(false) || text === wrapped(true))

/** What that script does: a command whose time is over is killed, with all that has its mark. */
const watch: Program = (command) =>
  Effect.gen(function* () {
    const [, , text, , place = "", seconds = "", , ...words] = command.words
    const staged = command.files.read(`${place}.in`)
    if (text === wrapped(true)) {
      if (staged === undefined) return yield* says(command, `sh: can't open ${place}.in: no such file\n`, 2)
      command.files.remove(`${place}.in`)
    }
    const inner = command.run({ words, ...(staged === undefined ? {} : { stdin: Stream.make(staged) }) })
    const ended = yield* Effect.timeoutOption(inner, Number(seconds) * 1000)
    const note = (said: string) => Effect.sync(() => command.files.write(place, new TextEncoder().encode(said)))
    if (Option.isNone(ended)) {
      yield* command.signal(9, ({ env, pid }) => pid !== command.pid && env[Witness.MARK] === Witness.markOf(place))
      return yield* Effect.as(note(Witness.OVERDUE), code(124))
    }
    const status = yield* statusOf(command, "sh", words, ended.value)
    if (status !== 0) yield* note(String(status))
    return code(status)
  })

/** What a shell makes of a command's end. */
const statusOf = (
  { write }: Pick<GuestCommand, "write">,
  name: string,
  [program = ""]: ReadonlyArray<string>,
  ended: GuestExit
): Effect.Effect<number> =>
  ended === "not found"
    ? Effect.as(write("stderr", `${name}: ${program}: not found\n`), 127)
    : Effect.succeed("code" in ended ? ended.code : 128 + ended.signal)

const runScript = (
  command: GuestCommand,
  text: string,
  name: string,
  args: ReadonlyArray<string>
): Effect.Effect<GuestExit> =>
  Effect.gen(function* () {
    const script = Shell.parse(text)
    if ("unknown" in script) {
      return yield* says(command, `${name}: not understood by the fake guest: ${script.unknown}\n`, 2)
    }
    const state: State = {
      status: 0,
      workdir: command.workdir,
      env: { ...command.env },
      positional: args,
      streams: {},
      over: undefined
    }
    for (const simple of script.commands) {
      if (simple.join === "&&" && state.status !== 0) continue
      if (simple.join === "||" && state.status === 0) continue
      const ended = yield* runSimple(command, name, simple, state)
      if (state.over !== undefined) return state.over
      state.status = simple.negated ? (ended === 0 ? 1 : 0) : ended
    }
    return code(state.status)
  })

interface State {
  status: number
  workdir: string
  env: Record<string, string>
  positional: ReadonlyArray<string>
  /** What the shell itself was redirected to. */
  streams: Streams
  /** How the shell ends, once it does. */
  over: GuestExit | undefined
}

const runSimple = (shell: GuestCommand, name: string, simple: Shell.Simple, state: State): Effect.Effect<number> =>
  Effect.gen(function* () {
    const parameters: Shell.Parameters = {
      get: (parameter) =>
        parameter === "?"
          ? String(state.status)
          : parameter === "$"
            ? String(shell.pid)
            : parameter === "0"
              ? name
              : (state.env[parameter] ?? ""),
      positional: state.positional
    }
    const firstWord = simple.words.findIndex((word) => Shell.assignment(word) === undefined)
    const assigned = (firstWord < 0 ? simple.words : simple.words.slice(0, firstWord)).flatMap((word) => {
      const found = Shell.assignment(word)
      return found === undefined ? [] : [[found.name, Shell.expandText(found.value, parameters)] as const]
    })
    const words = (firstWord < 0 ? [] : simple.words.slice(firstWord)).flatMap((word) => Shell.expand(word, parameters))
    const streams = redirect({ ...shell, ...state.streams, workdir: state.workdir }, simple.redirections, parameters)
    if (typeof streams === "string") {
      yield* shell.write("stderr", `${name}: ${streams}\n`)
      return 2
    }
    if (words.length === 0) {
      for (const [key, value] of assigned) state.env[key] = value
      return 0
    }
    const own = builtin(words, state)
    if (own !== undefined) return own
    const isLast = words[0] === "exec"
    if (isLast && words.length === 1) {
      state.streams = { ...state.streams, ...streams }
      return 0
    }
    const ended = yield* shell.run({
      words: isLast ? words.slice(1) : words,
      env: { ...state.env, ...Object.fromEntries(assigned) },
      workdir: state.workdir,
      ...state.streams,
      ...streams
    })
    const status = yield* statusOf(
      { write: streams.write ?? shell.write },
      name,
      isLast ? words.slice(1) : words,
      ended
    )
    if (isLast) state.over = code(status)
    return status
  })

const builtin = (words: ReadonlyArray<string>, state: State): number | undefined => {
  const [program, first] = words
  switch (program) {
    case "exit":
      state.over = code(first === undefined ? state.status : Number(first) & 255)
      return state.status
    case "cd":
      state.workdir = first ?? "/"
      return 0
    case "export":
      for (const word of words.slice(1)) {
        const equals = word.indexOf("=")
        if (equals > 0) state.env[word.slice(0, equals)] = word.slice(equals + 1)
      }
      return 0
    case "shift":
      state.positional = state.positional.slice(1)
      return 0
    case "trap":
    case "umask":
      return 0
    case "set":
      if (first === "--") state.positional = words.slice(2)
      return 0
    default:
      return undefined
  }
}

type Streams = Partial<Pick<GuestCommand, "stdin" | "write">>

/** The streams that redirections make, or why they cannot be made. */
const redirect = (
  shell: GuestCommand,
  redirections: ReadonlyArray<Shell.Redirection>,
  parameters: Shell.Parameters
): Streams | string => {
  type Write = (content: string | Uint8Array) => Effect.Effect<void>
  const to: { stdout: Write; stderr: Write } = {
    stdout: (content) => shell.write("stdout", content),
    stderr: (content) => shell.write("stderr", content)
  }
  let stdin: Stream.Stream<Uint8Array> | undefined
  for (const { descriptor, mode, target } of redirections) {
    const path = Shell.expandText(target, parameters)
    const stream = descriptor === 2 ? "stderr" : "stdout"
    if (mode === "read") {
      const bytes = path === "/dev/null" ? new Uint8Array(0) : shell.files.read(at(shell, path))
      if (bytes === undefined) return `can't open ${path}: no such file`
      stdin = Stream.make(bytes)
    } else if (mode === "duplicate") {
      to[stream] = path === "2" ? to.stderr : to.stdout
    } else if (path === "/dev/null") {
      to[stream] = () => Effect.void
    } else {
      const file = at(shell, path)
      const before = mode === "append" ? shell.files.read(file) : undefined
      const problem = shell.files.write(file, before ?? new Uint8Array(0))
      if (problem !== undefined) return `can't create ${path}: ${problem}`
      to[stream] = (content) => Effect.sync(() => append(shell, file, content))
    }
  }
  return {
    ...(stdin === undefined ? {} : { stdin }),
    ...(redirections.length === 0 ? {} : { write: (stream, content) => to[stream](content) })
  }
}

const append = (shell: GuestCommand, file: string, content: string | Uint8Array): void => {
  const before = shell.files.read(file) ?? new Uint8Array(0)
  shell.files.write(file, Buffer.concat([before, typeof content === "string" ? Buffer.from(content) : content]))
}

const table: Readonly<Record<string, Program>> = {
  true: exits(0),
  ":": exits(0),
  false: exits(1),
  echo: (command) => {
    const isBare = command.words[1] === "-n"
    return says(command, `${command.words.slice(isBare ? 2 : 1).join(" ")}${isBare ? "" : "\n"}`)
  },
  printf,
  cat,
  env,
  printenv,
  pwd: (command) => says(command, `${command.workdir}\n`),
  sleep,
  test,
  head,
  timeout,
  "[": test,
  rm: remove,
  kill,
  sh: shell
}
