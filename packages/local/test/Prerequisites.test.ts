import * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Prerequisites from "../src/Prerequisites.js"

const help = "--map-user --map-group --keep-caps --kill-child --cgroup --wdns --preserve-credentials --namespace"
const moreHelp = "--no-new-privs --clear-groups --xattrs --no-same-owner --warning"

/** A Linux whose programs all say what they can, and whose trials end as `trial` says. */
const at = (
  sight: Partial<Prerequisites.Sight>,
  trial: { readonly exit: number; readonly stderr?: string } = { exit: 0 }
) =>
  Prerequisites.checkAt({
    platform: "linux",
    superuser: false,
    read: () => undefined,
    find: (program) => `/usr/bin/${program}`,
    ...sight
  }).pipe(
    Effect.map((found) => new Map(found.map((one) => [one.id, one]))),
    Effect.provide(
      CommandScript.layer(
        [
          { match: (argv) => argv.at(-1) === "--help", stdout: `${help} ${moreHelp}`, times: "any" },
          { match: (argv) => argv.at(-1) !== "--help", ...trial, times: "any" }
        ],
        { ordered: false }
      )
    )
  )

const files =
  (texts: Readonly<Record<string, string>>) =>
  (path: string): string | undefined =>
    texts[path]

const MAX = "/proc/sys/user/max_user_namespaces"
const CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
const APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

const forbidden = { exit: 1, stderr: "unshare: unshare failed: Operation not permitted\n" }

describe("prerequisites", () => {
  it.effect("are there where everything works, under names of their own", () =>
    Effect.gen(function* () {
      const found = yield* at({ read: files({ [MAX]: "10000" }) })
      for (const { detail, id, ok } of found.values()) assert.isTrue(ok || id === "core-dumps", `${id}: ${detail}`)
      assert.includeMembers([...found.keys()], ["program-ip", "options-unshare", "user-namespace", "proc", "overlayfs"])
      assert.deepStrictEqual(
        [...found.values()].filter(({ isOptional }) => isOptional).map(({ id }) => id),
        ["program-perl", "program-script", "program-taskset", "program-hostname", "overlayfs"]
      )
    })
  )

  const settings = [
    [MAX, "0", "userns-max", "10000"],
    [CLONE, "0", "userns-clone", "1"],
    [APPARMOR, "1", "userns-apparmor", "0"]
  ] as const
  for (const [path, bad, id, good] of settings) {
    it.effect(`name the setting that forbids namespaces: ${id}`, () =>
      Effect.gen(function* () {
        const others = { [MAX]: "10000", [CLONE]: "1", [APPARMOR]: "0" }
        const found = yield* at({ read: files({ ...others, [path]: bad }) }, forbidden)
        assert.deepInclude(found.get(id), { ok: false, detail: `is ${bad}` })
        assert.isTrue((yield* at({ read: files({ ...others, [path]: good }) }, forbidden)).get(id)?.ok)
        // Where namespaces work after all, it is in nobody's way.
        assert.isTrue((yield* at({ read: files({ ...others, [path]: bad }) })).get(id)?.ok)
      })
    )
  }

  it.effect("say what a container, or its filter of system calls, forbids", () =>
    Effect.gen(function* () {
      const fixOf = (texts: Readonly<Record<string, string>>) =>
        Effect.map(at({ read: files({ [MAX]: "1", ...texts }) }, forbidden), (found) => {
          const one = found.get("user-namespace")
          assert.deepInclude(one, { ok: false, detail: "unshare: unshare failed: Operation not permitted" })
          return one?.fix ?? ""
        })
      assert.include(yield* fixOf({ "/.dockerenv": "" }), "this is a container, start it with fewer restrictions")
      assert.include(yield* fixOf({ "/proc/self/status": "Name:\tnode\nSeccomp:\t2\n" }), "seccomp) is in force")
      assert.strictEqual(yield* fixOf({ "/proc/self/status": "Seccomp:\t0\n" }), "allow unprivileged user namespaces")
    })
  )

  it.effect("name a program that is not installed, and the package that brings it", () =>
    Effect.gen(function* () {
      const found = yield* at({ find: (program) => (program === "ip" ? undefined : `/usr/bin/${program}`) })
      assert.deepInclude(found.get("program-ip"), { ok: false, detail: "not installed", fix: "install iproute2" })
      assert.isTrue(found.get("program-tar")?.ok)
      const none = yield* at({ find: () => undefined })
      assert.deepInclude(none.get("user-namespace"), {
        ok: false,
        detail: "cannot be tried without unshare and setpriv"
      })
    })
  )

  it.effect("try root's mounts for root only", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* at({ superuser: true })).get("root-mounts")?.ok)
      assert.isFalse((yield* at({ superuser: true }, forbidden)).get("root-mounts")?.ok)
      assert.isFalse((yield* at({})).has("root-mounts"))
    })
  )

  it.effect("are Linux first", () =>
    Effect.gen(function* () {
      const found = yield* at({ platform: "darwin" })
      assert.deepStrictEqual([...found.keys()], ["linux"])
      assert.isFalse(found.get("linux")?.ok)
    })
  )
})
