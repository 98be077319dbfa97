import * as Effect from "effect/Effect"
import * as Checks from "./checks.js"
import type { Case } from "./model.js"
import { Subject } from "./model.js"

/** What becomes of machines that are created, and never started: nothing of this needs one to boot. */

const invalidNames = ["a/b", "a--b", "a-", "_a", ".a", "a b", "a:b", "ä", "a".repeat(129)]

const naming: ReadonlyArray<Case> = [
  {
    name: "machine create refuses names by smolvm's rules, and takes all others",
    needs: [],
    run: Effect.gen(function* () {
      const suffix = yield* Checks.freshName
      for (const name of invalidNames) {
        yield* Checks.answers(yield* Checks.createLine(name), { code: 1, stderr: /^Error: /m })
      }
      const all = yield* Checks.names
      const made = invalidNames.filter((name) => all.includes(name))
      yield* Checks.verify(made.length === 0, `expected no machine of a name that was refused, got ${made.join(", ")}`)
      const longest = `${suffix}-${"x".repeat(128)}`.slice(0, 128)
      for (const name of [`${suffix}_A`, `9${suffix}`, longest]) {
        const { createArguments } = yield* Subject
        yield* Checks.removeLater(name)
        yield* Checks.succeeds(yield* Checks.createLine(name, createArguments))
        yield* Checks.isListed(name, true)
      }
    })
  },
  {
    name: "machine create without a name chooses one, and says it",
    needs: [],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const called = yield* Checks.succeeds(["machine", "create", ...createArguments])
      const name = /^Created machine: (\S+)/m.exec(Checks.stdoutOf(called))?.[1]
      if (name === undefined) return yield* Checks.failure("expected 'Created machine: NAME' on stdout", called)
      yield* Checks.removeLater(name)
      yield* Checks.isListed(name, true)
    })
  }
]

const creating: ReadonlyArray<Case> = [
  {
    name: "machine create registers a machine that does not run, as status and ls tell it",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created(["--cpus", "2", "--mem", "512"])
      const found = yield* Checks.isIn(name, "created")
      const inList = (yield* Checks.listed).find((one) => one["name"] === name)
      for (const told of [found, inList ?? {}]) {
        yield* Checks.verify(
          told["name"] === name && told["cpus"] === 2 && told["memory_mib"] === 512 && told["pid"] === null,
          `expected 2 cpus, 512 MiB and no process, got ${JSON.stringify(told)}`
        )
      }
    })
  },
  {
    name: "machine create refuses a name that is taken, and leaves the machine that has it as it is",
    needs: [],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const name = yield* Checks.created(["--cpus", "2"])
      const again = yield* Checks.createLine(name, [...createArguments, "--cpus", "3"])
      yield* Checks.fails(again, /already exists/)
      const found = yield* Checks.isIn(name, "created")
      yield* Checks.verify(found["cpus"] === 2, "expected the first machine's 2 cpus")
      yield* Checks.created(["--cpus", "3"])
    })
  },
  {
    name: "machine create says of a taken name that its machine may still be being created",
    needs: [],
    since: "1.0.0",
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const name = yield* Checks.created()
      const again = yield* Checks.createLine(name, createArguments)
      yield* Checks.fails(again, /already exists or is being created/)
    })
  },
  {
    name: "machine create of several machines at once makes them all, and of one name only one",
    needs: [],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const all = yield* Effect.all(
        Array.from({ length: 4 }, () => Checks.created()),
        { concurrency: "unbounded" }
      )
      for (const name of all) yield* Checks.isListed(name, true)
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      const line = yield* Checks.createLine(name, createArguments)
      const both = yield* Effect.all([Checks.call(line), Checks.call(line)], { concurrency: "unbounded" })
      const codes = both.map(({ code }) => code)
      yield* Checks.verify(
        codes.filter((code) => code === 0).length === 1 && codes.includes(1),
        `expected one success and one failure, got the exit codes ${codes.join(" and ")}`
      )
      yield* Checks.isListed(name, true)
    })
  },
  {
    name: "machine create --label is told by ls and status",
    needs: [],
    since: "1.8.0",
    run: Effect.gen(function* () {
      const name = yield* Checks.created(["--label", "team=blue", "--label", "empty=", "--label", "a=b=c"])
      const expected = JSON.stringify([
        ["a", "b=c"],
        ["empty", ""],
        ["team", "blue"]
      ])
      const inList = (yield* Checks.listed).find((one) => one["name"] === name)
      for (const { labels } of [yield* Checks.status(name), inList ?? {}]) {
        yield* Checks.verify(
          JSON.stringify(Object.entries(labels ?? {}).sort()) === expected,
          `expected the three labels, got ${JSON.stringify(labels)}`
        )
      }
      const bare = yield* Checks.status(yield* Checks.created())
      yield* Checks.verify(JSON.stringify(bare["labels"]) === "{}", "expected no labels on a machine without any")
    })
  }
]

/** Fields that status and ls have in every version; `null` where a machine has none. */
const fields: Readonly<Record<string, ReadonlyArray<string>>> = {
  name: ["string"],
  state: ["string"],
  cpus: ["number"],
  memory_mib: ["number"],
  pid: ["number", "null"],
  mounts: ["number"],
  ports: ["number"],
  created_at: ["number"],
  storage_gb: ["number", "null"],
  overlay_gb: ["number", "null"],
  image: ["string", "null"],
  entrypoint: ["array", "null"],
  cmd: ["array", "null"],
  ephemeral: ["boolean"],
  network: ["boolean"]
}

const kindOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)

