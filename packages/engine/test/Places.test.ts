import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import * as Places from "../src/Places.js"
import { planIn } from "./fixtures/ledgers.js"

const container: LaunchOptions = { source: { _tag: "Bare" }, bundle: "container" }

const planOf = (options?: LaunchOptions, program = "docker") =>
  planIn("/t", "aaaaa", options, { container: { program, image: "bottle-bundle:abc", build: null } })

const contained = planOf(container)

const writtenOf = (value: string) => {
  const { variables, withheld } = Places.make({ DOCKER_HOST: value }, contained)
  return variables["DOCKER_HOST"] ?? { withheld: withheld["DOCKER_HOST"] }
}

describe("Places.make", () => {
  it("takes places, whether they are set or not, and nothing else", () => {
    const places = Places.make({ HOME: "/home/me", DOCKER_HOST: "unix:///d.sock", TOKEN: "s3cret" }, contained)
    assert.strictEqual(places.variables["HOME"], "/home/me")
    assert.strictEqual(places.variables["DOCKER_HOST"], "unix:///d.sock")
    assert.isNull(places.variables["XDG_DATA_HOME"])
    assert.sameMembers(Object.keys(places.variables), [...Places.names])
    assert.notInclude(JSON.stringify(places), "s3cret")
  })

  it("writes down no address that may hold a password", () => {
    for (const value of [
      "unix:///var/run/docker.sock",
      "tcp://10.0.0.1:2375",
      "ssh://me@host",
      "tcp://[::1]:2375",
      ""
    ]) {
      assert.strictEqual(writtenOf(value), value)
    }
    for (const [value, rest] of [
      ["tcp://me:s3cret@host:2375", "tcp://host:2375"],
      ["me:s3cret@host", "host"],
      ["tcp://me:s3/cr@et@host:1", "tcp://host:1"],
      ["ssh://me%3As3cret@host", "ssh://host"],
      ["tcp://host:1/?password=s3cret", "tcp://host:1/"],
      ["tcp://host:1#s3cret", "tcp://host:1"]
    ] as const) {
      assert.deepStrictEqual(writtenOf(value), { withheld: rest }, value)
    }
  })

  it("writes down nothing that is a secret of the guest's, or that a credential is read from", () => {
    const api = { source: { env: "CONTAINER_HOST" }, header: "x-api-key", upstream: "https://api.example.com" }
    for (const options of [{ secrets: ["CONTAINER_HOST"] }, { credentials: { api } }]) {
      const places = Places.make({ CONTAINER_HOST: "s3cret" }, planOf({ ...container, ...options }))
      assert.notInclude(JSON.stringify(places), "s3cret")
      assert.strictEqual(Places.applyToDocker({ CONTAINER_HOST: "s3cret" }, places)._tag, "Left")
    }
    assert.include(JSON.stringify(Places.make({ CONTAINER_HOST: "/d.sock" }, contained)), "/d.sock")
  })

  it("names files by absolute paths, and leaves what a relative one of XDG's is to the program", () => {
    const { variables } = Places.make({ SMOLVM_DATA_DIR: "data", XDG_DATA_HOME: "data" }, contained)
    assert.strictEqual(variables["SMOLVM_DATA_DIR"], Path.resolve("data"))
    assert.strictEqual(variables["XDG_DATA_HOME"], "data")
  })

  it.scopedLive("takes no program from the working directory where there is no search path", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      Fs.writeFileSync(Path.join(directory, "smolvm"), "", { mode: 0o755 })
      const before = process.cwd()
      yield* Effect.acquireRelease(
        Effect.sync(() => process.chdir(directory)),
        () => Effect.sync(() => process.chdir(before))
      )
      for (const environment of [{}, { PATH: "" }]) assert.isNull(Places.make(environment, contained).runtime)
      assert.isNotNull(Places.make({ PATH: directory }, contained).runtime)
    })
  )

  it.scopedLive("finds the programs, and the context that docker's configuration chooses", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const [one, other] = ["one", "other"].map((name) => Path.join(directory, name))
      assert.isDefined(one)
      assert.isDefined(other)
      Fs.mkdirSync(one)
      Fs.mkdirSync(other)
      Fs.writeFileSync(Path.join(one, "docker"), "", { mode: 0o644 })
      for (const name of ["docker", "smolvm"]) Fs.writeFileSync(Path.join(other, name), "", { mode: 0o755 })
      Fs.writeFileSync(Path.join(directory, "config.json"), `{"auths":{},"currentContext":"far"}`)
      const environment = { PATH: `${one}:${other}`, DOCKER_CONFIG: directory }
      const places = Places.make(environment, contained)
      assert.strictEqual(places.container, Path.join(other, "docker"))
      assert.strictEqual(places.runtime, Path.join(other, "smolvm"))
      assert.strictEqual(places.variables["DOCKER_CONTEXT"], "far")
      const contextIn = (more: Record<string, string>, plan = contained) =>
        Places.make({ ...environment, ...more }, plan).variables["DOCKER_CONTEXT"]
      assert.isNull(contextIn({ DOCKER_HOST: "unix:///d.sock" }))
      assert.strictEqual(contextIn({ DOCKER_CONTEXT: "near" }), "near")
      assert.strictEqual(contextIn({ DOCKER_CONFIG: one }), "default")
      assert.isNull(contextIn({}, planOf(container, "podman")))
      assert.isNull(contextIn({}, planOf({ source: { _tag: "Bare" }, bundle: "process" })))
    })
  )
})

describe("Places.apply", () => {
  it("gives each place the value that it had, also none, and leaves the rest", () => {
    const places = Places.make({ HOME: "/a", DOCKER_CONTEXT: "far" }, contained)
    assert.deepStrictEqual(Places.apply({ HOME: "/b", DOCKER_HOST: "unix:///d", PATH: "/bin" }, places), {
      HOME: "/a",
      DOCKER_CONTEXT: "far",
      PATH: "/bin"
    })
  })

  it("takes nothing from a ledger that is no place, and leaves a place that the ledger knows nothing of", () => {
    const places = { variables: { LD_PRELOAD: "/evil.so", HOME: "/a" }, withheld: {}, runtime: null, container: null }
    assert.deepStrictEqual(Places.apply({ HOME: "/b", XDG_DATA_HOME: "/x" }, places), {
      XDG_DATA_HOME: "/x",
      HOME: "/a"
    })
  })
})

describe("Places.applyToDocker", () => {
  const places = Places.make({ DOCKER_HOST: "tcp://me:s3cret@host:2375" }, contained)

  it("uses an address that was withheld where it is the same one here", () => {
    const environment = { DOCKER_HOST: "tcp://me:s3cret@host:2375", HOME: "/b" }
    assert.deepStrictEqual(
      Places.applyToDocker(environment, places),
      Either.right({
        DOCKER_HOST: "tcp://me:s3cret@host:2375"
      })
    )
  })

  it("does not know where that is otherwise", () => {
    for (const environment of [{}, { DOCKER_HOST: "tcp://me:s3cret@other:2375" }, { DOCKER_HOST: "" }]) {
      const found = Places.applyToDocker(environment, places)
      assert.isTrue(Either.isLeft(found))
      if (Either.isRight(found)) return
      assert.strictEqual(
        found.left.message,
        "it is at a DOCKER_HOST with a password, which is not written down (tcp://host:2375)"
      )
      assert.include(found.left.suggestion, "DOCKER_HOST")
    }
  })
})
