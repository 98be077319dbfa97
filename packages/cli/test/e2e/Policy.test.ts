import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import type { Images } from "./bundles.js"
import { enter, flags, hostAddress, makeImages, recordOf, serve, setups, titled, TIMEOUT_MILLIS } from "./bundles.js"
import { failureLines, type Home, inHome, ordinary } from "./harness.js"

let images: Images | undefined
beforeAll(async () => {
  images = await makeImages()
}, TIMEOUT_MILLIS)
afterAll(() => images?.close())

const write = (home: Home, name: string, text: string): string => {
  const file = home.path(name)
  Fs.writeFileSync(file, text)
  home.own()
  return file
}

describe.concurrent("a policy file", { timeout: TIMEOUT_MILLIS }, () => {
  for (const setup of setups) {
    it.skipIf(setup.lacks !== undefined)(titled("is read again on SIGUSR2, in the same bottle", setup), () =>
      inHome(setup.user, async (home) => {
        const upstream = await serve(setup, "upstream-answers")
        try {
          const [one, two, flagged] = ["one.test", "two.test", "flagged.test"].map((name) => `${name}:${upstream.port}`)
          const resolve = Object.fromEntries(["one.test", "two.test"].map((name) => [name, hostAddress(setup)]))
          const file = write(home, "policy.json", JSON.stringify({ allow: [one], resolve }))
          const guest = await enter(home, [
            ...flags(setup, images),
            ...["--policy", file, "--allow", `${flagged}`, "--resolve", `flagged.test=${hostAddress(setup)}`],
            ...["--deny", "never.test"]
          ])
          const isAnswered = async (target: string | undefined) => {
            const answer = await guest.ask(`get ${target}`)
            if (answer.endsWith("upstream-answers")) return true
            assert.match(answer, /^HTTP\/1\.1 403 /)
            return false
          }
          const reload = async (expected: string) => {
            guest.running.child.kill("SIGUSR2")
            await guest.running.told(expected)
          }
          assert.isTrue(await isAnswered(one))
          assert.isFalse(await isAnswered(two))
          assert.isTrue(await isAnswered(flagged))

          // What was refused becomes allowed, and the reverse; what the flags say stays.
          const next = { allow: [two, "never.test"], deny: [{ host: "one.test" }], resolve }
          Fs.writeFileSync(file, JSON.stringify(next))
          await reload("bottle: the policy was reloaded\n")
          assert.isFalse(await isAnswered(one))
          assert.isTrue(await isAnswered(two))
          assert.isTrue(await isAnswered(flagged))
          assert.isFalse(await isAnswered("never.test"))

          Fs.writeFileSync(file, `{"alow": []}`)
          await reload("bottle: not reloaded, the policy before stays: ")
          assert.isFalse(await isAnswered(one))
          assert.isTrue(await isAnswered(two))

          const { code, stderr } = await guest.leave()
          assert.strictEqual(code, 0)
          assert.match(
            stderr,
            /\nbottle: not reloaded, the policy before stays: --policy \S*policy\.json: .*alow.*\ntry: .+\n/
          )
          assert.match(stderr, /\nbottle: refused one\.test:\d+ \(the rule one\.test denies it\); .*\n/)
          const record = recordOf(home)
          const decided = record.decisions().filter(({ phase }) => phase === "decision")
          const verdictsOf = (host: string) => decided.filter((it) => it.host === host).map(({ verdict }) => verdict)
          assert.deepStrictEqual(verdictsOf("one.test"), ["allow", "deny", "deny"])
          assert.deepStrictEqual(verdictsOf("two.test"), ["deny", "allow", "allow"])
          const reloads = record
            .read("launch.jsonl")
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line))
            .filter(({ _tag }) => _tag === "Reloaded")
          assert.lengthOf(reloads, 1)
          assert.deepStrictEqual(reloads[0].egress.deny, ["one.test", "never.test"])
        } finally {
          await upstream.close()
        }
      })
    )
  }

  it("that holds no policy is refused on one line, and nothing is created", () =>
    inHome(ordinary, async (home) => {
      const run = (file: string, ...others: ReadonlyArray<string>) =>
        home.bottle("run", "-q", "--policy", file, ...others, "--", "true")
      const cases: ReadonlyArray<readonly [text: string, message: RegExp]> = [
        [`{"allow": [`, /^bottle: --policy \S+broken\.json: .+$/],
        [`{"allow": [{"host": "a.test", "port": 80}]}`, /^bottle: --policy \S+broken\.json: allow\[0\].*port/],
        [`{"deny": ["http://x/"]}`, /^bottle: --policy \S+broken\.json: deny\[0\]/]
      ]
      for (const [text, message] of cases) {
        const { code, stderr, stdout } = await run(write(home, "broken.json", text))
        assert.strictEqual(code, 2, stderr)
        assert.strictEqual(stdout.toString(), "")
        assert.lengthOf(failureLines(stderr), 2, stderr)
        assert.match(failureLines(stderr)[0] ?? "", message)
      }
      const missing = await run(home.path("none.json"))
      assert.strictEqual(missing.code, 2)
      assert.isFalse(Fs.existsSync(home.path("home/.local")))
      const plan = await home.bottle("plan", "--format", "json", "--policy", home.path("none.json"))
      assert.strictEqual(JSON.parse(plan.stdout.toString()).failure.error, "PolicyFileRefused")

      const good = await run(write(home, "good.json", "{}"))
      assert.strictEqual(good.code, 0, good.stderr)
    }))

  it("that the guest could change is refused, and one that it cannot is taken", () =>
    inHome(ordinary, async (home) => {
      const file = write(home, "work/policy.json", "{}")
      const mounted = ["-v", ".:/work"]
      const refused = await home.bottle("run", "-q", "--policy", file, ...mounted, "--", "true")
      assert.strictEqual(refused.code, 2)
      assert.match(
        failureLines(refused.stderr)[0] ?? "",
        /^bottle: --policy \S+: the guest can change it, below -v \S+work$/
      )
      assert.isFalse(Fs.existsSync(home.path("home/.local")))
      for (const args of [
        ["-v", ".:/work:ro", "--policy", file],
        [...mounted, "--policy", write(home, "policy.json", "{}")]
      ]) {
        const taken = await home.bottle("run", "-q", ...args, "--", "true")
        assert.strictEqual(taken.code, 0, taken.stderr)
      }
    }))

  it("is asked for when a bottle has none, and nothing happens", () =>
    inHome(ordinary, async (home) => {
      const guest = await enter(home, ["-q"])
      guest.running.child.kill("SIGUSR2")
      await guest.running.told("this bottle has no --policy FILE to read again\n")
      assert.strictEqual(await guest.ask("echo alive"), "alive")
      assert.strictEqual((await guest.leave()).code, 0)
    }))
})
