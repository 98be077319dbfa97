/** Bottles whose owner dies: nobody is there to take them down, and nothing of them may be left. */
import * as FaultyProgram from "@bottle/testing/FaultyProgram"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Images, Setup } from "./bundles.js"
import { flags, makeImages, recordOf, setups, titled, TIMEOUT_MILLIS } from "./bundles.js"
import type { Home, Running } from "./harness.js"
import { inHome, ordinary } from "./harness.js"

let images: Images | undefined
beforeAll(async () => {
  images = await makeImages()
}, TIMEOUT_MILLIS)
afterAll(() => images?.close())

const waitFor = (what: string, condition: () => boolean | Promise<boolean>): Promise<void> =>
  Effect.runPromise(
    waitUntil(
      Effect.promise(async () => condition()),
      { boundMillis: 90_000, everyMillis: 50, what }
    )
  )

/** Nobody waits for a recovery, but it comes, and has an end. */
const goneIn = async (home: Home): Promise<void> => {
  let left: ReadonlyArray<string> = []
  try {
    await waitFor("nothing to be left", async () => {
      left = await home.left()
      return left.length === 0
    })
  } catch {
    assert.deepStrictEqual(left, [])
  }
}

const below = (home: Home, path: string): ReadonlyArray<string> => {
  const directory = home.path(`home/.local/state/bottle/${path}`)
  return Fs.existsSync(directory) ? Fs.readdirSync(directory).filter((name) => !name.startsWith(".")) : []
}

/** Kills the owner, and nobody else. */
const kill = async ({ child, ended }: Running): Promise<void> => {
  child.kill("SIGKILL")
  // Its output has ended too: nothing that goes on without it holds that open.
  assert.strictEqual((await ended).signal, "SIGKILL")
}

/** The processes of a home whose argv holds the text. */
const processesOf = async (home: Home, text: string): Promise<ReadonlyArray<number>> =>
  (await Effect.runPromise(Survivors.find(home.marker))).processes
    .filter((line) => line.includes(text))
    .map((line) => Number.parseInt(line, 10))

const HANDLE = "/bin/sh -c trap"

const endsOf = (home: Home): ReadonlyArray<unknown> =>
  recordOf(home)
    .read("launch.jsonl")
    .split("\n")
    .flatMap((line) => {
      try {
        const { _tag, code, error, origin } = JSON.parse(line)
        return _tag === "Ended" ? [{ code, error, origin }] : []
      } catch {
        return []
      }
    })

const OWNER_DIED = { code: null, error: "OwnerDied", origin: "unknown" }

const lasting = (setup: Setup): ReadonlyArray<string> => [
  ...["run", "-q", ...flags(setup, images), "--allow", "a.test"],
  ...["--", "sh", "-c", "echo begun; (trap '' TERM HUP; setsid sleep 1000) & exec sleep 1000"]
]

