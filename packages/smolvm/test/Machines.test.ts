import * as CommandScript from "@bottle/testing/CommandScript"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Machines from "../src/Machines.js"
import * as SmolvmLayer from "../src/Smolvm.js"
import type { Smolvm } from "../src/Smolvm.js"

type Reply = CommandScript.Reply
type Match = (argv: ReadonlyArray<string>) => boolean

const on = (release: string, replies: ReadonlyArray<Reply>, options?: Partial<SmolvmLayer.SmolvmOptions>) =>
  SmolvmLayer.layer({ program: "smolvm", env: { PATH: "/bin" }, ...options }).pipe(
    Layer.provideMerge(
      CommandScript.layer([{ match: ["smolvm", "--version"], stdout: `smolvm ${release}\n` }, ...replies])
    )
  )

const reply = (line: string, rest: Partial<Reply> = {}): Reply => ({ match: ["smolvm", ...line.split(" ")], ...rest })

/** A create whose argv begins and ends so: a label in the middle has another value every time. */
const begins =
  (line: string): Match =>
  (argv) =>
    argv.join(" ").startsWith(`smolvm ${line}`)

const argvs = Effect.flatMap(CommandScript.CommandScript, ({ recorded }) =>
  Effect.map(recorded, (all) => all.slice(1).map(({ argv }) => argv.slice(1).join(" ")))
)

const runs = (line: string) =>
  waitUntil(
    Effect.map(argvs, (all) => all.some((one) => one.startsWith(line))),
    { boundMillis: 10_000, what: `\`${line}\` to run` }
  )

const notFound: Partial<Reply> = { exit: 1, stderr: "Error: vm not found: box\n" }
const ioFailed: Partial<Reply> = { exit: 1, stderr: "Error: io operation failed: remove: busy\n" }

const status = (fields: object): Partial<Reply> => ({ stdout: JSON.stringify({ name: "box", ...fields }) })

const statusOf = "machine status --name box --json"

/** A machine on a line with labels: how it is created, and what its status shows then of `labels`. */
const labelled = (name = "box", labels = (own: Readonly<Record<string, string>>): object => own) => {
  let own: Readonly<Record<string, string>> = {}
  const create: Reply = {
    match: (argv) => {
      if (!begins("machine create")(argv) || argv.at(-1) !== name) return false
      own = Object.fromEntries(argv.flatMap((word, at) => (argv[at - 1] === "--label" ? [word.split("=")] : [])))
      return true
    }
  }
  const shown: Reply = Object.defineProperty({ match: reply(`machine status --name ${name} --json`).match }, "stdout", {
    get: () => JSON.stringify({ name, state: "created", labels: labels(own) })
  })
  return { create, shown, owner: () => own[Machines.ownerLabel] }
}

/** A machine on a line without labels, whose name was free before. */
const free = reply(statusOf, notFound)

const created = [free, reply("machine create --name box")]
const up = [...created, reply("machine start --name box"), reply("machine exec --name box -- true")]
const box = { create: { name: "box" } }

/** What the releases that failed were told as. */
const telling = () => {
  const told: Array<Machines.MachineNotReleased> = []
  return {
    told,
    onReleaseFailure: (failure: Machines.MachineNotReleased) => Effect.sync(() => void told.push(failure))
  }
}

/** Takes up a machine, does it until `point`, and interrupts it there. */
const interruptedAt = <A, E>(
  effect: Effect.Effect<A, E, Smolvm | Scope.Scope>,
  point: Effect.Effect<void, never, CommandScript.CommandScript>
): Effect.Effect<Exit.Exit<A, E>, never, Smolvm | CommandScript.CommandScript> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Effect.scoped(effect))
    yield* point
    return yield* Fiber.interrupt(fiber)
  })

