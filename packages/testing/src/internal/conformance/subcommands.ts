import * as Effect from "effect/Effect"
import * as Checks from "./checks.js"
import type { Case } from "./model.js"

/** What the subcommands do that a machine's life does not need. */

/** An update of a machine that is missing, which says so. */
export const updatesNothing = (missing: string): Checks.Checked<void> =>
  Effect.gen(function* () {
    yield* Checks.fails(yield* Checks.styled("update", missing, ["--cpus", "3"]), /vm not found: /)
  })

const updating: ReadonlyArray<Case> = [
  {
    name: "machine update changes a machine that does not run, and only what it is told to",
    needs: ["subcommands"],
    run: Effect.gen(function* () {
      const name = yield* Checks.created(["--cpus", "2", "--mem", "512"])
      yield* Checks.succeeds(yield* Checks.styled("update", name, ["--cpus", "3"]))
      const found = yield* Checks.isIn(name, "created")
      yield* Checks.verify(
        found["cpus"] === 3 && found["memory_mib"] === 512,
        `expected 3 cpus and 512 MiB, got ${JSON.stringify(found)}`
      )
      yield* Checks.isUsageError(yield* Checks.styled("update", name, ["--cpus", "many"]))
      yield* updatesNothing(yield* Checks.freshName)
    })
  },
  {
    name: "machine update refuses a variable without a value",
    needs: ["subcommands"],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      yield* Checks.answers(yield* Checks.styled("update", name, ["-e", "NO_VALUE"]), { code: "failure" })
      yield* Checks.succeeds(yield* Checks.styled("update", name, ["-e", "NAME=value"]))
    })
  },
  {
    name: "machine update --no-net takes the network away",
    needs: ["subcommands", "network"],
    run: Effect.gen(function* () {
      const name = yield* Checks.created(["--net"])
      yield* Checks.succeeds(yield* Checks.styled("update", name, ["--no-net"]))
      const { network } = yield* Checks.status(name)
      yield* Checks.verify(network === false, "expected no network")
      yield* Checks.isUsageError(yield* Checks.styled("update", name, ["--net", "--no-net"]))
    })
  }
]

const forking: ReadonlyArray<Case> = [
  {
    name: "machine fork refuses machines that are missing or do not run, and makes no clone",
    needs: ["subcommands"],
    since: "1.0.2",
    run: Effect.gen(function* () {
      const clone = yield* Checks.freshName
      yield* Checks.removeLater(clone)
      const fork = (golden: string) => ["machine", "fork", "--golden", golden, "--name", clone]
      const golden = yield* Checks.created()
      yield* Checks.answers(fork(yield* Checks.freshName), { code: 1, stderr: /^Error: /m })
      yield* Checks.answers(fork(golden), { code: 1, stderr: /^Error: /m })
      yield* Checks.isUsageError(["machine", "fork", "--golden", golden, "--name", clone, "--golden", golden])
      yield* Checks.isListed(clone, false)
      yield* Checks.isIn(golden, "created")
    })
  },
  {
    name: "machine fork clones a machine that runs and was started to be forked",
    needs: ["subcommands", "guest"],
    since: "1.0.2",
    run: Effect.gen(function* () {
      const golden = yield* Checks.created()
      yield* Checks.succeeds(Checks.on("start", golden, "--forkable"))
      const clone = yield* Checks.freshName
      yield* Checks.removeLater(clone)
      yield* Checks.succeeds(["machine", "fork", "--golden", golden, "--name", clone])
      yield* Checks.isIn(clone, "running")
      yield* Checks.succeeds(yield* Checks.deleteLine(clone))
      yield* Checks.isListed(golden, true)
      const plain = yield* Checks.running()
      yield* Checks.answers(["machine", "fork", "--golden", plain, "--name", clone], { code: 1, stderr: /^Error: /m })
    })
  }
]

const telling: ReadonlyArray<Case> = [
  {
    name: "machine data-dir prints where a machine's files are, and fails for one that is missing",
    needs: ["subcommands"],
    run: Effect.gen(function* () {
      const name = yield* Checks.created()
      yield* Checks.answers(yield* Checks.styled("data-dir", name), { code: 0, stdout: /^\/\S+\n$/ })
      yield* Checks.fails(yield* Checks.styled("data-dir", yield* Checks.freshName), /not found/)
    })
  },
  {
    name: "machine egress-events --json prints a list, and fails for a machine that is missing",
    needs: ["subcommands", "guest", "network"],
    since: "1.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running(["--net", "--allow-host", "10.0.0.1"])
      yield* Checks.answers(Checks.on("egress-events", name, "--json"), { code: 0, stdout: /^\[[^]*\]\n$/ })
      yield* Checks.fails(Checks.on("egress-events", yield* Checks.freshName, "--json"), /not found/)
    })
  },
  {
    name: "machine run refuses a command that looks like an image, and leaves no machine",
    needs: [],
    run: Effect.gen(function* () {
      const before = (yield* Checks.names).length
      yield* Checks.answers(["machine", "run", "--", "alpine:3.20", "true"], { code: "failure" })
      yield* Checks.answers(["machine", "run"], { code: "failure" })
      yield* Checks.verify((yield* Checks.names).length === before, "expected no machine to be left")
      yield* Checks.created()
    })
  }
]

export const cases: ReadonlyArray<Case> = [...updating, ...forking, ...telling]
