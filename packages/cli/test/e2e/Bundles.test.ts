import { waitUntil } from "@bottle/testing/Wait"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import type { Images } from "./bundles.js"
import {
  enter,
  flags,
  hostAddress,
  makeImages,
  recordOf,
  serve,
  setups,
  setupsOf,
  titled,
  TIMEOUT_MILLIS
} from "./bundles.js"
import { isUsedAndNotFound } from "./credentials.js"
import type { Home } from "./harness.js"
import { failureLines, find, inHome, ordinary } from "./harness.js"

let images: Images | undefined
beforeAll(async () => {
  images = await makeImages()
}, TIMEOUT_MILLIS)
afterAll(() => images?.close())

const waitFor = (what: string, condition: () => boolean): Promise<void> =>
  Effect.runPromise(waitUntil(Effect.sync(condition), { boundMillis: 60_000, what }))

const reportOf = (home: Home) => JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))

describe.concurrent("bundles", { timeout: TIMEOUT_MILLIS }, () => {
  for (const setup of setups) {
    it.skipIf(setup.lacks !== undefined)(titled("keep two bottles apart", setup), () =>
      inHome(setup.user, (one) =>
        inHome(setup.user, async (other) => {
          const upstreams = [await serve(setup, "one-answers"), await serve(setup, "other-answers")] as const
          try {
            const bottleOf = (home: Home, name: string, port: number) =>
              enter(home, [
                ...flags(setup, images),
                ...["-q", "--allow", `${name}:${port}`, "--resolve", `${name}=${hostAddress(setup)}`]
              ])
            const left = await bottleOf(one, "one.test", upstreams[0].port)
            const right = await bottleOf(other, "other.test", upstreams[1].port)
            assert.match(await left.ask(`get one.test:${upstreams[0].port}`), /one-answers$/)
            assert.match(await right.ask(`get other.test:${upstreams[1].port}`), /other-answers$/)

            // The other's policy is not this one's.
            assert.match(await left.ask(`get other.test:${upstreams[1].port}`), /^HTTP\/1\.1 403 /)
            assert.match(await right.ask(`get one.test:${upstreams[0].port}`), /^HTTP\/1\.1 403 /)

            // The other's bundle: its address and port, or the socket on which it listens.
            const { bundle } = JSON.parse(recordOf(other).read("plan.json"))
            if (bundle._tag === "Container") {
              const { address, gateway } = bundle.candidates[bundle.chosen]
              for (const host of [address, gateway]) {
                assert.strictEqual(await left.ask(`direct ${host} 3128`), "failed")
                assert.match(await left.ask(`get ${host}:3128`), /^HTTP\/1\.1 403 /)
                assert.match(await left.ask(`tunnel ${host}:3128`), /^HTTP\/1\.1 403 /)
              }
            }
            assert.isTrue(Fs.existsSync(bundle.socket))
            assert.strictEqual(await left.ask(`test -e ${bundle.socket} && echo there || echo gone`), "gone")

            // The other's machine: what listens in it, which it reaches itself, and what runs in it.
            const server = 'require("net").createServer((s)=>s.end()).listen(5599,"0.0.0.0",()=>console.log("listens"))'
            await right.ask(`( ${find("node")} -e '${server}' only-in-the-other > /tmp/said & )`)
            await right.ask("for i in $(seq 300); do grep -q listens /tmp/said && break; sleep 0.1; done")
            assert.strictEqual(await right.ask("direct 127.0.0.1 5599"), "connected")
            assert.strictEqual(await left.ask("direct 127.0.0.1 5599"), "failed")
            assert.match(await left.ask("get 127.0.0.1:5599"), /^HTTP\/1\.1 403 /)
            // The pattern does not match the command that looks for it.
            const count = "grep -l '[o]nly-in-the-other' /proc/[0-9]*/cmdline 2>/dev/null | wc -l"
            assert.strictEqual(await right.ask(count), "1")
            assert.strictEqual(await left.ask(count), "0")

            for (const guest of [left, right]) assert.strictEqual((await guest.leave()).code, 0)
            assert.deepStrictEqual(
              upstreams.map((upstream) => upstream.connections()),
              [1, 1]
            )
          } finally {
            for (const upstream of upstreams) await upstream.close()
          }
        })
      )
    )
  }

  for (const setup of setupsOf("container")) {
    it.skipIf(setup.lacks !== undefined)(titled("hold a credential that the guest cannot find", setup), () =>
      isUsedAndNotFound(setup, images)
    )

    it.skipIf(setup.lacks !== undefined)(titled("close the bottle when they are killed", setup), () =>
      inHome(setup.user, async (home) => {
        const upstream = await serve(setup, "upstream-answers")
        try {
          const allowed = `allowed.test:${upstream.port}`
          const guest = await enter(home, [
            ...flags(setup, images),
            ...["-q", "--allow", allowed, "--resolve", `allowed.test=${hostAddress(setup)}`, "--report", "r.json"]
          ])
          assert.match(await guest.ask(`get ${allowed}`), /upstream-answers$/)
          const { bundle } = JSON.parse(recordOf(home).read("plan.json"))
          ChildProcess.execFileSync("docker", ["kill", bundle.container], { stdio: "ignore" })
          const { code, stderr } = await guest.running.ended
          assert.strictEqual(code, 125)
          assert.lengthOf(failureLines(stderr), 2, stderr)
          assert.match(stderr, /^bottle: the proxy ended while the bottle was in use: .*exit code 137\ntry: /)
          const report = reportOf(home)
          assert.deepStrictEqual(report.exit, { code: 125, origin: "engine", timedOut: false })
          assert.strictEqual(report.failure.error, "BundleDied")
          assert.strictEqual(upstream.connections(), 1)
          await home.assertNothingLeft()
        } finally {
          await upstream.close()
        }
      })
    )

    // Before the client has done anything, and when the daemon has done all of it.
    const launching = ["build", "network create", "run"].flatMap((step) => [
      { step, moment: "before" as const },
      { step, moment: "after" as const }
    ])
    for (const { moment, step } of [...launching, { step: "logs", moment: "before" as const }]) {
      it.skipIf(setup.lacks !== undefined)(
        titled(`go when a launch is interrupted ${moment} docker ${step}`, setup),
        () =>
          inHome(setup.user, async (home) => {
            const docker = hangingDocker(home, step, moment)
            // An image that is there is not built.
            const own = images === undefined ? undefined : { ...images, bundle: `${images.bundle}-${moment}` }
            const args = flags(setup, step === "build" ? own : images)
            const running = home.start(["run", "-q", ...args, "--", "true"], { env: docker.env })
            try {
              await waitFor(`docker ${step}`, docker.hangs)
              running.child.kill("SIGINT")
              const { code, stderr, stdout } = await running.ended
              assert.strictEqual(code, 130, stderr)
              assert.strictEqual(`${stdout}${stderr}`, "")
              await home.assertNothingLeft()
            } finally {
              if (step === "build" && own !== undefined) {
                ChildProcess.spawnSync("docker", ["image", "rm", own.bundle], { stdio: "ignore" })
              }
            }
          })
      )
    }

    for (const step of ["rm", "network rm"]) {
      it.skipIf(setup.lacks !== undefined)(
        titled(`go all the same when the release is interrupted at ${step}`, setup),
        () =>
          inHome(setup.user, async (home) => {
            const docker = hangingDocker(home, step, "before")
            const running = home.start(["run", "-q", ...flags(setup, images), "--", "true"], { env: docker.env })
            await waitFor(`docker ${step}`, docker.hangs)
            running.child.kill("SIGINT")
            docker.go()
            const { code, stderr } = await running.ended
            assert.strictEqual(code, 130, stderr)
            assert.strictEqual(stderr, "")
            await home.assertNothingLeft()
          })
      )
    }
  }

  it("hand no bottle over that leaks, and say which way is open", () =>
    inHome(ordinary, async (home) => {
      // What is to be probed from inside is probed from this machine itself.
      const leaking = home.program(
        "leaking",
        `#!/bin/bash
for word in "$@"; do
  if [ "$word" = bottle-proof ]; then
    while [ "$1" != -- ]; do shift; done
    shift
    exec "$@"
  fi
done
exec "${home.node}" "${home.path("smolvm-local.mjs")}" "$@"
`
      )
      const args = ["--runtime", leaking, "--report", "r.json"]
      const text = await home.bottle("run", "-q", ...args, "--", "echo", "was handed over")
      assert.strictEqual(text.code, 125)
      assert.strictEqual(text.stdout.toString(), "")
      assert.lengthOf(failureLines(text.stderr), 2, text.stderr)
      assert.match(text.stderr, /^bottle: the bottle is open: .+\ntry: .+\nmore: .+#egressnotenforced\n$/)
      const { exit, failure, plan, proof, record } = reportOf(home)
      assert.strictEqual(failure.error, "EgressNotEnforced")
      assert.deepStrictEqual(exit, { code: 125, origin: "engine", timedOut: false })
      assert.strictEqual(proof.outcome, "leaked")
      assert.strictEqual(plan.runtime.program, leaking)
      assert.deepStrictEqual(JSON.parse(Fs.readFileSync(`${record}/proof.json`, "utf8")), proof)
      await home.assertNothingLeft()

      const honest = await home.bottle("run", "-q", "--", "echo", "was handed over")
      assert.strictEqual(honest.stdout.toString(), "was handed over\n", honest.stderr)
    }))
})

/** A docker that hangs at one of its commands until it may go or is told to end: before it has begun, or after it. */
const hangingDocker = (home: Home, step: string, moment: "before" | "after") => {
  const [hangs, go] = [home.path("hangs"), home.path("go")]
  const program = home.program(
    "docker-that-hangs",
    `#!/bin/bash
step="$1"
[ "$1" = network ] && step="$1 $2"
hang() {
  # Once only: a release may come by here again.
  mkdir "${hangs}" 2>/dev/null || return
  trap 'exit 143' TERM
  until [ -e "${go}" ]; do sleep 0.05; done
}
[ "$step" = "${step}" ] && [ ${moment} = before ] && hang
docker "$@"
code=$?
[ "$step" = "${step}" ] && [ ${moment} = after ] && hang
exit $code
`
  )
  return { env: { BOTTLE_DOCKER: program }, hangs: () => Fs.existsSync(hangs), go: () => Fs.writeFileSync(go, "") }
}