describe.concurrent("acquire", () => {
  it.scoped("creates, starts and waits; deletes when the scope closes, and not before", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const machine = yield* Machines.acquire(box)
          assert.strictEqual(machine.name, "box")
          assert.notInclude((yield* argvs).join("\n"), "delete")
        })
      )
      assert.strictEqual((yield* argvs).at(-1), "machine delete -f --name box")
    }).pipe(Effect.provide(on("1.5.2", [...up, reply("machine delete -f --name box")])))
  )

  it.effect("stops before it deletes on the line whose delete orphans a running machine", () =>
    Effect.scoped(Machines.acquire(box)).pipe(
      Effect.provide(
        on("0.8.0", [
          free,
          reply("machine create box"),
          reply("machine start --name box"),
          reply("machine exec --name box -- true"),
          reply("machine stop --name box"),
          reply("machine delete -f box")
        ])
      )
    )
  )

  it.effect("names the machine itself where no name is given, and does not look for one before", () =>
    Effect.gen(function* () {
      const { name } = yield* Effect.scoped(Machines.acquire({}))
      const ran = yield* argvs
      assert.match(name, /^vm-[0-9a-f-]{36}$/)
      assert.deepStrictEqual(ran, [
        `machine create --name ${name}`,
        `machine start --name ${name}`,
        `machine exec --name ${name} -- true`,
        `machine delete -f --name ${name}`
      ])
    }).pipe(
      Effect.provide(
        on(
          "1.5.2",
          ["create", "start", "exec", "delete"].map((verb) => ({ match: begins(`machine ${verb}`) }))
        )
      )
    )
  )

  it.effect("waits for no command where it is told so, and as long as it is told elsewhere", () =>
    Effect.scoped(Machines.acquire({ ...box, ready: false })).pipe(
      Effect.provide(
        on("1.5.2", [...created, reply("machine start --name box"), reply("machine delete -f --name box")])
      )
    )
  )

  it.live("deletes a machine that is not ready, at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Machines.acquire({ ...box, ready: { failuresMax: 1 } }))
      assert.strictEqual(error._tag, "MachineNotReady")
      // The scope is still open.
      assert.strictEqual((yield* argvs).at(-1), "machine delete -f --name box")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        on("1.5.2", [
          ...up.slice(0, -1),
          reply("machine exec --name box -- true", { exit: 137 }),
          reply("machine delete -f --name box")
        ])
      )
    )
  )

  it.effect("deletes a machine that does not start, at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Machines.acquire(box))
      assert.strictEqual(error._tag, "CommandFailed")
      assert.strictEqual((yield* argvs).at(-1), "machine delete -f --name box")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        on("1.5.2", [
          ...created,
          reply("machine start --name box", { exit: 1, stderr: "Error: agent operation failed: start: no KVM\n" }),
          reply("machine delete -f --name box")
        ])
      )
    )
  )
})

describe.concurrent("a policy", () => {
  const policy = { create: { name: "box", from: "p.smolmachine", allowHosts: ["10.0.0.1"] } }

  it.effect("that the release drops in silence is refused by acquire, and nothing is created", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.acquire(policy)))
      assert.strictEqual(
        error.message,
        "smolvm 1.5.2 ignores --allow-host of machine create with --from: 1.8.0 or newer is needed"
      )
    }).pipe(Effect.provide(on("1.5.2", [])))
  )

  it.effect("that the release drops in silence is told by create", () =>
    Effect.gen(function* () {
      const { dropped } = yield* Effect.scoped(Machines.create(policy))
      assert.deepStrictEqual(
        dropped.map(({ isPolicy, option }) => [option, isPolicy]),
        [["--allow-host", true]]
      )
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          { match: begins("machine create --from p.smolmachine") },
          reply("machine delete -f --name box")
        ])
      )
    )
  )

  it.effect("that the release holds is no reason to refuse", () => {
    const { create, shown } = labelled()
    return Effect.gen(function* () {
      const { dropped } = yield* Effect.scoped(Machines.acquire({ ...policy, ready: false }))
      assert.deepStrictEqual(dropped, [])
      assert.include((yield* argvs)[0], "machine create --from p.smolmachine")
    }).pipe(
      Effect.provide(
        on("1.8.0", [create, reply("machine start --name box"), shown, reply("machine delete -f --name box")])
      )
    )
  })
})