const told: ReadonlyArray<Case> = [
  {
    name: "machine ls --json lists nothing as []",
    needs: ["alone"],
    run: Effect.gen(function* () {
      const called = yield* Checks.succeeds(["machine", "ls", "--json"])
      yield* Checks.wrote(called, "stdout", "[]\n")
      yield* Checks.created()
      yield* Checks.verify((yield* Checks.listed).length === 1, "expected one machine")
    })
  },
  {
    name: "machine status --json and ls --json have the same fields of the same kinds",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      const one = yield* Checks.status(name)
      const inList = (yield* Checks.listed).find((found) => found["name"] === name) ?? {}
      for (const [field, kinds] of Object.entries(fields)) {
        for (const found of [one, inList]) {
          const kind = field in found ? kindOf(found[field]) : "missing"
          yield* Checks.verify(kinds.includes(kind), `expected ${field} to be ${kinds.join(" or ")}, it is ${kind}`)
        }
      }
      const seconds = Number(one["created_at"])
      yield* Checks.verify(
        Number.isInteger(seconds) && Math.abs(seconds - Date.now() / 1000) < 3600,
        `expected created_at in whole seconds since 1970, got ${seconds}`
      )
      yield* Checks.verify(
        Object.keys(one).sort().join() === Object.keys(inList).sort().join(),
        "expected the same fields from status and from ls"
      )
    })
  },
  {
    name: "machine status fails for a machine that is missing, with and without --json",
    needs: [],
    run: Effect.gen(function* () {
      const missing = yield* Checks.freshName
      yield* Checks.fails(Checks.on("status", missing), /not found/)
      yield* Checks.fails(Checks.on("status", missing, "--json"), /not found/)
      const name = yield* Checks.created()
      yield* Checks.answers(Checks.on("status", name), { code: 0, stdout: new RegExp(name) })
      yield* Checks.answers(["machine", "ls"], { code: 0, stdout: new RegExp(name) })
    })
  }
]

const ending: ReadonlyArray<Case> = [
  {
    name: "machine start, exec and cp fail for a machine that is missing, and make none",
    needs: [],
    run: Effect.gen(function* () {
      const missing = yield* Checks.freshName
      const says = new RegExp(`vm not found: ${missing}$`, "m")
      yield* Checks.fails(Checks.on("start", missing), says)
      yield* Checks.fails(Checks.on("exec", missing, "--", "true"), says)
      yield* Checks.fails(["machine", "cp", `${missing}:/etc/hostname`, "never-written"], says)
      yield* Checks.isListed(missing, false)
    })
  },
  {
    name: "machine exec and cp fail for a machine that does not run, and say how to start it",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      const says = new RegExp(`machine '${name}' is not running`)
      yield* Checks.fails(Checks.on("exec", name, "--", "true"), says)
      yield* Checks.fails(["machine", "cp", `${name}:/etc/hostname`, "never-written"], says)
      yield* Checks.isIn(name, "created")
    })
  },
  {
    name: "machine stop of one that does not run is a success that says so",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      yield* Checks.answers(Checks.on("stop", name), { code: 0, stdout: /is not running \(state: created\)/ })
      yield* Checks.isIn(name, "created")
    })
  },
  {
    name: "machine stop of one that is missing is a success",
    needs: [],
    before: "0.8.1",
    run: Effect.gen(function* () {
      const missing = yield* Checks.freshName
      yield* Checks.succeeds(Checks.on("stop", missing))
      yield* Checks.isListed(missing, false)
      const name = yield* Checks.created()
      yield* Checks.succeeds(Checks.on("stop", name))
      yield* Checks.isListed(name, true)
    })
  },
  {
    name: "machine stop of one that is missing is a failure",
    needs: [],
    since: "0.8.1",
    run: Effect.gen(function* () {
      yield* Checks.fails(Checks.on("stop", yield* Checks.freshName), /not found/)
      yield* Checks.succeeds(Checks.on("stop", yield* Checks.created()))
    })
  },
  {
    name: "machine delete -f removes a machine; a second one fails, and so does that of a missing one",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      const other = yield* Checks.created()
      const line = yield* Checks.deleteLine(name)
      yield* Checks.succeeds(line)
      yield* Checks.isListed(name, false)
      yield* Checks.isListed(other, true)
      yield* Checks.fails(line, new RegExp(`vm not found: ${name}$`, "m"))
      yield* Checks.fails(Checks.on("status", name, "--json"), /not found/)
    })
  },
  {
    name: "machine delete without -f asks first: at the end of its input it keeps the machine and exits 0",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      const line = yield* Checks.deleteLine(name, [])
      yield* Checks.answers(line, { code: 0, stdout: /Cancelled/ })
      yield* Checks.isListed(name, true)
      yield* Checks.answers(line, { code: 0, stdout: /Cancelled/ }, { stdin: "n\n" })
      yield* Checks.isListed(name, true)
      yield* Checks.succeeds(line, { stdin: "y\n" })
      yield* Checks.isListed(name, false)
    })
  },
  {
    name: "a name is free again once its machine is deleted",
    needs: [],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const name = yield* Checks.created(["--cpus", "2"])
      yield* Checks.succeeds(yield* Checks.deleteLine(name))
      yield* Checks.succeeds(yield* Checks.createLine(name, [...createArguments, "--cpus", "3"]))
      const { cpus } = yield* Checks.status(name)
      yield* Checks.verify(cpus === 3, "expected the new machine's 3 cpus")
    })
  }
]

export const cases: ReadonlyArray<Case> = [...naming, ...told, ...creating, ...ending]