describe.concurrent("a bottle whose owner is killed", { timeout: TIMEOUT_MILLIS }, () => {
  for (const setup of setups) {
    it.skipIf(setup.lacks !== undefined)(titled("is taken down", setup), () =>
      inHome(setup.user, async (home) => {
        const running = home.start(lasting(setup))
        await running.printed("begun")
        assert.lengthOf(await processesOf(home, HANDLE), 1)
        await kill(running)
        await goneIn(home)
        assert.deepStrictEqual(endsOf(home), [OWNER_DIED])
        assert.deepStrictEqual([...below(home, "bottles"), ...below(home, "run")], [])
      })
    )

    // Each of these is there a moment after the one before, while what comes next is being made.
    for (const [moment, path] of [
      ["its ledger", "bottles"],
      ["its directory", "run"],
      ["its machine", "local/machines"]
    ] as const) {
      it.skipIf(setup.lacks !== undefined)(titled(`is taken down as soon as there is ${moment}`, setup), () =>
        inHome(setup.user, async (home) => {
          const running = home.start(lasting(setup))
          await Effect.runPromise(
            waitUntil(
              Effect.sync(() => below(home, path).length > 0),
              { boundMillis: 60_000, everyMillis: 1, what: moment }
            )
          )
          await kill(running)
          await goneIn(home)
        })
      )
    }
  }

  for (const step of ["machine create", "machine start", "machine exec", "machine delete"]) {
    for (const mode of ["hang", "hang-after"] as const) {
      it(`is taken down where its runtime hangs in "${step}" (${mode})`, () =>
        inHome(ordinary, async (home) => {
          const runtime = faulty(home)
          runtime.misbehave({ step, mode, times: 1, deaf: true })
          const running = home.start(["run", "-q", "--runtime", runtime.path, "--", "true"])
          await waitFor(`${step} to hang`, () => runtime.calls().includes(`${step} hangs`))
          await kill(running)
          await goneIn(home)
        }))
    }
  }

  it("is taken down after a second signal has cut its release short", () =>
    inHome(ordinary, async (home) => {
      const runtime = faulty(home)
      runtime.misbehave({ step: "machine delete", mode: "hang", times: 1 })
      const running = home.start(["run", "-q", "--runtime", runtime.path, "--", "true"])
      await waitFor("the release", () => runtime.calls().includes("machine delete hangs"))
      running.child.kill("SIGTERM")
      running.child.kill("SIGINT")
      running.child.kill("SIGTERM")
      assert.include([130, 143], (await running.ended).code)
      await goneIn(home)
    }))

  it("is taken down by the next launch, where its handle or its recovery is killed too", () =>
    inHome(ordinary, async (home) => {
      const runtime = faulty(home)
      const first = home.start(["run", "-q", "--runtime", runtime.path, "--", "sh", "-c", "echo begun; sleep 1000"])
      await first.printed("begun")
      const second = home.start(["run", "-q", "--runtime", runtime.path, "--", "sh", "-c", "echo begun; sleep 1000"])
      await second.printed("begun")
      const handles = await processesOf(home, HANDLE)
      assert.lengthOf(handles, 2)
      // The owners first stop, so that they replace nothing.
      for (const { child } of [first, second]) child.kill("SIGSTOP")
      process.kill(handles[0] ?? 0, "SIGKILL")
      runtime.misbehave({ step: "machine delete", mode: "hang", times: 1 })
      await Promise.all([kill(first), kill(second)])
      await waitFor("a recovery", () => runtime.calls().includes("machine delete hangs"))
      for (const pid of await processesOf(home, "bottle-keeper.mjs recover")) process.kill(pid, "SIGKILL")
      assert.lengthOf(below(home, "bottles"), 2)

      const next = await home.bottle("run", "-q", "--runtime", runtime.path, "--", "true")
      assert.strictEqual(next.code, 0)
      await goneIn(home)
    }))

  it("is taken down wherever its environment has its files", () =>
    inHome(ordinary, async (home) => {
      const at = (name: string) => home.path(`home/${name}`)
      const env = {
        XDG_STATE_HOME: at("s"),
        XDG_CACHE_HOME: at("c"),
        XDG_RUNTIME_DIR: at("r"),
        HTTPS_PROXY: "http://a.test"
      }
      const running = home.start(["run", "-q", "--allow", "a.test", "--", "sh", "-c", "echo begun; sleep 1000"], {
        env
      })
      await running.printed("begun")
      const [handle = 0] = await processesOf(home, HANDLE)
      const environment = Fs.readFileSync(`/proc/${handle}/environ`, "latin1").split("\0")
      assert.include(environment, `XDG_STATE_HOME=${at("s")}`)
      assert.isFalse(environment.some((line) => line.startsWith("HTTPS_PROXY=")))
      await kill(running)
      Fs.rmSync(at("s/bottle/records"), { recursive: true })
      await goneIn(home)
    }))

  it("is left alone while its owner lives, whoever asks", () =>
    inHome(ordinary, async (home) => {
      const running = home.start(["run", "-i", "-q", "--", "sh", "-c", "echo begun; read -r line; echo $line"], {
        stdin: "pipe"
      })
      await running.printed("begun")
      const state = home.path("home/.local/state/bottle")
      const [id = ""] = below(home, "bottles")
      const [first = ""] = Fs.readFileSync(`${state}/bottles/${id}/ledger.jsonl`, "utf8").split("\n")
      const { nonce } = JSON.parse(first).entry.claim
      const keeper = [...home.user.become, home.node, home.path("bottle-keeper.mjs")]
      const asked = home.spawn([...keeper, "recover", state, id, nonce])
      const swept = await home.spawn([...keeper, "sweep", state]).ended
      assert.strictEqual(swept.code, 0)
      running.child.stdin?.end("still here\n")
      const { code, stdout } = await running.ended
      assert.strictEqual(stdout.toString(), "begun\nstill here\n")
      assert.strictEqual(code, 0)
      assert.strictEqual((await asked.ended).code, 0)
    }))

  it("keeps nobody waiting who reads its output", () =>
    inHome(ordinary, async (home) => {
      const words = home.argv(["run", "-q", "--", "sh", "-c", "echo begun"]).map((word) => `'${word}'`)
      const { code, stdout } = await home.spawn(["/bin/sh", "-c", `${words.join(" ")} | cat`]).ended
      assert.strictEqual(stdout.toString(), "begun\n")
      assert.strictEqual(code, 0)
    }))
})

/** The local runtime as a program, which can be told to misbehave. */
const faulty = (home: Home): FaultyProgram.FaultyProgram =>
  FaultyProgram.make({
    path: home.path("bin/faulty"),
    control: home.path("control"),
    command: [home.node, home.path("smolvm-local.mjs")]
  })