describe.concurrent("the name", () => {
  it.effect("of somebody else's machine is refused, and that machine stays", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.acquire(box)))
      assert.strictEqual(error._tag, "MachineAlreadyExists")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          reply(statusOf, status({ state: "running" })),
          reply("machine create --name box", {
            exit: 1,
            stderr: "Error: config operation failed: create machine: machine 'box' already exists\n"
          })
        ])
      )
    )
  )

  it.effect("that somebody took in between is refused too, and that machine stays", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.create(box)))
      assert.strictEqual(error._tag, "MachineAlreadyExists")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          reply("machine create --name box", {
            exit: 1,
            stderr: "Error: config operation failed: create machine: machine 'box' already exists or is being created\n"
          })
        ])
      )
    )
  )

  it.effect("of a machine that went while we looked is ours after all", () =>
    Effect.scoped(Machines.create(box)).pipe(
      Effect.provide(
        on("1.5.2", [
          reply(statusOf, status({ state: "stopped" })),
          reply("machine create --name box"),
          reply("machine delete -f --name box")
        ])
      )
    )
  )

  it.live("of a machine that was there stays with it when our create is interrupted", () =>
    Effect.gen(function* () {
      yield* interruptedAt(Machines.create(box), runs("machine create"))
      assert.deepStrictEqual(yield* argvs, [statusOf, "machine create --name box"])
    }).pipe(
      Effect.provide(
        on("1.5.2", [reply(statusOf, status({ state: "stopped" })), reply("machine create --name box", { hang: true })])
      )
    )
  )

  it.live("is proven by a label where there are labels: only our own machine is deleted after an interruption", () =>
    Effect.gen(function* () {
      const own = labelled()
      const another = labelled("box", () => ({ [Machines.ownerLabel]: "another" }))
      const ours = on("1.9.3", [
        { ...own.create, hang: true },
        own.shown,
        reply("machine delete -f --name box"),
        reply(statusOf, { ...notFound, times: 6 })
      ])
      const theirs = on("1.9.3", [
        { ...another.create, hang: true },
        another.shown,
        reply(statusOf, { ...notFound, times: 5 })
      ])
      const interrupted = interruptedAt(Machines.create(box), runs("machine create"))
      yield* Effect.provide(interrupted, ours)
      assert.match(own.owner() ?? "", /^[0-9a-f-]{36}$/)
      yield* Effect.provide(interrupted, theirs)
    })
  )

  it.effect("is not looked for before where a label proves it, and the caller's labels stay", () => {
    const { create, shown } = labelled()
    return Effect.gen(function* () {
      yield* Effect.scoped(Machines.create({ create: { name: "box", labels: [["tier", "test"]] } }))
      const [creating = ""] = yield* argvs
      assert.match(
        creating,
        /^machine create --label tier=test --label bottle\.machines\.owner=[0-9a-f-]{36} --name box$/
      )
    }).pipe(Effect.provide(on("1.9.3", [create, shown, reply("machine delete -f --name box")])))
  })

  it.effect("that somebody has given to another machine since is theirs", () => {
    const { create, shown } = labelled("box", () => ({}))
    return Effect.scoped(Machines.create(box)).pipe(Effect.provide(on("1.9.3", [create, shown])))
  })

  it.live("is not stopped where its machine could not be looked at", () => {
    const { onReleaseFailure, told } = telling()
    return Effect.gen(function* () {
      yield* interruptedAt(Machines.create({ ...box, onReleaseFailure }), runs("machine create"))
      assert.strictEqual(told.length, 1)
      assert.deepStrictEqual(
        (yield* argvs).slice(1).filter((argv) => argv !== statusOf),
        []
      )
    }).pipe(
      Effect.provide(
        on("1.9.3", [{ match: begins("machine create"), hang: true }, reply(statusOf, { ...ioFailed, times: 5 })])
      )
    )
  })
})

