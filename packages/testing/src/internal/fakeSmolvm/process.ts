import type * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Environment from "@bottle/process/Environment"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type How, type Misbehaviour, strayNote } from "../../Misbehaviour.js"
import * as InMemoryProcess from "../inMemoryProcess.js"
import { type Call, type Done, done, fail, isTold, type Stop } from "./call.js"
import * as Faults from "./faults.js"
import { handlers } from "./handlers.js"
import { refusal } from "./rules.js"
import type { World } from "./world.js"

/** A misbehaviour, and how many processes it is still meant for. */
export interface Pending {
  readonly misbehaviour: Misbehaviour
  left: number
}

/** A process of the fake's, its pipes and what went through them. */
export interface Run {
  readonly process: InMemoryProcess.InMemoryProcess
  readonly faults: ReadonlyArray<How>
  readonly printed: { readonly stdout: Array<Uint8Array>; readonly stderr: Array<Uint8Array> }
  readonly stdout: Mailbox.Mailbox<Uint8Array>
  readonly stderr: Mailbox.Mailbox<Uint8Array>
  readonly stdin: Mailbox.Mailbox<Uint8Array>
}

/** A process that is about to start, and what it will do wrong. */
export const make = (
  world: World,
  command: Command.StandardCommand,
  pending: ReadonlyArray<Pending>,
  note: (event: string) => Effect.Effect<void>
): Effect.Effect<Run> =>
  Effect.gen(function* () {
    const faults = take(world, command.args, pending)
    const stdin = yield* Mailbox.make<Uint8Array>()
    const process = yield* InMemoryProcess.make(
      command,
      { note, onInput: (bytes) => Effect.asVoid(stdin.offer(bytes)), onInputEnd: Effect.asVoid(stdin.end) },
      faults.some((fault) => fault.how === "hang" && fault.ignoresSigterm === true)
    )
    return {
      process,
      faults,
      printed: { stdout: [], stderr: [] },
      stdout: yield* Mailbox.make<Uint8Array>(),
      stderr: yield* Mailbox.make<Uint8Array>(),
      stdin
    }
  })

/** Starts it; the scope ends it. */
export const start = (
  world: World,
  run: Run,
  index: number
): Effect.Effect<CommandExecutor.Process, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { process } = run
    yield* process.surroundings.note(`start ${InMemoryProcess.words(process.argv)}`)
    yield* Effect.addFinalizer(() => InMemoryProcess.close(process, Effect.dieMessage))
    yield* InMemoryProcess.feed(process)
    const work = Effect.flatMap(main(world, run), (ending) => InMemoryProcess.end(process, ending)).pipe(
      // A guest or a misbehaviour of the test's that breaks must not leave whoever waits for the process waiting.
      Effect.catchAllDefect((defect) => Effect.asVoid(Deferred.die(process.ended, defect)))
    )
    yield* Effect.raceFirst(work, Effect.asVoid(Deferred.await(process.ended))).pipe(
      Effect.ensuring(Effect.zipRight(run.stdout.end, run.stderr.end)),
      Effect.forkScoped
    )
    return InMemoryProcess.toProcess(process, {
      id: "@bottle/testing/FakeSmolvm/Process",
      index,
      stdout: Mailbox.toStream(run.stdout),
      stderr: Mailbox.toStream(run.stderr)
    })
  })

/** What the command's misbehaviours are, each used once more. */
const take = (world: World, args: ReadonlyArray<string>, pending: ReadonlyArray<Pending>): ReadonlyArray<How> => {
  const parsed = world.release.parse(args)
  const command = Either.match(parsed, {
    onLeft: () => args.join(" "),
    onRight: (invocation) => (invocation.special === undefined ? invocation.command : args.join(" "))
  })
  const meant = pending.filter(
    ({ left, misbehaviour: { when } }) => left > 0 && (typeof when === "string" ? when === command : when(args))
  )
  for (const each of meant) each.left -= 1
  return meant.map(({ misbehaviour }) => misbehaviour)
}

const main = (world: World, run: Run): Effect.Effect<InMemoryProcess.Ending> =>
  Effect.gen(function* () {
    const { faults } = run
    const write: Call["write"] = (stream, content) =>
      Effect.suspend(() => {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
        if (bytes.length === 0) return Effect.void
        run.printed[stream].push(bytes)
        return run[stream].offer(bytes)
      })
    if (world.release.version === "1.7.0") yield* write("stderr", strayNote)
    yield* Faults.begin(faults, write)
    const finish = (end: Done) =>
      Effect.as(Effect.zipRight(write("stdout", Faults.garbled(faults, end.stdout)), write("stderr", end.stderr)), {
        code: end.code
      })
    return yield* Effect.matchEffect(answer(world, run, write), {
      onSuccess: finish,
      onFailure: (stop): Effect.Effect<InMemoryProcess.Ending> =>
        "signal" in stop ? Effect.succeed(stop) : finish({ code: stop.code, stdout: "", stderr: stop.stderr })
    })
  })

const answer = (world: World, run: Run, write: Call["write"]): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { command } = run.process
    const parsed = world.release.parse(command.args)
    const moment = Faults.moments(run.faults)
    yield* moment("before")
    if (Either.isLeft(parsed)) return yield* Effect.fail({ code: 2, stderr: parsed.left.stderr })
    const invocation = parsed.right
    if (invocation.special === "version") return done(`smolvm ${world.release.version}\n`)
    if (invocation.special === "help") return done(world.release.help(invocation.command))
    const own = Object.fromEntries(HashMap.toEntries(command.env))
    const call: Call = {
      world: isTold(run, "pretend") ? shadow(world) : world,
      invocation,
      env: command.extendEnv ? { ...(yield* Environment.host), ...own } : own,
      cwd: Option.getOrElse(command.cwd, () => "/"),
      stdin: Mailbox.toStream(run.stdin),
      write,
      moment,
      faults: run.faults
    }
    const reason = refusal(call)
    if (reason !== undefined) return yield* fail(reason)
    const handler = handlers[invocation.command]
    if (handler === undefined) return yield* fail(`config operation failed: ${invocation.command}: not in the fake`)
    const end = yield* handler(call)
    yield* moment("after")
    return end
  })

/** A world in which everything can be done and nothing stays done. */
const shadow = (world: World): World => ({
  ...world,
  host: { ...world.host, write: () => undefined },
  machines: new Map(world.machines),
  reserved: new Set(world.reserved),
  starting: new Set(world.starting),
  orphans: [...world.orphans],
  processes: new Map(),
  registry: new Map(world.registry)
})
