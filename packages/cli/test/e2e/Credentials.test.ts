import { assert, describe, it } from "@effect/vitest"
import { setupsOf, titled, TIMEOUT_MILLIS } from "./bundles.js"
import { isUsedAndNotFound, makeNeedle, serve, traces, writePolicy } from "./credentials.js"
import { exec, obeyed, ownerOf, up } from "./detached.js"
import { inHome, ordinary } from "./harness.js"

// With a bundle in a container: Bundles.test.ts, where there is an image for it.
describe.concurrent("a credential that stays in the bundle", { timeout: TIMEOUT_MILLIS }, () => {
  for (const setup of setupsOf("process")) {
    it(titled("is used by a guest that cannot find it", setup), () => isUsedAndNotFound(setup, undefined))
  }

  it("is read once for a bottle that stays, and neither its keeper nor who runs something in it shows it", () =>
    inHome(ordinary, async (home) => {
      const upstream = await serve("127.0.0.1")
      const value = makeNeedle()
      try {
        writePolicy(home, { kind: "process" }, upstream)
        const words = ["--policy", home.path("policy.json"), "--bundle", "process"]
        const refused = await home.start(["up", "-q", ...words]).ended
        assert.strictEqual(refused.code, 125)
        assert.match(refused.stderr, /^bottle: credential api: the variable HOST_KEY is not set here\ntry: Set it /)
        await home.assertNothingLeft()

        home.env["HOST_KEY"] = value
        const id = await up(home, ...words)
        delete home.env["HOST_KEY"]
        const { API_KEY: placeholder, ...others } = Object.fromEntries(
          (await exec(home, id, "env")).stdout
            .toString()
            .trim()
            .split("\n")
            .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
        )
        assert.strictEqual(placeholder, "bottle-placeholder-api")
        assert.notProperty(others, "HOST_KEY")
        const script = `exec 3<>/dev/tcp/127.0.0.1/3128
printf 'GET /credentials/api/v1 HTTP/1.1\\r\\nHost: 127.0.0.1:3128\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3`
        const answered = await home.bottle("exec", id, "--", "bash", "-c", script)
        assert.match(answered.stdout.toString(), /served$/, answered.stderr)
        assert.deepStrictEqual(
          upstream.seen.map(({ key, line }) => [line, key]),
          [["GET /base/v1", value]]
        )
        assert.isAbove(ownerOf(home, id), 0)
        assert.deepStrictEqual(traces(home, value, []), [])
        await obeyed(home, "down", id)
        assert.deepStrictEqual(traces(home, value, []), [])
      } finally {
        await upstream.close()
      }
    }))
})