describe.concurrent("an interruption", () => {
  const gone = reply("machine delete -f --name box", { ...notFound, times: 6 })

  it.live("while create runs deletes what it has made, and looks until nothing comes any more", () =>
    Effect.gen(function* () {
      const exit = yield* interruptedAt(Machines.acquire(box), runs("machine create"))
      assert.isTrue(Exit.isInterrupted(exit))
      const after = (yield* argvs).slice(2)
      assert.deepStrictEqual(after.slice(0, 3), [statusOf, statusOf, "machine delete -f --name box"])
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          reply("machine create --name box", { hang: true }),
          // It comes late.
          reply(statusOf, notFound),
          reply(statusOf, status({ state: "created" })),
          reply("machine delete -f --name box"),
          reply(statusOf, { ...notFound, times: 6 })
        ])
      )
    )
  )

  it.live("while start runs deletes the machine, and looks until nothing comes any more", () =>
    interruptedAt(Machines.acquire(box), runs("machine start")).pipe(
      Effect.provide(
        on("1.5.2", [
          ...created,
          reply("machine start --name box", { hang: true }),
          reply("machine delete -f --name box"),
          gone
        ])
      )
    )
  )

  it.live("while the first command is awaited deletes the machine", () =>
    interruptedAt(Machines.acquire(box), runs("machine exec")).pipe(
      Effect.provide(
        on("1.5.2", [
          ...up.slice(0, -1),
          reply("machine exec --name box -- true", { hang: true }),
          reply("machine delete -f --name box"),
          gone
        ])
      )
    )
  )

  it.live("while the name is looked for deletes nothing", () =>
    Effect.gen(function* () {
      yield* interruptedAt(Machines.acquire(box), runs("machine status"))
      assert.deepStrictEqual(yield* argvs, [statusOf])
    }).pipe(Effect.provide(on("1.5.2", [reply(statusOf, { hang: true })])))
  )

  it.live("of the scope does not cut a release short", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.scoped(Machines.create(box)))
      yield* runs("machine delete")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Fiber.join(interrupting)
      const { events } = yield* CommandScript.CommandScript
      assert.strictEqual((yield* events).at(-1), "exit smolvm machine delete -f --name box")
    }).pipe(Effect.provide(on("1.5.2", [...created, reply("machine delete -f --name box")])))
  )
})

describe.concurrent("a create", () => {
  it.live("that was killed is looked for, and deleted where it has made something", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.create(box)))
      assert.strictEqual(error._tag, "SmolvmKilled")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          reply("machine create --name box", { signal: "SIGKILL" }),
          reply(statusOf, status({ state: "created" })),
          reply("machine delete -f --name box"),
          reply(statusOf, { ...notFound, times: 6 })
        ])
      )
    )
  )

  it.effect("that failed is looked for once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.create(box)))
      assert.strictEqual(error._tag, "CommandFailed")
    }).pipe(
      Effect.provide(on("1.5.2", [free, reply("machine create --name box", ioFailed), reply(statusOf, notFound)]))
    )
  )

  it.effect("that was refused before it had an effect leaves nothing to look for", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Effect.scoped(Machines.create({ create: { name: "box", cpus: 0 } })))
      assert.strictEqual(refused._tag, "InvalidArgument")
      const usage = yield* Effect.flip(Effect.scoped(Machines.create(box)))
      assert.strictEqual(usage._tag, "SmolvmUsageRefused")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          free,
          reply("machine create --name box", { exit: 2, stderr: "error: unexpected argument\n\nUsage: smolvm\n" })
        ])
      )
    )
  )
})

describe.concurrent("a release", () => {
  it.live("whose delete fails once stops the machine and deletes again", () => {
    const { onReleaseFailure, told } = telling()
    return Effect.gen(function* () {
      yield* Effect.scoped(Machines.create({ ...box, onReleaseFailure }))
      assert.deepStrictEqual(told, [])
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          ...created,
          reply("machine delete -f --name box", ioFailed),
          reply("machine stop --name box"),
          reply("machine delete -f --name box")
        ])
      )
    )
  })

  it.live("finds a success in a machine that is gone after a delete that failed", () => {
    const { onReleaseFailure, told } = telling()
    return Effect.gen(function* () {
      yield* Effect.scoped(Machines.create({ ...box, onReleaseFailure }))
      assert.deepStrictEqual(told, [])
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          ...created,
          reply("machine delete -f --name box", ioFailed),
          reply("machine stop --name box", notFound),
          reply("machine delete -f --name box", notFound)
        ])
      )
    )
  })

  it.effect("of a machine that is gone already is a success, on every line", () =>
    Effect.forEach(["0.8.0", "0.9.0", "1.5.2"], (release) => {
      const { onReleaseFailure, told } = telling()
      const isPositional = release < "1"
      return Effect.gen(function* () {
        yield* Effect.scoped(Machines.create({ ...box, onReleaseFailure }))
        assert.deepStrictEqual(told, [])
      }).pipe(
        Effect.provide(
          on(release, [
            free,
            reply(`machine create ${isPositional ? "" : "--name "}box`),
            ...(release === "0.8.0" ? [reply("machine stop --name box", { stdout: "vm not found: box\n" })] : []),
            reply(`machine delete -f ${isPositional ? "" : "--name "}box`, notFound)
          ])
        )
      )
    })
  )

  it.live("that fails for good is told, typed, and fails nothing", () => {
    const { onReleaseFailure, told } = telling()
    return Effect.gen(function* () {
      const value = yield* Effect.scoped(Effect.as(Machines.create({ ...box, onReleaseFailure }), "done"))
      assert.strictEqual(value, "done")
      assert.strictEqual(told.length, 1)
      const [failure] = told
      assert.deepStrictEqual([failure?._tag, failure?.name, failure?.work], ["MachineNotReleased", "box", "delete"])
      assert.match(failure?.message ?? "", /^machine 'box' could not be deleted: .*remove: busy$/)
      assert.include(failure?.suggestion, "delete it with -f")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          ...created,
          ...Array.from({ length: 5 }, () => [
            reply("machine delete -f --name box", ioFailed),
            reply("machine stop --name box")
          ]).flat()
        ])
      )
    )
  })

  it.live("that takes too long is told, typed, and is ended", () => {
    const { onReleaseFailure, told } = telling()
    return Effect.gen(function* () {
      yield* Effect.scoped(Machines.create({ ...box, onReleaseFailure, releaseMillis: 50 }))
      assert.deepStrictEqual(
        told.map(({ message }) => message),
        ["machine 'box' could not be deleted: that took longer than 50 ms"]
      )
    }).pipe(Effect.provide(on("1.5.2", [...created, reply("machine delete -f --name box", { hang: true })])))
  })

  it.effect("is in the order of the scope: the machine that came last goes first", () => {
    const [one, two] = [labelled("one"), labelled("two")]
    return Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.zipRight(Machines.create({ create: { name: "one" } }), Machines.create({ create: { name: "two" } }))
      )
      const deleted = (yield* argvs).filter((argv) => argv.startsWith("machine delete"))
      assert.deepStrictEqual(deleted, ["machine delete -f --name two", "machine delete -f --name one"])
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          one.create,
          two.create,
          two.shown,
          reply("machine delete -f --name two"),
          one.shown,
          reply("machine delete -f --name one")
        ])
      )
    )
  })
})

describe.concurrent("started", () => {
  const stopped = reply(statusOf, status({ state: "stopped" }))
  const starts = [reply("machine start --name box"), reply("machine exec --name box -- true")]

  it.effect("starts a machine and stops it again, but deletes nothing", () =>
    Effect.scoped(Machines.started({ name: "box" })).pipe(
      Effect.provide(on("1.5.2", [stopped, ...starts, reply("machine stop --name box")]))
    )
  )

  it.effect("leaves a machine alone that ran before, or is in a state that a start does not bring about", () =>
    Effect.forEach(["running", "frozen", "paused"], (state) =>
      Effect.scoped(Machines.started({ name: "box" })).pipe(
        Effect.provide(on("1.5.2", [reply(statusOf, status({ state })), ...starts]))
      )
    )
  )

  it.effect("stops a machine again that did not answer before", () =>
    Effect.scoped(Machines.started({ name: "box" })).pipe(
      Effect.provide(
        on("1.5.2", [reply(statusOf, status({ state: "unreachable" })), ...starts, reply("machine stop --name box")])
      )
    )
  )

  it.effect("fails for a machine that is not there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.started({ name: "box" })))
      assert.strictEqual(error._tag, "MachineNotFound")
    }).pipe(Effect.provide(on("1.5.2", [reply(statusOf, notFound)])))
  )

  it.live("stops the machine when it is interrupted while start runs", () =>
    interruptedAt(Machines.started({ name: "box" }), runs("machine start")).pipe(
      Effect.provide(
        on("1.5.2", [stopped, reply("machine start --name box", { hang: true }), reply("machine stop --name box")])
      )
    )
  )

  it.live("tells of a stop that fails, and takes a machine that is gone for stopped", () => {
    const { onReleaseFailure, told } = telling()
    const use = Effect.scoped(Machines.started({ name: "box", onReleaseFailure }))
    const scripted = (rest: Partial<Reply>) => on("1.5.2", [stopped, ...starts, reply("machine stop --name box", rest)])
    return Effect.gen(function* () {
      yield* Effect.provide(use, scripted(notFound))
      assert.deepStrictEqual(told, [])
      yield* Effect.provide(use, scripted({ ...ioFailed, times: 5 }))
      assert.match(told[0]?.message ?? "", /^machine 'box' could not be stopped: .*busy$/)
      assert.include(told[0]?.suggestion, "Stop machine 'box'")
    })
  })
})

describe.concurrent("forked", () => {
  const fork = { fork: { golden: "base", name: "box" } }
  const cloning = reply("machine fork --golden base --name box")

  it.effect("clones a machine, waits until the clone is ready, and deletes it", () =>
    Effect.scoped(Machines.forked(fork)).pipe(
      Effect.provide(
        on("1.5.2", [free, cloning, reply("machine exec --name box -- true"), reply("machine delete -f --name box")])
      )
    )
  )

  it.effect("waits for no command of a clone that is held", () =>
    Effect.scoped(Machines.forked({ fork: { ...fork.fork, hold: true } })).pipe(
      Effect.provide(
        on("1.9.3", [
          free,
          reply("machine fork --hold --golden base --name box"),
          reply("machine delete -f --name box")
        ])
      )
    )
  )

  it.effect("is refused by a release without forks, and leaves nothing to delete", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Machines.forked(fork)))
      assert.strictEqual(error._tag, "UnsupportedCommand")
    }).pipe(Effect.provide(on("0.9.0", [free])))
  )

  it.live("deletes the clone when it is interrupted while fork runs", () =>
    interruptedAt(Machines.forked(fork), runs("machine fork")).pipe(
      Effect.provide(
        on("1.5.2", [
          free,
          { ...cloning, hang: true },
          reply(statusOf, status({ state: "running" })),
          reply("machine delete -f --name box"),
          reply(statusOf, { ...notFound, times: 6 })
        ])
      )
    )
  )

  it.effect("deletes no machine that had the clone's name, or got it in between", () =>
    Effect.forEach([status({ state: "running" }), notFound], (before) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(Machines.forked(fork)))
        assert.strictEqual(error._tag, "MachineAlreadyExists")
      }).pipe(
        Effect.provide(
          on("1.5.2", [
            reply(statusOf, before),
            { ...cloning, exit: 1, stderr: "Error: config operation failed: fork: machine 'box' already exists\n" }
          ])
        )
      )
    )
  )
})
